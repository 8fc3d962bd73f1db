#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# LAVA: jobs made of recorded runs (tests/judge), what the guest tells of their results, and what
# is made of LAVA's; and what lava-run 2023.01 has really said of jobs of lab/lava-run.sh (tests/lava:
# of each, results, and the lines of the console that matter).

. "$(dirname "$0")/tap.sh"
"$LAB/fetch.sh" "$NEWEST_BASE" >/dev/null
export LAB_CACHE=$CACHE LAB_RUNS=$tmp/runs
cp -r "$LAB" "$tmp/lab"
printf '%s\n' 'irqfd_resampler_test 13' 'kvm_irqfd_resampler 63' >"$tmp/lab/cases"
show=$tmp/lab/results.py lava=$tmp/lab/lava.py

for name in stock-proxy patched-proxy kselftest kselftest-inner-fails kunit-skips hang-after-job; do
	run=$LAB_RUNS/$name
	mkdir -p "$run"
	cp "$TOP/tests/judge/$name"/* "$run"
	rm -f "$run/expect"
	sed -i -E 's/^(ok [0-9]+) # SKIP (.*): (an earlier .*)/\1 \2 # SKIP \3/' "$run/results"
	echo 'oops=panic' >"$run/append"
	echo 120 >"$run/timeout"
	echo 2 >"$run/cpus"
	echo x86_64 >"$run/arch"
	touch "$run/kernel" "$run/initramfs.cpio"
	"$tmp/lab/judge.py" "$run" >/dev/null
done

# job NAME, in $tmp/job; job_is EXPRESSION: of Python, true of it, j.
job()
{
	"$show" lava --url https://lab.example/runs "$LAB_RUNS/$1" >"$tmp/job" || [ $? = 1 ]
}
job_is()
{
	python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); sys.exit(not eval(f"({sys.argv[2]})"))' "$tmp/job" "$1" ||
		{ cat "$tmp/job"; return 1; }
}
job patched-proxy
ok "job: kernel and initramfs by URL" job_is '[image["url"] for image in j["actions"][0]["deploy"]["images"].values()] ==
	["https://lab.example/runs/patched-proxy/kernel", "https://lab.example/runs/patched-proxy/initramfs.cpio"]'
ok "job: the scenario's command line, and no panic that ends QEMU" job_is '(line := j["actions"][0]["deploy"]["images"]["kernel"]["image_arg"])
	and "oops=panic" in line and "lab_signals=1" in line and "printk.devkmsg=on" in line and "panic=-1" not in line'
ok "job: may be silent for as long as the test may take, more than here" job_is 'j["actions"][1]["boot"]["timeout"] == j["actions"][2]["test"]["timeout"] == {"seconds": 480}'
ok "job: CPUs" job_is '"-smp 2" in j["context"]["extra_options"]'
ok "job: names what is to be expected" job_is 'len(j["metadata"]["expected_cases"].split()) == 15'
rm "$LAB_RUNS/hang-after-job/kernel"
"$tmp/lab/judge.py" "$LAB_RUNS/hang-after-job" >/dev/null
ok "job: not without a kernel" fails 2 'has no kernel and initramfs' "$show" lava "$LAB_RUNS/hang-after-job"
ok "job: others for each run, a line each" eval '
	[ "$({ "$show" lava "$LAB_RUNS/kselftest" "$LAB_RUNS/patched-proxy" || true; } | grep -c "^{")" = 2 ]'
cp -r "$LAB_RUNS/kselftest" "$tmp/bochs"
echo '# Bochs 2.7' >"$tmp/bochs/qemu-command"
"$tmp/lab/judge.py" "$tmp/bochs" >/dev/null
ok "job: not of Bochs" fails 2 'is of Bochs' "$show" lava "$tmp/bochs"

# signals NAME: of the guest, for all commands.
signals()
{
	local results=$LAB_RUNS/$1/results

	awk '/^lab: run /{ n++ } { print >(prefix n) }' prefix="$tmp/part-" "$results"
	for part in "$tmp"/part-*; do busybox awk -f "$LAB/guest/signals.awk" "$part"; done
	rm "$tmp"/part-*
	echo "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=no_task_is_stuck RESULT=pass>"
}
# log NAME: LAVA's, if the guest tells it that on the console, by the job's pattern; what
# came of the job as such is $1 and $2.
log()
{
	python3 - "$tmp/job" "$1" "$2" <<-'END'
	import json, re, sys
	monitor = json.load(open(sys.argv[1]))["actions"][2]["test"]["monitors"][0]
	console = open(sys.argv[1] + ".console").read()
	started = console.split("LAB-BEGIN 1", 1)[1]
	ended = re.search(monitor["end"], started, re.S)
	def say(definition, case, result):
	    print('{"dt": "2026", "lvl": "results", "msg": {"case": "%s", "definition": "%s", "level": "3", "result": "%s"}}' % (case, definition, result))
	say("lava", "validate", "pass")
	print('{"dt": "2026", "lvl": "target", "msg": "[ 1.0] RESULT=pass {"}')
	for m in re.finditer(monitor["pattern"], started[:ended.end() if ended else None], re.S):
	    say("0_irqfd", re.sub(r"\W", "_", m["test_case_id"].lower()), monitor["fixupdict"][m["result"]])
	say("lava", "lava-test-monitor", sys.argv[2] if ended else "fail")
	say("lava", "job", sys.argv[3])
	END
}
# said NAME [EDIT]: the console of the guest, as edited by sed, makes what verdict?
said()
{
	job "$1"
	{ echo "LAB-BOOTED: "; echo "LAB-BEGIN 1"; signals "$1"; echo "LAB-END 1 DONE"; } |
		sed 's/^/[    1.000000] /; s/$/\r\r/' | sed "${2:-}" >"$tmp/job.console"
	log "${3:-pass}" "${4:-pass}" >"$tmp/log"
	"$lava" "$tmp/job" "$tmp/log" >"$tmp/said" || [ $? = 1 ]
	cat "$tmp/said" "$tmp/log"
}
# lava_says VERDICT PATTERN NAME [EDIT [MONITOR JOB]]
lava_says()
{
	said "${@:3}" && [ "$(head -n 1 "$tmp/said")" = "$1" ] && tr '\n' ' ' <"$tmp/said" | grep -qE "$2"
}
few()
{
	sed "/^ok 3 /d" "$LAB_RUNS/patched-proxy/results" >"$tmp/few"
	busybox awk -f "$LAB/guest/signals.awk" "$tmp/few" | grep 'irqfd_resampler_test_s_2 RESULT=fail'
}
ok "signals: fewer results than planned fail the command" few
ok "lava: all pass" lava_says PASS '^PASS $' patched-proxy
ok "lava: ... quoted by kselftest's runner" lava_says PASS '^PASS $' kselftest
ok "lava: ... nested as KUnit's" lava_says PASS '^PASS $' kunit-skips
ok "lava: a case fails, which LAVA does not mind" lava_says FAIL '^FAIL irqfd_resampler_test_distinct_gsis_teardown_by_closing_eventfds: fail ' stock-proxy
ok "lava: ... quoted by the runner" lava_says FAIL '_errors: fail|irqfd_resampler_test_[a-z_]*: fail' kselftest-inner-fails
ok "lava: a case is not there" lava_says FAIL '^FAIL irqfd_resampler_test_[a-z_]*errors: no result $' patched-proxy '/errors RESULT/d'
ok "lava: ... as its line is torn" lava_says FAIL '^FAIL irqfd_resampler_test_[a-z_]*errors: no result $' patched-proxy 's/errors RESULT=pa/&[ 1.0] hello/'
ok "lava: it ends too early" lava_says FAIL 'no_task_is_stuck: no result' patched-proxy '/_leaks/ s/.*/LAB-END 1 DONE/'
ok "lava: a panic" lava_says FAIL 'kernel_panic: fail' patched-proxy '/_leaks/ s/<.*/Kernel panic - not syncing: x\r\r\n[ 1.0] ---[ end Kernel panic - not syncing: x ]---\r/'
ok "lava: a panic is one case" eval '[ "$(grep -c "kernel_panic" "$tmp/log")" = 1 ]'
for splat in 'BUG: KASAN: use-after-free' 'WARNING: possible circular locking' 'INFO: task kworker\/0:1:9 blocked for more' 'INFO: rcu_sched detected stalls' 'Oops: 0000'; do
	ok "lava: ${splat%% *}" lava_says FAIL "^FAIL $(tr '[:upper:]' '[:lower:]' <<<"${splat%%:*}"): fail $" patched-proxy "/_leaks/ s/^/[ 1.0] $splat\\r\\r\\n/"
done
ok "lava: what only looks like it" lava_says PASS '^PASS $' patched-proxy '/_leaks/ s/^/[ 1.0] INFO: NMI handler took long\r\r\n[ 1.0] DEBUG: x\r\r\n/'
ok "lava: a silent hang" lava_says FAIL 'lava.lava-test-monitor: fail' patched-proxy '/LAB-END/d'
ok "lava: it does not boot" lava_says FAIL 'lava.job: fail' patched-proxy '' pass fail
: >"$tmp/empty"
ok "lava: no results at all" eval '! "$lava" "$tmp/job" "$tmp/empty" >"$tmp/said" && grep -x "lava.job: no result" "$tmp/said"'
ok "lava: a task that is stuck" lava_says FAIL '^FAIL no_task_is_stuck: fail $' patched-proxy '/no_task_is_stuck/ s/pass/fail/'
ok "lava: no such log" fails 2 'lab: .*No such file' "$lava" "$tmp/job" "$tmp/none"

# recorded NAME VERDICT PATTERN
recorded()
{
	"$lava" "$TOP/tests/lava/$1/job" "$TOP/tests/lava/$1/log" >"$tmp/said" || [ $? = 1 ]
	cat "$tmp/said"
	[ "$(head -n 1 "$tmp/said")" = "$2" ] && tr '\n' ' ' <"$tmp/said" | grep -qE "$3"
}
# as_lava NAME: the job's pattern finds on the console what LAVA's monitor has found by it.
as_lava()
{
	python3 - "$tmp/job" "$TOP/tests/lava/$1/log" <<-'END'
	import json, re, sys
	job = json.load(open(sys.argv[1]))
	monitor = job["actions"][2]["test"]["monitors"][0]
	log = list(map(json.loads, open(sys.argv[2])))
	console = "\r\r\n".join(entry["msg"] for entry in log if entry["lvl"] in ("target", "feedback"))
	assert job["actions"][1]["boot"]["prompts"][0] in console, "no prompt"
	started = re.split(monitor["start"], console, maxsplit=1)[1]
	ended = re.search(monitor["end"], started, re.S)
	mine = [(re.sub(r"\W+", "_", m["test_case_id"].lower()), monitor["fixupdict"][m["result"]])
	        for m in re.finditer(monitor["pattern"], started[:ended.end() if ended else None], re.S)]
	theirs = [(entry["msg"]["case"], entry["msg"]["result"]) for entry in log if entry["lvl"] == "results" and entry["msg"]["definition"] == "irqfd"]
	assert mine == theirs, (mine, theirs)
	END
}
job patched-proxy
for run in "$TOP"/tests/lava/*; do
	ok "recorded: LAVA finds by the job's pattern what is found by it here: ${run##*/}" as_lava "${run##*/}"
done
# LAVA's own word for the job, of which it thinks nothing bad but of the silent hang.
ok "recorded: all pass" recorded patched-proxy PASS '^PASS $'
ok "recorded: the deadlock" recorded stock-proxy FAIL '^FAIL info: fail .*irqfd_resampler_test_s_2: fail no_task_is_stuck: fail $'
ok "recorded: a panic" recorded broken-panic FAIL '^FAIL kernel_panic: fail .*: no result no_task_is_stuck: no result $'
ok "recorded: a silent hang" recorded broken-hang FAIL '^FAIL lava.job: fail lava.lava-test-monitor: fail sleep_3600: no result'
ok "recorded: a test that lacks a case" recorded broken-few FAIL '^FAIL sh_c_[a-z0-9_]*_ok_1_first: fail $'
ok "recorded: ... as the line is torn" recorded broken-torn FAIL '^FAIL sh_c_[a-z0-9_]*_ok_2_second: fail $'
ok "recorded: a signal that is torn" recorded torn-signal FAIL '^FAIL torn: no result $'
ok "recorded: LAVA says of all of them but one that the job has passed" eval '
	[ "$(grep -lE "\"case\": \"job\".*\"result\": \"pass\"" "$TOP"/tests/lava/*/log | wc -l)" = 6 ]'

# lab/lava-run.sh, with a lava-run that says what it is told to.
mkdir -p "$tmp/bin" "$tmp/cache/lava-server/usr/share/lava-server/device-types"
echo 'arch: {{ arch }}' >"$tmp/cache/lava-server/usr/share/lava-server/device-types/qemu.jinja2"
cat >"$tmp/bin/unshare" <<'END'
#!/bin/bash
while [[ $1 = --* ]]; do shift; done
exec "$@"
END
echo '#!/bin/bash' >"$tmp/bin/mount"
cat >"$tmp/bin/lava-run" <<END
#!/bin/bash
while [ "\$1" != --device ]; do shift; done
[ "\$(cat "\$2")" = "arch: x86_64" ] || exit
cat "$tmp/said-by-lava" >&2
END
chmod +x "$tmp/bin/unshare" "$tmp/bin/mount" "$tmp/bin/lava-run"
# again_is STATUS LOG RUN [VERDICTS]: the script's exit status, and those of the table's last line.
again_is()
{
	local status=0

	cp "$2" "$tmp/said-by-lava"
	PATH=$tmp/bin:$PATH LAB_CACHE=$tmp/cache "$tmp/lab/lava-run.sh" "$LAB_RUNS/$3" >"$tmp/table" 2>"$tmp/stderr" || status=$?
	cat "$tmp/table" "$tmp/stderr"
	[ "$status" = "$1" ] && tail -n 1 "$tmp/table" | tr -s ' ' | grep -F " ${4:-}"
}
log=$TOP/tests/lava
ok "lava-run: LAVA passes what the lab passes" again_is 0 "$log/patched-proxy/log" patched-proxy 'PASS PASS'
ok "lava-run: ... and fails what it fails" again_is 0 "$log/stock-proxy/log" stock-proxy 'DEADLOCK FAIL'
said stock-proxy 's/RESULT=fail/RESULT=pass/' >/dev/null
ok "lava-run: LAVA passes what the lab does not" again_is 1 "$tmp/log" stock-proxy 'DEADLOCK PASS'
ok "lava-run: ... and fails what it passes" again_is 1 "$log/broken-panic/log" patched-proxy 'PASS FAIL'
ok "lava-run: it does not take the job" eval 'again_is 2 /dev/null patched-proxy why && grep "^lab: lava-run does not take .*job" "$tmp/stderr"'

plan

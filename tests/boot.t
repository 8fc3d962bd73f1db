#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# What lab/boot.sh puts into the guest, and what it asks of QEMU, with a kernel,
# selftests and a QEMU that are scripts and empty files.

. "$(dirname "$0")/tap.sh"

export LAB_CACHE=$tmp/cache PATH=$tmp/bin:$PATH
cp -r "$TOP/lab" "$tmp/lab"
boot=$tmp/lab/boot.sh
install=$tmp/install
mkdir -p "$tmp/bin" "$install/kvm" "$install/kselftest" "$tmp/obj/arch/x86/boot" "$tmp/obj/usr"
touch "$install"/{run_kselftest.sh,kselftest-list.txt} "$install/kselftest"/{runner,ktap_helpers}.sh \
	"$install/kvm"/{settings,irqfd_test,irqfd_resampler_test,other_test}
printf '#!/bin/sh\necho %s\n' "$install" >"$tmp/lab/selftests.sh"
printf '#!/bin/sh\ncat "$1"\n' >"$tmp/obj/usr/gen_init_cpio"
printf '#!/bin/sh\n[ "$1" = --version ] && echo QEMU || echo job >results\n' >"$tmp/bin/qemu-system-x86_64"
chmod +x "$tmp/lab/selftests.sh" "$tmp/obj/usr/gen_init_cpio" "$tmp/bin/qemu-system-x86_64"
touch "$tmp/obj/arch/x86/boot/bzImage" "$tmp/obj"/{.config,System.map,kvm.ko}

# boots JOB [FILE NUMBER]...: a run with that job, and with those files.
boots()
{
	run=$tmp/run
	rm -rf "$run"
	mkdir "$run"
	describe_run "$run" "$1" "quiet" 2 10
	for ((i = 2; i < $#; i += 2)); do echo "${@:i+1:1}" >"$run/${!i}"; done
	"$boot" "$run" "$tmp/obj"
}
holds()
{
	grep -q "^file /tests/$1 " "$run/initramfs.list"
}

ok "boot: a test" eval 'boots "irqfd_test -s 1" && holds irqfd_test && ! holds other_test'
ok "boot: ... with the modules, and the scripts of the guest" eval 'holds kvm.ko && holds releases && holds releases.awk'
ok "boot: ... in real time" eval '! grep -E "icount|rdrand|nokaslr" "$run/qemu-command"'
ok "boot: ... and keeps what was booted, and how it went" eval '
	[ -f "$run/kernel" ] && [ -f "$run/config" ] && [ "$(cat "$run/qemu-status" "$run/results")" = "0
job" ] && [ ! -e "$run/modules" ]'
ok "boot: ... told of each hung task, by a kernel that looks for them" eval '! grep hung_task "$run/qemu-command" &&
	echo CONFIG_DETECT_HUNG_TASK=y >"$tmp/obj/.config" && boots irqfd_test &&
	grep "sysctl.kernel.hung_task_warnings=-1.*quiet" "$run/qemu-command"'
: >"$tmp/obj/.config"
ok "boot: virtual time" eval 'boots irqfd_test seed 1000 cpus 1 &&
	grep "max.*-rdrand.*-rdseed .*thread=single .*shift=2.*sleep=off.*rr=record.*rrfile=recording .*base=2026-01-01T00:00:00.*clock=vm" "$run/qemu-command" &&
	grep "nokaslr.*norandmaps.*lab_delay=0.919000.*quiet" "$run/qemu-command"'
ok "boot: ... an instruction a nanosecond, not recorded with two CPUs" eval 'boots irqfd_test seed 0 shift 0 &&
	grep "shift=0.*lab_delay=0.000000" "$run/qemu-command" && ! grep rr= "$run/qemu-command"'
ok "boot: again, by the same command" eval 'cp "$run/qemu-command" "$tmp/command" && rm "$run/results" && "$boot" --again "$run" &&
	cmp "$run/qemu-command" "$tmp/command" && [ "$(cat "$run/results")" = job ]'
ok "boot: ... or a new one if there is none, with the same files" eval 'rm "$run/qemu-command" && echo 1 >"$run/seed" &&
	: >"$run/initramfs.cpio" && "$boot" --again "$run" && grep lab_delay=0.007919 "$run/qemu-command" && [ ! -s "$run/initramfs.cpio" ]'
ok "boot: kselftest's runner with two tests" eval '
	boots "run_kselftest.sh -t kvm:irqfd_resampler_test -t kvm:irqfd_test" &&
	holds kvm/irqfd_resampler_test && holds kvm/irqfd_test && holds kselftest/runner.sh && ! holds kvm/other_test'
ok "boot: ... with one" eval '
	boots "run_kselftest.sh -t kvm:irqfd_test" && holds kvm/irqfd_test && ! holds kvm/irqfd_resampler_test'
ok "boot: ... with all, and more memory" eval 'boots "run_kselftest.sh -c kvm" && holds kvm/irqfd_test && holds kvm/other_test && grep -e "-m 3G" "$run/qemu-command"'
ok "boot: a test that there is not is one clear line" fails 2 "lab: no selftest is called 'none_such'" boots none_such
ok "boot: more files, one of which the job names, and more memory" eval 'boots "other 1" files "file /tests/other $tmp/other 755 0 0" &&
	grep -x "file /tests/other $tmp/other 755 0 0" "$run/initramfs.list" && grep -- "-m 2G" "$run/qemu-command"'
ok "boot: ... or not" eval 'boots irqfd_test && grep -- "-m 1G" "$run/qemu-command"'
ok "boot: without a kernel, one clear line" fails 2 'lab: no kernel in ' "$boot" "$tmp"

# lab/bench.sh in virtual time, with kernels of which the second takes half as long.
printf '#!/bin/sh\n' >"$tmp/lab/build.sh"
cat >"$tmp/lab/judge.py" <<'END'
#!/bin/sh
echo '{"format": 1, "scenario": null, "title": "wants", "seconds": 0, "kernel": {"version": "6.99"}, "machine": {"seed": null}, "expected": "'"$(cat "$1/expect" 2>/dev/null)"'", "verdict": "PASS"}' >"$1/results.json"
echo PASS
END
cat >"$tmp/lab/boot.sh" <<'END'
#!/bin/sh
[ "$(cat "$1/seed" "$1/shift" | tr -d '\n')" = 00 ] || exit 0
echo "# Linux/x86 7.3.4 Kernel Configuration" >"$1/config"
echo 'CONFIG_CC_VERSION_TEXT="gcc 12"' >>"$1/config"
echo "# QEMU 7" >"$1/qemu-command"
echo 1 >"$1/seconds"
case $1 in *stock*) us=200 ;; *) us=100 ;; esac
echo "lab: run x" >"$1/results"
for n in 0 1 2; do
	grep -q 'deassign -k plain -n 240 -r 10' "$1/job" && echo "deassign,plain,240,1,$n,$((us + n)).0"
	echo "assign,distinct,240,1,$n,$us.0"
done >>"$1/results"
END
ok "bench: a table of medians, spreads and ratios" eval 'LAB_RUNS=$tmp/runs "$tmp/lab/bench.sh" >"$tmp/table" &&
	grep -qx "1  *deassign  *plain  *240  *201.0 (1.0 %)  *101.0 (2.0 %)  *101.0 (2.0 %)  *1.99  *1.99" "$tmp/table" &&
	grep -q "^2  *deassign" "$tmp/table"'

# recorded TIME [LINUX] [ASSIGN]: what another run has measured of the series.
recorded()
{
	mkdir -p "$tmp/docs"
	cat >"$tmp/docs/virtual.csv" <<-END
	# Linux ${2:-7.3.4}, gcc 12, QEMU 7
	cpus,kernel,operation,kind,irqfds,repetition,microseconds
	1,series,deassign,plain,240,0,$1
	1,series,deassign,plain,240,1,$1.5
	1,stock,deassign,plain,240,0,1.0
	2,series,deassign,plain,240,0,$1
	1,series,assign,distinct,240,0,${3:-99}
	1,series,assign,distinct,240,1,110
	2,series,assign,distinct,240,0,99
	END
}
export LAB_RUNS=$tmp/runs
ok "bench: as fast as recorded" eval 'recorded 99 && "$tmp/lab/bench.sh" --check >"$tmp/out" && [ "$(grep -c +1.0 "$tmp/out")" = 4 ]'
ok "bench: ... or faster" eval 'recorded 200 && "$tmp/lab/bench.sh" --check >"$tmp/out"'
ok "bench: ... more than 2 % slower is a failure" eval 'recorded 97 && fails 1 "slower than recorded" "$tmp/lab/bench.sh" --check &&
	[ "$(grep -c "+3.1 SLOWER" "$tmp/stdout")" = 2 ]'
ok "bench: ... than the fastest" eval 'recorded 99 7.3.4 97 && fails 1 "slower than recorded" "$tmp/lab/bench.sh" --check &&
	[ "$(grep -c SLOWER "$tmp/stdout")" = 1 ] && grep "assign .*+3.1 SLOWER" "$tmp/stdout"'
ok "bench: ... so is what was not measured" eval 'recorded 97 && echo 1,series,assign,plain,240,0,9 >>"$tmp/docs/virtual.csv" &&
	fails 1 "slower than recorded" "$tmp/lab/bench.sh" --check && grep "assign .*SLOWER" "$tmp/stdout"'
ok "bench: ... but not comparable with another kernel" eval 'recorded 97 7.3.5 && fails 4 "not compared: .*7.3.4.*7.3.5" "$tmp/lab/bench.sh" --check'
unset LAB_RUNS

cat >"$tmp/lab/scenarios/wants" <<'END'
TITLE=wants
BASE=7.3.y
SERIES=none
CONFIGS=guest
JOB=none
TIMEOUT=1
CPUS=1
EXPECT=PASS
RESULTS='^ok 1
^lab: done'
END
printf '#!/bin/sh\necho %s\n' "$tmp" >"$tmp/lab/build.sh"
echo 6.99 >"$tmp/version"
ok "run: what a scenario wants of the results is there for the judge" eval '
	LAB_RUNS=$tmp/wants "$tmp/lab/run.py" wants && grep -qxF "^lab: done" "$tmp"/wants/*/must-match &&
	[ "$(wc -l <"$tmp"/wants/*/must-match)" = 2 ]'
ok "run: ... and the machine, for the boot" eval 'sed "\$ a MACHINE=bochs" "$tmp/lab/scenarios/wants" >"$tmp/lab/scenarios/intel" &&
	LAB_RUNS=$tmp/intel "$tmp/lab/run.py" intel && [ "$(cat "$tmp"/intel/*/machine)" = bochs ] && ! ls "$tmp"/wants/*/machine'
ok "run: ... in another format than a table" eval '
	LAB_RUNS=$tmp/json "$tmp/lab/run.py" --format json wants | python3 -c "import json, sys; assert json.load(sys.stdin)[0][\"verdict\"] == \"PASS\""'
ok "run: ... whose run it is, is there for the judge, too" eval '[ "$(cd "$tmp"/json/* && cat scenario title expect | paste -sd" ")" = "wants wants PASS" ]'
printf '#!/bin/sh\necho "$@" >%s/build-args\necho %s\n' "$tmp" "$tmp" >"$tmp/lab/build.sh"
mkdir -p "$tmp/mutants" "$tmp/lab/more"
touch "$tmp/mutants/some.patch"
printf '#!/bin/sh\necho "file /x x 755 0 0"\n' >"$tmp/lab/more/files.sh"
chmod +x "$tmp/lab/more/files.sh"
sed 's/SERIES=none/SERIES=own\nFILES=more/' "$tmp/lab/scenarios/wants" >"$tmp/lab/scenarios/more"
ok "run: a mutant, and more files for the guest" eval '
	MUTANT=some LAB_RUNS=$tmp/more "$tmp/lab/run.py" more && grep -e "--mutant $tmp/mutants/some.patch --copy" "$tmp/build-args" &&
	[ "$(cat "$tmp"/more/*/title "$tmp"/more/*/files)" = "wants, some
file /x x 755 0 0" ]'
ok "run: no such mutant is told before anything is built" fails 2 "lab: unknown mutant 'none' \(one of: some.patch" \
	env MUTANT=none "$tmp/lab/run.py" more
ok "run: no such format is told before anything is built" fails 2 "lab: no format 'yaml'" "$tmp/lab/run.py" --format yaml wants
sed 's/wants/dies/' "$tmp/lab/scenarios/wants" >"$tmp/lab/scenarios/dies"
printf '#!/bin/sh\ncase $1 in *dies*) exit 2 ;; esac\n' >"$tmp/lab/boot.sh"
# Not SIGINT, which is ignored in what runs in the background.
printf '#!/bin/sh\ncase $1 in *dies*) kill -TERM $PPID ;; esac\n' >"$tmp/lab/interrupted.sh"
sed 's/EXPECT=PASS/EXPECT=DEADLOCK/' "$tmp/lab/scenarios/wants" >"$tmp/lab/scenarios/other"
# ends STATUS: with what there is by then, and not what would follow.
ends()
{
	local status=0

	LAB_RUNS=$tmp/rows "$tmp/lab/run.py" other dies wants >"$tmp/table" || status=$?
	cat "$tmp/table"
	[ "$status" = "$1" ] && [ "$(grep -c '^6.99 .* DEADLOCK  *PASS' "$tmp/table")" = 1 ]
}
ok "run: an error leaves the rows that there are" ends 2
mv "$tmp/lab/interrupted.sh" "$tmp/lab/boot.sh"
chmod +x "$tmp/lab/boot.sh"
ok "run: ... and so does an interruption" ends 130

plan

#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# results.json, of recorded runs (tests/judge), and what is made of it.

. "$(dirname "$0")/tap.sh"
validate=$TOP/tests/results/validate.py
# The kernel's parser of KTAP comes with its sources.
parser=$("$LAB/fetch.sh" "$NEWEST_BASE")
export LAB_CACHE=$CACHE LAB_RUNS=$tmp/runs
cp -r "$LAB" "$tmp/lab"
printf '%s\n' 'irqfd_resampler_test 13' 'kvm_irqfd_resampler 63' >"$tmp/lab/cases"

judge=$tmp/lab/judge.py show=$tmp/lab/results.py
mkdir "$LAB_RUNS"

# recorded NAME RUN: a copy that is judged, with the files named like their contents.
recorded()
{
	local run=$LAB_RUNS/$2 file

	cp -r "$TOP/tests/judge/$1" "$run"
	rm -f "$run/expect"
	# One job, and what the tests have said since.
	sed -i -E '/^(lab: run )?irqfd_resampler_test$/ s/$/ -s 2/' "$run/job" "$run/results"
	sed -i -E 's/^(ok [0-9]+) # SKIP (.*): (an earlier .*)/\1 \2 # SKIP \3/' "$run/results"
	shift 2
	for file; do printf '%s\n' "${file#*=}" >"$run/${file%%=*}"; done
	"$judge" "$run" >/dev/null
}

built()
{
	printf 'base: 6.18.y, Linux 6.18.15\nseries: %s\ntree: %s\nfragments: base hang proxy\ncompiler: gcc (Debian 12.2.0-14) 12.2.0' "$1" "$2"
}
command='# QEMU emulator version 7.2.22
# /usr/bin/qemu-system-x86_64
qemu-system-x86_64 -accel tcg\,thread=single -icount shift=2 -smp 1'
hash=$(printf '%064d' 7)
booted=(append=quick arch=x86_64 cpus=1 seed=3 started=2026-11-24T13:44:06+00:00 "qemu-command=$command" config=y)
recorded stock-proxy 20261124-100000-stock-proxy "${booted[@]}" scenario=stock-proxy title=stock expect=DEADLOCK "built-from=$(built none 1)"
recorded patched-proxy 20261124-100100-patched-proxy "${booted[@]}" scenario=patched-proxy title=patched expect=PASS "built-from=$(built 6.18.y 2)
patchset: $hash"
mkdir "$LAB_RUNS/20261124-100200-broken"
printf 'CC eventfd.o\nlab: does not build\n' >"$LAB_RUNS/20261124-100200-broken/build-error"
cp "$LAB_RUNS/20261124-100100-patched-proxy/job" "$LAB_RUNS/20261124-100200-broken"
"$judge" "$LAB_RUNS/20261124-100200-broken" >/dev/null
stock=$LAB_RUNS/20261124-100000-stock-proxy patched=$LAB_RUNS/20261124-100100-patched-proxy broken=$LAB_RUNS/20261124-100200-broken

# is RUN EXPRESSION: of Python, true of its results, r.
is()
{
	python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); sys.exit(not eval(f"({sys.argv[2]})"))' "$1/results.json" "$2" ||
		{ cat "$1/results.json"; return 1; }
}

every_recording()
{
	local dir

	mkdir "$tmp/all"
	for dir in "$TOP"/tests/judge/*/; do
		cp -r "$dir" "$tmp/all"
		rm -f "$tmp/all/$(basename "$dir")/expect"
		"$judge" "$tmp/all/$(basename "$dir")" || true
	done
	[ "$(find "$tmp/all" -name results.json | wc -l)" -ge 20 ] || return
	"$validate" "$LAB/results.schema.json" "$tmp"/all/*/results.json
}
ok "results: of all recorded runs as the schema says" every_recording
ok "results: ... of these" "$validate" "$LAB/results.schema.json" "$LAB_RUNS"/*/results.json
for change in 'del r["verdict"]' 'r["verdict"] = "GOOD"' 'r["more"] = 1' 'r["started"] = "2026-11-24T10:00:00"' 'r["commands"][0]["status"] = "0"'; do
	python3 -c "import json; r = json.load(open('$stock/results.json')); $change; json.dump(r, open('$tmp/bad.json', 'w'))"
	ok "results: the schema refuses $change" eval '! "$validate" "$LAB/results.schema.json" "$tmp/bad.json"'
done
ok "results: what was booted" is "$stock" '(r["kernel"]["version"], r["kernel"]["built"]["tree"], r["kernel"]["built"]["fragments"],
	r["machine"]["qemu"], r["machine"]["accelerator"], r["machine"]["cpus"], r["machine"]["seed"]) ==
	("6.18.15", "1", "base hang proxy", "QEMU emulator version 7.2.22", "tcg,thread=single", 1, 3)'
ok "results: verdict, what was expected, and the evidence" is "$stock" '(r["verdict"], r["expected"]) == ("DEADLOCK", "DEADLOCK") and
	any(line.startswith("waits for a grace period inside irqfd_resampler_shutdown()") for line in r["said"])'
ok "results: each case" is "$patched" 'r["commands"][0]["status"] == 0 and len(r["commands"][0]["cases"]) == 13 and
	all(case["status"] == "ok" for case in r["commands"][0]["cases"])'
ok "results: ... why it was skipped" is "$stock" 'r["commands"][0]["cases"][-1] ==
	{"name": "irqfd_resampler_test/out of file descriptors", "status": "skip", "why": "an earlier subtest hung", "allowed": False}'
ok "results: links to what is there alone" is "$patched" 'r["files"] == {"verdict": "verdict", "console": "console", "command": "qemu-command",
	"results": "results", "config": "config"}'
ok "results: of what does not build" is "$broken" '(r["verdict"], r["said"][-1], r["commands"]) == ("BUILD-ERROR", "lab: does not build", [])'
ok "results: ... which the verdict says, too" grep -qx 'lab: does not build' "$broken/verdict"
printf '[    2.000000] Run /init as init process\n[    9.500000] lab: command 1 ended, status 0, ctxt 7\n' >>"$patched/console"
ok "results: the guest's time of a command" eval '"$judge" "$patched" && is "$patched" "abs(r[\"commands\"][0][\"seconds\"] - 7.5) < 0.001"'
sed -i '$d' "$patched/console"
sed -i '$d' "$patched/console"
"$judge" "$patched" >/dev/null

# The table.
ok "table: a row for each run" eval '"$show" table "$stock" "$patched" >"$tmp/table" && cat "$tmp/table" &&
	grep -qE "^6.18.15  stock    DEADLOCK  DEADLOCK  seed 3  [0-9]+ .*/20261124-100000-stock-proxy$" "$tmp/table" &&
	grep -qE "^6.18.15  patched  PASS      PASS      seed 3" "$tmp/table"'
ok "table: exit status 1 if a verdict is another, or not PASS when none is expected" eval '! "$show" table "$stock" "$broken" >"$tmp/table" &&
	grep -qE "^\?  .* broken .* -  .*BUILD-ERROR" "$tmp/table"'
ok "table: all of runs/, if not told which" eval '! "$show" table >"$tmp/table" && [ "$(wc -l <"$tmp/table")" = 4 ]'
ok "table: no colour but on a terminal" eval '! grep "\[" "$tmp/table"'
on_terminal()
{
	script -qec "$1 '$show' table '$stock'" /dev/null </dev/null
}
ok "table: ... colour there" eval 'on_terminal "env -u NO_COLOR" | grep "32mDEADLOCK"'
ok "table: ... but not with NO_COLOR" eval 'on_terminal "env NO_COLOR=1" >"$tmp/table"; grep DEADLOCK "$tmp/table" && ! grep -a "32m" "$tmp/table"'
ok "results: no such format" fails 2 'lab: which format\? \(of: table json ktap junit' "$show" yaml "$stock"
ok "results: not judged" fails 2 "lab: no results in $tmp/lab \(lab/judge.py" "$show" table "$tmp/lab"
sed 's/"format": 1/"format": 0/' "$stock/results.json" >"$tmp/lab/results.json"
ok "results: of another version" fails 2 'is of another version of the lab' "$show" table "$tmp/lab"
ok "json: an array of them" eval '"$show" json "$stock" "$patched" | python3 -c "import json, sys; assert [r[\"verdict\"] for r in json.load(sys.stdin)] == [\"DEADLOCK\", \"PASS\"]"'

# made ARG...: by results.py, whatever the verdicts are.
made()
{
	"$show" "$@" || [ $? = 1 ]
}

# KTAP, as the kernel's parser reads it: (cases, those not ok, those skipped, what is wrong).
kernel_reads()
{
	made ktap "$@" >"$tmp/ktap" || return
	PYTHONPATH=$tmp/lab python3 - "$parser" "$tmp/ktap" <<-'END'
	import sys
	from pathlib import Path
	import ktap
	cases, wrong = ktap.parse_plain(ktap.load_parser(Path(sys.argv[1])), Path(sys.argv[2]).read_text().splitlines(), "")
	print(len(cases), sum(c.status == "not ok" for c in cases), sum(c.status == "skip" for c in cases), wrong)
	END
}
ok "ktap: a deadlock that is expected is no failure" eval '[ "$(kernel_reads "$stock" "$patched")" = "23 0 9 []" ]'
printf 'PASS\n' >"$stock/expect"
"$judge" "$stock" >/dev/null
ok "ktap: ... and one that is not expected is" eval '[ "$(kernel_reads "$stock" "$patched")" = "23 1 9 []" ] && grep "^not ok 1 stock-proxy" "$tmp/ktap"'
ok "ktap: a run without cases" eval '[ "$(kernel_reads "$broken")" = "1 1 0 []" ]'

# JUnit; python3-junitparser is a well-known reader.
reads_junit()
{
	made junit "$@" >"$tmp/junit.xml" && /usr/bin/python3 - "$tmp/junit.xml" <<-'END'
	import sys
	from junitparser import JUnitXml
	for suite in JUnitXml.fromfile(sys.argv[1]):
	    results = [kind.__class__.__name__ for case in suite for kind in case.result or [None]]
	    print(suite.name, suite.tests, suite.failures, suite.skipped, results.count("Failure"), results.count("Skipped"), len(results))
	END
}
ok "junit: one case more than the run has, its verdict" eval '[ "$(reads_junit "$patched")" = "patched-proxy 14 0 0 0 0 14" ]'
ok "junit: a deadlock that is not expected fails as a case and as a verdict" eval '[ "$(reads_junit "$stock")" = "stock-proxy 11 2 9 2 9 11" ]'
echo DEADLOCK >"$stock/expect"
"$judge" "$stock" >/dev/null
ok "junit: ... and one that is expected is skipped" eval '[ "$(reads_junit "$stock")" = "stock-proxy 11 0 10 0 10 11" ]'
printf 'a \x1b[31m <b> & \x01\n' >"$broken/build-error"
"$judge" "$broken" >/dev/null
ok "junit: what XML cannot have" eval 'reads_junit "$broken" && grep -F "a ?[31m &lt;b&gt; &amp; ?" "$tmp/junit.xml"'

# KCIDB
kcidb()
{
	made kcidb "$@" >"$tmp/kcidb.json"
}
# kcidb_is EXPRESSION: of Python, true of the report d, whose checks are in kcidb.
kcidb_is()
{
	PYTHONPATH=$tmp/lab python3 -c 'import copy, json, sys, kcidb
d = json.load(open(sys.argv[1])); sys.exit(not eval(f"({sys.argv[2]})"))' "$tmp/kcidb.json" "$1" || { cat "$tmp/kcidb.json"; return 1; }
}
ok "kcidb: as its schema says" eval 'kcidb "$stock" "$patched" "$broken" && "$validate" "$TOP/tests/results/kcidb-5.3.schema.json" "$tmp/kcidb.json"'
ok "kcidb: as its schema does not say" kcidb_is 'kcidb.check(d) == []'
ok "kcidb: one issue, present on stock, absent on patched" kcidb_is 'len(d["issues"]) == 1 and
	{next(t["path"] for t in d["tests"] if t["id"] == i["test_id"]): i["present"] for i in d["incidents"]} ==
	{"lab.stock-proxy": True, "lab.patched-proxy": False}'
ok "kcidb: cases by path and status" kcidb_is '[t["status"] for t in d["tests"] if t["path"] ==
	"kselftest.kvm.irqfd_resampler_test.distinct_GSIs_teardown_by_closing_eventfds"] == ["FAIL", "PASS"]'
ok "kcidb: what does not build is a failed build, and a test that is missing" kcidb_is '[b["status"] for b in d["builds"]] == ["PASS", "PASS", "FAIL"] and
	d["tests"][-1]["status"] == "MISS"'
ok "kcidb: no patches on stock, and those on patched" kcidb_is "[c.get('patchset_hash') for c in d['checkouts']][:2] == ['', '$hash']"
ok "kcidb: made again, the same" eval 'cp "$tmp/kcidb.json" "$tmp/first" && kcidb "$stock" "$patched" "$broken" && cmp "$tmp/first" "$tmp/kcidb.json"'
ok "kcidb: a run that is given twice" fails 2 'lab: the same run twice' "$show" kcidb "$stock" "$stock"
ok "kcidb: files elsewhere" eval '"$show" kcidb --url https://lab.example/runs "$stock" | grep "\"https://lab.example/runs/20261124-100000-stock-proxy/console\""'
# What the schema takes, and nobody should send.
while IFS=$'\t' read -r change said; do
	ok "kcidb: refuses: $said" kcidb_is "(e := copy.deepcopy(d)) and [$change] and any('$said' in line for line in kcidb.check(e))"
done <<'END'
e["tests"].append(e["tests"][0])	twice
e["incidents"][0].update(test_id="irqfd:t-none")	its test_id is nowhere
e["tests"][0].update(start_time="2026-11-24T13:44:06")	no time zone
e["tests"][0].update(start_time="yesterday")	not a time
e["tests"][0].update(log_url="runs/1/console")	not absolute
e["tests"][0].update(id="other:t-1")	not of irqfd
END

# The page.
export report=$tmp/lab/report.py
mkdir -p "$LAB_RUNS/20261124-090000-bench" "$LAB_RUNS/explore-stock-proxy-1" "$LAB_RUNS/20261124-080000-autopsy-stock-proxy" "$tmp/docs"
cp -r "$stock" "$LAB_RUNS/explore-stock-proxy-1/seed-3"
echo 6.18.15 >"$LAB_RUNS/explore-stock-proxy-1/version"
echo 'an exploration' >"$LAB_RUNS/explore-stock-proxy-1/title"
for kernel in stock fixes series; do
	for us in 99 "$([ $kernel = series ] && echo 100 || echo 200)" 1000; do echo "2,$kernel,close-vm,distinct,1024,0,$us.0"; done
done | sed '1i # Linux 7.3.4\ncpus,kernel,operation,kind,irqfds,repetition,microseconds' >"$LAB_RUNS/20261124-090000-bench/virtual.csv"
cp "$TOP/docs/root-cause.md" "$tmp/docs"
echo '<b>bold</b>' >"$patched/title"
"$judge" "$patched" >/dev/null
# page_has PATTERN: of extended grep, on one line, as the page is.
page_has()
{
	tr '\n' ' ' <"$LAB_RUNS/report.html" | grep -qE "$1" || { cat "$LAB_RUNS/report.html"; return 1; }
}
ok "report: prints where it is" eval '[ "$("$report")" = "$LAB_RUNS/report.html" ]'
ok "report: well formed, each link leads somewhere, nothing is from elsewhere" "$TOP/tests/results/check-page.py" "$LAB_RUNS/report.html"
ok "report: what is expected can be told without colour" page_has '✓ DEADLOCK</strong> *<span[^>]*>as expected<'
ok "report: ... and so can what is not" page_has '✗ BUILD-ERROR</strong> *<span[^>]*>expected PASS<'
ok "report: a cell leads to verdict, console and command" page_has 'href="20261124-100000-stock-proxy/verdict".*href="20261124-100000-stock-proxy/console".*href="20261124-100000-stock-proxy/qemu-command"'
ok "report: stock beside patched, and the cases that differ" page_has 'data-label="stock".*data-label="patched"' 
ok "report: ... which are those that both have" page_has '7 cases differ.*teardown by closing eventfds: not ok → ok'
ok "report: what is quoted is not markup" page_has '&lt;b&gt;bold&lt;/b&gt;'
ok "report: an exploration, its seeds with links" page_has 'an exploration<.*1 of 1<.*21-100 %<.*href="explore-stock-proxy-1/seed-3/verdict"'
ok "report: the graph, of the documentation" page_has 'kworker/0:30, pid 71 \(phantom\).*is pending in.*From docs/root-cause.md'
sed 's/0:30/0:77/' "$TOP/docs/root-cause.md" >"$LAB_RUNS/20261124-080000-autopsy-stock-proxy/autopsy"
ok "report: ... of the last autopsy, if there is one" eval '"$report" && page_has "kworker/0:77.*From 20261124-080000-autopsy-stock-proxy"'
ok "report: the benchmark, by medians" page_has 'close-vm, 1024 resampling<.*>200.0<.*>200.0<.*>100.0<.*>2.00<'
ok "report: a page of nothing" fails 2 'lab: no results in' "$report" "$tmp/docs"

plan

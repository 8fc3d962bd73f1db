#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# The matrix, with kernels, selftests and a QEMU that are scripts and empty files.

. "$(dirname "$0")/tap.sh"
unset SEED REALTIME JOB APPEND CPUS TREE SERIES

# The judge has the kernel's parser.
parser=$("$LAB/fetch.sh" "$NEWEST_BASE")
mkdir -p "$tmp/cache/src"
ln -s "$parser" "$tmp/cache/src/$NEWEST_BASE"
export LAB_CACHE=$tmp/cache LAB_RUNS=$tmp/runs PATH=$tmp/bin:$PATH
cp -r "$TOP/lab" "$tmp/lab"
mkdir -p "$tmp/bin" "$tmp/install/kvm" "$tmp/patches/kvm-next" "$tmp/docs"
touch "$tmp/install/kvm/some_test" "$tmp/docs/root-cause.md"
echo 6.99 >"$tmp/version"
printf '#!/bin/sh\necho %s\n' "$tmp/install" >"$tmp/lab/selftests.sh"
printf '#!/bin/sh\necho /bin/true\n' >"$tmp/lab/fetch.sh"
# A kernel is what it is made of; files of the test's directory have it fail.
cat >"$tmp/lab/build.sh" <<'END'
#!/bin/bash
here=$(dirname "$0")/..
[ "$1" = --copy ] || exit 2
echo "${*:3}" >>"$here/builds"
[ ! -f "$here/slow-build" ] || exec tail -f "$here/slow-build"
[ ! -f "$here/no-base" ] || [ "$3" != 6.12.y ] || { echo 'lab: not served' >&2; exit 2; }
echo "$here"
if [ -f "$here/no-build" ] && [[ $* = *kasan* ]]; then
	echo 'it does not compile' >"$here/build.log"
	exit 3
fi
mkdir -p "$2/modules"
echo "a kernel ${*:3}" >"$2/kernel"
echo x86_64 >"$2/arch"
echo CONFIG_HZ=1000 >"$2/config"
touch "$2/symbols" "$2/built-from"
printf '#!/bin/sh\ncat "$1"\n' >"$2/gen_init_cpio"
chmod +x "$2/gen_init_cpio"
END
# A guest whose job fails on a stock kernel of 6.12.y.
cat >"$tmp/bin/qemu-system-x86_64" <<'END'
#!/bin/bash
[ "$1" != --version ] || { echo QEMU; exit; }
here=$LAB_RUNS/..
cat kernel >>"$here/boots"
[ ! -f "$here/slow" ] || exec tail -f "$here/slow"
status=0
! grep -q '6.12.y none' kernel || status=1
printf 'lab: run %s\nlab: exit %s\nlab: done\n' "$(cat job)" $status >results
{
	echo '[    0.100000] Linux version 6.99'
	echo '[    0.500000] Run /init as init process'
	echo "[    1.000000] lab: command 1 ended, status $status, ctxt 7"
	echo '[    2.000000] sysrq: Resetting'
} >console
END
chmod +x "$tmp"/lab/{build,selftests,fetch}.sh "$tmp/bin/qemu-system-x86_64"
cat >"$tmp/lab/matrix.toml" <<'END'
[cell]
configs = "guest"
cpus = 1
append = ""
job = "some_test"
timeout = 9
realtime = ""
expect = "PASS"
[base."7.3.y"]
[base."6.12.y"]
[base.tree]
base = "7.3.y"
[architecture.x86_64]
[configuration.plain]
[configuration.kasan]
title = "KASAN, too"
configs = "+kasan"
[configuration.rt]
extra = true
configs = "+rt"
realtime = "yes"
[kernel.stock]
series = "none"
[kernel.patched]
series = "own"
[[rule]]
when = { base = "6.12.y", kernel = "patched" }
impossible = "there is no series"
[[rule]]
when = { base = "6.12.y", configuration = "plain" }
expect = "FAIL"
END
matrix=$tmp/lab/matrix.py cells=$LAB_RUNS/matrix/cells

# since FILE: how many lines there are since the last time.
since()
{
	touch "$tmp/$1"
	wc -l <"$tmp/$1"
	: >"$tmp/$1"
}
# status_of WANTED ARG...: of what makes the table.
status_of()
{
	local want=$1 got=0
	shift

	"$matrix" "$@" >"$tmp/table" || got=$?
	[ "$got" = "$want" ] || { echo "exit status $got"; return 1; }
}
# plan_is WANTED ARG...
plan_is()
{
	local want=$1
	shift

	"$matrix" --plan "$@" >"$tmp/plan" || return
	[ "$(paste -sd' ' "$tmp/plan")" = "$want" ] || { cat "$tmp/plan"; return 1; }
}
# has ROW...: the table, each in the words of extended grep.
has()
{
	local row

	cat "$tmp/table"
	for row; do grep -qE "^${row// / +}\$" "$tmp/table" || { echo "no: $row"; return 1; }; done
}

ok "plan: the product, but for what is impossible or extra" plan_is \
	"7.3.y,x86_64,plain,stock 7.3.y,x86_64,kasan,stock 7.3.y,x86_64,plain,patched 7.3.y,x86_64,kasan,patched 6.12.y,x86_64,plain,stock 6.12.y,x86_64,kasan,stock"
ok "plan: words choose" plan_is "7.3.y,x86_64,plain,stock 7.3.y,x86_64,rt,stock" stock 7.3.y plain rt
ok "plan: ... and so does the name of a cell" plan_is "7.3.y,x86_64,rt,patched" 7.3.y,x86_64,rt,patched
ok "plan: ... but not words that nobody knows" fails 2 'lab: unknown: kassan \(one of: 7.3.y .*kasan' "$matrix" --plan kassan
# With a rule that makes a cell extra.
{ cat "$tmp/lab/matrix.toml"; printf '[[rule]]\nwhen = { base = "7.3.y", configuration = "kasan" }\nextra = true\n'; } >"$tmp/extra.toml"
ok "plan: what a rule makes extra is not chosen by default" plan_is \
	"7.3.y,x86_64,plain,stock 7.3.y,x86_64,plain,patched 6.12.y,x86_64,plain,stock 6.12.y,x86_64,kasan,stock" --file "$tmp/extra.toml"
ok "plan: ... but by any word" plan_is "7.3.y,x86_64,plain,stock 7.3.y,x86_64,kasan,stock" --file "$tmp/extra.toml" 7.3.y stock
ok "plan: not what is impossible, with the reason" fails 2 'lab: no such cell is possible: there is no series' "$matrix" --plan 6.12.y patched
ok "plan: a tree is the only base" eval 'TREE=/some plan_is "tree,x86_64,plain,stock tree,x86_64,plain,patched" plain'
ok "plan: a scenario is what the sections add up to" eval '"$matrix" --plan kasan && (
	load_scenario "$LAB_RUNS/matrix/scenarios/7.3.y,x86_64,kasan,patched"
	[ "$BASE|$CONFIGS|$CPUS|$JOB|$series|$EXPECT|$TITLE" = "7.3.y|guest kasan|1|some_test|kvm-next|PASS|patched, KASAN, too" ] )'
ok "plan: ... and the rules" grep -qx EXPECT=FAIL "$LAB_RUNS/matrix/scenarios/6.12.y,x86_64,plain,stock"
# broken SED-SCRIPT PATTERN: the file with that done to it.
broken()
{
	sed "$1" "$tmp/lab/matrix.toml" >"$tmp/my.toml"
	fails 2 "$2" "$matrix" --file "$tmp/my.toml" --plan
}
ok "file: not without a kind of section" broken '/^\[kernel/d; /^series/d' 'has no \[kernel\]'
ok "file: not with a fragment that is not there" broken 's/+kasan/+kassan/' 'kasan,stock: kassan is not in lab/configs'
ok "file: nor with a base" broken 's/6\.12\.y/6.13.y/' '6.13.y is not in lab/bases'
ok "file: nor with a verdict that is none" broken 's/"FAIL"/"FALL"/' 'a verdict to expect'
ok "file: nor with a word that means nothing" broken 's/^timeout/time_out/' 'what is `time_out` in \[cell\]'
ok "file: nor if it is no TOML" broken '1s/^/[/' 'my.toml: '
ok "file: one that was cut down may have rules for what is gone" eval \
	'sed "/^.base.\"6.12/d" "$tmp/lab/matrix.toml" >"$tmp/my.toml" && plan_is "7.3.y,x86_64,plain,stock" --file "$tmp/my.toml" plain stock'

# The lab's own, all of it.
own()
{
	sed -nE 's/^\[[a-z]+\."?([^"]*)"?\]/\1/p' "$LAB/matrix.toml" | grep -vx tree |
		LAB_RUNS=$tmp/own xargs "$LAB/matrix.py" --plan | wc -l | grep -E '^[1-9][0-9]{2}'
}
ok "lab/matrix.toml: hundreds of cells, all sound" own
ok "lab/matrix.toml: proxy execution hangs without the scheduler's fix, and is wanted to" eval \
	'[ "$(cd "$tmp/own/matrix/scenarios" && grep -lx EXPECT=DEADLOCK -- * | paste -sd" ")" = "6.18.y,arm64,proxy,stock 6.18.y,x86_64,proxy,stock 7.1.y,arm64,proxy,stock 7.1.y,x86_64,proxy,stock" ]'
ok "lab/matrix.toml: ... and whatever is patched has to pass" eval '! grep -Lx EXPECT=PASS "$tmp"/own/matrix/scenarios/*,patched | grep .'

ok "run: each cell is built and booted; exit status 1, as one is not as expected" eval \
	'status_of 1 --jobs 2 && [ "$(since builds)" = 6 ] && [ "$(since boots)" = 6 ]'
ok "table: verdicts, what is wrong, and what cannot be" has \
	'configuration kernel 7.3.y 6.12.y' 'plain stock PASS FAIL' 'plain patched PASS -' 'KASAN, too stock PASS FAIL, not PASS' \
	'- there is no series' '5 of 6 cells as expected, 1 not, 0 not run; .*'
ok "table: ... is kept" cmp "$tmp/table" "$LAB_RUNS/matrix/table"
ok "table: ... without what a rule makes extra" eval 'status_of 1 --file "$tmp/extra.toml" --table && has "plain stock PASS FAIL" "KASAN, too stock FAIL, not PASS" \
	"3 of 4 cells as expected, .*"'
"$matrix" --table >"$tmp/before" || true
ok "run: nothing is booted again" eval 'status_of 1 && [ "$(since boots)" = 0 ] && cmp "$tmp/before" "$tmp/table"'
: >"$tmp/builds"
ok "run: ... nor anything built for the table alone" eval 'status_of 1 --table && cmp "$tmp/before" "$tmp/table" && [ "$(since builds)" = 0 ]'
sed 's/^configs = .+kasan./&\njob = "some_test -x"/' "$tmp/lab/matrix.toml" >"$tmp/my.toml"
ok "run: only what has changed" eval 'status_of 1 --file "$tmp/my.toml" && [ "$(since boots)" = 3 ]'
ok "run: ... and what was before is still there" eval 'status_of 1 && [ "$(since boots)" = 0 ]'
ok "run: in real time, if the cell wants to" eval 'status_of 0 rt 7.3.y && has "rt stock PASS" &&
	! grep icount "$cells/7.3.y,x86_64,rt,stock/qemu-command" && [ ! -e "$cells/7.3.y,x86_64,rt,stock/seed" ]'
ok "run: ... else with a seed" grep icount "$cells/7.3.y,x86_64,plain,stock/qemu-command"
ok "run: ... but for all cells if the user does" eval 'REALTIME=1 status_of 0 7.3.y,x86_64,plain,stock && ! grep icount "$cells/7.3.y,x86_64,plain,stock/qemu-command"'
: >"$tmp/boots"

touch "$tmp/no-build"
# Others make their runs, and remove them.
while mkdir -p "$LAB_RUNS/matrix/other/run"; do rm -r "$LAB_RUNS/matrix/other"; done 2>/dev/null &
ok "run: what does not build is a verdict, and others go on" eval 'status_of 1 7.3.y &&
	has "KASAN, too stock BUILD-ERROR, not PASS" "plain patched PASS" "2 of 4 cells as expected, 2 not, 0 not run; .*" &&
	grep "it does not compile" "$cells/7.3.y,x86_64,kasan,patched/verdict"'
kill $!
rm "$tmp/no-build"
ok "run: ... until it does" eval 'status_of 0 kasan 7.3.y && has "KASAN, too stock PASS" && [ "$(since boots)" = 0 ]'
touch "$tmp/no-base"
ok "run: a base that is not to be had has no verdict, and exit status 2" eval 'status_of 2 plain stock && has "plain stock PASS [?]"'
rm "$tmp/no-base"

# Of plain, 600 and 1200 s; of kasan, 60.
printf '%s\n' '7.3.y,x86_64,plain,stock 600' '7.3.y,x86_64,plain,patched 1200' '7.3.y,x86_64,kasan,stock 60' >"$LAB_RUNS/matrix/times"
left()
{
	PYTHONPATH=$LAB python3 -c 'import sys; from pathlib import Path; from matrix import left; print(left(Path(sys.argv[1]), int(sys.argv[2])))' "$LAB_RUNS/matrix" "$1"
}
"$matrix" --plan >/dev/null
: >"$LAB_RUNS/matrix/done"
ok "left: by the times of each, or else of its configuration" eval 'left 2 | grep -x "0 of 6 cells done, 24 min left at most"'
echo 7.3.y,x86_64,plain,patched >"$LAB_RUNS/matrix/done"
ok "left: ... of what is not done" eval 'left 2 | grep -x "1 of 6 cells done, 14 min left at most"'
ok "left: ... or of all" eval 'plan_is "7.3.y,x86_64,rt,stock 6.12.y,x86_64,rt,stock" rt stock && : >"$LAB_RUNS/matrix/done" &&
	left 1 | grep -x "0 of 2 cells done, 20 min left at most"'
ok "left: nobody knows" eval 'rm "$LAB_RUNS/matrix/times"; left 1 | grep -x "0 of 2 cells done"'

# interrupted FILE LOG: what happens while that file is there, in the middle of two cells.
interrupted()
{
	rm -rf "$LAB_RUNS"
	: >"$tmp/$2"
	touch "$tmp/$1"
	"$matrix" --jobs 2 plain >"$tmp/table" &
	wait_for eval '[ "$(wc -l <"$tmp/'"$2"'")" = 2 ]' || return
	kill $!
	! wait $! || return
	sleep 0.5
	rm "$tmp/$1"
	! pgrep -af "$tmp" || return
	has '0 of 3 cells as expected, 0 not, 3 not run; .*'
}
ok "run: interrupted while it boots, nothing goes on, and the table is there" interrupted slow boots
ok "run: ... and while it builds" interrupted slow-build builds
ok "run: ... and the next goes on" eval 'status_of 0 plain && has "3 of 3 cells as expected, 0 not, 0 not run; .*"'
# twice: while another one runs.
twice()
{
	local fd

	exec {fd}<"$LAB_RUNS/matrix"
	flock "$fd"
	fails 2 'lab: another make matrix runs' "$matrix" plain || return
	exec {fd}<&-
}
ok "run: not two at once" twice
# half: with all jobs changed, interrupted in the first cell.
half()
{
	sed -i 's/^job = "/&OTHER=1 /' "$tmp/lab/matrix.toml"
	: >"$tmp/boots"
	touch "$tmp/slow"
	"$matrix" --jobs 1 plain >"$tmp/table" &
	wait_for test -s "$tmp/boots" || return
	kill $!
	! wait $! || return
	rm "$tmp/slow"
	has '3 of 3 cells .*' '3 of the verdicts are from an earlier time, .*'
}
ok "table: says so if not all is of this time" half

ok "report: made of it, too" "$tmp/lab/report.py"
ok "report: well formed, each link leads somewhere" "$TOP/tests/results/check-page.py" "$LAB_RUNS/report.html"
page_has()
{
	tr '\n' ' ' <"$LAB_RUNS/report.html" | grep -qE "$1" || { cat "$LAB_RUNS/report.html"; return 1; }
}
ok "report: a configuration's verdicts, with links" page_has \
	'<th scope="row">plain.*data-label="7.3.y".*stock: <a [^>]*href="matrix/explore-7.3.y,x86_64,plain,stock-[0-9a-f]*/seed-1/verdict">✓ PASS'
ok "report: ... bases beside each other" page_has 'data-label="6.12.y".*✓ FAIL'
ok "report: ... and why there is none" page_has 'patched: – there is no series'

plan

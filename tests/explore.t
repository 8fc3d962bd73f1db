#!/bin/bash
# shellcheck disable=SC2016,SC2034 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# Seeds, replay, exploration and lab/sweep.py, with a kernel, selftests and a QEMU that are
# scripts and empty files.

. "$(dirname "$0")/tap.sh"
unset SEED REALTIME JOB APPEND CPUS

# The judge has the kernel's parser.
parser=$("$LAB/fetch.sh" "$NEWEST_BASE")
mkdir -p "$tmp/cache/src"
ln -s "$parser" "$tmp/cache/src/$NEWEST_BASE"
export LAB_CACHE=$tmp/cache LAB_RUNS=$tmp/runs PATH=$tmp/bin:$PATH
run=$tmp/lab/run.py replay=$tmp/lab/replay.sh explore=$tmp/lab/explore.py
cp -r "$TOP/lab" "$tmp/lab"
mkdir -p "$tmp/bin" "$tmp/install/kvm" "$tmp/mutants" "$tmp/cache"
touch "$tmp/install/kvm"/{some,irqfd_resampler}_test "$tmp/mutants/some.patch"
echo 6.99 >"$tmp/version"
printf '#!/bin/sh\necho %s\n' "$tmp/install" >"$tmp/lab/selftests.sh"
printf '#!/bin/sh\necho /bin/true\n' >"$tmp/lab/fetch.sh"
cat >"$tmp/lab/build.sh" <<'END'
#!/bin/bash
here=$(dirname "$0")/..
[ "$*" = "${*/7.1.y/}" ] || exit 2
echo "$*" >>"$here/builds"
kernel="a kernel ${1#--copy}"
while [ "$1" != --copy ]; do shift; done
mkdir -p "$2/modules"
echo "$kernel" >"$2/kernel"
echo x86_64 >"$2/arch"
echo CONFIG_HZ=1000 >"$2/config"
touch "$2/symbols" "$2/built-from"
printf '#!/bin/sh\ncat "$1"\n' >"$2/gen_init_cpio"
chmod +x "$2/gen_init_cpio"
echo "$here"
END
# A guest that fails with every third seed, or as many as a file says, when its delay says; and, as files of the
# test's directory say, does not do the same as the last time; or fails as a mutant alone.
cat >"$tmp/bin/qemu-system-x86_64" <<'END'
#!/bin/bash
[ "$1" != --version ] || { echo QEMU; exit; }
here=$LAB_RUNS/..
delay=$(grep -o 'lab_delay=0.[0-9]*' <<<"$*")
delay=${delay#*.}
[[ $* = *rr=replay,rrfile=recording* && -s recording ]] || echo recorded >recording
status=0
[ $((10#${delay:-1} % $(cat "$here/every" 2>/dev/null || echo 3))) != 0 ] || status=1
[ ! -f "$here/clean" ] || grep -q mutant kernel || status=0
echo boot >>"$here/boots"
[ ! -f "$here/broken" ] || exit 1
[ ! -f "$here/slow" ] || exec tail -f "$here/slow"
{
	echo "lab: run $(cat job)"
	[[ $(cat job) != irqfd* ]] || printf 'TAP version 13\n1..1\nok 1 first\n'
	printf 'lab: exit %s\nlab: done\n' $status
} >results
[ ! -f "$here/other-result" ] || echo other >>results
{
	echo '[    0.100000] Linux version 6.99'
	echo '[    0.500000] Run /init as init process'
	echo "[    1.${delay:-0}] lab: command 1 ended, status $status, ctxt 7$([ $status != 0 ] || echo "$delay")"
	echo '[    2.000000] sysrq: Resetting'
} >console
[ ! -f "$here/other-time" ] || sed -i s/500000/500001/ console
END
chmod +x "$tmp"/lab/{build,selftests,fetch}.sh "$tmp/bin/qemu-system-x86_64"
cat >"$tmp/lab/scenarios/some" <<'END'
TITLE=title
BASE=7.3.y
SERIES=none
CONFIGS=guest
JOB=some_test
TIMEOUT=9
CPUS=1
EXPECT=PASS
END
{ cat "$tmp/lab/scenarios/some"; echo REALTIME=yes; } >"$tmp/lab/scenarios/slow"

# runs ARG...: of lab/run.py, with no runs but these; seeds: theirs.
runs()
{
	rm -rf "${LAB_RUNS:?}"
	"$run" "$@" >"$tmp/table" || true
}
seeds()
{
	cat "$LAB_RUNS"/*/seed | sort -n | paste -sd' '
}
ok "run: in virtual time, each time with another seed" eval 'runs --times 3 some && [ "$(seeds)" = "1 2 3" ] &&
	grep "seed 2" "$tmp/table" && [ "$(grep -ho "lab_delay=[0-9.]*" "$LAB_RUNS"/*/qemu-command | sort -u | wc -l)" = 3 ]'
ok "run: ... from SEED on" eval 'SEED=08 runs --times 2 some && [ "$(seeds)" = "8 9" ]'
ok "run: in real time if asked to" eval 'REALTIME=1 runs some && grep "real time" "$tmp/table" &&
	! seeds && ! grep icount "$LAB_RUNS"/*/qemu-command'
ok "run: ... or if the scenario wants to" eval 'runs slow && ! seeds'
ok "run: ... but not if asked for a seed" eval 'SEED=4 runs slow && [ "$(seeds)" = 4 ]'
ok "run: a seed that is no number is one clear line" fails 2 'lab: SEED=x is no number' env SEED=x "$run" some

runs some
first=$(echo "$LAB_RUNS"/*)
# $provenance RUN: the kernel's is the build's to tell.
provenance='[ "$(cd "$1" && cat expect seed job arch; sed -n 1p qemu-command; ls config built-from)" = "PASS
1
some_test
x86_64
# QEMU
built-from
config" ]'
ok "run: says all that made it" bash -c "$provenance" - "$first"
ok "replay: the same to the byte" eval '"$replay" --times 2 "$first" >"$tmp/out" &&
	[ "$(grep -c "PASS, outcome and console are the same to the byte" "$tmp/out")" = 2 ]'
ok "replay: ... from what was recorded" eval 'grep rr=replay "$LAB_RUNS"/*-replay-some/qemu-command &&
	for r in "$LAB_RUNS"/*-replay-some; do [ "$r/recording" -ef "$first/recording" ] || return; done'
ok "replay: ... which says what made it, too" eval 'for r in "$LAB_RUNS"/*-replay-some; do bash -c "$provenance" - "$r" || return; done'
ok "replay: ... also of a replay" eval '"$replay" "$(ls -d "$LAB_RUNS"/*-replay-some | head -n 1)" | grep "the same to the byte"'
touch "$tmp/other-time"
ok "replay: another time on the console is told" eval '"$replay" "$first" |
	grep "PASS, the outcome is the same to the byte; 1 of 4 times of the console differ, by up to 1 us"'
touch "$tmp/other-result"
ok "replay: another result is told, and the exit status" eval '! "$replay" "$first" >"$tmp/out" &&
	grep "FAIL, the outcome differs: " "$tmp/out"'
rm "$tmp"/other-*
ok "replay: not in virtual time" eval 'REALTIME=1 runs some && fails 2 "is no run in virtual time" "$replay" "$LAB_RUNS"/*'
ok "replay: no run" fails 2 'lab: /nonexistent is no run' "$replay" /nonexistent

ok "Wilson's interval: 0 of 50, 25 of 50, 50 of 50" [ "$(for k in 0 25 50; do
	PYTHONPATH=$LAB python3 -c "from tally import interval; print(interval($k, 50))"; done | paste -sd' ')" = "0-7 % 37-63 % 93-100 %" ]

# boots: since the last time.
boots()
{
	wc -l <"$tmp/boots"
	: >"$tmp/boots"
}
: >"$tmp/boots"
# Of seeds 1 to 6, 3 and 6 have a delay that is a multiple of three, and one schedule.
row='6.99 +title +FAIL +2 of 6 +10-70 % +1.024 +1.036 +5 +3 6'
ok "explore: a table" eval 'rm -rf "$LAB_RUNS"; ! "$explore" --seeds 6 some >"$tmp/table" &&
	cat "$tmp/table" && grep -E "$row" "$tmp/table" && [ "$(boots)" = 6 ]'
ok "explore: ... from what is there" eval '! "$explore" --seeds 6 some >"$tmp/table" && grep -E "$row" "$tmp/table" && [ "$(boots)" = 0 ]'
ok "explore: goes on where it was interrupted" eval 'rm -r "$LAB_RUNS"/explore-some-*/seed-2 &&
	mkdir "$LAB_RUNS/$(ls "$LAB_RUNS")/tmp-2" && ! "$explore" --seeds 8 some && [ "$(boots)" = 3 ]'
ok "explore: ... but not with another job" eval '! JOB="some_test -x" "$explore" --seeds 6 some && [ "$(boots)" = 6 ]'
echo "MAY_FAIL=some" >>"$tmp/lab/scenarios/some"
ok "explore: ... nor with other results that are wanted" eval '"$explore" --seeds 2 some && [ "$(boots)" = 2 ]'
sed -i '$d' "$tmp/lab/scenarios/some"
ok "explore: says of each run what made it" eval 'bash -c "$provenance" - "$(ls -td "$LAB_RUNS"/explore-some-*/seed-1 | head -n 1)"'
ok "explore: none failed, and it says so" eval '"$explore" --seeds 1-2 --jobs 1 slow >"$tmp/table" &&
	grep -E "no failure +0 of 2 +0-66 % +- +- +2 +-" "$tmp/table" && [ "$(boots)" = 2 ]'
ok "explore: a run of it can be replayed" eval '"$replay" "$LAB_RUNS"/explore-slow-*/seed-2 | grep "the same to the byte"'
mkdir "$tmp/lab/more"
printf '#!/bin/sh\necho file /tests/more %s 755 0 0\n' "$tmp/version" >"$tmp/lab/more/files.sh"
chmod +x "$tmp/lab/more/files.sh"
{ cat "$tmp/lab/scenarios/some"; echo FILES=more; } >"$tmp/lab/scenarios/more"
ok "explore: more files for the guest, and memory" eval '"$explore" --seeds 1 more && grep /tests/more "$LAB_RUNS"/explore-more-*/initramfs.list &&
	grep -- "-m 2G" "$LAB_RUNS"/explore-more-*/seed-1/qemu-command'
ok "explore: a mutant" eval '"$explore" --mutant some --seeds 1 some >"$tmp/table" &&
	grep -q "title, some" "$tmp/table" && tail -n 1 "$tmp/builds" | grep "^--mutant .*/some.patch --copy"'

# lab/mutants.py, with one that makes a test pass.
mutants=$tmp/lab/mutants.py
mkdir -p "$tmp/patches/kvm-next"
echo 'some | x | 7.3.y | guest | 1 | - | some_test | PASS | ^lab: exit 0' >"$tmp/mutants/TABLE"
: >"$tmp/boots"
ok "mutants: caught, and the series clean" eval '"$mutants" --times 2 >"$tmp/table" && [ "$(boots)" = 4 ] &&
	grep -E "^some +x +6.99 +guest +PASS +caught 2 of 2 " "$tmp/table" && grep -E "series\\) +some_test +.* clean 2 of 2 " "$tmp/table"'
ok "mutants: what was booted is not booted again" eval '"$mutants" --times 2 >"$tmp/table2" && [ "$(boots)" = 0 ] &&
	cmp "$tmp/table" "$tmp/table2"'
touch "$tmp/clean"
rm -rf "$LAB_RUNS"
ok "mutants: 7 of 10 is not enough" eval '! "$mutants" --times 10 >"$tmp/table" && grep "caught 7 of 10" "$tmp/table" &&
	grep "clean 10 of 10" "$tmp/table"'
rm -rf "$LAB_RUNS"
echo 10 >"$tmp/every"
ok "mutants: 9 of 10 is" eval '"$mutants" --times 10 >"$tmp/table" && grep "caught 9 of 10" "$tmp/table"'
rm -rf "$LAB_RUNS" "$tmp/clean"
ok "mutants: ... but the series has to be clean" eval '! "$mutants" --times 10 >"$tmp/table" && grep "caught 9 of 10" "$tmp/table" &&
	grep "clean 9 of 10" "$tmp/table"'
sed -i 's/0$/1/' "$tmp/mutants/TABLE"
ok "mutants: the right verdict is not enough" eval '! "$mutants" --times 2 >"$tmp/table" && grep "caught 0 of 2" "$tmp/table"'
ok "mutants: another job" eval '! JOB="some_test -x" "$mutants" --times 1 >"$tmp/table" && grep -E "series\\) +some_test -x " "$tmp/table"'
rm "$tmp/every"
touch "$tmp/slow"
# interrupted COMMAND...: in the middle of two boots.
interrupted()
{
	: >"$tmp/boots"
	rm -rf "$LAB_RUNS"
	"$@" &
	wait_for eval '[ "$(wc -l <"$tmp/boots")" = 2 ]' || return
	kill $!
	! wait $! || return
	sleep 0.5
	! pgrep -af "$tmp" || return
	! ls -d "$LAB_RUNS"/explore-*/seed-*
}
ok "explore: what is interrupted leaves nothing that runs, and no half a run" interrupted "$explore" --seeds 20-21 some
ok "mutants: neither do they" interrupted "$mutants" --times 2
# With the mutant done, in the middle of the series.
half_done()
{
	rm "$tmp/slow"
	"$mutants" --times 2
	rm -r "$LAB_RUNS"/explore-series-*
	touch "$tmp/slow"
	: >"$tmp/boots"
	"$mutants" --times 2 >"$tmp/table" &
	wait_for eval '[ "$(wc -l <"$tmp/boots")" = 2 ]' || return
	kill $!
	! wait $! || return
	grep '^some .* of 2 ' "$tmp/table" && ! grep '(the series)' "$tmp/table"
}
ok "mutants: ... and the table has the rows that there are" half_done
rm "$tmp/slow"

sweep=$tmp/lab/sweep.py
# sweeps STATUS ARG...: exits so, the table is in $tmp/table.
sweeps()
{
	local status=0

	"$sweep" "${@:2}" >"$tmp/table" || status=$?
	cat "$tmp/table"
	[ "$status" = "$1" ]
}
rm -rf "$LAB_RUNS"
: >"$tmp/builds"
ok "sweep: a row for each cell, of which another verdict is the exit status" eval 'sweeps 1 --times 3 7.3.y,1,storm 7.3.y,2,quiet &&
	[ "$(grep -cE "^6.99 +[12] CPUs, (storm|quiet) +FAIL +1 of 3 +6-79 % " "$tmp/table")" = 2 ]'
ok "sweep: ... which boots what the cell says, stock, with proxy execution" eval 'cat "$LAB_RUNS"/explore-7.3.y,2,quiet-*/{job,cpus} | paste -sd/ |
	grep "^irqfd_resampler_test .* -s 20 -p 0/2\$" && [ "$(grep -c " 7.3.y none guest watchdogs proxy\$" "$tmp/builds")" = 2 ]'
: >"$tmp/boots"
ok "sweep: what was booted is not booted again" eval 'sweeps 1 --times 2 7.3.y,1,storm && grep "FAIL  *1 of 3" "$tmp/table" &&
	[ "$(boots)" = 0 ]'
sed -i 1s/FAIL/DEADLOCK/ "$LAB_RUNS"/explore-7.3.y,1,storm-*/seed-3/verdict
ok "sweep: a hang is what it looks for" eval 'sweeps 0 --times 3 7.3.y,1,storm && grep "DEADLOCK  *1 of 3" "$tmp/table"'
ok "sweep: a base that cannot be had does not keep the others from it" eval 'sweeps 2 --times 1 7.1.y,1,storm 7.3.y,1,quiet && [ "$(wc -l <"$tmp/table")" = 2 ]'
ok "sweep: by the host'\''s clock" eval 'REALTIME=1 sweeps 0 --times 1 7.3.y,1,quiet && ls -d "$LAB_RUNS"/explore-*/boot-1'
# With one cell done, in the middle of the next.
half_swept()
{
	local left

	left=$(find "$LAB_CACHE" -maxdepth 1 -name "tmp.*" | wc -l)
	touch "$tmp/slow"
	: >"$tmp/boots"
	"$sweep" --times 2 7.3.y,2,quiet 7.3.y,2,storm >"$tmp/table" &
	wait_for eval '[ "$(wc -l <"$tmp/boots")" = 2 ]' || return
	kill $!
	! wait $! || return
	rm "$tmp/slow"
	grep '2 CPUs, quiet' "$tmp/table" && ! grep storm "$tmp/table" && [ "$(find "$LAB_CACHE" -maxdepth 1 -name "tmp.*" | wc -l)" = "$left" ]
}
ok "sweep: an interruption leaves the rows that there are" half_swept

ok "boots: what was killed says so, and what fails has said why" eval 'PYTHONPATH=$LAB python3 -c "
from boots import Failed, Unusable, must
for command, wanted in ((\"kill -9 \$\$\", Unusable(\"sh was killed by signal 9\")), (\"exit 3\", Failed())):
    try:
        must(\"sh\", \"-c\", command)
    except Unusable as error:
        assert (type(error), str(error)) == (type(wanted), str(wanted)), error
    else:
        raise AssertionError(command)"'

touch "$tmp/broken"
ok "explore: what does not boot at all is a failure" eval '! "$explore" --seeds 11-11 some >"$tmp/table" && grep -E "BOOT-ERROR +1 of 1 " "$tmp/table"'
ok "explore: unknown scenario" fails 2 "lab: unknown scenario 'nonsense'" "$explore" nonsense
ok "explore: bad seeds" fails 2 'lab: --seeds needs N or FROM-TO' "$explore" --seeds x some
ok "explore: unknown mutant" fails 2 "lab: no mutant 'x'" "$explore" --mutant x some

plan

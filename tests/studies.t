#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# What makes figures of boots: lab/autopsy.sh and, but for its part in virtual time
# (boot.t), lab/bench.sh; builds, boots and gdb are scripts.

. "$(dirname "$0")/tap.sh"

export LAB_CACHE=$tmp/cache LAB_RUNS=$tmp/runs PATH=$tmp/bin:$PATH
cp -r "$TOP/lab" "$tmp/lab"
mkdir -p "$tmp/bin" "$tmp/boots"
autopsy=$tmp/lab/autopsy.sh bench=$tmp/lab/bench.sh

# A build leaves a kernel with the run, as only that is safe from the next build.
cat >"$tmp/lab/build.sh" <<END
#!/bin/bash
[ "\$1" = --copy ] || exit 3
echo "\${*:3}" >"\$2/kernel"
touch "\$2/vmlinux"
echo 6.99 >"$tmp/version"
echo "$tmp"
END
# A boot does what the first of $tmp/boots says, which it takes away, or $tmp/every.
cat >"$tmp/lab/boot.sh" <<END
#!/bin/bash
[ -f "\$1/kernel" ] || exit 2
echo 7 >"\$1/seconds"
echo FAIL >"\$1/verdict"
[ ! -f "$tmp/every" ] || { . "$tmp/every"; exit; }
next=\$(ls "$tmp/boots" | head -n 1)
[ -n "\$next" ] || exit 2
mv "$tmp/boots/\$next" "\$1/boot"
. "\$1/boot"
END
cat >"$tmp/lab/judge.py" <<'END'
#!/usr/bin/env python3
import sys
from pathlib import Path
badness = dict
read = Path.read_text
if __name__ == "__main__":
    print(Path(sys.argv[1], "verdict").read_text(), end="")
END

# boots SCRIPT...: what the next boots do, in their directories, as $1.
boots()
{
	local script n=0

	rm -rf "$tmp/boots" "${LAB_RUNS:?}"
	mkdir "$tmp/boots"
	for script; do
		n=$((n + 1))
		echo "$script" >"$tmp/boots/$n"
	done
}

pass='echo PASS >$1/verdict; touch $1/console $1/results'

# What gdb finds is a file's; it ends the guest.
cat >"$tmp/bin/gdb" <<END
#!/bin/bash
[[ -f vmlinux && -e gdb && \$* = *autopsy.py* ]] || exit 9
echo report >autopsy
echo digraph >graph.dot
. "$tmp/gdb"
END
printf '#!/bin/sh\necho svg\n' >"$tmp/bin/dot"
chmod +x "$tmp/bin"/* "$tmp/lab/judge.py"
guest='echo $$ >$1/guest; echo "not ok 1" >$1/results; exec timeout 30 tail -f $1/job'
autopsies()
{
	local status=0

	"$autopsy" "${@:2}" >"$tmp/out" 2>"$tmp/err" || status=$?
	cat "$tmp/out" "$tmp/err"
	[ "$status" = "$1" ] && wait_for eval '! pgrep -f "tail -f $LAB_RUNS"'
}
echo 'kill "$(cat guest)"' >"$tmp/gdb"
boots "$guest"
ok "autopsy: the cycle is closed" eval 'autopsies 0 && grep -qx report "$tmp/out" && grep svg "$LAB_RUNS"/*/graph.svg &&
	! ls "$LAB_RUNS"/*/vmlinux && grep -h "debug-info" "$LAB_RUNS"/*/kernel'
echo "mkdir $tmp/second 2>/dev/null" >>"$tmp/gdb"
boots "$guest" "$guest"
ok "autopsy: not each time" eval 'autopsies 1 --times 2 && grep -qx "The cycle was closed in 1 of 2 runs." "$tmp/out"'
echo 'echo lab: no such type; exit 2' >"$tmp/gdb"
boots "$guest"
SECONDS=0
ok "autopsy: gdb that cannot look is one clear line, and ends the guest" eval 'autopsies 2 && [ $SECONDS -lt 25 ] &&
	grep -q "^lab: gdb cannot look at the guest: lab: no such type" "$tmp/err"'
boots 'echo "qemu: no" >$1/qemu-output; exit 1'
ok "autopsy: a guest that dies is one clear line" eval 'autopsies 2 && grep -q "^lab: the guest died: qemu: no" "$tmp/err"'

# Kernels of which the second takes half as long, for what is above 100 us, and the third
# a tenth; the second boot takes 10 us more.
cat >"$tmp/every" <<'END'
echo PASS >$1/verdict
case $1 in
*stock*)	us=1000 n=3 held=50 ;;
*fixes*)	us=500 n=2 held=5 ;;
*)		us=100 n=1 held=4 ;;
esac
case $1 in *times*|*-1000-*)
	[ -f "$LAB_CACHE/$(basename "${1##*-}" .1)" ] && more=10 || more=0
	touch "$LAB_CACHE/$(basename "${1##*-}" .1)"
	printf 'close-vm,distinct,%s\r\n' "0,1,0,$((100 + more)).0" "240,1,0,$((100 + us + more)).0" ;;
*count*)
	printf 'release,distinct,240,%s\r\n' $n,1 $n,1 $n,0 ;;
*lock*)
	grep -q 'resampler_lock /proc/lock_stat' $1/job || exit
	printf ' &kvm->irqfds.resampler_lock:  1 2 3 4 5 6 7 8 0.1 %s.25 99 98\r\n' $held ;;
*remedies*)
	for i in 3 1 2 9 8 7 5 4 6; do echo "close-vm-cpu0-fifo,distinct,240,1,$i,$((us + i)).0"; done
	echo 'lab: exit 0'
	printf 'close-vm,distinct,240,1,0,7.0\r\nrelease,distinct,240,%s\r\n' $n,0 $((n + 1)),0 $n,0
	printf 'hold,distinct,240,700,%s\r\n' $held ;;
esac >$1/results
END
cat >"$tmp/bin/gnuplot" <<'END'
#!/bin/sh
svg=$(sed -n 's/^set output "\(.*\)"/\1/p')
cp "$(dirname "$svg")/series.points" "$svg"
END
chmod +x "$tmp/bin/gnuplot"
# benches PART: as it is recorded.
benches()
{
	rm -rf "${LAB_RUNS:?}"
	"$bench" --times 2 --only "$1" 1000 >"$tmp/table" && cat "$tmp/table" && cmp "$tmp/table" "$LAB_RUNS"/*-bench/table
}
ok "bench: by wall clock, medians, quartiles, and ratios, also of what is above an empty VM" eval 'benches times &&
	grep -E "^1000 +close-vm +distinct +240 +1 +1105 \(1102-1108\) +605 \(602-608\) +205 \(202-208\) +1.83 +5.39 +10.00 +10.00 +1110 +210\$" "$tmp/table"'
ok "bench: ... drawn" eval '[ "$(cat "$LAB_RUNS"/*-bench/close-vm-1000.svg)" = "240 205 202.5 207.5" ]'
ok "bench: grace periods and kworkers, each number of them once" eval 'benches counts &&
	[ "$(grep -c "^stock  *distinct  *240 " "$tmp/table")" = 2 ] && grep -qE "^fixes +distinct +240 +2 +0\$" "$tmp/table"'
ok "bench: for how long the lock was held, in each boot" eval 'benches locks && [ "$(grep -cx "stock  *50.25" "$tmp/table")" = 2 ] &&
	[ "$(grep -cx "series  *4.25" "$tmp/table")" = 2 ]'
ok "bench: remedies, by the median, the range of what was counted, and the longest hold" eval 'benches remedies &&
	grep -qE "^stock +1005.0 +3-4 +0 +50\$" "$tmp/table" && grep -qE "^fixes +505.0 +2-3 +0 +5\$" "$tmp/table" &&
	grep -h "^--mutant" /dev/null "$LAB_RUNS"/*-remedies-unbound/kernel'
rm "$tmp/every"
boots "echo SPLAT >\$1/verdict; touch \$1/results" "$pass" "$pass"
ok "bench: a boot that is no PASS is the exit status" eval '! "$bench" --only counts'
boots 'exit 2'
ok "bench: ... and an error, too" eval '"$bench" --only counts; [ $? = 2 ]'

# lab/mutants.py, whose boots of a mutant end with the verdict of the name that it has,
# and with what makes it be caught, or not.
mkdir -p "$tmp/mutants"
cat >"$tmp/lab/explore.py" <<'END'
import os
import tempfile
from pathlib import Path

def prepare(scenario, mutant=None):
    directory = Path(tempfile.mkdtemp(dir=os.environ['LAB_RUNS']))
    run = directory / 'seed-1'
    run.mkdir()
    (directory / 'version').write_text('6.99\n')
    (run / 'seconds').write_text('7\n')
    (run / 'console').write_text('')
    (run / 'results').write_text((os.environ.get('MUTANT_SAYS') or 'not ok 1 some_case') + '\n' if mutant else 'ok 1\n')
    (run / 'verdict').write_text((mutant.stem if mutant else 'PASS') + '\n')
    return directory

def explore(*_):
    pass
END
for verdict in FAIL SPLAT PASS TIMEOUT; do
	touch "$tmp/mutants/$verdict.patch"
	echo "$verdict | x | 7.3.y | guest | 1 | - | irqfd_test | FAIL | ^not ok .*some_case"
done >"$tmp/mutants/TABLE"
# caught NAME WANTED: the row of the table that says so.
caught()
{
	mkdir -p "$LAB_RUNS"
	"$tmp/lab/mutants.py" "$1" >"$tmp/table" || true
	grep -E "^$1 .* $2 of 1 " "$tmp/table" && grep "^(the series) .* clean 1 of 1" "$tmp/table"
}
mkdir -p "$tmp/patches"
cp -r "$TOP/patches/kvm-next" "$tmp/patches/"
ok "mutants: caught by the case that fails" caught FAIL "caught 1"
ok "mutants: ... also if the kernel warns as well" caught SPLAT "caught 1"
ok "mutants: ... not by a boot that passes" caught PASS "caught 0"
ok "mutants: ... not by one that does not end" caught TIMEOUT "caught 0"
ok "mutants: ... not by another case" eval 'MUTANT_SAYS="not ok 1 other_case" caught FAIL "caught 0"'

plan

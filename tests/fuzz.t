#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# lab/minimise.py, lab/reproducer.py and lab/coverage.py, without a guest.

. "$(dirname "$0")/tap.sh"
export PYTHONPATH=$LAB LAB_RUNS=$tmp/runs

python() { python3 -c "$1"; }

ok "minimise: what is needed stays, in order" python '
from minimise import minimise
tries = 0
def first_failing(candidates):
    global tries
    for steps in candidates:
        tries += 1
        if [s for s in steps if s in (3, 50, 51, 90)] == [3, 50, 51, 90]:
            return steps
assert minimise(list(range(96)), first_failing) == [3, 50, 51, 90]
assert tries < 150, tries'
ok "minimise: a single step" python '
from minimise import minimise
assert minimise(list("abcdefg"), lambda steps: next((s for s in steps if "d" in s), None)) == ["d"]'
ok "minimise: all of it" python '
from minimise import minimise
assert minimise([1, 2, 3], lambda candidates: None) == [1, 2, 3]'

# failed VERDICT CONSOLE RESULTS: a run.
failed()
{
	mkdir -p "$tmp/run"
	echo "$1" >"$tmp/run/verdict"
	echo "$2" >"$tmp/run/console"
	echo "$3" >"$tmp/run/results"
}
# known_by WANTED
known_by() { python "
from minimise import signature, Path
assert str(signature(Path('$tmp/run'))) == '$1', signature(Path('$tmp/run'))"; }
failed FAIL '' '  GSI 17: an interrupt is lost'
ok "minimise: an interrupt that is lost" known_by "an interrupt is lost"
failed SPLAT '[ 1.0] BUG: KASAN: slab-use-after-free in irqfd_resampler_ack+0x1/0x2' '  GSI 17: an interrupt is lost'
ok "minimise: what the kernel says comes first" known_by "BUG: KASAN: slab-use-after-free"
failed FAIL '' '  GSI 17: resampled 3 times when deassigned'
ok "minimise: numbers do not matter" known_by "resampled N times when deassigned"
failed PASS '' ''
ok "minimise: nothing failed" known_by None
failed TIMEOUT '' ''
ok "minimise: what has no name" known_by "TIMEOUT"

mkdir -p "$tmp/odd"
ok "minimise: no run" fails 2 'is no run in virtual time' "$LAB/minimise.py" "$tmp/odd"
touch "$tmp/run/initramfs.cpio"
echo 1 >"$tmp/run/seed"
echo irqfd_test >"$tmp/run/job"
ok "minimise: another job" fails 2 'the first command is not irqfd_fuzz_test' "$LAB/minimise.py" "$tmp/run"
echo irqfd_fuzz_test -t fuzz >"$tmp/run/job"
failed PASS '' ''
ok "minimise: a run that passed" fails 2 'has not failed' "$LAB/minimise.py" "$tmp/run"
failed SPLAT '[ 1.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2' ''
echo 'ROUNDS=800 irqfd_fuzz_test -t fuzz' >"$tmp/run/job"
ok "minimise: as many steps as in the run, or 1,500" python "
from minimise import Tries, Path
tries = Tries(Path('$tmp/run'), 1)
tries.must_fail()
two = ['0.signal.1.16.1', '0.close.1.16.2', '1.close.1.17.2']
assert 'ROUNDS=400 ' in tries.steps_job(two), tries.steps_job(two)
tries.settings['ROUNDS'] = '9000'
assert 'ROUNDS=750 ' in tries.steps_job(two), tries.steps_job(two)"
ok "minimise: a program that does not compile" eval '
	got=0; "$LAB/minimise.py" --program /dev/null "$tmp/run" 2>"$tmp/stderr" || got=$?
	[ $got = 2 ] && [ "$(tail -n 1 "$tmp/stderr")" = "lab: /dev/null does not compile" ]'
ok "lab/minimise.py --help" eval '"$LAB/minimise.py" --help >"$tmp/help" && grep -q "Exit status 0 if the steps fail" "$tmp/help"'

ok "reproducer: steps that make no sense are left out" python '
from reproducer import possible
steps = [s.operation for s in possible("0.deassign.0.16.1 0.assign.0.16.1 0.assign-resampling.0.16.1 0.check.0.16.1 "
    "0.close.0.16.1 0.signal.0.16.1 1.assign.1.16.1 1.replace-masked.1.16.1 2.fork.0.0.1".split())]
assert steps == ["assign", "close", "assign", "fork"], steps'
# The operations of irqfd_fuzz_test are those that the C program knows.
ok "reproducer: knows all operations" eval '
	sed -n "/op_names\[NR_OPS\] = {/,/};/p" "$TOP"/patches/kvm-next/9-*/*Fuzz*.patch | grep -oE "\"[a-z-]+\"" | tr -d \" | sort >"$tmp/operations"
	[ -s "$tmp/operations" ] && python "from reproducer import CALLS; print(*sorted(CALLS), sep=chr(10))" | diff - "$tmp/operations"'
python '
from reproducer import CALLS, c_program, syz_program
steps = [f"{fuzzer}.{op}.{fuzzer}.{16 + fuzzer}.77" for fuzzer, ops in ((0, ["assign-resampling"] + sorted(set(CALLS) - {"assign", "close", "lose", "deassign"})),
         (1, ["assign", "assign-again", "deassign", "close"]), (2, ["assign", "lose"])) for op in ops if op != "assign-resampling" or op == ops[0]]
open("'"$tmp"'/all.c", "w").write(c_program(steps, "title"))
open("'"$tmp"'/all.syz", "w").write(syz_program(steps))'
ok "reproducer: the C program compiles, without a warning" gcc -O2 -Wall -Werror -pthread -static -o "$tmp/all" "$tmp/all.c"
ok "reproducer: ... and nothing is left to fill in" eval '! grep @ "$tmp/all.c" && grep -q "thread0, thread1, thread2" "$tmp/all.c"'
ok "reproducer: ... and ends in one line without /dev/kvm" eval '[ -e /dev/kvm ] || fails 2 "open.*, errno = 2" "$tmp/all"'
ok "reproducer: syzkaller's resources come before their users" python '
import re
known = set()
for line in open("'"$tmp"'/all.syz"):
    new = re.match(r"(r\d+) = (.*)", line)
    used = set(re.findall(r"\br\d+\b", new[2] if new else line))
    assert used <= known, line
    if new:
        known.add(new[1])
assert len(known) > 10'

# A line that ran, one that did not, and a branch that went one way only.
ok "coverage: what is missed" python '
from coverage import missed, table
lines = [dict(function_name="f", line_number=1, count=3, branches=[]),
         dict(function_name="f", line_number=2, count=0, branches=[dict(count=0), dict(count=0)]),
         dict(function_name="f", line_number=3, count=3, branches=[dict(count=3), dict(count=0)])]
assert [(m.line, m.what) for m in missed(lines)] == [(2, "never run"), (3, "1 of 2 ways not taken")]
assert list(table(["f"], lines))[1:] == [["f", "3", "2", "4", "1"], ["all", "3", "2", "4", "1"]]'
printf 'lab: run gcda\n# gcda /cache/virt/kvm/eventfd.gcda\n# %s\n# %s\n# gcda: end\nlab: exit 0\n' "$(printf 'some  ' | base64)" "$(printf 'bytes.' | base64)" >"$tmp/run/results"
ok "coverage: the guest's counts" python '
from coverage import gcda, Path
assert gcda(Path("'"$tmp"'/run")) == b"some  bytes.", gcda(Path("'"$tmp"'/run"))'
# gcov's own counts, of a file of the kernel's name.
mkdir -p "$tmp/gcov/virt/kvm" "$tmp/covered" "$tmp/lab"
cp "$LAB"/{coverage,runs,record}.py "$tmp/lab"
printf 'int f(int a)\n{\n\tif (a)\n\t\treturn 1;\n\treturn 2;\n}\nint main(void) { return f(0) - 2; }\n' >"$tmp/gcov/virt/kvm/eventfd.c"
(cd "$tmp/gcov" && gcc --coverage -c virt/kvm/eventfd.c && gcc --coverage -o program eventfd.o && ./program)
cp "$tmp/gcov"/{virt/kvm/eventfd.c,eventfd.gcno} "$tmp/covered"
echo f >"$tmp/covered/functions"
{ echo "# gcda /virt/kvm/eventfd.gcda"; base64 "$tmp/gcov/eventfd.gcda" | sed 's/^/# /'; echo "# gcda: end"; } >"$tmp/covered/results"
covered() { python3 "$tmp/lab/coverage.py" "$tmp/covered" >"$tmp/out"; }
: >"$tmp/lab/uncovered"
ok "coverage: what has no reason is a failure" eval '! covered && grep -qE "^f +4 +3 +2 +1$" "$tmp/out" && [ "$(grep -c "NOT IN" "$tmp/out")" = 2 ]'
printf '# why\nf | if (a) | nobody asks\n' >"$tmp/lab/uncovered"
ok "coverage: ... each line" eval '! covered && [ "$(grep -c "NOT IN" "$tmp/out")" = 1 ]'
echo 'f | return 1; | nor gets it' >>"$tmp/lab/uncovered"
ok "coverage: ... and with a reason, none" eval 'covered && grep -q "nobody asks" "$tmp/out"'
echo "f | nothing | it was, once" >>"$tmp/lab/uncovered"
ok "coverage: what was reached after all is a failure" eval '! covered && grep -A 1 "^f: nothing" "$tmp/out" | grep -q "BUT REACHED"'
ok "coverage: a run without" fails 2 'is no run of lab/coverage.sh' "$LAB/coverage.sh" "$tmp/run"
ok "lab/coverage.sh --help" eval '"$LAB/coverage.sh" --help >"$tmp/help" && grep -q "Exit status 0 if just" "$tmp/help"'
plan

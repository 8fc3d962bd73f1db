#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: tests/run.sh [TEST...]
#
# Run the tests (default: all of tests/*.t), each a script that prints TAP
# results and, at its end, how many these are; end with one line of totals.  Exit
# status 0 if none failed and some passed, 1 if not, 130 after Ctrl-C.

. "$(dirname "$0")/../lab/lib.sh"
usage_if_asked "$@"

[ $# -gt 0 ] || set -- "$TOP"/tests/{shell,judge,deadlock,results,compare,fuzz,kernel,lava,cocci,mutate,fetch,build,series,stack,compile,boot,bochs,guest,vmm,explore,matrix,bisect,studies,soak,boots}.t
mkdir -p "$CACHE"
results=$(mktemp -p "$CACHE")
trap 'rm -f "$results" "$results.one"' EXIT
trap 'exit 130' INT

# run_test TEST: one that dies half-way, or just ends there, must not look like a short
# one that passed.
run_test()
{
	local status=0 name=${1#"$TOP"/} n

	bound "$1" | tee "$results.one" || status=$?
	n=$(grep -cE '^(not )?ok ' "$results.one" || true)
	[ "$status" = 0 ] || echo "not ok $name ended with an error" | tee -a "$results.one"
	[ "$(tail -n 1 "$results.one")" = "1..$n" ] || [ "$status" != 0 ] ||
		echo "not ok $name did not get to its end" | tee -a "$results.one"
	cat "$results.one" >>"$results"
}

for t; do
	[ -x "$t" ] || die "no test '$t'" "one of: $(cd "$TOP" && echo tests/*.t)"
	say "running ${t#"$TOP"/}"
	run_test "$t"
done

passed=$(grep -c '^ok ' "$results" || true)
failed=$(grep -c '^not ok ' "$results" || true)
skipped=$(grep -c '^ok .*# SKIP' "$results" || true)
grep '^not ok ' "$results" || true
if [ "$skipped" -gt 0 ]; then
	echo "$((passed - skipped)) passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ] && [ "$passed" -gt "$skipped" ]

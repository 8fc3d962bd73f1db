#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: tests/run.sh [TEST...]
#
# Run the tests (default: all of tests/*.t), each a script that prints TAP
# results, and end with one line of totals.  Exit status 0 if none failed and
# some passed.

. "$(dirname "$0")/../lab/lib.sh"
usage_if_asked "$@"

[ $# -gt 0 ] || set -- "$TOP"/tests/{shell,judge,cocci,mutate,fetch,build,series,stack,boot,boots}.t
mkdir -p "$CACHE"
results=$(mktemp -p "$CACHE")
trap 'rm -f "$results"' EXIT

for t; do
	[ -x "$t" ] || die "no test '$t'" "one of: $(cd "$TOP" && echo tests/*.t)"
	say "running ${t#"$TOP"/}"
	# A test that dies half-way must not look like a short one that passed.
	"$t" | tee -a "$results" || echo "not ok ${t#"$TOP"/} ended with an error" | tee -a "$results"
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

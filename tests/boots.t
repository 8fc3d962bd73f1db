#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# The boots that a developer needs at each change, one result each, and the
# series themselves: that they survive a round trip.

. "$(dirname "$0")/tap.sh"
cd "$TOP"

# Those of the kernels that are booted here; make check-patches fetches them all.
for base in $(grep -L '^EXTRA=' lab/scenarios/* | xargs sed -n 's/^BASE=//p' | sort -u); do
	ok "series of $base: patches -> commits -> patches is the identity" lab/series.sh check "$base"
done

touch "$tmp/before"
for scenario in lab/scenarios/*; do
	! grep -q '^EXTRA=' "$scenario" || continue
	scenario=$(basename "$scenario")
	results=$((results + 1))
	# Progress belongs on the terminal, the table is explanation enough.
	if bound lab/run.py "$scenario" >"$tmp/table"; then
		echo "ok boot $scenario: $(sed -n 's/^EXPECT=//p' "lab/scenarios/$scenario")"
	else
		echo "not ok boot $scenario"
		# On a machine that is gone, this is all that is left.
		{ cat "$tmp/table"; tail -n 1 "$tmp/table" | grep -o 'runs/[^ ]*' | sed 's,$,/verdict,' | xargs -r head -n 40; } |
			sed 's/^/# /'
	fi
done

# Else, what sleeps for microseconds sleeps for ticks.
ok "boots: no kernel did without its CPU's timer" eval '
	! find "$RUNS" -name console -newer "$tmp/before" -exec grep -H "APIC timer disabled" {} +'

ok "KUnit: the suite passes on x86_64, run by kunit.py" lab/kunit.sh x86_64

# In virtual time, and by the same tools, a slower series is one that does more.
fast="bench: the series takes no more than 2 % longer than docs/virtual.csv says"
status=0
bound lab/bench.sh --check >"$tmp/table" 2>"$tmp/why" || status=$?
cat "$tmp/why" >&2
if [ "$status" = 4 ]; then
	results=$((results + 1))
	echo "ok $fast # SKIP $(tail -n 1 "$tmp/why")"
else
	ok "$fast" eval 'cat "$tmp/table"; [ "$status" = 0 ]'
fi

plan

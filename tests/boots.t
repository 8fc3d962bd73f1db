#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The boots that a developer needs at each change, one result each, and the
# series themselves: that they survive a round trip.

. "$(dirname "$0")/tap.sh"
cd "$TOP"

# Those of the kernels that are booted here; make check-patches fetches them all.
for base in $(grep -L '^EXTRA=' lab/scenarios/* | xargs sed -n 's/^BASE=//p' | sort -u); do
	ok "series of $base: patches -> commits -> patches is the identity" lab/series.sh check "$base"
done

for scenario in lab/scenarios/*; do
	! grep -q '^EXTRA=' "$scenario" || continue
	scenario=$(basename "$scenario")
	results=$((results + 1))
	# Progress belongs on the terminal, the table is explanation enough.
	if bound lab/run.sh "$scenario" >"$tmp/table"; then
		echo "ok boot $scenario: $(sed -n 's/^EXPECT=//p' "lab/scenarios/$scenario")"
	else
		echo "not ok boot $scenario"
		sed 's/^/# /' "$tmp/table"
	fi
done

ok "KUnit: the suite passes on x86_64, run by kunit.py" lab/kunit.sh x86_64

plan

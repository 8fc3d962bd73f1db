#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/no-regression.sh
#
# Run all of KVM's selftests on the stock kernel and on the patched one, of one
# configuration, and compare the results, see lab/compare.py: the scenarios stock-selftests and
# patched-selftests; stock-slow-selftests and patched-slow-selftests, which are those tests that
# take a faster guest; and stock-arm64-selftests and patched-arm64-selftests.  Exit status 0 if
# all are equal, and nothing fails that lab/known does not name, 1 if not, 2 if a run was not
# possible.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

dir=$(new_run no-regression) result=0
for part in selftests slow-selftests arm64-selftests; do
	status=0
	LAB_RUNS=$dir/$part bound "$LAB/run.py" "stock-$part" "patched-$part" || status=$?
	[ "$status" -le 1 ] || exit "$status"
	echo
	"$LAB/compare.py" "$dir/$part" || status=$?
	[ "$status" -le 1 ] || exit "$status"
	echo
	[ "$status" = 0 ] || result=1
done
exit "$result"

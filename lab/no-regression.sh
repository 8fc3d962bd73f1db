#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/no-regression.sh
#
# Run all of KVM's selftests on the stock kernel and on the patched one, of one configuration (the
# scenarios stock-all-selftests and patched-all-selftests), and compare the results, see
# lab/compare.py.  Exit status 0 if they are equal and nothing fails that lab/known does not
# name, 1 if not, 2 if a run was not possible.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

dir=$(new_run no-regression)
status=0
LAB_RUNS=$dir "$LAB/run.sh" stock-all-selftests patched-all-selftests || status=$?
[ "$status" -le 1 ] || exit "$status"
echo
"$LAB/compare.py" "$dir" || exit
exit "$status"

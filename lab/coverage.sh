#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/coverage.sh [SCENARIO|RUN]
#
# Which lines of virt/kvm/eventfd.c did the tests run, and where did each of its branches
# go?  Boot SCENARIO (default: patched-coverage), whose kernel counts that by gcov and
# whose job ends with `gcda virt/kvm/eventfd`, or take a RUN of it that this script made,
# and print a table of the functions that the series touch (lab/mutate.py), with what was
# left out below, line by line.
# lab/uncovered has the lines that these tests do not reach, and the reasons, one each.
#
# JOB and SEED in the environment are as for lab/explore.py and lab/run.py.
#
# Exit status 0 if just what is in lab/uncovered was left out, 1 if not, 2 if it was not
# possible, 130 after Ctrl-C.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"
[ $# -le 1 ] || die "one scenario, or one run" "lab/coverage.sh --help"
FILE=virt/kvm/eventfd.c
dir=${1:-patched-coverage}

# keep RUN: what the kernel was made of, as the tree and the objects may soon be others'.
keep()
{
	local obj src

	load_scenario "$1"
	# shellcheck disable=SC2086
	obj=$("$LAB/build.sh" "$BASE" "$series" $CONFIGS)
	src=$("$LAB/fetch.sh" "$BASE")
	lock "build-$(basename "$src")"
	"$LAB/series.sh" checkout "$src" "$series"
	cp "$src/$FILE" "$obj/${FILE%.c}.gcno" "$2"
	git -C "$src" diff -U0 stock HEAD -- "$FILE" |
		python3 "$LAB/mutate.py" functions "$src/$FILE" >"$2/functions.new"
	mv "$2/functions.new" "$2/functions"
}

trap 'exit 130' INT TERM
if [ ! -d "$dir" ]; then
	seed=${SEED:-1}
	status=0
	scenario=$dir
	dir=$("$LAB/explore.py" --quiet --seeds "$seed-$seed" "$scenario")/seed-$seed || status=$?
	[ "$status" -le 1 ] && [ -d "$dir" ] || exit 2
	say "$scenario: $(head -n 1 "$dir/verdict"), see ${dir#"$TOP"/}"
	[ -f "$dir/functions" ] || (keep "$scenario" "$dir")
fi
[ -f "$dir/functions" ] || die "$dir is no run of lab/coverage.sh" "lab/coverage.sh --help"
exec python3 "$LAB/coverage.py" "$dir"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: git bisect run .../lab/bisect.sh [--times N] [--bad LIST] [--good LIST] SCENARIO
#
# In a kernel's git tree: boot what is checked out there, by lab/run.py SCENARIO, N times
# (default 1), each with a seed of its own, from SEED=N of the environment on, and
# exit as git bisect wants it:
#
#   0    each verdict is of LIST --good (default: PASS)
#   1    one is of LIST --bad (default: DEADLOCK,SPLAT,FAIL,TIMEOUT); no more boots then
#   125  one is neither, such as BUILD-ERROR and BOOT-ERROR: skip that commit
#   129  the lab itself failed, or was interrupted: stop, the commit is not to blame
#
# The scenario's own expectation does not matter.  Take one without a series (stock-*),
# unless it is to be applied to each commit.  A hang that is a matter of luck needs an N
# of which all pass on a bad commit seldom enough: `make explore` says how many do.
#
# Each commit's runs are in a directory of runs/, DATE-bisect-COMMIT.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

# Whatever ends this script early must not look like a bad commit.
result=129
trap 'exit "$result"' EXIT
trap 'exit' INT TERM

times=1 bad=DEADLOCK,SPLAT,FAIL,TIMEOUT good=PASS
while [[ ${1:-} = --* ]]; do
	case $1=${2:-} in
	--times=*)	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--times needs a number" "lab/bisect.sh --help"
			times=$2 ;;
	--bad=[A-Z]*)	bad=$2 ;;
	--good=[A-Z]*)	good=$2 ;;
	*)		die "unknown: $1 ${2:-}" "lab/bisect.sh --help" ;;
	esac
	shift 2
done
# A typo must not make a verdict one that no commit has.
for verdict in ${bad//,/ } ${good//,/ }; do
	[[ $verdict =~ ^(PASS|DEADLOCK|SPLAT|FAIL|SKIP|TIMEOUT|BOOT-ERROR|BUILD-ERROR)$ ]] || die "no verdict '$verdict'" "see README.md"
done
[ $# = 1 ] || die "which scenario?" "one of: $(names "$LAB/scenarios")"
TREE=${TREE:-$(git rev-parse --show-toplevel 2>/dev/null)} || die "this is no git tree" "cd to the kernel's, or TREE=DIR"
commit=$(git -C "$TREE" rev-parse --short=12 HEAD)
subject=$(git -C "$TREE" log -1 --format=%s)
# What git says of its repository to what it runs is not about the lab's own.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
LAB_RUNS=$(new_run "bisect-$commit")
export TREE LAB_RUNS

# verdict N: of the Nth boot, from 0 on.  It need not be what the scenario expects.
verdict()
{
	local json status=0

	json=$(SEED=$((10#${WANT_SEED:-1} + $1)) REALTIME=$WANT_REALTIME "$LAB/run.py" --format json "$scenario") || status=$?
	[ "$status" -le 1 ] || return "$status"
	python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["verdict"])' <<<"$json"
}

# is_of LIST VERDICT
is_of()
{
	[[ ,$1, = *,$2,* ]]
}

scenario=$1 outcome=0 why=good
say "bisect: $commit, \"$subject\""
for ((i = 0; i < times; i++)); do
	verdict=$(verdict "$i")
	if is_of "$bad" "$verdict"; then
		outcome=1 why=bad
	elif is_of "$good" "$verdict"; then
		continue
	else
		outcome=125 why="to be skipped"
	fi
	break
done
say "bisect: $commit is $why: $verdict in boot $((i < times ? i + 1 : times)) of $times"
result=$outcome

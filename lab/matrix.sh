#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/matrix.sh [--file FILE] [--jobs N] [--plan|--table] [WORD...]
#
# Boot the kernels of FILE (default: lab/matrix.toml), each base x architecture x
# configuration x kernel, stock and with series, N cells at a time (default: as many as
# there are processors), and print a table of the verdicts, with the reason for what
# can't be, in runs/matrix/table, too.  Progress says how long it will take, from how long earlier
# cells took.
#
# A WORD chooses: it is a base, an architecture, a configuration, a kernel, or several with
# commas in between, such as a cell of the table: `7.3.y kcsan`, `6.18.y,x86_64,proxy,stock`.
# With TREE=DIR in the environment, kernels come from that tree, which is the only base
# then; with SERIES=SPEC, patched ones have that, see lab/run.sh.  REALTIME=1 is for all
# of them to run by the host's clock.
#
# Only what has changed is built and booted again, so that what was interrupted goes on:
# a cell is an exploration with one boot, see lab/explore.sh, in runs/matrix, and
# runs/matrix/cells/CELL leads to its last run, one like any other.
#
# --plan   print the chosen cells, and do nothing else
# --table  print the table of what was run already
#
# Exit status 0 if each verdict is what FILE expects, 1 if not, 2 if a cell could not be
# run, 130 after Ctrl-C.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

matrix=$RUNS/matrix
file=$LAB/matrix.toml jobs=$(nproc) only=

# of CELL VARIABLE: what its scenario says.
of()
{
	# shellcheck source=/dev/null
	(. "$matrix/scenarios/$1" && echo "${!2:-}")
}

# run_of CELL STATUS: the directory of the run that lab/explore.sh has left, from $matrix
# on.  What does not build is a run of its own; others come and go meanwhile, so that find
# would fail.
run_of()
{
	local run last=''

	if [ "$2" -le 1 ]; then
		echo "$(basename "$(cat "$matrix/.$1")")/$([ -n "$real" ] && echo boot || echo seed)-1"
		return
	fi
	for run in "$matrix"/*-explore-"$1"*; do
		[ ! "$run/results.json" -nt "$matrix/plan.json" ] || last=${run##*/}
	done
	echo "$last"
}

# one CELL: never mind what becomes of it, others are to follow.
one()
{
	local run real start took status=0 link=$matrix/cells/$1

	start=$(date +%s)
	real=${WANT_REALTIME:-$(of "$1" REALTIME)}
	# Without a shell in between, that would not end with this one.
	env -u JOB -u APPEND -u CPUS LAB_RUNS="$matrix" REALTIME="$real" setpriv --pdeathsig TERM -- \
		"$LAB/explore.sh" --quiet --seeds 1 --jobs 1 "$matrix/scenarios/$1" >"$matrix/.$1" || status=$?
	run=$(run_of "$1" "$status")
	rm -f "$link" "$matrix/.$1"
	[ -n "$run" ] && [ -f "$matrix/$run/results.json" ] || return 0
	took=$(($(date +%s) - start))
	# How long it takes to find that there is nothing to do tells nothing.
	[ "$(stat -c %Y "$matrix/$run/results.json")" -lt "$start" ] || echo "$1 $took" >>"$matrix/times"
	ln -sT "../$run" "$link"
	echo "$1" >>"$matrix/done"
	say "$1: $(head -n 1 "$link/verdict"), expected $(of "$1" EXPECT), $took s; $("$LAB/matrix.py" left "$matrix" "$jobs")"
}

# No trap: it would wait for the boot.
if [ "${1:-}" = --one ]; then
	jobs=$2
	one "$3"
	exit
fi

while [[ ${1:-} = --* ]]; do
	case $1=${2:-} in
	--plan=*|--table=*)	only=${1#--}
				shift
				continue ;;
	--jobs=[1-9]*)		jobs=$2 ;;
	--file=?*)		file=$2
				[ -f "$file" ] || die "no file '$file'" "copy lab/matrix.toml" ;;
	*)			die "unknown: $1 ${2:-}" "lab/matrix.sh --help" ;;
	esac
	shift 2
done

mkdir -p "$matrix/cells"
exec {only_one}<"$matrix"
flock -n "$only_one" || die "another make matrix runs in ${matrix#"$TOP"/}" "wait, or set LAB_RUNS=DIR"
cells=$("$LAB/matrix.py" plan "$file" "$matrix" "$@")
if [ "$only" = plan ]; then
	echo "$cells"
	exit
fi

# report: at the end, whatever it is, what there is.
report()
{
	trap - EXIT
	"$LAB/matrix.py" table "$matrix" | tee "$matrix/table"
}

trap 'report || true' EXIT
trap 'exit 130' INT TERM
if [ -z "$only" ]; then
	: >"$matrix/done"
	say "$(wc -l <<<"$cells") cells, $jobs at a time; $("$LAB/matrix.py" left "$matrix" "$jobs")"
	status=0
	# This shell's end is that of xargs and of what it runs, see lab/mutate.sh.
	setpriv --pdeathsig TERM -- xargs -n 1 -P "$jobs" setpriv --pdeathsig TERM -- "$0" --one "$jobs" <<<"$cells" &
	wait $! || status=$?
	[ "$status" = 0 ] || die "cells were not possible" "see above"
fi
report

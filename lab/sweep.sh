#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/sweep.sh [--times N] [--seconds S] [CELL...]
#
# How often, and how soon, do stock kernels with proxy execution hang?  Boot each
# cell in N schedules (default 5), by lab/explore.sh, run irqfd_resampler_test's first subtest for
# at most S seconds (default 20), stop at the first hang, and print a table of explore.sh's rows.
#
# A CELL is BASE,CPUS,storm or BASE,CPUS,quiet; `storm` has a SCHED_FIFO thread on
# each CPU wake every 50 us.  BASE alone is its four cells with 1 and 2 CPUs.
# Default: the bases of lab/bases from 6.17 on, which brought proxy execution.
#
# A hang is a verdict of DEADLOCK, see lab/judge.py.  CONFIGS="NAME..." in the environment
# replaces the fragments, `base hang proxy`; REALTIME=1 has N boots by the host's clock instead.
#
# Exit status 0 if there are no other verdicts than that and PASS, 1 if there are, 2 if a base
# could not be had, 130 after Ctrl-C.  What was booted before is not booted again, see lab/explore.sh.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

CONFIGS=${CONFIGS:-base hang proxy}

times=5 seconds=20
while [[ ${1:-} = --* ]]; do
	[[ $1 = --times || $1 = --seconds ]] || die "unknown option $1" "lab/sweep.sh --help"
	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "$1 needs a number" "lab/sweep.sh --help"
	declare "${1#--}=$2"
	shift 2
done
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $({ names "$LAB/bases" | tr ' ' '\n'; echo 6.17; } | sort -V | sed '1,/^6\.17$/d')

# cells ARG...: one a line.
cells()
{
	local arg base

	for arg; do
		base=${arg%%,*}
		[ -f "$LAB/bases/$base" ] || die "unknown base '$base'" "one of: $(names "$LAB/bases")"
		if [[ $arg =~ ^[^,]*,[1-9],(storm|quiet)$ ]]; then
			echo "$arg"
		elif [ "$arg" = "$base" ]; then
			printf "$base,%s\n" 1,storm 1,quiet 2,storm 2,quiet
		else
			die "what is the cell '$arg'?" "lab/sweep.sh --help"
		fi
	done
}

# scenario CELL: a file of that name.
scenario()
{
	local base cpus storm

	IFS=, read -r base cpus storm <<<"$1"
	printf '%s=%q\n' TITLE "$cpus CPUs, $storm" BASE "$base" PATCHED no CONFIGS "$CONFIGS" CPUS "$cpus" \
		APPEND "sysctl.kernel.hung_task_timeout_secs=8 sysctl.kernel.hung_task_check_interval_secs=1" \
		JOB "irqfd_resampler_test -t 'distinct GSIs, teardown by closing eventfds' -s $seconds$([ "$storm" = storm ] || echo ' -p 0')" \
		EXPECT DEADLOCK TIMEOUT $((seconds + 100)) >"$tmp/$1"
}

# report: at the end, whatever it is, what there is.
report()
{
	[ ${#dirs[@]} = 0 ] || REALTIME=$WANT_REALTIME python3 "$LAB/explore.py" "${dirs[@]}"
	rm -rf "$tmp"
}

all=$(cells "$@")
mkdir -p "$CACHE"
tmp=$(mktemp -d -p "$CACHE")
trap report EXIT
trap 'exit 130' INT TERM
bad=0
dirs=()

while read -r cell <&4; do
	scenario "$cell"
	status=0
	# In the background, as a trap waits for what is not.
	setpriv --pdeathsig TERM -- env -u JOB -u APPEND -u CPUS REALTIME="$WANT_REALTIME" \
		"$LAB/explore.sh" --quiet --seeds "$times" "$tmp/$cell" >"$tmp/dir" &
	wait $! || status=$?
	# What could not be had does not keep the others from it, and has said why.
	if [ "$status" -gt 1 ] || [ ! -s "$tmp/dir" ]; then
		bad=2
		continue
	fi
	dirs+=("$(cat "$tmp/dir")")
	verdicts "${dirs[-1]}" | grep -qvxE 'DEADLOCK|PASS' || continue
	[ "$bad" != 0 ] || bad=1
done 4<<<"$all"
[ "$bad" = 0 ] || exit "$bad"

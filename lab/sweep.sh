#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/sweep.sh [--times N] [--seconds S] [CELL...]
#
# How often, and how soon, do stock kernels with proxy execution hang?  Boot each
# cell N times (default 5), run irqfd_resampler_test's first subtest for at most
# S seconds (default 20), stop at the first hang, and print a table: hung k of n
# boots, the 95 % interval of the probability (Wilson's), and the median and range
# of the seconds from the start of init to the hang, by the guest's clock.
#
# A CELL is BASE,CPUS,storm or BASE,CPUS,quiet; `storm` has a SCHED_FIFO thread on
# each CPU wake every 50 us.  BASE alone is its four cells with 1 and 2 CPUs.
# Default: the bases of lab/bases from 6.17 on, which brought proxy execution.
#
# A boot counts as hung if its verdict is DEADLOCK, see lab/judge.py, as not hung
# if it is PASS; others are listed, and do not count.  CONFIGS="NAME..." in the
# environment replaces the fragments, `base hang proxy`.
#
# Exit status 0 if there are no others, 1 if there are, 2 if a base could not be
# had, 130 after Ctrl-C.  Each boot leaves a directory in runs/.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

CONFIGS=${CONFIGS:-base hang proxy}
APPEND="sysctl.kernel.hung_task_timeout_secs=8 sysctl.kernel.hung_task_check_interval_secs=1"

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

# to_hang RUN: seconds from init's start to when the first operation began that
# never ended; the test says for how long that has been when it has the kernel
# log its tasks.
to_hang()
{
	local ms

	ms=$(tr -d '\r' <"$1/results" | sed -nE 's/^# Hung: worker .* for ([0-9]+) ms$/\1/p' | sort -n | tail -n 1)
	tr -d '\r\000' <"$1/console" | sed -E 's/^\[ *([0-9.]+)\](\[[^]]*\])? /\1 /' | awk -v ms="${ms:-0}" '
		/Run \/init as init process/ && !init { init = $1 }
		/sysrq: Show Blocked State/ && !log_ { log_ = $1 }
		END { if (init && log_ && ms) printf "%.1f\n", log_ - init - ms / 1000 }'
}

# boot_cell CELL OBJ: one line for the table's making: hung or not, and when.
boot_cell()
{
	local base cpus storm run verdict job

	IFS=, read -r base cpus storm <<<"$1"
	job="irqfd_resampler_test -t 'distinct GSIs, teardown by closing eventfds' -s $seconds"
	[ "$storm" = storm ] || job+=" -p 0"
	run=$(new_run "sweep-$1")
	describe_run "$run" "$job" "$APPEND" "$cpus" $((seconds + 100))
	"$LAB/boot.sh" "$run" "$2"
	verdict=$("$LAB/judge.py" "$run")
	say "$1: $verdict after $(cat "$run/seconds") s, see ${run#"$TOP"/}"
	printf '%s\t%s\n' "$verdict" "$(to_hang "$run")"
}

# summarise VERSION CELL: a row, from the lines of boot_cell.
summarise()
{
	sort -t$'\t' -k2n | awk -F'\t' -v version="$1" -v cell="$2" -v explore="$LAB/explore.py" '
	$1 == "DEADLOCK" { n++; k++; if ($2 != "") at[++m] = $2 }
	$1 == "PASS"	 { n++ }
	$1 != "DEADLOCK" && $1 != "PASS" { other = other " " $1 }
	END {
		split(cell, c, ",")
		("python3 \"" explore "\" wilson " k + 0 " " n + 0) | getline interval
		median = m % 2 ? at[(m + 1) / 2] : (at[m / 2] + at[m / 2 + 1]) / 2
		printf "%s\t%s\t%s\t%d of %d\t%s\t%s\t%s\n", version, c[2], c[3], k, n, interval,
			m ? sprintf("%.1f (%.1f-%.1f)", median, at[1], at[m]) : "-", other
	}'
}

all=$(cells "$@")
mkdir -p "$CACHE"
tmp=$(mktemp -d -p "$CACHE")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
bad=0

while read -r cell <&4; do
	# shellcheck disable=SC2086
	obj=$("$LAB/build.sh" "${cell%%,*}" none $CONFIGS) || { bad=2; continue; }
	for ((i = 0; i < times; i++)); do
		boot_cell "$cell" "$obj"
	done >"$tmp/boots"
	summarise "$(cat "$obj/version")" "$cell" <"$tmp/boots" >>"$tmp/table"
	[ "$bad" != 0 ] || ! grep -qvE '^(DEADLOCK|PASS)' "$tmp/boots" || bad=1
done 4<<<"$all"

[ ! -f "$tmp/table" ] ||
	{ printf 'Linux\tCPUs\tstorm\thung\t95 %% interval\tseconds to hang\n'; cat "$tmp/table"; } | columns
exit "$bad"

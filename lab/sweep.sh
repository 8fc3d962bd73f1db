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

# boot_cell CELL: one line for the making of the table: hung or not, and when.
boot_cell()
{
	local base cpus storm obj run verdict job

	IFS=, read -r base cpus storm <<<"$1"
	job="irqfd_resampler_test -t 'distinct GSIs, teardown by closing eventfds' -s $seconds"
	[ "$storm" = storm ] || job+=" -p 0"
	run=$(new_run "sweep-$1") || exit
	# shellcheck disable=SC2086
	obj=$("$LAB/build.sh" --copy "$run" "$base" none $CONFIGS) || { rm -rf "$run"; return 1; }
	version=$(cat "$obj/version")
	describe_run "$run" "$job" "$APPEND" "$cpus" $((seconds + 100))
	"$LAB/boot.sh" "$run" || exit
	verdict=$("$LAB/judge.py" "$run") || exit
	say "$1: $verdict after $(cat "$run/seconds") s, see ${run#"$TOP"/}"
	printf '%s\t%s\n' "$verdict" "$(to_hang "$run")" >>"$tmp/boots"
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
		if ((("python3 \"" explore "\" wilson " k + 0 " " n + 0) | getline interval) <= 0)
			exit 1
		median = m % 2 ? at[(m + 1) / 2] : (at[m / 2] + at[m / 2 + 1]) / 2
		printf "%s\t%s\t%s\t%d of %d\t%s\t%s\t%s\n", version, c[2], c[3], k, n, interval,
			m ? sprintf("%.1f (%.1f-%.1f)", median, at[1], at[m]) : "-", other
	}'
}

# row: of what was booted of the cell.
row()
{
	[ -s "$tmp/boots" ] || return 0
	summarise "$version" "$cell" <"$tmp/boots" >>"$tmp/table"
	[ "$bad" != 0 ] || ! grep -qvE '^(DEADLOCK|PASS)' "$tmp/boots" || bad=1
	: >"$tmp/boots"
}

# report: at the end, whatever it is, what there is.
report()
{
	row
	[ ! -s "$tmp/table" ] ||
		{ printf 'Linux\tCPUs\tstorm\thung\t95 %% interval\tseconds to hang\n'; cat "$tmp/table"; } | columns
	rm -rf "$tmp"
}

all=$(cells "$@")
mkdir -p "$CACHE"
tmp=$(mktemp -d -p "$CACHE")
trap report EXIT
trap 'exit 130' INT TERM
bad=0

while read -r cell <&4; do
	for ((i = 0; i < times; i++)); do
		boot_cell "$cell" || { bad=2; break; }
	done
	row
done 4<<<"$all"
[ "$bad" = 0 ] || exit "$bad"

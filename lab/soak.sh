#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/soak.sh [--mutant NAME] [HOURS [DIR]]
#
# Does anything grow if irqfds come and go for hours (default 2; 0.05 is three minutes)?
# Boot the scenario patched-soak by the host's clock, whose guest fuzzes irqfds and has
# VMs come and go until the time is over, and samples after each go the slabs, open
# files, kworkers, and how long it takes to close a VM, see lab/guest/soak.
#
# A soak is an exploration of lab/explore.py, a directory of runs/ whose name stands for
# all that is booted.  One that was interrupted, however, goes on with the same command:
# what was sampled counts, and another boot is for what time remains.  So does one
# with more HOURS; given as DIR, without building anything.  In the directory, boot-N
# is a boot that ended by itself, and cut-N one that did not.
#
# Ends with a table of the first and the last third of each boot, what could be noise,
# and FLAT or GROWS, see lab/soak.py; leaves it as `table`, samples.csv and soak.svg in the
# directory.
#
# --mutant builds the kernel with mutants/NAME.patch, or any other patch, on top.  TREE,
# SERIES, CPUS and APPEND in the environment are as for lab/explore.py.
#
# Exit status 0 if all is flat and all boots passed, 1 if not, or if it was too short to
# tell, 2 if a boot was not possible, 130 after Ctrl-C.

# For all that is run from here, and what is called boot-N.
export REALTIME=1
unset JOB SEED
. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

mutant=()
if [ "${1:-}" = --mutant ]; then
	[ -n "${2:-}" ] || die "--mutant needs a patch" "of: $(names "$TOP/mutants")"
	mutant=("$1" "$2")
	shift 2
fi
[ $# -le 2 ] || die "what is '$3'?" "lab/soak.sh --help"
[ -z "${2:-}" ] || [ -f "$2/initramfs.cpio" ] || die "$2 is not the directory of a soak" "see lab/soak.sh --help"
[[ ${1:-2} =~ ^[0-9]{1,3}(\.[0-9]{1,4})?$ ]] || die "HOURS=$1 is no number of hours" "such as 2, or 0.05"
wanted=$(bc <<<"(${1:-2} * 3600 + 0.5) / 1")
[ "$wanted" -gt 0 ] || die "HOURS=$1 is no time at all" "such as 2, or 0.05"

# What the guest's boot may take, and its last go and scan, which it begins in time.
SLACK=900

# explore ARG...: in $explorer; its stdout is $tmp.
explore()
{
	# In the background, as a trap waits for what is not.
	setpriv --pdeathsig TERM -- "$LAB/explore.py" --quiet --jobs 1 "$@" >"$tmp" &
	explorer=$!
}

# finished: of the explorer; it has said why, if that's an error.
finished()
{
	local status=0

	wait "$explorer" || status=$?
	[ "$status" -le 1 ] || exit "$status"
}

# keep_cut: lab/explore.py would remove what is left of a boot that did not end.
keep_cut()
{
	local cut run

	for cut in "$dir"/tmp-*; do
		[ -d "$cut" ] || continue
		if [ ! -s "$cut/results" ]; then
			rm -rf "$cut"
			continue
		fi
		run=$dir/cut-${cut##*-}
		"$LAB/judge.py" "$cut" >/dev/null
		mv -T "$cut" "$run"
	done
}

# next_part: a number that no boot has.
next_part()
{
	find "$dir" -maxdepth 1 \( -name 'boot-*' -o -name 'cut-*' \) -printf '%f\n' | sed 's/.*-//' |
		sort -n | tail -n 1 | { read -r last || last=0; echo $((last + 1)); }
}

# progress FILE: that of the guest, if there is anything new.
progress()
{
	local line

	line=$(tr -d '\r' 2>/dev/null <"$1" | sed -n 's/^# soak: \(seconds .* kworkers [0-9]*\)$/\1/p' | tail -n 1) || return 0
	[ "$line" != "$last_line" ] && [ -n "$line" ] && [ $((SECONDS - last_said)) -ge 20 ] || return 0
	last_line=$line last_said=$SECONDS
	say "$(((remaining - $(cut -d' ' -f2 <<<"$line")) / 60)) min left: $line"
}

# boot: the guest, for $remaining seconds.
boot()
{
	local part last_line='' last_said=$SECONDS

	part=$(next_part)
	echo "$(sed 's/ *lab_soak=[0-9]*//' "$dir/append") lab_soak=$remaining" >"$dir/append"
	echo $((remaining + SLACK)) >"$dir/timeout"
	say "boot $part, $remaining s of $wanted"
	explore --seeds "$part-$part" "$dir"
	while kill -0 "$explorer" 2>/dev/null; do
		bound sleep 2 &
		wait $!
		progress "$dir/tmp-$part/results"
	done
	finished
}

# plot: each measure of all boots, from samples.csv.
plot()
{
	gnuplot <<-END
	set terminal svg size 800,1000 dynamic background "white"
	set output "$dir/soak.svg"
	set datafile separator ","
	set multiplot layout 4,2 title "$(cat "$dir/title")"
	set xlabel "hours"
	set yrange [0:*]
	unset key
	do for [i = 3:9] {
		plot "$dir/samples.csv" using (\$1/3600.):i with points pointtype 7 pointsize .2 title columnheader(i)
	}
	END
}

trap 'exit 130' INT TERM
mkdir -p "$CACHE"
tmp=$(mktemp -p "$CACHE")
trap 'rm -f "$tmp"' EXIT
explore "${mutant[@]}" --seeds 0 "${2:-patched-soak}"
finished
dir=$(cat "$tmp")
lock "soak-${dir##*-}"
keep_cut
while remaining=$((wanted - $("$LAB/soak.py" --seconds "$dir"))) && [ "$remaining" -gt 0 ]; do
	boot
	find "$dir" -path '*/boot-*/verdict' -exec head -qn 1 {} + | grep -qvx PASS && break
done
"$LAB/soak.py" "$dir" >"$tmp" || [ $? = 1 ] || exit 2
plot
cp "$tmp" "$dir/table"
cat "$dir/table"
say "see ${dir#"$TOP"/}"
[ "$(tail -n 1 "$dir/table")" = FLAT ]

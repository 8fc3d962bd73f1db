#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/bench.sh [--times N] [--only PART] [HZ...]
#        lab/bench.sh --check
#
# How long irqfds take to assign and to tear down: stock, with the fixes of the
# series (the first of the stack), and with the whole series; the same
# configuration without debug options.  PART is one of
#
#   virtual  (the default) with one CPU and with two, in virtual time: the guest's
#            clock counts instructions, and skips what time the guest is idle, so
#            that nothing depends on what the host does; once by a real-time
#            task on each CPU, once by an ordinary one that may run anywhere.  At the
#            first HZ (default: 1000)
#   times    by wall clock, for each HZ (default: 1000 250 100).  The kernels are
#            booted in turn, N times (default 3), and each boot repeats each
#            measurement, so that what disturbs the host disturbs them all
#   counts   the grace periods and the kworkers that the release of a VM takes, and
#            the grace periods of a PIT's release, and of its reinjection's end, by
#            tracing, in one boot of each kernel
#   locks    resampler_lock in lock_stat, in N boots
#   remedies what the release of a VM with 240 irqfds takes, and for how long
#            resampler_lock is held, in one boot of each kernel, and of stock with
#            each of patches/remedies; one CPU, virtual time
#   all      all of them
#
# The guests have two CPUs, or CPUS in the environment, but for virtual.
#
# --check measures the series alone, in virtual time, by real-time tasks, and compares the
# fastest of ten of each operation, which no tick has disturbed, with docs/virtual.csv, which
# is the virtual.csv of an earlier one, or those lines of one without --check.  Exit status 1
# if one takes more than 2 % longer than the fastest recorded, 4 if that was measured with
# another kernel version, compiler or QEMU: a new one is to be put there.
#
# Leaves in runs/DATE-bench
#
#   virtual.csv       cpus,kernel,operation,kind,irqfds,repetition,microseconds
#   times.csv         hz,kernel,boot,operation,kind,irqfds,threads,repetition,
#                     microseconds
#   counts.csv        kernel,kind,irqfds,grace periods,kworkers, a line a release
#   locks.csv         kernel,longest hold of resampler_lock in a boot, microseconds
#   remedies.csv      kernel,microseconds,grace periods,kworkers,microseconds
#   table             medians with their spread, and ratios
#   OPERATION-HZ.svg
#
# and prints the table.  Exit status 0 if all was measured, 1 if not, 2 if a run
# was not possible, 130 after Ctrl-C.

. "$(dirname "$0")/lib.sh"
. "$LAB/bench/what.sh"
usage_if_asked "$@"

times=3
only=virtual
check=
KERNELS='stock fixes series'
RECORDED=$TOP/docs/virtual.csv
if [ "${1:-}" = --check ]; then
	[ $# = 1 ] || die "--check takes nothing else" "lab/bench.sh --help"
	[ -f "$RECORDED" ] || die "no ${RECORDED#"$TOP"/}" "copy the virtual.csv of a run of --check there"
	check=yes
	KERNELS=series
	shift
fi
while [[ ${1:-} = --* ]]; do
	case $1 in
	--times)
		[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--times needs a number" "lab/bench.sh --help"
		times=$2
		;;
	--only)
		[[ ${2:-} =~ ^(virtual|times|counts|locks|remedies|all)$ ]] ||
			die "--only needs one of virtual, times, counts, locks, remedies and all" "lab/bench.sh --help"
		only=$2
		;;
	*)	die "no option '$1'" "lab/bench.sh --help" ;;
	esac
	shift 2
done
virtual_hz=${1:-1000}
[ $# -gt 0 ] || set -- 1000 250 100
for hz; do
	[ "$hz" = 1000 ] || [ -f "$LAB/configs/hz$hz" ] || die "no fragment for HZ=$hz" "100, 250 or 1000"
done

CPUS=${CPUS:-2}

# boot [virtual] CPUS NAME KERNEL JOB CONFIG...: leaves the directory in $run.
boot()
{
	local virtual='' mutant

	if [ "$1" = virtual ]; then
		virtual=$1
		shift
	fi
	run=$(new_run "bench-$2")
	mutant=$(remedy_of "$3")
	"$LAB/build.sh" --copy "$run" ${mutant:+--mutant "$mutant"} "$NEWEST_BASE" "$(series_of "$3")" "${@:5}" >/dev/null ||
		{ [ $? = 2 ] || die "$3 does not build" "see above"; exit 2; }
	describe_run "$run" "$4" "" "$1" 900
	if [ -n "$virtual" ]; then
		# An instruction a nanosecond.
		echo 0 >"$run/seed"
		echo 0 >"$run/shift"
	fi
	"$LAB/boot.sh" "$run"
	if [ "$("$LAB/judge.py" "$run")" = PASS ]; then
		say "$2: measured in $(cat "$run/seconds") s"
	else
		say "$2: $(head -n 1 "$run/verdict"), see ${run#"$TOP"/}/verdict"
		bad=1
	fi
}

# What irqfd_perf_test prints, six fields a line, of $run.
measurements()
{
	tr -d '\r' <"$run/results" | grep -E '^[a-z0-9-]+,[a-z]+,[0-9]+,[0-9]+,[0-9]+,[0-9.]+$' || true
}

# What a time in virtual time depends on, beside the sources, of $run.
made_with()
{
	echo "Linux $(sed -n 's,^# Linux/[^ ]* \([^ ]*\) .*,\1,p' "$run/config")," \
	     "$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\(.*\)"/\1/p' "$run/config")," \
	     "$(sed -n '1s/^# //p' "$run/qemu-command")"
}

# configs_of HZ: the fragments.
configs_of()
{
	[ "$1" = 1000 ] && echo guest || echo "guest hz$1"
}

virtual()
{
	local cpus kernel

	for cpus in 1 2; do
		for kernel in $KERNELS; do
			# shellcheck disable=SC2046
			boot virtual "$cpus" "virtual-$cpus-$kernel" "$kernel" "$(virtual_job "$cpus")" $(configs_of "$virtual_hz")
			[ -f "$out/virtual.csv" ] || {
				echo "# $(made_with)"
				echo cpus,kernel,operation,kind,irqfds,repetition,microseconds
			} >"$out/virtual.csv"
			measurements | awk -F, -v OFS=, -v head="$cpus,$kernel" '
				{ print head, $1, $2, $3, $5, $6 }' >>"$out/virtual.csv"
		done
	done
}

# compare: the series' times with what was recorded.
compare()
{
	local now old

	now=$(sed -n 1p "$out/virtual.csv") old=$(sed -n 1p "$RECORDED")
	if [ "$now" != "$old" ]; then
		echo "lab: not compared: measured with ${now#\# }, recorded with ${old#\# }" >&2
		exit 4
	fi
	"$LAB/bench.py" compare "$RECORDED" "$out/virtual.csv" >"$out/compared" || bad=1
	columns <"$out/compared"
	[ "$bad" = 0 ] || echo "lab: slower than recorded (see the lines above)" >&2
	exit "$bad"
}

measure()
{
	local hz=$1 i kernel

	for ((i = 1; i <= times; i++)); do
		for kernel in $KERNELS; do
			# shellcheck disable=SC2046
			boot "$CPUS" "$hz-$kernel" "$kernel" "$(times_job)" $(configs_of "$hz")
			measurements | sed "s/^/$hz,$kernel,$i,/" >>"$out/times.csv"
		done
	done
}

wanted()
{
	[ "$only" = all ] || [ "$only" = "$1" ]
}

# plot OPERATION HZ: time against number of irqfds, with quartiles.
plot()
{
	local kernel

	for kernel in $KERNELS; do
		"$LAB/bench.py" points "$out/times.csv" "$1" "$2" "$kernel" >"$out/$kernel.points"
	done
	[ -s "$out/stock.points" ] || return 0
	gnuplot <<-END
	set terminal svg size 640,400 dynamic background "white"
	set output "$out/$1-$2.svg"
	set title "$1, resampling irqfds on distinct GSIs, HZ=$2"
	set xlabel "irqfds"
	set ylabel "microseconds (median and quartiles)"
	set logscale xy
	set key top left
	plot for [k in "$KERNELS"] "$out/".k.".points" using 1:2:3:4 with yerrorlines title k
	END
	rm -f "$out"/*.points
}

# Grace periods and kworkers, of each release.
count()
{
	local kernel

	echo "kernel,kind,irqfds,grace periods,kworkers" >"$out/counts.csv"
	for kernel in $KERNELS; do
		boot "$CPUS" "count-$kernel" "$kernel" "$(count_job)" guest trace
		tr -d '\r' <"$run/results" | sed -n "s/^release,/$kernel,/p" >>"$out/counts.csv"
	done
}

# The longest hold of resampler_lock, in microseconds, is the 11th field of its
# line of /proc/lock_stat, the first being its name.
lock_stat()
{
	local i kernel

	echo "kernel,longest hold" >"$out/locks.csv"
	for ((i = 1; i <= times; i++)); do
		for kernel in $KERNELS; do
			boot "$CPUS" "lock-$kernel" "$kernel" "$(lock_job)" guest lock_stat
			tr -d '\r' <"$run/results" | awk -v OFS=, -v kernel="$kernel" '
				/resampler_lock: / { print kernel, $11 }' >>"$out/locks.csv"
		done
	done
}

# The time that a release takes, as such, and then, traced, what it does.
remedies()
{
	local kernel

	echo "kernel,microseconds,grace periods,kworkers,lock held at most" >"$out/remedies.csv"
	for kernel in stock preempt unbound fixes series; do
		boot virtual 1 "remedies-$kernel" "$kernel" "$(remedy_job)" guest trace
		"$LAB/bench.py" remedies "$kernel" "$run/results" >>"$out/remedies.csv" || bad=1
	done
}

report()
{
	if wanted virtual; then
		printf '%s\n' "In virtual time, microseconds:"
		"$LAB/bench.py" virtual "$out/virtual.csv" | columns
	fi
	if wanted times; then
		printf '\n%s\n' "By wall clock:"
		"$LAB/bench.py" times "$out/times.csv" | columns
	fi
	if wanted counts; then
		printf '\n%s\n' "A release of a VM:"
		tr , '\t' <"$out/counts.csv" | uniq | columns
	fi
	if wanted remedies; then
		printf '\n%s\n' "A release of a VM with 240 resampling irqfds:"
		tr , '\t' <"$out/remedies.csv" | columns
	fi
	if wanted locks; then
		printf '\n%s\n' "resampler_lock, microseconds:"
		tr , '\t' <"$out/locks.csv" | columns
	fi
}

mkdir -p "$CACHE"
trap 'exit 130' INT TERM
bad=0
out=$(new_run bench)
! wanted virtual || virtual
if [ -n "$check" ]; then
	[ "$bad" = 0 ] || exit 1
	compare
fi
if wanted times; then
	echo hz,kernel,boot,operation,kind,irqfds,threads,repetition,microseconds >"$out/times.csv"
	for hz; do
		measure "$hz"
	done
	for hz; do
		for op in close-vm close-eventfds deassign assign; do
			plot "$op" "$hz"
		done
	done
fi
! wanted counts || count
! wanted locks || lock_stat
! wanted remedies || remedies
report >"$out/table"
cat "$out/table"
say "see ${out#"$TOP"/}"
exit "$bad"

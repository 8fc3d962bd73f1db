#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/bench.sh [--times N] [--only PART] [HZ...]
#
# How long irqfds take to assign and to tear down: stock, with the fixes of the
# series (those for stable trees), and with the whole series; the same
# configuration without debug options, for each HZ (default: 1000 250 100).
# The kernels are booted in turn, N times (default 3), and each boot repeats each
# measurement, so that what disturbs the host disturbs them all.
#
# Then one boot of each kernel counts the grace periods and the kworkers that the
# release of a VM takes, by tracing, one counts instructions on one CPU, which
# depends on nothing that the host does, and N read resampler_lock from lock_stat.
# PART, one of times, counts, instructions and locks, leaves out the others; the
# HZ are those of times only, the other parts are measured at 1000.
#
# The guests have two CPUs, or CPUS in the environment.
#
# Leaves in runs/DATE-bench
#
#   times.csv         hz,kernel,boot,operation,kind,irqfds,threads,repetition,
#                     microseconds
#   counts.csv        kernel,irqfds,grace periods,kworkers, a line for each release
#   instructions.csv  kernel,operation,irqfds,minimum,median,maximum, in thousands
#   locks.csv         kernel,longest hold of resampler_lock in a boot, microseconds
#   medians.csv       hz,operation,kind,irqfds,threads,kernel, first quartile,
#                     median, third quartile, 99th percentile, mean; no header
#   table             medians with quartiles, and ratios
#   OPERATION-HZ.svg
#
# and prints the table.  Exit status 0 if all was measured, 1 if not, 2 if a run
# was not possible, 130 after Ctrl-C.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

times=3
only=
while [[ ${1:-} = --* ]]; do
	case $1 in
	--times)
		[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--times needs a number" "lab/bench.sh --help"
		times=$2
		;;
	--only)
		[[ ${2:-} =~ ^(times|counts|instructions|locks)$ ]] ||
			die "--only needs one of times, counts, instructions and locks" "lab/bench.sh --help"
		only=$2
		;;
	*)	die "no option '$1'" "lab/bench.sh --help" ;;
	esac
	shift 2
done
[ $# -gt 0 ] || set -- 1000 250 100
for hz; do
	[ "$hz" = 1000 ] || [ -f "$LAB/configs/hz$hz" ] || die "no fragment for HZ=$hz" "100, 250 or 1000"
done

KERNELS='stock fixes series'
CPUS=${CPUS:-2}

# series_of KERNEL: as lab/series.sh takes it.
series_of()
{
	local series

	series=$(series_of_base "$NEWEST_BASE")
	case $1 in
	stock)	echo none ;;
	fixes)	echo "$series@stable" ;;
	series)	echo "$series" ;;
	esac
}

# What is measured: the teardown of few and many, with an empty VM to compare, in
# rounds, since the host's load drifts.  What a single caller does is measured on
# each CPU as well: how long a grace period takes depends on the caller's.
times_job()
{
	local round n cpu

	for round in 1 2 3 4 5; do
		echo 'irqfd_perf_test -o close-vm -k distinct -n 0 -r 6'
		for n in 1 16 64 240 1024; do
			echo "irqfd_perf_test -o close-vm -k distinct -n $n -r 5"
			[ "$round" -gt 3 ] || echo "irqfd_perf_test -n $n -r 1"
		done
		for n in 0 1024; do
			echo "irqfd_perf_test -o neighbour -k distinct -n $n -r 10"
		done
		for n in 1 8; do
			echo "irqfd_perf_test -o assign -k distinct -n 240 -t $n -r 8"
		done
		for ((cpu = 0; cpu < CPUS; cpu++)); do
			echo "irqfd_perf_test -c $cpu -o close-vm -k distinct -n 1 -r 5"
			echo "irqfd_perf_test -c $cpu -o assign -k distinct -n 240 -r 16"
		done
	done
}

# The first line is what puts the program that `releases` runs into the guest.
count_job()
{
	local n

	echo 'irqfd_perf_test -o close-vm -k distinct -n 0 -r 1'
	for n in 1 16 64 240 1024; do
		echo "releases $n"
	done
}

# Single callers only, on a single CPU.
instructions_job()
{
	local n

	echo 'irqfd_perf_test -o assign -k distinct -n 240 -r 30'
	echo 'irqfd_perf_test -o deassign -k distinct -n 240 -r 10'
	for n in 0 1 240 1024; do
		echo "irqfd_perf_test -o close-vm -k distinct -n $n -r 10"
	done
}

lock_job()
{
	echo 'irqfd_perf_test -o close-vm -k distinct -n 240 -r 5'
	echo 'irqfd_perf_test -o close-eventfds -k distinct -n 240 -r 5'
	echo 'grep -m 1 resampler_lock /proc/lock_stat'
}

# boot [icount] NAME KERNEL JOB CONFIG...: leaves the directory in $run.
boot()
{
	local name kernel job obj cpus=$CPUS icount=

	if [ "$1" = icount ]; then
		icount=$1 cpus=1
		shift
	fi
	name=$1 kernel=$2 job=$3

	shift 3
	obj=$("$LAB/build.sh" "$NEWEST_BASE" "$(series_of "$kernel")" "$@") ||
		{ [ $? = 2 ] || die "$kernel does not build" "see above"; exit 2; }
	run=$(new_run "bench-$name")
	describe_run "$run" "$job" "" "$cpus" 900
	[ -z "$icount" ] || touch "$run/icount"
	"$LAB/boot.sh" "$run" "$obj"
	if [ "$("$LAB/judge.sh" "$run")" = PASS ]; then
		say "$name: measured in $(cat "$run/seconds") s"
	else
		say "$name: $(head -n 1 "$run/verdict"), see ${run#"$TOP"/}/verdict"
		bad=1
	fi
}

measure()
{
	local hz=$1 i kernel configs=base

	[ "$hz" = 1000 ] || configs="base hz$hz"
	for ((i = 1; i <= times; i++)); do
		for kernel in $KERNELS; do
			# shellcheck disable=SC2086
			boot "$hz-$kernel" "$kernel" "$(times_job)" $configs
			tr -d '\r' <"$run/results" |
				sed -n "s/^[a-z0-9-]*,[a-z]*,[0-9]*,[0-9]*,[0-9]*,[0-9.]*\$/$hz,$kernel,$i,&/p" >>"$out/times.csv"
		done
	done
}

wanted()
{
	[ -z "$only" ] || [ "$only" = "$1" ]
}

# What table and plot read.
medians()
{
	sed 1d "$out/times.csv" | datamash -s -t, -g 1,4,5,6,7,2 q1 9 median 9 q3 9 perc:99 9 mean 9 >"$out/medians.csv"
}

# Ratios are stock's time to the kernel's: of medians; of what teardown takes above
# that of an empty VM, by medians and by means.
table()
{
	awk -F, -v OFS='\t' '
	{ key = $1 OFS $2 OFS $3 OFS $4 OFS $5; q1[key, $6] = $7; m[key, $6] = $8; q3[key, $6] = $9; p99[key, $6] = $10; mean[key, $6] = $11
	  if (!(key in seen)) { seen[key]; keys[++n] = key }
	  if ($2 == "close-vm" && $4 == 0 && $3 == "distinct") { empty[$1, $6] = $8; mean_empty[$1, $6] = $11 } }
	function cell(key, kernel) {
		return sprintf("%.0f (%.0f-%.0f)", m[key, kernel], q1[key, kernel], q3[key, kernel])
	}
	function ratio(a, b) { return b > 0 ? sprintf("%.2f", a / b) : "-" }
	END {
		print "HZ", "operation", "irqfds", "number", "threads", "stock us", "fixes us", "series us", \
		      "stock/fixes", "stock/series", "above an empty VM", "by means", "99th percentile: stock", "series"
		for (i = 1; i <= n; i++) {
			key = keys[i]; split(key, k, OFS); hz = k[1]
			above = by_means = "-"
			if (k[2] ~ /^close/ && k[4] > 0) {
				above = ratio(m[key, "stock"] - empty[hz, "stock"], m[key, "series"] - empty[hz, "series"])
				by_means = ratio(mean[key, "stock"] - mean_empty[hz, "stock"],
						 mean[key, "series"] - mean_empty[hz, "series"])
			}
			print key, cell(key, "stock"), cell(key, "fixes"), cell(key, "series"),
			      ratio(m[key, "stock"], m[key, "fixes"]), ratio(m[key, "stock"], m[key, "series"]), above, by_means,
			      sprintf("%.0f", p99[key, "stock"]), sprintf("%.0f", p99[key, "series"])
		}
	}' "$out/medians.csv" | { read -r head; printf '%s\n' "$head"; sort -t $'\t' -k1,1nr -k2,3 -k5,5n -k4,4n; } | columns
}

# plot OPERATION HZ: time against number of irqfds, with quartiles.
plot()
{
	local kernel

	for kernel in $KERNELS; do
		awk -F, -v hz="$2" -v op="$1" -v kernel="$kernel" '
			$1 == hz && $2 == op && $3 == "distinct" && $4 > 0 && $5 == 1 && $6 == kernel {
				print $4, $8, $7, $9 }' "$out/medians.csv" | sort -n >"$out/$kernel.points"
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

	echo "kernel,irqfds,grace periods,kworkers" >"$out/counts.csv"
	for kernel in $KERNELS; do
		boot "count-$kernel" "$kernel" "$(count_job)" base trace
		tr -d '\r' <"$run/results" | sed -n "s/^release,/$kernel,/p" >>"$out/counts.csv"
	done
}

# A microsecond of the guest's is a thousand instructions, or, should it be idle,
# a microsecond that is skipped.
instructions()
{
	local kernel

	echo "kernel,operation,irqfds,minimum,median,maximum" >"$out/instructions.csv"
	for kernel in $KERNELS; do
		boot icount "instructions-$kernel" "$kernel" "$(instructions_job)" base
		tr -d '\r' <"$run/results" |
			sed -n "s/^\([a-z-]*\),distinct,\([0-9]*\),1,[0-9]*,\([0-9.]*\)\$/$kernel,\1,\2,\3/p" |
			datamash -t, -s -g 1,2,3 min 4 median 4 max 4 >>"$out/instructions.csv"
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
			boot "lock-$kernel" "$kernel" "$(lock_job)" base lock_stat
			tr -d '\r' <"$run/results" | awk -v OFS=, -v kernel="$kernel" '
				/resampler_lock: / { print kernel, $11 }' >>"$out/locks.csv"
		done
	done
}

report()
{
	! wanted times || table
	if wanted counts; then
		printf '\n%s\n' "A release of a VM with resampling irqfds on distinct GSIs:"
		tr , '\t' <"$out/counts.csv" | uniq | columns
	fi
	if wanted instructions; then
		printf '\n%s\n' "Thousands of instructions, one CPU:"
		{ head -n 1 "$out/instructions.csv"
		  sed 1d "$out/instructions.csv" | sort -t, -k2,2 -k3,3n -s; } | tr , '\t' | columns
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
if wanted times; then
	echo hz,kernel,boot,operation,kind,irqfds,threads,repetition,microseconds >"$out/times.csv"
	for hz; do
		measure "$hz"
	done
	medians
	for hz; do
		for op in close-vm close-eventfds deassign assign; do
			plot "$op" "$hz"
		done
	done
fi
! wanted counts || count
! wanted instructions || instructions
! wanted locks || lock_stat
report >"$out/table"
cat "$out/table"
say "see ${out#"$TOP"/}"
exit "$bad"

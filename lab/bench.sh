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
#            that nothing depends on what the host does.  HZ=1000
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
# --check measures the series alone, in virtual time, and compares the fastest of ten
# of each operation, which no tick has disturbed, with docs/virtual.csv, which is the
# virtual.csv of an earlier run.  Exit status 1 if one takes more than 2 % longer, or, as
# whether a resampling irqfd's assign waits for a tick is luck, 10 % for that; 4 if
# that was measured with another kernel version, compiler or QEMU: a new one is to be put there.
#
# Leaves in runs/DATE-bench
#
#   virtual.csv       cpus,kernel,operation,kind,irqfds,repetition,microseconds
#   times.csv         hz,kernel,boot,operation,kind,irqfds,threads,repetition,
#                     microseconds
#   counts.csv        kernel,kind,irqfds,grace periods,kworkers, a line a release
#   locks.csv         kernel,longest hold of resampler_lock in a boot, microseconds
#   remedies.csv      kernel,microseconds,grace periods,kworkers,microseconds
#   medians.csv       hz,operation,kind,irqfds,threads,kernel, first quartile,
#                     median, third quartile, 99th percentile, mean; no header
#   table             medians with their spread, and ratios
#   OPERATION-HZ.svg
#
# and prints the table.  Exit status 0 if all was measured, 1 if not, 2 if a run
# was not possible, 130 after Ctrl-C.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

times=3
only=virtual
check=
KERNELS='stock fixes series'
RECORDED=$TOP/docs/virtual.csv
if [ "${1:-}" = --check ]; then
	[ $# = 1 ] || die "--check takes nothing else" "lab/bench.sh --help"
	[ -f "$RECORDED" ] || die "no ${RECORDED#"$TOP"/}" "copy the virtual.csv of a run there"
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
[ $# -gt 0 ] || set -- 1000 250 100
for hz; do
	[ "$hz" = 1000 ] || [ -f "$LAB/configs/hz$hz" ] || die "no fragment for HZ=$hz" "100, 250 or 1000"
done

CPUS=${CPUS:-2}

# series_of KERNEL: as lab/series.sh takes it.
series_of()
{
	local series

	series=$(series_of_base "$NEWEST_BASE")
	case $1 in
	fixes)	echo "$series/1" ;;
	series)	echo "$series" ;;
	*)	echo none ;;
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
	local kind n

	echo 'irqfd_perf_test -o close-vm -k distinct -n 0 -r 1'
	for kind in distinct plain; do
		for n in 1 240 1024; do
			echo "releases $kind $n"
		done
	done
	echo 'releases plain 0 close-pit kvm_free_pit'
	echo 'releases plain 0 reinject-off kvm_vm_ioctl_reinject'
}

virtual_job()
{
	local what

	for what in 'deassign plain 240' 'deassign distinct 240' 'close-vm distinct 0' \
		    'close-vm distinct 1' 'close-vm distinct 1024' 'close-vm plain 1024' \
		    'assign distinct 240' 'assign plain 240'; do
		# shellcheck disable=SC2086
		printf 'irqfd_perf_test -o %s -k %s -n %s -r 10\n' $what
	done
}

lock_job()
{
	echo 'irqfd_perf_test -o close-vm -k distinct -n 240 -r 5'
	echo 'irqfd_perf_test -o close-eventfds -k distinct -n 240 -r 5'
	echo 'grep -m 1 resampler_lock /proc/lock_stat'
}

# boot [virtual] CPUS NAME KERNEL JOB CONFIG...: leaves the directory in $run.
boot()
{
	local virtual='' options=()

	if [ "$1" = virtual ]; then
		virtual=$1
		shift
	fi
	run=$(new_run "bench-$2")
	case $3 in
	unbound)	options=(--mutant "$TOP/patches/remedies/0002-wq-unbound-7.3.patch") ;;
	preempt)	options=(--mutant "$TOP/patches/remedies/0003-preempt-disable.patch") ;;
	esac
	"$LAB/build.sh" --copy "$run" "${options[@]}" "$NEWEST_BASE" "$(series_of "$3")" "${@:5}" >/dev/null ||
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

virtual()
{
	local cpus kernel

	for cpus in 1 2; do
		for kernel in $KERNELS; do
			boot virtual "$cpus" "virtual-$cpus-$kernel" "$kernel" "$(virtual_job)" base
			[ -f "$out/virtual.csv" ] || {
				echo "# $(made_with)"
				echo cpus,kernel,operation,kind,irqfds,repetition,microseconds
			} >"$out/virtual.csv"
			measurements | awk -F, -v OFS=, -v head="$cpus,$kernel" '
				{ print head, $1, $2, $3, $5, $6 }' >>"$out/virtual.csv"
		done
	done
}

# Medians and, in brackets, the difference of the largest and the smallest in per
# cent of them; ratios are stock's time to the kernel's.
virtual_table()
{
	sed 1,2d "$out/virtual.csv" | datamash -s -t, -g 1,3,4,5,2 median 7 min 7 max 7 | awk -F, -v OFS='\t' '
	{ key = $1 OFS $2 OFS $3 OFS $4; m[key, $5] = $6
	  cell[key, $5] = sprintf("%.1f (%.1f %%)", $6, $6 ? 100 * ($8 - $7) / $6 : 0)
	  if (!(key in seen)) { seen[key]; keys[++n] = key } }
	function ratio(key, kernel) {
		return m[key, kernel] ? sprintf("%.2f", m[key, "stock"] / m[key, kernel]) : "-"
	}
	END {
		print "CPUs", "operation", "irqfds", "number", "stock us", "fixes us", "series us", "stock/fixes", "stock/series"
		for (i = 1; i <= n; i++) {
			key = keys[i]
			print key, cell[key, "stock"], cell[key, "fixes"], cell[key, "series"],
			      ratio(key, "fixes"), ratio(key, "series")
		}
	}' | { read -r head; printf '%s\n' "$head"; sort -t $'\t' -k1,1n -k2,3 -k4,4n; } | columns
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
	cat "$RECORDED" "$out/virtual.csv" | awk -F, -v OFS='\t' '
	/^#/ { file++ }
	$2 == "series" {
		key = $1 OFS $3 OFS $4 OFS $5
		if (!((file, key) in min) || $7 + 0 < min[file, key]) min[file, key] = $7 + 0
		keys[key]
	}
	END {
		print "CPUs", "operation", "irqfds", "number", "recorded us", "us", "%"
		for (key in keys) {
			old = min[1, key]; new = min[2, key]
			worse = !old || !new || new > (key ~ /\tassign\tdistinct/ ? 1.1 : 1.02) * old
			bad = bad || worse
			print key, old, new, (old ? sprintf("%+.1f", 100 * (new - old) / old) : "-") (worse ? " SLOWER" : "")
		}
		exit bad || !length(keys)
	}' >"$out/compared" || bad=1
	{ sed -n 1p "$out/compared"; sed 1d "$out/compared" | sort -t $'\t' -k1,1n -k2,3 -k4,4n; } | columns
	[ "$bad" = 0 ] || echo "lab: slower than recorded (see the lines above)" >&2
	exit "$bad"
}

measure()
{
	local hz=$1 i kernel configs=base

	[ "$hz" = 1000 ] || configs="base hz$hz"
	for ((i = 1; i <= times; i++)); do
		for kernel in $KERNELS; do
			# shellcheck disable=SC2086
			boot "$CPUS" "$hz-$kernel" "$kernel" "$(times_job)" $configs
			measurements | sed "s/^/$hz,$kernel,$i,/" >>"$out/times.csv"
		done
	done
}

wanted()
{
	[ "$only" = all ] || [ "$only" = "$1" ]
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

	echo "kernel,kind,irqfds,grace periods,kworkers" >"$out/counts.csv"
	for kernel in $KERNELS; do
		boot "$CPUS" "count-$kernel" "$kernel" "$(count_job)" base trace
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
			boot "$CPUS" "lock-$kernel" "$kernel" "$(lock_job)" base lock_stat
			tr -d '\r' <"$run/results" | awk -v OFS=, -v kernel="$kernel" '
				/resampler_lock: / { print kernel, $11 }' >>"$out/locks.csv"
		done
	done
}

# remedies_row KERNEL: the median of the first command's times, and the range of what
# was counted.
remedies_row()
{
	tr -d '\r' <"$run/results" | sed '/^lab: exit/q' | sort -t, -k6,6n |
		awk -F, -v ORS= -v kernel="$1" '/^close-vm,/ && ++n == 5 { print kernel "," $6 "," }'
	tr -d '\r' <"$run/results" | awk -F, -v OFS=, '
		function range(i)	{ return min[i] == max[i] ? min[i] : min[i] "-" max[i] }
		/^release,/		{ for (i = 4; i <= 5; i++) {
						if (!(i in min) || $i < min[i]) min[i] = $i
						if ($i > max[i]) max[i] = $i } }
		/^hold,/		{ hold = $5 }
		END			{ print range(4), range(5), hold }'
}

# The time that a release takes, as such, and then, traced, what it does.
remedies()
{
	local kernel

	echo "kernel,microseconds,grace periods,kworkers,lock held at most" >"$out/remedies.csv"
	for kernel in stock preempt unbound fixes series; do
		boot virtual 1 "remedies-$kernel" "$kernel" "irqfd_perf_test -o close-vm -k distinct -n 240 -r 9
releases distinct 240
holds distinct 240" base trace
		remedies_row "$kernel" >>"$out/remedies.csv"
	done
}

report()
{
	if wanted virtual; then
		printf '%s\n' "In virtual time, microseconds:"
		virtual_table
	fi
	if wanted times; then
		printf '\n%s\n' "By wall clock:"
		table
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
	medians
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

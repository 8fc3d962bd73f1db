# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What lab/bench.sh measures: on which kernels, and by which jobs.  Sourced by it, never
# run.

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

# The teardown of few and many, with an empty VM to compare, in rounds, since the
# host's load drifts.  What a single caller does is measured on each CPU as well: how
# long a grace period takes depends on the caller's, and on whether it is preempted.
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
			[ "$round" -gt 3 ] || for n in assign deassign; do
				echo "irqfd_perf_test -f -c $cpu -o $n -k distinct -n 1024 -r 1"
			done
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

# virtual_job CPUS: real-time tasks on each of the CPUs, which the workers that they wait for
# don't preempt, see irqfd_perf_test, so that what is measured is what is done; and, but for
# --check, callers as most are, wherever the scheduler puts them.
virtual_job()
{
	local callers=() cpu caller what

	for ((cpu = 0; cpu < $1; cpu++)); do
		callers+=(" -f -c $cpu")
	done
	[ -n "${check:-}" ] || callers+=('')
	for caller in "${callers[@]}"; do
		for what in 'deassign plain 240' 'deassign distinct 240' 'close-vm distinct 0' \
			    'close-vm distinct 1' 'close-vm distinct 1024' 'close-vm plain 1024' \
			    'assign distinct 240' 'assign plain 240'; do
			# shellcheck disable=SC2086
			printf "irqfd_perf_test -o %s -k %s -n %s -r 10$caller\n" $what
		done
	done
}

lock_job()
{
	echo 'irqfd_perf_test -o close-vm -k distinct -n 240 -r 5'
	echo 'irqfd_perf_test -o close-eventfds -k distinct -n 240 -r 5'
	echo 'grep -m 1 resampler_lock /proc/lock_stat'
}

# remedy_of KERNEL: the patch on top that makes it one of patches/remedies, if it is.
remedy_of()
{
	case $1 in
	unbound)	echo "$TOP/patches/remedies/0002-wq-unbound-7.3.patch" ;;
	preempt)	echo "$TOP/patches/remedies/0003-preempt-disable.patch" ;;
	esac
}

# The time of a release as such, and then, traced, what it does.
remedy_job()
{
	echo 'irqfd_perf_test -o close-vm -k distinct -n 240 -r 9 -f -c 0'
	echo 'releases distinct 240'
	echo 'holds distinct 240'
}

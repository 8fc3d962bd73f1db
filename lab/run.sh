#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/run.sh [--times N] [--format FORMAT] SCENARIO...
#
# For each scenario (a file in lab/scenarios), N times: build the kernel, boot
# it, run the job, judge; end with a table of the verdicts, or what else
# lab/results.py makes of them.  Exit status 0 if
# each is what its scenario expects, 1 if not, 2 if a run was not possible, 130
# after Ctrl-C.
#
# In a scenario, PATCHED is `no`, `yes` (the first series of its base, but for what
# is not for merging), `yes+ITEM...` (and more), another series, as a SPEC (see
# lab/series.sh), or `ITEM+ITEM...` (parts of the first).  RESULTS has a regexp in
# each line; if some line of the tests' output does not match each of them, the
# verdict is FAIL.  MAY_FAIL and MAY_SKIP have regexps of the cases that may fail or be
# skipped, which any other may not, MAY_SAY of what the console may say although it's bad.  FILES=vmm has the guest have what lab/vmm/files.sh
# says.  EXTRA=yes keeps it out of `make test`, ARCH=arm64
# is for arm64, MACHINE=bochs runs it under Bochs, i.e. on Intel's VMX.
#
# Guests run in virtual time (see lab/boot.sh), the Nth with seed N, or from
# SEED=N of the environment on, as fast as SHIFT says; REALTIME=yes in a scenario says that its guest would
# take too long for that, and REALTIME=1 in the environment that no guest shall.
# lab/replay.sh repeats a run.
#
# Each run leaves a directory in runs/; `make clean-runs` removes them.
#
# With TREE=DIR in the environment, kernels come from that tree instead of the
# scenario's base, see lab/fetch.sh; with SERIES=SPEC, a scenario that wants the
# series takes that (kvm-next/1-lock-hold, say, see lab/series.sh), if it is one of
# its base's, or on TREE any; and with MUTANT=NAME, the series is broken as
# mutants/NAME.patch does it.
#
# With KERNEL=FILE, nothing is built: that kernel is booted, whose configuration is
# CONFIG=FILE, or in the kernel, see lab/kernel.sh.  The verdicts that scenarios expect
# are those of their own kernels.
#
# With ACCEL=kvm, guests run by the host's KVM, if that nests, and so in real time, and on
# Intel's CPUs with the fragment `intel`.  No figure of the documents is made so.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

times=1 format=table
while [[ ${1:-} = --* ]]; do
	case $1=${2:-} in
	--times=*)	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--times needs a number" "lab/run.sh --help"
			times=$2 ;;
	--format=*)	[[ ${2:-} =~ ^(table|json|ktap|junit|kcidb)$ ]] || die "no format '${2:-}'" "lab/results.py --help"
			format=$2 ;;
	*)		die "no option '$1'" "lab/run.sh --help" ;;
	esac
	shift 2
done
[ $# -gt 0 ] || die "which scenario?" "of: $(names "$LAB/scenarios")"
# Before anything is built: a typo must not cost ten minutes.
for scenario; do
	[ -f "$LAB/scenarios/$scenario" ] || die "unknown scenario '$scenario'" "one of: $(names "$LAB/scenarios")"
done

mutant=${MUTANT:+$TOP/mutants/$MUTANT.patch}
[ -z "$mutant" ] || [ -f "$mutant" ] || die "unknown mutant '$MUTANT'" "one of: $(names "$TOP/mutants")"

# check_accel: that it can be what the user wants.
check_accel()
{
	[[ $accel =~ ^(tcg|kvm)$ ]] || die "unknown ACCEL=$accel" "kvm or tcg"
	[ "$accel" = kvm ] || return 0
	# Bash would create it.
	{ [ -e /dev/kvm ] && : <>/dev/kvm; } 2>/dev/null || die "/dev/kvm cannot be opened" "ACCEL=kvm needs it; without ACCEL, QEMU emulates"
	if ! grep -qwE 'vmx|svm' /proc/cpuinfo || grep -qx '[N0]' /sys/module/kvm_*/parameters/nested 2>/dev/null; then
		die "the host's KVM does not nest" "with VMX or SVM in its CPUs: modprobe kvm_intel nested=1, or kvm_amd"
	fi
	[ -z "$WANT_SEED" ] || die "SEED=$WANT_SEED is of virtual time, which ACCEL=kvm is not"
	WANT_REALTIME=1
	! grep -q '^vendor_id.*GenuineIntel' /proc/cpuinfo || more_configs=intel
}

# put_kernel RUN: the user's, or one that is built; with the exit status of lab/build.sh.
put_kernel()
{
	local obj status=0

	if [ -n "$kernel" ]; then
		# shellcheck disable=SC2086
		"$LAB/kernel.sh" "$1" "$kernel" "$config" $CONFIGS
		return
	fi
	# shellcheck disable=SC2086
	obj=$("$LAB/build.sh" ${mutant:+--mutant "$mutant"} --copy "$1" "$BASE" "$series" $CONFIGS $more_configs) || status=$?
	[ "$status" != 3 ] || tail -n 20 "$obj/build.log" >"$1/build-error"
	return "$status"
}

run_scenario()
{
	local scenario=$1 run status=0

	load_scenario "$scenario"
	[ "$accel" != kvm ] || [ "$ARCH" = x86_64 ] || die "$scenario is for $ARCH, ACCEL=kvm for x86-64 only"
	[ -z "$kernel" ] || TITLE="$(basename "$kernel") in $scenario"
	TITLE+=${MUTANT:+, $MUTANT}
	run=$(new_run "$scenario")
	describe_run "$run" "$JOB" "$APPEND" "$CPUS" "$TIMEOUT"
	set_clock "$run" "$i" "$REALTIME"
	[ "$accel" != kvm ] || echo kvm >"$run/accel"
	describe_scenario "$run"
	describe_expected "$run"
	describe_files "$run"
	put_kernel "$run" || status=$?
	case $status in
	0)	say "booting $scenario: $(sed -n 's/^base: [^,]*, //p' "$run/built-from" 2>/dev/null), $TITLE"
		"$LAB/boot.sh" "$run"
		;;
	3)	;;
	*)	rm -rf "$run"
		exit "$status"
		;;
	esac
	verdict=$("$LAB/judge.py" "$run")
	say "$scenario: $verdict, expected $EXPECT ($(clock "$run"), $(cat "$run/seconds" 2>/dev/null || echo 0) s), see ${run#"$TOP"/}/verdict"
	runs+=("$run")
}

# report: at the end, whatever it is, what there is.
report()
{
	trap - EXIT
	[ ${#runs[@]} = 0 ] || "$LAB/results.py" "$format" "${runs[@]}"
}

accel=${ACCEL:-tcg} kernel=${KERNEL:-} config=${CONFIG:-} more_configs=''
# Others mean something else by these.
unset ACCEL KERNEL CONFIG
[ -z "$kernel" ] || [ -z "${TREE:-}" ] || die "both KERNEL and TREE are set" "one of them"
[ -z "$kernel" ] || [ -f "$kernel" ] || die "KERNEL=$kernel does not exist"
[ -n "$kernel" ] || [ -z "$config" ] || die "CONFIG=$config without KERNEL"
check_accel

runs=()
# An error, or Ctrl-C, has an exit status of its own.
trap 'report || true' EXIT
trap 'exit 130' INT TERM

for scenario; do
	for ((i = 0; i < times; i++)); do
		run_scenario "$scenario"
	done
done

report

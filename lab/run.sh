#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/run.sh [--times N] SCENARIO...
#
# For each scenario (a file in lab/scenarios), N times: build the kernel, boot
# it, run the job, judge; end with a table of the verdicts.  Exit status 0 if
# each is what its scenario expects, 1 if not, 2 if a run was not possible, 130
# after Ctrl-C.
#
# In a scenario, PATCHED is `no`, `yes` (the first series of its base, but for what
# is not for merging), `yes+ITEM...` (and more), another series, as a SPEC (see
# lab/series.sh), or `ITEM+ITEM...` (parts of the first).  RESULTS has a regexp in
# each line; if some line of the tests' output does not match each of them, the
# verdict is FAIL.  MAY_FAIL and MAY_SKIP have regexps of the cases that may fail or be
# skipped, which any other may not.  EXTRA=yes keeps it out of `make test`, ARCH=arm64
# is for arm64.
#
# Guests run in virtual time (see lab/boot.sh), the Nth with seed N, or from
# SEED=N of the environment on; REALTIME=yes in a scenario says that its guest would
# take too long for that, and REALTIME=1 in the environment that no guest shall.
# lab/replay.sh repeats a run.
#
# Each run leaves a directory in runs/; `make clean-runs` removes them.
#
# With TREE=DIR in the environment, kernels come from that tree instead of the
# scenario's base, see lab/fetch.sh; with SERIES=SPEC, a scenario that wants the
# series takes that (kvm-next/1-lock-hold, say, see lab/series.sh), if it is one of
# its base's, or on TREE any.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

times=1
if [ "${1:-}" = --times ]; then
	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--times needs a number" "lab/run.sh --help"
	times=$2
	shift 2
fi
[ $# -gt 0 ] || die "which scenario?" "of: $(names "$LAB/scenarios")"
# Before anything is built: a typo must not cost ten minutes.
for scenario; do
	[ -f "$LAB/scenarios/$scenario" ] || die "unknown scenario '$scenario'" "one of: $(names "$LAB/scenarios")"
done

# build_error RUN OBJ: as a verdict, with the end of the log.
build_error()
{
	{ echo BUILD-ERROR; tail -n 20 "$2/build.log"; } >"$1/verdict"
}

run_scenario()
{
	local scenario=$1 run obj status=0

	load_scenario "$scenario"
	run=$(new_run "$scenario")
	describe_run "$run" "$JOB" "$APPEND" "$CPUS" "$TIMEOUT"
	set_clock "$run" "$i" "$REALTIME"
	describe_expected "$run"
	# shellcheck disable=SC2086
	obj=$("$LAB/build.sh" --copy "$run" "$BASE" "$series" $CONFIGS) || status=$?
	case $status in
	0)	version=$(cat "$obj/version")
		say "booting $scenario: Linux $version, $TITLE"
		"$LAB/boot.sh" "$run"
		"$LAB/judge.py" "$run" >/dev/null
		;;
	3)	version='?'
		build_error "$run" "$obj"
		;;
	*)	rm -rf "$run"
		exit "$status"
		;;
	esac
	verdict=$(head -n 1 "$run/verdict")
	say "$scenario: $verdict, expected $EXPECT ($(clock "$run"), $(cat "$run/seconds" 2>/dev/null || echo 0) s), see ${run#"$TOP"/}/verdict"
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$version" "$TITLE" "$EXPECT" "$verdict" \
		"$(clock "$run")" "$(cat "$run/seconds" 2>/dev/null || echo 0)" "${run#"$TOP"/}" >>"$table"
}

# report: at the end, whatever it is, what there is.
report()
{
	[ ! -s "$table" ] || {
		printf 'Linux\tkernel\texpected\tverdict\ttime\tseconds\trun\n'
		cat "$table"
	} | columns
	rm -f "$table"
}

mkdir -p "$CACHE"
table=$(mktemp -p "$CACHE")
trap report EXIT
trap 'exit 130' INT TERM

for scenario; do
	for ((i = 0; i < times; i++)); do
		run_scenario "$scenario"
	done
done

awk -F'\t' '$3 != $4 { bad = 1 } END { exit bad }' "$table"

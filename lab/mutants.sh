#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/mutants.sh [--times N] [series] [MUTANT...]
#
# Prove that the tests can fail: for each mutant (default: all of mutants/TABLE),
# a small patch on top of the series (with what of it is not for merging) that
# breaks one invariant, build the kernel, boot it N times, and see whether the job
# that must catch it does.  Then run the series itself under the very same jobs;
# with the word `series`, do only that.
#
# Ends with a table.  A mutant is caught if 9 of 10 runs catch it, the series is
# clean if all runs are.  Exit status 0 if all mutants are caught and the series
# is clean, 1 if not, 2 if a run was not possible, 130 after Ctrl-C.
#
# JOB=COMMAND in the environment is run instead of the job of the table, and may
# take TIMEOUT=SECONDS (default 150).
#
# Of N boots in virtual time, the Nth has seed N, see lab/run.sh; those with three
# CPUs are in real time.
#
# Each run leaves a directory in runs/; `make clean-runs` removes them.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

MUTANTS=$TOP/mutants
# For QEMU; the jobs of the table end much sooner.
TIMEOUT=${TIMEOUT:-150}

times=1
if [ "${1:-}" = --times ]; then
	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--times needs a number" "lab/mutants.sh --help"
	times=$2
	shift 2
fi

only=
if [ "${1:-}" = series ]; then
	only=$1
	shift
fi

# The lines of the table, without comments and alignment.
rows()
{
	sed -E '/^(#|$)/d; s/ *\| */|/g' "$MUTANTS/TABLE" |
		awk -F'|' -v OFS='|' -v job="${JOB:-}" 'job != "" { $7 = job } { print }'
}

# build BASE CONFIGS [--mutant PATCH]: into the directory $run, too.
build()
{
	local series

	series=$(whole_series_of_base "$1") || exit
	# Each time, as another run may have used the directory meanwhile.
	# shellcheck disable=SC2086
	"$LAB/build.sh" --copy "$run" "${@:3}" "$1" "$series" $2
}

# boot I CPUS APPEND JOB: the Ith time, in $run; leaves in $seconds the longest time that one of
# these took, in $said the test's own summary.
boot()
{
	local took

	describe_run "$run" "$4" "$3" "$2" "$TIMEOUT"
	# These kernels have KVM's code for AMD built in, which finds no posted interrupts.
	echo '^kvm_irqfd_resampler/irq_bypass/' >"$run/may-skip"
	# Three CPUs are for tests that spin, see lab/scenarios/patched-irq.
	set_clock "$run" "$1" "$([ "$2" -lt 3 ] || echo yes)"
	"$LAB/boot.sh" "$run"
	"$LAB/judge.py" "$run" >/dev/null
	took=$(cat "$run/seconds")
	[ "$took" -le "$seconds" ] || seconds=$took
	said=$(tr -d '\r' <"$run/results" | sed -n 's/^# \([0-9]* rounds, .*\)/\1/p' | tail -n 1)
}

# cannot_build STATUS WHAT: lab/build.sh has said why, unless it's the compiler.
cannot_build()
{
	rm -rf "$run"
	[ "$1" = 2 ] || die "$2 does not build" "see above"
	exit 2
}

# report NAME BREAKS OBJ CONFIGS EXPECTED RESULT
report()
{
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$(cat "$3/version")" "$4" "$5" "$6" "$seconds" "$said" >>"$table"
}

# try_mutant NAME BREAKS BASE CONFIGS CPUS APPEND JOB VERDICT PATTERN
try_mutant()
{
	local name=$1 breaks=$2 base=$3 configs=$4 verdict=$8 pattern=$9 obj i caught=0 seconds=0 said='' run

	for ((i = 0; i < times; i++)); do
		run=$(new_run "mutant-$name")
		obj=$(build "$base" "$configs" --mutant "$MUTANTS/$name.patch") || cannot_build $? "mutant $name"
		boot "$i" "$5" "$6" "$7"
		if [ "$(head -n 1 "$run/verdict")" = "$verdict" ] &&
		   grep -aqE -- "$pattern" "$run/results" "$run/console"; then
			caught=$((caught + 1))
			say "$name: caught after $(cat "$run/seconds") s"
		else
			say "$name: survived a run, see ${run#"$TOP"/}/verdict"
		fi
	done
	[ $((caught * 10)) -ge $((times * 9)) ] || bad=1
	report "$name" "$breaks" "$obj" "$configs" "$verdict" "caught $caught of $times"
}

# try_series BASE CONFIGS CPUS APPEND JOB
try_series()
{
	local base=$1 configs=$2 obj i clean=0 seconds=0 said='' run

	for ((i = 0; i < times; i++)); do
		run=$(new_run series)
		obj=$(build "$base" "$configs") || cannot_build $? "the series"
		boot "$i" "$3" "$4" "$5"
		if [ "$(head -n 1 "$run/verdict")" = PASS ]; then
			clean=$((clean + 1))
		else
			say "the series is not clean, see ${run#"$TOP"/}/verdict"
		fi
	done
	[ "$clean" = "$times" ] || bad=1
	report "(the series)" "$5" "$obj" "$configs" PASS "clean $clean of $times"
}

# A mutant that is not in the table, or has no patch, must not cost a build.
choose()
{
	local name known

	known=$(rows | cut -d'|' -f1)
	for name; do
		grep -qxF -- "$name" <<<"$known" ||
			die "unknown mutant '$name'" "one of: $(paste -sd' ' <<<"$known")"
	done
	if [ $# = 0 ]; then
		rows
	else
		rows | grep -E "^($(printf '%s\n' "$@" | paste -sd'|'))\|"
	fi >"$chosen"
	while IFS='|' read -r name _; do
		[ -f "$MUTANTS/$name.patch" ] || die "mutants/TABLE names $name, which has no patch"
	done <"$chosen"
}

# results: at the end, whatever it is, what there is.
results()
{
	[ ! -s "$table" ] || {
		printf 'mutant\tbreaks, or job\tLinux\tconfig\texpected\tresult\tseconds\tlast run\n'
		cat "$table"
	} | columns
	rm -f "$table" "$chosen"
}

mkdir -p "$CACHE"
table=$(mktemp -p "$CACHE")
chosen=$(mktemp -p "$CACHE")
trap results EXIT
trap 'exit 130' INT TERM
bad=0

choose "$@"
if [ -z "$only" ]; then
	while IFS='|' read -ra row <&4; do
		try_mutant "${row[@]}"
	done 4<"$chosen"
fi
while IFS='|' read -ra row <&4; do
	try_series "${row[@]}"
done 4< <(cut -d'|' -f3-7 "$chosen" | sort -u)
[ "$bad" = 0 ]

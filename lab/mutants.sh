#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/mutants.sh [--times N] [series] [MUTANT...]
#
# Prove that the tests can fail: for each mutant (default: all of mutants/TABLE),
# a small patch on top of the series (with what of it is not for merging) that
# breaks one invariant, build the kernel, boot it in virtual time with N seeds, several
# at a time (lab/explore.sh), and see whether the job that must catch it does.  Then run
# the series itself under the very same jobs; with the word `series`, do only that.
#
# Ends with a table.  A mutant is caught if 9 of 10 boots catch it, the series is
# clean if all boots are.  Exit status 0 if all mutants are caught and the series
# is clean, 1 if not, 2 if a boot was not possible, 130 after Ctrl-C.
#
# JOB=COMMAND in the environment is run instead of the job of the table, and may
# take TIMEOUT=SECONDS (default 150).
#
# Each row leaves a directory in runs/, as lab/explore.sh does, and boots nothing that
# is there already, so that what was interrupted goes on; `make clean-runs` removes them.

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

# scenario NAME BASE CONFIGS CPUS APPEND JOB VERDICT: a file, its name in $scenario.
scenario()
{
	local series

	series=$(whole_series_of_base "$2") || exit
	scenario=$scenarios/$1
	# These kernels have KVM's code for AMD built in, which finds no posted interrupts.
	printf '%s=%q\n' TITLE "$1" BASE "$2" PATCHED "$series" CONFIGS "$3" CPUS "$4" \
		APPEND "${5#-}" JOB "$6" EXPECT "$7" TIMEOUT "$TIMEOUT" \
		MAY_SKIP '^kvm_irqfd_resampler/irq_bypass/' >"$scenario"
}

# explore [--mutant PATCH]: $scenario; the directory in $dir.
explore()
{
	local status=0

	# In the background, as a trap waits for what is not, and without a shell in between.
	setpriv --pdeathsig TERM -- env -u JOB -u APPEND -u CPUS -u REALTIME "$LAB/explore.sh" --quiet --seeds "$times" "$@" "$scenario" >"$scenario.dir" &
	wait $! || status=$?
	# It has said why.
	[ "$status" -le 1 ] || exit "$status"
	dir=$(cat "$scenario.dir")
}

# report NAME BREAKS CONFIGS EXPECTED RESULT: with the longest time that a boot took, and
# the test's own summary.
report()
{
	local seconds said

	seconds=$(cat "$dir"/seed-*/seconds | sort -n | tail -n 1)
	said=$(cat "$dir"/seed-*/results | tr -d '\r' | sed -n 's/^# \([0-9]* rounds, .*\)/\1/p' | tail -n 1)
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$(cat "$dir/version")" "$3" "$4" "$5" "$seconds" "$said" >>"$table"
}

# verdict_is VERDICT WANTED: a test that fails may have the kernel warn, too.
verdict_is()
{
	[ "$1" = "$2" ] || [[ $1 = SPLAT && $2 = FAIL ]]
}

# try_mutant NAME BREAKS BASE CONFIGS CPUS APPEND JOB VERDICT PATTERN
try_mutant()
{
	local i run caught=0 dir scenario

	scenario "mutant-$1" "${@:3:6}"
	explore --mutant "$MUTANTS/$1.patch"
	for ((i = 1; i <= times; i++)); do
		run=$dir/seed-$i
		if verdict_is "$(head -n 1 "$run/verdict")" "$8" && grep -aqE -- "$9" "$run/results" "$run/console"; then
			caught=$((caught + 1))
		else
			say "$1: survived a boot, see ${run#"$TOP"/}/verdict"
		fi
	done
	[ $((caught * 10)) -ge $((times * 9)) ] || bad=1
	report "$1" "$2" "$4" "$8" "caught $caught of $times"
}

# try_series BASE CONFIGS CPUS APPEND JOB
try_series()
{
	local i run clean=0 dir scenario

	scenario series "$@" PASS
	explore
	for ((i = 1; i <= times; i++)); do
		run=$dir/seed-$i
		if [ "$(head -n 1 "$run/verdict")" = PASS ]; then
			clean=$((clean + 1))
		else
			say "the series is not clean, see ${run#"$TOP"/}/verdict"
		fi
	done
	[ "$clean" = "$times" ] || bad=1
	report "(the series)" "$5" "$2" PASS "clean $clean of $times"
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
	rm -rf "$table" "$chosen" "$scenarios"
}

mkdir -p "$CACHE"
table=$(mktemp -p "$CACHE")
chosen=$(mktemp -p "$CACHE")
scenarios=$(mktemp -d -p "$CACHE")
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

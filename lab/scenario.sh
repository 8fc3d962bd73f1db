# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # what is set here is used by others
# What a scenario means: which series of patches, and what lab/boot.sh and lab/judge.py
# are told of it.  Sourced by lib.sh, never run.

# all_series_of_base BASE: the names of its series, directories of patches/.
all_series_of_base()
{
	[ -f "$LAB/bases/$1" ] || die "unknown base '$1'" "one of: $(names "$LAB/bases")"
	sed -n 's/^SERIES=//p' "$LAB/bases/$1" | tr -d \"
}

# series_of_base BASE: the first of them.
series_of_base()
{
	local all

	all=$(all_series_of_base "$1") || exit
	[ -n "$all" ] || die "base $1 has no series" "see lab/bases/$1"
	echo "${all%% *}"
}

# whole_series SERIES, whole_series_of_base BASE: with what is only for this lab, if
# there is any.
whole_series()
{
	if compgen -G "$TOP/patches/$1/9-*" >/dev/null; then echo "$1+9"; else echo "$1"; fi
}

whole_series_of_base()
{
	local series

	series=$(series_of_base "$1") || exit
	whole_series "$series"
}

# series_id SPEC: what lab/series.sh takes, as a part of a file's name.
series_id()
{
	local id=${1//+/-and-}

	id=${id//=/only-}
	echo "${id//[@\/]/-}"
}

# wanted_series BASE: SERIES of the environment, if that is one for the base or for
# the user's tree, or else the base's own.
wanted_series()
{
	local all

	all=$(all_series_of_base "$1") || exit
	if [ -n "${SERIES:-}" ] && { [ -n "${TREE:-}" ] || [[ " $all " = *" ${SERIES%%[/+@]*} "* ]]; }; then
		echo "$SERIES"
	else
		series_of_base "$1"
	fi
}

# patched_series BASE PATCHED: what a scenario's PATCHED says, for lab/series.sh.
patched_series()
{
	local series

	if [ "$2" = no ]; then
		echo none
	elif [ -n "$2" ] && [ -d "$TOP/patches/${2%%[/+@]*}" ]; then
		echo "$2"
	else
		series=$(wanted_series "$1") || exit
		case $2 in
		yes*)	echo "$series${2#yes}" ;;
		*)	echo "${series%%[/+@]*}/$2" ;;
		esac
	fi
}

# known KIND...: the patterns of lab/known, as MAY_FAIL and MAY_SKIP of a scenario want them.
known()
{
	local kind

	for kind; do
		sed -n "s/^$kind\t\([^\t]*\)\t.*/\1/p" "$LAB/known"
	done
}

# load_scenario NAME|FILE: set its variables and $series, what lab/build.sh wants.
load_scenario()
{
	local file=$1

	[[ $file = /* ]] || file=$LAB/scenarios/$1
	[ -f "$file" ] || die "unknown scenario '$1'" "one of: $(names "$LAB/scenarios")"
	BASE='' PATCHED='' CONFIGS='' CPUS='' APPEND='' JOB='' TIMEOUT='' EXPECT='' RESULTS='' MAY_FAIL='' MAY_SKIP='' MAY_SAY='' TITLE='' REALTIME='' SHIFT='' MACHINE='' FILES='' ARCH=x86_64
	SCENARIO=$(basename "$1")
	# shellcheck source=/dev/null
	. "$file"
	export ARCH
	series=$(patched_series "$BASE" "$PATCHED") || exit
}

# describe_run RUN JOB APPEND CPUS TIMEOUT: what lab/boot.sh wants to know.
describe_run()
{
	printf '%s\n' "$2" >"$1/job"
	echo "$3" >"$1/append"
	echo "$4" >"$1/cpus"
	echo "$5" >"$1/timeout"
}

# describe_scenario RUN: whose run it is, for those who read lab/judge.py's results,
# and, unless it's QEMU's, the machine, for lab/boot.sh.
describe_scenario()
{
	echo "$SCENARIO" >"$1/scenario"
	echo "$TITLE" >"$1/title"
	echo "$EXPECT" >"$1/expect"
	[ -z "$MACHINE" ] || echo "$MACHINE" >"$1/machine"
}

# describe_expected RUN: what the scenario tells lab/judge.py of its results.
describe_expected()
{
	[ -z "$RESULTS" ] || printf '%s\n' "$RESULTS" >"$1/must-match"
	[ -z "$MAY_FAIL" ] || printf '%s\n' "$MAY_FAIL" >"$1/may-fail"
	[ -z "$MAY_SKIP" ] || printf '%s\n' "$MAY_SKIP" >"$1/may-skip"
	[ -z "$MAY_SAY" ] || printf '%s\n' "$MAY_SAY" >"$1/may-say"
}

# describe_files RUN: what the scenario's FILES has for the guest, see lab/boot.sh.
describe_files()
{
	[ -z "$FILES" ] || "$LAB/$FILES/files.sh" >"$1/files"
}

# set_clock RUN N REALTIME: of the Nth boot, from 0 on, virtual time with a seed of its
# own, as fast as the scenario's SHIFT says; but for the host's, if the user wants that,
# or if REALTIME isn't empty and the user does not ask for a seed.
set_clock()
{
	[ -z "$WANT_REALTIME" ] && [[ -z $3 || -n $WANT_SEED ]] || return 0
	echo $((10#${WANT_SEED:-1} + $2)) >"$1/seed"
	[ -z "${SHIFT:-}" ] || echo "$SHIFT" >"$1/shift"
}

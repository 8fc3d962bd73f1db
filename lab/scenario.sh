# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # what is set here is used by others
# What a scenario means, and which series of patches it names.
# Sourced by lib.sh, never run; lab/boots.py has it, too.

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

# wanted_series BASE WANTED: what the user wants, if that is one for the base or for the
# user's tree, or else the base's own.
wanted_series()
{
	local all

	all=$(all_series_of_base "$1") || exit
	if [ -n "$2" ] && { [ -n "${TREE:-}" ] || [[ " $all " = *" ${2%%[/+@]*} "* ]]; }; then
		echo "$2"
	else
		series_of_base "$1"
	fi
}

# spec_of BASE SERIES WANTED: what a scenario's SERIES says, for lab/series.sh, see
# lab/run.py; WANTED is SERIES of the environment.
spec_of()
{
	local own

	if [ "$2" = none ]; then
		echo none
	elif [ -n "$2" ] && [ -d "$TOP/patches/${2%%[/+@]*}" ]; then
		echo "$2"
	else
		own=$(wanted_series "$1" "$3") || exit
		case $2 in
		own*)	echo "$own${2#own}" ;;
		*)	echo "${own%%[/+@]*}/$2" ;;
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
	local file=$1 wanted=${SERIES:-} SERIES=''

	[[ $file = /* ]] || file=$LAB/scenarios/$1
	[ -f "$file" ] || die "unknown scenario '$1'" "one of: $(names "$LAB/scenarios")"
	BASE='' CONFIGS='' CPUS='' APPEND='' JOB='' TIMEOUT='' EXPECT='' RESULTS='' MAY_FAIL='' MAY_SKIP='' MAY_SAY='' TITLE='' REALTIME='' SHIFT='' MACHINE='' FILES='' ARCH=x86_64
	SCENARIO=$(basename "$1")
	# shellcheck source=/dev/null
	. "$file"
	export ARCH
	series=$(spec_of "$BASE" "$SERIES" "$wanted") || exit
}

# describe_run RUN JOB APPEND CPUS TIMEOUT: what lab/boot.sh wants to know.
describe_run()
{
	printf '%s\n' "$2" >"$1/job"
	echo "$3" >"$1/append"
	echo "$4" >"$1/cpus"
	echo "$5" >"$1/timeout"
}

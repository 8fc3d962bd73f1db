#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/explore.sh [--seeds N|FROM-TO] [--jobs N] [--mutant NAME] SCENARIO|DIR...
#        lab/explore.sh --quiet ...
#
# Boot each scenario (a file in lab/scenarios) in virtual time with many seeds, by
# default 20, each another schedule that can be had again, see lab/boot.sh; N boots at a time
# (default: as many as there are processors).  Print a table: each verdict other
# than PASS, k of n, the 95 % interval of its probability (Wilson's), the earliest
# time of the guest's clock at which it was seen to fail, and the median, in seconds; how many different schedules
# (results, context switches, interrupts) that was, and the seeds.
#
# JOB=COMMAND in the environment is run instead of the scenario's job: any of
# kselftest's, see lab/boot.sh.  APPEND=PARAMETERS, CPUS=N and TREE=DIR likewise (see
# lab/run.sh).  --mutant builds the kernel with mutants/NAME.patch, or any other patch,
# on top.  REALTIME=1 in the environment is N boots by the host's clock instead, with no
# seeds.
#
# --quiet: no table, but the directory of each exploration.
#
# An exploration is a directory of runs/, explore-SCENARIO-KEY, where KEY stands for
# all that is booted, and the results that are wanted; in it, seed-N is a run, for
# lab/replay.sh, or boot-N one in real time.  What is there is not booted again, so that one that was interrupted
# goes on, and one with more seeds adds to it; given as DIR, without building anything.
#
# Exit status 0 if each verdict was what the scenario expects, 1 if not, 2 if a
# boot was not possible, 130 after Ctrl-C.  A kernel that does not build leaves a run
# of its own, with that verdict, and is 2.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

# one DIR SEED: a run, complete or not there.
one()
{
	local dir=$1 run=$1/tmp-$2 done=$1/$BOOT-$2

	rm -rf "$run"
	mkdir "$run"
	ln "$dir"/{kernel,initramfs.cpio,symbols} "$run"
	cp "$dir"/{job,append,cpus,timeout,arch,config,built-from,title,expect} "$run"
	find "$dir" -maxdepth 1 \( -name scenario -o -name machine -o -name files -o -name must-match -o -name 'may-*' \) -exec cp -t "$run" {} +
	[ "$BOOT" = boot ] || echo "$2" >"$run/seed"
	bound "$LAB/boot.sh" --again "$run"
	"$LAB/judge.py" "$run" >/dev/null
	mv "$run" "$done"
	say "$BOOT $2: $(head -n 1 "$done/verdict") after $(cat "$done/seconds") s"
}

# No trap: it would wait for the boot.
if [ "${1:-}" = --one ]; then
	one "$2" "$3"
	exit
fi

first=1 last=20 jobs=$(nproc) mutant='' quiet=''
while [[ ${1:-} = --* ]]; do
	case $1=${2:-} in
	--quiet=*)		quiet=yes
				shift
				continue ;;
	--jobs=[1-9]*)		jobs=$2 ;;
	--mutant=?*)		mutant=$2
				[ -f "$mutant" ] || mutant=$TOP/mutants/$2.patch
				[ -f "$mutant" ] || die "no mutant '$2'" "a patch, or one of mutants/" ;;
	--seeds=*)		[[ $2 =~ ^(([0-9]{1,9})-)?([0-9]{1,9})$ ]] || die "--seeds needs N or FROM-TO" "lab/explore.sh --help"
				first=${BASH_REMATCH[2]:-1} last=${BASH_REMATCH[3]} ;;
	*)			die "unknown: $1 ${2:-}" "lab/explore.sh --help" ;;
	esac
	shift 2
done
[ $# -gt 0 ] || die "which scenario?" "of: $(names "$LAB/scenarios")"
user_job=${JOB:-} user_append=${APPEND:-} user_cpus=${CPUS:-}

# what DIR: all that is booted, and what the scenario wants of it.
what()
{
	cat "$1"/{kernel,append,cpus,job} "$LAB/boot.sh"
	(cd "$1" && find . -maxdepth 1 \( -name machine -o -name must-match -o -name 'may-*' \) | sort | xargs -r grep -H '')
	sed -nE 's/^file ([^ ]*) ([^ ]*) .*/\1 \2/p' "$1/initramfs.list" | while read -r name file; do
		echo "$name"
		cat "$file"
	done
}

# prepare SCENARIO: its directory is in $dir.
prepare()
{
	local new obj status=0 name

	name=$(basename "$1")
	load_scenario "$1"
	new=$(new_run "explore-$name")
	describe_run "$new" "${user_job:-$JOB}" "${user_append:-$APPEND}" "${user_cpus:-$CPUS}" "$TIMEOUT"
	[ -n "$user_job" ] || describe_expected "$new"
	describe_files "$new"
	# In the background, as a trap waits for what is not.
	# shellcheck disable=SC2086
	setpriv --pdeathsig TERM -- \
		"$LAB/build.sh" ${mutant:+--mutant "$mutant"} --copy "$new" "$BASE" "$series" $CONFIGS >"$new/obj" &
	wait $! || status=$?
	obj=$(cat "$new/obj")
	describe_scenario "$new"
	case $status in
	0)	cp "$obj/version" "$new" ;;
	3)	tail -n 20 "$obj/build.log" >"$new/build-error"
		die "$1: $("$LAB/judge.py" "$new")" "see ${new#"$TOP"/}/verdict" ;;
	*)	rm -rf "$new"
		exit 2 ;;
	esac
	echo "$TITLE${mutant:+, $(basename "$mutant" .patch)}${user_job:+, $user_job}" >"$new/title"
	"$LAB/boot.sh" --prepare "$new"
	dir=$RUNS/explore-$name-$(what "$new" | sha1sum | cut -c1-8)
	[ -d "$dir" ] || mv -T "$new" "$dir"
	rm -rf "$new"
}

# explore DIR: the seeds that are not there.
explore()
{
	local seed status=0 wanted

	wanted=$(for ((seed = first; seed <= last; seed++)); do [ -d "$1/$BOOT-$seed" ] || echo "$seed"; done)
	# The scenario's own does not count.
	REALTIME=$WANT_REALTIME
	say "${1#"$TOP"/}: $(wc -w <<<"$wanted") of ${BOOT}s $first to $last are to be run, $jobs at a time"
	# This shell's end is that of xargs and of what it runs, see lab/mutate.sh.
	setpriv --pdeathsig TERM -- xargs -r -n 1 -P "$jobs" setpriv --pdeathsig TERM -- \
		"$0" --one "$1" <<<"$wanted" &
	wait $! || status=$?
	[ "$status" = 0 ] || die "some boots were not possible" "see above"
}

trap 'exit 130' INT TERM
dirs=()
for scenario; do
	if [ -f "$scenario/initramfs.cpio" ]; then
		dir=$(realpath "$scenario")
	else
		prepare "$scenario"
	fi
	dirs+=("$dir")
	explore "$dir"
done
if [ -n "$quiet" ]; then
	printf '%s\n' "${dirs[@]}"
else
	REALTIME=$WANT_REALTIME python3 "$LAB/explore.py" "${dirs[@]}"
fi
for dir in "${dirs[@]}"; do
	verdicts "$dir" | awk -v expect="$(cat "$dir/expect")" '
		$0 != expect { exit 1 }' || exit 1
done

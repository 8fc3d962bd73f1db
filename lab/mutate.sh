#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/mutate.sh [--list] [--only REGEX] [--jobs N] [--stages "STAGE..."]
#                      [--trust-caught] [--tree DIR] [--report]
#
# Mutation score: break each function of virt/kvm/eventfd.c that the series
# touches in every small way (lab/mutate.py --help has the list), one at a time,
# and see whether a test notices.  Each mutant is compiled and linked into a
# kvm.ko of its own, all else stays, and booted, until a stage catches it, under
#
#   kunit    the KUnit suite; freed memory is zeroed, lists are checked
#   lockdep  the KUnit suite again, with lockdep and kmemleak
#   tests    KVM's selftests of irqfds, on the same kernel
#   kasan    the KUnit suite, with KASAN, lockdep and DEBUG_OBJECTS
#
# Caught is what a test or the kernel complains about, or what hangs.  A mutant
# that does not compile, or with a warning, or to the same object code in all
# kernels, is counted and not run.  One that survives all must be in
# mutants/EQUIVALENT, with its reason.
#
# --list          print the mutants (line and id) and run nothing
# --only REGEX    only those whose ids match
# --jobs N        boots at a time (default: the number of processors)
# --stages LIST   only these stages
# --trust-caught  what an older version of the tests, or of the rest of the
#                 kernel, has caught counts as caught; for work on the tests
# --report        run nothing, the table of what was found last about each
# --tree DIR      a git tree with the series as commits after the tag `stock`, its
#                 HEAD is taken; default is the newest base with its series
#
# Prints the mutants that survived, then a table.  Exit status 0 if each of them
# is in mutants/EQUIVALENT, 1 if not, 2 if a run was not possible, 130 after
# Ctrl-C.  Results are kept, in cache/mutate: what has not changed is not run
# again, and what was interrupted goes on.  There, all has each mutant's outcome,
# mutants/ their diffs, and results/STAGE/KEY consoles and tests' output.

. "$(dirname "$0")/mutate/stage.sh"
usage_if_asked "$@"

# sources: a clone of the lab's tree, or of the user's, as its branch is.
sources()
{
	local from=$tree rev stock base=$NEWEST_BASE

	if [ -z "$from" ]; then
		from=$(TREE='' "$LAB/fetch.sh" "$base")
		lock "build-$(basename "$from")"
		"$LAB/series.sh" checkout "$from" "$(series_of_base "$base")"
	fi
	rev=$(git -C "$from" rev-parse HEAD)
	stock=$(git -C "$from" rev-parse 'stock^{commit}') || die "$from has no tag stock"
	[ -d "$WORK/src" ] || bound git clone -q --shared --no-checkout "$from" "$WORK/src"
	git -C "$WORK/src" fetch -q "$(realpath "$from")" "$rev" "$stock"
	git -C "$WORK/src" tag -f stock "$stock" >/dev/null
	bound git -C "$WORK/src" checkout -qf --detach "$rev"
}

# kernel STAGE: build it, and eventfd.o once more, as mutants are.
kernel()
{
	local stage=$1 obj configs files missed out log kmake

	configs=$(configs_of "$stage")
	obj=$(obj_of "$stage")
	log=$obj/build.log
	kmake=(make -C "$WORK/src" O="$obj" CC="ccache gcc" KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab
	       KBUILD_BUILD_TIMESTAMP=2026-01-01)
	mkdir -p "$obj"
	say "building the kernel of stage $stage ($configs)"
	read -ra files <<<"$configs"
	fragment "$WORK/src" "${files[@]/#/$LAB/configs/}" >"$obj/fragment"
	bound "${kmake[@]}" -s KCONFIG_ALLCONFIG="$obj/fragment" allnoconfig >"$log" 2>&1 || die "configuring fails" "see $log"
	missed=$(check_config "$obj/.config" "$obj/fragment" | paste -sd' ')
	[ -z "$missed" ] || die "not set although a fragment asks for it: $missed"
	setpriv --pdeathsig TERM -- "${kmake[@]}" -j"$(nproc)" bzImage modules >>"$log" 2>&1 &
	wait $! || die "the kernel does not build" "see $log"
	out=$(mktemp -d -p "$WORK/tmp")
	compile "$obj" "$WORK/src/$FILE" "$out" || die "$FILE does not compile by itself" "see $out/log"
	code "$out/eventfd.o" >"$obj/original"
	rm -rf "$out"
}

# key_of STAGE: all that its results depend on besides the mutant.  Of the kernel's
# sources, selftests do not see the KUnit tests, nor the other way round.
key_of()
{
	local stage=$1 word skip="Documentation/|MAINTAINERS|tools/|$FILE"

	[ "$stage" != tests ] || skip+='|virt/kvm/tests/'
	{
		git -C "$WORK/src" ls-tree -r HEAD | grep -vE "	($skip)"
		cat "$(obj_of "$stage")/.config" "$WORK/base/$stage/"{job,append,cpus} "$LAB/guest/"*
		if [ "$stage" = tests ]; then
			while read -r word _; do
				find "$tests" -name "$word" -type f -exec cat {} +
			done <"$WORK/base/$stage/job"
		fi
	} | sha1sum | cut -c1-12
}

# baseline STAGE: what isn't broken must pass, or nothing that fails says anything.
baseline()
{
	local stage=$1 base=$WORK/base/$1 key

	mkdir -p "$base"
	describe_run "$base" "$(job_of "$stage")" "$(append_of "$stage")" 2 "$(timeout_of "$stage")"
	key="$(key_of "$stage") $(git -C "$WORK/src" rev-parse "HEAD:$FILE")"
	if [ "$(cat "$base/passed" 2>/dev/null)" != "$key" ]; then
		rm -f "$base/passed"
		say "booting the series itself for stage $stage"
		setpriv --pdeathsig TERM -- "$LAB/boot.sh" "$base" "$(obj_of "$stage")" &
		wait $! || die "cannot boot the series itself" "see $base"
		"$LAB/judge.py" "$base" >/dev/null
		[ "$(head -n 1 "$base/verdict")" = PASS ] ||
			die "the series itself does not pass stage $stage: $(paste -sd' ' "$base/verdict")" "see $base"
		say "the series itself passes stage $stage in $(cat "$base/seconds") s"
		echo "$key" >"$base/passed"
	fi
	stage_key[$stage]=${key% *}
}

# generate: the mutants of the functions that the series touches, as a list.
generate()
{
	local functions

	functions=$(git -C "$WORK/src" diff -U0 stock..HEAD -- "$FILE" |
		python3 "$LAB/mutate.py" functions "$WORK/src/$FILE") || exit
	say "functions: $(paste -sd' ' <<<"$functions")"
	rm -rf "$WORK/mutants"
	mkdir -p "$WORK/mutants"
	# shellcheck disable=SC2086
	python3 "$LAB/mutate.py" mutants "$WORK/src/$FILE" "$FILE" "$WORK/mutants" $functions >"$WORK/list"
	awk -F'\t' -v only="$only" '$3 ~ only' "$WORK/list" >"$WORK/chosen"
	[ -s "$WORK/chosen" ] || die "no mutant is like '$only'" "lab/mutate.sh --list"
}

# report: the table, of all that was to be run.
report()
{
	local key line id

	while IFS=$'\t' read -r key line id; do
		cat "$WORK/outcomes/$key" 2>/dev/null || printf '%s\t%s\t%s\tnot run\t\n' "$key" "$line" "$id"
	done <"$WORK/chosen" >"$WORK/all"
	# Of a part, much that is in there is like nothing.
	python3 "$LAB/score.py" table "$WORK/all" "$TOP/mutants/EQUIVALENT" ${only:+part}
}

declare -A stage_key=()
list_only='' report='' only='' jobs=$(nproc) stages='kunit lockdep tests kasan' trust='' tree=''
while [ $# -gt 0 ]; do
	case $1 in
	--list)		list_only=yes ;;
	--report)	report=yes ;;
	--trust-caught)	trust=yes ;;
	--only|--jobs|--stages|--tree)
		[ -n "${2:-}" ] || die "$1 needs a value" "lab/mutate.sh --help"
		case $1 in
		--only)		only=$2 ;;
		--jobs)		jobs=$2 ;;
		--stages)	stages=$2 ;;
		--tree)		tree=$(realpath -e "$2" 2>/dev/null) || die "no tree '$2'" ;;
		esac
		shift
		;;
	*)	die "unknown argument '$1'" "lab/mutate.sh --help" ;;
	esac
	shift
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs needs a number" "lab/mutate.sh --help"
for stage in $stages; do
	[ -n "$(configs_of "$stage")" ] || die "unknown stage '$stage'" "of: kunit lockdep tests kasan"
done

mkdir -p "$WORK"/{tmp,caught,base,build}
lock mutate
trap 'exit 130' INT TERM
(sources)
generate
if [ -n "$list_only" ]; then
	cut -f2- "$WORK/chosen"
	exit
fi
if [ -n "$report" ]; then
	report
	exit
fi
need_space 6000
rm -rf "$WORK/tmp"
mkdir -p "$WORK"/{tmp,outcomes}
cut -f1 "$WORK/chosen" | (cd "$WORK/outcomes" && xargs rm -f)
tests=$("$LAB/selftests.sh")
built=''
for stage in $stages; do
	[ "$(obj_of "$stage")" = "$built" ] || kernel "$stage"
	built=$(obj_of "$stage")
	baseline "$stage"
done

mutate_stages=$stages mutate_trust=$trust mutate_keys=$(for stage in "${!stage_key[@]}"; do
	printf '[%s]=%s ' "$stage" "${stage_key[$stage]}"; done)
export mutate_stages mutate_trust mutate_keys
say "$(wc -l <"$WORK/chosen") mutants, $jobs at a time"
status=0
# This shell's end is that of xargs and, as SIGINT is not for what runs in the
# background, theirs.  Not bound(): the function would run in one more shell.
setpriv --pdeathsig TERM -- xargs -r -d '\n' -n 1 -P "$jobs" setpriv --pdeathsig TERM -- "$LAB/mutate/one.sh" <"$WORK/chosen" &
wait $! || status=$?
[ "$status" = 0 ] || die "some mutants could not be run" "see above"
report

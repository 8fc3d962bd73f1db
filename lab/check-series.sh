#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/check-series.sh [--quick] [--only SERIES] BASE...
#
# Check each patch of each series of each base, on top of those before it and, in a
# stack, of the series before it, and end with a table, patch by check; the outputs
# are in check-SERIES.log of the base's directory in cache/build.  Exit status 0 if nothing
# failed, 1 if something did, 130 after Ctrl-C.  With --quick, only what takes no
# compiler; with --only, the patches of that series, or part of a stack, alone.
#
#   trip     patches -> commits (by git am) -> patches is the identity
#   mail     numbered, with one base-commit for the series, a newline at the end,
#            and no signature
#   subject  `topic: Imperative`, at most 75 characters, no full stop
#   tags     signed off by the author; Fixes: comes with Cc: stable, as does a
#            patch that has a backport; a backport names the upstream commit
#   style    checkpatch.pl --strict
#   owner    get_maintainer.pl names a maintainer of the patch, and of new files
#   kdoc     no new warning of kernel-doc on the files of the patch
#   cocci    no new report of coccinelle on them
#   builds   the base's kernel, which has KVM_WERROR=y, without any warning
#   x86      eventfd.o and its users, KVM_AMD and KVM_INTEL built in, with W=1 and
#            C=1 (sparse), and the KUnit suites; this and the others: no warning that
#            the untouched sources don't give
#   modules  the kernel and its modules with KVM=m, KVM_AMD=m and KVM_INTEL=m, linked,
#            with W=1
#   arm64, ppc64, noirq  for those architectures, and without HAVE_KVM_IRQCHIP,
#            i.e. without irqfds (powerpc without KVM_XICS)
#   tests    KVM's selftests about interrupts, and those that are split by
#            architecture, linked statically, without a warning
#   cross    the same for arm64, s390 and riscv, as far as they are for these
#
# `-` is for what a patch doesn't touch.  Of checkpatch's types, UNKNOWN_COMMIT_ID
# is left out, as the trees that Debian ships have no history, and FILE_PATH_CHANGES
# and MISSING_FIXES_TAG, of which `owner` and `tags` know more.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

VARIANTS='x86 modules arm64 ppc64 noirq'
NOTHING_TO_CHECK=77

quick='' only=''
while [[ ${1:-} = --* ]]; do
	case $1=${2:-} in
	--quick=*)	quick=yes ;;
	--only=?*)	only=$2
			shift ;;
	*)		die "unknown: $1" "lab/check-series.sh --help" ;;
	esac
	shift
done
[ $# -gt 0 ] || die "which base?" "of: $(names "$LAB/bases")"
for base; do
	[ -f "$LAB/bases/$base" ] || die "unknown base '$base'" "one of: $(names "$LAB/bases")"
done

# cell COMMAND...: one more cell of the row, its output in the log.
cell()
{
	local status=0

	printf '\n== %s: %s\n' "$subject" "$*" >>"$log"
	"$@" >>"$log" 2>&1 </dev/null || status=$?
	case $status in
	0)			row+=$'\tok' ;;
	"$NOTHING_TO_CHECK")	row+=$'\t-' ;;
	*)			row+=$'\tFAIL'; failed=yes ;;
	esac
}

# complain WHAT: into the log, and fail.
complain()
{
	echo "$*"
	return 1
}

# touched PATTERN: the files of the patch that match; fails if there's none.
touched()
{
	git -C "$src" show --name-only --format= "$commit" | grep -E "$1"
}

# shellcheck source=check/patch.sh
. "$LAB/check/patch.sh"
# shellcheck source=check/compile.sh
. "$LAB/check/compile.sh"

check_patch()
{
	local row subject name failed=

	subject=$(git -C "$src" show -s --format=%s "$commit")
	say "$series: $subject"
	git -C "$src" checkout -qf --detach "$commit"
	row=$series
	for name in trip mail subject tags style owner kdoc; do
		cell "check_$name"
	done
	if [ -z "$quick" ]; then
		cell check_cocci
		cell check_builds
		for name in $VARIANTS; do
			cell check_variant "$name"
		done
		cell check_tests
		cell check_cross
	fi
	printf '%s\t%s\n' "$row" "$subject" >>"$table"
	[ -z "$failed" ] || say "FAIL, see ${log#"$TOP"/}"
}

# prepare_build: the whole series once, for the configuration and the check of
# it, and the untouched sources in each variant.  Which patch it is that does not
# build, the table tells.
prepare_build()
{
	local name status=0

	# shellcheck disable=SC2086
	obj=$("$LAB/build.sh" "$base" "$whole" $CONFIGS) || status=$?
	[ $status = 0 ] || [ $status = 3 ] || exit $status
	lock "build-$(basename "$src")"
	for name in $VARIANTS; do
		baseline "$name"
	done
}

# wanted FILE: some, of patches/, are of the series that are to be checked.
wanted()
{
	[ -z "$only" ] || printf '%s\n' "$@" | grep -q -- "\(^\|/\)$only/"
}

check_series()
{
	local commits mails i whole

	whole=$(whole_series "$series")
	kmake=(make -C "$src" -j"$(nproc)")
	obj=$CACHE/build/$(basename "$src")-check
	mkdir -p "$obj"
	if [ -z "$quick" ]; then
		prepare_build
	else
		lock "build-$(basename "$src")"
	fi
	"$LAB/series.sh" checkout "$src" "$whole"
	log=$obj/check-$series.log
	: >"$log"
	mapfile -t commits < <(git -C "$src" rev-list --reverse stock..HEAD)
	mapfile -t mails < <("$LAB/series.sh" list "$whole")
	for i in "${!commits[@]}"; do
		commit=${commits[i]} mail=$TOP/patches/${mails[i]} series=${mails[i]%/*}
		! wanted "${mails[i]}" || check_patch
	done
}

check_base()
{
	local base=$1 series src trip=0 SERIES='' CONFIGS=''

	# shellcheck source=/dev/null
	. "$LAB/bases/$base"
	[ -n "$SERIES" ] || return 0
	src=$("$LAB/fetch.sh" "$base")
	"$LAB/series.sh" check "$base" || trip=$?
	# In a shell of its own, which gives the lock of the base back, and whose process
	# group, with all that it runs, ends with this shell.
	for series in $SERIES; do
		# shellcheck disable=SC2046
		wanted $("$LAB/series.sh" list "$(whole_series "$series")") || continue
		set -m
		(check_series) &
		set +m
		group=$!
		wait "$group"
		group=''
	done
}

# report: at the end, whatever it is, what there is.
report()
{
	local head=(series trip mail subject tags style owner kdoc)

	[ -z "$group" ] || kill -- "-$group" 2>/dev/null || true
	# shellcheck disable=SC2206
	[ -n "$quick" ] || head+=(cocci builds $VARIANTS tests cross)
	[ ! -s "$table" ] || {
		(IFS=$'\t'; printf '%s\tpatch\n' "${head[*]}")
		cat "$table"
	} | columns
	rm -f "$table"
}

mkdir -p "$CACHE"
table=$(mktemp -p "$CACHE")
group=''
trap report EXIT
trap 'exit 130' INT TERM
for base; do
	check_base "$base"
done
[ -z "$only" ] || [ -s "$table" ] || die "$* has no series '$only'" "a directory of patches/, or of a stack there"
! grep -q FAIL "$table" || { say "a check failed, see the logs named above"; exit 1; }

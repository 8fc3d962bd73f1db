#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/check-series.sh BASE...
#
# For each patch of the series of each base: it applies with git am, the kernel
# builds without a warning (KVM_WERROR=y), the selftests build if the patch
# touches them, and checkpatch.pl --strict is content.  Ends with a table, patch
# by check; exit status 0 if all is well.
#
# Of checkpatch's types, UNKNOWN_COMMIT_ID is left out, as the trees that Debian
# ships have no history, and FILE_PATH_CHANGES, as new selftests are covered by
# the patterns in MAINTAINERS.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

[ $# -gt 0 ] || die "which base?" "of: $(names "$LAB/bases")"

# result COMMAND...: ok, or FAIL with the output kept.
result()
{
	if bound "$@" >>"$log" 2>&1; then echo ok; else echo FAIL; fi
}

# The files of a patch, below DIR.
touches()
{
	git -C "$src" show --name-only --format= "$1" | grep "^$2" >/dev/null
}

# The tests that are about irqfds, as far as the commit has them.
selftests()
{
	local dir=$src/tools/testing/selftests/kvm test targets=()

	"${kmake[@]}" -s O="$obj" headers || return
	for test in irq_test irqfd_test irqfd_resampler_test irqfd_resampler_irq_test; do
		[ ! -f "$dir/$test.c" ] || targets+=("$obj/kvm/$test")
	done
	mkdir -p "$obj/kvm"
	make -s -C "$dir" OUTPUT="$obj/kvm" CC="ccache gcc" \
		KHDR_INCLUDES="-isystem $obj/usr/include" "${targets[@]}"
}

check_base()
{
	local base=$1 series commit build tests style SERIES='' CONFIGS=''

	# shellcheck source=/dev/null
	. "$LAB/bases/$base"
	series=$SERIES
	src=$("$LAB/fetch.sh" "$base")
	# The whole series once, for the configuration and the check of it.
	# shellcheck disable=SC2086
	obj=$("$LAB/build.sh" "$base" "$series" $CONFIGS)
	lock "build-$(basename "$src")"
	log=$obj/check.log
	: >"$log"
	kmake=(make -C "$src" CC="ccache gcc" -j"$(nproc)")
	for commit in $(git -C "$src" rev-list --reverse "stock..series/$series"); do
		say "$base: $(git -C "$src" show -s --format=%s "$commit")"
		git -C "$src" checkout -qf --detach "$commit"
		build=$(no_warning "${kmake[@]}" O="$obj" bzImage)
		tests=-
		! touches "$commit" tools/testing/selftests || tests=$(no_warning selftests)
		style=$(git -C "$src" format-patch -1 --stdout "$commit" | result perl \
			"$src/scripts/checkpatch.pl" --no-tree --strict --ignore UNKNOWN_COMMIT_ID,FILE_PATH_CHANGES -)
		printf '%-8s %-6s %-6s %-6s %-6s %s\n' "$base" ok "$build" "$tests" "$style" \
			"$(git -C "$src" show -s --format=%s "$commit")" >>"$table"
	done
}

# no_warning COMMAND...: as result, and no compiler's warning in the output.
no_warning()
{
	local out

	out=$(mktemp -p "$CACHE")
	if "$@" >"$out" 2>&1 && ! grep -q 'warning:' "$out"; then echo ok; else echo FAIL; fi
	cat "$out" >>"$log"
	rm -f "$out"
}

for base; do
	[ -f "$LAB/bases/$base" ] || die "unknown base '$base'" "one of: $(names "$LAB/bases")"
done
table=$(mktemp -p "$CACHE")
trap 'rm -f "$table"' EXIT
for base; do
	check_base "$base"
done
printf '%-8s %-6s %-6s %-6s %-6s %s\n' base applies builds tests style patch
cat "$table"
! grep -q FAIL "$table" || { say "a check failed, see check.log in $CACHE/build"; exit 1; }

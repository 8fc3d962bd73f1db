#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/series.sh checkout DIR SPEC
#        lab/series.sh list SPEC
#        lab/series.sh hash SPEC [PATCH]
#        lab/series.sh edit BASE
#        lab/series.sh export BASE
#        lab/series.sh check BASE
#
# The series are kept as mailbox patches, patches/SERIES; a base (lab/bases)
# names its own.  A series is a directory of patches, or a stack: directories N-NAME,
# each a series, with a cover letter if it has several, on top of those before it.
# Of a stack, 9-NAME is not for merging, only this lab uses it.
#
# A SPEC is `none`, the untouched sources, or SERIES, or SERIES/ITEM+ITEM..., or
# SERIES+ITEM..., the whole and more.  Its patches are applied in the order of the
# series, each once.  An ITEM is
#
#   N, N-NAME   that part of a stack, and those before it
#   =N, =N-NAME that part alone
#   @stable     the patches that are for stable trees; SERIES@stable is the same as
#               SERIES/@stable
#   WORD        the patches with WORD in their names, of all parts
#
# and SERIES alone means all of it but 9-NAME.  Examples:
#
#   kvm-next/1-lock-hold   the first of the stack
#   kvm-next/=4+phantom    the fourth alone, and a patch of the ninth
#   kvm-next+9             everything
#
# checkout  put the git tree DIR, made by lab/fetch.sh, on SPEC, applied with git am
# list      print the names of its patches, from patches/ on
# hash      print the patchset_hash that KCIDB has for them, with PATCH on top
# edit      lay out a git tree to work in, work/SERIES, with the series as the
#           commits of branch SERIES, and the cover letter as its description
#           (git branch --edit-description); print its directory.  Of a stack,
#           each part has a branch, at its last commit, that git rebase takes along
# export    write the commits of work/SERIES back to patches/SERIES.  [RFC PATCH]
#           instead of [PATCH] is what the part has already in patches/, or
#           git config branch.N-NAME.subjectPrefix 'RFC PATCH'
# check     prove that patches -> commits -> patches is the identity, of each
#
# A base may have several SERIES: edit and export take the first, or the one that
# SERIES=NAME in the environment names; one that is new begins with no patches.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

# parts SERIES: the directories that its patches are in, in their order.
parts()
{
	local dir found=

	for dir in "$TOP/patches/$1"/[0-9]-*/; do
		[ -d "$dir" ] || continue
		found=yes
		echo "$1/$(basename "$dir")"
	done
	[ -n "$found" ] || echo "$1"
}

# in_part PART [WORD]: what git am applies; names of files sort in the order of
# the series.
in_part()
{
	find "$TOP/patches/$1" -maxdepth 1 -name "[0-9]*${2:-}*.patch" | sort
}

# item SERIES ITEM: its patches, see above.  The empty one is the whole.
item()
{
	local series=$1 item=$2 part parts

	mapfile -t parts < <(parts "$series")
	if [[ -z $item || $item = @stable ]]; then
		for part in "${parts[@]}"; do
			[[ $part = */9-* ]] || in_part "$part"
		done | if [ -z "$item" ]; then cat; else xargs -r grep -lx 'Cc: stable@vger.kernel.org.*' || true; fi
	elif is_part "$series" "${item#=}"; then
		for part in "${parts[@]}"; do
			[[ $item = =* && $part != "$named" ]] || in_part "$part"
			[ "$part" != "$named" ] || break
		done
	else
		for part in "${parts[@]}"; do in_part "$part" "$item"; done
	fi
}

# is_part SERIES NAME: of a stack; a number will do.  Its directory is in $named.
is_part()
{
	for named in $(parts "$1"); do
		[[ ${named##*/} != "$2" && ${named##*/} != "$2"-* || $named = "$1" ]] || return 0
	done
	return 1
}

# patches SPEC: the files, in order, each once.
patches()
{
	local series=${1%%[/+@]*} rest items one files all=

	[ -d "$TOP/patches/$series" ] || die "unknown series '$series'" "one of: $(names "$TOP/patches")"
	rest=${1#"$series"}
	IFS=+ read -ra items <<<"${rest#/}"
	[ ${#items[@]} -gt 0 ] || items=('')
	for one in "${items[@]}"; do
		files=$(item "$series" "$one")
		[ -n "$files" ] || die "no patches '$one' in patches/$series" \
			"a word of their names, or of: $(parts "$series" | sed 's,.*/,,' | paste -sd' ')"
		all+=$files$'\n'
	done
	sort -u <<<"${all%$'\n'}"
}

# apply DIR SPEC FILE...: git am on a detached HEAD.  A warning is an error.
apply()
{
	local dir=$1 spec=$2 log=$1/.git/lab-am.log

	shift 2
	rm -rf "$dir/.git/rebase-apply"
	bound git -C "$dir" checkout -qf --detach stock
	say "applying patches/$spec with git am"
	if ! bound git -C "$dir" -c core.hooksPath=/dev/null am -q --whitespace=error \
			--committer-date-is-author-date "$@" >"$log" 2>&1 ||
	   [ -s "$log" ]; then
		git -C "$dir" am --abort 2>/dev/null || true
		die "patches/$spec does not apply: $(grep -m 1 -E '^(error|fatal|warning)' "$log")" \
		    "the tree is Linux $(make -s -C "$dir" kernelversion), see $log"
	fi
}

# The result is kept as a tag, with what it was made from.
checkout()
{
	local dir=$1 spec=$2 id key list files

	if [ "$spec" = none ]; then
		bound git -C "$dir" checkout -qf --detach stock
		return
	fi
	id=$(series_id "$spec")
	list=$(patches "$spec") || exit
	mapfile -t files <<<"$list"
	key=$({ git -C "$dir" rev-parse stock; cat "${files[@]}"; } | sha1sum | cut -d' ' -f1)
	if [ "$(git -C "$dir" config "lab.$id.key")" = "$key" ]; then
		bound git -C "$dir" checkout -qf --detach "series/$id"
		return
	fi
	apply "$dir" "$spec" "${files[@]}"
	git -C "$dir" tag -f "series/$id" >/dev/null
	git -C "$dir" config "lab.$id.key" "$key"
}

list()
{
	local files

	[ "$1" != none ] || return 0
	files=$(patches "$1") || exit
	printf '%s\n' "${files//"$TOP/patches/"/}"
}

# patchset_hash SPEC [PATCH]: see KCIDB's schema, checkouts, patchset_hash.
patchset_hash()
{
	local files=''

	[ "$1" = none ] || files=$(patches "$1") || exit
	printf '%s\n' ${files:+"$files"} "${@:2}" | xargs -d '\n' sha256sum | cut -c-64 | sha256sum | cut -c-64
}

. "$LAB/series/tree.sh"

case ${1:-}:$# in
checkout:3)	checkout "$2" "$3" ;;
list:2)		list "$2" ;;
hash:[23])	patchset_hash "${@:2}" ;;
edit:2)		edit "$2" ;;
export:2)	export_patches "$2" ;;
check:2)	check "$2" ;;
*)		die "unknown arguments: $*" "lab/series.sh --help" ;;
esac

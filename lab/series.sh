#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/series.sh checkout DIR SERIES
#        lab/series.sh edit BASE
#        lab/series.sh export BASE
#        lab/series.sh check BASE
#
# The series are kept as mailbox patches, patches/SERIES; a base (lab/bases)
# names its own.  Of several, edit and export take the first, or the one that
# SERIES=NAME in the environment names; one that is new begins with no patches.
#
# checkout  put the git tree DIR, made by lab/fetch.sh, on SERIES, applied with
#           git am; or on the untouched sources for SERIES `none`
# edit      lay out a git tree to work in, work/SERIES, with the series as the
#           commits of branch SERIES, and the cover letter as its description
#           (git branch --edit-description); print its directory
# export    write the commits of work/SERIES back to patches/SERIES
# check     prove that patches -> commits -> patches is the identity, of each

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

COVER=0000-cover-letter.txt

# What git am applies; names of files sort in the order of the series.  With
# SERIES/WORD, only the patches with WORD in their names; with SERIES@stable, only
# those that are for stable trees.
patches()
{
	local series=${1%%[/@]*} word=

	case $1 in
	*@stable)	grep -lx 'Cc: stable@vger.kernel.org.*' "$TOP/patches/$series"/*.patch | sort
			return ;;
	*/*)		word=${1#*/} ;;
	esac
	find "$TOP/patches/$series" -maxdepth 1 -name "[0-9]*$word*.patch" | sort
}

# apply DIR SERIES: git am on a detached HEAD.  A warning is an error.
apply()
{
	local dir=$1 series=$2 log=$1/.git/lab-am.log files

	mapfile -t files < <(patches "$series")
	[ ${#files[@]} -gt 0 ] || die "no patches in patches/$series"
	rm -rf "$dir/.git/rebase-apply"
	bound git -C "$dir" checkout -qf --detach stock
	say "applying patches/$series with git am"
	if ! bound git -C "$dir" -c core.hooksPath=/dev/null am -q --whitespace=error \
			--committer-date-is-author-date "${files[@]}" >"$log" 2>&1 ||
	   [ -s "$log" ]; then
		git -C "$dir" am --abort 2>/dev/null || true
		die "patches/$series does not apply: $(grep -m 1 -E '^(error|fatal|warning)' "$log")" \
		    "the tree is Linux $(make -s -C "$dir" kernelversion), see $log"
	fi
}

# The result is kept as a tag, with what it was made from.
checkout()
{
	local dir=$1 series=$2 id=${2//[\/@]/-} key files

	if [ "$series" = none ]; then
		bound git -C "$dir" checkout -qf --detach stock
		return
	fi
	[ -d "$TOP/patches/${series%%[/@]*}" ] || die "unknown series '$series'" "one of: $(names "$TOP/patches")"
	mapfile -t files < <(patches "$series")
	key=$({ git -C "$dir" rev-parse stock; cat "${files[@]}"; } | sha1sum | cut -d' ' -f1)
	if [ "$(git -C "$dir" config "lab.$id.key")" = "$key" ]; then
		bound git -C "$dir" checkout -qf --detach "series/$id"
		return
	fi
	apply "$dir" "$series"
	git -C "$dir" tag -f "series/$id" >/dev/null
	git -C "$dir" config "lab.$id.key" "$key"
}

# From the cover letter to a branch description: subject, blank line, text.
# What follows from the shortlog on is git format-patch's to write.
description()
{
	awk '
	/^$/ && !body		{ body = 1; print subject "\n"; next }
	!body && /^Subject: /	{ subject = $0; next_is_subject = 1; next }
	!body && /^ / && next_is_subject { subject = subject $0; next }
	!body			{ next_is_subject = 0; next }
	/^[^ ].* \([0-9]+\):$/	{ exit }
				{ print }' "$1" |
	sed '1s/^Subject: \[[^]]*\] //' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
}

# format DIR SERIES OUT: the commits as mails.  Nothing in them may vary with
# git's version or with who runs this when.
format()
{
	local dir=$1 series=$2 out=$3 author cover=()

	[ -z "$(git -C "$dir" config "branch.$series.description")" ] ||
		cover=(--cover-letter --cover-from-description=subject)
	author=$(git -C "$dir" rev-list --reverse stock..HEAD | sed -n 1p)
	GIT_COMMITTER_NAME=$(git -C "$dir" log -1 --format=%an "$author")
	GIT_COMMITTER_EMAIL=$(git -C "$dir" log -1 --format=%ae "$author")
	GIT_COMMITTER_DATE=$(git -C "$dir" log -1 --format=%aI HEAD)
	export GIT_COMMITTER_DATE
	git -C "$dir" -c core.abbrev=12 format-patch -q --no-signature --zero-commit --base=stock \
		--stat=72 "${cover[@]}" -o "$out" stock..HEAD
	[ ! -f "$out/0000-cover-letter.patch" ] ||
		mv "$out/0000-cover-letter.patch" "$out/$COVER"
}

# lay_out BASE SERIES DIR [sparse]: a work tree that outlives the cache (objects
# are hard links); sparse, with no files but those that the series touches.
lay_out()
{
	local base=$1 series=$2 dir=$3 sparse=${4:-} src files

	src=$("$LAB/fetch.sh" "$base")
	bound git clone -q --local --no-checkout "$src" "$dir"
	mapfile -t files < <([ ! -d "$TOP/patches/$series" ] || patches "$series")
	git -C "$dir" config gc.auto 0
	[ -z "$sparse" ] || sed -n 's,^diff --git a/.* b/,/,p' "${files[@]}" | sort -u |
		git -C "$dir" sparse-checkout set --no-cone --stdin
	git -C "$dir" checkout -q -b "$series" stock
	[ ${#files[@]} = 0 ] ||
		git -C "$dir" -c core.hooksPath=/dev/null am -q --committer-date-is-author-date "${files[@]}"
	[ ! -f "$TOP/patches/$series/$COVER" ] ||
		git -C "$dir" config "branch.$series.description" \
			"$(description "$TOP/patches/$series/$COVER")"
}

# chosen BASE: which of its series to work on.
chosen()
{
	local all series

	all=$(all_series_of_base "$1") || exit
	series=${SERIES:-$(series_of_base "$1")} || exit
	[[ " $all " = *" $series "* ]] || die "base $1 has no series '$series'" "of: $all, see lab/bases/$1"
	echo "$series"
}

edit()
{
	local series dir

	series=$(chosen "$1")
	dir=$TOP/work/$series
	if [ ! -d "$dir" ]; then
		rm -rf "$dir.tmp"
		mkdir -p "$TOP/work"
		lay_out "$1" "$series" "$dir.tmp"
		mv "$dir.tmp" "$dir"
	fi
	say "edit and commit there, then: make patches BASE=$1"
	echo "$dir"
}

export_patches()
{
	local series dir

	series=$(chosen "$1")
	dir=$TOP/work/$series
	[ -d "$dir" ] || die "no work tree work/$series" "make tree BASE=$1"
	[ -z "$(git -C "$dir" status --porcelain -uno)" ] || die "work/$series has uncommitted changes"
	rm -rf "$TOP/patches/$series.tmp"
	format "$dir" "$series" "$TOP/patches/$series.tmp"
	rm -rf "$TOP/patches/$series"
	mv "$TOP/patches/$series.tmp" "$TOP/patches/$series"
	say "wrote $(patches "$series" | wc -l) patches to patches/$series"
}

# On another point release than the patches were made on, offsets and blob ids
# differ, and so does the base; all else must not.
normalise()
{
	sed -E -e '/^(index|base-commit:) /d' -e 's/^@@ .* @@/@@/' "$1"
}

check()
{
	local all series

	all=$(all_series_of_base "$1")
	[ -n "$all" ] || say "base $1 has no series"
	for series in $all; do
		(check_series "$1" "$series")
	done
}

check_series()
{
	local series=$2 tmp file same=cmp

	tmp=$(mktemp -d -p "$CACHE")
	# shellcheck disable=SC2064
	trap "rm -rf '$tmp'" EXIT
	lay_out "$1" "$series" "$tmp/tree" sparse
	format "$tmp/tree" "$series" "$tmp/patches"
	if ! grep -qx "base-commit: $(git -C "$tmp/tree" rev-parse stock)" "$TOP/patches/$series"/*; then
		say "note: patches/$series were made on another point release, offsets and blob ids are not compared"
		same=normalised
	fi
	[ "$(names "$TOP/patches/$series")" = "$(names "$tmp/patches")" ] ||
		die "files of patches/$series do not survive a round trip: $(names "$tmp/patches")"
	for file in "$TOP/patches/$series"/*; do
		"$same" "$file" "$tmp/patches/$(basename "$file")" >&2 ||
			die "patches/$series/$(basename "$file") does not survive a round trip"
	done
	say "patches/$series: patches -> commits -> patches is the identity"
}

normalised()
{
	diff <(normalise "$1") <(normalise "$2")
}

case ${1:-}:$# in
checkout:3)	checkout "$2" "$3" ;;
edit:2)		edit "$2" ;;
export:2)	export_patches "$2" ;;
check:2)	check "$2" ;;
*)		die "unknown arguments: $*" "lab/series.sh --help" ;;
esac

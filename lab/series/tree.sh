# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The work tree of a series: its patches as commits, and commits as patches again.
# Sourced by lab/series.sh, never run.

COVER=0000-cover-letter.txt

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

# prefix PART: what its subjects have in brackets before the numbers, if anything.
prefix()
{
	in_part "$1" | xargs -r sed -n '/^Subject: \[/ { s/^[^[]*\[\([^]]*\)\].*/\1/; s, [0-9]*/[0-9]*$,,; p }' | sed -n 1p
}

# format DIR PREVIOUS BRANCH OUT: the commits as mails.  Nothing in them may vary
# with git's version or with who runs this when.
format()
{
	local dir=$1 range=$2..$3 branch=$3 out=$4 author options=()

	[ -z "$(git -C "$dir" config "branch.$branch.description")" ] ||
		options=(--cover-letter --cover-from-description=subject)
	options+=(--subject-prefix="$(git -C "$dir" config "branch.$branch.subjectPrefix" || echo PATCH)")
	author=$(git -C "$dir" rev-list --reverse "$range" | sed -n 1p)
	[ -n "$author" ] || die "branch $branch of $dir has no commits of its own" "after those of $2"
	GIT_COMMITTER_NAME=$(git -C "$dir" log -1 --format=%an "$author") \
	GIT_COMMITTER_EMAIL=$(git -C "$dir" log -1 --format=%ae "$author") \
	GIT_COMMITTER_DATE=$(git -C "$dir" log -1 --format=%aI "$branch") \
	git -C "$dir" -c core.abbrev=12 format-patch -q --no-signature --zero-commit --base=stock \
		--stat=72 "${options[@]}" -o "$out" "$range"
	[ ! -f "$out/0000-cover-letter.patch" ] ||
		mv "$out/0000-cover-letter.patch" "$out/$COVER"
}

# branches DIR SERIES: one of each part, the lowest first, or one.
branches()
{
	local all previous=stock branch

	all=$(git -C "$1" for-each-ref --format='%(refname:short)' 'refs/heads/[0-9]-*')
	for branch in ${all:-"$2"}; do
		git -C "$1" rev-parse -q --verify "refs/heads/$branch" >/dev/null ||
			die "no branch $branch in $1" "lab/series.sh --help"
		git -C "$1" merge-base --is-ancestor "$previous" "$branch" ||
			die "branch $branch of $1 is not on top of $previous" "git rebase --update-refs"
		echo "$branch"
		previous=$branch
	done
}

# format_all DIR SERIES OUT: into OUT, or into a directory of each part's there.
format_all()
{
	local dir=$1 series=$2 out=$3 all branch previous=stock

	all=$(branches "$dir" "$series") || exit
	for branch in $all; do
		if [ "$branch" = "$series" ]; then
			format "$dir" "$previous" "$branch" "$out"
		else
			format "$dir" "$previous" "$branch" "$out/$branch"
		fi
		previous=$branch
	done
}

# lay_out_part DIR PART: its patches as a branch's commits, on top of HEAD.
lay_out_part()
{
	local dir=$1 part=$2 branch=${2##*/} files prefix

	git -C "$dir" checkout -q -b "$branch"
	[ -d "$TOP/patches/$part" ] || return 0
	mapfile -t files < <(in_part "$part")
	[ ${#files[@]} = 0 ] ||
		git -C "$dir" -c core.hooksPath=/dev/null am -q --committer-date-is-author-date "${files[@]}"
	[ ! -f "$TOP/patches/$part/$COVER" ] ||
		git -C "$dir" config "branch.$branch.description" "$(description "$TOP/patches/$part/$COVER")"
	prefix=$(prefix "$part")
	[ "${prefix:-PATCH}" = PATCH ] || git -C "$dir" config "branch.$branch.subjectPrefix" "$prefix"
}

# lay_out BASE SERIES DIR [sparse]: a work tree that outlives the cache (objects
# are hard links); sparse, with no files but those that the series touches, and what
# says how git names the functions in diffs.
lay_out()
{
	local base=$1 series=$2 dir=$3 sparse=${4:-} src part

	src=$("$LAB/fetch.sh" "$base")
	bound git clone -q --local --no-checkout "$src" "$dir"
	git -C "$dir" config gc.auto 0
	git -C "$dir" config rebase.updateRefs true
	[ -z "$sparse" ] || { echo /.gitattributes; find "$TOP/patches/$series" -name '*.patch' -print0 |
		xargs -0 sed -n 's,^diff --git a/.* b/,/,p' | sort -u; } |
		git -C "$dir" sparse-checkout set --no-cone --stdin
	git -C "$dir" checkout -q --detach stock
	for part in $(parts "$series"); do
		lay_out_part "$dir" "$part"
	done
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

# keep_prefixes DIR SERIES: those of branches that nothing is configured for are
# as in patches/.
keep_prefixes()
{
	local part prefix

	for part in $(parts "$2"); do
		prefix=$(prefix "$part")
		[ "${prefix:-PATCH}" = PATCH ] ||
			git -C "$1" config "branch.${part##*/}.subjectPrefix" >/dev/null ||
			git -C "$1" config "branch.${part##*/}.subjectPrefix" "$prefix"
	done
}

export_patches()
{
	local series dir

	series=$(chosen "$1")
	dir=$TOP/work/$series
	[ -d "$dir" ] || die "no work tree work/$series" "make tree BASE=$1"
	[ -z "$(git -C "$dir" status --porcelain -uno)" ] || die "work/$series has uncommitted changes"
	[ ! -d "$TOP/patches/$series" ] || keep_prefixes "$dir" "$series"
	rm -rf "$TOP/patches/$series.tmp"
	format_all "$dir" "$series" "$TOP/patches/$series.tmp"
	rm -rf "$TOP/patches/$series"
	mv "$TOP/patches/$series.tmp" "$TOP/patches/$series"
	say "wrote $(find "$TOP/patches/$series" -name '*.patch' | wc -l) patches to patches/$series"
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

# files_of DIR: in it and below.
files_of()
{
	(cd "$1" && find . -type f -printf '%P\n' | sort)
}

check_series()
{
	local series=$2 tmp file same=cmp

	tmp=$(mktemp -d -p "$CACHE")
	# shellcheck disable=SC2064
	trap "rm -rf '$tmp'" EXIT
	lay_out "$1" "$series" "$tmp/tree" sparse
	format_all "$tmp/tree" "$series" "$tmp/patches"
	if ! grep -rqx "base-commit: $(git -C "$tmp/tree" rev-parse stock)" "$TOP/patches/$series"; then
		say "note: patches/$series were made on another point release, offsets and blob ids are not compared"
		same=normalised
	fi
	[ "$(files_of "$TOP/patches/$series")" = "$(files_of "$tmp/patches")" ] ||
		die "files of patches/$series do not survive a round trip: $(files_of "$tmp/patches" | paste -sd' ')"
	for file in $(files_of "$TOP/patches/$series"); do
		"$same" "$TOP/patches/$series/$file" "$tmp/patches/$file" >&2 ||
			die "patches/$series/$file does not survive a round trip"
	done
	say "patches/$series: patches -> commits -> patches is the identity"
}

normalised()
{
	diff <(normalise "$1") <(normalise "$2")
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # that script sets what is not set here
# For lab/check-series.sh, which says what each check is: of the patch as it is, without compiling it.
# Of $series, $mail is the file and $commit, checked out in $src, the commit.

check_trip()
{
	[ "$trip" = 0 ]
}

check_mail()
{
	grep -qE '^Subject: \[(RFC )?PATCH( [0-9]+/[0-9]+)?\] ' "$mail" || complain "the subject has no [PATCH n/m]" || return
	[ -z "$(tail -c 1 "$mail")" ] || complain "no newline at the end" || return
	! tail -n 4 "$mail" | grep -qx -- '-- ' || complain "it has a signature" || return
	[ "$(cat "$(dirname "$mail")"/[0-9]* | grep -cE '^base-commit: [0-9a-f]{40}$')" = 1 ] ||
		complain "the series does not have exactly one base-commit"
}

check_subject()
{
	[ ${#subject} -le 75 ] || complain "longer than 75 characters" || return
	[[ $subject =~ ^([A-Za-z0-9/_\ -]+:\ )+[A-Z] ]] || complain "not of the form 'topic: Imperative'" || return
	[[ $subject != *. ]] || complain "ends in a full stop"
}

# Has a stable series a patch of the same subject?
has_backport()
{
	local file

	for file in "$TOP"/patches/*.y/*.patch; do
		[ "$(git mailinfo /dev/null /dev/null <"$file" 2>/dev/null | sed -n 's/^Subject: //p')" != "$subject" ] || return 0
	done
	return 1
}

# Cc: stable without Fixes: has to say what for.
check_tags()
{
	local message fixes stable

	message=$(git -C "$src" log -1 --format=%B "$commit")
	fixes=$(grep '^Fixes:' <<<"$message" || true)
	stable=$(grep -E '^Cc: <?stable@vger\.kernel\.org>?( # .+)?$' <<<"$message" || true)
	grep -qxF "Signed-off-by: $(git -C "$src" log -1 --format='%an <%ae>' "$commit")" <<<"$message" ||
		complain "not signed off by its author" || return
	! grep -vxE 'Fixes: [0-9a-f]{12} \(".+"\)' <<<"${fixes:-Fixes: 012345678901 (\"\")}" >/dev/null ||
		[ -z "$fixes" ] || complain "malformed: $fixes" || return
	[ -z "$fixes" ] || [ -n "$stable" ] || complain "Fixes: without Cc: stable" || return
	[ -z "$stable" ] || [ -n "$fixes" ] || [[ $stable = *' # '* ]] ||
		complain "Cc: stable with neither Fixes: nor a reason" || return
	[ -n "$stable" ] || ! has_backport || complain "there is a backport, but no Cc: stable" || return
	[[ $series != *.y ]] || grep -qxE 'commit [0-9a-f]{40} upstream\.' <<<"$message" ||
		complain "does not name the upstream commit"
}

# A backport's first line is not how checkpatch wants commits to be cited, and
# old ones don't know that Closes: has a long line.  The KUnit patches export all
# that they need in one place that stock has, too, make a DEFINE_PER_CPU() visible,
# which checkpatch takes for a function's declaration, write to a copy of an
# eventfd's operations, and have a macro that looks at its condition over and over.
check_style()
{
	local ignore=UNKNOWN_COMMIT_ID,FILE_PATH_CHANGES,MISSING_FIXES_TAG

	[[ $series != *.y ]] || ignore+=,GIT_COMMIT_ID,COMMIT_LOG_LONG_LINE
	[[ $series != *kunit ]] || ignore+=,EXPORT_SYMBOL,AVOID_EXTERNS,FUNCTION_ARGUMENTS,CONST_STRUCT,MACRO_ARG_REUSE
	git -C "$src" format-patch -1 --stdout "$commit" |
		perl "$src/scripts/checkpatch.pl" --no-tree --strict --ignore "$ignore" -
}

check_owner()
{
	local file owned=

	for file in $(touched .); do
		if (cd "$src" && scripts/get_maintainer.pl --no-git --no-git-fallback --roles -f "$file") |
		   grep -E '\((maintainer|supporter)'; then
			owned=yes
		else
			git -C "$src" cat-file -e "stock:$file" || complain "nobody maintains $file" || return
		fi
	done
	[ -n "$owned" ] || complain "nobody maintains any of the files"
}

# compare COMMAND...: run it on each C file of the patch, in the version of the
# patch and, if it has something to say, in that of the untouched sources.
compare()
{
	local file work=$obj/compare

	touched '\.[ch]$' >/dev/null || return "$NOTHING_TO_CHECK"
	mkdir -p "$work"
	for file in $(touched '\.[ch]$'); do
		git -C "$src" show "$commit:$file" >"$work/$(basename "$file")"
		(cd "$work" && "$@" "$(basename "$file")") >"$work/new" || return
		[ -s "$work/new" ] || continue
		git -C "$src" show "stock:$file" >"$work/$(basename "$file")" 2>/dev/null || true
		(cd "$work" && "$@" "$(basename "$file")") >"$work/old" || return
		! new_lines "$work/old" "$work/new" | grep . || return
	done
}

# Exits with the number of warnings; what they are is compared.
kernel_doc()
{
	"$src/scripts/kernel-doc" -none "$1" 2>&1 || [ $? -lt 125 ]
}

check_kdoc()
{
	compare kernel_doc
}

# One of scripts/coccinelle on one file.
one_cocci()
{
	local options

	options=$(sed -n 's,^// Options:,,p' "$1")
	# shellcheck disable=SC2086
	spatch -D report --no-show-diff --very-quiet --cocci-file "$1" $options "$2" 2>/dev/null ||
		{ echo "spatch fails: $1" >&2; return 1; }
}
export -f one_cocci

# As scripts/coccicheck, which stops at the first script that needs OCaml.  What
# it says of a file is kept, as it takes some seventy processes.
coccinelle()
{
	local kept

	kept=$CACHE/cocci/$({ cat "$1"; git -C "$src" rev-parse HEAD:scripts/coccinelle; spatch --version; } | sha1sum | cut -d' ' -f1)
	if [ ! -f "$kept" ]; then
		mkdir -p "$CACHE/cocci"
		find "$src/scripts/coccinelle" -name '*.cocci' | sort |
			xargs grep -lE 'virtual[[:space:]]+report' | xargs grep -LE '(script|initialize):ocaml' |
			xargs -P "$(nproc)" -I{} bash -c 'one_cocci "$@"' one_cocci {} "$1" >"$kept.tmp" || return
		mv "$kept.tmp" "$kept"
	fi
	cat "$kept"
}

check_cocci()
{
	compare coccinelle
}

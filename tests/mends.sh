#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: tests/mends.sh [--jobs N] [PATTERN]
#
# Prove that the tests of the lab can fail: for each record of tests/MENDS (or those
# that have a line like PATTERN, a regexp), undo that mend in a copy of the lab, and
# run the test that it names, N at a time (default: one for each CPU), which must fail
# with the result that it names.
#
# Ends with a table.  Exit status 0 if each undone mend is noticed, 1 if one is not, 2 if
# a record does not fit the lab as it is, 130 after Ctrl-C.

. "$(dirname "$0")/../lab/lib.sh"
usage_if_asked "$@"

# one RECORD: of tests/MENDS; the row for the table is in RECORD.row.
one()
{
	local copy=$1.lab record finding edit files='' file test result is=SURVIVED

	mapfile -t record <"$1"
	finding=${record[0]}
	read -r test result <<<"${record[-1]}"
	mkdir "$copy"
	(cd "$TOP" && git ls-files -z | xargs -0 cp --parents -t "$copy")
	for edit in "${record[@]:1:${#record[@]}-2}"; do
		file=${edit%% *}
		files+=${files:+, }$file
		sed -E -i "${edit#* }" "$copy/$file"
		! cmp -s "$TOP/$file" "$copy/$file" || die "nothing to undo in $file: ${edit#* }" "mend tests/MENDS"
	done
	[ -x "$copy/tests/$test" ] || die "no test '$test'" "mend tests/MENDS"
	bound env LAB_CACHE="$CACHE" "$copy/tests/$test" >"$1.out" 2>&1 || true
	! grep -qE -- "^not ok $result" "$1.out" || is=noticed
	printf '%s\t%s\t%s\t%s\n' "$finding" "$files" "$test: $result" "$is" >"$1.row"
	say "$is: $finding"
	rm -rf "$copy"
}

# No trap: it would wait for the test.
if [ "${1:-}" = --one ]; then
	one "$2"
	exit
fi

jobs=$(nproc)
if [ "${1:-}" = --jobs ]; then
	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--jobs needs a number" "tests/mends.sh --help"
	jobs=$2
	shift 2
fi
pattern=${1:-.}

# results: at the end, whatever it is, what there is.
results()
{
	{
		printf 'finding\tmended in\ttest, result that fails without\twithout the mend\n'
		find "$tmp" -name '*.row' | sort | xargs -r cat
	} | columns
	rm -rf "$tmp"
}

mkdir -p "$CACHE"
tmp=$(mktemp -d -p "$CACHE")
trap results EXIT
trap 'exit 130' INT TERM
sed '/^#/d' "$TOP/tests/MENDS" | awk -v RS= -v dir="$tmp" -v pattern="$pattern" '
	$0 ~ pattern { file = sprintf("%s/%03d", dir, ++n); print >file; close(file) }'
[ -f "$tmp/001" ] || die "no record has a line like '$pattern'"

# This shell's end is that of xargs and of what it runs, see lab/mutate.sh.
records=$(find "$tmp" -type f | sort) status=0
setpriv --pdeathsig TERM -- xargs -n 1 -P "$jobs" setpriv --pdeathsig TERM -- "$0" --one <<<"$records" &
wait $! || status=$?
[ "$status" = 0 ] || die "some records do not fit" "see above"
! grep -q SURVIVED "$tmp"/*.row || exit 1

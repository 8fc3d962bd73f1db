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

jobs=$(nproc)
if [ "${1:-}" = --jobs ]; then
	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--jobs needs a number" "tests/mends.sh --help"
	jobs=$2
	shift 2
fi
pattern=${1:-.}

# undo N: the result is the row $tmp/N, and what the test said $tmp/N.out.
undo()
{
	local n=$1 copy=$tmp/$1.lab record finding edit files='' file test result is=SURVIVED

	mapfile -t record <"$tmp/$n.record"
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
	bound env LAB_CACHE="$CACHE" "$copy/tests/$test" >"$tmp/$n.out" 2>&1 || true
	! grep -qE -- "^not ok $result" "$tmp/$n.out" || is=noticed
	printf '%s\t%s\t%s\t%s\n' "$finding" "$files" "$test: $result" "$is" >"$tmp/$n"
	say "$is: $finding"
	rm -rf "$copy"
}

# results: at the end, whatever it is, what there is.
results()
{
	{
		printf 'finding\tmended in\ttest, result that fails without\twithout the mend\n'
		find "$tmp" -regex '.*/[0-9]+' -printf '%f\n' | sort -n | sed "s,^,$tmp/," | xargs -r cat
	} | columns
	rm -rf "$tmp"
}

mkdir -p "$CACHE"
tmp=$(mktemp -d -p "$CACHE")
trap results EXIT
trap 'exit 130' INT TERM

n=0
sed '/^#/d' "$TOP/tests/MENDS" | awk -v RS= -v dir="$tmp" -v pattern="$pattern" '
	$0 ~ pattern { file = dir "/" ++n ".record"; print >file; close(file) }'
count=$(find "$tmp" -name '*.record' | wc -l)
[ "$count" -gt 0 ] || die "no record has a line like '$pattern'"
status=0
while [ "$n" -lt "$count" ]; do
	n=$((n + 1))
	[ "$n" -le "$jobs" ] || wait -n || status=2
	undo "$n" &
done
for ((n = 0; n < jobs && n < count; n++)); do
	wait -n || status=2
done
[ "$status" = 0 ] || exit "$status"
! grep -q SURVIVED "$tmp"/*[0-9] || exit 1

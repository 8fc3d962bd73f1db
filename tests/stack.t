#!/bin/bash
# shellcheck disable=SC2016,SC2034 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# Series that are stacked in directories: which patches a SPEC of lab/series.sh
# means, and that what git rebase makes of the stack comes back, with the cover
# letters; the kernel is two files.

. "$(dirname "$0")/tap.sh"

export LAB_CACHE=$tmp/cache TREE=$tmp/linux
mkdir -p "$TREE/virt"
printf 'kernelversion:\n\t@echo 6.99.0\n' >"$TREE/Makefile"
touch "$TREE/Kbuild"
# Only with the attribute, a label is no function's name.
echo '*.c diff=cpp' >"$TREE/.gitattributes"
{ echo 'int f(void)'; echo '{'; printf '\tx();\n%.0s' 1 2 3 4; echo 'err_label:'; printf '\ty();\n%.0s' 1 2 3 4; echo '}'; } >"$TREE/virt/old.c"

commit_stock

cp -r "$TOP/lab" "$tmp/lab"
sed -i 's/^SERIES=.*/SERIES=kvm-next/' "$tmp/lab/bases/7.3.y"
series=$tmp/lab/series.sh
next=$tmp/patches/kvm-next
export_next()
{
	"$series" export 7.3.y
}

# A stack is begun with branches, the first from stock on.
mkdir -p "$tmp/patches/6.18.y"
work=$("$series" edit 7.3.y 2>/dev/null)

# commit WORD [TRAILER]: a patch with that word in its name, of a file of its own.
commit()
{
	echo "int $1;" >"$work/virt/$1.c"
	[ "$1" != three ] || sed -i '11s/y/z/' "$work/virt/old.c"
	git -C "$work" add .
	git -C "$work" commit -qm "KVM: Add $1" -m "Because.${2:+

$2}"
}
describe()
{
	git -C "$work" config "branch.$1.description" "KVM: The series of $1

What it is for, in
two lines."
}
git -C "$work" checkout -qb 1-first stock
commit one 'Cc: stable@vger.kernel.org # 6.17+'
commit two
git -C "$work" checkout -qb 2-second
commit three
git -C "$work" checkout -qb 4-fourth
git -C "$work" config branch.4-fourth.subjectPrefix 'RFC PATCH'
commit four
commit five
git -C "$work" checkout -qb 9-not-for-merging
commit phantom
commit bench
describe 1-first
describe 4-fourth
git -C "$work" branch -qD kvm-next

files()
{
	(cd "$next" && find . -type f -printf '%P\n' | sort | paste -sd' ')
}
stack='1-first/0000-cover-letter.txt 1-first/0001-KVM-Add-one.patch 1-first/0002-KVM-Add-two.patch'
stack+=' 2-second/0001-KVM-Add-three.patch 4-fourth/0000-cover-letter.txt 4-fourth/0001-KVM-Add-four.patch'
stack+=' 4-fourth/0002-KVM-Add-five.patch 9-not-for-merging/0001-KVM-Add-phantom.patch'
stack+=' 9-not-for-merging/0002-KVM-Add-bench.patch'
ok "stack: each branch becomes a directory, numbered from 1 on" eval 'export_next && [ "$(files)" = "$stack" ]'
subject()
{
	grep -qxF "Subject: [$2" "$next/$1"*
}
ok "stack: a cover letter for each that has a description" subject 1-first/0000 'PATCH 0/2] KVM: The series of 1-first'
ok "stack: [RFC PATCH]" subject 4-fourth/0001 'RFC PATCH 1/2] KVM: Add four'
ok "stack: ... also on the cover letter" subject 4-fourth/0000 'RFC PATCH 0/2] KVM: The series of 4-fourth'
ok "stack: the others are no RFC" subject 9-not-for-merging/0002 'PATCH 2/2] KVM: Add bench'
ok "stack: mails name the base, and what they need on top of it" eval '
	grep -q "^base-commit: $(git -C "$work" rev-parse stock)" "$next/2-second"/*.patch &&
	[ "$(grep -c "^prerequisite-patch-id: " "$next/2-second"/*.patch)" = 2 ]'
ok "stack: patches -> commits -> patches is the identity" "$series" check 7.3.y

# means SPEC WORD...: those patches, in that order.
means()
{
	local spec=$1
	shift

	[ "$("$series" list "$spec" | sed 's,.*Add-,,; s/\.patch$//' | paste -sd' ')" = "$*" ] ||
		{ "$series" list "$spec"; return 1; }
}
ok "spec: the whole is what is for merging" means kvm-next one two three four five
ok "spec: a part has its predecessors" means kvm-next/2-second one two three
ok "spec: ... and a number will do" means kvm-next/4 one two three four five
ok "spec: the ninth is everything" means kvm-next/9 one two three four five phantom bench
ok "spec: only a part" means kvm-next/=4-fourth four five
ok "spec: only a part, and a patch of another" means kvm-next/=4+phantom four five phantom
ok "spec: the whole and a part" means kvm-next+9 one two three four five phantom bench
ok "spec: the whole and a patch" means kvm-next+bench one two three four five bench
ok "spec: parts come in their order, each patch once" means kvm-next/=9+=1+one one two phantom bench
ok "spec: those for stable trees" means kvm-next@stable one
ok "spec: a word" means kvm-next/three three
ok "spec: none" means none ''
for item in 3 3-third =3 1-fir nonsense; do
	ok "spec: unknown '$item' is one clear line" fails 2 \
		"lab: no patches '$item' in patches/kvm-next \(a word .* 1-first 2-second 4-fourth 9-not-for-merging\)" \
		"$series" list "kvm-next/$item"
done
src=$("$tmp/lab/fetch.sh" 7.3.y 2>/dev/null)
# By the command that KCIDB's schema has for it.
ok "hash: as KCIDB has it" eval '(cd "$next" && sha256sum 1-first/*.patch 2-second/*.patch) | cut -c-64 | sha256sum | cut -c-64 |
	diff - <("$series" hash kvm-next/2)'
ok "hash: of none and a patch" eval 'sha256sum "$next"/1-first/0001*.patch | cut -c-64 | sha256sum | cut -c-64 |
	diff - <("$series" hash none "$(echo "$next"/1-first/0001*.patch)")'
ok "spec: unknown in a checkout, too" eval '
	fails 2 "lab: no patches .nonsense. in" "$series" checkout "$src" kvm-next+nonsense'

# applied SPEC WORD...: what checkout has made.
applied()
{
	local spec=$1
	shift

	"$series" checkout "$src" "$spec" &&
		[ "$(git -C "$src" log --reverse --format=%s stock..HEAD | sed 's/.* //' | paste -sd' ')" = "$*" ]
}
ok "checkout: a part and its predecessors" applied kvm-next/1-first one two
ok "checkout: a part alone" applied kvm-next/=4 four five
ok "checkout: ... is not taken for what has a similar name" applied kvm-next/4 one two three four five
ok "checkout: a part alone, and a patch" applied kvm-next/=4+phantom four five phantom

# What a developer does, with the setting that make tree leaves.
rm -rf "$work"
ok "edit: lays out the stack" eval '[ "$("$series" edit 7.3.y)" = "$work" ] &&
	[ "$(git -C "$work" log -1 --format=%s 2-second)" = "KVM: Add three" ] &&
	[ "$(git -C "$work" log -1 --format=%s)" = "KVM: Add bench" ]'
ok "edit: ... with the cover letters" eval '
	[ "$(git -C "$work" config branch.4-fourth.description | sed -n "1p;3p")" = "KVM: The series of 4-fourth
What it is for, in" ]'
cp -r "$next" "$tmp/before"
ok "edit: ... and export gives the same again" eval 'export_next && diff -r "$tmp/before" "$next"'
reword_first()
{
	GIT_SEQUENCE_EDITOR='sed -i 1s/^pick/reword/' GIT_EDITOR='sed -i s/Because/Therefore/' \
		git -C "$work" rebase -q -i stock && export_next && [ "$(files)" = "$stack" ] &&
		grep -qx Therefore. "$next/1-first/0001-KVM-Add-one.patch" && "$series" check 7.3.y
}
ok "edit: a rebase takes the branches along" reword_first
git -C "$work" branch -qf 2-second stock
ok "export: a branch that was left behind is one clear line" fails 2 \
	'lab: branch 2-second of .* is not on top of 1-first' "$series" export 7.3.y
ok "export: ... and leaves the patches alone" eval '[ "$(files)" = "$stack" ]'
git -C "$work" branch -qf 2-second 1-first
ok "export: a branch without commits is one clear line" fails 2 \
	'lab: branch 2-second of .* has no commits of its own' "$series" export 7.3.y
echo >>"$next/4-fourth/0000-cover-letter.txt"
not_the_same()
{
	! "$series" check 7.3.y 2>"$tmp/stderr" &&
		grep '^lab: patches/kvm-next/4-fourth/0000-cover-letter.txt does not survive' "$tmp/stderr"
}
ok "check: notices a cover letter that git would not write" not_the_same

# What scenarios say: see load_scenario of scenario.sh.
spec_is()
{
	[ "$(TOP=$tmp LAB=$tmp/lab spec_of "$1" "$2" "${SERIES:-}")" = "$3" ]
}
unset TREE
ok "scenario: the series of the base" spec_is 7.3.y own kvm-next
ok "scenario: ... and more" spec_is 7.3.y own+phantom kvm-next+phantom
ok "scenario: a part of it" spec_is 7.3.y =4+phantom kvm-next/=4+phantom
ok "scenario: with SERIES" eval 'SERIES=kvm-next/1-first spec_is 7.3.y own kvm-next/1-first'
ok "scenario: with SERIES, and more" eval 'SERIES=kvm-next/2 spec_is 7.3.y own+phantom kvm-next/2+phantom'
ok "scenario: with SERIES, a part all the same" eval 'SERIES=kvm-next/1-first spec_is 7.3.y =4 kvm-next/=4'
ok "scenario: SERIES is not for other bases" eval 'SERIES=kvm-next/1-first spec_is 6.18.y own 6.18.y'
ok "scenario: ... but for a tree of one's own" eval 'TREE=x SERIES=kvm-next spec_is 6.18.y own kvm-next'
ok "the lab itself takes all" eval '[ "$(TOP=$tmp LAB=$tmp/lab whole_series_of_base 7.3.y)" = kvm-next+9 ]'
ok "... of what there is" eval '[ "$(TOP=$tmp LAB=$tmp/lab whole_series_of_base 6.18.y)" = 6.18.y ]'

plan

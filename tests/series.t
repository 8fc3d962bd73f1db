#!/bin/bash
# shellcheck disable=SC2016,SC2034 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# The checks of a series that take no compiler, each with a series of one patch
# that it must find fault with; the kernel is a Makefile and three scripts.

. "$(dirname "$0")/tap.sh"

export LAB_CACHE=$tmp/cache TREE=$tmp/linux
mkdir -p "$TREE/scripts" "$TREE/virt"

printf 'kernelversion:\n\t@echo 6.99.0\n' >"$TREE/Makefile"
touch "$TREE/Kbuild" "$TREE/virt/old.c"
cat >"$TREE/scripts/checkpatch.pl" <<'END'
exit(scalar grep { /ugly/ } <STDIN>);
END
cat >"$TREE/scripts/get_maintainer.pl" <<'END'
#!/bin/sh
case $* in *orphan*) ;; *) echo 'A. Body <a@localhost> (maintainer:VIRT)' ;; esac
END
cat >"$TREE/scripts/kernel-doc" <<'END'
#!/bin/sh
sed -n '/doc-bug/=' "$2" | sed "s/.*/$2:&: warning: bug/"
END
chmod +x "$TREE/scripts"/*

commit_stock

# A lab of our own, with a series that make tree can start from.
cp -r "$TOP/lab" "$tmp/lab"
sed -i 's/^SERIES=.*/SERIES=kvm-next/' "$tmp/lab/bases/7.3.y"
mkdir -p "$tmp/patches/kvm-next" "$tmp/patches/6.18.y"
git -C "$TREE" checkout -qb first
git -C "$TREE" commit -q --allow-empty -m start
echo >>"$TREE/virt/old.c"
git -C "$TREE" commit -qa --amend --no-edit
git -C "$TREE" format-patch -q -1 -o "$tmp/patches/kvm-next"
git -C "$TREE" checkout -q -
work=$("$tmp/lab/series.sh" edit 7.3.y 2>/dev/null)

SUBJECT='KVM: Add a line'
SIGNED='Signed-off-by: A. U. Thor <author@localhost>'
FIXES='Fixes: 0123456789ab ("KVM: Add a bug")'
STABLE='Cc: stable@vger.kernel.org'

# series LINES [FILE [TEXT]]: a series of one patch with that message.
series()
{
	git -C "$work" reset -q --hard stock
	echo "${3:-int x;}" >"$work/${2:-virt/old.c}"
	git -C "$work" add .
	git -C "$work" commit -qm "$1"
	"$tmp/lab/series.sh" export 7.3.y
}

# The names of the columns with a FAIL, or `none`.
failures()
{
	awk 'NR == 1 { split($0, name) }
	     NR > 1 { for (i = 2; i <= 8; i++) if ($i == "FAIL") bad = bad " " name[i] }
	     END { print (NR < 2 ? "no table" : bad == "" ? "none" : substr(bad, 2)) }' "$1"
}

# finds COLUMNS: and the exit status says so, too.
finds()
{
	local status=0 want=1

	[ "$1" != none ] || want=0
	"$tmp/lab/check-series.sh" --quick 7.3.y >"$tmp/table" 2>"$tmp/progress" || status=$?
	cat "$tmp/table" "$tmp/progress"
	[ "$status" = "$want" ] && [ "$(failures "$tmp/table")" = "$1" ]
}

# bad COLUMN WHAT MESSAGE [FILE [TEXT]]
bad()
{
	series "${@:3}" >/dev/null 2>&1
	ok "check-series: $2" finds "$1"
}

bad none 'a good patch passes' "$SUBJECT

$SIGNED"
bad none 'a good fix passes' "$SUBJECT

$FIXES
$STABLE
$SIGNED"
bad none 'stable without a fix passes with a reason' "$SUBJECT

$STABLE # needed by the next patch
$SIGNED"

bad subject 'a full stop' "$SUBJECT.

$SIGNED"
bad subject 'no topic' "Add a line

$SIGNED"
bad subject 'a small letter' "KVM: add a line

$SIGNED"
bad subject '76 characters' "KVM: Add a line with so many words that the subject of the mail is too large

$SIGNED"

bad tags 'no sign-off' "$SUBJECT"
bad tags "another's sign-off" "$SUBJECT

Signed-off-by: E. L. Se <else@localhost>"
bad tags 'Fixes: without Cc: stable' "$SUBJECT

$FIXES
$SIGNED"
bad tags 'Fixes: without a subject' "$SUBJECT

Fixes: 0123456789ab
$STABLE
$SIGNED"
bad tags 'Cc: stable without Fixes: or a reason' "$SUBJECT

$STABLE
$SIGNED"

bad style 'what checkpatch dislikes' "$SUBJECT

$SIGNED" virt/old.c ugly
bad owner 'a new file that nobody maintains' "$SUBJECT

$SIGNED" virt/orphan.c
bad kdoc 'a new warning of kernel-doc' "$SUBJECT

$SIGNED" virt/new.c doc-bug

# A stack: each patch is checked on top of those of earlier series, its row names
# its own, and the mails of each are a series of their own.
stack()
{
	git -C "$work" checkout -qB 1-fix stock
	echo 'int fix;' >"$work/virt/old.c"
	git -C "$work" commit -qam "$SUBJECT

$FIXES
$STABLE
$SIGNED"
	git -C "$work" checkout -qB 4-tests
	git -C "$work" config branch.4-tests.subjectPrefix 'RFC PATCH'
	echo 'int test;' >>"$work/virt/old.c"
	git -C "$work" commit -qam "$1"
	"$tmp/lab/series.sh" export 7.3.y
}
stack "KVM: Add a test

$SIGNED" >/dev/null 2>&1
ok 'check-series: a stack' finds none
ok 'check-series: ... row by row' eval '[ "$(awk "{ print \$1 }" "$tmp/table" | paste -sd" ")" = \
	"series kvm-next/1-fix kvm-next/4-tests" ]'
ok 'check-series: one of a stack alone' eval '"$tmp/lab/check-series.sh" --quick --only 4-tests 7.3.y >"$tmp/table" &&
	[ "$(awk "{ print \$1 }" "$tmp/table" | paste -sd" ")" = "series kvm-next/4-tests" ]'
ok 'check-series: ... not one that there is not' fails 2 "lab: 7.3.y has no series 'tests'" "$tmp/lab/check-series.sh" --quick --only tests 7.3.y
stack "KVM: Add a test." >/dev/null 2>&1
ok 'check-series: the fault of one of a stack' finds 'subject tags'
cp "$tmp/patches/kvm-next/1-fix"/*.patch "$tmp/patches/6.18.y"
sed -i '/^Cc: stable/d; /^Fixes:/d' "$tmp/patches/kvm-next/1-fix"/*.patch
ok 'check-series: a backport of a patch of a stack without Cc: stable' finds 'tags subject tags'
rm "$tmp/patches/6.18.y"/*
git -C "$work" checkout -q kvm-next
git -C "$work" branch -qD 1-fix 4-tests

# has_backport looks at the patches of stable series by subject.
series "$SUBJECT

$SIGNED" >/dev/null 2>&1
cp "$tmp/patches/kvm-next"/*.patch "$tmp/patches/6.18.y"
ok 'check-series: a backport of a patch without Cc: stable' finds tags
sed -i 's/^SERIES=.*/SERIES=6.18.y/' "$tmp/lab/bases/7.3.y"
sed -i "s/^Signed-off-by/$STABLE # x\n&/" "$tmp/patches/6.18.y"/*
ok 'check-series: a backport without the upstream commit' finds tags
sed -i "0,/^$STABLE/s//commit 0123456789012345678901234567890123456789 upstream.\n\n&/" "$tmp/patches/6.18.y"/*
ok 'check-series: a good backport passes' finds none

mail=$(find "$tmp/patches/6.18.y" -name '0001*')
cp "$mail" "$tmp/good"
printf -- '-- \n2.39.5\n' >>"$mail"
ok 'check-series: a signature' finds 'trip mail'
cp "$tmp/good" "$mail"
truncate -s -1 "$mail"
ok 'check-series: no newline at the end' finds 'trip mail'
sed '/^base-commit:/d' "$tmp/good" >"$mail"
ok 'check-series: no base-commit' finds mail
sed 's/^+int x;/+int x; /' "$tmp/good" >"$mail"
does_not_apply()
{
	local status=0

	"$tmp/lab/check-series.sh" --quick 7.3.y >"$tmp/progress" 2>&1 || status=$?
	[ "$status" = 2 ] && grep '^lab: patches/6.18.y does not apply: ' "$tmp/progress"
}
ok 'check-series: one that does not apply cleanly ends it' does_not_apply

plan

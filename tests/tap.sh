# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the tests of the lab share.  Sourced, never run.

. "$(dirname "${BASH_SOURCE[0]}")/../lab/lib.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# Else, a command that says by its exit status that it was interrupted has failed, and
# the next is run.
trap 'exit 130' INT

results=0

# ok NAME COMMAND...: one result; what the command printed explains a failure.
ok()
{
	local name=$1
	shift

	results=$((results + 1))
	if "$@" >"$tmp/output" 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/# /' "$tmp/output"
	fi
}

# plan: the last line of each test, without which tests/run.sh takes it for one that
# ended too early.
plan()
{
	echo "1..$results"
}

# fails STATUS PATTERN COMMAND...: the command exits with STATUS, and its last
# line on stderr, one line, matches PATTERN.
fails()
{
	local want=$1 pattern=$2 got=0
	shift 2

	"$@" >"$tmp/stdout" 2>"$tmp/stderr" || got=$?
	cat "$tmp/stderr"
	[ "$got" = "$want" ] || { echo "exit status $got, not $want"; return 1; }
	grep -vE '^\[ *[0-9]+m' "$tmp/stderr" >"$tmp/lines" || true
	[ "$(wc -l <"$tmp/lines")" = 1 ] || { echo "not one line of error"; return 1; }
	grep -qE "$pattern" "$tmp/lines" || { echo "no line like '$pattern'"; return 1; }
}

# wait_for COMMAND...: until it succeeds, a minute at most.
wait_for()
{
	local i

	for ((i = 0; i < 600; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	echo "waited in vain: $*"
	return 1
}

# commit_stock: make a git tree of the sources in $TREE.  From then on, git has an
# author in this test, as the lab runs it without the user's configuration.
commit_stock()
{
	git()
	{
		command git -c user.name='A. U. Thor' -c user.email=author@localhost "$@"
	}
	git init -q "$TREE"
	git -C "$TREE" add .
	git -C "$TREE" commit -qm stock
}

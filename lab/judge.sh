#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/judge.sh RUN
#
# Judge a run of lab/boot.sh: write RUN/verdict, the verdict in its first line
# and what it rests on in the others, and print the verdict.
#
#   DEADLOCK  the tests hung, or the kernel says that tasks do, and the console
#             shows the cycle: a task that waits for a grace period inside the
#             critical section of resampler_lock, tasks that wait for the lock,
#             and the work that ends grace periods, pending
#   SPLAT     the console has something of lab/badness (a panic, lockdep, ...)
#   TIMEOUT   QEMU had to be stopped
#   FAIL      a test failed, or hung without the cycle; or a result is missing
#   SKIP      a test was skipped
#   PASS      none of these, and every command of the job reported success
#
# RUN/must-match, if it's there, has regular expressions, one a line: if one of them
# matches no line of the tests' output, what would be DEADLOCK, SKIP or PASS is FAIL.
#
# The first that applies is the verdict.  QEMU's exit status, 0 also for a
# panic, never makes a PASS.  Exit status 0 whatever the verdict is.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

[ $# = 1 ] || die "which run?" "lab/judge.sh --help"
[ -f "$1/job" ] || die "$1 is not the directory of a run"
run=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# A serial port can deliver NUL bytes and carriage returns, and a console that
# was cut short ends in the middle of a line.  Timestamps and caller ids go.
tr -d '\000\r' <"$run/console" | sed -E 's/^(<[0-9]+>)?\[ *[0-9]+\.[0-9]+\](\[ *[TC][0-9]+\])? ?//' >"$tmp/console"
tr -d '\000\r' <"$run/results" >"$tmp/results"

# patterns KIND: of lab/badness, for grep -f.
patterns()
{
	sed -n "s/^$1\t//p" "$LAB/badness"
}

# console PATTERN, bad KIND: the lines of the console that match, if any.  That grep
# cannot look is not that there are none.
console()
{
	grep -aE -- "$1" "$tmp/console" || [ $? = 1 ]
}

bad()
{
	patterns "$1" >"$tmp/patterns"
	[ -s "$tmp/patterns" ] || die "no patterns $1 in lab/badness"
	grep -aE -f "$tmp/patterns" "$tmp/console" || [ $? = 1 ] || die "grep cannot use lab/badness"
}

# One line for each task that sysrq-t or sysrq-w shows in the irqfd code:
# holder or waiter, pid, name, function.  Frames marked `?` are leftovers.
tasks()
{
	awk '
	function flush() {
		if (name != "" && func_ != "" && (srcu || mutex))
			print (srcu ? "holder" : "waiter") "\t" pid "\t" name "\t" func_
		name = ""
	}
	/(^| )task:/ {
		flush()
		name = $0; sub(/.*task:/, "", name); sub(/ *state:.*/, "", name)
		pid = $0; sub(/.* pid: */, "", pid); sub(/ .*/, "", pid)
		func_ = ""; srcu = mutex = 0
		next
	}
	/^ *\? / || name == ""	{ next }
	/^ *__synchronize_srcu\+/	{ srcu = 1 }
	/^ *__mutex_lock(\.|\+)/	{ mutex = 1 }
	/^ *(irqfd_resampler_(shutdown|unlink)|kvm_irqfd_assign|kvm_irqfd|irqfd_test_phantom_fn)[.+]/ {
		if (func_ == "") { func_ = $1; sub(/[.+].*/, "", func_) }
	}
	END { flush() }' "$tmp/console" | sort -u
}

# The evidence of the cycle, or nothing if a part of it is missing.
cycle()
{
	local pending pool waiters

	tasks >"$tmp/tasks"
	grep -q '^holder' "$tmp/tasks" || return 0
	waiters=$(grep -c '^waiter' "$tmp/tasks" || true)
	pending=$(console '^ *pending:.*(process_srcu|srcu_invoke_callbacks)' | tail -n 1)
	[ "$waiters" -gt 0 ] && [ -n "$pending" ] || return 0
	awk -F'\t' '$1 == "holder" {
		printf "waits for a grace period inside %s(): %s, pid %s\n", $4, $3, $2 }' "$tmp/tasks"
	console 'blocked on a mutex likely owned by' | sort -u | sed -n 1,3p
	echo "wait for the lock: $waiters tasks, such as $(awk -F'\t' '
		$1 == "waiter" { print $3 ", pid " $2 ", in " $4 "()"; exit }' "$tmp/tasks")"
	echo "pending work:${pending#*pending:}"
	console '^ *in-flight:.*irqfd_shutdown' | tail -n 1 | sed 's/^ */irqfd workers /'
	pool=$(console '^ *pool [0-9]+: .*hung=[1-9].*idle:' | tail -n 1)
	echo "the pool, with idle workers that nobody wakes: ${pool:-not shown}"
}

# check_command FILE NR COMMAND: what was wrong with the NRth command's section
# of the results; TAP counts if there is any.
check_command()
{
	awk -v nr="$2" -v command="$3" '
	/^lab: run /	{ section++; next }
	section != nr	{ next }
	/^lab: exit /	{ status = $3; next }
	/^1\.\.[0-9]+/	{ plan = substr($1, 4); if (plan == 0) why = $0 }
	/^ok .*# SKIP/	{ skip++; next }
	/^ok /		{ ok++ }
	/^not ok /	{ notok++; if (why == "") why = $0 }
	END {
		if (status == "")
			print "FAIL\tno result: " command
		else if (status == 4 && !notok)
			print "SKIP\t" command ": skipped " why
		else if (status != 0 || notok)
			print "FAIL\t" command ": exit status " status ", " why
		else if (plan != "" && ok + skip != plan)
			print "FAIL\t" command ": " ok + skip " results, " plan " planned"
		else if (plan != "" && !ok)
			print "SKIP\t" command ": all subtests skipped"
		else if (plan != "")
			print "PASS\t" command ": " ok " of " plan " subtests passed, " skip + 0 " skipped"
		else
			print "PASS\t" command ": exit status 0"
	}' "$1"
}

check_commands()
{
	local command n=0

	while read -r command; do
		n=$((n + 1))
		check_command "$tmp/results" "$n" "$command"
	done <"$run/job"
	grep -qx 'lab: done' "$tmp/results" || printf 'FAIL\tthe job did not end\n'
}

# hung: the test says so, be it through kselftest's runner, or the kernel does.
hung()
{
	grep -qE '^(# )*# Hung: worker ' "$tmp/results" || [ -s "$tmp/hang" ]
}

# unmatched: the lines of must-match that no line of the results matches.
unmatched()
{
	local pattern

	[ -f "$run/must-match" ] || return 0
	while IFS= read -r pattern; do
		grep -qE -- "$pattern" "$tmp/results" || echo "no result matches: $pattern"
	done <"$run/must-match"
}

judge()
{
	local status verdict

	status=$(cat "$run/qemu-status" 2>/dev/null || echo missing)
	bad HANG >"$tmp/hang"
	bad SPLAT >"$tmp/splat"
	cycle >"$tmp/cycle"
	check_commands >"$tmp/commands"
	unmatched >"$tmp/unmatched"

	if hung && [ -s "$tmp/cycle" ]; then
		verdict=DEADLOCK
	elif [ -s "$tmp/splat" ]; then
		verdict=SPLAT
	elif [ "$status" = 'timed out' ]; then
		verdict=TIMEOUT
	elif [ "$status" != 0 ] || grep -q '^FAIL' "$tmp/commands"; then
		verdict=FAIL
	elif [ -s "$tmp/hang" ]; then
		verdict=SPLAT
	elif grep -q '^SKIP' "$tmp/commands"; then
		verdict=SKIP
	elif grep -q '^PASS' "$tmp/commands"; then
		verdict=PASS
	else
		verdict=FAIL
	fi
	[[ ! -s $tmp/unmatched || $verdict != @(DEADLOCK|SKIP|PASS) ]] || verdict=FAIL

	echo "$verdict"
	cat "$tmp/unmatched"
	! hung || cat "$tmp/cycle"
	head -n 10 "$tmp/splat"
	head -n 3 "$tmp/hang"
	cut -f2 "$tmp/commands"
	echo "qemu: exit status $status after $(cat "$run/seconds" 2>/dev/null || echo '?') s"
}

judge >"$tmp/verdict"
cp "$tmp/verdict" "$run/verdict"
head -n 1 "$run/verdict"

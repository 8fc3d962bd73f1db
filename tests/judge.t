#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The judge, on recorded runs (tests/judge/*, each with the verdict it must get
# in `expect`), and on what can become of a recording.

. "$(dirname "$0")/tap.sh"
recorded=$TOP/tests/judge

# run_like RECORDED: a fresh copy in $run.
run_like()
{
	run=$tmp/run
	rm -rf "$run"
	cp -r "$recorded/$1" "$run"
}

# verdict WANTED: of $run; says why if it is another.
verdict()
{
	local got

	got=$("$LAB/judge.sh" "$run")
	[ "$got" = "$1" ] || { cat "$run/verdict"; return 1; }
}

# quotes PATTERN: the verdict file of $run has it.
quotes()
{
	grep -E "$1" "$run/verdict" || { cat "$run/verdict"; return 1; }
}

for dir in "$recorded"/*/; do
	name=$(basename "$dir")
	run_like "$name"
	ok "$name: recorded" verdict "$(cat "$dir/expect")"

	run_like "$name"
	sed -i 's/$/\x00\x00/' "$run/console" "$run/results"
	sed -i 's/$/\r/' "$run/console" "$run/results"
	ok "$name: with NUL bytes and carriage returns" verdict "$(cat "$dir/expect")"
done

# The DEADLOCK's evidence.
run_like stock-proxy
ok "deadlock: judged" verdict DEADLOCK
ok "deadlock: quotes the holder" quotes '^waits for a grace period inside irqfd_resampler_shutdown\(\): kworker/[0-9:]+, pid [0-9]+'
ok "deadlock: quotes the waiters" quotes '^wait for the lock: [0-9]+ tasks, such as kworker/'
ok "deadlock: quotes pending work" quotes '^pending work: .*process_srcu'
ok "deadlock: quotes workers in flight" quotes '^irqfd workers in-flight: .*irqfd_shutdown'
ok "deadlock: quotes the pool" quotes '^the pool.*: pool [0-9]+: .*idle: [0-9]'

# Each part of the cycle is needed for a DEADLOCK; without one it is a FAIL.
for part in __synchronize_srcu pending: __mutex_lock; do
	run_like stock-proxy
	sed -i "/$part/d" "$run/console"
	sed -i '/blocked for more than/d' "$run/console"
	ok "deadlock: without '$part' on the console, a mere FAIL" verdict FAIL
done

# A console that has other messages in the middle of the stacks.
run_like stock-proxy
awk '{ print } NR % 7 == 0 { print "[    9.000000] clocksource: some other message" }' \
	"$recorded/stock-proxy/console" >"$run/console"
ok "deadlock: with other messages in between" verdict DEADLOCK

# With caller ids, as CONFIG_PRINTK_CALLER has them.
run_like stock-proxy
sed -i -E 's/^(\[ *[0-9.]+\])/\1[  T123]/' "$run/console"
ok "deadlock: with caller ids" verdict DEADLOCK

# With functions of which the compiler has made other versions.
run_like stock-proxy
sed -i 's/irqfd_resampler_shutdown+/irqfd_resampler_unlink.constprop.0+/' "$run/console"
ok "deadlock: in a version of a function" verdict DEADLOCK

# Without any word from the test, the kernel's own detector is enough.
run_like stock-proxy
: >"$run/results"
echo 'timed out' >"$run/qemu-status"
printf '[    9.0] INFO: task kworker/0:0:8 blocked for more than 8 seconds.\n' >>"$run/console"
ok "deadlock: shown by the kernel only" verdict DEADLOCK

# As kselftest's runner prints it, and what the scenario wants to see of that.
run_by_runner()
{
	run_like stock-proxy
	{ echo 'lab: run run_kselftest.sh -t kvm:irqfd_resampler_test -t kvm:irqfd_test'
	  grep -v '^lab: ' "$recorded/stock-proxy/results" | sed 's/^/# /'
	  echo 'not ok 1 selftests: kvm: irqfd_resampler_test # exit=1'
	  echo 'ok 2 selftests: kvm: irqfd_test'
	  echo 'lab: exit 1'
	  echo 'lab: done'; } >"$run/results"
	sed -i '/blocked for more than/d' "$run/console"
	printf '%s\n' '^not ok 1 .*irqfd_resampler_test # exit=1' '^ok 2 .*irqfd_test$' '^lab: done' >"$run/must-match"
}
run_by_runner
ok "deadlock: told by the test through kselftest's runner" verdict DEADLOCK
run_by_runner
sed -i '/^ok 2/d' "$run/results"
ok "results: one that the scenario wants is missing" verdict FAIL
ok "results: ... which is said" quotes '^no result matches: \^ok 2 '
ok "results: ... and so is what hung" quotes '^waits for a grace period inside irqfd_resampler_shutdown'
run_like patched-proxy
echo '^ok 1 distinct' >"$run/must-match"
ok "results: a PASS that the scenario wants more of" verdict PASS
echo '^ok 11 ' >>"$run/must-match"
ok "results: ... and does not get" verdict FAIL
run_like patched-proxy
echo '^ok 11 ' >"$run/must-match"
echo 'timed out' >"$run/qemu-status"
ok "results: a TIMEOUT stays one" verdict TIMEOUT

# A judge that cannot look must not find anything right.
cp -r "$LAB" "$tmp/lab"
run_like patched-proxy
rm "$tmp/lab/badness"
blind()
{
	local status=0

	"$tmp/lab/judge.sh" "$run" || status=$?
	[ "$status" != 0 ] && [ ! -e "$run/verdict" ]
}
ok "no verdict without the list of what is bad" blind
printf 'HANG\thung\nSPLAT\tBUG: (\n' >"$tmp/lab/badness"
ok "no verdict with a regular expression that is none" blind

# A PASS takes everything.
run_like patched-proxy
ok "pass: judged" verdict PASS
for cut in 'lab: done' 'lab: exit' '^ok 3 ' '^ok'; do
	run_like patched-proxy
	sed -i "/$cut/d" "$run/results"
	ok "pass: not without '$cut'" verdict FAIL
done
for lines in 0 1 2 5; do
	run_like patched-proxy
	sed -i "$((lines + 1)),\$d" "$run/results"
	ok "pass: not if cut short after $lines lines" verdict FAIL
done
run_like patched-proxy
sed -i 's/^ok 2 /not ok 2 /' "$run/results"
ok "pass: not with a failed subtest, whatever the exit status" verdict FAIL
run_like patched-proxy
sed -i 's/^lab: exit 0/lab: exit 1/' "$run/results"
ok "pass: not with an exit status, whatever the subtests" verdict FAIL
run_like patched-proxy
sed -i 's/^lab: exit 0/lab: exit 4/' "$run/results"
ok "skip: exit status 4" verdict SKIP
run_like patched-proxy
sed -i 's/^lab: exit 0/lab: exit 4/; s/^ok 2 /not ok 2 /' "$run/results"
ok "skip: not with a failed subtest" verdict FAIL
run_like patched-proxy
sed -i -E 's/^ok ([0-9]+) /ok \1 # SKIP /' "$run/results"
ok "skip: all subtests skipped" verdict SKIP
run_like patched-proxy
echo irqfd_test >>"$run/job"
ok "pass: not without the second command's result" verdict FAIL
run_like patched-proxy
echo 1 >"$run/qemu-status"
ok "pass: not if QEMU failed" verdict FAIL
run_like patched-proxy
echo 'timed out' >"$run/qemu-status"
ok "timeout: however good the results" verdict TIMEOUT
run_like patched-proxy
rm "$run/qemu-status"
ok "pass: not without QEMU's status" verdict FAIL
run_like patched-proxy
: >"$run/console"
: >"$run/results"
ok "pass: not with nothing at all" verdict FAIL

# Each pattern of the list of what is bad, in a line as kernels print it.
while IFS= read -r line; do
	run_like patched-proxy
	printf '[    5.000000] %s\n' "$line" >>"$run/console"
	ok "splat: $line" verdict SPLAT
done <<'END'
Kernel panic - not syncing: Fatal exception
BUG: kernel NULL pointer dereference, address: 0000000000000008
BUG: KASAN: slab-use-after-free in irqfd_resampler_ack+0x1b/0x90
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:591
WARNING: possible circular locking dependency detected
WARNING: CPU: 0 PID: 42 at virt/kvm/eventfd.c:105 irqfd_resampler_shutdown+0x2a/0x110
WARNING: suspicious RCU usage
Oops: Oops: 0000 [#1] SMP
Oops: general protection fault, probably for non-canonical address
INFO: task kworker/0:0:8 blocked for more than 8 seconds.
INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: INFO: rcu_preempt self-detected stall on CPU
BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!
watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [kworker/1:1:31]
ODEBUG: free active (active state 0) object: 0000000012345678
UBSAN: array-index-out-of-bounds in virt/kvm/eventfd.c:55:2
list_del corruption. prev->next should be ffff888003a4c000
refcount_t: underflow; use-after-free.
srcu-torture: !!! rtc: 0000000012345678 ver: 10
Writes:  Total: 1234  Max/Min: 0/0   Fail: 1 !!!
irqfd_resampler[46]: segfault at 0 ip 0000000000401234 sp 00007ffd
Out of memory: Killed process 46 (irqfd_resampler)
END

# And the kernel's usual chatter is not bad.
run_like patched-proxy
ok "pass: says what it rests on" verdict PASS
ok "pass: quotes the subtests" quotes 'irqfd_resampler_test: [0-9]+ of [0-9]+ subtests passed'

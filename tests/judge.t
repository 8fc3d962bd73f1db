#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# The judge, on recorded runs (tests/judge/*, each with the verdict it must get
# in `expect`, `none` if there can be none), and on what can become of a recording;
# of a deadlock, in deadlock.t.

. "$(dirname "$0")/judged.sh"

for dir in "$recorded"/*/; do
	name=$(basename "$dir")
	run_like "$name"
	ok "$name: recorded" verdict "$(cat "$dir/expect")"

	run_like "$name"
	sed -i 's/$/\x00\x00/' "$run/console" "$run/results"
	sed -i 's/$/\r/' "$run/console" "$run/results"
	ok "$name: with NUL bytes and carriage returns" verdict "$(cat "$dir/expect")"
done

run_like timeout
ok "lab/cases is sound" eval 'judge=$LAB/judge.py verdict TIMEOUT'

# As kselftest's runner prints it, and what the scenario wants to see of that.
run_by_runner()
{
	run_like stock-proxy
	echo 'run_kselftest.sh -t kvm:irqfd_resampler_test -t kvm:irqfd_test' >"$run/job"
	{ sed 's/^/lab: run /' "$run/job"
	  printf 'TAP version 13\n1..2\n# selftests: kvm: irqfd_resampler_test\n'
	  grep -v '^lab: ' "$recorded/stock-proxy/results" | sed 's/^/# /'
	  echo 'not ok 1 selftests: kvm: irqfd_resampler_test # exit=1'
	  echo 'ok 2 selftests: kvm: irqfd_test'
	  echo 'lab: exit 1'
	  echo 'lab: done'; } >"$run/results"
	printf '%s\n' '^not ok 1 .*irqfd_resampler_test # exit=1' '^ok 2 .*irqfd_test$' '^lab: done' >"$run/must-match"
}
run_by_runner
ok "deadlock: through kselftest's runner" verdict DEADLOCK
run_by_runner
sed -i '/^\[[^]]*\] *INFO: task/d' "$run/console"
ok "deadlock: told by the test alone, a mere FAIL" verdict FAIL
run_by_runner
sed -i '/^ok 2/d' "$run/results"
ok "results: one that the scenario wants is missing" verdict FAIL
ok "results: ... which is said" quotes '^no result matches: \^ok 2 '
ok "results: ... and so is what hung" quotes '^waits for a grace period inside irqfd_resampler_shutdown'
run_like patched-proxy
echo '^ok 1 distinct' >"$run/must-match"
ok "results: a PASS that the scenario wants more of" verdict PASS
echo '^ok 14 ' >>"$run/must-match"
ok "results: ... and does not get" verdict FAIL
run_like patched-proxy
echo '^ok 14 ' >"$run/must-match"
echo 'timed out' >"$run/qemu-status"
ok "results: a TIMEOUT stays one" verdict TIMEOUT

run_like patched-proxy
sed -i '/sysrq: Resetting/d' "$run/console"
printf 'CPU Reset (CPU 0)\nTriple fault\n' >"$run/resets"
ok "reset: a guest that QEMU resets without a word of its kernel" verdict FAIL
ok "reset: ... and QEMU's" quotes '^qemu: Triple fault$'

# A judge that cannot look must not find anything right.
cp -r "$tmp/lab" "$tmp/blind"
blind()
{
	run_like patched-proxy
	ok "no verdict $1" fails 2 "$2" "$tmp/blind/judge.py" "$run"
	ok "... nor a file of it" test ! -e "$run/verdict"
}
rm "$tmp/blind/badness"
blind "without the list of what is bad" 'lab: no patterns HANG in lab/badness'
printf 'HANG\thung\nSPLAT\tBUG: (\n' >"$tmp/blind/badness"
blind "with a regular expression that is none" 'lab: lab/badness: .*: BUG: \('
printf 'HANG\thung\nSPLAT BUG:\n' >"$tmp/blind/badness"
blind "with a line that is no pattern" 'lab: lab/badness: what is this line: SPLAT BUG:'
cp "$LAB/badness" "$tmp/blind"
: >"$tmp/blind/cases"
blind "without the numbers of cases" 'lab: lab/cases: not lines of'
cp "$tmp/lab/cases" "$tmp/blind"
LAB_CACHE=$tmp/empty
blind "without the kernel's parser" 'lab: no parser of KTAP in .*\(lab/fetch.sh 7'
LAB_CACHE=$CACHE
for quiet in quiet loglevel=4 sysctl.kernel.printk=1; do
	run_like patched-proxy
	echo "oops=panic $quiet" >"$run/append"
	ok "no verdict with $quiet" fails 2 "lab: $quiet on the command line" "$judge" "$run"
done
run_like patched-proxy
sed -i 's/Kernel command line: /&quiet /' "$run/console"
ok "no verdict with quiet, however it came there" verdict none
for file in must-match may-fail may-skip may-say; do
	run_like patched-proxy
	echo 'a(b' >"$run/$file"
	ok "no verdict with a $file that is none" fails 2 "lab: .*$file: .*: a\(b" "$judge" "$run"
done

# A PASS takes everything.
run_like patched-proxy
ok "pass: judged" verdict PASS
ok "pass: says what it rests on" quotes 'irqfd_resampler_test -s 2: 13 of 13 cases passed'

# without FILE SED-SCRIPT VERDICT WHAT: what a PASS becomes if that is done to its FILE.
without()
{
	run_like patched-proxy
	sed -i "$2" "$run/$1"
	ok "pass: not $4" verdict "$3"
}
for cut in 'lab: done' 'lab: exit' 'lab: run' 'ok 3 ' 'ok' '1\.\.' 'TAP'; do
	without results "/^$cut/d" FAIL "without '$cut'"
done
for lines in 0 1 2 5; do
	without results "$((lines + 1)),\$d" FAIL "if cut short after $lines lines"
done
without results 's/^ok 2 /not ok 2 /' FAIL "with a failed subtest, whatever the exit status"
without results 's/^ok 2 \(.*\)/not ok 2 \1 # SKIP/' FAIL "with one that failed and says that it was skipped"
without results 's/^lab: exit 0/lab: exit 1/' FAIL "with an exit status, whatever the subtests"
without results 's/^ok 13 .*/&\nok 14 more/' FAIL "with more than was planned"
without results 's/^ok 13 .*/&\nnot ok 14 more/' FAIL "with a failure beyond the plan"
without results 's/^lab: done/not ok 2 late\n&/' FAIL "with a failure after the exit"
without results 's/^lab: done/lab: run more\nlab: exit 0\n&/' FAIL "with a command that is not of the job"
without results 's/^lab: done/&\nmore/' FAIL "with anything after the end"
without job 's/$/\nirqfd_test/' FAIL "without the second command's result"
without results 's/^lab: exit 0/lab: exit 4/' SKIP "but a SKIP with exit status 4"
without results 's/^lab: exit 0/lab: exit 4/; s/^ok 2 /not ok 2 /' FAIL "with exit status 4 and a failed subtest"
without results 's/^ok \([0-9]*\) \(.*\)/ok \1 \2 # SKIP/' SKIP "but a SKIP if all is skipped"
without console '/Linux version/d' BOOT-ERROR "without the kernel's banner"
without console '/Run \/init as init process/d' BOOT-ERROR "without init"
without qemu-status 's/0/1/' BOOT-ERROR "if QEMU failed"
without qemu-status d BOOT-ERROR "without QEMU's status"
without qemu-status 's/0/timed out/' TIMEOUT "but a TIMEOUT if QEMU was stopped, however good the results"
run_like patched-proxy
: >"$run/console"
: >"$run/results"
ok "pass: not with nothing at all" verdict BOOT-ERROR

# -t asks for some, which then are enough.
some()
{
	run_like patched-proxy
	echo "irqfd_resampler_test$1" >"$run/job"
	printf '%s\n' "lab: run irqfd_resampler_test$1" 'TAP version 13' 1..1 'ok 1 leaks' 'lab: exit 0' 'lab: done' >"$run/results"
}
some ' -t leaks'
ok "cases: as many as were asked for" verdict PASS
some ''
ok "cases: not as many as there are" verdict FAIL
ok "cases: ... which is said" quotes '1 cases of irqfd_resampler_test, at least 13 wanted'
run_like kselftest
sed -i '/^# ok 13 /d; s/^# 1\.\.13/# 1..12/' "$run/results"
ok "cases: nor those that the runner ran" verdict FAIL
ok "cases: ... which is said" quotes '12 cases of irqfd_resampler_test, at least 13 wanted'
run_like kunit-skips
sed -i '/^    ok 37 /d; s/^    1\.\.37/    1..36/' "$run/results"
ok "cases: nor fewer of a suite" verdict FAIL
ok "cases: ... which is said" quotes '62 cases of kvm_irqfd_resampler, at least 63 wanted'
run_like kselftest
sed -i 's/$/ -t kvm:irqfd_test/' "$run/job"
sed -i 's/^lab: run .*/& -t kvm:irqfd_test/' "$run/results"
ok "cases: nor without all tests that the runner was asked for" verdict FAIL
run_like kselftest
sed -i 's/$/ -S kvm:irqfd_test/' "$run/job"
sed -i 's/^lab: run .*/& -S kvm:irqfd_test/' "$run/results"
ok "cases: without those that it was asked to leave out" verdict PASS
run_like kselftest
sed -i 's/^1\.\.1$/1..2/; s/^ok 1 selftests: .*/&\n# selftests: kvm: xen_test\n# 1..0 # SKIP - Requirement not met: Xen\nok 2 selftests: kvm: xen_test # SKIP/' "$run/results"
ok "cases: a test that is skipped" verdict SKIP
ok "cases: ... for its own reason" quotes '^skipped: xen_test: Requirement not met: Xen$'

run_like kselftest
sed -i '/^# # Totals/ { N; s/\n// }' "$run/results"
ok "cases: all, though a test has not ended its last line" verdict PASS
sed -i 's/-t kvm:irqfd_resampler_test/-c kvm/; /^# ok 13 /d; s/^# 1\.\.13/# 1..12/' "$run/results" "$run/job"
ok "cases: not one too few of a test when all tests are run" verdict FAIL
ok "cases: ... which is said" quotes '12 cases of irqfd_resampler_test, at least 13 wanted'

run_like kselftest
sed -i 's/^# ok 3 /# ok 2 /' "$run/results"
ok "cases: not a number twice in a test that the runner takes for passed" verdict FAIL
run_like kunit-skips
sed -i 's/^    ok 1 /    not ok 1 /; s/ # SKIP.*//' "$run/results"
ok "cases: not one that failed though its parameters passed" verdict FAIL
ok "cases: ... which is said" quotes '^not ok: kvm_irqfd_resampler/shutdown_waits_unlocked$'

# What a scenario lets fail, or be skipped, is named.
run_like patched-proxy
sed -i 's/^ok 12 /not ok 12 /; s/^lab: exit 0/lab: exit 1/' "$run/results"
echo '^irqfd_resampler_test/leaks$' >"$run/may-fail"
ok "may: a failure that is named" verdict PASS
ok "may: ... which is said" quotes '^failed, as it may: irqfd_resampler_test/leaks'
sed -i 's/^ok 13 /not ok 13 /' "$run/results"
ok "may: not another" verdict FAIL
ok "may: ... which is said" quotes '^not ok: irqfd_resampler_test/errors'
run_like one-skipped
ok "may: a skip that is not named" verdict SKIP
ok "may: ... which is said" quotes '^skipped: irqfd_resampler_test/leaks: no KVM statistics'
echo 'leaks$' >"$run/may-skip"
ok "may: a skip that is" verdict PASS
ok "may: ... which is said" quotes '^skipped, as it may be: irqfd_resampler_test/leaks: no KVM statistics'
run_like skip
echo . >"$run/may-skip"
ok "may: never is all skipped" verdict SKIP
run_like patched-proxy
sed -i 's/^ok \([0-9]*\) \(.*\)/ok \1 \2 # SKIP/' "$run/results"
echo . >"$run/may-skip"
ok "may: ... whatever the exit status" verdict SKIP
run_like patched-proxy
sed -i 's/^lab: exit 0/lab: exit 1/' "$run/results"
echo . >"$run/may-fail"
ok "may: never an exit status without a case that failed" verdict FAIL

run_like patched-proxy
sed -i '/sysrq: Resetting/i [   15.000000][   T41] Out of memory: Killed process 52 (irqfd_resampler) total-vm:9000kB' "$run/console"
ok "may: the OOM killer is a splat" verdict SPLAT
echo '^Out of memory: Killed process [0-9]+ \(irqfd_' >"$run/may-say"
ok "may: ... but where it may kill" verdict PASS
sed -i 's/(irqfd_resampler)/(sh)/' "$run/console"
ok "may: ... and not another" verdict SPLAT

# Each line of the list of what is bad is needed: its like here, in the list's order
# and as kernels print it, is nothing bad without that line.
cat >"$tmp/likes" <<'END'
INFO: task kworker/0:0:8 blocked for more than 8 seconds.
Kernel panic - not syncing: Fatal exception
BUG: kernel NULL pointer dereference, address: 0000000000000008
WARNING: possible circular locking dependency detected
Oops: 0000 [#1] SMP
KASAN: null-ptr-deref in range [0x0000000000000008-0x000000000000000f]
UBSAN: array-index-out-of-bounds in virt/kvm/eventfd.c:55:2
ODEBUG: free active (active state 0) object: 0000000012345678
traps: irqfd_test[46] general protection fault ip:401234 sp:7ffd00000000 error:0 in irqfd_test[401000+80000]
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008
traps: irqfd_test[46] trap invalid opcode ip:401234 sp:7ffd00000000 error:0 in irqfd_test[401000+80000]
INFO: trying to register non-static key.
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: rcu_preempt kthread starved for 5250 jiffies! g1 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=0
watchdog: CPU1: Watchdog detected hard LOCKUP on cpu 1
refcount_t: underflow; use-after-free.
list_del corruption. prev->next should be ffff888003a4c000, but was dead000000000100.
bad: scheduling from the idle thread!
DEBUG_LOCKS_WARN_ON(lock->magic != lock)
srcu-torture: !!! rtc: 0000000012345678 ver: 10
Writes:  Total: 1234  Max/Min: 0/0   Fail: 1 !!!
Out of memory: Killed process 46 (irqfd_resampler) total-vm:1234kB
irqfd_resampler invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP), order=0
irqfd_resampler[46]: segfault at 0 ip 0000000000401234 sp 00007ffd00000000 error 4
END
grep -v '^#' "$LAB/badness" >"$tmp/badness"
ok "bad: a line for each of the list" test "$(wc -l <"$tmp/likes")" = "$(wc -l <"$tmp/badness")"
# with_list FILE VERDICT: of a run that has $line on its console, by that list.
with_list()
{
	cp "$1" "$tmp/blind/badness"
	run_like patched-proxy
	printf '[    5.000000] %s\n' "$line" >>"$run/console"
	judge=$tmp/blind/judge.py verdict "$2"
}
while IFS= read -r line <&4 && IFS= read -r bad <&5; do
	ok "bad: $line" with_list "$LAB/badness" SPLAT
	# There has to be something of either kind.
	{ grep -vxF -- "$bad" "$LAB/badness"; printf 'HANG\tnothing is like this\n'; } >"$tmp/less"
	ok "bad: ... but not without: $bad" with_list "$tmp/less" PASS
done 4<"$tmp/likes" 5<"$tmp/badness"
# More that kernels print.
while IFS= read -r line <&4; do
	ok "bad: $line" with_list "$LAB/badness" SPLAT
done 4<<'END'
INFO: task irqfd_resampler:46 blocked in I/O wait for more than 8 seconds.
BUG: KASAN: slab-use-after-free in irqfd_resampler_ack+0x1b/0x90
BUG: KCSAN: data-race in irqfd_resampler_ack / kvm_irqfd_assign
BUG: KCSAN: assert: race in dequeue_entities / ttwu_do_activate
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:591
BUG: scheduling while atomic: irqfd_resampler/46/0x00000002
WARNING: CPU: 0 PID: 42 at virt/kvm/eventfd.c:105 irqfd_resampler_shutdown+0x2a/0x110
WARNING: suspicious RCU usage
Oops: general protection fault, probably for non-canonical address
Oops: invalid opcode: 0000 [#1] SMP
INFO: rcu_tasks detected stalls on tasks:
rcu: INFO: rcu_preempt self-detected stall on CPU
rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... } 21 jiffies s: 57 root: 0x2/.
BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!
watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [kworker/1:1:31]
list_add corruption. next->prev should be prev (ffff888003a4c000), but was 0000000000000000.
END

plan

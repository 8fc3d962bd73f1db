#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The judge, on what shows a deadlock, and on what does not.

. "$(dirname "$0")/judged.sh"

run_like stock-proxy
ok "deadlock: judged" verdict DEADLOCK
ok "deadlock: quotes the holder" quotes '^waits for a grace period inside irqfd_resampler_shutdown\(\): kworker/[0-9:]+, pid [0-9]+'
ok "deadlock: quotes the kernel on that" quotes '^INFO: task .* is blocked on a mutex likely owned by task kworker/'
ok "deadlock: quotes the waiters" quotes '^wait for the lock: [0-9]+ tasks, such as kworker/'
ok "deadlock: quotes who was preempted before it slept" quotes '^was preempted on its way to sleep, and waits for the lock: kworker/[0-9:]+, pid [0-9]+$'
ok "deadlock: quotes where both are found" quotes '^both found so: sysrq-w at [0-9.]+ s, sysrq-t at '
ok "deadlock: quotes pending work" quotes '^pending work: .*process_srcu'
ok "deadlock: quotes workers in flight" quotes '^irqfd workers in-flight: .*irqfd_shutdown'
ok "deadlock: quotes the pool" quotes '^the pool.*: pool [0-9]+: .*idle: [0-9]'

# Each part of the cycle is needed for a DEADLOCK; without one it is a FAIL.
for part in __synchronize_srcu pending: __mutex_lock 'likely owned by'; do
	run_like stock-proxy
	sed -i "/$part/d" "$run/console"
	ok "deadlock: without '$part' on the console, a mere FAIL" verdict FAIL
done
run_like stock-proxy
sed -i '/sysrq: Show Blocked State/,/sysrq: Show State/ { /sysrq: Show State/!d }' "$run/console"
ok "deadlock: not if both are found only once" verdict FAIL
run_like stock-proxy
sed -i '/sysrq: Show State/,$ s/^\(.*\) irqfd_resampler_shutdown+/\1 kvm_irqfd_something+/' "$run/console"
ok "deadlock: not if they are found elsewhere the second time" verdict FAIL

# A kernel that waits in the same function, but without the lock.
run_like owner-is-another
owner=$(sed -nE '/sysrq: Show State/,$ s/.*task:(.*[^ ]) +state:.* pid:([0-9]+) .*/\1:\2/p' "$run/console" | sed -n 1p)
sed -i "s,likely owned by task .*,likely owned by task $owner.," "$run/console"
ok "deadlock: it is the lock's owner that makes the difference" verdict DEADLOCK
cp "$run/console" "$tmp/three-dumps"

# seen_elsewhere BEFORE: both, in a dump before the line BEFORE.
seen_elsewhere()
{
	sed -n '/Show Blocked/,/Show State/ { /Show State/!p }' "$tmp/three-dumps" |
		sed 's/ irqfd_resampler_shutdown+/ kvm_irqfd_something+/' >"$tmp/elsewhere"
	awk -v before="$1" -v dump="$tmp/elsewhere" '$0 ~ before { while ((getline line <dump) > 0) print line } { print }' \
		"$tmp/three-dumps" >"$run/console"
}
seen_elsewhere 'sysrq: Show State'
ok "deadlock: not if both are seen elsewhere between the two" verdict FAIL
seen_elsewhere 'sysrq: Show Blocked'
ok "deadlock: not if both are seen elsewhere after the kernel named the owner" verdict FAIL

# A console that has other messages in the middle of the stacks.
run_like stock-proxy
awk '{ print } NR % 7 == 0 { print "[    9.000000] clocksource: some other message" }' \
	"$recorded/stock-proxy/console" >"$run/console"
ok "deadlock: with other messages in between" verdict DEADLOCK

# A round of the detector of hung tasks, amid what sysrq-t shows.
run_like stock-proxy
awk '/INFO: task .* blocked for more than 9/ { on = !done } /sysrq: Show Blocked/ { on = 0; done = 1 }
	on { held = held $0 "\n"; next } { print } /sysrq: Show State/ { late = NR + 40 } NR == late { printf "%s", held }' \
	"$recorded/stock-proxy/console" >"$run/console"
ok "deadlock: with reports of hung tasks in the middle of another dump" verdict DEADLOCK

# With caller ids, as CONFIG_PRINTK_CALLER has them.
run_like stock-proxy
sed -i -E 's/^(\[ *[0-9.]+\])/\1[  T123]/' "$run/console"
ok "deadlock: with caller ids" verdict DEADLOCK

# The detector and sysrq-t, each line in turn, as when one is preempted by the other.
run_like stock-proxy
awk '{ sub(/^\[ *[0-9.]+\]/, "&[   T20]") }
	/INFO: task .* blocked for more than 9/ { on = !done } /sysrq: Show Blocked/ { on = 0; done = 1 }
	on { sub(/T20/, "T30"); held[n++] = $0; next } { print } /sysrq: Show State/ { all = 1 }
	all && /task:.* pid:62 / { late = 1 } late && i < n { print held[i++] }' \
	"$recorded/stock-proxy/console" >"$run/console"
ok "deadlock: with two that print at once, and say who they are" verdict DEADLOCK
sed -i -E 's/\[   T[23]0\]//' "$run/console"
ok "deadlock: ... and do not, which shows nothing" verdict FAIL
# A task's line in two, as one of the two printed just then.
run_like stock-proxy
sed -E 's/^(\[ *[0-9.]+\])/\1[   T20]/; s/^(.*)(task:kworker.* state:.) (stack:.*)/\1\2\n\1 \3/' "$recorded/stock-proxy/console" |
	awk '{ print } /state:.$/ { print "[    9.000000][   T30] some other message" }' >"$run/console"
ok "deadlock: with lines in two, by those who say who they are" verdict DEADLOCK
sed -i -E 's/\[   T[23]0\]//' "$run/console"
ok "deadlock: ... and do not, which shows nothing, either" verdict FAIL
# The detector, amid what sysrq-t has to say of workqueues, and one more dump after that.
run_like stock-proxy
awk '/INFO: task .* blocked for more than 9/ { on = !done } /sysrq: Show Blocked/ { on = 0; done = again = 1 }
	/sysrq: Show State/ { again = 0 } again { blocked = blocked $0 "\n" } /sysrq: Resetting/ { printf "%s", blocked }
	on { held = held $0 "\n"; next } { print } /Showing busy workqueues/ { printf "%s", held }' \
	"$recorded/stock-proxy/console" >"$run/console"
ok "deadlock: with reports of hung tasks before the work that is pending" verdict DEADLOCK

# With functions of which the compiler has made other versions.
run_like stock-proxy
sed -i 's/irqfd_resampler_shutdown+/irqfd_resampler_unlink.constprop.0+/' "$run/console"
ok "deadlock: in a version of a function" verdict DEADLOCK

# Without any word from the test, the kernel's own detector is enough.
run_like stock-proxy
: >"$run/results"
echo 'timed out' >"$run/qemu-status"
ok "deadlock: shown by the kernel only" verdict DEADLOCK

plan

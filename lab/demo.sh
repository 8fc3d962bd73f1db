#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/demo.sh SCENARIO...
#
# Run the scenarios that make the case, see lab/run.py, then say what was seen.
# Exit status 0 only if every verdict is as expected.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

status=0
bound "$LAB/run.py" "$@" || status=$?

echo
case $status in
0)
	fmt -w 79 <<-'END'
	The same kernel, the same test binary, the same command line: stock hangs, with
	irqfd shutdown workers waiting for resampler_lock, its holder waiting for an SRCU
	grace period, and the work that would end the grace period pending in the workers'
	own pool, which has idle workers and wakes none.  The trigger is the scheduler:
	with proxy execution off, stock does not hang.  What makes the hang permanent is
	KVM, which waited for the grace period while holding the lock; with the series it
	waits after dropping it, and there is no cycle to close.  Lockdep has nothing to
	say about the patched kernel.  The last two rows need no luck and no proxy
	execution: a KUnit test makes a worker that waits for the lock look running to its
	pool, on a kernel with the scheduler's fix.  The console, the evidence and the exact QEMU command
	of each run are in the directories named above, under runs/.
	END
	;;
1)
	echo 'Not every verdict is the expected one: see the verdict files of those runs, under runs/.'
	;;
esac
exit "$status"

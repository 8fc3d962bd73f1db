/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One GSI changes hands: the last irqfd of an old resampler is shut down while
 * a new irqfd is assigned to the same GSI, and the guest sends EOIs.
 *
 * An interrupt that the new irqfd asserts must stay asserted until an EOI
 * de-asserts it that also notifies the new irqfd.  Else it is lost: the line is
 * low, no EOI follows, and the device waits for ever.  The old irqfd must not
 * leave the line asserted, nor may anyone touch the old resampler once freed.
 *
 * Without a macro this is the series.  The macros undo it piece by piece:
 *
 *	-DSTOCK			both paths wait under the lock, as before the series
 *	-DLATE_UNLINK		the notifier is unlinked after the lock is dropped
 *	-DLATE_DEASSERT		the line is de-asserted after the lock is dropped
 *				(both together are v2's shape)
 *	-DNO_DEASSERT		the shutdown does not de-assert the line
 *	-DNO_ASSIGN_WAIT	the assign does not wait for a grace period
 *	-DNO_SHUTDOWN_WAIT	the shutdown frees without waiting for one
 *	-DWITNESS		fail as soon as the new irqfd is notified while the
 *				shutdown of the old one still runs
 */

#ifndef VCPUS
#define VCPUS	2
#endif
#ifndef EOIS
#define EOIS	2		/* of each vCPU */
#endif
#ifndef IRQS
#define IRQS	2		/* asserted by the new irqfd */
#endif

#define NEW	0		/* the two resamplers */
#define OLD	1
#define NIL	2
#define NOT_READING	255

#define me	_pid		/* vCPUs are declared first: pids from 0 */

bool resampler_lock;
bool old_listed = true;		/* on resampler_list */
bool old_notifier = true;	/* on irq_ack_notifier_list */
bool new_notifier;
bool has_new[2];		/* the new irqfd is on this resampler's list */
bool old_freed;

bool line = true;
bool old_line = true;		/* still asserted by the old irqfd */
bool waiting;			/* the new irqfd asserted it, and was not notified */

bool reading[VCPUS];		/* in an SRCU read-side critical section */
byte reads[VCPUS];		/* sections ended */
byte eois_running;

/* Who de-asserted the interrupt that the new irqfd waits for. */
bool eaten_by_shutdown;
bool eaten_by_old_ack;
bool eaten_by_new_ack;

bool used_after_free;
bool witness;

inline mutex_lock()
{
	atomic { !resampler_lock -> resampler_lock = true }
}

inline mutex_unlock()
{
	resampler_lock = false
}

/* Wait for the readers that began earlier, not for those that begin later. */
inline synchronize_srcu()
{
	d_step {
		for (i : 0 .. VCPUS - 1) {
			seen[i] = (reading[i] -> reads[i] : NOT_READING)
		};
		i = 0
	};
	do
	:: i < VCPUS -> atomic { reads[i] != seen[i] || !reading[i] -> i++ }
	:: i == VCPUS -> break
	od
}

inline deassert(eaten)
{
	if
	:: line && waiting -> eaten = true
	:: else
	fi;
	line = false;
	old_line = false
}

/* While an EOI runs, it may still notify the new irqfd. */
inline check_not_lost()
{
	if
	:: waiting && !line && eois_running == 0 ->
		printf("lost: the line is low, no EOI runs, the new irqfd waits for ever\n");
		assert(!eaten_by_shutdown);
		assert(!eaten_by_old_ack);
		assert(!eaten_by_new_ack)
	:: else
	fi
}

inline check_not_freed(resampler)
{
	used_after_free = (resampler == OLD && old_freed);
	assert(!used_after_free)
}

/* irqfd_resampler_ack() */
inline irq_acked(resampler)
{
	atomic {
		check_not_freed(resampler);
		if
		:: resampler == OLD ->
			printf("vcpu %d: the old resampler's ack de-asserts the line\n", me);
			deassert(eaten_by_old_ack)
		:: resampler == NEW ->
			printf("vcpu %d: the new resampler's ack de-asserts the line\n", me);
			deassert(eaten_by_new_ack)
		fi
	};
	atomic {
		check_not_freed(resampler);
		if
		:: has_new[resampler] ->
			waiting = false;
			eaten_by_shutdown = false;
			eaten_by_old_ack = false;
			eaten_by_new_ack = false;
			printf("vcpu %d: the ack notifies the new irqfd\n", me);
#ifdef WITNESS
			witness = (resampler == NEW && !old_freed);
			assert(!witness)
#endif
		:: else
		fi
	}
}

/* An EOI may come at any time, as other GSIs and the PIC cause them as well. */
active [VCPUS] proctype vcpu()
{
	byte n = NIL;		/* the notifier at hand, new ones go first */

end:	do
	:: atomic {
		reads[me] < EOIS ->
		reading[me] = true;
		eois_running++
	   };
	   n = (new_notifier -> NEW : (old_notifier -> OLD : NIL));
	   do
	   :: n != NIL ->
		irq_acked(n);
		n = (n == NEW && old_notifier -> OLD : NIL)
	   :: n == NIL -> break
	   od;
	   atomic {
		reading[me] = false;
		reads[me]++;
		eois_running--;
		check_not_lost()
	   }
	od
}

inline unlink_notifier()
{
	atomic {
		old_notifier = false;
		printf("shutdown: unlinks the old notifier\n")
	}
}

inline deassert_old()
{
	atomic {
		printf("shutdown: de-asserts the line\n");
		deassert(eaten_by_shutdown);
		check_not_lost()
	}
}

/* irqfd_resampler_shutdown() of the old irqfd. */
active proctype shutdown()
{
	byte seen[VCPUS], i;
	bool last;

	mutex_lock();
	last = !has_new[OLD];
	if
	:: last ->
		old_listed = false;
#ifndef LATE_UNLINK
		unlink_notifier();
#endif
	:: !last
	fi;
#ifdef STOCK
	synchronize_srcu();
#endif
#if !defined(LATE_DEASSERT) && !defined(NO_DEASSERT)
	if
	:: last -> deassert_old()
	:: !last
	fi;
#endif
	mutex_unlock();
#if !defined(STOCK) && !defined(NO_SHUTDOWN_WAIT)
	synchronize_srcu();
#endif
	if
	:: last ->
#ifdef LATE_UNLINK
		unlink_notifier();
		synchronize_srcu();
#endif
#ifdef LATE_DEASSERT
		deassert_old();
#endif
		assert(!old_line);
		old_freed = true
	:: !last
	fi
}

/* kvm_irqfd_assign(), then the device that signals the new irqfd. */
active proctype assign()
{
	byte seen[VCPUS], i;

	mutex_lock();
	if
	:: old_listed -> has_new[OLD] = true
	:: !old_listed ->
		new_notifier = true;
		has_new[NEW] = true
	fi;
#ifdef STOCK
	synchronize_srcu();
	mutex_unlock();
#else
	mutex_unlock();
#ifndef NO_ASSIGN_WAIT
	synchronize_srcu();
#endif
#endif
	printf("assign: the new irqfd goes live\n");
	i = 0;
end:	do
	:: atomic {
		i < IRQS && !waiting ->
		i++;
		line = true;
		waiting = true;
		printf("device: the new irqfd asserts the line\n")
	   }
	od
}

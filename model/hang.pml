/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why the teardown of resampling irqfds hangs, and what ends it.
 *
 * One per-CPU worker pool runs the shutdown of K irqfds, and also process_srcu
 * and srcu_invoke_callbacks, without which no grace period ends.  One more task
 * assigns an irqfd.  There are more workers than works: nothing hangs for lack
 * of a worker.
 *
 * Without a macro this is the stock KVM without proxy execution.
 *
 *	-DPROXY		proxy execution is on
 *	-DSCHED_FIX	only a task that has passed through schedule() is blocked
 *	-DFIX_SHUTDOWN	the shutdown waits for its grace period out of the lock
 *	-DFIX_ASSIGN	so does the assign
 *	-DBATCH		one work shuts down all irqfds that were closed so far
 *	-DNO_ASSIGN	nothing is assigned: the shutdowns are alone
 *	-DWITNESS	fail as soon as a phantom worker exists
 */

#ifndef K
#define K	2
#endif
#define N	(K + 3)		/* K shutdowns, SRCU's two works, one to spare */
#define ASSIGN	N		/* the assigning task, no worker of this pool */
#define NONE	255

#define SHUTDOWN	1	/* the works */
#define PROCESS_SRCU	2
#define SRCU_CALLBACKS	3

#define me	_pid		/* workers are declared first: pids 0 to N - 1 */

/* What the scheduler knows of each worker. */
bool on_rq[N];
bool runnable[N];		/* __state == TASK_RUNNING */
bool blocked_on[N];		/* on resampler_lock, there is no other mutex */
bool is_blocked[N];		/* upstream's flag, set by schedule() alone */

/* What the pool knows. */
chan worklist = [K + 2] of { byte };
byte nr_running;
bool idle[N] = true;
bool sleeping[N];

/* resampler_lock. */
byte owner = NONE;
chan waiters = [N] of { byte };

/* The grace periods that each task waits for. */
#define DONE	0
#define WANTED	1
#define STARTED	2
#define ENDED	3
byte gp[N + 1];
bool gp_busy;			/* process_srcu is pending or running */
bool cb_pending;

/* With BATCH: the VM's list, and its one work, which never runs twice at once. */
byte inactive;
bool queued;
bool executing;
bool again;

byte todo = K + 1;
bool witness;

mtype = { resampler_lock, nothing };	/* for the printouts */

hidden byte w;			/* scratch, dead at the end of each step */
hidden byte phantoms;

inline wake_up(task)
{
	runnable[task] = true;
	is_blocked[task] = false;
	on_rq[task] = true;
}

#define need_more_worker	(len(worklist) > 0 && nr_running == 0)

inline kick_pool()
{
	if
	:: need_more_worker ->
		w = 0;
		do
		:: !idle[w] -> w++
		:: else -> break
		od;
		wake_up(w)
	:: else
	fi
}

inline queue_work(work)
{
	worklist!work;
	kick_pool()
}

/*
 * The owner cannot run here on behalf of the waiter: it sleeps, or is on
 * another CPU, as the assigning task always may be.
 */
#define owner_away	(owner == ASSIGN || (owner != NONE && !on_rq[owner]))

#ifndef PROXY
#define find_proxy_task_dequeues	false
#elif defined(SCHED_FIX)
#define find_proxy_task_dequeues	(is_blocked[me] && owner_away)
#else
#define find_proxy_task_dequeues	(blocked_on[me] && owner_away)
#endif

/* An interrupt may preempt the worker here, and the worker be picked again. */
inline preempt_point()
{
	if
	:: true
	:: atomic {
		find_proxy_task_dequeues ->
		printf("worker %d: preempted on its way to block on resampler_lock, ", me);
		printf("taken off the runqueue, pool still counts it as running\n");
#ifdef WITNESS
		witness = true;
		assert(!witness);
#endif
		on_rq[me] = false
	}
	fi
}

/* Pool and scheduler learn of a sleeper one after the other: here is the gap. */
inline schedule()
{
	preempt_point();
	if
	:: !runnable[me] ->		/* wq_worker_sleeping() */
		sleeping[me] = true;
		preempt_point();
		atomic {
			nr_running--;
			kick_pool()
		}
	:: else
	fi;
	atomic {			/* __schedule(), not preempted */
		if
		:: !runnable[me] ->
			is_blocked[me] = blocked_on[me];
			on_rq[me] = false
		:: else
		fi
	};
	atomic {			/* wq_worker_running() */
		if
		:: sleeping[me] ->
			nr_running++;
			sleeping[me] = false
		:: else
		fi
	}
}

/* A waiter that has been woken may find that another task was faster. */
inline mutex_lock()
{
	do
	:: atomic {
		owner == NONE ->
		owner = me;
		blocked_on[me] = false;
		runnable[me] = true;
		if
		:: waiters??[eval(me)] -> waiters??eval(me)
		:: !waiters??[eval(me)]
		fi;
		printf("worker %d: takes resampler_lock\n", me);
		break
	}
	:: atomic {
		owner != NONE ->
		if
		:: waiters??[eval(me)]
		:: !waiters??[eval(me)] -> waiters!me
		fi;
		blocked_on[me] = true;
		runnable[me] = false
	};
	schedule()
	od
}

inline mutex_unlock()
{
	atomic {
		owner = NONE;
		if
		:: waiters?<w> ->
			blocked_on[w] = false;
			wake_up(w)
		:: empty(waiters)
		fi
	}
}

inline request_gp(task)
{
	gp[task] = WANTED;
	if
	:: !gp_busy ->
		gp_busy = true;
		queue_work(PROCESS_SRCU)
	:: else
	fi
}

inline synchronize_srcu()
{
	atomic {
		request_gp(me);
		printf("worker %d: waits for a grace period, holds %e\n", me,
		       (owner == me -> resampler_lock : nothing))
	};
	do
	:: atomic { gp[me] != DONE -> runnable[me] = false };
	   schedule()
	:: gp[me] == DONE -> break
	od
}

inline irqfd_shutdown()
{
	synchronize_srcu();	/* wait for the irqfd's own assign to finish */
	mutex_lock();
#ifdef FIX_SHUTDOWN
	mutex_unlock();
	synchronize_srcu();
#else
	synchronize_srcu();
	mutex_unlock();
#endif
	todo--
}

/* Whoever fetches the work while it runs leaves it to the worker that runs it. */
inline shutdown_batches()
{
	atomic {
		queued = false;
		again = executing;
		executing = true;
		batch = (again -> 0 : inactive);
		inactive = inactive - batch
	};
	do
	:: batch > 0 ->
		synchronize_srcu();	/* for their assigns to finish */
		unlinked = 0;
		do
		:: unlinked < batch ->
			mutex_lock();
#ifdef FIX_SHUTDOWN
			mutex_unlock();
#else
			synchronize_srcu();
			mutex_unlock();
#endif
			unlinked++
		:: unlinked == batch -> break
		od;
#ifdef FIX_SHUTDOWN
		synchronize_srcu();
#endif
		atomic {
			todo = todo - batch;
			batch = 0;
			unlinked = 0;
			if
			:: again ->
				again = false;
				batch = inactive;
				inactive = 0
			:: else
			fi;
			executing = batch > 0
		}
	:: batch == 0 -> break
	od
}

/* A grace period serves those who asked before it began, others need the next. */
inline process_srcu()
{
	atomic {
		for (w : 0 .. N) {
			gp[w] = (gp[w] == WANTED -> STARTED : gp[w])
		}
	};
	atomic {
		gp_busy = false;
		for (w : 0 .. N) {
			gp[w] = (gp[w] == STARTED -> ENDED : gp[w]);
			gp_busy = gp_busy || gp[w] == WANTED
		};
		if
		:: gp_busy -> worklist!PROCESS_SRCU
		:: !gp_busy
		fi;
		if
		:: !cb_pending -> worklist!SRCU_CALLBACKS
		:: cb_pending
		fi;
		cb_pending = true;
		kick_pool()
	}
}

inline srcu_invoke_callbacks()
{
	atomic {
		cb_pending = false;
		for (w : 0 .. N) {
			if
			:: gp[w] == ENDED ->
				gp[w] = DONE;
				if
				:: w != ASSIGN -> wake_up(w)
				:: else
				fi
			:: else
			fi
		}
	}
}

#define keep_working	(len(worklist) > 0 && nr_running <= 1)

/* A task takes steps only while it is on the runqueue. */
active [N] proctype worker() provided (on_rq[_pid])
{
	byte work, batch, unlinked;

end_idle:
	do
	:: atomic { !need_more_worker -> on_rq[me] = false }
	:: atomic {
		need_more_worker ->
		idle[me] = false;
		nr_running++;
		worklist?work
	   };
next:	   if
#ifdef BATCH
	   :: work == SHUTDOWN -> shutdown_batches()
#else
	   :: work == SHUTDOWN -> irqfd_shutdown()
#endif
	   :: work == PROCESS_SRCU -> process_srcu()
	   :: work == SRCU_CALLBACKS -> srcu_invoke_callbacks()
	   fi;
	   if
	   :: atomic { keep_working -> worklist?work; goto next }
	   :: atomic {
		!keep_working ->
		work = 0;
		nr_running--;
		idle[me] = true;
		on_rq[me] = false
	      }
	   fi
	od
}

active proctype assign()
{
#ifndef NO_ASSIGN
	atomic {
		owner == NONE ->
		owner = ASSIGN;
		printf("assign: takes resampler_lock\n")
	};
#ifdef FIX_ASSIGN
	mutex_unlock();
#endif
	atomic {
		request_gp(ASSIGN);
		printf("assign: waits for a grace period, holds %e\n",
		       (owner == ASSIGN -> resampler_lock : nothing))
	};
	gp[ASSIGN] == DONE;
#ifndef FIX_ASSIGN
	mutex_unlock();
#endif
#endif
	todo--
}

/* The eventfds are closed, each queues its irqfd's shutdown. */
active proctype close()
{
	byte i;

	for (i : 1 .. K) {
		atomic {
			inactive++;
			if
			:: !queued ->
#ifdef BATCH
				queued = true;
#endif
				queue_work(SHUTDOWN)
			:: else
			fi
		}
	}
}

inline report_worker()
{
	printf("autopsy: worker %d: ", w);
	if
	:: idle[w] -> printf("idle, ")
	:: !idle[w] && gp[w] != DONE -> printf("in synchronize_srcu, ")
	:: !idle[w] && gp[w] == DONE -> printf("in mutex_lock, ")
	fi;
	printf("on_rq=%d blocked_on=%e sleeping=%d\n", on_rq[w],
	       (blocked_on[w] -> resampler_lock : nothing), sleeping[w])
}

inline report_pool()
{
	printf("autopsy: pool: nr_running=%d, pending:", nr_running);
	if
	:: worklist??[PROCESS_SRCU] -> printf(" process_srcu")
	:: !worklist??[PROCESS_SRCU]
	fi;
	if
	:: worklist??[SRCU_CALLBACKS] -> printf(" srcu_invoke_callbacks")
	:: !worklist??[SRCU_CALLBACKS]
	fi;
	printf("\n")
}

inline report_owner()
{
	if
	:: owner == ASSIGN -> printf("the assign")
	:: owner < ASSIGN -> printf("worker %d", owner)
	:: owner == NONE -> printf("nobody")
	fi
}

/* A phantom: blocked, yet it never reached schedule(). */
inline report_cycle()
{
	phantoms = 0;
	for (w : 0 .. N - 1) {
		if
		:: blocked_on[w] && !is_blocked[w] ->
			phantoms++;
			printf("autopsy: cycle: grace period -> pool, nr_running=%d -> worker %d -> resampler_lock -> ",
			       nr_running, w);
			report_owner();
			printf(" -> grace period\n")
		:: else
		fi
	}
}

inline report()
{
	printf("autopsy: nothing can run, %d of %d tasks are unfinished\n", todo, K + 1);
	for (w : 0 .. N - 1) {
		report_worker()
	};
	printf("autopsy: resampler_lock: held by ");
	report_owner();
	printf(", %d waiting\n", len(waiters));
	report_pool();
	report_cycle();
	/* There is no other way to hang: phantoms alone keep the pool busy. */
	assert(owner != NONE && len(worklist) > 0 &&
	       phantoms > 0 && nr_running == phantoms)
}

/* Runs when nothing else can: all is done, or nothing ever will be. */
active proctype autopsy()
{
end:	timeout;
	if
	:: todo == 0
	:: else ->
		atomic { report() };
		false			/* stay here: an invalid end state */
	fi
}

# SPDX-License-Identifier: GPL-2.0-only
"""
Dissect a hung guest from outside.  Run by lab/autopsy.sh, in the directory of
a run, as

    gdb -nx -batch -x autopsy.py vmlinux

with QEMU's gdb stub on the socket gdb.sock.  Nothing but the types and symbols
of vmlinux is relied on, the guest runs no code for it.  Writes a report,
autopsy, and the graph, graph.dot, and ends the guest.  Exit status 0 if there is
a closed cycle, 1 if not, 2 if the guest could not be looked at.
"""

import contextlib
import sys
import time

import gdb

PAUSE = 5           # seconds that the guest runs on between two looks at it
PF_WQ_WORKER = 0x20
STATES = {0: 'R', 1: 'S', 2: 'D', 0x402: 'I'}
INDENT = ' ' * 11


def address(expression):
    return int(gdb.parse_and_eval(expression).cast(gdb.lookup_type('unsigned long')))


def at(type_, addr):
    return gdb.Value(int(addr)).cast(gdb.lookup_type(type_).pointer()).dereference()


def where(value):
    """The address of what is in the guest's memory, or that a pointer has."""
    return int(value) if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR else int(value.address)


def signed(value):
    return int(value.cast(gdb.lookup_type('long')))


def symbol(addr):
    """The name of the function or variable at an address, with gdb's <+offset> cut."""
    text = gdb.execute('info symbol %#x' % int(addr), to_string=True)
    return '%#x' % int(addr) if text.startswith('No symbol') else text.split()[0].split('.')[0]


def entries(head, type_, member):
    """The objects on a list of struct list_head, by the member that links them."""
    offset = address('&((%s *)0)->%s' % (type_, member))
    start, link = where(head), head['next']
    for _ in range(10000):
        if int(link) == start:
            return
        yield at(type_, int(link) - offset)
        link = link.dereference()['next']
    raise gdb.GdbError('a list does not end')


def cpus():
    mask = int(gdb.parse_and_eval('__cpu_online_mask.bits[0]'))
    return [cpu for cpu in range(64) if mask >> cpu & 1]


def per_cpu(type_, addr, cpu):
    return at(type_, (addr + address('__per_cpu_offset[%d]' % cpu)) % 2 ** 64)


class Task:
    def __init__(self, task):
        self.task = task
        self.addr = where(task)
        self.pid = int(task['pid'])
        self.worker = None
        if int(task['flags']) & PF_WQ_WORKER:
            kthread = at('struct kthread', task['worker_private'])
            self.worker = at('struct worker', kthread['data'])

    def __str__(self):
        return '%s, pid %d' % (self.task['comm'].string(), self.pid)

    def blocked_on(self):
        return int(self.task['blocked_on'])

    def off_runqueue(self):
        """Not there, or only until the scheduler next sees it."""
        return not int(self.task['on_rq']) or bool(int(self.task['se']['sched_delayed']))

    def blocked(self):
        return int(self.task['__state']) != 0 and self.off_runqueue()

    def counts_as_running(self):
        """To the worker pool: neither marked as sleeping, nor not to be counted."""
        ignored = address('WORKER_NOT_RUNNING')
        return not int(self.worker['sleeping']) and not int(self.worker['flags']) & ignored

    def frames(self):
        """Functions on the kernel stack, by frame pointers, innermost first."""
        low = int(self.task['stack'])
        frame = at('struct inactive_task_frame', self.task['thread']['sp'])
        pc, bp = int(frame['ret_addr']), int(frame['bp'])
        names = [symbol(pc)]
        while low <= bp < low + 16384 and len(names) < 64:
            pc = address('((unsigned long *)%#x)[1]' % bp)
            bp = address('((unsigned long *)%#x)[0]' % bp)
            if pc:
                names.append(symbol(pc))
        return names

    def irqfd_function(self):
        return next((name for name in self.frames() if 'irqfd' in name), None)

    def describe(self, lock=0):
        """What the scheduler, and the workqueue code, know of the task."""
        task = self.task
        state = int(task['__state'])
        blocked_on = self.blocked_on()
        text = '__state %s (%#x), on_rq %d, se.sched_delayed %d, blocked_on %s' % (
            STATES.get(state, '?'), state, int(task['on_rq']), int(task['se']['sched_delayed']),
            'NULL' if not blocked_on else 'resampler_lock' if blocked_on == lock else '%#x' % blocked_on)
        if self.worker:
            text += '\n%sPF_WQ_WORKER, worker->sleeping %d, in %s()' % (
                INDENT, int(self.worker['sleeping']), symbol(self.worker['current_func']))
        return text


def all_tasks():
    for process in [gdb.parse_and_eval('init_task'),
                    *entries(gdb.parse_and_eval('init_task.tasks'), 'struct task_struct', 'tasks')]:
        for thread in entries(process['signal']['thread_head'], 'struct task_struct', 'thread_node'):
            yield Task(thread)


class Pool:
    """A worker pool of a CPU."""

    def __init__(self, pool, tasks):
        self.pool = pool
        self.addr = where(pool)
        self.nr_running = int(pool['nr_running'])
        self.nr_idle = int(pool['nr_idle'])
        self.pending = [(where(work), symbol(work['func']))
                        for work in entries(pool['worklist'], 'struct work_struct', 'entry')]
        workers = {where(worker) for worker in entries(pool['workers'], 'struct worker', 'node')}
        self.workers = [task for task in tasks if task.worker and where(task.worker) in workers]
        self.running = [task for task in self.workers if task.counts_as_running()]

    def __str__(self):
        return 'pool %d' % int(self.pool['id'])

    def in_function(self, name):
        return [task for task in self.workers
                if int(task.worker['current_func']) and symbol(task.worker['current_func']) == name]

    def report(self, lock):
        print('%s: CPU %d, nr_running %d, %d workers, %d idle' % (
            self, int(self.pool['cpu']), self.nr_running, int(self.pool['nr_workers']), self.nr_idle))
        names = [name for _, name in self.pending]
        print('  pending  ' + (', '.join('%d*%s' % (names.count(name), name) for name in sorted(set(names))) or 'nothing'))
        print('  irqfd_shutdown() is being executed by %d workers' % len(self.in_function('irqfd_shutdown')))
        print('  running to the pool are %d:' % len(self.running))
        for task in self.running:
            print('  %-8s %s: %s' % ('', task, task.describe(lock)))


class Srcu:
    """kvm->irq_srcu, and who waits for it."""

    def __init__(self, srcu):
        self.sup = srcu['srcu_sup'].dereference()
        sda = int(srcu['sda'])
        self.data = [per_cpu('struct srcu_data', sda, cpu) for cpu in cpus()]
        self.works = {where(self.sup['work']['work'])} | {where(data['work']) for data in self.data}
        self.sleepers = set(self.find_sleepers())

    def find_sleepers(self):
        """Tasks that a callback will wake at the end of a grace period."""
        for data in self.data:
            head = data['srcu_cblist']['head']
            while int(head):
                if symbol(head['func']) == 'wakeme_after_rcu':
                    waiting = at('struct rcu_synchronize', head)['completion']['wait']['task_list']
                    for entry in entries(waiting, 'struct swait_queue', 'task_list'):
                        yield int(entry['task'])
                head = head['next'].cast(head.type)

    def sequence(self):
        """As signed numbers: SRCU's begin at -400, and count grace periods by fours."""
        return 'srcu_gp_seq %d (state %d), needed %d, needed_exp %d' % (
            signed(self.sup['srcu_gp_seq']), int(self.sup['srcu_gp_seq']) & 3,
            signed(self.sup['srcu_gp_seq_needed']), signed(self.sup['srcu_gp_seq_needed_exp']))

    def report(self, pools):
        print('  irq_srcu %s' % self.sequence())
        for pool in pools:
            for addr, name in pool.pending:
                if addr in self.works:
                    print('  %-8s %s() is pending in %s' % ('', name, pool))
        for data in self.data:
            print('  %-8s CPU %d: %d callbacks, srcu_gp_seq_needed %d' % (
                '', int(data['cpu']), int(data['srcu_cblist']['len']), signed(data['srcu_gp_seq_needed'])))


class Vm:
    def __init__(self, kvm, tasks):
        lock = kvm['irqfds']['resampler_lock']
        owner = int(lock['owner']['counter']) % 2 ** 64 & ~7
        self.lock = where(lock)
        self.holder = next((task for task in tasks if task.addr == owner), None)
        waiters = [int(waiter['task']) for waiter in
                   entries(lock['wait_list'], 'struct mutex_waiter', 'list')]
        self.waiters = [task for task in tasks if task.addr in waiters]
        self.srcu = Srcu(kvm['irq_srcu'])

    def path(self):
        """The function in which the holder waits for a grace period, if it does."""
        waits = '__synchronize_srcu' in self.holder.frames() and self.holder.addr in self.srcu.sleepers
        return self.holder.irqfd_function() if waits else None

    def report(self, pools):
        print('resampler_lock of the VM at %#x' % self.lock)
        if not self.holder:
            print('  holder   none')
        else:
            print('  holder   %s: %s' % (self.holder, self.holder.describe(self.lock)))
            print('%s%s' % (INDENT, ' <- '.join(name for name in self.holder.frames()
                                                if name not in ('__schedule', 'schedule', 'ret_from_fork_asm'))))
            print('%s%s' % (INDENT, 'a callback of irq_srcu will wake it' if self.holder.addr in self.srcu.sleepers
                            else 'no callback of irq_srcu will wake it'))
        assign = [task for task in self.waiters if not task.worker]
        print('  waiters  %d, %d of them workers%s' % (
            len(self.waiters), len(self.waiters) - len(assign),
            ''.join('; %s in %s()' % (task, task.irqfd_function()) for task in assign)))
        self.srcu.report(pools)


class Guest:
    """One look at the guest."""

    def __init__(self):
        self.jiffies = int(gdb.parse_and_eval('jiffies_64'))
        self.tasks = list(all_tasks())
        pools = address('&cpu_worker_pools')
        size = gdb.lookup_type('struct worker_pool').sizeof
        self.pools = [Pool(per_cpu('struct worker_pool', pools + nr * size, cpu), self.tasks)
                      for cpu in cpus() for nr in range(2)]
        self.vms = [Vm(kvm, self.tasks) for kvm in entries(gdb.parse_and_eval('vm_list'), 'struct kvm', 'vm_list')]

    def cycle(self):
        """(pool, phantom, vm, work) if there is one, else why there is none."""
        why = 'no worker that is blocked on resampler_lock counts as running'
        for pool in self.pools:
            for phantom in pool.running:
                for vm in self.vms:
                    if phantom.blocked_on() != vm.lock or not phantom.blocked():
                        continue
                    works = [name for addr, name in pool.pending if addr in vm.srcu.works]
                    if any(not task.blocked() for task in pool.running) or len(pool.running) != pool.nr_running:
                        why = '%s has a worker that does run' % pool
                    elif not vm.holder or not vm.path():
                        why = 'the holder of resampler_lock does not wait for a grace period'
                    elif not works:
                        why = 'no work of the grace period is pending in %s' % pool
                    else:
                        return pool, phantom, vm, works[0]
        return why

    def report(self):
        for vm in self.vms:
            vm.report(self.pools)
        for pool in self.pools:
            if pool.pending or pool.running:
                pool.report(next((vm.lock for vm in self.vms for task in pool.running
                                  if task.blocked_on() == vm.lock), 0))


def graph(pool, phantom, vm, work):
    """The cycle as text, and with the other waiters, too, as graph.dot."""
    names = ['%s (phantom)' % phantom, 'resampler_lock', '%s, in %s()' % (vm.holder, vm.path()),
             'irq_srcu grace period', '%s()' % work, '%s, %d idle workers' % (pool, pool.nr_idle)]
    edges = ['waits for', 'is held by', 'waits for', 'needs', 'is pending in', 'counts as running, and waits for']
    width = max(map(len, names))
    print('Wait-for graph:')
    for i, edge in enumerate(edges):
        print('  %-*s  --%s--> %s' % (width, names[i], edge, names[(i + 1) % len(names)]))
    print('  and %d more tasks wait for resampler_lock' % (len(vm.waiters) - 1))
    with open('graph.dot', 'w') as dot:
        print('digraph hang {\n\tnode [shape=box fontname="sans-serif"];\n\tedge [fontname="sans-serif"];', file=dot)
        for i, edge in enumerate(edges):
            print('\tn%d [label="%s"];\n\tn%d -> n%d [label="%s" color=red];' % (
                i, names[i], i, (i + 1) % len(names), edge), file=dot)
        others = [str(task) for task in vm.waiters if task.addr != phantom.addr]
        if others:
            print('\tothers [label="%s"];\n\tothers -> n1 [label="wait for"];' % '\\n'.join(others), file=dot)
        print('}', file=dot)


def attach():
    gdb.execute('target remote gdb.sock', to_string=True)


def autopsy():
    attach()
    first = Guest()
    first.report()
    cycle = first.cycle()
    if isinstance(cycle, str):
        print('No closed cycle: %s.' % cycle)
        return 1

    pool, phantom, vm, work = cycle
    before = vm.srcu.sequence()
    gdb.execute('detach', to_string=True)
    time.sleep(PAUSE)
    attach()
    second = Guest()
    again = second.cycle()
    print('%d jiffies later: %s' % (second.jiffies - first.jiffies, ', '.join(
        v.srcu.sequence() for v in second.vms if v.lock == vm.lock) or 'the VM is gone'))
    if isinstance(again, str) or again[1].addr != phantom.addr or again[2].srcu.sequence() != before:
        print('No closed cycle: there was progress.')
        return 1
    graph(pool, phantom, vm, work)
    print('The cycle is closed.')
    return 0


status = 2
try:
    # gdb has things to say on its own stdout.
    with open('autopsy', 'w') as report, contextlib.redirect_stdout(report):
        status = autopsy()
except Exception as error:  # whatever it is, it's not that there is no cycle
    print('lab: %s: %s' % (type(error).__name__, str(error).split('\n')[0]), file=sys.stderr)
try:
    gdb.execute('kill', to_string=True)
except gdb.error:
    pass
gdb.execute('quit %d' % status)

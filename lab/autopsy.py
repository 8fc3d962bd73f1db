# SPDX-License-Identifier: GPL-2.0-only
"""
Dissect a hung guest from outside.  Run by lab/autopsy.sh, in the directory of
a run, as

    PYTHONPATH=lab gdb -nx -batch -x autopsy.py vmlinux

with QEMU's gdb stub on the socket gdb.sock.  Nothing but the types and symbols
of vmlinux is relied on, the guest runs no code for it.  Writes a report,
autopsy, and the graph, graph.dot, and ends the guest.  Exit status 0 if there is
a closed cycle, 1 if not, 2 if the guest could not be looked at.
"""

import contextlib
import sys
import time

import gdb

from tasks import INDENT, address, all_tasks, at, cpus, entries, per_cpu, signed, symbol, where

PAUSE = 5           # seconds that the guest runs on between two looks at it


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

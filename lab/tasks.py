# SPDX-License-Identifier: GPL-2.0-only
"""
A guest's tasks, and its memory, by gdb, for lab/autopsy.py.  Nothing but the types
and symbols of vmlinux is relied on, the guest runs no code for it.
"""

import gdb

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

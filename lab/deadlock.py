# SPDX-License-Identifier: GPL-2.0-only
"""What a console shows of the deadlock.

A kernel says what its tasks do when it is asked to (sysrq-w, sysrq-t), when some
of them hang, and when a workqueue does.  That is a deadlock in which

 - a task waits for a grace period below a function of irqfds, another for a mutex,
 - which the kernel says the first owns: waiting in such a function is not wrong
   by itself, and is what a kernel with the series does,
 - both are found so twice, and are not seen otherwise in between,
 - while work that ends grace periods is pending.
"""

import re
from dataclasses import dataclass, field

STAMP = re.compile(r'(?:<\d+>)?\[ *(\d+\.\d+)\](?:\[ *([TC]\d+)\])? ?(.*)')
SYSRQ = re.compile(r'sysrq: Show (Blocked )?State')
HUNG = re.compile(r'INFO: task .*:(\d+) blocked.* for more than ')
OWNER = re.compile(r'INFO: task .*:(\d+) is blocked on a mutex likely owned by task .*:(\d+)\.')
TASK = re.compile(r'(?:^|.* )task:(.*?) +state:.*? pid: *(\d+)')
TASK_CUT = re.compile(r'(?:^|.* )task:.* state:')
# A frame that is marked with a `?` is a leftover.
FRAME = re.compile(r' *([A-Za-z_]\w*)(?:\.[\w.]+)?\+0x')
# What puts a task aside that would have gone on; with `__mutex_lock` below, one on its way to sleep.
PREEMPTED = re.compile(r'preempt_schedule(?:_irq|_notrace)?')
KVM = re.compile(r'irqfd_resampler_(shutdown|unlink)|kvm_irqfd_assign|kvm_irqfd|irqfd_test_phantom_fn')
PENDING = re.compile(r' *pending:(.*(?:process_srcu|srcu_invoke_callbacks).*)')


@dataclass
class Task:
    pid: int
    name: str
    waits: str = ''         # for a `grace period` or the `lock`
    function: str = ''      # KVM's, in which it does
    traces: int = 0
    preempted: bool = False

    def frame(self, function: str) -> None:
        if not self.waits and PREEMPTED.fullmatch(function):
            self.preempted = True
        if self.waits and not self.function and KVM.fullmatch(function):
            self.function = function
        elif not self.waits:
            self.waits = {'__synchronize_srcu': 'grace period', '__mutex_lock': 'lock'}.get(function, '')

    def is_stuck(self, waits: str) -> bool:
        return bool(self.function) and self.waits == waits


@dataclass
class Dump:
    kind: str
    when: str
    tasks: dict[int, list[Task]] = field(default_factory=dict)     # each as often as it is shown
    hung: set[int] = field(default_factory=set)
    owners: dict[tuple[int, int], str] = field(default_factory=dict)
    workqueues: bool = False
    pending: str = ''
    in_flight: str = ''
    pool: str = ''

    def stuck(self, pid: int, waits: str) -> Task | None:
        return next((task for task in self.tasks.get(pid, []) if task.is_stuck(waits)), None)

    def waiters(self) -> list[Task]:
        return [task for pid in self.tasks if (task := self.stuck(pid, 'lock'))]


def split_callers(console: str) -> list[tuple[str, str, str]]:
    """(time, caller, text) of each line; CONFIG_PRINTK_CALLER has the kernel say who printed it."""
    return [(m[1], m[2] or '', m[3]) if (m := STAMP.match(line)) else ('?', '', line) for line in console.splitlines()]


def split(console: str) -> list[tuple[str, str]]:
    return [(time, text) for time, _, text in split_callers(console)]


def begins(line: str, dump: Dump | None) -> str:
    """What kind of dump begins here, if any does."""
    if m := SYSRQ.match(line):
        return 'sysrq-w' if m[1] else 'sysrq-t'
    if m := HUNG.match(line):
        # A round of the detector ends where it names a task again, and can come amid another dump.
        goes_on = dump and (dump.kind == 'hung tasks' or dump.kind == 'sysrq-t' and not dump.workqueues)
        return '' if goes_on and int(m[1]) not in dump.hung else 'hung tasks'
    if line.startswith('Showing busy workqueues'):
        return '' if dump and dump.kind == 'sysrq-t' and not dump.workqueues else 'workqueues'
    return ''


def note(dump: Dump, line: str) -> None:
    """What is not a task."""
    if m := HUNG.match(line):
        dump.hung.add(int(m[1]))
    elif m := OWNER.match(line):
        dump.owners[int(m[1]), int(m[2])] = line
    elif line.startswith('Showing busy workqueues'):
        dump.workqueues = True
    elif m := PENDING.match(line):
        dump.pending = m[1].strip()
    elif re.match(r' *in-flight:.*irqfd_shutdown', line):
        dump.in_flight = line.strip()
    elif re.match(r' *pool \d+: .*hung=[1-9].*idle:', line):
        dump.pool = line.strip()


def dumps(lines: list[tuple[str, str, str]]) -> list[Dump]:
    """In the order of their beginnings.  Two that print at once are told apart by their callers."""
    found: list[Dump] = []
    dump_of: dict[str, Dump] = {}
    task_of: dict[str, Task | None] = {}
    cut: dict[str, str] = {}
    for when, caller, line in lines:
        if kind := begins(line, dump_of.get(caller)):
            dump_of[caller] = Dump(kind, when)
            found.append(dump_of[caller])
            task_of[caller] = None
        if caller not in dump_of:
            continue
        dump, task = dump_of[caller], task_of[caller]
        note(dump, line)
        # The kernel prints a task in two parts, and another's line between them makes two lines.
        if caller and line.startswith(' stack:'):
            line = cut.pop(caller, '') + line
        if m := TASK.match(line):
            task_of[caller] = task = Task(int(m[2]), m[1])
            dump.tasks.setdefault(task.pid, []).append(task)
        elif TASK_CUT.match(line):
            task_of[caller] = None
            cut[caller] = line
        elif task and line.strip().lower() == 'call trace:':
            task.traces += 1
        elif line.strip() == '</TASK>':
            task_of[caller] = None
        elif task and task.traces == 1 and (m := FRAME.match(line)):
            task.frame(m[1])
    return found


def both_stuck(dump: Dump, waiter: int, owner: int) -> bool | None:
    """As in a deadlock; None if the dump does not say."""
    seen = [pid for pid in (waiter, owner) if pid in dump.tasks]
    if any(not dump.stuck(pid, 'lock' if pid == waiter else 'grace period') for pid in seen):
        return False
    if len(seen) == 2:
        return True
    # Only sysrq-t shows all tasks.
    return False if dump.kind == 'sysrq-t' else None


def shorten(text: str) -> str:
    return text if len(text) <= 240 else text[:240].rsplit(' ', 1)[0] + ' ...'


def describe(run: list[Dump], work: Dump, owner: int, quotes: dict[tuple[int, int], str]) -> list[str]:
    most = max(run, key=lambda dump: len(dump.tasks))
    holder, waiters = most.stuck(owner, 'grace period'), most.waiters()
    assert holder
    lines = [f'waits for a grace period inside {holder.function}(): {holder.name}, pid {holder.pid}']
    lines += [text for (_, by), text in quotes.items() if by == owner][:3]
    lines.append(f'wait for the lock: {len(waiters)} tasks, such as {waiters[0].name}, pid {waiters[0].pid}, '
                 f'in {waiters[0].function}()')
    lines += [f'was preempted on its way to sleep, and waits for the lock: {task.name}, pid {task.pid}'
              for task in waiters if task.preempted]
    lines.append('both found so: ' + ', '.join(f'{dump.kind} at {dump.when[:-5] or "?"} s' for dump in run[:4])
                 + (', ...' if len(run) > 4 else ''))
    lines.append(f'pending work: {work.pending}')
    if work.in_flight:
        lines.append(shorten('irqfd workers ' + work.in_flight))
    lines.append(shorten('the pool, with idle workers that nobody wakes: ' + (work.pool or 'not shown')))
    return lines


def cycle_of(found: list[Dump], waiter: int, owner: int) -> list[str]:
    run: list[Dump] = []
    quotes: dict[tuple[int, int], str] = {}
    work = candidate = None
    lines: list[str] = []
    for dump in found:
        state = both_stuck(dump, waiter, owner)
        if state is False:
            if lines:
                break
            run, quotes, work, candidate = [], {}, None, None
            continue
        quotes.update(dump.owners)
        # Work that is pending says something if both are stuck before and after.
        if dump.pending and (state or run):
            candidate = dump
        if state:
            run.append(dump)
            work = candidate or work
        if len(run) >= 2 and work and (waiter, owner) in quotes:
            lines = describe(run, work, owner, quotes)
    return lines


def cycle(console: str) -> list[str]:
    """The deadlock's evidence, or nothing if a part of it is missing."""
    found = dumps(split_callers(console))
    for pair in dict.fromkeys(pair for dump in found for pair in dump.owners):
        if lines := cycle_of(found, *pair):
            return lines
    return []

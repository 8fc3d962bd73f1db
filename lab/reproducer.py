# SPDX-License-Identifier: GPL-2.0-only
"""Steps of irqfd_fuzz_test, FUZZER.OPERATION.SLOT.GSI.RANDOM, as programs in C, and of syzkaller's."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

TEMPLATE = Path(__file__).with_suffix('.c')
ROUNDS = 3000
# What a function of lab/reproducer.c is told of a step, and in which states it makes sense to take it:
# see irqfd_fuzz_test's can() and state_after().
CALLS = {
    'assign': 'do_assign({slot}, {gsi}, 0, {random}u + round)',
    'assign-resampling': 'do_assign({slot}, {gsi}, 1, {random}u + round)',
    'assign-again': 'do_assign_again({slot}, {random}u + round)',
    'replace': 'do_replace({slot}, {random}u + round)',
    'replace-masked': 'do_replace_masked({slot}, {random}u + round)',
    'reroute': 'do_reroute({slot}, {random}u + round)',
    'deassign': 'do_deassign({slot})',
    'close': 'do_close({slot})',
    'signal': 'do_signal({slot})',
    'check': 'do_check({slot})',
    'dup': 'do_dup({slot})',
    'pass': 'do_pass({slot}, 0)',
    'lose': 'do_pass({slot}, 1)',
    'route': 'route_without(0)',
    'irqchip': 'do_irqchip()',
    'fork': 'do_fork({random}u + round)',
    'other-vm': 'do_other_vm({random}u + round)',
    'killed-vm': 'do_killed_vm({random}u + round)',
    'exhaust': 'do_exhaust()',
}
AFTER = {'assign': 'plain', 'assign-resampling': 'resampling', 'replace': 'resampling', 'replace-masked': 'resampling',
         'reroute': 'resampling', 'deassign': 'deassigned', 'close': 'free', 'lose': 'free'}
ASSIGNED = ('plain', 'resampling')
STATES = {'assign': ('free', 'deassigned'), 'assign-resampling': ('free', 'deassigned'), 'assign-again': ASSIGNED,
          'replace': ASSIGNED, 'replace-masked': ASSIGNED, 'reroute': ASSIGNED, 'deassign': ASSIGNED,
          'check': ('resampling',)} | dict.fromkeys(('close', 'signal', 'dup', 'pass', 'lose'), ASSIGNED + ('deassigned',))


class Step(NamedTuple):
    fuzzer: int
    operation: str
    slot: int
    gsi: int
    random: int


def possible(texts: list[str]) -> list[Step]:
    """Those of the steps that irqfd_fuzz_test would not leave out, with the GSIs that their slots have."""
    taken = []
    states: dict[tuple[int, int], tuple[str, int]] = defaultdict(lambda: ('free', 0))
    for text in texts:
        fuzzer, operation, *numbers = text.split('.')
        step = Step(int(fuzzer), operation, *map(int, numbers))
        state, gsi = states[step.fuzzer, step.slot]
        own = operation not in ('replace-masked', 'reroute') or gsi == 16 + step.fuzzer
        if state in STATES.get(operation, (state,)) and own:
            gsi = step.gsi if operation.startswith('assign') and state not in ASSIGNED else gsi
            states[step.fuzzer, step.slot] = AFTER.get(operation, state), gsi
            taken.append(step._replace(gsi=gsi))
    return taken


def by_fuzzer(texts: list[str]) -> dict[int, list[Step]]:
    steps = defaultdict(list)
    for step in possible(texts):
        steps[step.fuzzer].append(step)
    return dict(sorted(steps.items()))


def c_program(texts: list[str], title: str) -> str:
    functions, names = [], []
    for fuzzer, steps in by_fuzzer(texts).items():
        names.append(f'thread{fuzzer}')
        calls = ''.join(f'\t{CALLS[step.operation].format(**step._asdict())};\n' for step in steps)
        functions.append(f'static void {names[-1]}(void)\n{{\n{calls}}}\n')
    source = TEMPLATE.read_text()
    for mark, text in (('@TITLE@', title), ('@ROUNDS@', str(ROUNDS)), ('@STEPS@', '\n'.join(functions)),
                       ('@THREADS@', ', '.join(names))):
        source = source.replace(mark, text)
    return source


class Syz:
    """A program of syzkaller's, a call a line; a resource is known by its number."""

    def __init__(self) -> None:
        self.lines = ["r0 = openat$kvm(0, &AUTO='/dev/kvm\\x00', 0x0, 0x0)", 'r1 = ioctl$KVM_CREATE_VM(r0, AUTO, 0x0)',
                      'ioctl$KVM_CREATE_IRQCHIP(r1, AUTO)']
        self.resources = 2
        self.slots: dict[tuple[int, int], tuple[str, str]] = {}

    def new(self, call: str) -> str:
        name = f'r{self.resources}'
        self.resources += 1
        self.lines.append(f'{name} = {call}')
        return name

    def irqfd(self, vm: str, fd: str, gsi: int, flags: int, resamplefd: str) -> None:
        self.lines.append(f'ioctl$KVM_IRQFD({vm}, AUTO, &AUTO={{{fd}, {gsi:#x}, {flags:#x}, {resamplefd}, "{"0" * 32}"}})')

    def assign(self, step: Step, resampling: bool) -> None:
        fd, resamplefd = self.new('eventfd2(0x0, 0x0)'), self.new('eventfd2(0x0, 0x0)')
        self.irqfd('r1', fd, step.gsi, 2 if resampling else 0, resamplefd if resampling else '0xffffffffffffffff')
        self.slots[step.fuzzer, step.slot] = fd, resamplefd

    def free(self, step: Step) -> None:
        # Closed by another thread, as others' steps go on meanwhile.
        for fd in self.slots.pop((step.fuzzer, step.slot), ()):
            self.lines.append(f'close({fd}) (async)')

    def signal(self, step: Step) -> None:
        self.lines.append(f'write$eventfd({self.slots[step.fuzzer, step.slot][0]}, &AUTO=0x1, 0x8) (async)')

    def take(self, step: Step) -> None:
        fd, resamplefd = self.slots.get((step.fuzzer, step.slot), ('', ''))
        match step.operation:
            case 'assign' | 'assign-resampling':
                self.free(step)
                self.assign(step, step.operation == 'assign-resampling')
            case 'assign-again':
                self.irqfd('r1', fd, step.gsi, 0, '0xffffffffffffffff')
            case 'replace' | 'replace-masked' | 'reroute':
                self.free(step)
                self.assign(step, True)
                self.signal(step)
            case 'deassign':
                self.irqfd('r1', fd, step.gsi, 1, '0xffffffffffffffff')
            case 'close' | 'lose':
                self.free(step)
            case 'signal' | 'check':
                self.signal(step)
            case 'dup':
                self.slots[step.fuzzer, step.slot] = self.new(f'dup({fd})'), resamplefd
                self.lines.append(f'close({fd})')
            case 'other-vm' | 'killed-vm':
                vm, other = self.new('ioctl$KVM_CREATE_VM(r0, AUTO, 0x0)'), self.new('eventfd2(0x0, 0x0)')
                self.lines.append(f'ioctl$KVM_CREATE_IRQCHIP({vm}, AUTO)')
                self.irqfd(vm, other, 16, 2, other)
                self.lines.append(f'close({vm}) (async)')
            case _:
                self.lines.append(f'# {step.operation}')


def syz_program(texts: list[str]) -> str:
    """The steps of all fuzzers one after another, what ends an irqfd beside the others.  There is no vCPU, so that
    nothing is acknowledged."""
    program = Syz()
    for step in possible(texts):
        program.take(step)
    return '\n'.join(['# requires: arch=amd64 -threaded', *program.lines, 'close(r1)']) + '\n'

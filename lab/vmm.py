#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/vmm.py [--seeds N|FROM-TO] [--jobs N] [--mutants "NAME..."] [SCENARIO...]

Boot guests that run QEMU with disks whose interrupts are resampling irqfds (default:
stock-vmm patched-vmm), in N schedules each (lab/explore.py; default 5), and say
what it did until then, case by case (lab/vmm/vmm.c): a table of boots, unplugged devices, killed
VMMs, interrupts, bytes read and written, and in how many runs the case was ok.

With --mutants, the last scenario's kernel is booted with the series broken in each of
these ways (of mutants/), too, to see whether a driver notices; whether it does has no part in
the exit status.

What was booted already is not booted again.  Exit status 0 if the verdicts are as
expected, 1 if not, 2 if a boot was not possible, 130 after Ctrl-C.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from boots import PROCESSORS, Arguments, count, patch, run_script
from explore import SEEDS, explore, is_as_expected, prepare
from record import read
from runs import columns

COUNTED = ('boots', 'plugs', 'kills', 'interrupts', 'bytes')
DONE = re.compile(r'^# done: (.*): ' + ', '.join(rf'(\d+) {what}' for what in COUNTED) + r'\n(not )?ok .*?( # SKIP.*)?$', re.M)


def cases(exploration: Path) -> Iterator[tuple[str, Counter[str]]]:
    """What vmm says of each, in each run."""
    for results in sorted(exploration.glob('seed-*/results')):
        for name, *counts, failed, skipped in DONE.findall(read(results)):
            result = 'not ok' if failed else 'skipped' if skipped else 'ok'
            yield name, Counter({result: 1}) + Counter(dict(zip(COUNTED, map(int, counts))))


def rows(exploration: Path) -> list[list[str]]:
    found: dict[str, Counter[str]] = {}
    for name, counts in cases(exploration):
        found.setdefault(name, Counter()).update(counts)
    title = read(exploration / 'title').strip()
    return [[title, name, *(f'{counts[what]}' for what in COUNTED),
             ', '.join(f'{counts[result]} {result}' for result in ('ok', 'skipped', 'not ok') if counts[result])]
            for name, counts in found.items()]


def main(argv: list[str]) -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument('--seeds', type=SEEDS, default='5')
    arguments.add_argument('--jobs', type=count('--jobs'), default=PROCESSORS)
    arguments.add_argument('--mutants', type=lambda names: [patch('--mutants')(name) for name in names.split()], default='')
    arguments.add_argument('scenarios', nargs='*')
    options = arguments.parse_args(argv)
    scenarios = options.scenarios or ['stock-vmm', 'patched-vmm']
    booted = []
    for scenario, mutant in [(name, None) for name in scenarios] + [(scenarios[-1], mutant) for mutant in options.mutants]:
        booted.append(prepare(scenario, mutant=mutant))
        explore(booted[-1], options.seeds, options.jobs)
    print(columns([['kernel', 'case', *COUNTED, 'result'], *(row for exploration in booted for row in rows(exploration))]))
    return 0 if all(is_as_expected(exploration, False) for exploration in booted[:len(scenarios)]) else 1


if __name__ == '__main__':
    run_script(main)

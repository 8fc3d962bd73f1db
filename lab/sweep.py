#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/sweep.py [--times N] [--seconds S] [CELL...]

How often, and how soon, do stock kernels with proxy execution hang?  Boot each
cell in N schedules (default 5), by lab/explore.py, run irqfd_resampler_test's first subtest for
at most S seconds (default 20), stop at the first hang, and print a table of explore.py's rows.

A CELL is BASE,CPUS,storm or BASE,CPUS,quiet; `storm` has a SCHED_FIFO thread on
each CPU wake every 50 us.  BASE alone is its four cells with 1 and 2 CPUs.
Default: the bases of lab/bases from 6.17 on, which brought proxy execution.

A hang is a verdict of DEADLOCK, see lab/judge.py.  CONFIGS="NAME..." in the environment
replaces the fragments, `guest watchdogs proxy`; REALTIME=1 has N boots by the host's clock instead.

Exit status 0 if there are no other verdicts than that and PASS, 1 if there are, 2 if a base
could not be had, 130 after Ctrl-C.  What was booted before is not booted again, see lab/explore.py.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import explore
from boots import CACHE, LAB, PROCESSORS, Arguments, Unusable, complain, count, names, run_script, write_scenario
from tally import table

CONFIGS = os.environ.get('CONFIGS') or 'guest watchdogs proxy'
FIRST = (6, 17)
REALTIME = bool(os.environ.get('REALTIME'))
KINDS = {'storm': '', 'quiet': ' -p 0'}


class Cell(NamedTuple):
    base: str
    cpus: str
    kind: str


def release(base: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r'\d+', base)))


def cells(words: list[str]) -> list[Cell]:
    bases = sorted((base.name for base in (LAB / 'bases').iterdir() if release(base.name) >= FIRST), key=release)
    found = []
    for word in words or bases:
        base, *rest = word.split(',')
        if not (LAB / 'bases' / base).is_file():
            raise Unusable(f"unknown base '{base}' (one of: {names(LAB / 'bases')})")
        if not rest:
            found += [Cell(base, cpus, kind) for cpus in '12' for kind in KINDS]
        elif re.fullmatch('[1-9],(storm|quiet)', ','.join(rest)):
            found.append(Cell(base, *rest))
        else:
            raise Unusable(f"what is the cell '{word}'? (lab/sweep.py --help)")
    return found


def scenario(cell: Cell, seconds: int, scenarios: Path) -> Path:
    return write_scenario(scenarios / ','.join(cell), {
        'TITLE': f'{cell.cpus} CPUs, {cell.kind}', 'BASE': cell.base, 'SERIES': 'none', 'CONFIGS': CONFIGS, 'CPUS': cell.cpus,
        'APPEND': 'sysctl.kernel.hung_task_timeout_secs=8 sysctl.kernel.hung_task_check_interval_secs=1',
        'JOB': f"irqfd_resampler_test -t 'distinct GSIs, teardown by closing eventfds' -s {seconds}{KINDS[cell.kind]}",
        'EXPECT': 'DEADLOCK', 'TIMEOUT': str(seconds + 100)})


def main(argv: list[str]) -> int:
    arguments = Arguments(__doc__ or '')
    arguments.add_argument('--times', type=count('--times'), default=5)
    arguments.add_argument('--seconds', type=count('--seconds'), default=20)
    arguments.add_argument('cells', nargs='*')
    options = arguments.parse_args(argv)
    wanted = cells(options.cells)
    CACHE.mkdir(parents=True, exist_ok=True)
    status = 0
    done: list[Path] = []
    with tempfile.TemporaryDirectory(dir=CACHE) as scenarios:
        try:
            for cell in wanted:
                try:
                    exploration = explore.prepare(str(scenario(cell, options.seconds, Path(scenarios))))
                    explore.explore(exploration, range(1, options.times + 1), PROCESSORS, REALTIME)
                except Unusable as error:
                    # What could not be had does not keep the others from it.
                    complain(error)
                    status = 2
                    continue
                done.append(exploration)
                if explore.verdicts(exploration, REALTIME) - {'DEADLOCK', 'PASS'}:
                    status = status or 1
        finally:
            # Whatever the end is, what there is.
            if done:
                print(table(done, explore.kind(REALTIME)))
    return status


if __name__ == '__main__':
    run_script(main)

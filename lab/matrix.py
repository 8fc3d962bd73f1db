#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/matrix.py [--file FILE] [--jobs N] [--plan|--table] [WORD...]

Boot the kernels of FILE (default: lab/matrix.toml), each base x architecture x
configuration x kernel, stock and with series, N cells at a time (default: as many as
there are processors), and print a table of the verdicts, with the reason for what
can't be, in runs/matrix/table, too.  Progress says how long it will take, from how long earlier
cells took.

A WORD chooses: it is a base, an architecture, a configuration, a kernel, or several with
commas in between, such as a cell of the table: `7.3.y kcsan`, `6.18.y,x86_64,proxy,stock`.
With TREE=DIR in the environment, kernels come from that tree, which is the only base
then; with SERIES=SPEC, patched ones have that, see lab/run.py.  REALTIME=1 is for all
of them to run by the host's clock.

Only what has changed is built and booted again, so that what was interrupted goes on:
a cell is an exploration with one boot, see lab/explore.py, in runs/matrix, and
runs/matrix/cells/CELL leads to its last run, one like any other.

--plan   print the chosen cells, and do nothing else
--table  print the table of what was run already

Exit status 0 if each verdict is what FILE expects, 1 if not, 2 if a cell could not be
run, 130 after Ctrl-C.
"""

import fcntl
import itertools
import json
import os
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import explore
from boots import LAB, PROCESSORS, RUNS, Arguments, BuildError, Unusable, at_once, complain, count, run_script, say, shown
from cells import AXES, Cell, is_due, plan
from runs import columns, load_one

# What came of it

def planned(top: Path) -> dict[str, Any]:
    try:
        return json.loads((top / 'plan.json').read_text())
    except FileNotFoundError as error:
        raise Unusable(f'nothing is planned in {top} (make matrix)') from error


def add_results(top: Path, cells: list[Cell]) -> list[Cell]:
    """To each cell its run, if there is one, and whether that is good."""
    for cell in cells:
        path = top / 'cells' / cell['name']
        run = load_one(path) if path.exists() and not cell['impossible'] else None
        cell.update(run=run, good=bool(run) and run['verdict'] == cell['scenario']['expect'])
    return cells


def duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f'{round(seconds)} s' if seconds < 90 else f'{minutes} min' if minutes < 60 else f'{minutes // 60} h {minutes % 60:02} min'


def estimate(cells: list[Cell], times: dict[str, float]) -> float | None:
    """Of a cell that was never run: as long as others of its configuration, or as all, take."""
    known: dict[str, list[float]] = {}
    for name, seconds in times.items():
        known.setdefault(name.split(',')[AXES.index('configuration')], []).append(seconds)
    every = list(times.values())
    if not every:
        return None
    return sum(times.get(cell['name']) or statistics.median(known.get(cell['configuration'], every)) for cell in cells)


def done_of(top: Path) -> set[str]:
    """What the last `make matrix` has seen to."""
    return set((top / 'done').read_text().split()) if (top / 'done').exists() else set()


def left(top: Path, jobs: int) -> str:
    """How many of the chosen cells are done, and, from earlier times, how long the others will take at most."""
    due = [cell for cell in planned(top)['cells'] if is_due(cell)]
    done = done_of(top) & {cell['name'] for cell in due}
    lines = (top / 'times').read_text().splitlines() if (top / 'times').exists() else []
    seconds = estimate([cell for cell in due if cell['name'] not in done], {name: float(took) for name, took in map(str.split, lines)})
    said = f'{len(done)} of {len(due)} cells done'
    return said if seconds is None or len(done) == len(due) else f'{said}, {duration(seconds / jobs)} left at most'


def word(cell: Cell) -> str:
    """What the table says of a cell."""
    if cell['impossible']:
        return '-'
    if not cell['run']:
        return '?'
    return cell['run']['verdict'] if cell['good'] else f'{cell["run"]["verdict"]}, not {cell["scenario"]["expect"]}'


def table(top: Path) -> tuple[str, int]:
    found = planned(top)
    cells = add_results(top, [cell for cell in found['cells'] if cell['chosen']])
    at = {cell['name']: cell for cell in cells}
    values = {axis: [name for name in found['titles'][axis] if any(cell[axis] == name for cell in cells)] for axis in AXES}
    rows = [['configuration', 'kernel', *values['base']]]
    for architecture, configuration, kernel in itertools.product(*(values[axis] for axis in AXES[1:])):
        row = [at.get(','.join((base, architecture, configuration, kernel))) for base in values['base']]
        if any(cell and not cell['impossible'] for cell in row):
            title = found['titles']['configuration'][configuration] + ('' if architecture == 'x86_64' else f', {architecture}')
            rows.append([title, kernel, *(word(cell) if cell else '' for cell in row)])
    due = [cell for cell in cells if is_due(cell)]
    good, ran = sum(cell['good'] for cell in due), sum(bool(cell['run']) for cell in due)
    reasons = dict.fromkeys(cell['impossible'] for cell in cells if cell['impossible'])
    seconds = sum(cell['run']['seconds'] or 0 for cell in due if cell['run'])
    lines = [columns(rows), ''] + [f'- {reason}' for reason in reasons] + ['? not run'] * (ran < len(due))
    if earlier := [cell for cell in due if cell['run'] and cell['name'] not in done_of(top)]:
        lines.append(f'{len(earlier)} of the verdicts are from an earlier time, and may be of what has changed since')
    lines.append(f'{good} of {len(due)} cells as expected, {ran - good} not, {len(due) - ran} not run; {duration(seconds)} of booted guests')
    return '\n'.join(lines), 2 if ran < len(due) else 1 if good < ran else 0


def overview(top: Path) -> dict[str, Any]:
    """For lab/report.py: of what was run, and beside it, a row for each configuration with the cells of each base."""
    found = planned(top)
    cells = add_results(top, found['cells'])
    ran = [cell for cell in cells if cell['run']]
    values = {axis: [name for name in found['titles'][axis] if any(cell[axis] == name for cell in ran)] for axis in AXES}
    rows = []
    for architecture, configuration in itertools.product(values['architecture'], values['configuration']):
        here = [cell for cell in cells if (cell['architecture'], cell['configuration']) == (architecture, configuration)]
        kernels = {cell['kernel'] for cell in here if cell['run']}
        here = [cell for cell in here if cell['kernel'] in kernels]
        if here:
            rows.append({'title': found['titles']['configuration'][configuration], 'architecture': architecture,
                         'cells': [[cell for cell in here if cell['base'] == base] for base in values['base']]})
    return {'bases': values['base'], 'rows': rows, 'ran': len(ran), 'good': sum(cell['good'] for cell in ran)}


# Running it

class Matrix:
    def __init__(self, top: Path, cells: list[Cell], jobs: int):
        self.top, self.cells, self.jobs = top, cells, jobs
        self.told = threading.Lock()

    def boot(self, cell: Cell) -> Path | None:
        """Its run; what does not build is one of its own."""
        realtime = bool(os.environ.get('REALTIME') or cell['scenario'].get('realtime'))
        try:
            exploration = explore.prepare(str(self.top / 'scenarios' / cell['name']), self.top)
            explore.explore(exploration, [1], 1, realtime)
        except BuildError as error:
            complain(error)
            return error.run
        except Unusable as error:
            # Never mind what becomes of it, others are to follow.
            complain(error)
            return None
        return exploration / f'{explore.kind(realtime)}-1'

    def one(self, cell: Cell) -> None:
        name, start = cell['name'], int(time.time())
        run, link = self.boot(cell), self.top / 'cells' / cell['name']
        link.unlink(missing_ok=True)
        if not run:
            return
        link.symlink_to(Path('..') / run.relative_to(self.top))
        took = int(time.time()) - start
        with self.told:
            # How long it takes to find that there is nothing to do tells nothing.
            if (run / 'results.json').stat().st_mtime >= start:
                with (self.top / 'times').open('a') as times:
                    times.write(f'{name} {took}\n')
            with (self.top / 'done').open('a') as done:
                done.write(f'{name}\n')
            say(f"{name}: {load_one(run)['verdict']}, expected {cell['scenario']['expect']}, {took} s; {left(self.top, self.jobs)}")

    def run(self) -> None:
        (self.top / 'done').write_text('')
        say(f'{len(self.cells)} cells, {self.jobs} at a time; {left(self.top, self.jobs)}')
        at_once(self.jobs, self.one, self.cells)


def report(top: Path) -> int:
    text, status = table(top)
    (top / 'table').write_text(text + '\n')
    print(text)
    return status


def main(argv: list[str]) -> int:
    arguments = Arguments(__doc__ or '')
    arguments.add_argument('--file', type=Path, default=LAB / 'matrix.toml')
    arguments.add_argument('--jobs', type=count('--jobs'), default=PROCESSORS)
    arguments.add_argument('--plan', action='store_true')
    arguments.add_argument('--table', action='store_true')
    arguments.add_argument('words', nargs='*')
    options = arguments.parse_args(argv)
    if not options.file.is_file():
        raise Unusable(f"no file '{options.file}' (copy lab/matrix.toml)")
    top = RUNS / 'matrix'
    (top / 'cells').mkdir(parents=True, exist_ok=True)
    # Until the end of this script.
    only_one = os.open(top, os.O_RDONLY)
    try:
        fcntl.flock(only_one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Unusable(f'another make matrix runs in {shown(top)} (wait, or set LAB_RUNS=DIR)') from error
    cells = plan(options.file, top, options.words)
    if options.plan:
        print('\n'.join(cell['name'] for cell in cells))
        return 0
    try:
        if not options.table:
            Matrix(top, cells, options.jobs).run()
    except BaseException:
        # Whatever the end is, what there is.
        report(top)
        raise
    return report(top)


if __name__ == '__main__':
    run_script(main)

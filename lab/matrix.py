#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/matrix.py plan FILE DIR [WORD...]
       lab/matrix.py left DIR JOBS
       lab/matrix.py table DIR

What lab/matrix.sh boots, and what came of it.

  plan   of the cells of FILE (lab/matrix.toml says what it has), choose those of the WORDs,
         make DIR/plan.json, with all of them, and a scenario of each that is chosen and
         possible, DIR/scenarios/CELL; print the names of these.  A WORD is a section of
         FILE, or several with commas in between, such as a cell's name; of a kind of
         section of which no WORD is one, all count but those that are `extra`.  What a rule
         makes `extra` is chosen by any WORD that fits, and not without one.
  left   how many of the chosen cells are DIR/done, and, from earlier DIR/times, how long
         the others will take at most, JOBS at a time
  table  what came of the chosen cells, DIR/cells/CELL.  Exit status 1 if a verdict
         is not the expected one, 2 if a cell was not run

With TREE=DIR in the environment, the only base is `tree`, else all others are.
"""

import itertools
import json
import os
import shlex
import statistics
import sys
import tomllib
from pathlib import Path
from typing import Any, Iterator

from runs import LAB, Unusable, columns, load_one

AXES = ('base', 'architecture', 'configuration', 'kernel')
# A scenario's variables; those of the second have lines, those of the first words.
WORDS = ('base', 'patched', 'configs', 'cpus', 'append', 'timeout', 'realtime', 'expect')
LINES = ('job', 'results', 'may_skip', 'may_fail')
VERDICTS = ('PASS', 'DEADLOCK', 'SPLAT', 'FAIL', 'SKIP', 'TIMEOUT')
Cell = dict[str, Any]


# The file

def read_file(file: Path) -> dict[str, Any]:
    try:
        matrix = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Unusable(f'{file}: {error}') from error
    if missing := [name for name in ('cell', *AXES) if not isinstance(matrix.get(name), dict) or not matrix[name]]:
        raise Unusable(f'{file} has no [{missing[0]}] (lab/matrix.toml has)')
    if unknown := set(matrix) - {'cell', 'rule', *AXES}:
        raise Unusable(f'{file}: what is [{min(unknown)}]?')
    for rule in matrix.get('rule', []):
        for axis, values in rule.get('when', {}).items():
            if unknown := set(listed(values)) - set(matrix.get(axis, {})):
                # A copy that was cut down may still have rules for what is gone.
                if file.samefile(LAB / 'matrix.toml') or axis not in AXES:
                    raise Unusable(f'{file}: a rule is for the {axis} {min(unknown)}, which is not there')
    return matrix


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def joined(name: str, old: str, new: Any) -> str:
    """A text that begins with `+` is added to the old one."""
    text = str(new)
    if not text.startswith('+'):
        return text.strip()
    return ('\n' if name in LINES else ' ').join(filter(None, [old, text[1:].strip()]))


def set_by(cell: Cell, section: dict[str, Any], where: str) -> None:
    for name, value in section.items():
        if name in WORDS + LINES:
            cell['scenario'][name] = joined(name, cell['scenario'].get(name, ''), value)
        elif name == 'impossible':
            cell[name] = value
        elif name not in ('title', 'when', 'extra'):
            raise Unusable(f'what is `{name}` in [{where}]?')


def matches(rule: dict[str, Any], place: dict[str, str]) -> bool:
    return all(place[axis] in listed(values) for axis, values in rule['when'].items())


def make_cell(matrix: dict[str, Any], place: dict[str, str]) -> Cell:
    titles = [matrix[axis][place[axis]].get('title', place[axis]) for axis in ('kernel', 'configuration')]
    cell: Cell = {'name': ','.join(place.values()), **place, 'title': ', '.join(titles), 'impossible': None,
                  'scenario': {'base': place['base'], 'arch': place['architecture']}}
    set_by(cell, matrix['cell'], 'cell')
    for axis in (name for name in matrix if name in AXES):
        set_by(cell, matrix[axis][place[axis]], f'{axis}.{place[axis]}')
    for rule in matrix.get('rule', []):
        if matches(rule, place):
            set_by(cell, rule, 'rule')
    cell['scenario']['title'] = cell['title']
    return cell


def check(cell: Cell) -> None:
    """A typo must not cost the builds of the cells before it."""
    scenario = cell['scenario']
    for kind, names in (('bases', [scenario['base']]), ('configs', scenario['configs'].split())):
        if unknown := [name for name in names if not (LAB / kind / name).is_file()]:
            raise Unusable(f'{cell["name"]}: {unknown[0]} is not in lab/{kind}')
    if scenario['expect'] not in VERDICTS or not scenario.get('job') or not scenario['timeout'].isdigit():
        raise Unusable(f'{cell["name"]}: it needs a job, a timeout, and a verdict to expect')


def chosen_values(matrix: dict[str, Any], words: list[str]) -> dict[str, set[str]]:
    """Of each axis."""
    words = [part for word in words for part in word.split(',')]
    if unknown := [word for word in words if not any(word in matrix[axis] for axis in AXES)]:
        raise Unusable(f'unknown: {unknown[0]} (one of: {" ".join(name for axis in AXES for name in matrix[axis])})')
    chosen = {}
    for axis in AXES:
        named = {word for word in words if word in matrix[axis]}
        chosen[axis] = named or {name for name, section in matrix[axis].items() if not section.get('extra')}
    tree = bool(os.environ.get('TREE'))
    chosen['base'] = {base for base in (['tree'] if tree else chosen['base']) if base in matrix['base'] and (base == 'tree') == tree}
    return chosen


def cells_of(matrix: dict[str, Any], words: list[str]) -> Iterator[Cell]:
    """In an order in which the kernels of one base and series follow each other."""
    chosen = chosen_values(matrix, words)
    axes = ('base', 'architecture', 'kernel', 'configuration')
    for values in itertools.product(*(matrix[axis] for axis in axes)):
        at = dict(zip(axes, values))
        cell = make_cell(matrix, {axis: at[axis] for axis in AXES})
        by_rule = any('extra' in rule and matches(rule, at) for rule in matrix.get('rule', []))
        yield {**cell, 'chosen': all(at[axis] in chosen[axis] for axis in AXES) and (bool(words) or not by_rule)}


def is_due(cell: Cell) -> bool:
    return cell['chosen'] and not cell['impossible']


def plan(file: Path, top: Path, words: list[str]) -> str:
    matrix = read_file(file)
    cells = list(cells_of(matrix, words))
    due = [cell for cell in cells if is_due(cell)]
    if not due:
        raise Unusable('no such cell is possible' + ''.join(f': {cell["impossible"]}' for cell in cells if cell['chosen'])[:200])
    (top / 'scenarios').mkdir(parents=True, exist_ok=True)
    for cell in due:
        check(cell)
        lines = [f'{name.upper()}={shlex.quote(value)}\n' for name, value in cell['scenario'].items()]
        (top / 'scenarios' / cell['name']).write_text(''.join(lines))
    titles = {axis: {name: section.get('title', name) for name, section in matrix[axis].items()} for axis in AXES}
    (top / 'plan.json').write_text(json.dumps({'titles': titles, 'cells': cells}, indent=1) + '\n')
    return '\n'.join(cell['name'] for cell in due)


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
        row = [at[','.join((base, architecture, configuration, kernel))] for base in values['base']]
        if not all(cell['impossible'] for cell in row):
            title = found['titles']['configuration'][configuration] + ('' if architecture == 'x86_64' else f', {architecture}')
            rows.append([title, kernel, *map(word, row)])
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
        here = [cell for cell in cells if (cell['architecture'], cell['configuration']) == (architecture, configuration)
                and cell['kernel'] in values['kernel']]
        if any(cell['run'] for cell in here):
            rows.append({'title': found['titles']['configuration'][configuration], 'architecture': architecture,
                         'cells': [[cell for cell in here if cell['base'] == base] for base in values['base']]})
    return {'bases': values['base'], 'rows': rows, 'ran': len(ran), 'good': sum(cell['good'] for cell in ran)}


def main(argv: list[str]) -> int:
    if '-h' in argv or '--help' in argv:
        print(__doc__.strip())
        return 0
    status = 0
    try:
        match argv[1:]:
            case ['plan', file, top, *words]:
                print(plan(Path(file), Path(top), words))
            case ['left', top, jobs]:
                print(left(Path(top), int(jobs)))
            case ['table', top]:
                text, status = table(Path(top))
                print(text)
            case _:
                raise Unusable('what to do? (lab/matrix.py --help)')
    except (Unusable, OSError) as error:
        print(f'lab: {error}', file=sys.stderr)
        return 2
    return status


if __name__ == '__main__':
    sys.exit(main(sys.argv))

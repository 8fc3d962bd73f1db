# SPDX-License-Identifier: GPL-2.0-only
"""What of lab/matrix.toml is to be booted, for lab/matrix.py: each base x architecture x
configuration x kernel is a cell, and sets a scenario's variables; the file says how.
"""

import itertools
import json
import os
import tomllib
from pathlib import Path
from typing import Any, Iterator

from boots import LAB, Unusable, write_scenario

AXES = ('base', 'architecture', 'configuration', 'kernel')
# A scenario's variables; those of the second have lines, those of the first words.
WORDS = ('base', 'series', 'configs', 'cpus', 'append', 'timeout', 'realtime', 'expect')
LINES = ('job', 'results', 'may_skip', 'may_fail')
VERDICTS = ('PASS', 'DEADLOCK', 'SPLAT', 'FAIL', 'SKIP', 'TIMEOUT')
Cell = dict[str, Any]


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


def make_cell(matrix: dict[str, Any], place: dict[str, str]) -> Cell:
    titles = [matrix[axis][place[axis]].get('title', place[axis]) for axis in ('kernel', 'configuration')]
    cell: Cell = {'name': ','.join(place.values()), **place, 'title': ', '.join(titles), 'impossible': None, 'extra': False,
                  'scenario': {'base': place['base'], 'arch': place['architecture']}}
    set_by(cell, matrix['cell'], 'cell')
    for axis in (name for name in matrix if name in AXES):
        set_by(cell, matrix[axis][place[axis]], f'{axis}.{place[axis]}')
    for rule in matrix.get('rule', []):
        if all(place[axis] in listed(values) for axis, values in rule['when'].items()):
            cell['extra'] |= 'extra' in rule
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
        yield {**cell, 'chosen': all(at[axis] in chosen[axis] for axis in AXES) and (bool(words) or not cell['extra'])}


def is_due(cell: Cell) -> bool:
    return cell['chosen'] and not cell['impossible']


def plan(file: Path, top: Path, words: list[str]) -> list[Cell]:
    """Make top/plan.json, of all cells, and a scenario of each that is chosen and possible, top/scenarios/CELL; return these.

    A word is a section of the file, or several with commas in between, such as a cell's name; of a kind of section of
    which no word is one, all count but those that are `extra`.  What a rule makes `extra` is chosen by any word that
    fits, and not without one.  With TREE=DIR in the environment, the only base is `tree`, else all others are.
    """
    matrix = read_file(file)
    cells = list(cells_of(matrix, words))
    due = [cell for cell in cells if is_due(cell)]
    if not due:
        raise Unusable('no such cell is possible' + ''.join(f': {cell["impossible"]}' for cell in cells if cell['chosen'])[:200])
    (top / 'scenarios').mkdir(parents=True, exist_ok=True)
    for cell in due:
        check(cell)
        write_scenario(top / 'scenarios' / cell['name'], {name.upper(): value for name, value in cell['scenario'].items()})
    titles = {axis: {name: section.get('title', name) for name, section in matrix[axis].items()} for axis in AXES}
    (top / 'plan.json').write_text(json.dumps({'titles': titles, 'cells': cells}, indent=1) + '\n')
    return due

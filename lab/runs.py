# SPDX-License-Identifier: GPL-2.0-only
"""Reads what lab/record.py writes."""

import json
import os
import re
from pathlib import Path
from typing import Any, Iterator

import record

LAB = Path(__file__).resolve().parent
RUNS = Path(os.environ.get('LAB_RUNS') or LAB.parent / 'runs')
Run = dict[str, Any]


class Unusable(Exception):
    pass


def run_name(path: Path) -> str:
    """Which no other has: the runs of explorations are called seed-N or boot-N, all of them."""
    runs = RUNS.resolve()
    if path.is_relative_to(runs) and path != runs:
        return str(path.relative_to(runs))
    return f'{path.parent.name}/{path.name}' if path.name.startswith(('seed-', 'boot-')) else path.name


def shown(path: Path) -> str:
    """As short as it can be from the lab's directory."""
    return os.path.relpath(path, LAB.parent) if path.resolve().is_relative_to(LAB.parent) else str(path)


def load_one(path: Path) -> Run:
    try:
        run = json.loads((path / 'results.json').read_text())
        if run.get('format') != record.FORMAT:
            raise Unusable(f'{path}/results.json is of another version of the lab (lab/judge.py {path})')
    except FileNotFoundError as error:
        raise Unusable(f'no results in {path} (lab/judge.py {path})') from error
    except ValueError as error:
        raise Unusable(f'{path}/results.json: {error}') from error
    return {'run': run_name(path.resolve()), 'path': path, **run}


def load(paths: list[str]) -> list[Run]:
    """Each run, and the runs of each directory of runs, oldest first."""
    runs = []
    for path in map(Path, paths or [str(RUNS)]):
        if not (path / 'results.json').exists() and (found := sorted(path.glob('**/results.json'))):
            runs += [load_one(file.parent) for file in found]
        else:
            runs.append(load_one(path))
    return runs


def name(run: Run) -> str:
    return run['scenario'] or re.sub(r'^\d{8}-\d{6}-', '', run['path'].resolve().name)


def is_expected(run: Run) -> bool:
    """What nobody has expectations of should pass."""
    return run['verdict'] == (run['expected'] or 'PASS')


def link(run: Run, file: str, url: str | None) -> str | None:
    """An absolute address: URL/RUN/..., or of the file on this machine."""
    base = f'{url}/{run["run"]}' if url else run['path'].resolve().as_uri()
    return f'{base}/{run["files"][file]}' if file in run['files'] else None


def clock(run: Run) -> str:
    seed, accelerator = run['machine']['seed'], run['machine'].get('accelerator') or ''
    if accelerator.split(',')[0] == 'kvm':
        return 'KVM'
    return 'real time' if seed is None else f'seed {seed}'


def leaves(run: Run) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(command, case) of each case, and of each command that has none."""
    for command in run['commands']:
        whole = {'PASS': 'ok', 'SKIP': 'skip'}.get(command['verdict'], 'not ok')
        for case in command['cases'] or [{'name': command['command'], 'status': whole, 'why': '', 'allowed': False}]:
            yield command, case


def padded(rows: list[list[str]]) -> list[list[str]]:
    """Each cell as wide as its column."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [[cell.ljust(width) for cell, width in zip(row, widths)] for row in rows]


def columns(rows: list[list[str]]) -> str:
    return '\n'.join('  '.join(row).rstrip() for row in padded(rows))

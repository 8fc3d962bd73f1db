#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/report.py [DIR]

Make DIR/report.html, a page of all runs below DIR (default: runs/), which needs no
server and no network: the verdicts, stock beside patched, each with links to its
verdict, console and command; the cases that differ; `make matrix`; explorations; the graph of
the hang, of the last `make autopsy` or else of docs/root-cause.md; the last
benchmark.  Print its name.
"""

import re
import statistics
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any, Iterator

import jinja2

import bench
import matrix as kernels
import tally
from runs import LAB, RUNS, Run, Unusable, clock, is_expected, leaves, load, name

KINDS = ('stock', 'patched')
EDGE = re.compile(r'\s+(\S.*?) +--(.+?)--> (.+)')


# The matrix

def kind(run: Run) -> tuple[str, str]:
    """A scenario's name says of which kernel it is, stock or patched, and what is tried."""
    first, _, rest = name(run).partition('-')
    return (first, rest) if first in KINDS and rest else ('other', name(run))


def counts(run: Run) -> str:
    statuses = [case['status'] for _, case in leaves(run)]
    named = [(status, statuses.count(status)) for status in ('ok', 'not ok', 'skip')]
    return ', '.join(f'{n} {status}' for status, n in named if n)


def cell(runs: list[Run]) -> dict[str, Any]:
    """The last run of a scenario, and how many were like it."""
    last = runs[-1]
    return {'run': last, 'good': is_expected(last), 'clock': clock(last), 'counts': counts(last), 'earlier': runs[-2::-1],
            'same': sum(run['verdict'] == last['verdict'] for run in runs), 'all': len(runs)}


def differences(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(case, on stock, on patched), of each that both have."""
    if not all(kind in row['cells'] for kind in KINDS):
        return []
    stock, patched = ({case['name']: case['status'] for _, case in leaves(row['cells'][kind]['run'])} for kind in KINDS)
    return [(case, stock[case], patched[case]) for case in stock if patched.get(case, stock[case]) != stock[case]]


def matrix(runs: list[Run]) -> list[dict[str, Any]]:
    by_row: dict[tuple[str, str], dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        which, rest = kind(run)
        by_row[run['kernel']['version'] or '?', rest][which].append(run)
    rows = []
    for (version, rest), cells in sorted(by_row.items(), key=lambda item: ('other' in item[1], item[0])):
        row = {'version': version, 'name': rest, 'cells': {which: cell(found) for which, found in cells.items()}}
        rows.append({**row, 'differences': differences(row)})
    return rows


def link(page: Path, run: Run, file: str) -> str:
    """From the page to a file of the run, if it's there."""
    return (run['path'] / run['files'][file]).resolve().relative_to(page.parent.resolve()).as_posix() if file in run['files'] else ''


# The other sections

def configurations(top: Path) -> dict[str, Any] | None:
    """What `make matrix` has run, with links."""
    if not (top / 'matrix/plan.json').exists():
        return None
    found = kernels.overview(top / 'matrix')
    for cell in (cell for row in found['rows'] for cells in row['cells'] for cell in cells if cell['run']):
        cell['link'] = (cell['run']['path'] / 'verdict').resolve().relative_to(top.resolve()).as_posix()
    return found


def explorations(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """(directory, cells, seeds) of each row of lab/explore.py's tables."""
    for path in sorted(top.glob('explore-*')):
        if any(path.glob('seed-*/verdict')):
            for *cells, seeds in tally.rows(path):
                yield path.name, cells, seeds.split(' ')


def graph(top: Path) -> tuple[str, list[tuple[str, str]]]:
    """Where it is from, and (node, edge to the next) of the cycle."""
    for file in [*sorted(top.glob('*/autopsy'), reverse=True), LAB.parent / 'docs/root-cause.md']:
        edges = [m.groups() for line in file.read_text(errors='replace').splitlines() if (m := EDGE.fullmatch(line))]
        if edges and edges[-1][2] == edges[0][0]:
            return (file.parent.name if file.name == 'autopsy' else 'docs/root-cause.md'), [(node, edge) for node, edge, _ in edges]
    return '', []


def measured(file: Path) -> list[dict[str, Any]]:
    """A row for what was measured, with the median of each kernel, in microseconds."""
    rows = []
    for key, times in bench.group(str(file), 'cpus', 'operation', 'kind', 'irqfds').items():
        medians = {kernel: statistics.median(times[kernel]) for kernel in bench.KERNELS if kernel in times}
        if len(medians) == len(bench.KERNELS):
            rows.append({'cpus': key[0], 'what': f'{key[1]}, {key[3]} {"resampling" if key[2] == "distinct" else key[2]}',
                         'medians': medians, 'most': max(medians.values()), 'ratio': medians['stock'] / medians['series']})
    return rows


def benchmark(top: Path) -> tuple[str, list[dict[str, Any]], list[str]]:
    """The last one that has all kernels: its name, its medians, its plots."""
    for path in sorted(top.glob('*-bench'), reverse=True):
        rows = measured(path / 'virtual.csv') if (path / 'virtual.csv').exists() else []
        plots = [f'{path.name}/{plot.name}' for plot in sorted(path.glob('*.svg'))]
        if rows or plots:
            return path.name, rows, plots
    return '', [], []


def page(top: Path) -> str:
    runs = load([str(top)])
    out = top / 'report.html'
    booted = [run for run in runs if not run['path'].name.startswith(('seed-', 'boot-')) and top / 'matrix' not in run['path'].parents]
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(LAB), autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                   undefined=jinja2.StrictUndefined)
    return templates.get_template('report.html').render(
        made=datetime.now().astimezone().isoformat(' ', 'minutes'), runs=runs, good=sum(map(is_expected, runs)),
        rows=matrix([run for run in booted if run['scenario']]), others=[run for run in booted if not run['scenario']],
        is_expected=is_expected, name=name, kernels=bench.KERNELS, link=lambda run, file: link(out, run, file),
        configurations=configurations(top), explorations=list(explorations(top)), graph=graph(top), benchmark=benchmark(top))


def main(argv: list[str]) -> int:
    if '-h' in argv or '--help' in argv:
        print(__doc__.strip())
        return 0
    top = Path(argv[1]) if len(argv) > 1 else RUNS
    try:
        text = page(top)
        (top / 'report.html').write_text(text)
    except (Unusable, OSError) as error:
        print(f'lab: {error}', file=sys.stderr)
        return 2
    print(top / 'report.html')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))

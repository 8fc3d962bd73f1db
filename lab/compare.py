#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/compare.py [--all] RUN RUN

Compare the results of two runs, such as of one job on two kernels: print what they ran,
and side by side each case that is not ok in both, with its reason: lab/known's or, if
it was skipped, the test's own.  With --all, print the others, too.  A RUN is its directory; one
directory that has two runs in it will do.

The runs are equal if their verdicts are, and each case has the same result in both, but for those that
vary by lab/known.  A case that is in one alone is a difference.  What differs
in the machine, the command line and the configuration is printed, and is no difference in results.

Exit status 0 if they are equal, 1 if not, 2 if there is nothing to compare.
"""

import hashlib
import re
import sys
from collections import Counter
from typing import NamedTuple

from record import read
from runs import LAB, Run, Unusable, columns, leaves, load, name


class Known(NamedTuple):
    kind: str
    pattern: re.Pattern[str]
    reason: str


def known(architecture: str | None) -> list[Known]:
    """What is for that one: `fail` and `skip` are for x86-64, `arm64-fail` and so on for arm64."""
    wanted = 'arm64' if architecture == 'arm64' else ''
    found = []
    for line in read(LAB / 'known').splitlines():
        fields = line.split('\t')
        if line.startswith('#'):
            continue
        if len(fields) != 3 or fields[0] not in ('fail', 'skip', 'arm64-fail', 'arm64-skip', 'varies', 'slow'):
            raise Unusable(f'lab/known: not a kind, a pattern and a reason: {line}')
        of, _, kind = fields[0].rpartition('-')
        try:
            line = Known(kind, re.compile(fields[1]), fields[2])
        except re.error as error:
            raise Unusable(f'lab/known: {error}: {fields[1]}') from error
        if of == wanted or kind in ('varies', 'slow'):
            found.append(line)
    return found


class Row(NamedTuple):
    case: str
    results: tuple[str, str]
    reason: str
    varies: bool

    @property
    def differs(self) -> bool:
        return self.results[0] != self.results[1]


def results(run: Run) -> dict[str, tuple[str, str]]:
    """By case, its status and why; of cases of one name, all of them."""
    found: dict[str, tuple[str, str]] = {}
    for _, case in leaves(run):
        status, why = found.get(case['name'], ('', ''))
        found[case['name']] = (f'{status}, {case["status"]}'.strip(', '), why or case['why'])
    return found


def row(case: str, a: tuple[str, str], b: tuple[str, str], table: list[Known]) -> Row:
    kinds = {'not ok': 'fail', 'skip': 'skip'}
    wanted = {kind for status in (a[0], b[0]) for part, kind in kinds.items() if part in status}
    fits = [line for line in table if line.pattern.search(case)]
    reasons = [line.reason for line in fits if line.kind in wanted | {'varies'}]
    return Row(case, (a[0], b[0]), (reasons or [a[1] or b[1]])[0], any(line.kind == 'varies' for line in fits))


def compared(runs: list[Run], table: list[Known]) -> list[Row]:
    """In the order in which they ran."""
    a, b = map(results, runs)
    absent = ('-', '')
    return [row(case, a.get(case, absent), b.get(case, absent), table) for case in {**a, **b}]


def facts(run: Run) -> dict[str, str]:
    kernel, machine = run['kernel'], run['machine']
    config = [line for line in read(run['path'] / 'config').splitlines() if line.startswith('CONFIG_')]
    return {'Linux': kernel['version'] or '?', **kernel['built'], 'command line': kernel['command_line'],
            'configuration': f'{len(config)} symbols, hash {hash_of(config)}',
            **{key: str(machine[key]) for key in ('accelerator', 'cpus', 'seed', 'qemu')},
            'job': '; '.join(command['command'] for command in run['commands']), 'verdict': run['verdict']}


def hash_of(lines: list[str]) -> str:
    return hashlib.sha256('\n'.join(sorted(lines)).encode()).hexdigest()[:12]


def heading(runs: list[Run]) -> str:
    a, b = map(facts, runs)
    same = [['both', key, value] for key, value in a.items() if b.get(key) == value]
    other = [[which, key, found[key]] for key in {**a, **b} for which, found in (('1st', a), ('2nd', b))
             if key in found and a.get(key) != b.get(key)]
    return columns([['1st', 'run', name(runs[0])], ['2nd', 'run', name(runs[1])], *same, *other])


def summary(rows: list[Row]) -> list[str]:
    # Of cases of one name, the worst.
    counts = Counter('differ' if r.differs else next((status for status in ('not ok', 'skip') if status in r.results[0]), 'ok') for r in rows)
    said = ', '.join(f'{counts[key]} {text}' for key, text in
                     (('ok', 'ok in both'), ('not ok', 'not ok in both'), ('skip', 'skipped in both'), ('differ', 'differ')))
    return [f'{len(rows)} cases: {said}, of which {sum(r.differs and r.varies for r in rows)} may']


def main(argv: list[str]) -> int:
    if '-h' in argv or '--help' in argv:
        print(__doc__.strip())
        return 0
    every = '--all' in argv
    try:
        runs = load([arg for arg in argv[1:] if arg != '--all']) if len(argv) > 1 + every else []
        if len(runs) != 2:
            raise Unusable(f'{len(runs)} runs, two are needed (lab/compare.py --help)')
        rows = compared(runs, known(runs[0]['kernel']['architecture']))
        if not any(r.results != ('-', '-') for r in rows):
            raise Unusable('neither run has results')
    except (Unusable, OSError) as error:
        print(f'lab: {error}', file=sys.stderr)
        return 2
    print(heading(runs), end='\n\n')
    shown = [r for r in rows if every or r.results != ('ok', 'ok')]
    print(columns([['case', '1st', '2nd', 'why']] + [[r.case, *r.results, r.reason or '?'] for r in shown]), end='\n\n')
    print(*summary(rows), sep='\n')
    bad = [r.case for r in rows if r.differs and not r.varies]
    verdicts = [run['verdict'] for run in runs]
    if verdicts[0] != verdicts[1]:
        bad.append(f'verdicts {verdicts[0]} and {verdicts[1]}')
    print(f'NOT EQUAL: {", ".join(bad)}' if bad else 'EQUAL')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))

# SPDX-License-Identifier: GPL-2.0-only
"""Usage: coverage.py RUN: for lab/coverage.sh, what the run's gcda of eventfd.c says."""

import base64
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from runs import Unusable, columns

LAB = Path(__file__).resolve().parent


class Missed(NamedTuple):
    function: str
    line: int
    what: str


def gcda(run: Path) -> bytes:
    """What lab/guest/gcda printed."""
    text = (run / 'results').read_text(errors='replace')
    found = re.search(r'^# gcda /\S+\n((?:# [\w+/=]+\n)+)', text, re.M)
    if not found:
        raise Unusable(f'no counts in {run}/results (its job has to end with gcda)')
    return base64.b64decode(found[1].replace('# ', ''))


def counts(run: Path) -> list[dict[str, Any]]:
    """gcov's lines of the file."""
    with tempfile.TemporaryDirectory() as tmp:
        (Path(tmp) / 'eventfd.gcno').write_bytes((run / 'eventfd.gcno').read_bytes())
        (Path(tmp) / 'eventfd.gcda').write_bytes(gcda(run))
        said = subprocess.run(['gcov', '--json-format', '--stdout', '--branch-probabilities', 'eventfd.gcda'], cwd=tmp,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    if 'stamp mismatch' in said.stderr:
        raise Unusable(f'{run}: counts and eventfd.gcno are not of the same kernel')
    for file in json.loads(said.stdout)['files']:
        if file['file'].endswith('virt/kvm/eventfd.c'):
            return file['lines']
    raise Unusable(f'{run}: gcov knows no virt/kvm/eventfd.c')


def missed(lines: list[dict[str, Any]]) -> Iterator[Missed]:
    for line in lines:
        if not line['count']:
            yield Missed(line['function_name'], line['line_number'], 'never run')
        elif not all(branch['count'] for branch in line['branches']):
            ways = [branch['count'] for branch in line['branches']]
            yield Missed(line['function_name'], line['line_number'], f'{ways.count(0)} of {len(ways)} ways not taken')


def table(functions: list[str], lines: list[dict[str, Any]]) -> Iterator[list[str]]:
    yield ['function', 'lines', 'run', 'branches', 'taken']
    total = [0] * 4
    for function in functions:
        mine = [line for line in lines if line['function_name'] == function]
        branches = [branch for line in mine for branch in line['branches']]
        row = [len(mine), sum(bool(line['count']) for line in mine),
               len(branches), sum(bool(branch['count']) for branch in branches)]
        total = [a + b for a, b in zip(total, row)]
        yield [function, *map(str, row)]
    yield ['all', *map(str, total)]


def reasons() -> dict[str, str]:
    """FUNCTION|LINE'S TEXT|REASON."""
    known = {}
    for line in (LAB / 'uncovered').read_text().splitlines():
        if line and not line.startswith('#'):
            function, text, reason = (part.strip() for part in line.split('|', 2))
            known[f'{function}|{text}'] = reason
    return known


def main(run: Path) -> int:
    functions = (run / 'functions').read_text().split()
    source = (run / 'eventfd.c').read_text().splitlines()
    lines = [line for line in counts(run) if line.get('function_name') in functions]
    print(columns(list(table(functions, lines))))
    known, unexplained = reasons(), 0
    for miss in missed(lines):
        text = source[miss.line - 1].strip()
        # Each is for one line, and for what was not reached.
        reason = known.pop(f'{miss.function}|{text}', '')
        unexplained += not reason
        print(f'{miss.function}:{miss.line}: {text}\n\t{miss.what}: {reason or "NOT IN lab/uncovered"}')
    for key in known:
        print(f'{key.replace("|", ": ", 1)}\n\tin lab/uncovered, BUT REACHED')
    return 1 if unexplained or known else 0


if __name__ == '__main__':
    try:
        sys.exit(main(Path(sys.argv[1])))
    except (Unusable, OSError, subprocess.CalledProcessError) as error:
        print(f'lab: {error}', file=sys.stderr)
        sys.exit(2)

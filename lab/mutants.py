#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/mutants.py [--times N] [series] [MUTANT...]

Prove that the tests can fail: for each mutant (default: all of mutants/TABLE),
a small patch on top of the series (with what of it is not for merging) that
breaks one invariant, build the kernel, boot it in virtual time with N seeds, several
at a time (lab/explore.py), and see whether the job that must catch it does.  Then run
the series itself under the very same jobs; with the word `series`, do only that.

Ends with a table.  A mutant is caught if 9 of 10 boots catch it, the series is
clean if all boots are.  Exit status 0 if all mutants are caught and the series
is clean, 1 if not, 2 if a boot was not possible, 130 after Ctrl-C.

JOB=COMMAND in the environment is run instead of the job of the table, and may
take TIMEOUT=SECONDS (default 150).

Each row leaves a directory in runs/, as lab/explore.py does, and boots nothing that
is there already, so that what was interrupted goes on; `make clean-runs` removes them.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import explore
from boots import CACHE, PROCESSORS, TOP, Arguments, Unusable, count, run_script, say, shell, shown, verdict, write_scenario
from record import read
from runs import columns

MUTANTS = TOP / 'mutants'
HEAD = ['mutant', 'breaks, or job', 'Linux', 'config', 'expected', 'result', 'seconds', 'last run']
# For QEMU; the jobs of the table end much sooner.
TIMEOUT = os.environ.get('TIMEOUT') or '150'
# The kernels have KVM's code for AMD built in, which finds no posted interrupts.
MAY_SKIP = '^kvm_irqfd_resampler/irq_bypass/'


class Row(NamedTuple):
    """A line of the table."""
    name: str
    breaks: str
    base: str
    configs: str
    cpus: str
    append: str
    job: str
    verdict: str
    pattern: str


def table() -> list[Row]:
    # A pattern may have the separator.
    lines = [line.split('|', 8) for line in (MUTANTS / 'TABLE').read_text().splitlines() if line and line[0] != '#']
    rows = [Row(*map(str.strip, line)) for line in lines]
    return [row._replace(job=os.environ['JOB']) for row in rows] if os.environ.get('JOB') else rows


def chosen(wanted: list[str]) -> list[Row]:
    """A mutant that is not in the table, or has no patch, must not cost a build."""
    rows = table()
    known = dict.fromkeys(row.name for row in rows)
    for name in wanted:
        if name not in known:
            raise Unusable(f"unknown mutant '{name}' (one of: {' '.join(known)})")
    rows = [row for row in rows if not wanted or row.name in wanted]
    for row in rows:
        if not (MUTANTS / f'{row.name}.patch').is_file():
            raise Unusable(f'mutants/TABLE names {row.name}, which has no patch')
    return rows


class Boots:
    """Of a row, N times; and what is to be told of all."""

    def __init__(self, times: int, scenarios: Path):
        self.times, self.scenarios = times, scenarios
        self.told: list[list[str]] = []
        self.good = True

    def boot(self, name: str, row: Row, expected: str, mutant: Path | None = None) -> list[Path]:
        scenario = write_scenario(self.scenarios / name, {
            'TITLE': name, 'BASE': row.base, 'SERIES': shell('whole_series_of_base "$1"', row.base), 'CONFIGS': row.configs,
            'CPUS': row.cpus, 'APPEND': row.append.removeprefix('-'), 'JOB': row.job, 'EXPECT': expected,
            'TIMEOUT': TIMEOUT, 'MAY_SKIP': MAY_SKIP})
        exploration = explore.prepare(str(scenario), mutant=mutant)
        seeds = range(1, self.times + 1)
        explore.explore(exploration, seeds, PROCESSORS)
        return [exploration / f'seed-{seed}' for seed in seeds]

    def tell(self, what: list[str], row: Row, expected: str, result: str, runs: list[Path]) -> None:
        """With the longest time that a boot took, and the test's own summary."""
        seconds = max(int((run / 'seconds').read_text()) for run in runs)
        said = re.findall(r'^# (\d+ rounds, .*)', ''.join(read(run / 'results') for run in runs), re.M)
        version = (runs[0].parent / 'version').read_text().strip()
        self.told.append([*what, version, row.configs, expected, result, str(seconds), said[-1] if said else ''])

    def try_mutant(self, row: Row) -> None:
        runs = self.boot(f'mutant-{row.name}', row, row.verdict, MUTANTS / f'{row.name}.patch')
        caught = [run for run in runs if is_caught(run, row)]
        for run in (run for run in runs if run not in caught):
            say(f'{row.name}: survived a boot, see {shown(run)}/verdict')
        if len(caught) * 10 < self.times * 9:
            self.good = False
        self.tell([row.name, row.breaks], row, row.verdict, f'caught {len(caught)} of {self.times}', runs)

    def try_series(self, row: Row) -> None:
        runs = self.boot('series', row, 'PASS')
        unclean = [run for run in runs if verdict(run) != 'PASS']
        for run in unclean:
            say(f'the series is not clean, see {shown(run)}/verdict')
        if unclean:
            self.good = False
        self.tell(['(the series)', row.job], row, 'PASS', f'clean {self.times - len(unclean)} of {self.times}', runs)


def is_caught(run: Path, row: Row) -> bool:
    """A test that fails may have the kernel warn, too."""
    found = verdict(run)
    if found != row.verdict and (found, row.verdict) != ('SPLAT', 'FAIL'):
        return False
    return any(re.search(row.pattern, read(run / name), re.M) for name in ('results', 'console'))


def main(argv: list[str]) -> int:
    arguments = Arguments(__doc__ or '')
    arguments.add_argument('--times', type=count('--times'), default=1)
    arguments.add_argument('words', nargs='*')
    options = arguments.parse_args(argv)
    only = options.words[:1] == ['series']
    rows = chosen(options.words[1:] if only else options.words)
    # Each job once, without what is of the mutant.
    jobs = sorted({row._replace(name='', breaks='', verdict='', pattern='') for row in rows})
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scenarios:
        boots = Boots(options.times, Path(scenarios))
        try:
            for row in [] if only else rows:
                boots.try_mutant(row)
            for row in jobs:
                boots.try_series(row)
        finally:
            # Whatever the end is, what there is.
            if boots.told:
                print(columns([HEAD, *boots.told]))
    return 0 if boots.good else 1


if __name__ == '__main__':
    run_script(main)

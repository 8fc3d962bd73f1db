#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/soak.py [--seconds] SOAK

Judge a soak, a directory of lab/soak.sh: write SOAK/samples.csv, and print a table and,
in the last line, FLAT or GROWS; FAIL, if a boot was no PASS; or SHORT, if a leak of one
object in each operation could not be told from noise.  With --seconds, print how many
have been sampled.

Each boot is judged by itself, as it starts with nothing.  Of its samples, the first
quarter, or ten minutes, are warm-up; of the others, the first third is compared with
the last, by their medians.  A measure grows if it rises by more than twice what could be
noise, the wider interquartile range of both, and by more than what it may, see MAY_RISE.
What can be told so is in the column `notices`: one leaked object, or file, in how many
operations.

A boot that was cut short counts as well, unless it's too short to tell; it fails only for
what its kernel has said, or a test.

Exit status 0 if all is flat, 1 if not, 2 if there is nothing to judge.
"""

import csv
import re
import sys
from pathlib import Path
from statistics import linear_regression, median, quantiles
from typing import NamedTuple

from runs import Unusable, columns

# What comes and goes: slabs that each CPU has at hand, workers in the pools, and what
# a host does to a guest's time, a factor.
MAY_RISE = {'slab-objects': 100, 'slab-kB': 32, 'other-slabs-kB': 512, 'files': 4, 'kworkers': 4}
MAY_RISE_BY = {'close-us': 1.5, 'worst-us': 2.0}
COUNTED = ['slab-objects', 'files']     # one is one
LEAST = 12      # samples, after warm-up
WARM_UP = 600   # seconds

Sample = dict[str, int]


class Part(NamedTuple):
    name: str
    samples: list[Sample]
    failed: str     # why, if it has


class Trend(NamedTuple):
    first: float
    last: float
    noise: float
    per_hour: float
    least: float    # that it would have to rise by
    notices: float  # of how many operations, if one object leaks

    @property
    def grows(self) -> bool:
        return self.last - self.first > self.least


def samples(text: str) -> list[Sample]:
    """The last line may be torn: a whole one ends with the kworkers, and an end of line."""
    lines = re.findall(r'^# soak: (seconds .* kworkers \d+)\r?\n', text, re.M)
    words = [line.split() for line in lines]
    return [dict(zip(line[::2], map(int, line[1::2]))) for line in words]


def why_failed(run: Path, text: str) -> str:
    verdict = (run / 'verdict').read_text().split('\n', 1)[0]
    if failed := re.search(r'^# soak: failed, .*', text, re.M):
        return f'{verdict}, {failed[0].rstrip()[8:]}'
    # One that was cut short has no end, and that isn't its fault.
    good = ['PASS'] if run.name.startswith('boot-') else ['PASS', 'FAIL', 'BOOT-ERROR', 'TIMEOUT']
    return '' if verdict in good else verdict


def parts(soak: Path) -> list[Part]:
    found = []
    for run in sorted([*soak.glob('boot-*'), *soak.glob('cut-*')], key=lambda run: int(run.name.partition('-')[2])):
        text = (run / 'results').read_text(errors='replace')
        found.append(Part(run.name, samples(text), why_failed(run, text)))
    return found


def warm(part: Part) -> list[Sample]:
    if not part.samples:
        return []
    start, end = part.samples[0]['seconds'], part.samples[-1]['seconds']
    after = start + min((end - start) / 4, WARM_UP)
    return [sample for sample in part.samples if sample['seconds'] >= after]


def spread(values: list[int]) -> float:
    low, _, high = quantiles(values, n=4, method='inclusive')
    return high - low


def trend(measured: list[Sample], what: str) -> Trend:
    n = len(measured) // 3
    thirds = measured[:n], measured[-n:]
    first, last = ([sample[what] for sample in third] for third in thirds)
    done = median(s['operations'] for s in thirds[1]) - median(s['operations'] for s in thirds[0])
    noise = max(spread(first), spread(last))
    slope = linear_regression([s['seconds'] / 3600 for s in measured], [s[what] for s in measured]).slope
    may = MAY_RISE[what] if what in MAY_RISE else (MAY_RISE_BY[what] - 1) * median(first)
    least = max(2 * noise, may)
    return Trend(median(first), median(last), noise, slope, least, done / least)


def judge(part: Part) -> tuple[str, dict[str, Trend]]:
    measured = warm(part)
    if len(measured) < LEAST:
        return 'SHORT', {}
    trends = {what: trend(measured, what) for what in [*MAY_RISE, *MAY_RISE_BY]}
    if any(t.grows for t in trends.values()):
        return 'GROWS', trends
    return 'FLAT' if all(trends[what].notices >= 1 for what in COUNTED) else 'SHORT', trends


def rows(part: Part) -> list[list[str]]:
    verdict, trends = judge(part)
    if not trends:
        return [[part.name, '-', *6 * ['-'], part.failed or f'SHORT, {len(part.samples)} samples']]
    return [[part.name, what, f'{t.first:.0f}', f'{t.last:.0f}', f'{t.last - t.first:+.0f}', f'{t.least:.0f}', f'{t.per_hour:+.1f}',
             f'1 in {t.notices:.0f}' if what in COUNTED else '-', 'GROWS' if t.grows else 'flat']
            for what, t in trends.items()]


HEAD = ['boot', 'measure', 'first third', 'last third', 'rises by', 'may by', 'per hour', 'notices', '']


def overall(all_parts: list[Part]) -> str:
    verdicts = [judge(part)[0] for part in all_parts] + ['FAIL'] * any(part.failed for part in all_parts)
    return next((verdict for verdict in ('GROWS', 'FAIL', 'FLAT') if verdict in verdicts), 'SHORT')


def report(all_parts: list[Part]) -> str:
    lines = [columns([HEAD, *(row for part in all_parts for row in rows(part))]), '']
    lines += [f'{part.name}: {part.failed}' for part in all_parts if part.failed]
    seconds, done = (sum(part.samples[-1][what] for part in all_parts if part.samples) for what in ('seconds', 'operations'))
    worst = max((s['worst-us'] for part in all_parts for s in part.samples), default=0)
    lines.append(f'{seconds / 3600:.2f} hours, {done} operations, the slowest VM took {worst} us to close')
    return '\n'.join([*lines, overall(all_parts)])


def write_csv(file: Path, all_parts: list[Part]) -> None:
    """Seconds are of all boots, one after the other."""
    before = 0
    with file.open('w', newline='') as out:
        writer = csv.writer(out, lineterminator='\n')
        writer.writerow(['seconds', 'operations', *MAY_RISE, *MAY_RISE_BY, 'boot'])
        for part in all_parts:
            for s in part.samples:
                writer.writerow([before + s['seconds'], s['operations'], *(s[what] for what in [*MAY_RISE, *MAY_RISE_BY]), part.name])
            before += part.samples[-1]['seconds'] if part.samples else 0


def main(argv: list[str]) -> int:
    if '-h' in argv or '--help' in argv:
        print(__doc__.strip())
        return 0
    try:
        *options, soak = argv[1:] or ['']
        if not soak or options not in ([], ['--seconds']):
            raise Unusable('which soak? (lab/soak.py --help)')
        found = parts(Path(soak))
        if options:
            print(sum(part.samples[-1]['seconds'] for part in found if part.samples))
            return 0
        if not found:
            raise Unusable(f'no boots in {soak} (lab/soak.sh)')
        write_csv(Path(soak, 'samples.csv'), found)
    except (Unusable, OSError) as error:
        print(f'lab: {error}', file=sys.stderr)
        return 2
    print(report(found))
    return 0 if overall(found) == 'FLAT' else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv))

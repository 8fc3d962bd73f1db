#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/explore.py [--seeds N|FROM-TO] [--jobs N] [--mutant NAME] SCENARIO|DIR...
       lab/explore.py --quiet ...

Boot each scenario (a file in lab/scenarios) in virtual time with many seeds, by
default 20, each another schedule that can be had again, see lab/boot.sh; N boots at a time
(default: as many as there are processors).  Print a table: each verdict other
than PASS, k of n, the 95 % interval of its probability (Wilson's), the earliest
time of the guest's clock at which it was seen to fail, and the median, in seconds; how many different schedules
(results, context switches, interrupts) that was, and the seeds.

JOB=COMMAND in the environment is run instead of the scenario's job: any of
kselftest's, see lab/boot.sh.  APPEND=PARAMETERS, CPUS=N and TREE=DIR likewise (see
lab/run.py).  --mutant builds the kernel with mutants/NAME.patch, or any other patch,
on top.  REALTIME=1 in the environment is N boots by the host's clock instead, with no
seeds.

--quiet: no table, but the directory of each exploration.

An exploration is a directory of runs/, explore-SCENARIO-KEY, where KEY stands for
all that is booted, and the results that are wanted; in it, seed-N is a run, for
lab/replay.sh, or boot-N one in real time.  What is there is not booted again, so that one that was interrupted
goes on, and one with more seeds adds to it; given as DIR, without building anything.

Exit status 0 if each verdict was what the scenario expects, 1 if not, 2 if a
boot was not possible, 130 after Ctrl-C.  A kernel that does not build leaves a run
of its own, with that verdict, and is 2.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from boots import (LAB, MACHINE, PROCESSORS, RUNS, TOLD, WANTED, Arguments, BuildError, Scenario, Unusable, at_once, boot, build, checked,
                   count, describe, judge, load, names, new_run, patch, run_script, say, shown, verdict)
from tally import table

# Of an exploration, what each of its runs has: the same file, or a copy.
SAME = ('kernel', 'initramfs.cpio', 'symbols')
COPIED = ('arch', 'config', 'built-from', 'files', *TOLD, *MACHINE, *WANTED)
# What of the environment is instead of the scenario's.
INSTEAD = ('JOB', 'APPEND', 'CPUS')


def key(exploration: Path) -> str:
    """Of all that is booted, and what the scenario wants of it."""
    parts = [exploration / name for name in ('kernel', 'append', 'cpus', 'job')] + [LAB / 'boot.sh']
    found = hashlib.sha1(b''.join(part.read_bytes() for part in parts))
    for name in sorted(MACHINE | WANTED):
        if (exploration / name).exists():
            found.update(''.join(f'./{name}:{line}\n' for line in (exploration / name).read_text().splitlines()).encode())
    for name, file in re.findall(r'^file (\S*) (\S*) ', (exploration / 'initramfs.list').read_text(), re.M):
        found.update(f'{name}\n'.encode() + Path(file).read_bytes())
    return found.hexdigest()[:8]


def described(new: Path, scenario: Scenario, instead: dict[str, str], mutant: Path | None) -> None:
    job = instead.get('JOB', '')
    scenario = {**scenario, **instead, 'TITLE': ', '.join(filter(None, [scenario['TITLE'], mutant and mutant.stem, job]))}
    if job:
        # They are of the scenario's job.
        scenario.update(dict.fromkeys(WANTED.values(), ''))
    describe(new, scenario)


def prepare(name: str, runs: Path = RUNS, mutant: Path | None = None, instead: dict[str, str] | None = None) -> Path:
    """The directory of the exploration of a scenario (of lab/scenarios, or a file): the kernel built, the guest's files
    made, and nothing booted."""
    scenario = load(name)
    exploration = f"explore-{scenario['SCENARIO']}"
    new = new_run(exploration, runs)
    try:
        described(new, scenario, instead or {}, mutant)
        shutil.copy(build(new, scenario, mutant) / 'version', new)
        boot(new, '--prepare')
        found = runs / f'{exploration}-{key(new)}'
        if not found.exists():
            new.rename(found)
    except BuildError:
        raise
    except (Unusable, OSError):
        shutil.rmtree(new)
        raise
    shutil.rmtree(new, ignore_errors=True)
    return found


def kind(realtime: bool) -> str:
    """What its runs are called, with a number: a seed, or a boot by the host's clock."""
    return 'boot' if realtime else 'seed'


def one(exploration: Path, number: int, realtime: bool = False) -> Path:
    """A run, complete or not there."""
    run, done = exploration / f'tmp-{number}', exploration / f'{kind(realtime)}-{number}'
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    for name in SAME:
        os.link(exploration / name, run / name)
    for name in COPIED:
        if (exploration / name).exists():
            shutil.copy(exploration / name, run)
    if not realtime:
        (run / 'seed').write_text(f'{number}\n')
    boot(run, '--again')
    judge(run)
    return run.rename(done)


def explore(exploration: Path, numbers: Iterable[int], jobs: int, realtime: bool = False) -> None:
    """Those that are not there."""
    def boot_one(number: int) -> None:
        run = one(exploration, number, realtime)
        say(f"{kind(realtime)} {number}: {verdict(run)} after {(run / 'seconds').read_text().strip()} s")

    numbers = list(numbers)
    wanted = [number for number in numbers if not (exploration / f'{kind(realtime)}-{number}').is_dir()]
    if numbers:
        say(f'{shown(exploration)}: {len(wanted)} of {kind(realtime)}s {numbers[0]} to {numbers[-1]} are to be run, {jobs} at a time')
    if at_once(jobs, boot_one, wanted):
        raise Unusable('some boots were not possible (see above)')


def verdicts(exploration: Path, realtime: bool) -> set[str]:
    """Of all boots that there are."""
    return {verdict(file.parent) for file in exploration.glob(f'{kind(realtime)}-*/verdict')}


def is_as_expected(exploration: Path, realtime: bool) -> bool:
    return verdicts(exploration, realtime) <= {(exploration / 'expect').read_text().strip()}


def seeds(text: str) -> range:
    """Of N or FROM-TO."""
    first, last = map(int, text.split('-') if '-' in text else (1, text))
    return range(first, last + 1)


SEEDS = checked('([0-9]{1,9}-)?[0-9]{1,9}', '--seeds needs N or FROM-TO', seeds)


def directory(name: str, mutant: Path | None, instead: dict[str, str]) -> Path:
    if (Path(name) / 'initramfs.cpio').is_file():
        return Path(name).resolve()
    return prepare(name, RUNS, mutant, instead)


def main(argv: list[str]) -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument('--seeds', type=SEEDS, default='20')
    arguments.add_argument('--jobs', type=count('--jobs'), default=PROCESSORS)
    arguments.add_argument('--mutant', type=patch('--mutant'))
    arguments.add_argument('--quiet', action='store_true')
    arguments.add_argument('scenarios', nargs='*')
    options = arguments.parse_args(argv)
    if not options.scenarios:
        raise Unusable(f"which scenario? (of: {names(LAB / 'scenarios')})")
    realtime = bool(os.environ.get('REALTIME'))
    instead = {name: os.environ[name] for name in INSTEAD if os.environ.get(name)}
    explorations = []
    for name in options.scenarios:
        explorations.append(directory(name, options.mutant, instead))
        explore(explorations[-1], options.seeds, options.jobs, realtime)
    print('\n'.join(map(str, explorations)) if options.quiet else table(explorations, kind(realtime)))
    return 0 if all(is_as_expected(exploration, realtime) for exploration in explorations) else 1


if __name__ == '__main__':
    run_script(main)

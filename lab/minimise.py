#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/minimise.py [--jobs N] RUN
       lab/minimise.py --program FILE.c RUN

RUN is a run of irqfd_fuzz_test that failed, in virtual time (of lab/explore.py, lab/run.py).  Find few of
its steps that fail alike when they are taken over and over again, on the same kernel with the same seed:
delta debugging, each try a boot, N at a time (default: as many as there are processors).

Prints the steps that are left, and writes into runs/minimal-RUN

  steps         them, as irqfd_fuzz_test takes them in STEPS
  repro.c       a program that does the same by itself, see lab/reproducer.c
  repro.syz     the same for syzkaller, but for what its descriptions lack
  seed-N        the run that failed with these steps, for lab/replay.sh
  program       the run that failed with repro.c, if it did
  tried         what was tried, so that it isn't again after an interruption

If the kernel died with the test, which is why nothing says how far that got, the fewest ROUNDS that
fail are looked for first.  Exit status 0 if the steps fail, and the program, too; 1 if not; 2 if it can't be
tried, 130 after Ctrl-C.

With --program, boot the kernel of RUN once, any run in virtual time, with that program, a repro.c say, and
print what came of it.  Exit status 0 if that is PASS, 1 if not."""

import hashlib
import os
import re
import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Optional, TypeVar

import explore
import reproducer
from boots import PROCESSORS, RUNS, Arguments, Unusable, call, count, run_script, say
from record import read

# Of a run, what is booted, and how it is judged.
BOOTED = 'kernel symbols append cpus timeout arch config built-from expect machine shift'.split()
# How many steps a fuzzer takes in a try, at least, unless the run's ROUNDS are fewer: there is a limit of time,
# and with KASAN they are slow.
WORK = 1500
# What a failure is known by, in this order; a kernel's first.
SIGNATURES = [r'BUG: K[A-Z]+: [\w-]+', r'(?:BUG|WARNING): \w[\w ]+', r'unreferenced object', r'Kernel panic', r'rcu: INFO: \w+',
              r'blocked for more than', r'an interrupt is lost', r'resampled \d+ times when deassigned',
              r'Assigned (?:twice|to two VMs)', r'Fuzzer \d+ does not end', r'KVM_\w+ failed', r'Test terminated by timeout']
STEP = re.compile(r'# step ((\d+)\.[a-z-]+\.\d+\.\d+\.\d+)')
Item = TypeVar('Item')


def signature(run: Path) -> Optional[str]:
    """What failed, without numbers; None if nothing did."""
    verdict = read(run / 'verdict').split('\n', 1)[0]
    if verdict in ('PASS', 'SKIP'):
        return None
    text = read(run / 'console') + read(run / 'results')
    for pattern in SIGNATURES:
        if found := re.search(pattern, text):
            return re.sub(r'\d+', 'N', found[0])
    return verdict


def minimise(items: list[Item], first_failing: Callable[[list[list[Item]]], Optional[list[Item]]]) -> list[Item]:
    """Delta debugging by complements (Zeller, Hildebrandt 2002): no item that is left can be left out."""
    parts = 2
    while len(items) > 1:
        size = -(-len(items) // parts)
        smaller = first_failing([items[:i] + items[i + size:] for i in range(0, len(items), size)])
        if smaller is not None:
            items, parts = smaller, max(parts - 1, 2)
        elif parts >= len(items):
            break
        else:
            parts = min(2 * parts, len(items))
    return items


class Tries:
    """Boots that differ in their first command."""

    def __init__(self, run: Path, jobs: int):
        self.run, self.jobs = run, jobs
        for name in ('seed', 'initramfs.cpio', 'verdict'):
            if not (run / name).exists():
                raise Unusable(f'{run} is no run in virtual time (of lab/explore.py, say)')
        self.seed = (run / 'seed').read_text().strip()
        self.dir = RUNS / f'minimal-{run.parent.name}-{run.name}'
        self.boots = 0

    def must_fail(self) -> None:
        """Learn from the run what to repeat."""
        run = self.run
        command, *self.others = (run / 'job').read_text().splitlines()
        found = re.match(r'((?:[A-Z_]+=\S* )*)(irqfd_fuzz_test .*)', command)
        if not found:
            raise Unusable(f'{run}: the first command is not irqfd_fuzz_test (lab/minimise.py --help)')
        self.settings = dict(word.split('=', 1) for word in found[1].split())
        self.command = found[2]
        self.wanted = signature(run)
        if not self.wanted:
            raise Unusable(f'{run} has not failed')
        self.dir.mkdir(parents=True, exist_ok=True)
        self.tried = dict(line.split(' ', 1) for line in read(self.dir / 'tried').splitlines())

    def job(self, **settings: str) -> str:
        words = [f'{name}={value}' for name, value in settings.items()]
        return '\n'.join([' '.join(words + [self.command]), *self.others]) + '\n'

    def prepare(self, directory: Path, job: str, extra: Optional[Path] = None) -> None:
        """The kernel of the run, and its files, but for the job, and perhaps a program."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for name in BOOTED:
            if (self.run / name).exists():
                os.link(self.run / name, directory / name)
        (directory / 'job').write_text(job)
        (directory / 'title').write_text('a try of lab/minimise.py\n')
        files = ['job']
        if extra:
            (directory / 'tests').mkdir()
            shutil.copy(extra, directory / 'tests')
            files += ['tests', f'tests/{extra.name}']
        # Of two files of a name, the kernel takes the last one.
        archive = subprocess.run(['cpio', '-o', '-H', 'newc', '--quiet'], input='\n'.join(files).encode(), cwd=directory,
                                 stdout=subprocess.PIPE, check=True).stdout
        (directory / 'initramfs.cpio').write_bytes((self.run / 'initramfs.cpio').read_bytes() + archive)

    def boot(self, job: str, extra: Optional[Path] = None) -> Path:
        """Returns the run."""
        directory = self.dir / f'try-{hashlib.sha1(job.encode()).hexdigest()[:8]}'
        self.prepare(directory, job, extra)
        self.boots += 1
        return explore.one(directory, int(self.seed))

    def outcome(self, job: str) -> str:
        """The signature of a boot; of one that failed alike, the run is kept."""
        key = hashlib.sha1(job.encode()).hexdigest()[:16]
        if key not in self.tried:
            run = self.boot(job)
            self.tried[key] = signature(run) or 'PASS'
            if self.tried[key] == self.wanted:
                shutil.rmtree(self.dir / f'seed-{self.seed}', ignore_errors=True)
                run.rename(self.dir / f'seed-{self.seed}')
            shutil.rmtree(run.parent)
            with (self.dir / 'tried').open('a') as tried:
                tried.write(f'{key} {self.tried[key]}\n')
        return self.tried[key]

    def steps_job(self, steps: list[str]) -> str:
        longest = max(Counter(step.split('.')[0] for step in steps).values())
        work = min(WORK, int(self.settings.get('ROUNDS', WORK)))
        return self.job(STEPS=','.join(steps), ROUNDS=str(max(work // longest, 1)))

    def first_failing(self, candidates: list[list[str]]) -> Optional[list[str]]:
        for i in range(0, len(candidates), self.jobs):
            batch = candidates[i:i + self.jobs]
            with ThreadPoolExecutor(self.jobs) as pool:
                outcomes = list(pool.map(lambda steps: self.outcome(self.steps_job(steps)), batch))
            for steps, outcome in zip(batch, outcomes):
                if outcome == self.wanted:
                    say(f'{len(steps)} steps fail, {self.boots} boots')
                    return steps
        return None

    def fewest_rounds(self) -> str:
        low, high = 0, int(self.settings.get('ROUNDS', '200'))
        while high - low > 1 + high // 50:
            middle = (low + high) // 2
            if self.outcome(self.job(**{**self.settings, 'ROUNDS': str(middle)})) == self.wanted:
                high = middle
            else:
                low = middle
            say(f'{high} rounds fail, {low} do not, {self.boots} boots')
        return str(high)

    def last_steps(self) -> list[str]:
        """Those that led to the failure: what it printed, or the last 32 that each fuzzer would have taken."""
        if steps := STEP.findall(read(self.run / 'results')):
            return [step for step, _ in steps]
        run = self.boot(self.job(**{**self.settings, 'ROUNDS': self.fewest_rounds(), 'DRY_RUN': '1'}))
        steps = STEP.findall(read(run / 'results'))
        shutil.rmtree(run.parent)
        return [step for fuzzer in sorted({fuzzer for _, fuzzer in steps})
                for step in [step for step, of in steps if of == fuzzer][-32:]]


def boot_program(tries: Tries, source: Path, others: list[str]) -> Path:
    """Returns the run of a C program, and of commands after it."""
    tries.dir.mkdir(parents=True, exist_ok=True)
    program = tries.dir / source.stem
    if call('gcc', '-O2', '-Wall', '-Werror', '-pthread', '-static', '-o', program, source)[0]:
        raise Unusable(f'{source} does not compile')
    run = tries.boot('\n'.join([source.stem, *others]) + '\n', program)
    program.unlink()
    kept = tries.dir / 'program'
    shutil.rmtree(kept, ignore_errors=True)
    run.rename(kept)
    shutil.rmtree(run.parent)
    return kept


def try_program(tries: Tries, steps: list[str]) -> bool:
    """Whether the C program fails as the steps do."""
    source = tries.dir / 'repro.c'
    source.write_text(reproducer.c_program(steps, tries.wanted or ''))
    return signature(boot_program(tries, source, tries.others)) == tries.wanted


def program_passes(tries: Tries, source: Path) -> bool:
    run = boot_program(tries, source, [])
    verdict, *said = (run / 'verdict').read_text().splitlines()
    printed = [line for line in read(run / 'results').splitlines() if not line.startswith('lab: ')]
    print('\n'.join([verdict, *said, *printed[:20], f'see {run}']))
    return verdict == 'PASS'


def main(argv: list[str]) -> int:
    arguments = Arguments(__doc__ or '')
    arguments.add_argument('--program', type=Path)
    arguments.add_argument('--jobs', type=count('--jobs'), default=PROCESSORS)
    arguments.add_argument('run', type=Path, nargs='?')
    args = arguments.parse_args(argv)
    if not args.run:
        raise Unusable('which run? (lab/minimise.py --help)')
    tries = Tries(args.run.resolve(), args.jobs)
    if args.program:
        return 0 if program_passes(tries, args.program) else 1
    tries.must_fail()
    say(f'{tries.wanted}: {tries.dir}')
    steps = tries.last_steps()
    if tries.outcome(tries.steps_job(steps)) != tries.wanted:
        say(f'the last {len(steps)} steps do not fail when they are taken alone (try another seed)')
        return 1
    steps = minimise(steps, tries.first_failing)
    (tries.dir / 'steps').write_text(','.join(steps) + '\n')
    (tries.dir / 'repro.syz').write_text(reproducer.syz_program(steps))
    print('\n'.join(steps))
    fails = try_program(tries, steps)
    print(f'{tries.wanted}: {len(steps)} steps, {tries.boots} boots; repro.c fails {"alike" if fails else "not"}')
    return 0 if fails else 1


if __name__ == '__main__':
    run_script(main)

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/judge.py RUN

Judge a run of lab/boot.sh: write RUN/verdict, the verdict in its first line
and what it rests on in the others, and RUN/results.json, which has that and what
was booted, see lab/record.py; print the verdict.

  DEADLOCK    the tests hung, or the kernel says that tasks do, and the console
              shows the cycle, see lab/deadlock.py
  SPLAT       the console has something of lab/badness (a panic, lockdep, ...)
  BOOT-ERROR  QEMU failed, or the kernel did not get as far as its init
  TIMEOUT     QEMU had to be stopped
  FAIL        a test failed, or hung without the cycle; or a result is missing
  SKIP        a test was skipped
  BUILD-ERROR nothing was booted, as RUN/build-error says
  PASS        none of these, and there is proof of each: the kernel's banner, its
              init and its end on the console, each command's start and exit, all
              results that were planned, in order, and as many as lab/cases says

The first that applies is the verdict.  QEMU's exit status, 0 also for a panic,
never makes a PASS.  Optional files of RUN, of regular expressions, one a line:

  must-match  each must match a line of the tests' output, or what would be
              DEADLOCK, SKIP or PASS is FAIL
  may-fail    test cases, or tests, that do not make a FAIL if they fail
  may-skip    ... or a SKIP if they are skipped
  may-say     lines of the console that do not make a SPLAT, as what they say is wanted

Exit status 0 whatever the verdict is, 2 if there can be none.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import deadlock
import ktap
import record
from record import read

LAB = Path(__file__).resolve().parent
HUNG = re.compile(r'(?:# )*# Hung: worker |lab: stuck ')
# What does not show messages of priority 6, as the kernel's own `Run /init` is one.
QUIET = re.compile(r'(?:^|\s)(quiet|loglevel=[0-6]|sysctl\.kernel[./]printk=[0-6])(?:\s|$)', re.M)


class CannotJudge(Exception):
    pass


class Section(NamedTuple):
    command: str
    lines: list[str]
    status: int | None


class Command(NamedTuple):
    verdict: str
    said: list[str]
    name: str = ''      # empty: it is not of the job
    status: int | None = None
    cases: list[ktap.Case] = []
    allowed: list[ktap.Case] = []   # that failed, or were skipped, as they may


class Outcome(NamedTuple):
    verdict: str
    said: list[str]
    commands: list[Command]


def patterns(file: Path) -> list[re.Pattern[str]]:
    try:
        return [re.compile(line) for line in read(file).splitlines()]
    except re.error as error:
        raise CannotJudge(f'{file}: {error}: {error.pattern}') from error


def badness() -> dict[str, re.Pattern[str]]:
    """By kind, all patterns in one."""
    kinds: dict[str, list[str]] = {'HANG': [], 'SPLAT': []}
    for line in read(LAB / 'badness').splitlines():
        kind, _, pattern = line.partition('\t')
        if line.startswith('#'):
            continue
        if kind not in kinds or not pattern:
            raise CannotJudge(f'lab/badness: what is this line: {line}')
        try:
            re.compile(pattern)
        except re.error as error:
            raise CannotJudge(f'lab/badness: {error}: {pattern}') from error
        kinds[kind].append(f'(?:{pattern})')
    for kind, found in kinds.items():
        if not found:
            raise CannotJudge(f'no patterns {kind} in lab/badness')
    return {kind: re.compile('|'.join(found)) for kind, found in kinds.items()}


def wanted_cases() -> dict[str, int]:
    rows = [line.split() for line in read(LAB / 'cases').splitlines() if line and line[0] != '#']
    if not rows or any(len(row) != 2 or not row[1].isdigit() for row in rows):
        raise CannotJudge('lab/cases: not lines of a name and a number')
    return {name: int(number) for name, number in rows}


def kunit_parser() -> Any:
    """From the tree that the selftests are of."""
    base = re.search(r'^NEWEST_BASE=(\S+)', read(LAB / 'lib.sh'), re.M)
    cache = Path(os.environ.get('LAB_CACHE') or LAB.parent / 'cache')
    tree = cache / 'src' / (base[1] if base else '')
    try:
        return ktap.load_parser(tree)
    except ImportError as error:
        raise CannotJudge(f'no parser of KTAP in {tree}: {error} (lab/fetch.sh {tree.name})') from error


def sections(results: str) -> list[Section]:
    found: list[Section] = []
    for line in results.splitlines():
        if m := re.fullmatch(r'lab: run (.*)', line):
            found.append(Section(m[1], [], None))
        elif found and (m := re.fullmatch(r'lab: exit (\d+)', line)):
            found[-1] = found[-1]._replace(status=int(m[1]))
        elif found and not line.startswith('lab: '):
            found[-1].lines.append(line)
    return found


class Judge:
    def __init__(self, run: Path) -> None:
        self.run = run
        self.bad = badness()
        self.wanted = wanted_cases()
        self.parser = kunit_parser()
        self.may_fail, self.may_skip = patterns(run / 'may-fail'), patterns(run / 'may-skip')
        self.may_say = patterns(run / 'may-say')
        self.console, self.results = read(run / 'console'), read(run / 'results')
        self.status = read(run / 'qemu-status').strip() or 'missing'
        lines = self.console.splitlines()
        asked = read(run / 'append') + '\n'.join(line for line in lines if 'ommand line: ' in line)
        if quiet := QUIET.search(asked):
            raise CannotJudge(f'{quiet[1]} on the command line hides what the kernel says')
        self.lines = [text for _, text in deadlock.split(self.console)]

    # The tests' output

    def too_few(self, command: str, cases: list[ktap.Case]) -> list[str]:
        """What of lab/cases has too few; with -t, those that are asked for are enough."""
        words = re.sub(r'^([A-Z_]+=\S* )*', '', command).split() or ['']
        asked = words.count('-t')
        least = {}
        if words[0] == 'run_kselftest.sh':
            ran = {case.name.split('/')[0] for case in cases}
            least = {word.split(':')[1]: 1 for option, word in zip(words, words[1:]) if option == '-t' and word.startswith('kvm:')}
            least |= {name: n for name, n in self.wanted.items() if name in ran | set(least)}
        elif words[0] == 'kunit':
            least = {name: n for name, n in self.wanted.items() if name in words}
        elif words[0] in self.wanted:
            least = {words[0]: asked or self.wanted[words[0]]}
        found = {name: sum(1 for case in cases if case.name.split('/')[0] == name) for name in least}
        return [f'{found[name]} cases of {name}, at least {n} wanted' for name, n in least.items() if found[name] < n]

    def check(self, section: Section) -> Command:
        name = section.command
        word = re.sub(r'^([A-Z_]+=\S* )*', '', name).split(' ')[0]
        if section.status is None:
            return Command('FAIL', [f'{name}: no exit status'], name)
        cases, wrong = [], []
        if ktap.is_ktap(section.lines):
            path = '' if word in ('kunit', 'run_kselftest.sh') else word
            cases, wrong = ktap.parse(self.parser, section.lines, path)
        elif section.status == 4:
            why = [line for line in section.lines if 'SKIP' in line]
            cases = [ktap.Case(word, 'skip', ', '.join(why))]
        failed = [case for case in cases if case.status == 'not ok']
        excused = [case for case in failed if any(p.search(case.name) for p in self.may_fail)]
        failed = [case for case in failed if case not in excused]
        skipped = [case for case in cases if case.status == 'skip']
        unasked = [case for case in skipped if not any(p.search(case.name) for p in self.may_skip)]
        if section.status != 4 or ktap.is_ktap(section.lines):
            wrong += self.too_few(name, cases)
        passed = len(cases) - len(failed) - len(excused) - len(skipped)
        said = [f'not ok: {case.name}' for case in failed] + [f'failed, as it may: {case.name}' for case in excused]
        said += [f'skipped{"" if case in unasked else ", as it may be"}: {case.name}: {case.why or "no reason given"}'
                 for case in skipped]
        if wrong or failed or section.status not in (0, 4) and not excused:
            verdict = 'FAIL'
            summary = [f'exit status {section.status}', *wrong] + [f'{len(failed)} of {len(cases)} cases failed'] * bool(cases)
        elif unasked or section.status == 4 or cases and not passed:
            verdict, summary = 'SKIP', [f'{len(skipped)} of {len(cases)} cases skipped']
        else:
            verdict, summary = 'PASS', [f'{passed} of {len(cases)} cases passed' if cases else 'exit status 0']
        return Command(verdict, [f'{name}: {", ".join(summary)}', *said], name, section.status, cases,
                       [case for case in excused + skipped if case not in unasked])

    def check_commands(self) -> list[Command]:
        job, found = read(self.run / 'job').splitlines(), sections(self.results)
        commands = []
        for i, name in enumerate(job):
            if i < len(found) and found[i].command == name:
                commands.append(self.check(found[i]))
            else:
                commands.append(Command('FAIL', [f'{name}: no result'], name))
        if len(found) > len(job):
            commands.append(Command('FAIL', [f'{found[len(job)].command}: not of the job']))
        if not self.results.endswith('lab: done\n'):
            commands.append(Command('FAIL', ['the job did not end']))
        return commands

    def unmatched(self) -> list[str]:
        lines = self.results.splitlines()
        return [f'no result matches: {p.pattern}' for p in patterns(self.run / 'must-match')
                if not any(p.search(line) for line in lines)]

    # The console

    def has(self, text: str) -> bool:
        return any(line.startswith(text) for line in self.lines)

    def boot_error(self) -> list[str]:
        said = []
        if self.status not in ('0', 'timed out'):
            said.append(f'QEMU failed: {read(self.run / "qemu-output").strip() or "it does not say why"}')
        said += [f'not on the console: {text}' for text in ('Linux version ', 'Run /init as init process')
                 if not self.has(text)]
        return said

    def triple_fault(self) -> list[str]:
        """Nothing but QEMU can tell: the kernel has no chance to."""
        return [f'qemu: {line}' for line in read(self.run / 'resets').splitlines() if line == 'Triple fault']

    def judge(self) -> Outcome:
        splat = [line for line in self.lines if self.bad['SPLAT'].search(line)
                 and not any(p.search(line) for p in self.may_say)]
        hang = [line for line in self.lines if self.bad['HANG'].search(line)]
        stuck = [line for line in self.results.splitlines() if HUNG.match(line)]
        cycle = deadlock.cycle(self.console) if hang or stuck else []
        boot_error, commands, unmatched = self.boot_error(), self.check_commands(), self.unmatched()
        if not self.has('sysrq: Resetting'):
            commands.append(Command('FAIL', ['not on the console: sysrq: Resetting', *self.triple_fault()]))
        verdicts = {command.verdict for command in commands}

        verdict = ('DEADLOCK' if cycle else
                   'SPLAT' if splat else
                   'BOOT-ERROR' if boot_error else
                   'TIMEOUT' if self.status == 'timed out' else
                   'FAIL' if 'FAIL' in verdicts or stuck else
                   'SPLAT' if hang else
                   'SKIP' if 'SKIP' in verdicts else 'PASS')
        if unmatched and verdict in ('DEADLOCK', 'SKIP', 'PASS'):
            verdict = 'FAIL'
        said = [*unmatched, *cycle, *boot_error, *splat[:10], *hang[:3],
                *[line for line in stuck if line.startswith('lab: ')][:10],
                *[line for command in commands for line in command.said],
                f'qemu: exit status {self.status} after {read(self.run / "seconds").strip() or "?"} s']
        return Outcome(verdict, said, [command for command in commands if command.name])


def outcome(run: Path) -> Outcome:
    if (run / 'build-error').exists():
        return Outcome('BUILD-ERROR', read(run / 'build-error').splitlines(), [])
    return Judge(run).judge()


def main(argv: list[str]) -> int:
    if '-h' in argv or '--help' in argv:
        print(__doc__.strip())
        return 0
    try:
        if len(argv) != 2:
            raise CannotJudge('which run? (lab/judge.py --help)')
        run = Path(argv[1])
        if not (run / 'job').is_file():
            raise CannotJudge(f'{run} is not the directory of a run')
        judged = outcome(run)
        (run / 'verdict').write_text('\n'.join([judged.verdict, *judged.said]) + '\n')
        record.write(run, judged)
    except (CannotJudge, OSError) as error:
        print(f'lab: {error}', file=sys.stderr)
        return 2
    print(judged.verdict)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))

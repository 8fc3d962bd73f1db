# SPDX-License-Identifier: GPL-2.0-only
"""What a command of a job has printed, as test cases.

The kernel's own parser of KTAP (tools/testing/kunit/kunit_parser.py) knows
nesting, plans and numbers.  Here is what it needs to know of kselftest's runner,
which quotes a test's results with `# `, and what it is too lenient about: a plan
must be there, no result may come after its end, and `not ok` is never skipped.
"""

import importlib
import re
import sys
from pathlib import Path
from typing import Any, Iterator, NamedTuple

RESULT = re.compile(r'\s*(ok|not ok) \d+')
ANY = re.compile(r'\s*((ok|not ok) \d+|1\.\.[1-9]|K?TAP version )')
RUNNER = re.compile(r'(ok|not ok) \d+ selftests: \w+: ([^#]*[^# ])')
# A test's last line may lack its end.
GLUED = re.compile(r'^(#.*?)((?:not )?ok \d+ selftests: \w+: )')
# What a test says that skips all of it.
SKIPPED = re.compile(r'1\.\.0 # SKIP(?: -)? *(.*)')


class Case(NamedTuple):
    name: str       # with those that it is nested in: suite/case/parameter
    status: str     # ok, not ok, skip
    why: str = ''


class Results(NamedTuple):
    cases: list[Case]
    wrong: list[str]    # what is not as KTAP must be


def load_parser(tree: Path) -> Any:
    """The kernel's parser; ImportError if the tree has none."""
    sys.path.insert(0, str(tree / 'tools/testing/kunit'))
    sys.dont_write_bytecode = True
    return importlib.import_module('kunit_parser')


class Errors:
    """In place of kunit_printer.Printer: keeps what the parser calls an error."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def print_with_timestamp(self, text: str) -> None:
        if text.startswith('[ERROR]'):
            self.said.append(text.removeprefix('[ERROR] Test: ').removeprefix('main: '))

    def red(self, text: str) -> str:
        return text

    yellow = green = red

    def color_len(self) -> int:
        return 0


def is_ktap(lines: list[str]) -> bool:
    return any(ANY.match(line) for line in lines)


def walk(test: Any, path: str) -> Iterator[Case]:
    """The cases without cases of their own, and those that failed although those passed."""
    path = test.name.strip() if not path else f'{path}/{test.name.strip()}'
    status = {'SUCCESS': 'ok', 'SKIPPED': 'skip'}.get(test.status.name, 'not ok')
    inner = [case for sub in test.subtests for case in walk(sub, path)]
    yield from inner
    if not inner or status == 'not ok' and all(case.status != 'not ok' for case in inner):
        yield Case(path, status, test.skip_reason)


def nodes(test: Any) -> Iterator[Any]:
    for sub in test.subtests:
        yield sub
        yield from nodes(sub)


def is_planned(test: Any, main: Any, lines: list[str]) -> bool:
    """KUnit does not announce how many parameters a case has, but sums them up if they are some."""
    if test.expected_count is not None or not test.subtests and test is not main:
        return True
    total = f'# {test.name}: pass:'
    sums = [line.rsplit(':', 1)[1] for line in lines if line.strip().startswith(total)]
    return test is not main and sums == ([str(len(test.subtests))] if len(test.subtests) > 1 else [])


def parse_plain(parser: Any, lines: list[str], path: str) -> Results:
    """KTAP of which nothing is quoted."""
    lines = [re.sub(r'^(\s*not ok \d.*?) # SKIP.*', r'\1', line) for line in lines]
    errors = Errors()
    main = parser.parse_run_tests(lines, errors)
    wrong = errors.said
    wrong += [f'{test.name}: no plan' for test in [main, *nodes(main)] if not is_planned(test, main, lines)]
    if not wrong and sum(1 for line in lines if RESULT.match(line)) != sum(1 for _ in nodes(main)):
        wrong.append('more results than planned')
    return Results([case for sub in main.subtests for case in walk(sub, path)], wrong)


def blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """What the runner quotes of each test, without the quotes, by the test's name."""
    quoted: list[str] = []
    for line in lines:
        result = RUNNER.match(line)
        if result:
            yield result[2], quoted
        if result or line.startswith('# selftests: '):
            quoted = []
        elif line.startswith('#'):
            quoted.append(line[2:])


def parse(parser: Any, lines: list[str], path: str) -> Results:
    """All cases; of a test that the runner ran and that has some, those instead of it."""
    lines = [part for line in lines for part in GLUED.sub(r'\1\n\2', line).split('\n')]
    outer = parse_plain(parser, lines, path)
    quoted = dict(blocks(lines))
    cases, wrong = [], outer.wrong
    for case in outer.cases:
        name = re.sub(r'^selftests: \w+: ', '', case.name)
        inner = Results([], [])
        if name != case.name and is_ktap(quoted.get(name, [])):
            inner = parse_plain(parser, quoted[name], name)
        cases += inner.cases
        # Of a test that failed as a whole, that is all that matters.
        if case.status != 'not ok':
            wrong += [f'{name}: {text}' for text in inner.wrong]
        if not inner.cases or case.status != 'ok':
            said = [m[1] for line in quoted.get(name, []) if (m := SKIPPED.match(line))]
            cases.append(Case(name, case.status, case.why or ''.join(said[:1])))
    return Results(cases, wrong)

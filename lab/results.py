#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/results.py FORMAT [--url URL] [RUN...]

Print the results of runs, i.e. what lab/judge.py has written to their results.json
(its format is lab/results.schema.json), as

  table  for people; in colour on a terminal, if NO_COLOR isn't set
  json   an array of all that is known
  ktap   for kselftest's and KUnit's parsers
  junit  for what shows JUnit's XML
  kcidb  a report in KCIDB's format 5.3, for KernelCI, see lab/kcidb.py
  lava   jobs that boot the same again on a LAVA server, one JSON document (which is
         YAML, too) a line, see lab/lava.py

A RUN is its directory, or one with runs in it; the default is all of runs/.  In ktap
and junit, a run is ok if its verdict is the expected one, and what fails in it is an
expected failure then.  URL is where kcidb and lava say that files are, those of
RUN in URL/RUN; the default is file:///... on this machine.

Exit status 0 if each verdict is the expected one, 1 if not, 2 if a run has no results.
"""

import json
import os
import re
import sys
import xml.etree.ElementTree as ET
from typing import Any, Callable

from runs import Run, Unusable, clock, is_expected, leaves, load, name, padded, shown

# For people

def table(runs: list[Run], colour: bool = False) -> str:
    head = ['Linux', 'kernel', 'expected', 'verdict', 'time', 'seconds', 'run']
    rows = [head] + [[run['kernel']['version'] or '?', run['title'] or name(run), run['expected'] or '-', run['verdict'],
                      clock(run), str(run['seconds'] or 0), shown(run['path'])] for run in runs]
    lines = []
    for cells, run in zip(padded(rows), [None, *runs]):
        if colour:
            code = '1' if run is None else '32' if is_expected(run) else '1;31'
            cells = [f'\033[{code}m{cell}\033[m' if run is None or i == head.index('verdict') else cell
                     for i, cell in enumerate(cells)]
        lines.append('  '.join(cells).rstrip())
    return '\n'.join(lines)


# For programs

def is_excused(run: Run, case: dict[str, Any]) -> bool:
    return case['allowed'] or is_expected(run)


def verdict_line(run: Run) -> str:
    return f'verdict {run["verdict"]}, expected {run["expected"] or "PASS"}'


def ktap_line(good: bool, number: int, text: str, directive: str = '') -> str:
    """A name must not look like the beginning of a directive."""
    return f'{"ok" if good else "not ok"} {number} {text.replace("#", "")}' + (f' # {directive}' if directive else '')


def ktap_case(run: Run, number: int, case: dict[str, Any]) -> str:
    if case['status'] == 'skip':
        return ktap_line(True, number, case['name'], f'SKIP {case["why"]}'.strip())
    if case['status'] == 'not ok' and is_excused(run, case):
        return ktap_line(True, number, case['name'], 'XFAIL')
    return ktap_line(case['status'] == 'ok', number, case['name'])


def ktap(runs: list[Run]) -> str:
    lines = ['KTAP version 1', f'1..{len(runs)}']
    for number, run in enumerate(runs, 1):
        cases = [case for _, case in leaves(run)]
        if cases:
            lines += ['  KTAP version 1', f'  1..{len(cases)}']
            lines += ['  ' + ktap_case(run, i, case) for i, case in enumerate(cases, 1)]
        lines += [f'# {line}' for line in [verdict_line(run), *run['said'][:10]]]
        lines.append(ktap_line(is_expected(run), number, name(run)))
    return '\n'.join(lines)


def xml_text(text: str) -> str:
    """What XML can't have, not even escaped, as a console may."""
    return re.sub(r'[^\t\n\x20-\ud7ff\ue000-\ufffd]', '?', text)


def junit_case(suite: ET.Element, classname: str, text: str, kind: str = '', message: str = '', body: str = '') -> None:
    case = ET.SubElement(suite, 'testcase', classname=xml_text(classname), name=xml_text(text))
    if kind:
        ET.SubElement(case, kind, message=xml_text(message)).text = xml_text(body) or None


def junit_suite(run: Run) -> ET.Element:
    suite = ET.Element('testsuite', name=name(run), id=run['run'], time=str(run['seconds'] or 0))
    if run['started']:
        suite.set('timestamp', run['started'])
    properties = ET.SubElement(suite, 'properties')
    facts = {'verdict': run['verdict'], 'expected': run['expected'], 'linux': run['kernel']['version'], 'seed': run['machine']['seed'],
             'qemu': run['machine']['qemu'], **run['kernel']['built']}
    for key, value in facts.items():
        if value is not None:
            ET.SubElement(properties, 'property', name=key, value=xml_text(str(value)))
    for command, case in leaves(run):
        kind, why = {'ok': '', 'skip': 'skipped', 'not ok': 'failure'}[case['status']], case['why']
        if kind == 'failure' and is_excused(run, case):
            kind, why = 'skipped', 'expected failure'
        junit_case(suite, f'{name(run)}.{command["command"].split(" ")[0]}', case['name'], kind, why)
    junit_case(suite, name(run), 'verdict', '' if is_expected(run) else 'failure', verdict_line(run), '\n'.join(run['said']))
    counts = {'tests': 'testcase', 'failures': 'testcase/failure', 'skipped': 'testcase/skipped'}
    for attribute, path in counts.items():
        suite.set(attribute, str(len(suite.findall(path))))
    suite.set('errors', '0')
    return suite


def junit(runs: list[Run]) -> str:
    root = ET.Element('testsuites', name='irqfd')
    root.extend(junit_suite(run) for run in runs)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding='unicode')


def as_json(runs: list[Run]) -> str:
    return json.dumps(runs, indent=1, default=str)


def formats(url: str | None) -> dict[str, Callable[[list[Run]], str]]:
    def kcidb(runs: list[Run]) -> str:
        from kcidb import report
        return json.dumps(report(runs, url), indent=1)

    def lava(runs: list[Run]) -> str:
        from lava import job
        return '\n'.join(json.dumps(job(run, url)) for run in runs)

    colour = sys.stdout.isatty() and not os.environ.get('NO_COLOR')
    return {'table': lambda runs: table(runs, colour), 'json': as_json, 'ktap': ktap, 'junit': junit, 'kcidb': kcidb, 'lava': lava}


def main(argv: list[str]) -> int:
    if '-h' in argv or '--help' in argv:
        print(__doc__.strip())
        return 0
    url = None
    if '--url' in argv[:-1]:
        at = argv.index('--url')
        url = argv[at + 1].rstrip('/')
        del argv[at:at + 2]
    try:
        make = formats(url).get(argv[1] if len(argv) > 1 else '')
        if not make:
            raise Unusable(f'which format? (of: {" ".join(formats(url))})')
        runs = load(argv[2:])
        print(make(runs))
    except (Unusable, OSError) as error:
        print(f'lab: {error}', file=sys.stderr)
        return 2
    return 0 if all(map(is_expected, runs)) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv))

# SPDX-License-Identifier: GPL-2.0-only
"""Runs as a report in KCIDB's format, version 5.3, which KernelCI takes.

A checkout is a tree with a series, a build that with a configuration and a
compiler.  Of a run, the tests are the run as such, lab.SCENARIO, with the lab's own verdict,
and each case.  The deadlock is one issue, with an incident for each run that shows it, and
one that says it is absent for each that passes the same job on the same base and
configuration with a series.

Ids are made of what they stand for, so that a report that is sent again replaces
itself.  KCIDB's schema (tests/results) does not check what check() does.
"""

import hashlib
import re
from datetime import datetime
from typing import Any, Iterator
from urllib.parse import urlparse

from runs import Run, Unusable, leaves, link, name

ORIGIN = 'irqfd'
VERDICTS = {'PASS': 'PASS', 'SKIP': 'SKIP', 'DEADLOCK': 'FAIL', 'SPLAT': 'FAIL', 'FAIL': 'FAIL', 'TIMEOUT': 'ERROR',
            'BOOT-ERROR': 'ERROR', 'BUILD-ERROR': 'MISS'}
CASES = {'ok': 'PASS', 'not ok': 'FAIL', 'skip': 'SKIP'}
ISSUE = {'id': f'{ORIGIN}:srcu-under-resampler_lock', 'version': 1, 'origin': ORIGIN,
         'report_url': 'https://lore.kernel.org/all/20260323064248.1660757-1-sonam.sanju@intel.com',
         'report_subject': 'KVM: irqfd: deadlock of VM teardown', 'culprit': {'code': True, 'tool': False, 'harness': False},
         'categories': ['runtime.hang', 'runtime.kvm'], 'comment': 'waits for an SRCU grace period with resampler_lock held'}
EXCERPT = 16384
Object = dict[str, Any]


def make_id(kind: str, *parts: Any) -> str:
    return f'{ORIGIN}:{kind}-{hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]}'


def known(**values: Any) -> Object:
    """KCIDB has no null."""
    return {key: value for key, value in values.items() if value is not None}


def is_stock(run: Run) -> bool:
    return run['kernel']['built'].get('series') == 'none'


def environment(run: Run) -> Object | None:
    machine = run['machine']
    if not machine['qemu']:
        return None
    clock = 'by the host\'s clock' if machine['seed'] is None else f'in virtual time, seed {machine["seed"]}'
    said = [machine['qemu'], machine['accelerator'], f'{machine["cpus"]} CPUs', clock]
    emulator = 'bochs' if machine['qemu'].startswith('Bochs') else 'qemu'
    return {'comment': ', '.join(text for text in said if text),
            'misc': {'platform': f'{emulator}-{run["kernel"]["architecture"] or "x86_64"}'}}


class Report:
    def __init__(self, url: str | None) -> None:
        self.url = url
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in ('checkouts', 'builds', 'tests', 'incidents')}

    def add(self, kind: str, **values: Any) -> str:
        one = known(origin=ORIGIN, **values)
        if kind == 'tests' and one['id'] in self.objects[kind]:
            raise Unusable('the same run twice')
        self.objects[kind][one['id']] = one
        return one['id']

    def link(self, run: Run, file: str) -> str | None:
        return link(run, file, self.url)

    def checkout(self, run: Run) -> str:
        built = run['kernel']['built']
        base = built.get('base', '').split(',')[0]
        version = run['kernel']['version']
        return self.add('checkouts', id=make_id('c', base, version, built.get('series'), built.get('tree')),
                        tree_name=base or None, git_commit_name=f'v{version}' if version else None,
                        patchset_hash='' if is_stock(run) else built.get('patchset'), valid=True,
                        misc=known(series=built.get('series'), tree=built.get('tree')))

    def build(self, run: Run) -> str:
        built, checkout = run['kernel']['built'], self.checkout(run)
        broken = run['verdict'] == 'BUILD-ERROR'
        parts = [run['kernel']['architecture'], built.get('fragments'), built.get('compiler')]
        return self.add('builds', id=make_id('b', checkout, *parts, run['run'] if broken else ''), checkout_id=checkout,
                        architecture=parts[0], config_name=built.get('fragments'), compiler=built.get('compiler'),
                        config_url=self.link(run, 'config'), status='FAIL' if broken else 'PASS',
                        log_excerpt='\n'.join(run['said'])[:EXCERPT] if broken else None)

    def test(self, run: Run, build: str, path: str, status: str, *key: Any, **more: Any) -> str:
        return self.add('tests', id=make_id('t', run['run'], path, *key), build_id=build, path=path, status=status,
                        start_time=run['started'], log_url=self.link(run, 'console'),
                        environment=environment(run), **more)

    def run(self, run: Run) -> None:
        build = self.build(run)
        whole = self.test(run, build, path('lab', name(run)), VERDICTS[run['verdict']], duration=run['seconds'],
                          log_excerpt='\n'.join(run['said'])[:EXCERPT] or None,
                          misc=known(verdict=run['verdict'], expected=run['expected'], runtime='lab', command_url=self.link(run, 'command')))
        for number, (command, case) in enumerate(leaves(run)):
            prefix = 'kunit' if command['command'].startswith('kunit') else 'kselftest.kvm' if command['cases'] else 'lab'
            self.test(run, build, path(*prefix.split('.'), *case['name'].split('/')), CASES[case['status']], number,
                      misc=known(why=case['why'] or None))
        self.whole = whole


def path(*parts: str) -> str:
    return '.'.join(re.sub(r'[^A-Za-z0-9_-]+', '_', part).strip('_') or '_' for part in parts)


def same_job(run: Run) -> tuple[Any, ...]:
    built = run['kernel']['built']
    return (built.get('base'), built.get('fragments'), run['kernel']['command_line'], tuple(c['command'] for c in run['commands']))


def report(runs: list[Run], url: str | None) -> Object:
    made = Report(url)
    hangs = {same_job(run) for run in runs if run['verdict'] == 'DEADLOCK'}
    for run in runs:
        made.run(run)
        present = run['verdict'] == 'DEADLOCK'
        if present or run['verdict'] == 'PASS' and not is_stock(run) and same_job(run) in hangs:
            made.add('incidents', id=make_id('i', made.whole), issue_id=ISSUE['id'], issue_version=ISSUE['version'],
                     test_id=made.whole, present=present)
    data = {'version': {'major': 5, 'minor': 3}, **{kind: list(objects.values()) for kind, objects in made.objects.items()}}
    if made.objects['incidents']:
        data['issues'] = [ISSUE]
    if wrong := check(data):
        raise Unusable(f'what was made for KCIDB is wrong: {wrong[0]}')
    return data


# What KCIDB's schema leaves out

def urls(value: Any) -> Iterator[str]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, (dict, list)):
            yield from urls(inner)
        elif isinstance(key, str) and re.search('(^|_)url$', key):
            yield inner


def wrong_times(one: Object) -> list[str]:
    try:
        return [] if 'start_time' not in one or datetime.fromisoformat(one['start_time']).tzinfo else ['no time zone']
    except ValueError:
        return ['not a time']


def check(data: Object) -> list[str]:
    """What is wrong, a line each."""
    kinds = ('checkouts', 'builds', 'tests', 'issues', 'incidents')
    ids = {kind: [one['id'] for one in data.get(kind, [])] for kind in kinds}
    wrong = [f'{kind}: {one} twice' for kind in kinds for one in sorted({i for i in ids[kind] if ids[kind].count(i) > 1})]
    for kind in kinds:
        for one in data.get(kind, []):
            said = [f'its {key} is nowhere: {one[key]}' for key in ('checkout_id', 'build_id', 'test_id', 'issue_id')
                    if key in one and one[key] not in ids[key.removesuffix('_id') + 's']]
            said += [f'{text}: {one["start_time"]}' for text in wrong_times(one)]
            said += [f'not absolute: {url}' for url in urls(one) if not urlparse(url).scheme or urlparse(url).path[:1] != '/']
            said += [f'not of {one["origin"]}' for _ in [0] if not one['id'].startswith(f'{one["origin"]}:')]
            wrong += [f'{kind}: {one["id"]}: {text}' for text in said]
    return wrong

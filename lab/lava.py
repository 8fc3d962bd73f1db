#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/lava.py JOB LOG
       lab/lava.py --device TEMPLATES JOB

What a LAVA server, or lava-run, has made of a JOB of `lab/results.py lava`: print
PASS, or FAIL and why.  LOG has LAVA's messages, a line each, as lava-run writes them to
stderr.  Neither lava-run's exit status nor LAVA's `job: pass` says that a
case passed, or that it ran.  So PASS is a job and its monitor that passed, each case
that the job names in its metadata among the results, passed or skipped, and no other that failed.

With --device, print the device that a server makes of its template for QEMU, a file of the
directory TEMPLATES, for that job; lava-run wants it.

Exit status 0 for PASS, 1 for FAIL, 2 if a file cannot be read.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from runs import Run, Unusable, leaves, link, name

# What on the console is a case that has failed: LAVA itself looks for such messages only until
# the guest has booted.  `end Kernel panic` is the end of the test instead.
BAD = r'(?<!end )Kernel panic|(?<=\] )(?:BUG|WARNING|UBSAN|Oops|INFO(?=: (?:task|rcu)))'
RESULTS = ('pass', 'fail', 'skip', 'unknown')
Job = dict[str, Any]


def slug(text: str) -> str:
    """As lab/guest/signals.awk has it."""
    return re.sub('[^a-z0-9]+', '_', text.lower()).strip('_')


def expected_cases(run: Run) -> list[str]:
    names = [slug(command['command']) for command in run['commands']]
    names += [slug(case['name']) for command, case in leaves(run) if command['cases']]
    return [*dict.fromkeys(names), 'no_task_is_stuck']


def monitor() -> dict[str, Any]:
    """LAVA's monitor knows one pattern, without .* as its dot matches newlines."""
    return {'name': 'irqfd', 'start': 'LAB-BEGIN [0-9]+', 'end': r'(?:LAB-END [0-9]+ [A-Z]+|end Kernel panic)[^\r\n]*[\r\n]',
            'pattern': rf'(?P<test_case_id>{BAD}|(?<=TEST_CASE_ID=)[a-z0-9_]+)'
                       rf'(?P<result> - not syncing|: | RESULT=(?:{"|".join(RESULTS)})(?=>))',
            'fixupdict': {' - not syncing': 'fail', ': ': 'fail', **{f' RESULT={result}': result for result in RESULTS}}}


def options(run: Run, arm64: bool) -> dict[str, Any]:
    """What LAVA's template of QEMU takes; of x86_64, it knows neither -cpu nor -machine.  A guest that resets must not run its job again."""
    more = ['-no-reboot', f'-smp {run["machine"]["cpus"] or 1}']
    if arm64:
        return {'arch': 'arm64', 'machine': 'virt,virtualization=on,gic-version=3', 'cpu': 'max,pauth-impdef=on', 'extra_options': more}
    return {'arch': 'x86_64', 'extra_options': ['-machine q35', '-cpu max', *more]}


def job(run: Run, url: str | None) -> Job:
    kernel, initramfs = link(run, 'kernel', url), link(run, 'initramfs', url)
    if not kernel or not initramfs:
        raise Unusable(f'{run["path"]} has no kernel and initramfs to boot')
    if (run['machine']['qemu'] or '').startswith('Bochs'):
        raise Unusable(f'{run["path"]} is of Bochs, and LAVA has QEMU')
    arm64 = run['kernel']['architecture'] == 'arm64'
    # By the host's clock, which a dispatcher shares with others.
    limit = 4 * (run['machine']['timeout'] or 150)
    console = 'ttyAMA0' if arm64 else 'ttyS0'
    # The log takes ten lines in five seconds, else.
    append = f'console={console} printk.devkmsg=on lab_signals=1 {"" if arm64 else "no_timer_check "}{run["kernel"]["command_line"]}'.strip()
    seconds = {'seconds': limit}
    return {
        'device_type': 'qemu', 'job_name': f'irqfd {name(run)}', 'visibility': 'public', 'priority': 'medium',
        'timeouts': {'job': {'seconds': 2 * limit + 300}, 'action': {'seconds': limit + 120}},
        'context': {**options(run, arm64), 'no_kvm': 'true', 'memory': '1024'},
        'metadata': {'expected_cases': ' '.join(expected_cases(run)), 'scenario': name(run),
                     'expected_verdict': run['expected'] or 'PASS', **run['kernel']['built']},
        'actions': [
            {'deploy': {'to': 'tmpfs', 'timeout': {'seconds': 120}, 'images': {
                'kernel': {'url': kernel, 'image_arg': f'-kernel {{kernel}} -append "{append}"'},
                'ramdisk': {'url': initramfs, 'image_arg': '-initrd {ramdisk}'}}}},
            # Its timeout is how long a test may be silent, too.
            {'boot': {'method': 'qemu', 'media': 'tmpfs', 'timeout': seconds, 'prompts': ['LAB-BOOTED:']}},
            {'test': {'timeout': seconds, 'monitors': [monitor()]}},
        ]}


def device(templates: str, job: Job) -> str:
    from jinja2 import Environment, FileSystemLoader
    environment = Environment(loader=FileSystemLoader(templates), trim_blocks=True)
    return environment.get_template(f'{job["device_type"]}.jinja2').render(job['context'])


# The results

def messages(log: str) -> list[dict[str, str]]:
    """Results, of lines that are JSON but for YAML's tags."""
    found = []
    for line in log.splitlines():
        try:
            entry = json.loads(re.sub(r'!!\w+ (?=")', '', line.strip().removeprefix('- ')))
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get('lvl') == 'results' and isinstance(entry.get('msg'), dict):
            found.append(entry['msg'])
    return found


def wrong(job: Job, log: str) -> list[str]:
    results = messages(log)
    lava = {entry['case']: entry['result'] for entry in results if entry.get('definition') == 'lava'}
    cases = [(entry['case'], entry['result']) for entry in results if entry.get('definition') != 'lava']
    said = [f'lava.{case}: {lava.get(case, "no result")}' for case in ('job', 'lava-test-monitor') if lava.get(case) != 'pass']
    said += dict.fromkeys(f'{case}: {result}' for case, result in cases if result not in ('pass', 'skip'))
    ran = {case for case, _ in cases}
    return said + [f'{case}: no result' for case in job['metadata']['expected_cases'].split() if case not in ran]


def main(argv: list[str]) -> int:
    if '-h' in argv or '--help' in argv:
        print(__doc__.strip())
        return 0
    try:
        if len(argv) == 4 and argv[1] == '--device':
            print(device(argv[2], json.loads(Path(argv[3]).read_text())))
            return 0
        if len(argv) != 3:
            raise Unusable('which job, and which log? (lab/lava.py --help)')
        said = wrong(json.loads(Path(argv[1]).read_text()), Path(argv[2]).read_text(errors='replace'))
    except (Unusable, OSError, ValueError) as error:
        print(f'lab: {error}', file=sys.stderr)
        return 2
    print('\n'.join(['FAIL' if said else 'PASS', *said]))
    return 1 if said else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))

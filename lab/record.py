# SPDX-License-Identifier: GPL-2.0-only
"""What is to be known of a run, in one file: results.json.

Its format is lab/results.schema.json.  lab/judge.py writes it; lab/results.py, lab/kcidb.py,
lab/lava.py and lab/report.py make everything else of it, so that nobody else has
to know which files lab/run.py, lab/build.sh and lab/boot.sh leave in a run.
"""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import deadlock

FORMAT = 1
FILES = {'verdict': 'verdict', 'console': 'console', 'command': 'qemu-command', 'results': 'results', 'config': 'config',
         'kernel': 'kernel', 'initramfs': 'initramfs.cpio'}
ENDED = re.compile(r'lab: command (\d+) ended, status ')


def read(file: Path) -> str:
    """Serial ports deliver NUL bytes and carriage returns, and what was cut short can end anywhere."""
    try:
        return file.read_bytes().decode(errors='replace').replace('\0', '').replace('\r', '')
    except FileNotFoundError:
        return ''


def line(file: Path) -> str | None:
    return read(file).strip() or None


def number(file: Path) -> int | None:
    text = read(file).strip()
    return int(text) if text.isdigit() else None


def kernel(run: Path, banner: str) -> dict[str, Any]:
    built = dict(text.split(': ', 1) for text in read(run / 'built-from').splitlines() if ': ' in text)
    version = re.search(r'Linux (\S+)', built.get('base', '')) or re.match(r'Linux version (\S+)', banner)
    return {'version': version[1] if version else None, 'architecture': line(run / 'arch'),
            'command_line': read(run / 'append').strip(), 'built': built}


def machine(run: Path) -> dict[str, Any]:
    """QEMU's command ends its file, and its version begins it, see lab/boot.sh."""
    said = read(run / 'qemu-command').splitlines() or ['']
    words = shlex.split(said[-1])
    return {'qemu': said[0].removeprefix('# ') if said[0].startswith('# ') else None,
            'accelerator': words[words.index('-accel') + 1] if '-accel' in words[:-1] else None,
            'cpus': number(run / 'cpus'), 'seed': number(run / 'seed'), 'timeout': number(run / 'timeout'),
            'status': line(run / 'qemu-status')}


def seconds(console: list[tuple[str, str]], count: int) -> list[float | None]:
    """What each command took of the guest's time; the first one's begins with init."""
    ends: list[float | None] = [None] * (count + 1)
    for time, text in console:
        if time != '?' and text.startswith('Run /init as init process'):
            ends[0] = float(time)
        elif time != '?' and (m := ENDED.match(text)) and int(m[1]) <= count:
            ends[int(m[1])] = float(time)
    return [round(end - start, 6) if start is not None and end is not None else None
            for start, end in zip(ends, ends[1:])]


def commands(judged: Any, console: list[tuple[str, str]]) -> list[dict[str, Any]]:
    took = seconds(console, len(judged.commands))
    return [{'command': command.name, 'verdict': command.verdict, 'status': command.status, 'seconds': time,
             'cases': [{'name': case.name, 'status': case.status, 'why': case.why, 'allowed': case in command.allowed}
                       for case in command.cases]}
            for command, time in zip(judged.commands, took)]


def record(run: Path, judged: Any) -> dict[str, Any]:
    console = deadlock.split(read(run / 'console'))
    banner = next((text for _, text in console if text.startswith('Linux version ')), '')
    return {'format': FORMAT, 'scenario': line(run / 'scenario'), 'title': line(run / 'title'),
            'started': line(run / 'started'), 'seconds': number(run / 'seconds'),
            'kernel': kernel(run, banner), 'machine': machine(run),
            'expected': line(run / 'expect'), 'verdict': judged.verdict, 'said': judged.said,
            'commands': commands(judged, console),
            'files': {name: file for name, file in FILES.items() if (run / file).exists()}}


def write(run: Path, judged: Any) -> None:
    (run / 'results.json').write_text(json.dumps(record(run, judged), indent=1) + '\n')

# SPDX-License-Identifier: GPL-2.0-only
"""What runs scenarios share: what a scenario says, its kernel, its boot, its verdict; many
at a time; and how a script speaks, fails, and ends.

Each step is a script of its own, lab/build.sh, lab/boot.sh, lab/judge.py; what a scenario
means is for lab/scenario.sh to say.  Nothing that is started here outlives the script.
"""

import argparse
import errno
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NoReturn

from runs import LAB, RUNS, Unusable, shown

# Elapsed time counts from the first script of a chain.
START = int(os.environ.setdefault('LAB_T0', str(int(time.time()))))
TOP = LAB.parent
PROCESSORS = len(os.sched_getaffinity(0))
CACHE = Path(os.environ.get('LAB_CACHE') or TOP / 'cache')
Scenario = dict[str, str]

# What of a scenario lab/boot.sh and lab/judge.py are told, by the name of the file in the
# run: always, or if there is anything to tell, of the machine, and of the results.
TOLD = {'job': 'JOB', 'append': 'APPEND', 'cpus': 'CPUS', 'timeout': 'TIMEOUT',
        'scenario': 'SCENARIO', 'title': 'TITLE', 'expect': 'EXPECT'}
MACHINE = {'machine': 'MACHINE', 'shift': 'SHIFT'}
WANTED = {'must-match': 'RESULTS', 'may-fail': 'MAY_FAIL', 'may-skip': 'MAY_SKIP', 'may-say': 'MAY_SAY'}
VARIABLES = ['BASE', 'CONFIGS', 'REALTIME', 'FILES', 'ARCH', 'series', *TOLD.values(), *MACHINE.values(), *WANTED.values()]


class Failed(Unusable):
    """A script failed, and has said why."""


class BuildError(Unusable):
    """A kernel does not build; its run says how."""

    def __init__(self, run: Path):
        super().__init__(f'{run.name}: {verdict(run)} (see {shown(run)}/verdict)')
        self.run = run


class Interrupted(BaseException):
    """By Ctrl-C, or SIGTERM."""


def names(directory: Path) -> str:
    """What can be chosen from, for an error message."""
    return ' '.join(sorted(path.name for path in directory.iterdir()))


def say(text: str) -> None:
    """Progress, with the time since the start."""
    minutes, seconds = divmod(int(time.time()) - START, 60)
    print(f'[{minutes:2}m{seconds:02}s] {text}', file=sys.stderr, flush=True)


def call(*command: Any, output: bool = False, **environment: Any) -> tuple[int, str]:
    """Exit status of a command, and its output if that's asked for.  Not subprocess.run(), which kills when it is
    interrupted, so that what it runs can't clean up; SIGTERM comes when this thread ends."""
    process = subprocess.Popen(['setpriv', '--pdeathsig', 'TERM', '--', *map(str, command)], text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE if output else None, env={**os.environ, **environment})
    said = process.communicate()[0] or ''
    return process.returncode, said.rstrip('\n')


def failure(status: int, command: Any) -> Unusable:
    """It has said why, if it could."""
    return Failed() if status > 0 else Unusable(f'{command} was killed by signal {-status}')


def must(*command: Any, output: bool = False, **environment: Any) -> str:
    """Its output, if that's asked for; it has to succeed."""
    status, said = call(*command, output=output, **environment)
    if status:
        raise failure(status, command[0])
    return said


def shell(text: str, *args: Any, **environment: str) -> str:
    """The output of shell code that uses lab/lib.sh."""
    return must('bash', '-c', f'. "$0"; {text}', LAB / 'lib.sh', *args, output=True, **environment)


# A run: described, built, booted, judged.

def load(name: str) -> Scenario:
    """Of lab/scenarios, or a file; `series` is what lab/build.sh wants."""
    text = 'load_scenario "$1"; shift; for name; do printf "%s\\n%s\\n\\f\\n" "$name" "${!name}"; done'
    said = shell(text, name, *VARIABLES)
    return dict(variable.split('\n', 1) for variable in f'{said}\n'.split('\n\f\n') if variable)


def write_scenario(file: Path, variables: Scenario) -> Path:
    file.write_text(''.join(f'{name}={shlex.quote(value)}\n' for name, value in variables.items()))
    return file


def new_run(name: str, runs: Path = RUNS) -> Path:
    """A directory that no other run has."""
    return Path(shell('new_run "$1"', name, LAB_RUNS=str(runs)))


def describe(run: Path, scenario: Scenario) -> None:
    for file, variable in TOLD.items():
        (run / file).write_text(scenario[variable] + '\n')
    for file, variable in (MACHINE | WANTED).items():
        if scenario[variable]:
            (run / file).write_text(scenario[variable] + '\n')
    if files := scenario['FILES']:
        (run / 'files').write_text(must(LAB / files / 'files.sh', output=True, ARCH=scenario['ARCH']) + '\n')


def build(run: Path, scenario: Scenario, mutant: Path | None = None, configs: str = '') -> Path:
    """The kernel, for lab/boot.sh; the object directory, in which another may soon be built.  What does not build is
    judged."""
    options = ['--mutant', mutant] if mutant else []
    status, said = call(LAB / 'build.sh', *options, '--copy', run, scenario['BASE'], scenario['series'],
                        *scenario['CONFIGS'].split(), *configs.split(), output=True, ARCH=scenario['ARCH'])
    if status == 3:
        log = (Path(said) / 'build.log').read_text(errors='replace').splitlines()
        (run / 'build-error').write_text('\n'.join(log[-20:]) + '\n')
        judge(run)
        raise BuildError(run)
    if status:
        raise failure(status, 'lab/build.sh')
    return Path(said)


def boot(run: Path, *options: str) -> None:
    must(LAB / 'boot.sh', *options, run)


def judge(run: Path) -> None:
    must(LAB / 'judge.py', run, output=True)


def verdict(run: Path) -> str:
    return (run / 'verdict').read_text().split('\n', 1)[0]


# Many at a time

def at_once(jobs: int, function: Callable[..., None], items: Iterable[Any]) -> int:
    """How many were not possible; each says why, and the others go on."""
    failed = []

    def one(item: Any) -> None:
        try:
            function(item)
        except (Unusable, OSError) as error:
            complain(error)
            failed.append(item)

    # Without `with`, which would wait for them when it's interrupted.
    pool = ThreadPoolExecutor(jobs)
    try:
        done, _ = wait([pool.submit(one, item) for item in items], return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return len(failed)


# How a script speaks

def complain(error: Exception) -> None:
    """In one line, unless another has done it."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        error = Unusable(f'{error.strerror} (free some, or set LAB_RUNS=DIR)')
    if not isinstance(error, Failed):
        print(f'lab: {error}', file=sys.stderr, flush=True)


class Arguments(argparse.ArgumentParser):
    """The text of a script is its help, and an error one line."""

    def __init__(self, text: str):
        self.text = text.strip()
        self.script = re.search(r'lab/\S+', text)[0]
        super().__init__(allow_abbrev=False)

    def format_help(self) -> str:
        return self.text + '\n'

    def error(self, message: str) -> NoReturn:
        message = re.sub(r'^argument (\S+): (expected one argument)?', lambda m: f'{m[1]} needs a value' if m[2] else '', message)
        raise Unusable(f'{message} ({self.script} --help)')


def checked(pattern: str, what: str, of: Callable[[str], Any] = str) -> Callable[[str], Any]:
    """An option's value that has to be like the pattern, as one of Arguments' types."""
    def value(text: str) -> Any:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(what.format(text))
        return of(text)
    return value


def count(option: str) -> Callable[[str], int]:
    return checked('[1-9][0-9]{0,5}', f'{option} needs a number', int)


def patch(option: str) -> Callable[[str], Path]:
    """A mutant: a patch, or one of mutants/."""
    def value(text: str) -> Path:
        found = Path(text) if Path(text).is_file() else TOP / 'mutants' / f'{text}.patch'
        if not found.is_file():
            raise argparse.ArgumentTypeError(f"no mutant '{text}' ({option} needs a patch, or one of mutants/)")
        return found
    return value


def interrupted(*_: Any) -> NoReturn:
    raise Interrupted


def run_script(main: Callable[[list[str]], int]) -> NoReturn:
    """Exit status 2 for what was not possible, 130 after Ctrl-C, else what main returns."""
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    try:
        status = main(sys.argv[1:])
    except (Unusable, OSError) as error:
        complain(error)
        status = 2
    except Interrupted:
        status = 130
    except SystemExit:
        status = 0
    except Exception:
        traceback.print_exc()
        status = 2
    sys.stdout.flush()
    # At once: threads that wait for what they run would be waited for.
    os._exit(status)

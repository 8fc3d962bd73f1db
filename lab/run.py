#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/run.py [--times N] [--format FORMAT] SCENARIO...

For each scenario (a file in lab/scenarios), N times: build the kernel, boot
it, run the job, judge; end with a table of the verdicts, or what else
lab/results.py makes of them.  Exit status 0 if
each is what its scenario expects, 1 if not, 2 if a run was not possible, 130
after Ctrl-C.

In a scenario, SERIES is `none`, `own` (the first of its base, but for what
is not for merging), `own+ITEM...` (and more), another series, as a SPEC (see
lab/series.sh), or `ITEM+ITEM...` (parts of the first).  RESULTS has a regexp in
each line; if some line of the tests' output does not match each of them, the
verdict is FAIL.  MAY_FAIL and MAY_SKIP have regexps of the cases that may fail or be
skipped, which any other may not, MAY_SAY of what the console may say although it's bad.  FILES=vmm has the guest have what lab/vmm/files.sh
says.  EXTRA=yes keeps it out of `make test`, ARCH=arm64
is for arm64, MACHINE=bochs runs it under Bochs, i.e. on Intel's VMX.

Guests run in virtual time (see lab/boot.sh), the Nth with seed N, or from
SEED=N of the environment on, as fast as SHIFT says; REALTIME=yes in a scenario says that its guest would
take too long for that, and REALTIME=1 in the environment that no guest shall.
lab/replay.sh repeats a run.

Each run leaves a directory in runs/; `make clean-runs` removes them.

With TREE=DIR in the environment, kernels come from that tree instead of the
scenario's base, see lab/fetch.sh; with SERIES=SPEC, a scenario that wants the
series takes that (kvm-next/1-lock-hold, say, see lab/series.sh), if it is one of
its base's, or on TREE any; and with MUTANT=NAME, the series is broken as
mutants/NAME.patch does it.

With KERNEL=FILE, nothing is built: that kernel is booted, whose configuration is
CONFIG=FILE, or in the kernel, see lab/kernel.sh.  The verdicts that scenarios expect
are those of their own kernels.

With ACCEL=kvm, guests run by the host's KVM, if that nests, and so in real time, and on
Intel's CPUs with the fragment `intel`.  No figure of the documents is made so.
"""

import glob
import os
import re
import shutil
from pathlib import Path

from boots import (LAB, TOP, Arguments, BuildError, Interrupted, Scenario, Unusable, boot, build, call, checked, count, describe,
                   judge, load, must, names, new_run, run_script, say, shown)
from runs import clock, load_one

# Of the host.
DEV_KVM = '/dev/kvm'
CPUINFO = '/proc/cpuinfo'
NESTED = '/sys/module/kvm_*/parameters/nested'


class Wanted:
    """What the environment says; others mean something else by some of it."""

    def __init__(self) -> None:
        self.accel = os.environ.pop('ACCEL', '') or 'tcg'
        self.kernel, self.config = (os.environ.pop(name, '') for name in ('KERNEL', 'CONFIG'))
        self.realtime, self.seed = os.environ.get('REALTIME', ''), os.environ.get('SEED', '')
        self.configs = ''
        self.mutant = self.the_mutant(os.environ.get('MUTANT', ''))
        if self.kernel and os.environ.get('TREE'):
            raise Unusable('both KERNEL and TREE are set (one of them)')
        if self.kernel and not Path(self.kernel).is_file():
            raise Unusable(f'KERNEL={self.kernel} does not exist')
        if self.config and not self.kernel:
            raise Unusable(f'CONFIG={self.config} without KERNEL')
        self.check_accel()

    @staticmethod
    def the_mutant(name: str) -> Path | None:
        patch = TOP / 'mutants' / f'{name}.patch'
        if name and not patch.is_file():
            raise Unusable(f"unknown mutant '{name}' (one of: {names(TOP / 'mutants')})")
        return patch if name else None

    def check_accel(self) -> None:
        """That it can be what the user wants."""
        if self.accel not in ('tcg', 'kvm'):
            raise Unusable(f'unknown ACCEL={self.accel} (kvm or tcg)')
        if self.accel == 'tcg':
            return
        try:
            os.close(os.open(DEV_KVM, os.O_RDWR))
        except OSError as error:
            raise Unusable('/dev/kvm cannot be opened (ACCEL=kvm needs it; without ACCEL, QEMU emulates)') from error
        cpus = Path(CPUINFO).read_text()
        nests = [Path(file).read_text().strip() not in ('N', '0') for file in glob.glob(NESTED)]
        if not re.search(r'\b(vmx|svm)\b', cpus) or not all(nests):
            raise Unusable("the host's KVM does not nest (with VMX or SVM in its CPUs: modprobe kvm_intel nested=1, or kvm_amd)")
        if self.seed:
            raise Unusable(f'SEED={self.seed} is of virtual time, which ACCEL=kvm is not')
        self.realtime = '1'
        if re.search('^vendor_id.*GenuineIntel', cpus, re.M):
            self.configs = 'intel'

    def check(self, scenario: Scenario) -> None:
        if self.accel == 'kvm' and scenario['ARCH'] != 'x86_64':
            raise Unusable(f"{scenario['SCENARIO']} is for {scenario['ARCH']}, ACCEL=kvm for x86-64 only")

    def title(self, scenario: Scenario) -> str:
        title = f"{Path(self.kernel).name} in {scenario['SCENARIO']}" if self.kernel else scenario['TITLE']
        return f'{title}, {self.mutant.stem}' if self.mutant else title

    def seed_of(self, scenario: Scenario, i: int) -> int | None:
        """Of the ith boot, from 0 on; none if the user wants real time, or the scenario does and the user no seed."""
        if self.realtime or scenario['REALTIME'] and not self.seed:
            return None
        return int(self.seed or '1') + i

    def put_kernel(self, run: Path, scenario: Scenario) -> None:
        """The user's, or one that is built."""
        if not self.kernel:
            build(run, scenario, self.mutant, self.configs)
            return
        must(LAB / 'kernel.sh', run, self.kernel, self.config, *scenario['CONFIGS'].split(), ARCH=scenario['ARCH'])


def base_of(run: Path) -> str:
    built = run / 'built-from'
    found = re.search('^base: [^,]*, (.*)', built.read_text(), re.M) if built.exists() else None
    return found[1] if found else ''


def run_scenario(name: str, i: int, wanted: Wanted) -> Path:
    scenario = load(name)
    wanted.check(scenario)
    scenario['TITLE'] = wanted.title(scenario)
    run = new_run(name)
    try:
        describe(run, scenario)
        if (seed := wanted.seed_of(scenario, i)) is not None:
            (run / 'seed').write_text(f'{seed}\n')
        if wanted.accel == 'kvm':
            (run / 'accel').write_text('kvm\n')
        wanted.put_kernel(run, scenario)
    except BuildError:
        pass
    except (Unusable, OSError):
        shutil.rmtree(run)
        raise
    else:
        say(f"booting {name}: {base_of(run)}, {scenario['TITLE']}")
        boot(run)
        judge(run)
    judged = load_one(run)
    say(f"{name}: {judged['verdict']}, expected {scenario['EXPECT']} ({clock(judged)}, {judged['seconds'] or 0} s), see {shown(run)}/verdict")
    return run


def report(how: str, runs: list[Path]) -> int:
    """Of what there is, whatever the end is."""
    return call(LAB / 'results.py', how, *runs)[0] if runs else 0


def main(argv: list[str]) -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument('--times', type=count('--times'), default=1)
    arguments.add_argument('--format', type=checked('table|json|ktap|junit|kcidb', "no format '{}'"), default='table')
    arguments.add_argument('scenarios', nargs='*')
    options = arguments.parse_args(argv)
    if not options.scenarios:
        raise Unusable(f"which scenario? (of: {names(LAB / 'scenarios')})")
    # Before anything is built: a typo must not cost ten minutes.
    for name in options.scenarios:
        if not (LAB / 'scenarios' / name).is_file():
            raise Unusable(f"unknown scenario '{name}' (one of: {names(LAB / 'scenarios')})")
    wanted = Wanted()
    runs: list[Path] = []
    try:
        for name in options.scenarios:
            for i in range(options.times):
                runs.append(run_scenario(name, i, wanted))
    except (Unusable, OSError, Interrupted):
        report(options.format, runs)
        raise
    return report(options.format, runs)


if __name__ == '__main__':
    run_script(main)

# SPDX-License-Identifier: GPL-2.0-only
"""What many boots say together, as a table, for lab/explore.py and lab/sweep.py.

The rows of an exploration:
each verdict other than PASS, or `no failure`; in how many of all boots, with the
95 % interval of the probability (Wilson's); the earliest time of the guest's clock
that it was seen at, and the median, in seconds; how many schedules differ, of all boots; seeds.
"""
import hashlib
import math
import re
from pathlib import Path
from statistics import median

import deadlock
from judge import badness, read
from runs import columns

SEEDS_SHOWN = 8
HEAD = ["Linux", "kernel", "verdict", "boots", "95 % interval", "earliest, s", "median, s", "schedules", "seeds"]

ENDED = re.compile(r"lab: command \d+ ended, status (\d+)(.*)")
HUNG = re.compile(r"^# Hung: .* for (\d+) ms$", re.M)


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a probability of which n trials have shown k."""
    if not n:
        return 0.0, 1.0
    p, d = k / n, 1 + z * z / n
    mid = (p + z * z / (2 * n)) / d
    half = z / d * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (mid - half if k else 0.0), (mid + half if k < n else 1.0)


def interval(k: int, n: int) -> str:
    low, high = wilson(k, n)
    return f"{100 * low:.0f}-{100 * high:.0f} %"


class Run:
    """One boot, judged."""

    def __init__(self, path: Path) -> None:
        self.seed = int(path.name.rpartition("-")[2])
        self.verdict = (path / "verdict").read_text().split("\n", 1)[0]
        self.results = read(path / "results")
        lines = deadlock.split(read(path / "console"))
        self.console = [(float(time), line) for time, line in lines if time != "?"]

    def schedule(self) -> str:
        """What few schedules have in common: results, context switches, interrupts."""
        counts = [ended[2] for _, line in self.console if (ended := ENDED.match(line))]
        return hashlib.sha1("\n".join([self.results, *counts]).encode()).hexdigest()

    def failed_at(self) -> float | None:
        """When that began which the kernel, or the status of a command, tells of; a
        test that says it hung also says for how long."""
        logged = [time for time, line in self.console if line.startswith("sysrq: Show Blocked State")]
        hung = [int(ms) for ms in HUNG.findall(self.results)]
        if logged and hung:
            return logged[0] - max(hung) / 1000
        for time, line in self.console:
            if any(pattern.search(line) for pattern in BAD.values()):
                return time
            if (ended := ENDED.match(line)) and ended[1] not in ("0", "4"):
                return time
        return None


def seeds_of(runs: list[Run]) -> str:
    seeds = [str(run.seed) for run in runs[:SEEDS_SHOWN]]
    return " ".join(seeds + ["..."] * (len(runs) > SEEDS_SHOWN))


def rows(exploration: Path, boot: str = "seed") -> list[list[str]]:
    runs = sorted((Run(path.parent) for path in exploration.glob(f"{boot}-*/verdict")), key=lambda run: run.seed)
    head = [(exploration / "version").read_text().strip(), (exploration / "title").read_text().strip()]
    schedules = str(len({run.schedule() for run in runs}))
    table = []
    for verdict in sorted({run.verdict for run in runs} - {"PASS"}) or ["no failure"]:
        failed = [run for run in runs if run.verdict == verdict]
        times = [time for run in failed if (time := run.failed_at()) is not None]
        table.append(head + [verdict, f"{len(failed)} of {len(runs)}", interval(len(failed), len(runs)),
                             *(f"{of(times):.3f}" if times else "-" for of in (min, median)), schedules, seeds_of(failed) or "-"])
    return table


def table(explorations: list[Path], boot: str = "seed") -> str:
    return columns([HEAD, *(row for exploration in explorations for row in rows(exploration, boot))])


BAD = badness()

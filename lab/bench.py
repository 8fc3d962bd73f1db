#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: lab/bench.py virtual CSV             medians, in brackets the spread in per cent of them
       lab/bench.py compare RECORDED CSV    the series' fastest times; exit status 1 if one is slower
       lab/bench.py times CSV               medians and quartiles
       lab/bench.py points CSV OPERATION HZ KERNEL   the same, for gnuplot
       lab/bench.py remedies KERNEL RESULTS a line of remedies.csv, from a boot's output

What lab/bench.sh has measured, as tables of tab-separated cells.

The CSVs are virtual.csv and times.csv.  Ratios are stock's time to the kernel's.
"""
import csv
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Callable, Iterable

KERNELS = ("stock", "fixes", "series")
Key = tuple[str, ...]
Times = dict[str, list[float]]  # by kernel
# How much longer an operation may take than the fastest of what was recorded.
TOLERANCE = 1.02


def group(path: str, *fields: str) -> dict[Key, Times]:
    """The times of what has these fields in common, of each kernel."""
    groups: dict[Key, Times] = defaultdict(lambda: defaultdict(list))
    with open(path, encoding="utf-8") as lines:
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            groups[tuple(row[field] for field in fields)][row["kernel"]].append(float(row["microseconds"]))
    return groups


def ratio(a: float, b: float) -> str:
    return f"{a / b:.2f}" if b > 0 else "-"


def of(times: Times, kernel: str, function: Callable[[list[float]], float]) -> float:
    return function(times[kernel]) if kernel in times else 0


def quartiles(times: list[float]) -> list[float]:
    return quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3


def ratios(times: Times) -> list[str]:
    medians = {kernel: of(times, kernel, median) for kernel in KERNELS}
    return [ratio(medians["stock"], medians[kernel]) for kernel in KERNELS[1:]]


def by_virtual_key(key: Key) -> tuple[object, ...]:
    cpus, operation, kind, irqfds = key
    return int(cpus), operation, kind, int(irqfds)


def virtual(path: str) -> Iterable[list[str]]:
    def cell(times: list[float]) -> str:
        middle = median(times)
        return f"{middle:.1f} ({100 * (max(times) - min(times)) / middle if middle else 0:.1f} %)"

    yield ["CPUs", "operation", "irqfds", "number", *(f"{kernel} us" for kernel in KERNELS), "stock/fixes", "stock/series"]
    groups = group(path, "cpus", "operation", "kind", "irqfds")
    for key in sorted(groups, key=by_virtual_key):
        times = groups[key]
        yield [*key, *(cell(times[kernel]) if kernel in times else "-" for kernel in KERNELS), *ratios(times)]


def compare(recorded: str, measured: str) -> Iterable[list[str]]:
    """The fastest of each; what is there in one of the two only counts as slower."""
    fields = ("cpus", "operation", "kind", "irqfds")
    old, new = group(recorded, *fields), group(measured, *fields)
    keys = [key for key in sorted({*old, *new}, key=by_virtual_key) if "series" in old[key] or "series" in new[key]]
    bad = not keys
    yield ["CPUs", "operation", "irqfds", "number", "recorded us", "us", "%"]
    for key in keys:
        before, now = of(old[key], "series", min), of(new[key], "series", min)
        slower = not before or not now or now > TOLERANCE * before
        bad = bad or slower
        change = f"{100 * (now - before) / before:+.1f}" if before else "-"
        yield [*key, f"{before:g}", f"{now:g}", change + " SLOWER" * slower]
    if bad:
        sys.exit(1)


def by_times_key(key: Key) -> tuple[object, ...]:
    hz, operation, kind, irqfds, threads = key
    return -int(hz), operation, kind, int(threads), int(irqfds)


TIMES_FIELDS = ("hz", "operation", "kind", "irqfds", "threads")


def times_table(path: str) -> Iterable[list[str]]:
    """With ratios of what teardown takes above that of an empty VM, by medians and by means."""
    def cell(times: list[float]) -> str:
        first, middle, third = quartiles(times)
        return f"{middle:.0f} ({first:.0f}-{third:.0f})"

    def above(times: Times, empty: Times, function: Callable[[list[float]], float]) -> str:
        stock, series = (of(times, kernel, function) - of(empty, kernel, function) for kernel in ("stock", "series"))
        return ratio(stock, series)

    def last_percentile(times: list[float]) -> float:
        return quantiles(times, n=100, method="inclusive")[-1] if len(times) > 1 else times[0]

    yield ["HZ", "operation", "irqfds", "number", "threads", *(f"{kernel} us" for kernel in KERNELS), "stock/fixes",
           "stock/series", "above an empty VM", "by means", "99th percentile: stock", "series"]
    groups = group(path, *TIMES_FIELDS)
    for key in sorted(groups, key=by_times_key):
        times, empty = groups[key], groups.get((key[0], "close-vm", "distinct", "0", "1"), {})
        teardown = key[1].startswith("close") and key[3] != "0"
        yield [*key, *(cell(times[kernel]) if kernel in times else "-" for kernel in KERNELS), *ratios(times),
               *(above(times, empty, function) if teardown else "-" for function in (median, mean)),
               *(f"{of(times, kernel, last_percentile):.0f}" for kernel in ("stock", "series"))]


def points(path: str, operation: str, hz: str, kernel: str) -> Iterable[list[str]]:
    groups = group(path, *TIMES_FIELDS)
    for key in sorted(groups, key=by_times_key):
        if key[:3] == (hz, operation, "distinct") and key[3] != "0" and key[4] == "1" and kernel in groups[key]:
            first, middle, third = quartiles(groups[key][kernel])
            yield [f"{key[3]} {middle:g} {first:g} {third:g}"]


def remedies(kernel: str, results: str) -> Iterable[list[str]]:
    """The median of the first command's times, as nothing was traced then, and the range of what was counted."""
    def scale(values: list[int]) -> str:
        return f"{min(values)}-{max(values)}" if min(values) != max(values) else str(values[0])

    text = Path(results).read_text(encoding="utf-8")
    first = text.split("lab: exit", 1)[0].splitlines()
    times = [float(line.split(",")[5]) for line in first if line.startswith("close-vm-cpu0-fifo,")]
    releases = [line.split(",") for line in text.splitlines() if line.startswith("release,")]
    holds = [line.split(",")[4] for line in text.splitlines() if line.startswith("hold,")]
    if not (times and releases and holds):
        sys.exit(f"lab: {results} has not all that was to be measured")
    counts = [scale([int(release[field]) for release in releases]) for field in (3, 4)]
    yield [",".join([kernel, f"{median(times):.1f}", *counts, holds[-1]])]


COMMANDS: dict[tuple[str, int], Callable[..., Iterable[list[str]]]] = {
    ("virtual", 1): virtual, ("compare", 2): compare, ("times", 1): times_table, ("points", 4): points, ("remedies", 2): remedies}


def main(args: list[str]) -> None:
    if args in (["-h"], ["--help"]):
        print((__doc__ or "").strip())
        return
    command = COMMANDS.get((args[0] if args else "", len(args) - 1))
    if not command:
        sys.exit((__doc__ or "").strip())
    for row in command(*args[1:]):
        print("\t".join(row))


if __name__ == "__main__":
    main(sys.argv[1:])

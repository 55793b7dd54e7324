#!/usr/bin/env python3
"""Compares forumd with the least that a server can do, and with what one would pick instead of it.

Times say as much about the machine as about the program, so everything here is a ratio of two that were measured by
turns, in one run. Each server runs in a fresh directory with all its threads on core 0, what asks it on core 1. Needs
a release build (cargo build --release), Linux and two cores that do nothing else; of the peers, whichever is installed.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from comparison import Failed, Missing, machine, plots, tables
from comparison.rows import ROWS, validity
from comparison.servers import NGINX_STREAM_MODULE, NGINX_STREAM_PACKAGE, PACKAGES, Place, running

REPOSITORY = Path(__file__).resolve().parent.parent


def main():
    arguments = parse()
    if arguments.plots:
        return draw(*arguments.plots)
    if arguments.list:
        return print("\n".join(f"{row.key:<18} {row.title}" for row in ROWS))
    if arguments.install:
        install()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    machine.prepare()
    rows = chosen(arguments.rows)
    described = machine.described()
    data = Path(tempfile.mkdtemp(prefix="compare-", dir=arguments.data))
    try:
        place = Place(arguments.bin_dir, data, arguments.quick)
        check(place)
        results = {row.key: run(place, row, arguments.runs) for row in rows}
    finally:
        shutil.rmtree(data)
    report(rows, results, described, arguments)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows, or beginnings of their names; all if none")
    parser.add_argument("--list", action="store_true", help="say which rows there are")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, of which the median counts [3]")
    parser.add_argument("--quick", action="store_true", help="short runs, small files: to see whether all of it works")
    parser.add_argument("--json", metavar="FILE", help="write all numbers of all runs, too")
    parser.add_argument("--plots", nargs=2, metavar=("FILE", "DIR"), help="measure nothing; draw what --json has written")
    parser.add_argument("--install", action="store_true", help="install missing peers with apt-get")
    parser.add_argument("--bin-dir", default=REPOSITORY / "target/release", help="where forumd and the others are")
    parser.add_argument("--data", default="/var/tmp", help="where the servers' data goes: the disk that is meant")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    if os.cpu_count() < 2:
        parser.error("two cores are needed: one for the server, one for what asks it")
    return arguments


def draw(figures, directory):
    """The pictures of docs/perf, of figures that are kept there."""
    rows = json.loads(Path(figures).read_text())["rows"]
    for name, svg in plots.plots(rows).items():
        (Path(directory) / f"{name}.svg").write_text(svg)


def install():
    missing = [package for program, package in PACKAGES.items() if not Place("", "", False).has(program)]
    if not NGINX_STREAM_MODULE.exists():
        missing.append(NGINX_STREAM_PACKAGE)
    if missing:
        subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", *missing], check=True)


def chosen(words):
    for word in words:
        if not any(row.key.startswith(word) for row in ROWS):
            sys.exit(f"compare.py: there is no row {word}; --list says which there are")
    return [row for row in ROWS if not words or row.key.startswith(tuple(words))]


def check(place):
    if not machine.on_disk(place.data):
        sys.exit(f"compare.py: {place.data} is in memory, where a sync costs nothing; choose a disk with --data")
    try:
        for program in ("forumd", "forum-load", "forum-floor"):
            place.program(program)
    except Missing as reason:
        sys.exit(f"compare.py: {reason}")


def run(place, row, runs):
    """All runs of a row, by turns, so that what changes on the machine meanwhile meets all of them."""
    measured, failures = {}, {}
    for number in range(1, runs + 1):
        for contestant in row.contestants:
            if contestant.label in failures:
                continue
            print(f"{row.key}, run {number} of {runs}: {contestant.label}", file=sys.stderr)
            try:
                found = once(place, contestant)
            except Failed as reason:
                print(f"    {reason}", file=sys.stderr)
                failures[contestant.label] = str(reason)
                measured.pop(contestant.label, None)
                continue
            for metric, value in found.items():
                measured.setdefault(contestant.label, {}).setdefault(metric, []).append(value)
    print(tables.table(row, measured, failures), flush=True)
    return measured


def once(place, contestant):
    recipe = contestant.recipe(place)
    machine.touch_memory()
    with running(place, recipe) as server:
        return contestant.measure(place, server)


def report(rows, results, described, arguments):
    verdicts = [target.judge(row, results[row.key]) for row in rows for target in row.targets]
    print(tables.summary(verdicts))
    checks = list(validity(results))
    for holds, told in checks:
        print(f"{told}{'' if holds else ': **this run is not valid for absolute conclusions**'}\n")
    kind = "quick, so not to be believed; " if arguments.quick else ""
    print(f"{kind}medians of {arguments.runs} (least to most) on {described}")
    if arguments.json:
        everything = {
            "machine": described,
            "runs": arguments.runs,
            "quick": arguments.quick,
            "valid": all(holds for holds, _ in checks) if checks else None,
            "rows": results,
            "targets": [vars(verdict) for verdict in verdicts],
        }
        Path(arguments.json).write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

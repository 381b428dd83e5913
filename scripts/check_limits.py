#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that each limit of limits.def is counted and tested.

    scripts/check_limits.py              every breach, then a summary
    scripts/check_limits.py --self-test  proves that it finds what is missing

For each line: the counter is a line of metrics.def and is incremented somewhere
under cnode/; a test under tests/ sets the limit, and one reads the counter.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def read(folder, *endings):
    return "\n".join(
        path.read_text(errors="replace")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in endings
    )


def limits(text):
    """(name, counter) of each line."""
    pattern = r'^LIMIT\((\w+),[^"]*"\w+", (\w+),'
    return re.findall(pattern, text, re.MULTILINE)


def breaches(definitions, metrics, sources, tests):
    for name, counter in limits(definitions):
        if not re.search(rf"^METRIC\({counter},", metrics, re.MULTILINE):
            yield f"{name}: {counter} is no line of metrics.def"
        if f"METRIC_INC({counter})" not in sources:
            yield f"{name}: nothing counts {counter}"
        sets = rf"limits\.{name} =|\b{name} =>|\"{name}\":"
        if not re.search(sets, tests):
            yield f"{name}: no test sets it"
        if f"METRIC_{counter}" not in tests:
            yield f"{name}: no test reads {counter}"


def self_test():
    definitions = 'LIMIT(depth, 1, 2, 3, "levels", too_deep, "dropped")\n'
    metrics = 'METRIC(too_deep, "messages", "dropped")\n'
    sources = "METRIC_INC(too_deep);"
    tests = "limits.depth = 5; metric_read(METRIC_too_deep)"
    good = [definitions, metrics, sources, tests]
    assert not list(breaches(*good))
    for i, missing in enumerate([metrics, sources, "limits.depth"], start=1):
        bad = list(good)
        bad[i] = bad[i].replace(missing, "")
        assert list(breaches(*bad)), missing
    bad = [definitions, metrics, sources, "limits.depth = 5"]
    assert list(breaches(*bad))
    print("check_limits: self-test passed")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    definitions = (ROOT / "cnode/base/limits.def").read_text()
    metrics = (ROOT / "cnode/base/metrics.def").read_text()
    found = list(
        breaches(definitions, metrics, read("cnode", ".c", ".h"),
                 read("tests", ".c", ".h", ".erl", ".exs", ".sh"))
    )
    for line in found:
        print(line)
    count = len(limits(definitions))
    assert count == definitions.count("\nLIMIT("), "a line is not understood"
    print(f"{count} limits, {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

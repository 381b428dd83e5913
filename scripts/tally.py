#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the tests in the output of a test program.

    scripts/tally.py ctest JUNIT_FILE   what `ctest --output-junit` wrote
    scripts/tally.py lines LOG          ExUnit, EUnit, and "N passed, M failed"

Prints PASSED FAILED SKIPPED. For ctest each case of a cmocka program counts, and
the output of programs that failed goes to stderr. A log without a summary counts
nothing: whoever asked must take that for a failure.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

SHOWN_LINES = 60  # of each program that failed


def count_program(output, failed):
    """One program: its cmocka cases, or itself when it has none."""
    started = len(re.findall(r"^\[ RUN      \]", output, re.M))
    passed = len(re.findall(r"^\[       OK \]", output, re.M))
    skipped = len(re.findall(r"^\[  SKIPPED \] \S+$", output, re.M))
    skipped = min(skipped, started - passed)
    wrong = started - passed - skipped
    if failed and wrong == 0:
        wrong = 1  # it crashed outside a case, or a sanitizer spoke at the end
    elif not failed and started == 0:
        passed = 1
    return passed, wrong, skipped


def count_ctest(path):
    totals = [0, 0, 0]
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        failed = case.get("status") != "run"
        for i, count in enumerate(count_program(output, failed)):
            totals[i] += count
        if failed:
            reason = case.find("failure")
            message = reason.get("message") if reason is not None else ""
            print(f"--- {case.get('name')}: {message}", file=sys.stderr)
            print("\n".join(output.splitlines()[-SHOWN_LINES:]),
                  file=sys.stderr)
    return totals


def number(pattern, line):
    match = re.search(pattern, line)
    return int(match.group(1)) if match else 0


def count_line(line):
    """PASSED FAILED SKIPPED of a summary line, None for any other line."""
    line = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
    if re.match(r"\d+ passed, \d+ failed", line):
        return [number(r"(\d+) passed", line), number(r"(\d+) failed", line),
                number(r"(\d+) skipped", line)]
    if re.match(r"skipped \d+ tests: ", line):  # of our EUnit suites
        return [0, 0, number(r"skipped (\d+)", line)]
    if re.match(r"(All \d+ tests|Test) passed\.", line):
        return [number(r"All (\d+)", line) or 1, 0, 0]
    if re.match(r"Failed: \d+\. +Skipped: \d+\. +Passed: \d+", line):
        return [number(r"Passed: (\d+)", line), number(r"Failed: (\d+)", line),
                number(r"Skipped: (\d+)", line)]
    if line == "One or more tests were cancelled.":
        return [0, 1, 0]
    if re.match(r"(\d+ \w+, )*\d+ tests?, \d+ failures?", line):
        # ExUnit: "2 doctests, 5 tests, 1 failure, 1 invalid, 1 excluded,
        # 2 skipped"; EUnit by rebar3: "5 tests, 1 failures, 1 cancelled".
        total = sum(int(n) for n in
                    re.findall(r"(\d+) (?:tests?|doctests?|properties)\b", line))
        failed = (number(r"(\d+) failures?", line) +
                  number(r"(\d+) invalid", line) +
                  number(r"(\d+) cancelled", line))
        skipped = (number(r"(\d+) skipped", line) +
                   number(r"(\d+) excluded", line))
        return [total - failed - skipped, failed, skipped]
    return None


def count_lines(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        found = [counts for counts in map(count_line, file) if counts]
    return [sum(column) for column in zip(*found)] or [0, 0, 0]


def main():
    counters = {"ctest": count_ctest, "lines": count_lines}
    if len(sys.argv) != 3 or sys.argv[1] not in counters:
        print(__doc__, file=sys.stderr)
        return 2
    print(*counters[sys.argv[1]](sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

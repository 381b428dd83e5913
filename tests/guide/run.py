#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does what docs/getting-started.md says, step by step, in a folder of its own.

    tests/guide/run.py CNODE_BIN     (ERL_EPMD_PORT: an epmd that is running)

A block of code whose last line above it ends in `path`: becomes that file; a
block of `sh` is run, all in one shell; the lines of a block of `text` must be among what
the commands before it printed, in that order. Anything else is for people.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUIDE = os.path.join(ROOT, "docs", "getting-started.md")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
NAMED = re.compile(r"`([\w./-]+)`:\s*$")
MARK = "__end_of_block__"
LONGEST_S = 240


class Shell:
    """One bash for all blocks, so that `cd` and `export` last."""

    def __init__(self, folder, environment):
        self.script = os.path.join(folder, "block.sh")
        self.process = subprocess.Popen(
            ["bash", "-eu"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)

    def run(self, code):
        # From a file, so that what it runs does not read the next block.
        with open(self.script, "w", encoding="utf-8") as script:
            script.write(code)
        self.process.stdin.write(
            f". {self.script} </dev/null\necho {MARK} \"$PWD\"\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith(MARK):
                return lines, line[len(MARK):].strip()
            print("    " + line, end="", flush=True)
            lines.append(line.rstrip("\n"))
        sys.exit("the guide's commands failed:\n" + code)

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def blocks(text):
    """(language, code, name of the file above it or None) of each block."""
    for match in FENCE.finditer(text):
        named = NAMED.search(text[:match.start()].rstrip() + "\n")
        yield match.group(1), match.group(2), named and named.group(1)


def environment(executable):
    wanted = dict(os.environ, CNODE_HOME=ROOT, CNODE_BIN=executable,
                  MIX_ENV="dev", NO_COLOR="1")
    wanted.pop("MIX_BUILD_PATH", None)
    return wanted


def follow(shell, folder):
    printed, steps = [], 0
    with open(GUIDE, encoding="utf-8") as guide:
        text = guide.read()
    for language, code, name in blocks(text):
        steps += 1
        if language == "sh":
            print("  " + code.strip().splitlines()[0], flush=True)
            printed, folder = shell.run(code)
        elif language == "text":
            lines = iter(printed)
            if not all(line in lines for line in code.splitlines()):
                sys.exit(f"the guide promises\n{code}and this came:\n"
                         + "\n".join(printed))
        elif name is None:
            sys.exit("a block of the guide is no command and has no file name:\n" + code)
        else:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(code)
    return steps


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    signal.alarm(LONGEST_S)
    folder = tempfile.mkdtemp(prefix="cnode-guide-")
    shell = Shell(folder, environment(os.path.abspath(sys.argv[1])))
    try:
        steps = follow(shell, folder)
    finally:
        shell.end()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"ok, {steps} steps of the guide")


if __name__ == "__main__":
    main()

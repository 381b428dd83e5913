#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what a compiler does not: who may include whom, and the house marks.

    scripts/check_layers.py              every breach, then a summary
    scripts/check_layers.py --quiet      every breach, nothing when there is none
    scripts/check_layers.py --self-test  proves that each rule finds its breach

The rules:
  layers    a file under cnode/ includes from its own layer and those below it
  uv        <uv.h> only in the thin shells
  style     project headers as "layer/file.h", public ones as <cnode/file.h>
  own       x.c includes x.h before anything else
  guard     a header's guard is its path: CNODE_DIST_FRAME_H
  spdx      every source file says its licence in its first lines
  alloc     malloc and friends are called in base/mem.c only
  public    include/ and behaviours/ know only <cnode/...> and the system, and
            behaviours/x.c what is in its own folder behaviours/x
Long files and functions are reported, not refused: a second subject may hide in
them, or may not.
"""
import argparse
import os
import re
import sys
import tempfile

# Lowest first; layers of one row do not know each other.
ROWS = [
    ["base"],
    ["term"],
    ["dist", "runtime", "storage", "placement"],
    ["node"],
    ["cluster", "registry"],
    ["pool"],
    ["manager"],
    ["admin"],
]
RANK = {layer: rank for rank, row in enumerate(ROWS) for layer in row}

# Where the event loop may be seen: the thin shells around the pure cores.
UV_ALLOWED = re.compile(
    r"^cnode/(base/(loop|timer)|dist/(conn|listener|mute_port|epmd)|runtime/scheduler"
    r"|cluster/discovery_(gossip|dns)|storage/store_\w+|admin/\w+|cnode|main)"
    r"\.[ch]$"
)
ALLOCATION = re.compile(
    r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf"
    r"|vasprintf|alloca)\s*\("
)
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]')

SPDX = "SPDX-License-Identifier: Apache-2.0"
SOURCE_SUFFIXES = (".c", ".h", ".def", ".py", ".sh", ".ex", ".exs", ".erl",
                   ".hrl", ".escript", ".cmake", ".config")
SOURCE_NAMES = ("CMakeLists.txt", "run")
SOURCE_FOLDERS = ("cnode", "include", "behaviours", "elixir_bridge", "tests",
                  "scripts", "examples", "cmake", ".ci")
SKIPPED_FOLDERS = ("_build", "deps", "corpus", "__pycache__", "doc")

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60


def without_comments(text):
    """The code alone, line for line: comments and literals become spaces."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    return re.sub(pattern, blank, text, flags=re.S)


def includes_of(lines):
    """Yields line number, quote and path of each include."""
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


class Checker:
    def __init__(self, root):
        self.root = root
        self.breaches = []
        self.long_files = []
        self.long_functions = []
        self.files = 0

    def breach(self, rule, path, line, text):
        self.breaches.append((rule, f"{path}:{line}: {rule}: {text}"))

    def sources(self):
        for top in SOURCE_FOLDERS:
            for folder, folders, names in os.walk(os.path.join(self.root, top)):
                folders[:] = sorted(f for f in folders
                                    if f not in SKIPPED_FOLDERS)
                for name in sorted(names):
                    if name.endswith(SOURCE_SUFFIXES) or name in SOURCE_NAMES:
                        path = os.path.join(folder, name)
                        yield os.path.relpath(path, self.root)
        if os.path.exists(os.path.join(self.root, "CMakeLists.txt")):
            yield "CMakeLists.txt"

    def check_all(self):
        for path in self.sources():
            self.files += 1
            with open(os.path.join(self.root, path), encoding="utf-8") as file:
                text = file.read()
            self.check_spdx(path, text)
            self.check_length(path, text)
            if path.endswith((".c", ".h", ".def")):
                self.check_c(path, text)

    # --- every source -------------------------------------------------------

    def check_spdx(self, path, text):
        if not any(SPDX in line for line in text.splitlines()[:4]):
            self.breach("spdx", path, 1, f'expected "{SPDX}" at the top')

    def check_length(self, path, text):
        lines = text.count("\n")
        if lines > MAX_FILE_LINES:
            self.long_files.append((lines, path))
        if path.endswith(".c"):
            self.measure_functions(path, text)

    def measure_functions(self, path, text):
        """With our formatting a body is what stands between { and } at column 0."""
        start = None
        for number, line in enumerate(text.splitlines(), 1):
            if line == "{":
                start = number
            elif line == "}" and start is not None:
                if number - start - 1 > MAX_FUNCTION_LINES:
                    length = number - start - 1
                    self.long_functions.append((length, f"{path}:{start}"))
                start = None

    # --- C ------------------------------------------------------------------

    def check_c(self, path, text):
        lines = text.splitlines()
        top = path.split(os.sep)[0]
        for number, quote, name in includes_of(lines):
            self.check_style(path, number, quote, name)
            if top == "cnode":
                self.check_layer(path, number, name)
            if top in ("cnode", "include", "behaviours"):
                self.check_uv(path, number, name)
            if top in ("include", "behaviours"):
                self.check_public(path, number, quote, name)
        if path.endswith(".h") and top in ("cnode", "include"):
            self.check_guard(path, lines)
        if path.endswith(".c") and top == "cnode":
            self.check_own_header(path, lines)
        if top == "cnode":
            self.check_allocation(path, text)

    def check_layer(self, path, number, name):
        parts = path.split(os.sep)
        if len(parts) < 3 or "/" not in name:
            return  # cnode.c and main.c may include everything
        own, other = parts[1], name.split("/")[0]
        if own not in RANK:
            self.breach("layers", path, number, f"{own}/ is not a layer")
        elif other in RANK and other != own and RANK[other] >= RANK[own]:
            self.breach("layers", path, number,
                        f"{own} must not know {other} ({name})")

    def check_uv(self, path, number, name):
        if name == "uv.h" and not UV_ALLOWED.match(path):
            self.breach("uv", path, number, "uv.h is for the thin shells only")

    def check_style(self, path, number, quote, name):
        layer = name.split("/")[0] if "/" in name else None
        if layer == "cnode" and quote == '"':
            self.breach("style", path, number, f"write <{name}>")
        elif layer in RANK and quote == "<":
            self.breach("style", path, number, f'write "{name}"')
        elif quote == '"' and layer is None and path.startswith("cnode"):
            if name != "cnode.h" or path.count(os.sep) > 1:
                self.breach("style", path, number,
                            f'include by layer: "<layer>/{name}"')
        if ".." in name.split("/"):
            self.breach("style", path, number, f"no relative path: {name}")

    def check_public(self, path, number, quote, name):
        own = path.split(os.sep)[1].split(".")[0] + "/"
        if quote == '"' and not (path.startswith("behaviours") and
                                 name.startswith(own)):
            self.breach("public", path, number,
                        f'only public headers here, not "{name}"')

    def check_guard(self, path, lines):
        parts = path.split(os.sep)[1:]
        stem = "_".join(p for p in parts if p != "cnode")
        guard = "CNODE_" + re.sub(r"\W", "_", stem).upper()
        if f"#ifndef {guard}" not in lines or f"#define {guard}" not in lines:
            self.breach("guard", path, 1, f"expected the guard {guard}")

    def check_own_header(self, path, lines):
        own = path.split(os.sep, 1)[1][:-2] + ".h"
        if os.path.exists(os.path.join(self.root, "cnode", own)):
            first = next(includes_of(lines), (1, "", "nothing"))
            if first[2] != own:
                self.breach("own", path, first[0],
                            f'"{own}" comes first, not {first[2]}')

    def check_allocation(self, path, text):
        if path == os.path.join("cnode", "base", "mem.c"):
            return
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            match = ALLOCATION.search(line)
            if match:
                self.breach("alloc", path, number,
                            f"{match.group(1)}() outside base/mem.c")


# --- proof that the rules bite ---------------------------------------------------

HEAD = f"/* {SPDX} */\n"
GUARDED = HEAD + "#ifndef {0}\n#define {0}\n{1}\n#endif\n"
SELF_TEST = [
    # path, text, the rule it breaks (None: a file that must pass)
    ("cnode/dist/a.c", HEAD + '#include "runtime/b.h"\n', "layers"),
    ("cnode/base/a.c", HEAD + '#include "term/b.h"\n', "layers"),
    ("cnode/util/a.c", HEAD + '#include "base/b.h"\n', "layers"),
    ("cnode/pool/a.c", HEAD + '#include "admin/b.h"\n', "layers"),
    ("cnode/dist/a.c", HEAD + '#include "base/b.h"\n', None),
    ("cnode/main.c", HEAD + '#include "admin/b.h"\n', None),
    ("cnode/dist/frame.c", HEAD + "#include <uv.h>\n", "uv"),
    ("cnode/dist/conn.c", HEAD + "#include <uv.h>\n", None),
    ("tests/loop/test_a.c", HEAD + "#include <uv.h>\n", None),
    ("cnode/dist/a.c", HEAD + '#include "b.h"\n', "style"),
    ("cnode/dist/a.c", HEAD + '#include "cnode/term.h"\n', "style"),
    ("cnode/dist/a.c", HEAD + "#include <base/b.h>\n", "style"),
    ("behaviours/a.c", HEAD + '#include "base/buf.h"\n', "public"),
    ("include/cnode/a.h", GUARDED.format("CNODE_A_H", "int a(void);"), None),
    ("include/cnode/a.h", GUARDED.format("A_H", "int a(void);"), "guard"),
    ("cnode/dist/a.h", GUARDED.format("CNODE_A_H", "int a(void);"), "guard"),
    ("cnode/dist/a.h", GUARDED.format("CNODE_DIST_A_H", "int a(void);"), None),
    ("cnode/dist/a.c", "int a;\n", "spdx"),
    ("scripts/a.sh", "#!/bin/sh\n", "spdx"),
    ("cnode/dist/a.c", HEAD + "void *a = malloc(1);\n", "alloc"),
    ("cnode/dist/a.c", HEAD + "char *a = strdup(b);\n", "alloc"),
    ("cnode/dist/a.c", HEAD + "/* malloc(1) */ a = x_malloc(1);\n", None),
    ("cnode/base/mem.c", HEAD + "void *a = malloc(1);\n", None),
]


def write_file(root, path, text):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as file:
        file.write(text)


def rules_broken(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files:
            write_file(root, path, text)
        checker = Checker(root)
        checker.check_all()
        return {rule for rule, _ in checker.breaches}


def self_test():
    own = [("cnode/dist/a.h", GUARDED.format("CNODE_DIST_A_H", "")),
           ("cnode/dist/a.c", HEAD + '#include <stdio.h>\n#include "dist/a.h"\n')]
    cases = [([(path, text)], rule) for path, text, rule in SELF_TEST]
    cases.append((own, "own"))
    failed = 0
    for files, rule in cases:
        broken = rules_broken(files)
        if broken != ({rule} if rule else set()):
            failed += 1
            print(f"self-test: {files[-1]}: expected {rule}, found {broken}")
    print(f"self-test: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quiet", action="store_true",
                        help="print breaches only")
    parser.add_argument("--self-test", action="store_true",
                        help="prove that each rule finds its breach")
    options = parser.parse_args()
    if options.self_test:
        return self_test()

    here = os.path.dirname(os.path.abspath(__file__))
    checker = Checker(os.path.dirname(here))
    checker.check_all()
    for _, text in checker.breaches:
        print(text)
    if not options.quiet:
        for length, path in sorted(checker.long_files, reverse=True):
            print(f"note: {path} has {length} lines (over {MAX_FILE_LINES})")
        for length, place in sorted(checker.long_functions, reverse=True):
            print(f"note: {place}: a function of {length} lines "
                  f"(over {MAX_FUNCTION_LINES})")
        print(f"{checker.files} files, {len(checker.breaches)} breaches")
    return 1 if checker.breaches else 0


if __name__ == "__main__":
    sys.exit(main())

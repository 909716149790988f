#!/usr/bin/env python3
"""Checks of the house that no compiler makes; prints what breaks them, ends `N passed, N failed`.

Rules: file and function length, `qri_` names stay inside their component, includes follow the
layers of src/README.md, banned.h comes last, every component has a README of bounded length, a
TODO names an issue, tests/ programs are listed in a meson.build, no dead files.
Exceptions are rows of tools/tidy.allow with a reason; a row that no longer excuses anything fails.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
README_LINES_MAX = 300


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def sources():
    for folder, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in sorted(names):
            if name.endswith((".c", ".h", ".def")):
                yield os.path.relpath(os.path.join(folder, name), ROOT)


def component_of(path):
    parts = path.split(os.sep)
    return parts[1] if len(parts) > 2 else None


def layers():
    """The table of src/README.md: component -> the components it may include."""
    uses = {}
    for line in read("src/README.md").splitlines():
        row = re.match(r"\| `(\w+)/` \|[^|]*\|([^|]*)\|", line)
        if row:
            uses[row[1]] = set(re.findall(r"\w+", row[2])) | {row[1]}
    return uses


def check_length(path, text):
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{path}: {lines} lines, at most {FILE_LINES_MAX}"


def check_functions(path, text):
    """A function starts at a line `{` in column 0 and ends at `}` in column 0; data tables, which
    end in `};`, do not count."""
    start = None
    for number, line in enumerate(text.splitlines(), 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            if number - start - 1 > FUNCTION_LINES_MAX:
                yield f"{path}:{start}: function of {number - start - 1} lines, at most {FUNCTION_LINES_MAX}"
            start = None
        elif line.startswith("}"):
            start = None


def check_banned(path, text):
    includes = re.findall(r'^#include ["<]([^">]+)[">]', text, re.M)
    if path.endswith(".c") and "/tests/" not in path and path.count(os.sep) > 1 and \
            (not includes or "base/banned.h" not in includes):
        yield f'{path}: does not include "base/banned.h"'


def check_includes(path, text, uses):
    own = component_of(path)
    if own is None or own not in uses or "/tests/" in path:
        return
    for name in re.findall(r'^#include "(\w+)/', text, re.M):
        if name in uses and name not in uses[own]:
            yield f"{path}: includes {name}/, which src/README.md does not allow {own}/"


def check_todo(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b", line) and not re.search(r"TODO\(#\d+\)", line):
            yield f"{path}:{number}: a TODO names an issue: TODO(#12)"


def check_private_names(texts):
    """A `qri_` function belongs to the components that declare it; others do not call it."""
    declared = {}
    for path, text in texts.items():
        for name in re.findall(r"^(?![ ]*return\b)[\w][\w\s*]*?\b(qri_\w+)\(", text, re.M):
            declared.setdefault(name, set()).add(component_of(path))
    for path, text in texts.items():
        for name in sorted(set(re.findall(r"\b(qri_\w+)\(", text))):
            owners = declared.get(name, set())
            if owners and component_of(path) not in owners and "static inline" not in text:
                yield f"{path}: calls {name}, which is private to {', '.join(sorted(owners))}/"


def check_component(name, uses):
    folder = os.path.join("src", name)
    if name not in uses:
        yield f"{folder}: no row in src/README.md"
    readme = os.path.join(folder, "README.md")
    if not os.path.exists(os.path.join(ROOT, readme)):
        yield f"{readme}: missing"
    elif read(readme).count("\n") > README_LINES_MAX:
        yield f"{readme}: over {README_LINES_MAX} lines"


def check_dead(paths):
    builds = ""
    for folder, _, names in os.walk(os.path.join(ROOT, "src")):
        if "meson.build" in names:
            builds += read(os.path.relpath(os.path.join(folder, "meson.build"), ROOT))
    builds += read("meson.build")
    for path in paths:
        name = os.path.basename(path)
        stem = re.sub(r"^(test|fuzz|bench)_", "", name[:-2])
        if path.endswith(".c") and name not in builds and f"'{stem}'" not in builds:
            yield f"{path}: in no meson.build"


def allowed():
    rows = {}
    for line in read("tools/tidy.allow").splitlines():
        if line and not line.startswith("#"):
            prefix, reason = line.split(" # ", 1)
            rows[prefix.strip()] = reason
    return rows


def main():
    uses = layers()
    texts = {path: read(path) for path in sources()}
    components = sorted(name for name in os.listdir(os.path.join(ROOT, "src"))
                        if os.path.isdir(os.path.join(ROOT, "src", name)))
    problems = []
    for path, text in texts.items():
        problems += check_length(path, text)
        problems += check_functions(path, text)
        problems += check_banned(path, text)
        problems += check_includes(path, text, uses)
        problems += check_todo(path, text)
    problems += check_private_names(texts)
    problems += check_dead(texts)
    for name in components:
        problems += check_component(name, uses)

    allow = allowed()
    unused = set(allow)
    left = []
    for problem in problems:
        excuse = [prefix for prefix in allow if problem.startswith(prefix)]
        unused -= set(excuse)
        if not excuse:
            left.append(problem)
    left += [f"tools/tidy.allow: nothing needs '{prefix}'" for prefix in sorted(unused)]
    for problem in left:
        print(problem)
    print(f"{0 if left else 1} passed, {len(left)} failed")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())

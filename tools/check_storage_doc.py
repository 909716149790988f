#!/usr/bin/env python3
"""Compares docs/storage.md with the source; ends `N passed, N failed`.

Of every structure: its fields lie one behind the other and fill the size that is named, the size is
that of the constant, the header exists, and the magic is in its component's source.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOC = "docs/storage.md"


def source_files():
    for folder, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in names:
            if name.endswith((".c", ".h")) and "/tests" not in folder:
                yield os.path.join(folder, name)


def constants(texts):
    """Name -> the values that it has anywhere (a private name may be used twice)."""
    found = {}
    for text in texts.values():
        for name, value in re.findall(r"\b([A-Z][A-Z0-9_]+) = ([0-9x<+* ()]+?)[,;\s]*(?:/\*|\n|,|})", text):
            try:
                found.setdefault(name, set()).add(eval(value, {"__builtins__": {}}))
            except (SyntaxError, TypeError, NameError):
                pass
    return found


def header_path(name):
    """`logsvc/journal.h` is src/logsvc/include/logsvc/journal.h or src/logsvc/journal.h."""
    component, file = name.split("/", 1)
    for path in (f"src/{component}/include/{name}", f"src/{component}/{file}"):
        if os.path.exists(os.path.join(ROOT, path)):
            return component
    return None


def has_magic(texts, component, magic):
    chars = ", ".join(f"'{c}'" for c in magic)
    return any((chars in text or f'"{magic}"' in text) and f"/src/{component}/" in path
               for path, text in texts.items())


def check_table(rows, size):
    at = 0
    for offset, count in rows:
        if offset != at:
            return f"a field at {offset} follows one that ends at {at}"
        at = offset + count
    return None if at == size else f"its fields end at {at}, it has {size} bytes"


def main():
    texts = {path: open(path, encoding="utf-8").read() for path in source_files()}
    known = constants(texts)
    doc = open(os.path.join(ROOT, DOC), encoding="utf-8").read()
    failures, passed = [], 0

    def check(good, what):
        nonlocal passed
        if good:
            passed += 1
        else:
            failures.append(what)

    for name, value in re.findall(r"\(?`([A-Z][A-Z0-9_]+)` = (\d+)\)?", doc):
        check(int(value) in known.get(name, set()), f"{name} is {known.get(name)}, not {value}")
    paragraphs = re.split(r"\n\n", doc)
    structures = 0
    for i, text in enumerate(paragraphs):
        flat = text.replace("\n", " ")
        named = re.search(r"(\d+) bytes \(`([A-Z][A-Z0-9_]+)`\)", flat)
        if not named:
            continue
        structures += 1
        size, constant = int(named[1]), named[2]
        check(size in known.get(constant, set()), f"{constant} is {known.get(constant)}, not {size}")
        table = next((p for p in paragraphs[i + 1:i + 2] if p.startswith("| offset")), "")
        rows = [(int(a), int(b)) for a, b in re.findall(r"^\| (\d+) \| (\d+) \|", table, re.M)]
        problem = check_table(rows, size)
        check(problem is None, f"{constant}: {problem}")
        header = re.search(r"`(\w+/\w+\.h)`", flat)
        if header:
            component = header_path(header[1])
            check(component is not None, f"{header[1]} is not there")
            magic = re.search(r"magic `(\w+)`", flat)
            check(magic is not None or "no magic" in flat, f"{constant}: says nothing of a magic")
            if magic and component:
                check(has_magic(texts, component, magic[1]), f"no magic {magic[1]} in {component}")
    check(structures >= 18, f"only {structures} structures were found")
    for failure in failures:
        print(f"{DOC}: {failure}")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

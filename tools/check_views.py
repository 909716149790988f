#!/usr/bin/env python3
"""Compares the engine's system views with the documented columns in data/dmvs.csv.

usage: check_views.py [PRINT_VIEWS DMVS_CSV EXCEPTIONS]
Without arguments it takes those of this checkout, with the program of its folder `build`.
Names, order and types must be the documented ones; more columns may follow. EXCEPTIONS has a line
`view: reason` for each view that differs; one that does not differ must not be there.
"""
import csv
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = ["build/src/engine/print_views", "data/dmvs.csv", "src/engine/tests/views.differ"]
SAME = {"sysname": "nvarchar(128)", "numeric": "decimal", "datetime2(7)": "datetime2",
        "datetimeoffset(7)": "datetimeoffset"}


def plain(text):
    text = text.lower().replace(" ", "")
    text = SAME.get(text, text)
    return re.sub(r"^numeric", "decimal", text)


def same_type(documented, ours):
    """Where the page prints no length, any is right."""
    documented, ours = plain(documented), plain(ours)
    return documented == ours or ("(" not in documented and ours.split("(")[0] == documented)


def difference(documented, ours):
    if ours is None:
        return "is missing"
    for i, (name, sql_type) in enumerate(documented):
        if i >= len(ours):
            return f"has no column {name}"
        if ours[i][0] != name:
            return f"column {i + 1} is {ours[i][0]}, documented is {name}"
        if not same_type(sql_type, ours[i][1]):
            return f"{name} is {ours[i][1]}, documented is {sql_type}"
    return None


def read_documented(path):
    views = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            views.setdefault(row["view"], []).append((row["column"], row["sql_type"]))
    return views


def main():
    program, documented_path, exceptions_path = sys.argv[1:4] or [os.path.join(ROOT, path) for path in OURS]
    ours = {}
    for line in subprocess.run([program], check=True, capture_output=True,
                               text=True).stdout.splitlines():
        view, _, column, sql_type = line.split("|")
        view = view.removesuffix("$")  # a function's rows come from the view of that name
        ours.setdefault(view, []).append((column, sql_type))
    with open(exceptions_path, encoding="utf-8") as file:
        excepted = dict(line.strip().split(": ", 1) for line in file
                        if line.strip() and not line.startswith("#"))
    failed = 0
    for view, columns in read_documented(documented_path).items():
        found = ours.get(view) or ours.get(re.sub(r"\.dm_(io_)?", ".", view))
        why = difference(columns, found)
        if why is not None and view not in excepted:
            print(f"{view} {why}")
            failed += 1
        elif why is None and view in excepted:
            print(f"{view} is as documented: take its line out of {exceptions_path}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

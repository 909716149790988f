#!/usr/bin/env python3
"""Golden tests: each *.sql here is run through TDS in a database of its own, and what comes back is
compared with the *.out beside it. Ends with `N passed, N failed`.

usage: run.py [--build DIR] [--accept] [--all] [--edition EDITION] [PATTERN...]
  --accept rewrites the .out files: read the difference before you commit it.
  --edition makes the databases in that edition; the answers are the same in all.

In a .sql file batches are separated by lines `GO`. Comment lines at its top may say:
  -- mask: REGEX        what matches is printed as <masked>, for values that differ each time
  -- tds: 7.1           protocol version of the connection (7.1, 7.2, 7.3, 7.4)
  -- only: all          run with --all only
  -- setup: northwind   loads Microsoft's Northwind first; skipped where its script is absent
"""
import argparse
import difflib
import fnmatch
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
import northwind  # noqa: E402
import server  # noqa: E402
import tds  # noqa: E402

SETUPS = {"northwind": northwind}
VERSIONS = {"7.1": tds.TDS71, "7.2": tds.TDS72, "7.3": tds.TDS73B, "7.4": tds.TDS74}


def directives(text):
    found = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        match = re.match(r"-- (\w+): (.*)", line)
        if match:
            found.append((match[1], match[2].strip()))
    return found


def batches(text):
    piece = []
    for line in text.splitlines(keepends=True):
        if line.strip().upper() == "GO":
            yield "".join(piece)
            piece = []
        else:
            piece.append(line)
    if "".join(piece).strip():
        yield "".join(piece)


def show_value(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, bytes):
        return "0x" + value.hex().upper()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return re.sub(r"[\x00-\x1f\x7f\\]",
                      lambda m: "\\\\" if m[0] == "\\" else f"\\x{ord(m[0]):02x}",
                      value.encode("utf-8", "backslashreplace").decode())
    return str(value)


def show(reply):
    """Every event of a reply as lines."""
    lines = []
    for kind, event in reply.events:
        if kind == "columns":
            lines.append("columns: " + " | ".join(
                f"{column.name or '(no name)'} {column.type}{' null' if column.nullable else ''}"
                for column in event))
        elif kind == "row":
            lines.append("  " + " | ".join(show_value(value) for value in event))
        elif kind in ("error", "info"):
            lines.append(repr(event))
        elif kind == "done":
            parts = [] if event.count is None else [f"{event.count} row{'s' * (event.count != 1)}"]
            parts += ["error"] * event.error
            if parts or event.kind != "done":
                lines.append(f"({' '.join([event.kind] * (event.kind != 'done') + parts)})")
        elif kind == "return_status":
            lines.append(f"return status {event}")
        elif kind == "envchange" and event[0] in (1, 2):
            lines.append(f"{'database' if event[0] == 1 else 'language'} is now {event[1]}")
    return lines


def run_file(quired, path, name):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    options = directives(text)
    masks = [value for key, value in options if key == "mask"]
    version = VERSIONS[dict(options).get("tds", "7.4")]
    database = f"golden_{name}"
    quired.create_database(database)
    if "setup" in dict(options):
        with quired.connect(database, timeout=120) as connection:
            SETUPS[dict(options)["setup"]].load(connection)
    out = []
    try:
        with quired.connect(database, version=version) as connection:
            for number, batch in enumerate(batches(text), 1):
                out.append(f"--- batch {number}")
                out += show(connection.batch(batch))
    except (tds.Closed, tds.ProtocolError, OSError) as error:
        out.append(f"connection lost: {error!r}")
    result = "\n".join(out) + "\n"
    for mask in masks:
        result = re.sub(mask, "<masked>", result)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--edition", default="")
    parser.add_argument("patterns", nargs="*")
    args = parser.parse_args()
    os.environ["QUIRE_TEST_EDITION"] = args.edition
    os.environ["QUIRE_BUILD"] = os.path.abspath(args.build)

    passed = failed = 0
    with server.Server(announced=()) as quired:
        for file in sorted(os.listdir(HERE)):
            name, ending = os.path.splitext(file)
            if ending != ".sql" or (args.patterns and
                                    not any(fnmatch.fnmatch(name, p) for p in args.patterns)):
                continue
            path = os.path.join(HERE, file)
            with open(path, encoding="utf-8") as text:
                options = dict(directives(text.read()))
            if options.get("only") == "all" and not args.all:
                continue
            if "setup" in options and not SETUPS[options["setup"]].is_here():
                print(f"skipped {name}: {SETUPS[options['setup']].ABSENT}")
                continue
            have = run_file(quired, path, name)
            out = os.path.join(HERE, name + ".out")
            want = ""
            if os.path.exists(out):
                with open(out, encoding="utf-8") as want_file:
                    want = want_file.read()
            if args.accept and have != want:
                with open(out, "w", encoding="utf-8") as accepted:
                    accepted.write(have)
                print(f"accepted {name}")
            if have == want or args.accept:
                passed += 1
                continue
            failed += 1
            sys.stdout.writelines(difflib.unified_diff(
                want.splitlines(True), have.splitlines(True), f"{name}.out", "now"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Every qr_sql_fail(err, NUMBER, ...) must give what the message's template takes.

  tools/check_messages.py SOURCE_ROOT

A template's arguments come through varargs, so the compiler cannot tell; this test can: the number
of arguments of each call is compared with the number of conversions of its template, and a number
that no table has is an error as well. Calls whose number is not a constant are listed with -v only.
Also refused: two rows of one number in data/messages.csv.
"""
import csv
import os
import re
import sys

CONVERSION = re.compile(r"%(?:%|[-0-9.*+# ]*(?:I64)?(?:l|h)*(S_MSG|[sScduxXipf]))")


def templates(root):
    rows, doubled = {}, []
    with open(os.path.join(root, "data/errors.csv"), newline="", encoding="utf-8") as f:
        for r in csv.DictReader(f):
            if r["error_number"] and r["severity"]:
                rows.setdefault(int(r["error_number"]), r["message_template"])
    seen = set()
    with open(os.path.join(root, "data/messages.csv"), newline="", encoding="utf-8") as f:
        for r in csv.DictReader(f):
            n = int(r["number"])
            if n in seen:
                doubled.append(n)
            seen.add(n)
            if r["text"] or n not in rows:
                rows[n] = r["text"]
    return rows, doubled


def arguments(text, at):
    """The arguments of the call whose parenthesis opens at text[at]."""
    args, depth, start, i = [], 0, at + 1, at
    while i < len(text):
        c = text[i]
        if c in "\"'":
            end = i + 1
            while text[end] != c:
                end += 2 if text[end] == "\\" else 1
            i = end
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if depth == 0:
                args.append(text[start:i].strip())
                return args
        elif c == "," and depth == 1:
            args.append(text[start:i].strip())
            start = i + 1
        i += 1
    return args


def expects(template):
    return [m.group(1) for m in CONVERSION.finditer(template) if m.group(1)]


def main(root):
    rows, doubled = templates(root)
    bad = ["data/messages.csv: %d stands twice" % n for n in doubled]
    for folder, _, names in os.walk(os.path.join(root, "src")):
        for name in names:
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.join(folder, name)
            text = open(path, encoding="utf-8").read()
            for m in re.finditer(r"\b(qr_sql_fail|qri_inform)\s*\(", text):
                args = arguments(text, m.end() - 1)
                line = text.count("\n", 0, m.start()) + 1
                where = "%s:%d" % (os.path.relpath(path, root), line)
                if len(args) < 2 or args[1].startswith("int ") or "..." in args:
                    continue
                numbers = [int(n) for n in re.findall(r"\b\d{3,5}\b", args[1])]
                known = [len(expects(rows[n])) for n in numbers if n in rows]
                if known and len(args) - 2 > max(known):
                    bad.append("%s: message %s takes %d arguments, %d given" % (
                        where, args[1], max(known), len(args) - 2))
                for n in numbers:
                    if n not in rows:
                        bad.append("%s: message %d is in no table" % (where, n))
                        continue
                    want = expects(rows[n])
                    if len(want) > len(args) - 2:
                        bad.append("%s: message %d takes %d arguments, %d given: %s" % (
                            where, n, len(want), len(args) - 2, rows[n]))
                        continue
                    for kind, arg in zip(want, args[2:]):
                        is_text = kind in ("s", "S", "S_MSG")
                        if is_text and re.match(r"^\(?(int|int64_t|unsigned)\)|^-?\d+$", arg):
                            bad.append("%s: message %d: %s for %%s" % (where, n, arg))
                        if not is_text and (arg.startswith('"') or "qri_z(" in arg or
                                            arg.endswith(("name", "_z", ".p"))):
                            bad.append("%s: message %d: %s for %%%s" % (where, n, arg, kind))
    for b in bad:
        print(b)
    print("%d passed, %d failed" % (0 if bad else 1, len(bad)))
    return 1 if bad else 0


sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "."))

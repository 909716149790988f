#!/usr/bin/env python3
"""Sorts data/messages.csv by number and unites rows of one number (a later field wins), as two
branches that each add rows leave them. Changes nothing when the file is in order."""
import csv
import sys

FIELDS = ("severity", "state", "ends", "text")


def main(path):
    rows = {}
    with open(path, newline="", encoding="utf-8") as f:
        before = f.read()
        f.seek(0)
        for row in csv.DictReader(f):
            united = rows.setdefault(int(row["number"]), dict.fromkeys(FIELDS, ""))
            united.update({k: row[k] for k in FIELDS if row[k]})
    lines = ["number,severity,state,ends,text"]
    for number in sorted(rows):
        r = rows[number]
        text = '"%s"' % r["text"].replace('"', '""') if r["text"] else ""
        lines.append("%d,%s,%s,%s,%s" % (number, r["severity"], r["state"], r["ends"], text))
    after = "\n".join(lines) + "\n"
    if after != before:
        with open(path, "w", encoding="utf-8") as f:
            f.write(after)


main(sys.argv[1] if len(sys.argv) > 1 else "data/messages.csv")

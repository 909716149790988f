#!/usr/bin/env python3
"""usage: gen_waits.py wait_types.csv HEADER TABLE: types of waits (src/governor/wait.c)."""
import csv
import sys


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write("/* generated from data/wait_types.csv */\n#pragma once\nenum qr_wait {\n    QR_WAIT_NONE,\n")
        for row in rows:
            out.write(f'    QR_WAIT_{row["wait_type"]},\n')
        out.write("    QR_WAIT_COUNT\n};\n")
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        for row in rows:
            governs = "true" if row["governs_log_rate"] == "yes" else "false"
            out.write(f'[QR_WAIT_{row["wait_type"]}] = {{"{row["wait_type"]}", "{row["group"]}", {governs}}},\n')


if __name__ == "__main__":
    main()

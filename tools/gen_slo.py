#!/usr/bin/env python3
"""usage: gen_slo.py slo.csv OUT: the rows of the table of service objectives (src/ctl/slo.c)."""
import csv
import sys


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file, \
            open(sys.argv[2], "w", encoding="utf-8") as out:
        for row in csv.DictReader(file):
            size = row["max_data_size_gb"].replace(",", "")
            gigabytes = float(size) if size.replace(".", "", 1).isdigit() else 0
            out.write(f'{{"{row["service_objective"]}", "{row["edition"]}", '
                      f'UINT64_C({int(gigabytes * 2 ** 30)})}},\n')


if __name__ == "__main__":
    main()

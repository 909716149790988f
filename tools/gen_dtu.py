#!/usr/bin/env python3
"""usage: gen_dtu.py dtu_hardware.csv OUT: the rows of the table of DTU hardware (sysview_resource.c)."""
import csv
import sys


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file, \
            open(sys.argv[2], "w", encoding="utf-8") as out:
        for row in csv.DictReader(file):
            out.write(f'{{"{row["objective"]}", "{row["edition"]}", '
                      f'{"true" if row["is_pool"] == "yes" else "false"}, {row["dtus"]}, '
                      f'"{row["hardware_gen"]}", {row["schedulers"]}, {row["instance_cap_cpu"]}, '
                      f'{row["process_memory_limit_mb"]}}},\n')


if __name__ == "__main__":
    main()

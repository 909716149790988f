#!/usr/bin/env python3
"""usage: gen_slo.py slo.csv OUT: the rows of the table of service objectives (src/ctl/slo.c)."""
import csv
import sys


def number(text, factor=1):
    text = text.replace(",", "")
    return int(float(text) * factor) if text.replace(".", "", 1).isdigit() else 0


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file, \
            open(sys.argv[2], "w", encoding="utf-8") as out:
        for row in csv.DictReader(file):
            is_dtu = row["purchase_model"] == "DTU"
            family = "" if is_dtu else row["hardware_gen"]
            size = number(row["max_data_size_gb"], 2 ** 30)
            serverless = "true" if row["compute_model"] == "Serverless" else "false"
            out.write(f'{{"{row["service_objective"]}", "{row["edition"]}", "{family}", '
                      f'{number(row["dtus" if is_dtu else "vcores"])}, '
                      f'{"true" if is_dtu else "false"}, {serverless}, '
                      f'{number(row["min_vcores"], 100)}, {number(row["ha_replicas_max"])}, '
                      f'{number(row["memory_gb"], 1024)}, UINT64_C({size})}},\n')


if __name__ == "__main__":
    main()

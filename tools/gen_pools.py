#!/usr/bin/env python3
"""usage: gen_pools.py pools.csv OUT: the rows of the table of sizes of elastic pools (src/ctl/pool.c)."""
import csv
import sys
import gen_slo


def number(text, factor=1):
    return int(float(text) * factor) if text.replace(".", "", 1).isdigit() else 0


def choices(text):
    return "" if "-" in text else text  # a range: any whole number


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file, \
            open(sys.argv[2], "w", encoding="utf-8") as out:
        for row in csv.DictReader(file):
            is_dtu = row["purchase_model"] == "DTU"
            family = "" if is_dtu else row["hardware_gen"]
            sizes = [number(row[key], 2 ** 30) for key in
                     ("max_data_size_gb", "included_storage_gb", "max_storage_per_db_gb")]
            words = [choices(row[key]) for key in
                     ("min_vcores_or_edtu_per_db_choices", "max_vcores_or_edtu_per_db_choices",
                      "storage_choices_gb")]
            out.write(f'{{"{row["pool_objective"]}", "{row["sku_name"]}", "{row["edition"]}", "{family}", '
                      f'{number(row["edtus" if is_dtu else "vcores"])}, {"true" if is_dtu else "false"}, '
                      + ", ".join(f"UINT64_C({size})" for size in sizes)
                      + f', {number(row["max_databases"])}, '
                      + ", ".join(f'"{word}"' for word in words) + ", "
                      + gen_slo.limits(row, number(row["edtus"]) if is_dtu else 0) + "},\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""usage: gen_slo.py slo.csv OUT: the rows of the table of service objectives (src/ctl/slo.c).

Limits that the table does not state, as for DTUs, are derived: src/ctl/README.md says how."""
import csv
import sys

GIB, MIB = 2 ** 30, 2 ** 20
IOPS_PER_DTU = {"Basic": 4, "Standard": 4, "Premium": 25}  # data/server_limits.csv, the upper end
DTUS_PER_VCORE = {"Basic": 100, "Standard": 100, "Premium": 125}
MEMORY_GIB_PER_VCORE = 5.05                                 # Gen5
LOG_MIB_PER_VCORE = {"Basic": 4.5, "Standard": 4.5, "Premium": 12}  # as General Purpose, Business Critical


def number(text, factor=1):
    text = text.replace(",", "")
    return int(float(text) * factor) if text.replace(".", "", 1).isdigit() else 0


def limits(row, dtus):
    """A struct qr_slo_limits."""
    edition, vcores = row["edition"], float(row["vcores"] or 0)
    if dtus:
        vcores = dtus / DTUS_PER_VCORE[edition]
    memory = number(row["memory_gb"], GIB) or int(vcores * MEMORY_GIB_PER_VCORE * GIB)
    iops = number(row["data_iops"]) or (dtus * IOPS_PER_DTU[edition] if dtus else 0)
    log = number(row["log_rate_mbps"], MIB) or (int(vcores * LOG_MIB_PER_VCORE[edition] * MIB) if dtus else 0)
    sizes = [number(row[key], GIB) for key in ("max_log_size_gb", "tempdb_max_data_gb", "max_local_storage_gb")]
    workers = number(row["max_workers"])
    return ("{" + f'{int(vcores * 100)}, {dtus}, {workers}, {number(row["max_logins"]) or workers}, '
            f'{number(row["max_sessions"])}, {iops}, '
            + ", ".join(f"UINT64_C({n})" for n in [log, memory] + sizes)
            + f', {"true" if dtus else "false"}}}')


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
                      f'{number(row["memory_gb"], 1024)}, UINT64_C({size}), '
                      f'UINT64_C({number(row["min_memory_gb"], GIB)}), '
                      f'{number(row["autopause_min_minutes"])}, {number(row["autopause_max_minutes"])}, '
                      f'{limits(row, number(row["dtus"]) if is_dtu else 0)}}},\n')


if __name__ == "__main__":
    main()

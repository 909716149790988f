#!/usr/bin/env python3
"""Makes loads to try policies on: traces.py DIR writes daily.csv, weekly.csv and spike.csv there.

daily: busy in working hours, with noise and short bursts. weekly: the same, quiet at weekends, busier on
Mondays. spike: a load like that of the article on autoscaling Hyperscale: most of two vCores for eight
minutes. A point a minute, in vCores; the same seed makes the same trace.
"""
import math
import os
import random
import sys

MONDAY = 1767571200  # 2026-01-05T00:00:00Z


def working_hours(hour):
    up = 1 / (1 + math.exp(-(hour - 8.25) * 60))
    down = 1 / (1 + math.exp((hour - 18.25) * 6))
    return up * down * (1 - 0.25 * math.exp(-((hour - 12.5) ** 2) * 4))


def busy_days(days, weekly, seed=1):
    chance, burst = random.Random(seed), 0.0
    for minute in range(days * 1440):
        day = minute // 1440 % 7
        of_day = 1 if not weekly else 0.08 if day >= 5 else 1.3 if day == 0 else 1
        busy = working_hours(minute % 1440 / 60) * of_day
        if chance.random() > 0.998:
            burst = 1.5
        burst *= 0.7
        yield 0.6 + 8 * busy * (1 + 0.12 * (chance.random() - 0.5)) + burst * busy


def spike():
    for minute in range(35):
        yield 1.6 if 12 <= minute < 20 else 0.1


def write(path, loads):
    with open(path, "w", encoding="ascii") as file:
        file.write("time,load\n")
        for minute, load in enumerate(loads):
            file.write(f"{MONDAY + 60 * minute},{load:.3f}\n")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(os.path.join(sys.argv[1], "daily.csv"), busy_days(14, False))
    write(os.path.join(sys.argv[1], "weekly.csv"), busy_days(28, True))
    write(os.path.join(sys.argv[1], "spike.csv"), spike())


if __name__ == "__main__":
    main()

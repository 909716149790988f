#!/usr/bin/env python3
"""Builds the libFuzzer targets with clang and runs each for --seconds, from its corpus in
tests/corpus/<name>. New inputs stay in build-fuzz/corpus; a crash is left there as a file."""
import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build-fuzz")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        subprocess.run(["meson", "setup", "--buildtype=debugoptimized", "-Dfuzzers=true",
                        "-Db_lundef=false", "-Dwerror_strict=false", BUILD, ROOT], check=True,
                       env={**os.environ, "CC": "clang"})
    subprocess.run(["ninja", "-C", BUILD, "build.ninja"], check=True)  # it may be of other sources
    known = subprocess.run(["ninja", "-C", BUILD, "-t", "targets", "all"], check=True, stdout=subprocess.PIPE, text=True).stdout
    wanted = [path for path in re.findall(r"^(src/[\w/]+/fuzz_\w+):", known, re.M) if args.only in path]
    if wanted:  # not all the rest of this build
        subprocess.run(["ninja", "-C", BUILD] + wanted, check=True)
    passed, bad = 0, []
    for path in wanted:
        name = os.path.basename(path)[len("fuzz_"):]
        found = os.path.join(BUILD, "corpus", name)
        os.makedirs(found, exist_ok=True)
        seeds = os.path.join(ROOT, "tests", "corpus", name)
        command = [os.path.join(BUILD, path), f"-max_total_time={args.seconds}", "-timeout=10", "-rss_limit_mb=2048",
                   "-print_final_stats=1", f"-artifact_prefix={found}/crash-", found]
        print(f"== {name}", flush=True)
        code = subprocess.run(command + ([seeds] if os.path.isdir(seeds) else [])).returncode
        passed += code == 0
        bad += [name] if code != 0 else []
    if bad:
        print("failed: " + ", ".join(bad))
    print(f"{passed} passed, {len(bad)} failed")
    return 1 if bad or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

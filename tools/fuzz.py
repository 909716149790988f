#!/usr/bin/env python3
"""Builds the libFuzzer targets with clang and runs each for --seconds, from its corpus in
tests/corpus/<name>. New inputs stay in build-fuzz/corpus; a crash is left there as a file."""
import argparse
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build-fuzz")


def targets():
    for folder, _, names in os.walk(os.path.join(BUILD, "src")):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.startswith("fuzz_") and os.access(path, os.X_OK) and os.path.isfile(path):
                yield name[len("fuzz_"):], path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        subprocess.run(["meson", "setup", "--buildtype=debugoptimized", "-Dfuzzers=true",
                        "-Db_lundef=false", BUILD, ROOT], check=True,
                       env={**os.environ, "CC": "clang"})
    subprocess.run(["ninja", "-C", BUILD], check=True)
    passed = failed = 0
    for name, path in targets():
        if args.only and args.only not in name:
            continue
        found = os.path.join(BUILD, "corpus", name)
        os.makedirs(found, exist_ok=True)
        seeds = os.path.join(ROOT, "tests", "corpus", name)
        command = [path, f"-max_total_time={args.seconds}", "-timeout=10", "-rss_limit_mb=2048",
                   "-print_final_stats=1", f"-artifact_prefix={found}/crash-", found]
        print(f"== {name}", flush=True)
        code = subprocess.run(command + ([seeds] if os.path.isdir(seeds) else [])).returncode
        passed += code == 0
        failed += code != 0
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

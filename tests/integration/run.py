#!/usr/bin/env python3
"""Integration tests: real clients against a real quired. Ends with `N passed, N failed`.

usage: run.py [--build DIR] [--all] [--edition EDITION] [--jobs N] [MODULE...]   (modules: test_*.py here, without the .py)
Every test starts its own server (tests/lib/server.py); none waits for time where it can wait for an
event. --all adds what takes long; --edition makes the databases in that edition, and leaves out what is about
files. --jobs runs modules beside each other, for many only wait; those that measure run alone at the end.
A test that cannot run here says why and counts as skipped.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import unittest

# look at the files of databases, or make their own choice of edition
OF_FILES = {"test_azurite", "test_backup", "test_bad_storage", "test_machines", "test_network", "test_recorded",
            "test_roles", "test_server"}
# compare processor time, memory or rates with a limit
ALONE = {"test_density", "test_governance", "test_truth", "test_views"}
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
sys.path.insert(0, HERE)


def in_process_of_its_own(args, module):
    """(passed, failed); its output is printed when it is over."""
    command = [sys.executable, __file__, "--build", args.build, "--edition", args.edition, module]
    done = subprocess.run(command + (["--all"] if args.all else []), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    print(done.stdout, end="", flush=True)
    match = re.search(r"^(\d+) passed, (\d+) failed\Z", done.stdout.rstrip(), re.M)
    passed, failed = (int(match[1]), int(match[2])) if match else (0, 1)
    return passed, failed if done.returncode == 0 else max(failed, 1)


def beside_each_other(args, modules):
    size = {m: os.path.getsize(os.path.join(HERE, m + ".py")) for m in modules}
    modules = sorted(modules, key=size.get, reverse=True)  # what takes long first
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as threads:
        counts = list(threads.map(lambda m: in_process_of_its_own(args, m), [m for m in modules if m not in ALONE]))
    counts += [in_process_of_its_own(args, m) for m in modules if m in ALONE]
    failed = sum(count[1] for count in counts)
    print(f"{sum(count[0] for count in counts)} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--edition", default="")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("modules", nargs="*")
    args = parser.parse_args()
    os.environ["QUIRE_TEST_EDITION"] = args.edition
    os.environ["QUIRE_BUILD"] = os.path.abspath(args.build)
    os.environ["QUIRE_TEST_ALL"] = "1" if args.all else ""

    modules = args.modules or sorted(name[:-3] for name in os.listdir(HERE)
                                     if name.startswith("test_") and name.endswith(".py")
                                     and not (args.edition and name[:-3] in OF_FILES))
    if args.jobs > 1:
        return beside_each_other(args, modules)
    suite = unittest.defaultTestLoader.loadTestsFromNames(modules)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, warnings="ignore").run(suite)
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    for test, reason in result.skipped:
        print(f"skipped {test}: {reason}")
    print(f"{max(result.testsRun - failed - skipped, 0)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Integration tests: real clients against a real quired. Ends with `N passed, N failed`.

usage: run.py [--build DIR] [--all] [--edition EDITION] [MODULE...]   (modules: test_*.py here, without the .py)
Every test starts its own server (tests/lib/server.py); none waits for time where it can wait for an
event. --all adds what takes long; --edition makes the databases in that edition, and leaves out what is about
files. A test that cannot run here says why and counts as skipped.
"""
import argparse
import os
import sys
import unittest

# look at the files of databases, or make their own choice of edition
OF_FILES = {"test_azurite", "test_backup", "test_bad_storage", "test_machines", "test_roles",
            "test_server"}
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
sys.path.insert(0, HERE)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--edition", default="")
    parser.add_argument("modules", nargs="*")
    args = parser.parse_args()
    os.environ["QUIRE_TEST_EDITION"] = args.edition
    os.environ["QUIRE_BUILD"] = os.path.abspath(args.build)
    os.environ["QUIRE_TEST_ALL"] = "1" if args.all else ""

    modules = args.modules or sorted(name[:-3] for name in os.listdir(HERE)
                                     if name.startswith("test_") and name.endswith(".py")
                                     and not (args.edition and name[:-3] in OF_FILES))
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

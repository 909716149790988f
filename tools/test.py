#!/usr/bin/env python3
"""Runs every suite and ends with the line `N passed, N failed`.

A suite is a command; its counts come from what it prints: the summary of cmocka or unittest for
meson's tests (by its log), a last line `N passed, N failed` for the runners. A suite that ends with an exit
status other than 0 and admits no failure counts as one failure.
"""
import argparse
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SYSTEM_PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


class Totals:
    def __init__(self):
        self.passed = self.failed = 0

    def add(self, name, passed, failed):
        self.passed += passed
        self.failed += failed
        print(f"== {name}: {passed} passed, {failed} failed", flush=True)


def count_program(result, output):
    """Counts of one meson test program."""
    run = sum(int(n) for n in re.findall(r"\[==========\] (\d+) test\(s\) run\.", output))
    failed = sum(int(n) for n in re.findall(r"(\d+) FAILED TEST\(S\)", output))
    run += sum(int(n) for n in re.findall(r"^Ran (\d+) tests? in", output, re.M))
    for names in re.findall(r"^FAILED \((.*)\)$", output, re.M):
        failed += sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", names))
    if result in ("OK", "EXPECTEDFAIL"):
        return max(run, 1), 0
    if result == "SKIP":
        return 0, 0
    return max(run - failed, 0), max(failed, 1)


# More programs than processors: some only wait. slowness: a time limit is there for what hangs, not for a slow disk or a busy machine
def meson_suite(totals, name, build, env=None, slowness=3, everything=True):
    log = os.path.join(build, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    done = subprocess.run(["meson", "test", "-C", build, "--print-errorlogs", "--num-processes",
                           str(2 * min(os.cpu_count() or 1, 4)), "--timeout-multiplier",
                           str(slowness)] + ([] if everything else ["--no-suite", "long"]),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace",
                          env={**os.environ, **(env or {})})
    passed = failed = 0
    try:
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                test = json.loads(line)
                more = count_program(test["result"], test.get("stdout", "") +
                                     test.get("stderr", ""))
                passed += more[0]
                failed += more[1]
    except FileNotFoundError:
        failed = 1
    if done.returncode != 0:
        print(done.stdout)
        failed = max(failed, 1)
    totals.add(name, passed, failed)


def command_suite(totals, name, command, cwd=ROOT, env=None):
    """A runner of ours: streams its output, reads its last line."""
    process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
    last = ""
    for line in process.stdout:
        sys.stdout.write(line)
        last = line.strip() or last
    code = process.wait()
    match = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    passed, failed = (int(match[1]), int(match[2])) if match else (0, 0)
    if code != 0 or not match:
        failed = max(failed, 1)
    totals.add(name, passed, failed)


def sanitizer_suite(totals, name, sanitize, env):
    build = os.path.join(ROOT, f"build-{name}")
    if not os.path.exists(os.path.join(build, "build.ninja")):
        subprocess.run(["meson", "setup", "--buildtype=debugoptimized", f"-Db_sanitize={sanitize}",
                        "-Db_lundef=false", "-Dwerror_strict=false", build, ROOT], check=True,
                       stdout=subprocess.DEVNULL)
    built = subprocess.run(["ninja", "-C", build], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    if built.returncode != 0:
        print(built.stdout)
        totals.add(name, 0, 1)
        return
    meson_suite(totals, name, build, env, slowness=10)
    if os.path.exists(os.path.join(build, "quired")):
        for runner in ("golden", "integration"):
            command_suite(totals, f"{name} {runner}",
                          [SYSTEM_PYTHON, os.path.join("tests", runner, "run.py"), "--build", build],
                          env={**env, "QUIRE_TEST_SLOWNESS": "5"})


def npm_packages(everything):
    """Puts the clients of tests/integration/node in place; no-op when they match the lock. The services
    that only --all starts (azurite) come as dev dependencies."""
    folder = os.path.join(ROOT, "tests", "integration", "node")
    stamp = os.path.join(folder, "node_modules", ".lock-installed")
    with open(os.path.join(folder, "package-lock.json"), encoding="utf-8") as lock:
        wanted = lock.read()
    modes = {False: "clients\n", True: "all\n"}
    try:
        with open(stamp, encoding="utf-8") as have:
            if have.read() in (modes[everything] + wanted, modes[True] + wanted):
                return
    except FileNotFoundError:
        pass
    more = [] if everything else ["--omit=dev"]
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"] + more, cwd=folder,
                          stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        with open(stamp, "w", encoding="utf-8") as mark:
            mark.write(modes[everything] + wanted)


def server_suites(totals, build, everything):
    """Suites that need a running quired."""
    if not os.path.exists(os.path.join(build, "quired")):
        return
    npm_packages(everything)
    more = ["--all"] if everything else []
    for name in ("golden", "integration"):
        jobs = ["--jobs", "2"] if name == "integration" and not everything else []
        command_suite(totals, name, [SYSTEM_PYTHON, os.path.join("tests", name, "run.py"),
                                     "--build", build] + jobs + more)
        if name == "golden" or everything:
            command_suite(totals, f"{name} on Hyperscale",
                          [SYSTEM_PYTHON, os.path.join("tests", name, "run.py"), "--build", build,
                           "--edition", "Hyperscale"] + more)
    command_suite(totals, "isolation", [SYSTEM_PYTHON, os.path.join("tests", "isolation", "run.py"),
                                        "--build", build] + more)


def seed_suites(totals, build, everything):
    """The articles that define the service, command by command; the Azure CLI's where it is installed."""
    if everything:
        subprocess.run(["sh", "tools/deps.sh", "az"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    command_suite(totals, "seeds", [SYSTEM_PYTHON, os.path.join("tests", "seeds", "manage_hyperscale.py"),
                                    "--build", build])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    build = os.path.join(ROOT, args.build)
    totals = Totals()

    meson_suite(totals, "unit", build, everything=args.all)
    command_suite(totals, "tidy", [sys.executable, "tools/tidy.py"])
    command_suite(totals, "storage-doc", [sys.executable, "tools/check_storage_doc.py"])
    command_suite(totals, "messages", [sys.executable, "tools/check_messages.py", "."])
    server_suites(totals, build, args.all)
    seed_suites(totals, build, args.all)
    if args.all:
        command_suite(totals, "crash", [os.path.join(build, "src", "vfs", "crash_store"),
                                        "--rounds", "200"])
        command_suite(totals, "sim", [os.path.join(build, "tests", "sim", "sim"), "--seeds", "1",
                                      "10000"])
        sanitizer_suite(totals, "asan", "address,undefined",
                        {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1",
                         "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"})
        sanitizer_suite(totals, "tsan", "thread", {"TSAN_OPTIONS": "halt_on_error=1"})
        command_suite(totals, "lint", [sys.executable, "tools/lint.py", "--build", build])

    summary = f"{totals.passed} passed, {totals.failed} failed"
    with open(os.path.join(build, "test-summary"), "w", encoding="ascii") as file:
        file.write(summary + "\n")
    print(summary)
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())

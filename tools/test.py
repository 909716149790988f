#!/usr/bin/env python3
"""Runs every suite and ends with the line `N passed, N failed`.

usage: test.py [--build DIR] [--all] [--only SUITE...]
  test.py --all                  what takes hours, too: see the times at the end of a run
  test.py --all --only asan sim  the suites whose names begin with these words, to go on where a run ended

A suite is a command; its counts come from what it prints: the summary of cmocka or unittest for
meson's tests (by its log), a last line `N passed, N failed` for the runners. A suite that ends with an exit
status other than 0 and admits no failure counts as one failure; one that takes longer than its limit, which is
several times what it needs, is ended and counts as one, and the next goes on. Whatever a sanitizer reports is a
failure, also of a process whose end the test expects.
"""
import argparse
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SYSTEM_PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


MINUTES = 60  # of a suite that names no limit


class Totals:
    """What was run. `only`: words that the names of the wanted suites begin with; none: all."""

    def __init__(self, only=()):
        self.only = only
        self.names = set()  # of the suites that there are
        self.rows = []
        self.begin = None

    @property
    def passed(self):
        return sum(row[1] for row in self.rows)

    @property
    def failed(self):
        return sum(row[2] for row in self.rows)

    def wants(self, *names):
        self.names.update(names)
        return not self.only or any((name + " ").startswith(word + " ") for name in names for word in self.only)

    def add_unknown(self):
        """Words that begin no name of what there is to run, which is over, fail."""
        for word in self.only:
            if not any((name + " ").startswith(word + " ") for name in self.names):
                self.begin = time.monotonic()
                self.add(f"no suite '{word}'", 0, 1)

    def starts(self, name):
        """False: it is not wanted. Its time begins."""
        self.begin = time.monotonic()
        return self.wants(name)

    def add(self, name, passed, failed):
        seconds = time.monotonic() - self.begin
        self.rows.append((name, passed, failed, seconds))
        print(f"== {name}: {passed} passed, {failed} failed, {seconds:.0f} s", flush=True)

    def report(self):
        print("\nsuite                          passed  failed  min:s")
        for name, passed, failed, seconds in self.rows:
            print(f"{name:30} {passed:6}  {failed:6}  {seconds // 60:3.0f}:{seconds % 60:02.0f}")
        bad = [row[0] for row in self.rows if row[2]]
        if bad:
            print("failed: " + ", ".join(bad))
        print(f"{self.passed} passed, {self.failed} failed", flush=True)


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
    if not totals.starts(name):
        return
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


def command_suite(totals, name, command, cwd=ROOT, env=None, minutes=MINUTES):
    """A runner of ours: streams its output, reads its last line. What it starts is of its group, which ends with
    it when it is late or we are interrupted."""
    if not totals.starts(name):
        return
    process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    late = threading.Event()

    def end():
        if process.returncode is None:  # else its number may be another's
            late.set()
            os.killpg(process.pid, signal.SIGKILL)
    limit = threading.Timer(minutes * 60, end)
    limit.start()
    last = ""
    try:
        for line in process.stdout:
            sys.stdout.write(line)
            last = line.strip() or last
        code = process.wait()
    finally:
        limit.cancel()
        end()
    match = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    passed, failed = (int(match[1]), int(match[2])) if match else (0, 0)
    if code != 0 or not match or late.is_set():  # also if it has ended, and what it started holds its output
        failed = max(failed, 1)
    if late.is_set():
        print(f"{name} was ended after {minutes} minutes")
    totals.add(name, passed, failed)


class Sanitizer:
    """A build with one, made when the first of its suites is wanted."""

    def __init__(self, name, sanitize, variable, options, everything):
        self.name = name
        self.everything = everything
        self.sanitize = sanitize
        self.build = os.path.join(ROOT, f"build-{name}")
        self.reports = os.path.join(self.build, "reports")
        self.env = {variable: f"{options}:log_path={self.reports}/{name}", "QUIRE_TEST_SLOWNESS": "5"}
        if name == "asan":
            self.env["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"

    def make(self):
        """None, or what the compiler says."""
        if not os.path.exists(os.path.join(self.build, "build.ninja")):
            subprocess.run(["meson", "setup", "--buildtype=debugoptimized", f"-Db_sanitize={self.sanitize}",
                            "-Db_lundef=false", "-Dwerror_strict=false", self.build, ROOT], check=True,
                           stdout=subprocess.DEVNULL)
        built = subprocess.run(["ninja", "-C", self.build], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return None if built.returncode == 0 else built.stdout

    def said(self):
        """What was reported; not that ASan warns of programs that change stacks."""
        texts = []
        for path in sorted(glob.glob(os.path.join(self.reports, "*"))):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
        return [text for text in texts if re.search(r"ERROR: |WARNING: ThreadSanitizer|runtime error: ", text)]


def sanitizer_suites(totals, sanitizer):
    name, build = sanitizer.name, sanitizer.build
    if not totals.wants(name, f"{name} golden", f"{name} integration"):
        return
    totals.starts(f"{name} build")
    problem = sanitizer.make()
    totals.add(f"{name} build", int(problem is None), int(problem is not None))
    if problem is not None:
        print(problem)
        return
    shutil.rmtree(sanitizer.reports, ignore_errors=True)
    os.makedirs(sanitizer.reports)
    meson_suite(totals, name, build, sanitizer.env, slowness=10, everything=sanitizer.everything)
    for runner in ("golden", "integration"):
        command_suite(totals, f"{name} {runner}", [SYSTEM_PYTHON, os.path.join("tests", runner, "run.py"), "--build", build],
                      env=sanitizer.env)
    totals.starts(f"{name} reports")
    reports = sanitizer.said()
    print("\n".join(reports))
    totals.add(f"{name} reports", int(not reports), len(reports))


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


def python_suite(totals, name, folder, arguments, minutes=MINUTES):
    command_suite(totals, name, [SYSTEM_PYTHON, os.path.join("tests", *folder.split("/")), *arguments], minutes=minutes)


def server_suites(totals, build, everything):
    """Suites that need a running quired."""
    if not os.path.exists(os.path.join(build, "quired")):
        return
    if totals.wants("integration", "integration on Hyperscale"):
        npm_packages(everything)
    common = ["--build", build] + (["--all"] if everything else [])
    hyperscale = common + ["--edition", "Hyperscale"]
    python_suite(totals, "golden", "golden/run.py", common)
    python_suite(totals, "golden on Hyperscale", "golden/run.py", hyperscale)
    if everything and totals.wants("integration"):
        subprocess.run(["sh", "tools/deps.sh", "clients"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    python_suite(totals, "integration", "integration/run.py", common + ([] if everything else ["--jobs", "2"]), 3 * MINUTES)
    if everything:
        python_suite(totals, "integration on Hyperscale", "integration/run.py", hyperscale, 3 * MINUTES)
    python_suite(totals, "isolation", "isolation/run.py", common, 3 * MINUTES)  # an hour of histories, with all of them


def seed_suites(totals, build, everything):
    """The articles that define the service, command by command; the Azure CLI's where it is installed."""
    if everything and totals.wants("seeds"):
        subprocess.run(["sh", "tools/deps.sh", "az"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    python_suite(totals, "seeds", "seeds/manage_hyperscale.py", ["--build", build])


def random_suites(totals, build):
    """Random programs: statements, whose answers are held against PostgreSQL's, and steps of an administrator."""
    if totals.wants("random", "random on Hyperscale"):
        subprocess.run(["sh", "tools/deps.sh", "random"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    arguments = ["--build", build, "--seconds", "60"]
    python_suite(totals, "random", "random/ddl.py", arguments)
    python_suite(totals, "random on Hyperscale", "random/ddl.py", arguments + ["--edition", "Hyperscale"])
    python_suite(totals, "random service", "random/service.py", ["--build", build, "--seconds", "300"])
    python_suite(totals, "random away", "random/away.py", ["--build", build, "--seconds", "180"])


def long_suites(totals, build):
    command_suite(totals, "crash", [os.path.join(build, "src", "vfs", "crash_store"), "--rounds", "200"])
    command_suite(totals, "sim", [os.path.join(build, "tests", "sim", "sim"), "--seeds", "1", "10000"], minutes=4 * MINUTES)
    sanitizer_suites(totals, Sanitizer("asan", "address,undefined", "ASAN_OPTIONS", "detect_leaks=1:abort_on_error=1", True))
    # what takes long are sweeps of one thread; a process that gives itself up joins no thread
    sanitizer_suites(totals, Sanitizer("tsan", "thread", "TSAN_OPTIONS", "halt_on_error=1:report_thread_leaks=0", False))
    command_suite(totals, "fuzz", [sys.executable, "tools/fuzz.py", "--seconds", "60"], minutes=2 * MINUTES)
    command_suite(totals, "lint", [sys.executable, "tools/lint.py", "--build", build], minutes=2 * MINUTES)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], metavar="SUITE")
    args = parser.parse_args()
    build = os.path.join(ROOT, args.build)
    totals = Totals(args.only)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what runs ends with us

    meson_suite(totals, "unit", build, everything=args.all)
    command_suite(totals, "tidy", [sys.executable, "tools/tidy.py"])
    command_suite(totals, "storage-doc", [sys.executable, "tools/check_storage_doc.py"])
    command_suite(totals, "messages", [sys.executable, "tools/check_messages.py", "."])
    server_suites(totals, build, args.all)
    seed_suites(totals, build, args.all)
    if args.all:
        random_suites(totals, build)
        long_suites(totals, build)

    totals.add_unknown()
    if not args.only:
        with open(os.path.join(build, "test-summary"), "w", encoding="ascii") as file:
            file.write(f"{totals.passed} passed, {totals.failed} failed\n")
    totals.report()
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Starts, stops and kills a quired of its own for a test: free ports, a fresh data directory."""
import atexit
import glob
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import tds

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADMIN = "quireadmin"
READY = re.compile(r"quired ready tds=(\S+):(\d+) https=(\S+):(\d+) data=(.*)")
SLOWNESS = float(os.environ.get("QUIRE_TEST_SLOWNESS", "1"))  # of builds with sanitizers
START_SECONDS = 60 * SLOWNESS
STOP_SECONDS = 30 * SLOWNESS
# A sanitizer keeps what is freed for a while and marks beside what is not: bounds of memory are of the ordinary build.
SANITIZER_MIB = float("inf") if SLOWNESS > 1 else 0
# The limits that quired sets itself for a stop are of its ordinary build.
SLOW_STOP = {"child_killed", "stop_cut_short"} if SLOWNESS > 1 else set()


class ServerFailed(AssertionError):
    pass


def program(name="quired"):
    return os.path.join(os.environ.get("QUIRE_BUILD", os.path.join(ROOT, "build")), name)


running = set()


def stand_still(pid):
    """SIGSTOP, and until all of the process stands: the signal is taken up by one thread, while others may
    run on."""
    os.kill(pid, signal.SIGSTOP)
    while not all(map(stands, glob.glob(f"/proc/{pid}/task/*/stat"))):
        pass


def stands(stat):
    try:
        with open(stat, encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] in "TZX"
    except (FileNotFoundError, ProcessLookupError):
        return True  # a thread that has ended


@atexit.register
def end_all():
    """A test that failed may have left its server."""
    for process in running:
        process.kill()


class Server:
    """`announced`: events of warn or error lines that the test expects; any other such line fails the
    stop. `under`: a program that becomes it, and its arguments."""

    def __init__(self, *options, data_dir=None, announced=(), under=()):
        self.options, self.under = list(options), list(under)
        self.own_dir = data_dir is None
        self.data_dir = data_dir or tempfile.mkdtemp(prefix="quire-test-")
        self.announced = set(announced) | SLOW_STOP
        self.process = None
        self.log = []

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()
        self.remove()

    def start(self):
        self.launch()
        return self.wait_ready()

    def launch(self):
        """Starts the process and does not wait until it serves."""
        self.io_of = {}
        self.process = subprocess.Popen(
            [*self.under, program(), "--data-dir", self.data_dir, "--tds-port", "0", "--https-port", "0",
             *self.default_options(), *self.options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        running.add(self.process)
        self.log_reader = threading.Thread(target=self.read_log, args=(self.process.stderr,),
                                           daemon=True)
        self.log_reader.start()

    def default_options(self):
        """The machine's control groups are only touched by tests of them."""
        return [] if "--cgroups" in self.options else ["--cgroups", "off"]

    def wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        text = b""
        self.printed = ""
        while not (match := READY.search(text.decode("utf-8", "replace"))):
            ready, _, _ = select.select([self.process.stdout], [], [],
                                        max(deadline - time.monotonic(), 0))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data:
                self.process.kill()
                code = self.process.wait()
                self.log_reader.join()
                raise ServerFailed(f"no ready line; exit status {code}:\n" + "".join(self.log[-20:]))
            text += data
        self.printed = text.decode("utf-8", "replace")
        self.host, self.port, self.https_port = match[1].strip("[]"), int(match[2]), int(match[4])
        return self

    def read_log(self, stream):
        for line in stream:
            self.log.append(line.decode("utf-8", "replace"))

    @property
    def pid(self):
        return self.process.pid

    def has_printed(self):
        """It has printed its ready line, or has ended."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    @property
    def pids(self):
        """The supervisor and its child processes."""
        found = [self.pid]
        for path in glob.glob(f"/proc/{self.pid}/task/*/children"):
            try:
                with open(path, encoding="ascii") as file:
                    found += map(int, file.read().split())
            except OSError:
                pass  # that thread has ended
        return found

    def role_pid(self, name):
        """The process that was started last under a name: log, page, gateway, shared, hs-5; or 0."""
        started = re.compile(rf' ev=child_started name="{re.escape(name)}" pid=(\d+)')
        return int(["0", *(match[1] for match in map(started.search, list(self.log)) if match)][-1])

    def node_pid(self, database):
        """The process that runs a database: of its own on Hyperscale, else the one that the small tiers share."""
        with self.connect() as master:
            [(number,)] = master.execute(f"SELECT DB_ID('{database}')")
        return self.role_pid(f"hs-{number}") or self.role_pid("shared")

    @property
    def io_calls(self):
        """Reads and writes so far, of all its processes: what it has done, whatever the time it took."""
        for pid in self.pids:
            try:
                with open(f"/proc/{pid}/io", encoding="ascii") as file:
                    self.io_of[pid] = sum(int(n) for n in
                                          re.findall(r"^sysc[rw]: (\d+)", file.read(), re.M))
            except OSError:
                pass  # it has ended
        return sum(self.io_of.values())

    @property
    def password(self):
        with open(os.path.join(self.data_dir, "admin-password"), encoding="utf-8") as file:
            return file.readline().rstrip("\n")

    def connect(self, database="master", user=ADMIN, **more):
        password = more.pop("password", None) or self.password
        return tds.Connection(self.host, self.port, user, password, database=database, **more)

    def create_database(self, name):
        """In the edition that the run asks for (run.py --edition)."""
        edition = os.environ.get("QUIRE_TEST_EDITION")
        options = f" (EDITION = '{edition}')" if edition else ""
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE [{name}]{options}")

    def unannounced(self):
        bad = []
        for line in self.log:
            level = re.search(r" lvl=(\w+) ", line)
            event = re.search(r" ev=(\w+)", line)
            if level is None or event is None or \
                    (level[1] in ("warn", "error") and event[1] not in self.announced):
                bad.append(line)
        return bad

    def finish(self):
        self.process.stdout.close()
        self.log_reader.join()
        self.process.stderr.close()
        running.discard(self.process)
        self.process = None

    def stop(self):
        """Ends it as an operator would, and fails for what it should not have logged."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = f"none within {STOP_SECONDS} s"
            self.process.wait()
        self.finish()
        bad = self.unannounced()
        if code != 0 or bad:
            raise ServerFailed(f"exit status {code}; unannounced log lines:\n" + "".join(bad[:60]))

    def kill(self):
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.finish()

    def restart(self):
        self.stop()
        return self.start()

    def remove(self):
        if self.own_dir:
            shutil.rmtree(self.data_dir, ignore_errors=True)

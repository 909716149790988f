#!/usr/bin/env python3
"""Random programs of what happens to a Hyperscale database some of whose processes are on other machines. Ends with
`N passed, N failed`.

usage: away.py [--build DIR] [--seed N] [--rounds N | --seconds S] [--steps N]

A round is a service with the log service and the page server on another machine and a database that writers fill all the time.
Each step is one of: a process of it (the first, or an HA replica) starts on another machine, is killed, ends, stands still for some
seconds; another number of HA replicas, a failover, another size, a new node; SIGKILL of one of the service's own processes, of
the log service, the page server or the service. Processes on other machines that end by themselves are started again, as by
systemd. After each step the database takes commits again, in time, and at last has every one that was acknowledged.
"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "lib"), os.path.join(os.path.dirname(HERE), "integration")]
import server  # noqa: E402
import tds  # noqa: E402
from test_machines import Role, World  # noqa: E402
from test_roles import CREATE, GONE, Load, connect_patiently  # noqa: E402

STEPS = 25  # of a round
TRANSIENT = {40613, 40197, 45182, 40802, 42108, 596, 18456, 40812, 49918}


class Node(Role):
    """Started again when it ends by itself, until `wanted` is taken back."""

    def __init__(self, words):
        super().__init__(words)
        self.wanted = False
        threading.Thread(target=self.watch, daemon=True).start()

    def begin(self):
        self.start()
        self.wanted = True

    def watch(self):
        while True:
            time.sleep(0.1)
            if self.wanted and self.process.poll() is not None and self.wanted:
                server.running.discard(self.process)
                self.start()

    def stop(self, number):
        self.wanted = False
        self.process.send_signal(signal.SIGCONT)
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(60)
        server.running.discard(self.process)


class Round:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.done = []
        self.world = World().start()
        self.quired = self.world.quired
        self.replicas = 0
        self.statement(CREATE.format("shop"))
        with connect_patiently(self.quired, "shop") as connection:
            connection.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                               "filler varchar(200), PRIMARY KEY (writer, seq))")
        self.world.add(self.world.node_add_line)
        self.world.bring(self.world.node_copy_line)
        self.nodes = [self.node(number) for number in range(3)]
        self.load = Load(self.quired, "shop")

    def node(self, number):
        words = self.world.words(self.world.primary_line)[1:]
        words[words.index("--advertise") + 1] = f"127.0.0.3:{self.world.port + 6 * number}"
        words[words.index("--data-dir") + 1] += f"-{number}"
        return Node(words + (["--replica", str(number)] if number else []))

    def statement(self, text):
        """Asks again for what is transient; what is refused is said."""
        deadline = time.monotonic() + 60
        while True:
            try:
                with connect_patiently(self.quired, "master") as master:
                    errors = master.batch(text).errors
                if not errors:
                    return "done"
                if not {e.number for e in errors} <= TRANSIENT:
                    raise AssertionError(f"{text}: {errors}")
            except GONE:
                pass
            if time.monotonic() > deadline:
                return "not done"
            time.sleep(0.2)

    # --- steps ---

    def node_starts(self):
        node = self.random.choice(self.nodes)
        if not node.wanted:
            node.begin()
            return f"node {self.nodes.index(node)} starts"
        how = self.random.choice([signal.SIGKILL, signal.SIGTERM])
        node.stop(how)
        return f"node {self.nodes.index(node)} ends by {how.name}"

    def node_dies(self):
        node = self.random.choice(self.nodes)
        if not node.wanted or node.process.poll() is not None:
            return None
        node.process.kill()
        return f"node {self.nodes.index(node)} dies and is back"

    def node_stands_still(self):
        node = self.random.choice(self.nodes)
        if not node.wanted or node.process.poll() is not None:
            return None
        still = self.random.choice([1, 4, 6, 9, 14])
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(still)
        node.process.send_signal(signal.SIGCONT)
        return f"node {self.nodes.index(node)} stands still for {still} s"

    def replicas_change(self):
        self.replicas = self.random.choice([0, 1, 1, 2, 3])
        done = self.statement(f"ALTER DATABASE shop MODIFY (HA_REPLICAS = {self.replicas})")
        return f"{self.replicas} HA replicas: {done}"

    def failover(self):
        return f"failover: {self.statement('ALTER DATABASE shop FAILOVER')}"

    def resize(self):
        cores = self.random.choice([2, 4])
        more = self.random.choice(["", ", RELOCATE = ON"])
        return f"{cores} cores{more}: " + self.statement(
            f"ALTER DATABASE shop MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_{cores}'{more})")

    def ours_dies(self):
        name = self.random.choice(["hs-5", "hs-5-r1", "hs-5-r2", "gateway", "shared"])
        pid = self.quired.role_pid(name)
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"quired" not in file.read():
                    return None
            os.kill(pid, signal.SIGKILL)
        except OSError:
            return None
        return f"{name} of the service dies"

    def storage_dies(self):
        name, role = self.random.choice([("log", self.world.log), ("page", self.world.page)])
        role.end(signal.SIGKILL)
        time.sleep(self.random.choice([0, 0.5, 3]))
        role.start()
        return f"{name} dies and is back"

    def service_dies(self):
        self.quired.kill()
        time.sleep(self.random.choice([0, 2, 7]))
        self.quired.start()
        return "the service dies and is back"

    def two(self):
        steps = [self.random.choice([self.node_starts, self.node_dies, self.ours_dies]) for _ in range(2)]
        return ", and at once ".join(str(step()) for step in steps)

    STEPS = {node_starts: 5, node_dies: 3, node_stands_still: 3, replicas_change: 2, failover: 3, resize: 2,
             ours_dies: 3, storage_dies: 1, service_dies: 1, two: 2}

    def run(self, count):
        steps = list(self.STEPS)
        for _ in range(count):
            self.done.append("...")
            what = self.random.choices(steps, list(self.STEPS.values()))[0](self)
            self.done.pop()
            if what is None:
                continue
            began = time.monotonic()
            self.done.append(f"{time.strftime('%H:%M:%S')} {what}")
            self.load.wait_commits(3, began)
            self.done[-1] += f": {time.monotonic() - began:.1f} s"
            if self.random.random() < 0.3:
                self.load.verify(unittest.TestCase())
        self.load.end()
        self.load.verify(unittest.TestCase())
        with connect_patiently(self.quired, "shop") as connection:
            errors = connection.batch("DBCC CHECKDB WITH NO_INFOMSGS").errors
            if errors:
                raise AssertionError(errors)

    def end(self, failed):
        self.load.over = True
        for node in self.nodes:
            if node.process is not None:
                node.stop(signal.SIGKILL)
        if failed:
            for name, log in (("service", self.quired.log), *(
                    (f"node {i}", node.log) for i, node in enumerate(self.nodes))):
                print(f"--- {name}", "".join(log[-400:]), sep="\n")
        for end in (self.quired.kill, self.world.log.end, self.world.page.end):
            end()
        shutil.rmtree(self.world.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    os.environ["QUIRE_BUILD"] = os.path.abspath(arguments.build)
    deadline = time.monotonic() + arguments.seconds
    passed = failed = 0
    seed = arguments.seed
    while passed + failed < arguments.rounds if arguments.rounds else time.monotonic() < deadline:
        trial, bad = Round(seed), False
        try:
            trial.run(arguments.steps)
        except (AssertionError, OSError, tds.Failed, tds.Closed, tds.ProtocolError, subprocess.TimeoutExpired) as error:
            bad = True
            print(f"seed {seed}: {type(error).__name__}: {error}", *trial.done, sep="\n", flush=True)
        trial.end(bad)
        failed, passed = failed + bad, passed + (not bad)
        if not bad:
            slow = max(trial.done, key=lambda line: float(line.rsplit(": ", 1)[1][:-2]), default="")
            print(f"seed {seed}: {len(trial.done)} steps, {len(trial.load.commits)} commits, slowest {slow}", flush=True)
        seed += 1
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

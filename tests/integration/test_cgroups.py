"""Compute nodes in control groups of the machine: limits that follow the objective, groups that come back with their process
and go at the end. Skipped, with quired's own reason, where none can be made."""
import glob
import os
import re
import signal
import time
import unittest

import server
from test_governance import load, wait_until


def read(*path):
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read().split()


class ControlGroups(unittest.TestCase):
    def serve(self):
        s = server.Server("--cgroups", "auto", "--vcore-cpu", "0.05", announced=("child_ended",)).start()
        self.addCleanup(s.remove)
        self.addCleanup(s.stop)
        self.trees = [re.search(rf'{part}_dir="([^"]*)"', self.told(s)) for part in ("cpu", "memory")]
        self.trees = [match and match[1] for match in self.trees]
        if not any(self.trees):
            self.skipTest(self.told(s))
        return s

    def told(self, s):
        return [line for line in list(s.log) if " ev=cgroups " in line][-1]

    def check_member(self, s, name):
        for tree in filter(None, self.trees):
            wait_until(lambda: str(s.role_pid(name)) in read(tree, name, "cgroup.procs"))

    def quota_us(self, name):
        """Of CPU time in 100 ms."""
        tree = os.path.join(self.trees[0], name)
        two = os.path.exists(os.path.join(tree, "cpu.max"))
        return int((read(tree, "cpu.max") if two else read(tree, "cpu.cfs_quota_us"))[0].replace("max", "-1"))

    def test_limits_follow_the_objective(self):
        s = self.serve()
        self.check_member(s, "shared")
        with s.connect() as admin:
            admin.execute("CREATE DATABASE db (SERVICE_OBJECTIVE = 'GP_Gen5_2')")
            admin.execute("CREATE DATABASE hyper (EDITION = 'Hyperscale')")
        with s.connect("db") as user, s.connect("hyper"):
            if self.trees[0]:  # twice what the governor gives out, and half a processor
                wait_until(lambda: self.quota_us("shared") == 70000)
                user.execute("ALTER DATABASE db MODIFY (SERVICE_OBJECTIVE = 'GP_Gen5_4')")
                wait_until(lambda: self.quota_us("shared") == 90000)
        node = re.search(r'ev=child_started name="(hs-\d+)"', "".join(s.log))[1]
        self.check_member(s, node)
        with s.connect() as admin:
            admin.execute("DROP DATABASE hyper")
        for tree in filter(None, self.trees):
            wait_until(lambda: not os.path.exists(os.path.join(tree, node)))

    def test_the_governor_limits_first(self):
        s = self.serve()
        if not self.trees[0]:
            self.skipTest(self.told(s))
        with s.connect() as admin:
            admin.execute("CREATE DATABASE db (SERVICE_OBJECTIVE = 'GP_Gen5_2')")  # a tenth of a processor
        users = [s.connect("db") for _ in range(5)]
        for user in users:
            self.addCleanup(user.close)
        wait_until(lambda: self.quota_us("shared") == 70000)
        before = self.throttled()
        with load(users[1:]):
            wait_until(lambda: users[0].execute(
                "SELECT COUNT(*) FROM sys.dm_exec_requests WHERE wait_type = 'SOS_SCHEDULER_YIELD'")[0][0] > 2)
            time.sleep(1)  # of load: ten periods of the group
        self.assertEqual(self.throttled(), before)

    def throttled(self):
        words = read(self.trees[0], "shared", "cpu.stat")
        return int(words[words.index("nr_throttled") + 1])

    def test_groups_go_at_the_end_and_after_a_crash(self):
        s = self.serve()
        os.kill(s.role_pid("shared"), signal.SIGKILL)
        wait_until(lambda: sum('ev=child_started name="shared"' in line for line in list(s.log)) == 2)
        self.check_member(s, "shared")  # its successor
        s.kill()
        trees = list(filter(None, self.trees))
        self.assertTrue(all(map(os.path.isdir, trees)))
        for tree in trees:
            os.mkdir(os.path.join(tree, "hs-999"))  # as if there had been one more
        s.start()
        self.assertFalse([path for tree in trees for path in glob.glob(tree + "/hs-999")])
        self.check_member(s, "shared")
        s.stop()
        self.assertFalse(list(filter(os.path.exists, trees)))

    def test_off_is_off(self):
        with server.Server("--cgroups", "off") as s:
            self.assertIn('reason="--cgroups off"', self.told(s))


if __name__ == "__main__":
    unittest.main()

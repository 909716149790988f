"""Primaries and HA replicas on another machine: the commands of docs/machines.md under load, with takeovers
both ways, deaths, and a machine that stands still."""
import itertools
import os
import signal
import time
import unittest

import server
import tds
from test_machines import Role, World
from test_replicas import wait_for, wait_log
from test_roles import ALL, CREATE, GONE, Load, connect_patiently

HERE = "the service's machine"
numbers = itertools.count()


class Node(Role):
    """Started again whenever it ends, as systemd does with Restart=always; until `stop`."""

    def start(self):
        super().start()
        return self

    def again(self):
        """It has ended by itself."""
        code = self.process.wait(30 * server.SLOWNESS)
        server.running.discard(self.process)
        self.start()
        return code


class Away(unittest.TestCase):
    def setUp(self):
        self.world = World().start()
        self.quired = self.world.quired
        self.master = self.quired.connect()
        self.master.execute(CREATE.format("shop"))
        with self.quired.connect("shop") as connection:
            connection.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                               "filler varchar(200), PRIMARY KEY (writer, seq))")
        self.assertEqual(self.world.add(self.world.node_add_line).returncode, 0)
        self.world.bring(self.world.node_copy_line)
        self.node = Node(self.world.words(self.world.primary_line)[1:])
        self.replica = Node(self.world.words(self.world.replica_line)[1:])
        at = self.replica.words.index("--advertise") + 1  # two on one machine
        self.replica.words[at] = f"127.0.0.3:{self.world.port + 6}"

    def tearDown(self):
        self.master.close()
        self.world.end(self)

    def ready(self, name="hs-5", mark=0):
        wait_for(lambda: any(" ev=ready " in line and f'name="{name}"' in line and "machine=" in line
                             for line in self.quired.log[mark:]))

    def where(self, app):
        """Who has logged a session of that application name last."""
        logs = {self.node: self.node.log, self.replica: self.replica.log, HERE: self.quired.log}

        def last(log):
            return max((line[3:27] for line in list(log) if f'app="{app}"' in line), default="")
        wait_for(lambda: any(last(log) for log in logs.values()))
        return max(logs, key=lambda who: last(logs[who]))

    def served_by(self, database="shop", **more):
        app = f"where-{next(numbers)}"
        with connect_patiently(self.quired, database, app=app, **more) as connection:
            connection.execute("SELECT 1")
        return self.where(app)

    def test_a_primary_moves_to_another_machine_with_its_sessions_and_loses_nothing(self):
        quired, node = self.quired, self.node
        session = quired.connect("shop", app="old")
        session.execute("CREATE TABLE #mine (a int); INSERT #mine VALUES (7)")
        load = Load(quired, "shop")
        load.wait_commits(20, time.monotonic())
        node.start()
        self.ready()
        self.assertEqual(session.execute("SELECT a FROM #mine"), [(7,)])  # it came along
        self.assertEqual(self.where("old"), node)
        for encrypt in (tds.ENCRYPT_ON, tds.ENCRYPT_OFF):
            self.assertEqual(self.served_by(encrypt=encrypt), node)
        load.wait_commits(20, time.monotonic())
        load.verify(self)
        # another size, as it runs
        self.master.execute("ALTER DATABASE shop MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_4')")
        wait_for(lambda: any("ev=node_resized" in line for line in node.log))
        session.execute("CREATE DATABASE other (EDITION = 'Basic')")
        session.close()
        # it dies, again and again: it is back, or the service's own process serves meanwhile
        for wait in (0, 8) * (4 if ALL else 1):
            load.wait_commits(20, time.monotonic())
            node.end(signal.SIGKILL)
            time.sleep(wait)
            if wait > 0:
                self.assertNotEqual(self.served_by(), node)
                load.wait_commits(20, time.monotonic())
            mark = len(quired.log)
            node.start()
            self.ready(mark=mark)
            self.assertEqual(self.served_by(), node)
            load.wait_commits(20, time.monotonic())
            load.verify(self)
        # the service's machine dies, and finds it again
        quired.kill()
        quired.start()
        self.assertEqual(self.served_by(), node)
        self.master = quired.connect()
        # an ordinary end
        self.assertEqual(node.end(), 0)
        self.assertNotEqual(self.served_by(), node)
        load.end()
        load.verify(self)
        node.start()
        wait_for(lambda: self.served_by() == node)
        self.master.execute("DROP DATABASE shop")
        self.assertEqual(node.process.wait(30), 0)
        server.running.discard(node.process)

    @unittest.skipUnless(ALL, "with --all")
    def test_a_machine_that_stands_still_answers_nothing_that_is_old(self):
        quired, node = self.quired, self.node.start()
        self.ready()
        session = quired.connect("shop", timeout=60)
        session.execute("INSERT kept VALUES (1, 1, 'a')")
        self.assertEqual(self.served_by(), node)
        server.stand_still(node.process.pid)
        wait_log(quired, 'ev=machine_lost node="hs-5"')
        with connect_patiently(quired, "shop") as connection:
            self.assertEqual(connection.execute("SELECT filler FROM kept"), [("a",)])
            connection.execute("UPDATE kept SET filler = 'b'")
        self.assertEqual(self.served_by(), HERE)
        node.process.send_signal(signal.SIGCONT)
        with self.assertRaises((tds.Failed, *GONE)):
            self.assertEqual(session.execute("SELECT filler FROM kept"), [("b",)])
            session.execute("UPDATE kept SET filler = 'c' WHERE filler = 'a'")
            raise AssertionError("a session of a primary that was replaced goes on")
        mark = len(quired.log)
        node.again()
        self.ready(mark=mark)
        self.assertEqual(self.served_by(), node)
        with connect_patiently(quired, "shop") as connection:
            self.assertEqual(connection.execute("SELECT filler FROM kept"), [("b",)])
        self.assertEqual(node.end(), 0)

    def test_ha_replicas_here_and_there_take_over_from_each_other(self):
        quired, node, replica = self.quired, self.node, self.replica
        replica.start()
        self.assertEqual(replica.ends_by_itself(), 1)  # it is to have none
        self.assertTrue(any("is to have 0 HA replicas" in line for line in replica.log))
        self.master.execute("ALTER DATABASE shop MODIFY (HA_REPLICAS = 1)")
        wait_log(quired, 'ev=ready name="hs-5-r1"')
        load = Load(quired, "shop")
        load.wait_commits(20, time.monotonic())
        mark = len(quired.log)
        replica.start()  # in the place of the one that is here
        self.ready("hs-5-r1", mark)
        self.assertEqual(self.served_by(read_only=True), replica)
        os.kill(quired.role_pid("hs-5"), signal.SIGKILL)
        wait_log(quired, 'ev=promoted node="hs-5-r1"')
        load.wait_commits(20, time.monotonic())
        self.assertEqual(self.served_by(), replica)
        wait_for(lambda: self.served_by(read_only=True) != replica)
        # the first one on another machine, too: a replica now
        mark = len(quired.log)
        node.start()
        self.ready("hs-5", mark)
        wait_for(lambda: self.served_by(read_only=True) == node)
        self.master.execute("ALTER DATABASE shop FAILOVER")
        self.assertEqual(self.served_by(), node)
        self.assertEqual(replica.again(), 0)
        wait_for(lambda: self.served_by(read_only=True) == replica)
        load.wait_commits(20, time.monotonic())
        load.verify(self)
        node.end(signal.SIGKILL)
        wait_for(lambda: self.served_by() == replica)
        load.wait_commits(20, time.monotonic())
        load.end()
        load.verify(self)
        with connect_patiently(quired, "shop") as connection:
            self.assertEqual(connection.batch("DBCC CHECKDB WITH NO_INFOMSGS").errors, [])
        self.assertEqual(replica.end(), 0)


if __name__ == "__main__":
    unittest.main()

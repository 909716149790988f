"""Machines whose network is cut without a word, both ways or one, for a while or for good; machines that
stand still; a network that is slow and loses packets; clients whose machine is gone. The commands of
docs/machines.md as they stand there, with a network of the test's own (tests/lib/network.py).

What holds: nobody hangs, what is away is noticed within seconds, everybody goes on by himself when it is
back, nothing acknowledged is lost, nothing leaks.
"""
import os
import re
import shlex
import signal
import threading
import time
import unittest

import network
import server
import tds
from test_machines import AWAY, Role, World
from test_replicas import wait_for
from test_roles import ALL, CREATE, GONE, Load, connect_patiently

SERVICE, STORAGE, REPORTS, CLIENT = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"
LACKS = network.lacks() if ALL else None
NOTICED_S = 13 * server.SLOWNESS  # 5 until control counts a machine as lost, 9 until its sessions end
BACK_S = 10 * server.SLOWNESS
VANISHED_S = 100 * server.SLOWNESS


class Apart(World):
    """The page's addresses are real ones."""

    def words(self, line):
        line = re.sub(r"10\.0\.0\.[23]:/", "/", line)
        for where in ("/var/lib/", "/srv/", "/etc/"):
            line = line.replace(where, self.folder + "/")
        return shlex.split(line)

    def start(self, net):
        self.quired.options += ["--listen", "0.0.0.0"]
        self.quired.start()
        self.join(self.add(), None)
        net.on(STORAGE, self.log.start)
        net.on(STORAGE, self.page.start)
        return self

    def join(self, made, line):
        if made.returncode != 0:
            raise AssertionError(made.stderr)
        self.bring(line)

    def start_replica(self, net):
        self.join(self.add(self.node_add_line), self.node_copy_line)
        node = Role(self.words(self.node_line)[1:])
        net.on(REPORTS, node.start)
        wait_for(lambda: self.ready("hs-6") == 1)
        return node

    def said(self, event, name):
        return sum(f" ev={event} " in line and f'="{name}"' in line for line in list(self.quired.log))

    def ready(self, name):
        """How often it came from another machine."""
        return sum(" ev=ready " in line and f'name="{name}"' in line and "machine=" in line
                   for line in list(self.quired.log))

    def lost(self, name):
        return self.said("machine_lost", name)


def descriptors(pids):
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]


class Asker(threading.Thread):
    """Asks until its session ends; how it was told."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection, self.told = connection, None
        self.start()

    def run(self):
        try:
            while not (reply := self.connection.batch("SELECT a FROM t")).errors:
                time.sleep(0.1)
            self.told = [error.number for error in reply.errors]
        except GONE as gone:
            self.told = gone


@unittest.skipUnless(ALL, "takes long: with --all only")
@unittest.skipIf(LACKS, f"this process has not {LACKS}")
class Network(unittest.TestCase):
    def setUp(self):
        self.net = network.Network(SERVICE, STORAGE, REPORTS, CLIENT)
        self.addCleanup(self.net.close)
        self.world = Apart().start(self.net)
        self.quired = self.world.quired
        self.quired.announced |= set(AWAY) | {"log_failed", "waits_for_control", "report_lost"}
        with self.quired.connect() as master:
            master.execute(CREATE.format("shop"))

    def ends(self):
        self.world.end(self)

    def cut(self, source, target, both=True):
        return lambda: self.net.cut(source, target, both)

    @staticmethod
    def send(role, number):
        return lambda: os.kill(role.process.pid, number)

    def faults(self, role, address):
        """(name, what begins it, what ends it)"""
        return (("stopped", self.send(role, signal.SIGSTOP), self.send(role, signal.SIGCONT)),
                ("cut", self.cut(SERVICE, address), self.net.heal),
                ("cut to it", self.cut(SERVICE, address, False), self.net.heal),
                ("cut from it", self.cut(address, SERVICE, False), self.net.heal))

    def test_a_named_replica_that_falls_silent_is_served_by_the_service_until_it_is_back(self):
        quired, world = self.quired, self.world
        with quired.connect("shop") as primary, quired.connect() as master:
            primary.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY); INSERT t VALUES (1)")
            master.execute("ALTER DATABASE shop ADD SECONDARY ON SERVER server01 WITH "
                           "(SECONDARY_TYPE = Named, DATABASE_NAME = [shop_reports])")
        node = world.start_replica(self.net)
        pids = [quired.role_pid("gateway"), quired.pid, world.log.process.pid, node.process.pid]
        before = None
        for name, begin, end in 2 * self.faults(node, REPORTS):
            with self.subTest(name):
                self.fall_silent(begin, end)
            before = before or descriptors(pids)
        # a client that vanishes leaves no session there, in clear or not
        with quired.connect() as master:
            master.execute(f"EXEC sp_set_firewall_rule N'afar', '{CLIENT}', '{CLIENT}'")
        gone = [self.connect_from_afar("shop_reports", encrypt=encrypt)
                for encrypt in (tds.ENCRYPT_ON, tds.ENCRYPT_OFF)]
        for connection in gone:
            connection.send_batch("WAITFOR DELAY '00:00:03'; "
                                  "SELECT REPLICATE('x', 8000) FROM GENERATE_SERIES(1, 5000)")
        time.sleep(1)
        self.net.cut(SERVICE, CLIENT)
        with connect_patiently(quired, "shop_reports") as replica:
            sessions = "SELECT COUNT(*) FROM sys.dm_exec_sessions WHERE is_user_process = 1"
            self.assertGreaterEqual(replica.execute(sessions), [(3,)])  # those of before may be there
            wait_for(lambda: replica.execute(sessions) == [(1,)], VANISHED_S)
        self.net.heal()
        for connection in gone:
            connection.close()
        # for good: who had connections from there forgets them, also those that waited for an answer
        gone = len(world.log.log)
        self.net.cut(STORAGE, REPORTS)
        with quired.connect("shop") as primary:
            primary.execute("INSERT t VALUES (2)")
        wait_for(lambda: any(" ev=asker_lost " in line for line in world.log.log[gone:]))
        self.net.heal()
        wait_for(lambda: all(now <= was + 6 for now, was in zip(descriptors(pids), before)))
        node.end(signal.SIGKILL)
        self.ends()

    def fall_silent(self, begin, end):
        quired, world = self.quired, self.world
        lost, ready = world.lost("hs-6"), world.ready("hs-6")
        with connect_patiently(quired, "shop_reports") as idle, \
                connect_patiently(quired, "shop_reports") as busy:
            busy.execute("SELECT a FROM t")
            asker = Asker(busy)
            begun = time.monotonic()
            begin()
            try:
                # a login that is on its way there finds who serves instead, and hears of nothing
                with quired.connect("shop_reports", timeout=NOTICED_S) as other:
                    self.assertEqual(other.execute("SELECT a FROM t"), [(1,)])
                self.assertLess(time.monotonic() - begun, NOTICED_S)
                asker.join(NOTICED_S)
                self.assertEqual(asker.told, [40197])
                with self.assertRaises(GONE):  # as it asks again
                    idle.execute("SELECT a FROM t")
                self.assertEqual(world.lost("hs-6"), lost + 1)
                wait_for(lambda: time.monotonic() - begun > 14)  # what the kernel repeats is rare by then
            finally:
                end()
                healed = time.monotonic()
            while world.ready("hs-6") == ready:  # those who come meanwhile do not keep it away
                connect_patiently(quired, "shop_reports").close()
                self.assertLess(time.monotonic() - healed, BACK_S)
            with connect_patiently(quired, "shop_reports") as again:
                self.assertEqual(again.execute("SELECT a FROM t"), [(1,)])

    def test_a_primary_that_is_cut_off_from_the_service_alone_commits_and_answers_nothing_more(self):
        quired, world = self.quired, self.world
        with quired.connect("shop") as primary:
            primary.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                            "filler varchar(200), PRIMARY KEY (writer, seq))")
        world.join(world.add(world.node_add_line), world.node_copy_line)
        node = Role(world.words(world.primary_line)[1:])
        load = Load(quired, "shop")
        for name, begin, end in 2 * self.faults(node, REPORTS)[1:]:
            with self.subTest(name):
                ready = world.ready("hs-5")
                self.net.on(REPORTS, node.start)
                wait_for(lambda: world.ready("hs-5") > ready)
                load.wait_commits(20, time.monotonic())
                lost = world.lost("hs-5")
                begun = time.monotonic()
                begin()  # it reaches log service and page server as before
                # a commit that was under way then may be told; whoever is told of one later has it from the service's own
                self.assertLess(load.wait_commits(20, begun + 5) - begun, 20 * server.SLOWNESS)
                self.assertEqual(world.lost("hs-5"), lost + 1)
                self.assertNotEqual(node.process.wait(20 * server.SLOWNESS), 0)  # its lease is over
                self.assertTrue(any("ev=fatal" in line or "ev=log_failed" in line for line in node.log))
                server.running.discard(node.process)
                end()
                load.verify(self)
        load.end()
        load.verify(self)
        self.ends()

    def test_log_and_pages_that_fall_silent_are_waited_for_and_lose_nothing(self):
        quired, world = self.quired, self.world
        with quired.connect("shop") as primary:
            primary.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                            "filler varchar(200), PRIMARY KEY (writer, seq))")
        load = Load(quired, "shop")
        load.wait_commits(20)
        stop = self.faults(world.log, STORAGE)
        for seconds in (3, 20):
            for name, begin, end in stop:
                with self.subTest(name, seconds=seconds):
                    load.wait_commits(20, time.monotonic())
                    wait_for(lambda: world.ready("log") > world.lost("log"))
                    lost = world.lost("log")
                    begin()
                    begun = time.monotonic()
                    with quired.connect() as master:  # others do not notice
                        self.assertEqual(master.execute("SELECT 1"), [(1,)])
                    wait_for(lambda: time.monotonic() - begun > seconds)
                    self.assertEqual([sent for sent, _ in load.commits if sent > begun], [])
                    if seconds > NOTICED_S:
                        self.assertEqual(world.lost("log"), lost + 1)
                    end()
                    healed = time.monotonic()
                    self.assertLess(load.wait_commits(4, begun) - healed, BACK_S)
                    load.verify(self)
        load.end()
        load.verify(self)
        wait_for(lambda: world.ready("page") > world.lost("page"))
        self.ends()

    def test_a_primary_that_no_commit_leaves_for_a_minute_ends_its_sessions(self):
        quired = self.quired
        with quired.connect("shop") as primary:
            primary.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                            "filler varchar(200), PRIMARY KEY (writer, seq))")
        load = Load(quired, "shop")
        load.wait_commits(20)
        self.net.cut(SERVICE, STORAGE)
        wait_for(lambda: self.world.said("child_ended", "hs-5"), 90 * server.SLOWNESS)
        with self.assertRaises((tds.Failed, *GONE)):  # not for ever
            quired.connect("shop", timeout=60 * server.SLOWNESS)
        self.net.heal()
        healed = time.monotonic()
        load.wait_commits(20, healed)
        load.end()
        load.verify(self)
        self.ends()

    def test_a_network_that_is_slow_and_loses_packets_is_slow_and_loses_nothing_else(self):
        quired = self.quired
        with quired.connect("shop") as primary:
            primary.execute("CREATE TABLE kept (writer int NOT NULL, seq int NOT NULL, "
                            "filler varchar(200), PRIMARY KEY (writer, seq))")
        load = Load(quired, "shop")
        load.wait_commits(20)
        self.net.delay_s, self.net.loss = 0.5, 0.1
        load.wait_commits(40, time.monotonic())
        self.net.heal()
        healed = time.monotonic()
        self.assertLess(load.wait_commits(20, healed) - healed, BACK_S)
        load.end()
        load.verify(self)
        self.ends()

    def connect_from_afar(self, database, **more):
        return self.net.on(CLIENT, lambda: tds.Connection(
            SERVICE, self.quired.port, server.ADMIN, self.quired.password, database=database,
            timeout=VANISHED_S, **more))

    def test_locks_of_a_client_whose_machine_is_gone_are_released(self):
        quired = self.quired
        with quired.connect() as master:
            master.execute(f"EXEC sp_set_firewall_rule N'afar', '{CLIENT}', '{CLIENT}'")
            master.execute("CREATE DATABASE files")
        with quired.connect("files") as session:
            session.execute("CREATE TABLE t (a int NOT NULL PRIMARY KEY, b int NOT NULL)")
            session.execute("INSERT t SELECT value, 0 FROM GENERATE_SERIES(1, 20)")
            # one that is there and reads nothing for as long is not taken for one that is gone
            slow = self.connect_from_afar("files")
            slow.send_batch("SELECT REPLICATE('x', 8000) FROM GENERATE_SERIES(1, 5000)")
            time.sleep(2)
            gone = []
            for row, encrypt in enumerate((tds.ENCRYPT_ON, tds.ENCRYPT_OFF)):
                quiet = self.connect_from_afar("files", encrypt=encrypt)
                quiet.execute(f"BEGIN TRAN; UPDATE t SET b = 1 WHERE a = {3 * row + 1}")
                waits = self.connect_from_afar("files", encrypt=encrypt)  # an answer is on its way to it
                waits.execute(f"BEGIN TRAN; UPDATE t SET b = 1 WHERE a = {3 * row + 2}")
                waits.send_batch("WAITFOR DELAY '00:00:03'; SELECT 1")
                reads = self.connect_from_afar("files", encrypt=encrypt)  # more than sockets hold
                reads.execute(f"BEGIN TRAN; UPDATE t SET b = 1 WHERE a = {3 * row + 3}")
                reads.send_batch("WAITFOR DELAY '00:00:03'; "
                                 "SELECT REPLICATE('x', 8000) FROM GENERATE_SERIES(1, 5000)")
                gone += [quiet, waits, reads]
            self.net.cut(SERVICE, CLIENT)
            begun = time.monotonic()
            session.timeout = VANISHED_S
            session.socket.settimeout(VANISHED_S)
            session.execute("UPDATE t SET b = 2 WHERE a <= 6")
            self.assertLess(time.monotonic() - begun, VANISHED_S)
            self.assertEqual(session.execute("SELECT COUNT(*) FROM t WHERE b = 1"), [(0,)])
            self.net.heal()
            for connection in (*gone, slow):
                connection.close()
        self.ends()

    def test_a_client_that_does_not_read_for_minutes_keeps_its_session(self):
        quired = self.quired
        with quired.connect() as master:
            master.execute(f"EXEC sp_set_firewall_rule N'afar', '{CLIENT}', '{CLIENT}'")
        slow = [self.connect_from_afar("master", encrypt=encrypt)
                for encrypt in (tds.ENCRYPT_ON, tds.ENCRYPT_OFF)]
        for connection in slow:
            connection.send_batch("SELECT REPLICATE('x', 8000) FROM GENERATE_SERIES(1, 5000)")
        time.sleep(150)
        for connection in slow:
            self.assertEqual(len(connection.recv_reply().rows), 5000)
            self.assertEqual(connection.execute("SELECT 1"), [(1,)])
            connection.close()
        self.assertFalse(any(" ev=client_vanished " in line for line in quired.log))
        self.ends()


if __name__ == "__main__":
    unittest.main()

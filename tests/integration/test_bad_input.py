"""Whatever a client sends or omits, the server goes on serving the others."""
import os
import random
import struct
import threading
import time
import unittest

import server
import tds


class BadRequests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server("--transaction-memory-mib", "4", "--transaction-max-mib", "64",
                                   announced=("message_too_big",)).start()
        cls.server.create_database("d")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def assert_serves(self):
        with self.server.connect("d") as connection:
            self.assertEqual(connection.execute("SELECT 5"), [(5,)])

    def errors(self, sql):
        with self.server.connect("d") as connection:
            numbers = [error.number for error in connection.batch(sql).errors]
            self.assertEqual(connection.execute("SELECT 1"), [(1,)])
            return numbers

    def test_a_text_of_ten_megabytes_runs(self):
        with self.server.connect("d", packet_size=32767) as connection:
            text = "SELECT 1 /*" + "x" * (10 * 1024 * 1024) + "*/"
            self.assertEqual(connection.execute(text), [(1,)])

    def test_deep_nesting_is_refused_and_the_connection_stays(self):
        self.assertEqual(self.errors("SELECT " + "(" * 5000 + "1" + ")" * 5000), [191])

    def test_long_chains_are_answered(self):
        for text in ("SELECT " + "+".join(["1"] * 5000),
                     "SELECT 1 WHERE " + " AND ".join(["1 = 1"] * 5000),
                     "SELECT " + "-" * 1 + "- 1\n 7"):
            with self.server.connect("d") as connection:
                reply = connection.batch(text)
                self.assertTrue(reply.rows or reply.errors)
                self.assertEqual(connection.execute("SELECT 1"), [(1,)])

    def test_text_that_is_no_utf16_is_data_or_an_error_but_no_end(self):
        rng = random.Random(3)
        with self.server.connect("d") as connection:
            for body in (b"\x00\xd8", b"S\x00E\x00L\x00E\x00C\x00T\x00 \x00'\x00\x00\xdc'\x00",
                         b"S", rng.randbytes(1001)):
                connection.send_message(tds.BATCH, connection.headers() + body)
                connection.recv_reply()
            self.assertEqual(connection.execute("SELECT 1"), [(1,)])

    def test_random_bodies_of_every_request_type(self):
        rng = random.Random(4)
        for kind in (tds.BATCH, tds.RPC, tds.BULK, tds.TRANSACTION, 0x05, 0x10, 0x12, 0xEE):
            for size in (0, 1, 4, 22, 500):
                with self.server.connect("d") as connection:
                    head = connection.headers() if rng.random() < 0.5 else b""
                    try:
                        connection.send_message(kind, head + rng.randbytes(size))
                        connection.attention()
                        while not connection.recv_reply().acknowledged_attention:
                            pass
                    except (tds.Closed, tds.ProtocolError, ConnectionError):
                        pass
        self.assert_serves()

    def test_requests_with_one_bit_changed(self):
        rng = random.Random(5)
        with self.server.connect("d") as connection:
            body = bytearray(connection.headers() + "SELECT 1, N'x'".encode("utf-16-le"))
        for _ in range(200):
            changed = bytearray(struct.pack(">BBHHBB", tds.BATCH, 1, len(body) + 8, 0, 1, 0) + body)
            bit = rng.randrange(len(changed) * 8)
            changed[bit // 8] ^= 1 << bit % 8
            with self.server.connect("d", encrypt=tds.ENCRYPT_OFF) as connection:
                try:
                    connection.send_raw(bytes(changed))
                    connection.socket.shutdown(1)
                    while connection.socket.recv(65536):
                        pass
                except (OSError, tds.Closed):
                    pass
        self.assert_serves()

    def test_a_pattern_that_takes_long_ends_with_attention_and_with_kill(self):
        text = """DECLARE @s varchar(max) = REPLICATE(CAST('a' AS varchar(max)), 2000000);
                  SELECT REGEXP_COUNT(@s, '(.*a){900}b'), REGEXP_COUNT(@s, '((a|b)*a){900}b')"""
        running = "SELECT session_id FROM sys.dm_exec_requests WHERE session_id <> @@SPID AND command = 'SELECT'"
        with self.server.connect("d") as other:
            for kill in (False, True):
                with self.server.connect("d") as connection:
                    connection.send_batch(text)
                    while not (spids := other.execute(running)):
                        pass
                    began = time.monotonic()
                    try:
                        if kill:
                            other.execute(f"KILL {spids[0][0]}")
                        else:
                            connection.attention()
                        while not connection.recv_reply().acknowledged_attention:
                            pass
                    except (tds.Closed, ConnectionError):
                        self.assertTrue(kill)
                    while other.execute(running):
                        pass
                    self.assertLess(time.monotonic() - began, 5)

    def test_documents_and_vectors_of_a_bulk_load_are_checked(self):
        columns = [("i", "int"), ("j", "varchar(8000)"), ("v", "varchar(8000)")]
        with self.server.connect("d") as connection:
            connection.execute("CREATE TABLE typed (i int, j json, v vector(2))")
            connection.bulk_load("typed", columns, [(1, '{"a": [1, 2]}', "[0.5, 1]")])
            for row, number in (((2, '{"a":', "[1, 2]"), 13609), ((2, "[]", "[1]"), 42204)):
                with self.assertRaises(tds.Failed) as raised:
                    connection.bulk_load("typed", columns, [row])
                self.assertEqual(raised.exception.messages[0].number, number)
            self.assertEqual(connection.execute("SELECT * FROM typed"),
                             [(1, '{"a":[1,2]}', "[5.0000000e-001,1.0000000e+000]")])

    def test_a_client_that_stops_reading_costs_nobody_else(self):
        with self.server.connect("d") as connection:
            connection.execute("CREATE TABLE wide (a int, b char(1000))")
            connection.execute("INSERT wide SELECT TOP 3000 ROW_NUMBER() OVER (ORDER BY o.object_id), "
                               "'x' FROM sys.all_objects o, sys.all_objects p")
        deaf = [self.server.connect("d") for _ in range(8)]
        for connection in deaf:
            connection.send_batch("SELECT * FROM wide a, wide b")
        for _ in range(5):
            self.assert_serves()
        for connection in deaf:
            connection.close()
        self.assert_serves()

    def test_a_dead_client_releases_the_writer(self):
        holder = self.server.connect("d")
        holder.execute("CREATE TABLE held (a int)")
        holder.execute("BEGIN TRAN; INSERT held VALUES (1)")
        other = self.server.connect("d")
        other.send_batch("INSERT held VALUES (2)")
        holder.socket.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: ends with a reset
        holder.close()
        self.assertEqual(other.recv_reply().errors, [])
        self.assertEqual(other.execute("SELECT a FROM held"), [(2,)])
        other.close()

    @unittest.skipUnless(os.environ.get("QUIRE_TEST_ALL"), "waits for a tick of ten seconds")
    def test_memory_of_large_requests_is_given_back(self):
        def resident_mib():
            """Of the largest of its processes."""
            sizes = []
            for pid in self.server.pids:
                with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                    sizes.append(int(file.read().split()[1]) * 4 // 1024)
            return max(sizes)

        self.server.restart()
        with self.server.connect("d", packet_size=32767, timeout=300) as connection:
            connection.batch("SELECT 1" + "+1" * 3000000)
        deadline = time.monotonic() + 60
        while resident_mib() > 150:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)

    def test_a_transaction_too_large_ends_its_session_and_nothing_else(self):
        holder = self.server.connect("d", timeout=300)
        holder.execute("CREATE TABLE huge (a varchar(8000))")
        reply = holder.batch("BEGIN TRAN WHILE 1 = 1 INSERT huge SELECT REPLICATE('x', 8000) "
                             "FROM sys.all_objects a, sys.all_objects b")
        self.assertEqual([error.number for error in reply.errors], [40552])
        with self.assertRaises(tds.Closed):
            holder.execute("SELECT 1")
        for _ in range(3):
            with self.server.connect("d") as connection:
                self.assertEqual(connection.execute("SELECT COUNT(*) FROM huge"), [(0,)])

    def test_a_flood_of_wrong_logins_leaves_right_ones_alone(self):
        def flood(number):
            for _ in range(5):
                try:
                    self.server.connect("d", user=f"ghost{number % 3}", password="wrong").close()
                except (tds.Failed, tds.Closed, ConnectionError):
                    pass

        threads = [threading.Thread(target=flood, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        start = time.monotonic()
        for _ in range(10):
            self.assert_serves()
        self.assertLess(time.monotonic() - start, 20)
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    unittest.main()

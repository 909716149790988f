"""Bad input and bad luck: whatever a client sends or the disk does, the others are served.

After each test an ordinary client works, the server is the same process, and its log holds no warn or
error line that the test did not announce.
"""
import os
import random
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import server
import tds

ROUNDS = 2000 if os.environ.get("QUIRE_TEST_ALL") else 150
SLOWNESS = float(os.environ.get("QUIRE_TEST_SLOWNESS", "1"))
SQL = "SELECT name, object_id FROM sys.objects WHERE name = N'ä' OR 1 = 1 ORDER BY name"


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])


def packet(kind, payload, status=1, size=None):
    return struct.pack(">BBHHBB", kind, status, len(payload) + 8 if size is None else size, 0, 1,
                       0) + payload


def throw(sock, data):
    """Sends bytes that may well be refused halfway."""
    try:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(30 * SLOWNESS)
        while sock.recv(65536):
            pass
    except (BrokenPipeError, ConnectionResetError):
        pass


def mutate(rng, data):
    """One way of breaking a message: cut, grown, bits turned, pieces in another order, noise."""
    data = bytearray(data)
    kind = rng.randrange(5)
    if kind == 0:
        return bytes(data[:rng.randrange(len(data))])
    if kind == 1:
        data[2:4] = struct.pack(">H", rng.choice([0, 7, 8, 9, 32768, 65535]))
    elif kind == 2:
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 3:
        cut = rng.randrange(len(data))
        data = data[cut:] + data[:cut]
    else:
        at = rng.randrange(8, len(data) + 1)
        data[at:at + rng.randrange(40)] = rng.randbytes(rng.randrange(200))
    return bytes(data)


class Hostile(unittest.TestCase):
    announced = ()

    def setUp(self):
        self.seed = int(os.environ.get("QUIRE_TEST_SEED") or random.SystemRandom().getrandbits(32))
        self.rng = random.Random(self.seed)
        self.quired = server.Server(announced=self.announced).start()
        self.born = self.quired.pid

    def tearDown(self):
        try:
            with self.quired.connect() as connection:
                self.assertEqual(connection.execute("SELECT 1"), [(1,)], f"seed {self.seed}")
            self.assertEqual(self.quired.pid, self.born)
            self.quired.stop()
        finally:
            self.quired.kill()
            self.quired.remove()

    def dial(self):
        return socket.create_connection((self.quired.host, self.quired.port), 30 * SLOWNESS)

    def clear_connection(self):
        """Logged in, and unencrypted from here on."""
        return self.quired.connect(encrypt=tds.ENCRYPT_OFF)


class Packets(Hostile):
    def test_broken_packets_before_login(self):
        plain = tds.Connection(self.quired.host, self.quired.port)
        prelogin = packet(tds.PRELOGIN, bytes.fromhex(
            "00001a00060100200001020021000103002200040400260001ff0f00000000000000000000000000"))
        login = packet(tds.LOGIN7, plain.login_message(server.ADMIN, "wrong", "master", "app"))
        plain.close()
        for _ in range(ROUNDS):
            with self.subTest(seed=self.seed), self.dial() as sock:
                first = self.rng.choice([prelogin, login, prelogin + login, login + prelogin])
                throw(sock, self.rng.choice([mutate(self.rng, first), self.rng.randbytes(300)]))

    def test_broken_packets_after_login(self):
        text = SQL.encode("utf-16-le")
        for number in range(ROUNDS // 5):
            with self.subTest(seed=self.seed, number=number), self.clear_connection() as client:
                batch = packet(tds.BATCH, client.headers() + text)
                call = packet(tds.RPC, client.headers() + struct.pack("<HHH", 0xFFFF, 10, 0) +
                              b"\0\0\xe7\x40\x1f\x09\x04\xd0\x00\x34" +
                              struct.pack("<H", len(text)) + text)
                begin = packet(tds.TRANSACTION, client.headers() + struct.pack("<HBB", 5, 0, 0))
                bulk = packet(tds.BULK, self.rng.randbytes(100))
                throw(client.socket, mutate(self.rng, self.rng.choice([batch, call, begin, bulk])))

    def test_packets_of_every_type_after_login(self):
        for kind in range(256):
            with self.subTest(kind=kind):
                if kind not in (tds.ATTENTION,):
                    with self.clear_connection() as client:
                        throw(client.socket, packet(kind, b"\0" * 30))

    def test_clear_bytes_behind_the_handshake_end_the_connection(self):
        client = tds.Connection(self.quired.host, self.quired.port)
        login = packet(tds.LOGIN7, client.login_message(server.ADMIN, self.quired.password,
                                                        "master", "app"))
        send = client.send_message

        def with_more(kind, payload, status=0):
            if kind == tds.PRELOGIN and payload[:1] == b"\x16" and client.handshakes:
                client.socket.sendall(packet(kind, payload, 1) + login)
            else:
                send(kind, payload, status)
            client.handshakes += payload[:1] == b"\x16"

        client.handshakes = 0
        client.send_message = with_more
        with self.assertRaises((tds.Closed, OSError, ssl.SSLError)):
            client.prelogin(tds.ENCRYPT_ON)
            client.recv_message()
        client.close()


class Text(Hostile):
    def test_nesting_of_5000_parentheses_is_error_191(self):
        with self.quired.connect() as client:
            for sql in ("SELECT " + "(" * 5000 + "1" + ")" * 5000,
                        "SELECT 1 WHERE " + "(" * 5000 + "1 = 1" + ")" * 5000,
                        "SELECT 1 WHERE " + "NOT " * 5000 + "1 = 1",
                        "SELECT " + "-" .join([""] * 2) + "- " * 5000 + "1",
                        "BEGIN " * 5000 + "SELECT 1 " + "END " * 5000,
                        "SELECT * FROM " + "(SELECT * FROM " * 5000 + "t"):
                reply = client.batch(sql)
                self.assertTrue(reply.errors, sql[:40])
                self.assertEqual(client.execute("SELECT 1"), [(1,)])
            self.assertEqual(client.batch("SELECT " + "(" * 5000 + "1" + ")" * 5000)
                             .errors[0].number, 191)

    def test_sql_of_ten_megabytes_is_run_or_refused(self):
        size = 10 << 20
        with self.quired.connect(packet_size=32767, timeout=120 * SLOWNESS) as client:
            reply = client.batch(f"DECLARE @a nvarchar(max) = N'{'x' * (size // 2)}' "
                                 "SELECT DATALENGTH(@a)")
            self.assertEqual(reply.rows, [(size,)])
            self.assertEqual(client.batch("SELECT 1" + " " * (size // 2)).rows, [(1,)])
            self.assertTrue(client.batch("SELECT [" + "x" * (size // 2) + "]").errors)
            self.assertTrue(client.batch("SELECT " + "1+" * (size // 4) + "1").errors)
            self.assertEqual(client.execute("SELECT 1"), [(1,)])

    def test_utf_16_that_is_none(self):
        with self.quired.connect() as client:
            for text in (b"\x00\xd8", b"\x00\xdc\x00\xd8", b"\x00\xd8a\0"):
                sql = "SELECT N'".encode("utf-16-le") + text + "' AS a".encode("utf-16-le")
                client.send_message(tds.BATCH, client.headers() + sql)
                reply = client.recv_reply()
                self.assertEqual(reply.rows, [(text.decode("utf-16-le", "surrogatepass"),)])
            client.send_message(tds.BATCH, client.headers() + b"S\0E")
            self.assertTrue(client.recv_reply().errors)
            self.assertEqual(client.execute("SELECT 1"), [(1,)])

    def test_characters_and_tokens_that_mean_nothing(self):
        pieces = ["SELECT", "(", ")", "'", "N'", "[", "]", '"', "/*", "*/", "--", "\n", "@", "@@x",
                  "#", "::", "0x", "1e", "\0", "\ufeff", "\u2028", "é", "¤", "BEGIN", "END", "CASE",
                  ",", ";", "..", "SELECT 1", "FROM", "WHERE", "%", "!", "!<", "{", "}", "$", "\\"]
        with self.quired.connect() as client:
            for _ in range(ROUNDS):
                client.batch(" ".join(self.rng.choices(pieces, k=self.rng.randrange(1, 30))))
                if client.transaction:
                    client.batch("ROLLBACK")
            self.assertEqual(client.execute("SELECT 1"), [(1,)])


class Floods(Hostile):
    announced = ("connection_refused", "login_refused", "login_failed", "unauthenticated_dropped",
                 "connections_full")

    def test_idle_connections_before_login_are_few_and_lock_nobody_out(self):
        flood = []
        try:
            for _ in range(600):
                flood.append(self.dial())
            deadline = time.monotonic() + 10 * SLOWNESS
            while True:
                try:
                    with self.quired.connect() as client:
                        self.assertEqual(client.execute("SELECT 1"), [(1,)])
                    break
                except (tds.Closed, OSError):
                    self.assertLess(time.monotonic(), deadline, "a flood locks others out")
            descriptors = len(os.listdir(f"/proc/{self.quired.pid}/fd"))
            self.assertLess(descriptors, 400)
        finally:
            for sock in flood:
                sock.close()

    def test_wrong_passwords_in_parallel_do_not_stop_a_right_one(self):
        stop = threading.Event()
        numbers = set()

        def guess(number):
            while not stop.is_set():
                try:
                    self.quired.connect(user=f"guess{number % 3}", password="wrong").close()
                except tds.Failed as error:
                    numbers.update(message.number for message in error.messages)
                except (tds.Closed, OSError):
                    pass

        threads = [threading.Thread(target=guess, args=(n,), daemon=True) for n in range(8)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                with self.quired.connect() as client:
                    self.assertEqual(client.execute("SELECT 1"), [(1,)])
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(numbers, {18456})

    def test_a_client_that_stops_reading_harms_nobody(self):
        many = ("WITH d AS (SELECT * FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) v(n)) "
                "SELECT REPLICATE('x', 1000) FROM d a, d b, d c, d d, d e, d f")
        before = resident_kb(self.quired.pid)
        stuck = [self.quired.connect() for _ in range(8)]
        for client in stuck:
            client.send_batch(many)
        for _ in range(20):
            with self.quired.connect() as client:
                self.assertEqual(client.execute("SELECT 1"), [(1,)])
        self.assertLess(resident_kb(self.quired.pid) - before, 100 * 1024)
        for client in stuck:
            client.close()


class Disk(unittest.TestCase):
    def write(self, client, megabytes):
        """Fills a table; the errors of the first statement that failed, and how many did not."""
        for number in range(megabytes):
            reply = client.batch("INSERT fill (data) VALUES (REPLICATE(CONVERT(varchar(max), "
                                 "'x'), 1048576))")
            if reply.errors:
                return reply.errors, number
        return [], megabytes

    @unittest.skipUnless(os.geteuid() == 0, "only root mounts a small disk")
    def test_a_full_disk_is_an_error_and_nothing_is_lost(self):
        folder = tempfile.mkdtemp(prefix="quire-disk-")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder],
                          stderr=subprocess.DEVNULL).returncode:
            os.rmdir(folder)
            self.skipTest("mount is not allowed here")
        data = os.path.join(folder, "data")
        # What a full disk may log; anything else fails the stop.
        quired = server.Server(data_dir=data, announced=(
            "log_write_failed", "checkpoint_failed", "disk_full", "commit_failed"))
        try:
            quired.start()
            quired.create_database("d")
            with quired.connect("d", timeout=60 * SLOWNESS) as client:
                client.execute("CREATE TABLE fill (id int IDENTITY PRIMARY KEY, data varchar(max))")
                ballast = os.path.join(folder, "ballast")
                with open(ballast, "wb") as file:
                    file.write(b"\0" * (16 << 20))
                errors, written = self.write(client, 64)
                self.assertTrue(errors, "the disk never became full")
                self.assertGreater(written, 0)
            with quired.connect("d", timeout=60 * SLOWNESS) as client:
                (count,), = client.execute("SELECT COUNT(*) FROM fill")
                self.assertEqual(count, written)
                os.unlink(ballast)
                deadline = time.monotonic() + 20 * SLOWNESS
                while self.write(client, 1)[0]:
                    self.assertLess(time.monotonic(), deadline, "no writes after space returned")
                    time.sleep(0.2)
            quired.restart()
            with quired.connect("d") as client:
                self.assertEqual(client.execute("SELECT COUNT(*) FROM fill"), [(written + 1,)])
            quired.stop()
        finally:
            quired.kill()
            subprocess.run(["umount", "-l", folder], check=False)
            shutil.rmtree(folder, ignore_errors=True)

    def two_databases(self):
        """A server with 'good' and 'bad'; the data directory of the latter."""
        quired = server.Server(announced=("database_damaged", "database_not_opened", "page_damaged",
                                          "log_damaged", "open_failed")).start()
        quired.create_database("good")
        before = set(os.listdir(os.path.join(quired.data_dir, "databases")))
        quired.create_database("bad")
        for name in ("good", "bad"):
            with quired.connect(name) as client:
                client.execute("CREATE TABLE t (id int PRIMARY KEY, data varchar(2000))")
                for first in range(0, 1000, 100):
                    rows = ", ".join(f"({first + n}, '{os.urandom(900).hex()}')" for n in range(100))
                    client.execute(f"INSERT t VALUES {rows}")
        name, = set(os.listdir(os.path.join(quired.data_dir, "databases"))) - before
        return quired, os.path.join(quired.data_dir, "databases", name)

    def check_damage(self, quired):
        quired.start()
        numbers = set()
        try:
            with quired.connect("bad") as client:
                numbers = {error.number for error in client.batch(
                    "SELECT SUM(LEN(data)) FROM t").errors}
        except tds.Failed as error:
            numbers = {message.number for message in error.messages}
        self.assertIn(824, numbers)
        with quired.connect("good") as client:
            self.assertEqual(client.execute("SELECT COUNT(*), SUM(LEN(data)) FROM t"),
                             [(1000, 1800000)])
            client.execute("INSERT t VALUES (5000, 'new')")
        quired.stop()
        quired.remove()

    def damage(self, path, first, last, step):
        with open(path, "r+b") as file:
            for at in range(first, last, step):
                file.seek(at)
                byte = file.read(1)
                file.seek(at)
                file.write(bytes([byte[0] ^ 0x55]))

    def test_a_damaged_data_page_is_error_824_in_its_database_only(self):
        quired, folder = self.two_databases()
        quired.stop()
        path = os.path.join(folder, "data")
        size = os.path.getsize(path)
        self.assertGreater(size, 1 << 20)
        self.damage(path, size // 4, size // 4 * 3, 1000)
        self.check_damage(quired)

    def test_a_damaged_log_is_error_824_in_its_database_only(self):
        quired, folder = self.two_databases()
        quired.kill()
        logs = sorted(name for name in os.listdir(folder) if name.startswith("log."))
        path = os.path.join(folder, logs[0])
        with open(path, "rb") as file:
            used = len(file.read().rstrip(b"\0"))
        self.damage(path, used // 2, used // 2 + 100, 10)  # what follows proves it no torn end
        self.check_damage(quired)


if __name__ == "__main__":
    unittest.main()

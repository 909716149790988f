"""What hostile clients send before and after the login: the others are served.

After each test an ordinary client works, the server is the same process, and its log holds no warn or
error line that the test did not announce.
"""
import os
import random
import socket
import ssl
import struct
import time
import unittest

import server
import tds

ROUNDS = 2000 if os.environ.get("QUIRE_TEST_ALL") else 150
SLOWNESS = float(os.environ.get("QUIRE_TEST_SLOWNESS", "1"))
SQL = "SELECT name, object_id FROM sys.objects WHERE name = N'ä' OR 1 = 1 ORDER BY name"


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
        self.born = set(self.quired.pids)

    def tearDown(self):
        try:
            with self.quired.connect() as connection:
                self.assertEqual(connection.execute("SELECT 1"), [(1,)], f"seed {self.seed}")
            self.assertEqual(set(self.quired.pids), self.born)
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
                        "SELECT " + "- " * 5000 + "1",
                        "BEGIN " * 5000 + "SELECT 1 " + "END " * 5000,
                        "SELECT * FROM " + "(SELECT * FROM " * 5000 + "t"):
                reply = client.batch(sql)
                self.assertTrue(reply.errors, sql[:40])
                self.assertEqual(client.execute("SELECT 1"), [(1,)])
            self.assertEqual(client.batch("SELECT " + "(" * 5000 + "1" + ")" * 5000)
                             .errors[0].number, 191)

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
            for pid in self.quired.pids:
                self.assertLess(len(os.listdir(f"/proc/{pid}/fd")), 400)
        finally:
            for sock in flood:
                sock.close()



if __name__ == "__main__":
    unittest.main()

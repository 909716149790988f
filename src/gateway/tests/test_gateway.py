#!/usr/bin/python3
"""Goal: whatever a client sends or omits, the gateway answers as [MS-TDS] says or closes, and goes on
serving the others. Method: a real gateway with the session of select1.c; our own client for what
drivers would not do, FreeTDS's tsql and pymssql for what they do.

With `handoff` the same is asked of a front and a node: the client may not see a difference.

usage: test_gateway.py SELECT1 [handoff] [unittest arguments]
"""
import json
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import tds  # noqa: E402

PROGRAM = None
HANDOFF = False
HOST = "127.0.0.1"
ENCRYPTIONS = (tds.ENCRYPT_OFF, tds.ENCRYPT_ON, tds.ENCRYPT_REQ)


class Server:
    def __init__(self, *args):
        self.folder = tempfile.TemporaryDirectory()
        if HANDOFF:
            args += ("handoff", os.path.join(self.folder.name, "node"))
        self.process = subprocess.Popen([PROGRAM, *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        assert words[:1] == ["ready"], self.process.stderr.read()
        self.port = int(words[1])
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr))
        self.reader.start()

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(10)
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        self.folder.cleanup()
        return code

    def connect(self, user="admin", password="secret-1", **more):
        return tds.Connection(HOST, self.port, user, password, **more)

    def raw(self):
        """Connected, nothing said."""
        return tds.Connection(HOST, self.port)


class Case(unittest.TestCase):
    args = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.args)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        if code != 0:
            raise AssertionError(f"the server ended with {code}: {cls.server.log[-5:]}")

    def assert_serves(self):
        with self.server.connect() as connection:
            self.assertEqual(connection.execute("SELECT 5"), [(5,)])

    def assert_closed(self, connection):
        with self.assertRaises(tds.Closed):
            connection.recv_message()
        connection.close()

    def assert_login_fails(self, number, **how):
        with self.assertRaises(tds.Failed) as failure:
            self.server.connect(**how).close()
        self.assertEqual([m.number for m in failure.exception.messages], number)
        return failure.exception.messages


class Logins(Case):
    def test_every_encryption_and_version_logs_in(self):
        for version in (tds.TDS71, tds.TDS72, tds.TDS73A, tds.TDS73B, tds.TDS74):
            for encrypt in ENCRYPTIONS:
                with self.subTest(version=version, encrypt=encrypt), \
                        self.server.connect(version=version, encrypt=encrypt) as connection:
                    self.assertEqual(connection.scope,
                                     "login" if encrypt == tds.ENCRYPT_OFF else "all")
                    self.assertEqual(connection.execute("SELECT 42"), [(42,)])

    def test_packet_sizes_are_negotiated(self):
        for wanted, size in ((512, 512), (32767, 32767), (100, 512), (8000, 8000)):
            with self.subTest(wanted=wanted), \
                    self.server.connect(packet_size=wanted) as connection:
                self.assertEqual(connection.packet_size, size)
                self.assertEqual(connection.execute("SELECT 1 --" + "x" * 3000), [(1,)])

    def test_a_client_that_cannot_encrypt_is_told_and_closed(self):
        connection = self.server.raw()
        with self.assertRaises(tds.Failed):
            connection.prelogin(tds.ENCRYPT_NOT_SUP)
        self.assertEqual(connection.server_encrypt, tds.ENCRYPT_REQ)
        self.assert_closed(connection)

    def test_wrong_credentials_look_alike(self):
        for user, password in (("admin", "wrong"), ("nobody", "x"), ("sleeper", "wrong")):
            message, = self.assert_login_fails([18456], user=user, password=password)
            self.assertEqual(message.text, f"Login failed for user '{user}'.")
            self.assertEqual((message.severity, message.state), (14, 1))

    def test_who_knows_the_password_of_a_disabled_login_is_told(self):
        message, = self.assert_login_fails([18470], user="sleeper", password="secret-1")
        self.assertEqual(message.text, "Login failed for user 'sleeper'. Reason: The account is disabled.")
        self.assertEqual((message.severity, message.state), (14, 1))

    def test_the_server_name_may_follow_the_login(self):
        for user in ("admin@server01", "ADMIN@SERVER01.database.windows.net"):
            with self.server.connect(user=user) as connection:
                self.assertEqual(connection.execute("SELECT 1"), [(1,)])
        message, = self.assert_login_fails([40532], user="admin@other")
        self.assertIn('"other"', message.text)

    def test_a_database_that_does_not_open_answers_4060_and_18456(self):
        self.assert_login_fails([4060, 18456], database="missing")

    def test_secrets_are_in_no_log_line(self):
        self.assert_login_fails([18456], user="admin", password="Pa55-in-clear")
        self.assertFalse([line for line in self.server.log if "Pa55" in line or "secret-1" in line])


class Handshakes(Case):
    def test_login_without_prelogin_is_closed(self):
        connection = self.server.raw()
        connection.send_message(tds.LOGIN7, connection.login_message("admin", "secret-1", "", "x"))
        self.assert_closed(connection)

    def test_login_in_clear_after_encryption_was_agreed_is_closed(self):
        for encrypt in ENCRYPTIONS:
            connection = self.server.raw()
            connection.handshake = lambda: None
            connection.prelogin(encrypt)
            connection.send_message(tds.LOGIN7,
                                    connection.login_message("admin", "secret-1", "", "x"))
            self.assert_closed(connection)

    def test_bytes_in_clear_behind_the_handshake_are_closed(self):
        for encrypt in ENCRYPTIONS:
            connection = self.server.raw()
            send = connection.send_message

            def with_login_behind(kind, payload, status=0):
                """Sends the client's last handshake message and a LOGIN7 in clear in one write."""
                if kind == tds.PRELOGIN and payload[:1] == b"\x16" and payload[5] == 0x10:
                    login = connection.login_message("admin", "secret-1", "", "x")
                    out = []
                    connection.send_raw, real = out.append, connection.send_raw
                    send(kind, payload, status)
                    send(tds.LOGIN7, login)
                    connection.send_raw = real
                    payload = b"".join(out)
                    connection.socket.sendall(payload)
                else:
                    send(kind, payload, status)

            connection.send_message = with_login_behind
            with self.assertRaises((tds.Closed, ConnectionError)):
                connection.prelogin(encrypt)
                connection.recv_message()
            connection.close()

    def test_bytes_in_clear_behind_a_login_only_login_are_closed(self):
        connection = self.server.raw()
        connection.prelogin(tds.ENCRYPT_OFF)
        out = []
        connection.socket, real = type("Sink", (), {"sendall": staticmethod(out.append)}), \
            connection.socket
        connection.send_message(tds.LOGIN7, connection.login_message("admin", "secret-1", "", "x"))
        connection.tls = None
        connection.version = tds.TDS74
        connection.send_batch("SELECT 1")
        connection.socket = real
        connection.socket.sendall(b"".join(out))
        self.assert_closed(connection)

    def test_a_tls_hello_first_is_closed(self):
        connection = self.server.raw()
        connection.send_raw(b"\x16\x03\x01\x00\x05hello")
        self.assert_closed(connection)

    def test_newer_and_older_tls_is_refused(self):
        for version in (ssl.TLSVersion.TLSv1_3,):
            connection = self.server.raw()
            wrap = ssl.SSLContext.wrap_bio

            def newer(context, *args, **kwargs):
                context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
                context.minimum_version = version
                return wrap(context, *args, **kwargs)

            ssl.SSLContext.wrap_bio = newer
            try:
                with self.assertRaises((tds.Closed, ssl.SSLError)):
                    connection.prelogin(tds.ENCRYPT_ON)
            finally:
                ssl.SSLContext.wrap_bio = wrap
            connection.close()

    def test_a_conversation_cut_anywhere_harms_nobody(self):
        sent = []
        connection = self.server.raw()
        send = connection.socket.sendall
        connection.send_raw = lambda data: (sent.append(bytes(data)), send(data))
        connection.prelogin(tds.ENCRYPT_OFF)
        connection.close()
        first = sent[0]
        for cut in range(len(first)):
            raw = self.server.raw()
            raw.send_raw(first[:cut])
            raw.socket.shutdown(socket.SHUT_WR)
            self.assert_closed(raw)
        self.assert_serves()

    def test_random_bytes_harm_nobody(self):
        rng = random.Random(1)
        for _ in range(100):
            connection = self.server.raw()
            head = rng.choice((b"", b"\x12\x01\x00\x2f\x00\x00\x01\x00", b"\x12\x01",
                               b"\x10\x01\x00\x90\x00\x00\x01\x00"))
            try:
                connection.send_raw(head + rng.randbytes(rng.randrange(400)))
                connection.socket.shutdown(socket.SHUT_WR)
                while connection.socket.recv(4096):
                    pass
            except (ConnectionError, OSError):
                pass
            connection.close()
        self.assert_serves()

    def test_random_bytes_inside_tls_harm_nobody(self):
        rng = random.Random(2)
        for _ in range(20):
            connection = self.server.raw()
            connection.prelogin(tds.ENCRYPT_ON)
            try:
                connection.send_raw(b"\x10\x01" + rng.randbytes(rng.randrange(300)))
                connection.socket.shutdown(socket.SHUT_WR)
                while connection.socket.recv(4096):
                    pass
            except (ConnectionError, OSError):
                pass
            connection.close()
        self.assert_serves()

    def test_a_prelogin_message_over_its_bound_is_closed(self):
        connection = self.server.raw()
        with self.assertRaises((tds.Closed, ConnectionError)):
            for _ in range(100):
                connection.send_raw(b"\x12\x00\x04\x00\x00\x00\x01\x00" + bytes(1016))
            connection.recv_message()
        connection.close()


class Requests(Case):
    def test_bytes_one_by_one_make_a_request(self):
        for encrypt in (tds.ENCRYPT_OFF, tds.ENCRYPT_ON):
            with self.server.connect(encrypt=encrypt) as connection:
                send = connection.socket.sendall

                class Slow:
                    def __getattr__(self, name):
                        return getattr(Slow.real, name)

                    @staticmethod
                    def sendall(data):
                        for at in range(len(data)):
                            send(data[at:at + 1])

                Slow.real, connection.socket = connection.socket, Slow()
                self.assertEqual(connection.execute("SELECT 9"), [(9,)])

    def test_pipelined_requests_are_answered_in_order(self):
        for encrypt in (tds.ENCRYPT_OFF, tds.ENCRYPT_ON):
            with self.server.connect(encrypt=encrypt) as connection:
                for number in range(20):
                    connection.send_batch(f"SELECT {number}")
                rows = [connection.recv_reply().rows for _ in range(20)]
                self.assertEqual(rows, [[(number,)] for number in range(20)])

    def test_a_held_answer_comes_when_released_and_the_next_request_after_it(self):
        for encrypt in (tds.ENCRYPT_OFF, tds.ENCRYPT_ON):
            with self.server.connect(encrypt=encrypt) as connection, \
                    self.server.connect() as other:
                for _ in range(5):
                    connection.send_batch("HOLD")
                    connection.send_batch("SELECT 3")
                    self.assertEqual(other.batch("AWAIT").errors, [])
                    self.assertEqual(other.batch("RELEASE").errors, [])
                    self.assertEqual(connection.recv_reply().rows, [])
                    self.assertEqual(connection.recv_reply().rows, [(3,)])

    def test_an_answer_may_be_released_before_the_gateway_knows_that_it_is_held(self):
        for encrypt in (tds.ENCRYPT_OFF, tds.ENCRYPT_ON):
            with self.server.connect(encrypt=encrypt) as connection:
                for _ in range(50):
                    connection.send_batch("HASTE")
                    connection.send_batch("SELECT 3")
                    self.assertEqual(connection.recv_reply().rows, [])
                    self.assertEqual(connection.recv_reply().rows, [(3,)])

    def test_a_client_that_leaves_while_its_answer_is_held_harms_nobody(self):
        with self.server.connect() as other:
            for text in ("HOLD", "HASTE") * 10:
                connection = self.server.connect()
                connection.send_batch(text)
                if text == "HOLD":
                    other.batch("AWAIT")
                connection.close()
                other.batch("RELEASE")
        self.assert_serves()

    def test_attention_ends_a_wait_and_a_flood_and_the_session_goes_on(self):
        for encrypt in (tds.ENCRYPT_OFF, tds.ENCRYPT_ON):
            for text in ("WAIT", "FLOOD"):
                with self.subTest(text=text), self.server.connect(encrypt=encrypt) as connection:
                    connection.send_batch(text)
                    time.sleep(0.01)  # not waited for: gives the request a chance to be under way
                    connection.cancel()
                    self.assertEqual(connection.execute("SELECT 4"), [(4,)])

    def test_attention_between_requests_is_acknowledged(self):
        with self.server.connect() as connection:
            self.assertTrue(connection.cancel().acknowledged_attention)
            self.assertEqual(connection.execute("SELECT 4"), [(4,)])

    def test_attention_right_behind_a_request_is_acknowledged_once(self):
        with self.server.connect() as connection:
            for _ in range(50):
                connection.send_batch("SELECT 1")
                connection.cancel()
                self.assertEqual(connection.execute("SELECT 2"), [(2,)])

    def test_the_server_may_close_after_an_answer(self):
        connection = self.server.connect()
        self.assertEqual(connection.batch("CLOSE").errors, [])
        self.assert_closed(connection)

    def test_a_bulk_body_streams_past_the_message_bound(self):
        with self.server.connect() as connection:
            body = bytes(3 * 1024 * 1024)
            connection.send_message(tds.BULK, body)
            self.assertEqual(connection.recv_reply().dones[-1].count, len(body))
            connection.send_message(tds.BULK, b"")
            self.assertEqual(connection.recv_reply().dones[-1].count, 0)
            self.assertEqual(connection.execute("SELECT 2"), [(2,)])

    def test_a_request_over_its_bound_closes_that_connection_only(self):
        connection = self.server.connect()
        with self.assertRaises((tds.Closed, ConnectionError)):
            connection.send_batch("x" * 1024 * 1024)
            connection.recv_message()
        connection.close()
        self.assert_serves()
        deadline = time.monotonic() + 30  # another thread reads the log
        while not [line for line in list(self.server.log) if "ev=message_too_big" in line]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_more_blocked_requests_than_workers_leave_room_for_others(self):
        waiting = [self.server.connect() for _ in range(30)]
        for connection in waiting:
            connection.send_batch("WAIT")
        self.assert_serves()
        for connection in waiting:
            connection.cancel()
            self.assertEqual(connection.execute("SELECT 1"), [(1,)])
            connection.close()
        self.assert_serves()

    def test_long_computations_on_every_worker_leave_room_for_others(self):
        burning = [self.server.connect() for _ in range(4)]
        for connection in burning:
            connection.send_batch("BURN")
        start = time.monotonic()
        self.assert_serves()
        self.assertLess(time.monotonic() - start, 0.9)
        for connection in burning:
            connection.recv_reply()
            connection.close()

    def test_clients_that_stop_reading_leave_room_for_others(self):
        deaf = [self.server.connect(encrypt=encrypt) for encrypt in ENCRYPTIONS * 3]
        for connection in deaf:
            connection.send_batch("FLOOD")
        for _ in range(5):
            self.assert_serves()
        for connection in deaf:
            connection.close()
        self.assert_serves()

    def test_many_clients_at_once_get_their_own_answers(self):
        failures = []

        def client(number):
            try:
                with self.server.connect(encrypt=ENCRYPTIONS[number % 3]) as connection:
                    for i in range(50):
                        value = number * 1000 + i
                        if connection.execute(f"SELECT {value}") != [(value,)]:
                            failures.append(value)
            except Exception as error:  # noqa: BLE001 - told to the main thread
                failures.append(repr(error))

        threads = [threading.Thread(target=client, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


class Limits(Case):
    def test_silent_connections_are_capped_and_end_at_the_login_time_out(self):
        start = time.monotonic()
        silent = [self.server.raw() for _ in range(20)]
        self.assert_serves()  # the oldest silent ones made room
        for connection in silent:
            self.assert_closed(connection)
        self.assertLess(time.monotonic() - start, 10)
        self.assertGreater(time.monotonic() - start, 2)
        self.assert_serves()

    def test_failed_logins_are_delayed_for_their_own_login_only(self):
        for _ in range(3):
            start = time.monotonic()
            self.assert_login_fails([18456], user="ghost", password="x")
        self.assert_serves()
        self.assert_login_fails([18456], user="ghost", password="x")
        self.assertGreater(time.monotonic() - start, 0.25)  # from the third to the fourth


class Plaintext(Case):
    args = ("plaintext",)

    def test_clients_without_encryption_log_in_when_allowed(self):
        with self.server.connect(encrypt=tds.ENCRYPT_NOT_SUP) as connection:
            self.assertEqual(connection.scope, "none")
            self.assertEqual(connection.execute("SELECT 8"), [(8,)])

    def test_login_without_prelogin_works_when_allowed(self):
        connection = self.server.raw()
        connection.scope = "none"
        connection.login("admin", "secret-1", "", "x")
        self.assertEqual(connection.execute("SELECT 8"), [(8,)])
        connection.close()


class Stop(unittest.TestCase):
    def test_a_stop_ends_running_and_idle_connections_in_time(self):
        server = Server()
        connections = [server.connect(encrypt=encrypt) for encrypt in ENCRYPTIONS]
        connections[0].send_batch("WAIT")
        connections[1].send_batch("FLOOD")
        silent = server.raw()
        start = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - start, 3)
        for connection in connections + [silent]:
            connection.close()


class Drivers(Case):
    def test_tsql(self):
        done = subprocess.run(["tsql", "-H", HOST, "-p", str(self.server.port), "-U", "admin", "-P",
                               "secret-1"], input="SELECT 77\ngo\n", text=True, timeout=30,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertRegex(done.stdout, re.compile(r"^77$", re.M))

    def test_pymssql(self):
        import pymssql
        connection = pymssql.connect(server=HOST, port=self.server.port, user="admin",
                                     password="secret-1")
        cursor = connection.cursor()
        cursor.execute("SELECT 78")
        self.assertEqual(cursor.fetchall(), [(78,)])
        connection.close()
        with self.assertRaises(pymssql.OperationalError) as failure:
            pymssql.connect(server=HOST, port=self.server.port, user="admin", password="no")
        self.assertEqual(failure.exception.args[0][0], 18456)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    HANDOFF = sys.argv[1:2] == ["handoff"]
    if HANDOFF:
        sys.argv.pop(1)
    unittest.main(verbosity=1, warnings="ignore")

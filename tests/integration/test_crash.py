"""Goal: SIGKILL at any moment loses no acknowledged commit, nothing that a reader was shown, and leaves
nothing half done. Method: several clients write pairs of rows and count them, readers look, the server is
killed at a random moment, started again, and compared; many rounds over one data directory.

QUIRE_CRASH_SEED replays the moments of a failure (not the threads' order).
"""
import os
import random
import threading
import time
import unittest

import server
import tds

ROUNDS = 200 if os.environ.get("QUIRE_TEST_ALL") == "1" else 10
WRITERS, READERS = 4, 2
SEED = int(os.environ.get("QUIRE_CRASH_SEED", str(int(time.time()))))


class Round:
    """One life of the server: what its clients were told."""

    def __init__(self, quired, number, rng):
        self.quired, self.number = quired, number
        self.acked, self.tried, self.shown = set(), set(), set()
        self.counted = {}  # what the writer's counter was acknowledged to be
        self.problems = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.guard, args=(self.write, n, rng.random()))
                        for n in range(WRITERS)]
        self.threads += [threading.Thread(target=self.guard, args=(self.read, n, 0))
                         for n in range(READERS)]

    def guard(self, work, *args):
        try:
            work(*args)
        except (tds.Closed, tds.ProtocolError, tds.Failed, OSError):
            pass  # the kill
        except Exception as error:  # noqa: BLE001 - told to the main thread
            self.problems.append(repr(error))

    def write(self, writer, seed):
        rng = random.Random(seed)
        with self.quired.connect("crash", encrypt=tds.ENCRYPT_OFF) as connection:
            for step in range(100000):
                token = (self.number * WRITERS + writer) * 100000 + step
                statements = [f"INSERT a VALUES ({token}, REPLICATE('x', {rng.randrange(300)}))",
                              f"INSERT b VALUES ({token})",
                              f"UPDATE counters SET n = n + 1 WHERE writer = {writer}"]
                with self.lock:
                    self.tried.add(token)
                if rng.random() < 0.5:
                    reply = connection.batch("BEGIN TRAN; " + "; ".join(statements) + "; COMMIT")
                else:
                    for text in ["BEGIN TRAN"] + statements + ["COMMIT"]:
                        reply = connection.batch(text)
                        if reply.errors:
                            break
                if reply.errors:
                    self.problems.append(f"{token}: {reply.errors}")
                    return
                with self.lock:
                    self.acked.add(token)
                if rng.random() < 0.1:
                    connection.batch(f"BEGIN TRAN; DELETE a WHERE id = {token}; ROLLBACK")

    def read(self, _reader, _seed):
        with self.quired.connect("crash", encrypt=tds.ENCRYPT_OFF) as connection:
            while True:
                rows = connection.execute(
                    f"SELECT id FROM a WHERE id >= {self.number * WRITERS * 100000}")
                with self.lock:
                    self.shown.update(row[0] for row in rows)

    def run(self, seconds):
        for thread in self.threads:
            thread.start()
        time.sleep(seconds)  # the random moment
        self.quired.kill()
        for thread in self.threads:
            thread.join()


class Crash(unittest.TestCase):
    def test_nothing_acknowledged_or_shown_is_lost_by_a_kill(self):
        rng = random.Random(SEED)
        quired = server.Server().start()
        quired.create_database("crash")
        with quired.connect("crash") as connection:
            connection.execute("CREATE TABLE a (id bigint NOT NULL PRIMARY KEY, t varchar(300))")
            connection.execute("CREATE TABLE b (id bigint NOT NULL PRIMARY KEY)")
            connection.execute("CREATE TABLE counters (writer int NOT NULL PRIMARY KEY, n int)")
            for writer in range(WRITERS):
                connection.execute(f"INSERT counters VALUES ({writer}, 0)")
        kept = set()
        for number in range(1, ROUNDS + 1):
            life = Round(quired, number, rng)
            life.run(rng.uniform(0.02, 0.6))
            quired.start()
            with self.subTest(round=number, seed=SEED), quired.connect("crash") as connection:
                self.assertEqual(life.problems, [])
                a = {row[0] for row in connection.execute("SELECT id FROM a")}
                b = {row[0] for row in connection.execute("SELECT id FROM b")}
                self.assertEqual(a ^ b, set(), "half a transaction")
                self.assertEqual(life.acked - a, set(), "acknowledged and lost")
                self.assertEqual(life.shown - a, set(), "shown and lost")
                self.assertEqual(kept - a, set(), "lost from an earlier round")
                self.assertEqual(a - kept - life.tried, set(), "from nowhere")
                (total,), = connection.execute("SELECT SUM(n) FROM counters")
                self.assertEqual(total, len(a), "counted otherwise than inserted")
                kept = a
            if len(kept) > 20000:
                with quired.connect("crash") as connection:
                    connection.execute("TRUNCATE TABLE a; TRUNCATE TABLE b; "
                                       "UPDATE counters SET n = 0")
                kept = set()
        self.assertGreater(len(kept), 0)
        quired.stop()
        quired.remove()


if __name__ == "__main__":
    unittest.main()

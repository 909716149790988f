"""Kills quired with SIGKILL while clients write and read, starts it again and looks at what is left.

Every transaction leaves rows that tell whether it is there as a whole: it writes PARTS rows and moves
its client's counter, or moves money between accounts whose sum never changes. Each client keeps a
ledger of what was acknowledged; readers keep what they were shown. QUIRE_TEST_SEED replays the choices
(not the timing).
"""
import os
import random
import threading
import time
import unittest

import server
import tds

ROUNDS = 200 if os.environ.get("QUIRE_TEST_ALL") else 10
CLIENTS, READERS, PARTS, ACCOUNTS, BALANCE = 4, 2, 3, 20, 1000
SCHEMA = f"""
CREATE TABLE part (client int NOT NULL, seq int NOT NULL, part int NOT NULL, filler varchar(500),
    CONSTRAINT pk_part PRIMARY KEY (client, seq, part));
CREATE INDEX ix_part ON part (filler);
CREATE TABLE counter (client int NOT NULL PRIMARY KEY, seq int NOT NULL);
CREATE TABLE account (id int NOT NULL PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0));
CREATE TABLE ticket (id bigint NOT NULL IDENTITY PRIMARY KEY, client int NOT NULL);
DECLARE @i int = 0;
WHILE @i < {ACCOUNTS} BEGIN INSERT account VALUES (@i, {BALANCE}); SET @i += 1 END;
SET @i = 0;
WHILE @i < {CLIENTS} BEGIN INSERT counter VALUES (@i, 0); SET @i += 1 END"""
GONE = (tds.Closed, OSError)


class Writer(threading.Thread):
    """One client. `certain` maps a sequence number to whether its rows are there; what was under way
    when the server died is in `open`: both outcomes are right for it, half of one is not."""

    def __init__(self, quired, number, seed, ledger):
        super().__init__(daemon=True)
        self.quired, self.number, self.random = quired, number, random.Random(seed)
        self.certain, self.open, self.tickets = ledger
        self.aborted = set()
        self.acknowledged = 0
        self.failure = None

    def run(self):
        try:
            connection = self.quired.connect("d", packet_size=self.random.choice([512, 4096, 16384]))
            work = [self.insert_statement, self.insert_batch, self.insert_slowly, self.roll_back,
                    self.transfer, self.delete, self.ticket]
            while True:
                self.random.choice(work)(connection)
                self.acknowledged += 1
        except GONE:
            pass
        except Exception as error:  # shown by the main thread
            self.failure = error

    def rows(self, seq):
        filler = "x" * self.random.randrange(500)
        return [f"({self.number}, {seq}, {part}, '{filler}')" for part in range(PARTS)]

    def begin(self):
        seq = max([0, *self.certain, *self.open]) + 1
        self.open[seq] = "insert"
        return seq

    def sure(self, seq, there):
        self.certain[seq] = there
        del self.open[seq]

    def count(self, seq):
        return f"UPDATE counter SET seq = {seq} WHERE client = {self.number}"

    def insert_statement(self, connection):
        seq = self.begin()
        connection.execute(f"INSERT part VALUES {', '.join(self.rows(seq))}")
        self.sure(seq, True)

    def insert_batch(self, connection):
        seq = self.begin()
        lines = [f"INSERT part VALUES {row}" for row in self.rows(seq)]
        connection.execute("\n".join(["BEGIN TRAN", *lines, self.count(seq), "COMMIT"]))
        self.sure(seq, True)

    def insert_slowly(self, connection, end="COMMIT"):
        seq = self.begin()
        connection.execute("BEGIN TRAN")
        for row in self.rows(seq):
            connection.execute(f"INSERT part VALUES {row}")
        connection.execute(self.count(seq))
        if end != "COMMIT":
            self.aborted.add(seq)
            self.sure(seq, False)  # no way for it to be there
        connection.execute(end)
        if end == "COMMIT":
            self.sure(seq, True)

    def roll_back(self, connection):
        self.insert_slowly(connection, "ROLLBACK")

    def transfer(self, connection):
        source, target = self.random.sample(range(ACCOUNTS), 2)
        connection.execute(f"""
            BEGIN TRAN
            UPDATE account SET balance = balance - 1 WHERE id = {source} AND balance > 0
            IF @@ROWCOUNT = 1 UPDATE account SET balance = balance + 1 WHERE id = {target}
            COMMIT""")

    def delete(self, connection):
        there = [seq for seq, is_there in self.certain.items() if is_there]
        if not there:
            return
        seq = self.random.choice(there)
        del self.certain[seq]
        self.open[seq] = "delete"
        connection.execute(f"DELETE part WHERE client = {self.number} AND seq = {seq}")
        self.sure(seq, False)

    def ticket(self, connection):
        (number,), = connection.execute(
            f"INSERT ticket (client) OUTPUT inserted.id VALUES ({self.number})")
        if number in self.tickets:
            raise AssertionError(f"identity value {number} was given twice")
        self.tickets.add(number)


class Reader(threading.Thread):
    """Looks at everything, and keeps what it was shown: those commits must survive."""

    def __init__(self, quired):
        super().__init__(daemon=True)
        self.quired = quired
        self.seen, self.tickets = set(), 0
        self.failure = None

    def run(self):
        try:
            connection = self.quired.connect("d")
            while True:
                self.seen |= look(connection)
                (most,), = connection.execute("SELECT ISNULL(MAX(id), 0) FROM ticket")
                self.tickets = max(self.tickets, most)
        except GONE:
            pass
        except Exception as error:  # shown by the main thread
            self.failure = error


def look(connection):
    """The transactions that are there; fails for half a one."""
    groups = connection.execute(
        "SELECT client, seq, COUNT(*), COUNT(DISTINCT filler) FROM part GROUP BY client, seq")
    half = [group for group in groups if group[2] != PARTS or group[3] != 1]
    if half:
        raise AssertionError(f"half a transaction is there: {half[:5]}")
    (total,), = connection.execute("SELECT SUM(balance) FROM account")
    if total != ACCOUNTS * BALANCE:
        raise AssertionError(f"the accounts hold {total}, not {ACCOUNTS * BALANCE}")
    return {(client, seq) for client, seq, _, _ in groups}


class Crash(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("QUIRE_TEST_SEED") or random.SystemRandom().getrandbits(32))
        print(f"QUIRE_TEST_SEED={self.seed}", flush=True)
        self.random = random.Random(self.seed)
        self.ledgers = [({}, {}, set()) for _ in range(CLIENTS)]
        self.aborted = [set() for _ in range(CLIENTS)]

    def one_round(self, quired):
        writers = [Writer(quired, number, self.random.getrandbits(32), self.ledgers[number])
                   for number in range(CLIENTS)]
        readers = [Reader(quired) for _ in range(READERS)]
        for thread in writers + readers:
            thread.start()
        time.sleep(0.1 + self.random.random() ** 2 * 1.5)  # the moment is what is being tried
        quired.kill()
        for thread in writers + readers:
            thread.join()
            if thread.failure:
                raise thread.failure
        for writer in writers:
            self.aborted[writer.number] |= writer.aborted
        quired.start()
        self.verify(quired, readers)
        return sum(writer.acknowledged for writer in writers)

    def verify(self, quired, readers):
        with quired.connect("d", timeout=60) as connection:
            there = look(connection)
            tickets = {number for number, in connection.execute("SELECT id FROM ticket")}
            counters = dict(connection.execute("SELECT client, seq FROM counter"))
            by_index = connection.execute("SELECT COUNT(*) FROM part WITH (INDEX (ix_part)) "
                                          "WHERE filler >= ''")
            self.assertEqual(by_index, [(len(there) * PARTS,)])
            for client, (certain, opened, given) in enumerate(self.ledgers):
                wanted = {seq for seq, is_there in certain.items() if is_there}
                found = {seq for number, seq in there if number == client}
                self.assertLessEqual(wanted, found, "an acknowledged commit is lost")
                self.assertLessEqual(found, wanted | set(opened), "an aborted one is there")
                self.assertLessEqual(given, tickets, "an acknowledged ticket is lost")
                for reader in readers:
                    shown = {seq for number, seq in reader.seen if number == client}
                    kept = found | {seq for seq in certain if not certain[seq]} | \
                        {seq for seq, what in opened.items() if what == "delete"}
                    self.assertLessEqual(shown, kept, "what a reader was shown is lost")
                self.assertNotIn(counters[client], self.aborted[client], "an aborted count is there")
                for seq in list(opened):
                    certain[seq] = seq in found
                    del opened[seq]
            (most,), = connection.execute("INSERT ticket (client) OUTPUT inserted.id VALUES (0)")
            every = set().union(*(given for _, _, given in self.ledgers), tickets)
            self.assertGreater(most, max([*every, *(reader.tickets for reader in readers), 0]))

    def test_sigkill_at_any_moment_loses_no_commit_and_halves_none(self):
        acknowledged = 0
        with server.Server() as quired:
            quired.create_database("d")
            with quired.connect("d") as connection:
                connection.execute(SCHEMA)
            for number in range(ROUNDS):
                with self.subTest(round=number, seed=self.seed):
                    acknowledged += self.one_round(quired)
        self.assertGreater(acknowledged, 20 * ROUNDS)
        print(f"{ROUNDS} rounds, {acknowledged} acknowledged", flush=True)


if __name__ == "__main__":
    unittest.main()

"""Kills quired with SIGKILL while clients write and read, starts it again and looks at what is left.

Every client keeps a ledger: what is certainly there, and what the request under way would change. After
a crash its part of the database must be the one or the other, as a whole: so an acknowledged commit is
there, and one that was not acknowledged is there whole or not at all. Readers keep what they were
shown. The moment is an event: so many requests of one sort have been sent, and then the server has made so
many reads and writes more. It is also killed while it recovers, checkpoints and stops.

QUIRE_TEST_SEED replays the choices, not the scheduling.
"""
import os
import random
import signal
import sys
import threading
import time
import unittest

import server
import tds
from test_replicas import wait_for

ROUNDS = 200 if os.environ.get("QUIRE_TEST_ALL") else 10
CLIENTS, READERS, ACCOUNTS, BALANCE = 4, 2, 20, 1000
PARTS, TABLES, DATABASES = 8, 2, 1  # kept by a client
GONE = (tds.Closed, OSError)
PATIENCE = 60 * server.SLOWNESS
SCHEMA = f"""
CREATE TABLE part (client int NOT NULL, seq int NOT NULL, part int NOT NULL, parts int NOT NULL,
    filler varchar(500) NOT NULL, CONSTRAINT pk_part PRIMARY KEY (client, seq, part));
CREATE INDEX ix_part ON part (filler);
CREATE TABLE progress (client int NOT NULL PRIMARY KEY, step int NOT NULL, big varchar(max) NOT NULL);
CREATE TABLE account (id int NOT NULL PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0));
CREATE TABLE ticket (id bigint NOT NULL IDENTITY PRIMARY KEY, client int NOT NULL, seq int NOT NULL);
DECLARE @i int = 0;
WHILE @i < {ACCOUNTS} BEGIN INSERT account VALUES (@i, {BALANCE}); SET @i += 1 END;
SET @i = 0;
WHILE @i < {CLIENTS} BEGIN INSERT progress VALUES (@i, 0, ''); SET @i += 1 END"""
PART_COLUMNS = [("client", "int"), ("seq", "int"), ("part", "int"), ("parts", "int"),
                ("filler", "varchar(500)")]


class Ledger:
    """`known` maps what a client owns to its value; `under_way` is what the open request changes, None
    being gone."""

    def __init__(self):
        self.known = {"step": 0, "big": 0}
        self.under_way = {}
        self.removed = set()
        self.tickets = {}  # seq to the identity value that was shown
        self.last_seq = 0

    def outcome(self):
        merged = {**self.known, **self.under_way}
        return {key: value for key, value in merged.items() if value is not None}

    def settle(self, state):
        self.removed |= self.known.keys() - state.keys()
        self.known, self.under_way = state, {}

    def owned(self, kind):
        return [key for key in self.known if key[0] == kind]

    def next_seq(self):
        self.last_seq += 1
        return self.last_seq


class Moments:
    """Counts what the clients do, so that the main thread can wait for the n-th of it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.counts = {}
        self.over = False

    def note(self, name):
        with self.changed:
            self.counts[name] = self.counts.get(name, 0) + 1
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.over = True
            self.changed.notify_all()

    def wait_for(self, name, count):
        with self.changed:
            if not self.changed.wait_for(
                    lambda: self.over or self.counts.get(name, 0) >= count, PATIENCE):
                raise AssertionError(f"{name} was not done {count} times: {self.counts}")


class Client(threading.Thread):
    """Works until the server is gone. What went wrong before that is in `failure`."""

    def __init__(self, quired, moments, seed):
        super().__init__(daemon=True)
        self.quired, self.moments, self.random = quired, moments, random.Random(seed)
        self.failure = None
        self.connection = None

    def connect(self):
        self.connection = self.quired.connect(
            "crash", packet_size=self.random.choice([512, 4096, 16384]), timeout=PATIENCE)

    def run(self):
        try:
            self.connect()
            while True:
                self.work()
        except GONE:
            pass
        except Exception as error:  # shown by the main thread
            self.failure = error
        self.moments.end()


class Writer(Client):
    def __init__(self, quired, moments, seed, number, ledger):
        super().__init__(quired, moments, seed)
        self.number, self.ledger = number, ledger

    def work(self):
        name = self.random.choice(WORKS)
        self.moments.note(name)
        getattr(self, name)()
        self.moments.note("acknowledged")

    def execute(self, *requests, changes=None):
        """`changes` come true with the last request."""
        for sql in requests[:-1]:
            self.connection.execute(sql)
        self.ledger.under_way = changes or {}
        rows = self.connection.execute(requests[-1])
        self.ledger.settle(self.ledger.outcome())
        return rows

    def part_rows(self, seq, parts):
        filler = "x" * self.random.randrange(500)
        return [(self.number, seq, part, parts, filler) for part in range(parts)]

    def inserts(self, seq, parts=3):
        return [f"INSERT part VALUES {row}" for row in self.part_rows(seq, parts)]

    def step(self, seq):
        return f"UPDATE progress SET step = {seq} WHERE client = {self.number}"

    def insert_statement(self):
        seq = self.ledger.next_seq()
        values = ", ".join(map(str, self.part_rows(seq, 3)))
        self.execute(f"INSERT part VALUES {values}", changes={("part", seq): 3})

    def insert_batch(self):
        seq = self.ledger.next_seq()
        self.execute("\n".join(["BEGIN TRAN", *self.inserts(seq), self.step(seq), "COMMIT"]),
                     changes={("part", seq): 3, "step": seq})

    def insert_slowly(self):
        seq = self.ledger.next_seq()
        self.execute("BEGIN TRAN", *self.inserts(seq), self.step(seq), "COMMIT",
                     changes={("part", seq): 3, "step": seq})

    def insert_and_roll_back(self):
        seq = self.ledger.next_seq()
        self.execute("BEGIN TRAN", *self.inserts(seq), self.step(-1), "ROLLBACK")

    def insert_and_walk_away(self):
        seq = self.ledger.next_seq()
        self.execute("BEGIN TRAN", self.step(-1), *self.inserts(seq))
        self.connection.close()
        self.connect()

    def roll_back_to_a_savepoint(self):
        seq = self.ledger.next_seq()
        requests = ["BEGIN TRAN", *self.inserts(seq), "SAVE TRAN kept",
                    *self.inserts(seq + 1_000_000), self.step(-1),
                    "ROLLBACK TRAN kept", self.step(seq), "COMMIT"]
        if self.random.random() < 0.5:
            requests = ["\n".join(requests)]
        self.execute(*requests, changes={("part", seq): 3, "step": seq})

    def bulk_load(self):
        seq = self.ledger.next_seq()
        parts = self.random.randrange(1, 100)
        self.ledger.under_way = {("part", seq): parts}
        self.connection.bulk_load("part", PART_COLUMNS, self.part_rows(seq, parts))
        self.ledger.settle(self.ledger.outcome())

    def delete(self):
        owned = sorted(self.ledger.owned("part"))
        if owned:
            seq = owned[max(len(owned) - PARTS, 0)][1]
            self.execute(f"DELETE part WHERE client = {self.number} AND seq <= {seq}",
                         changes={key: None for key in owned if key[1] <= seq})

    def transfer(self):
        seq = self.ledger.next_seq()
        source, target = self.random.sample(range(ACCOUNTS), 2)
        self.execute(f"""
            BEGIN TRAN
            UPDATE account SET balance = balance - 1 WHERE id = {source} AND balance > 0
            IF @@ROWCOUNT = 1 UPDATE account SET balance = balance + 1 WHERE id = {target}
            {self.step(seq)}
            COMMIT""", changes={"step": seq})

    def write_big(self):
        size = self.random.randrange(100_000)
        self.execute("UPDATE progress SET big = REPLICATE(CAST('b' AS varchar(max)), "
                     f"{size}) WHERE client = {self.number}", changes={"big": size})

    def take_ticket(self):
        seq = self.ledger.next_seq()
        (number,), = self.execute("INSERT ticket (client, seq) OUTPUT inserted.id "
                                  f"VALUES ({self.number}, {seq})", changes={("ticket", seq): 1})
        self.ledger.tickets[seq] = number

    def make_table(self):
        if len(self.ledger.owned("table")) >= TABLES:
            return self.drop_table()
        seq = self.ledger.next_seq()
        name = f"made_{self.number}_{seq}"
        return self.execute(f"""
            BEGIN TRAN
            CREATE TABLE {name} (id int NOT NULL PRIMARY KEY, v varchar(20) NOT NULL DEFAULT 'v')
            CREATE INDEX ix ON {name} (v)
            INSERT {name} (id) VALUES (1), (2), (3)
            {self.step(seq)}
            COMMIT""", changes={("table", name): (2, 3), "step": seq})

    def select_into(self):
        if len(self.ledger.owned("table")) >= TABLES:
            return self.drop_table()
        name = f"made_{self.number}_{self.ledger.next_seq()}"
        return self.execute(f"SELECT id, balance INTO {name} FROM account",
                            changes={("table", name): (2, ACCOUNTS)})

    def drop_table(self):
        (_, name) = self.random.choice(self.ledger.owned("table"))
        return self.execute(f"DROP TABLE {name}", changes={("table", name): None})

    def alter_table(self):
        for key in self.ledger.owned("table")[:1]:
            seq = self.ledger.next_seq()
            columns, rows = self.ledger.known[key]
            self.execute("BEGIN TRAN", f"ALTER TABLE {key[1]} ADD c{seq} int NULL",
                         f"UPDATE {key[1]} SET c{seq} = 1", "COMMIT",
                         changes={key: (columns + 1, rows)})

    def roll_back_ddl(self):
        name = f"made_{self.number}_never"
        drops = [f"DROP TABLE {name}" for _, name in self.ledger.owned("table")]
        self.execute("BEGIN TRAN", f"CREATE TABLE {name} (id int)", *drops,
                     f"INSERT {name} VALUES (1)", "ROLLBACK")

    def connect_master(self):
        try:
            return self.quired.connect(timeout=PATIENCE)
        except tds.Failed as failed:  # the gateway may outlive the supervisor, and the node, for a moment
            if [message.number for message in failed.messages] != [40613]:
                raise
            self.quired.process.wait(PATIENCE)
            raise tds.Closed() from failed

    def make_database(self):
        owned = self.ledger.owned("database")
        key = owned[0] if len(owned) >= DATABASES else \
            ("database", f"db_{self.number}_{self.ledger.next_seq()}")
        verb, value = ("DROP", None) if key in owned else ("CREATE", True)
        with self.connect_master() as master:
            self.ledger.under_way = {key: value}
            try:
                master.execute(f"{verb} DATABASE {key[1]}")
            except tds.Failed as failed:  # the supervisor died first: how it ended is not known
                if [message.number for message in failed.messages] == [40197]:
                    raise tds.Closed() from failed
                raise
            self.ledger.settle(self.ledger.outcome())

    def checkpoint(self):
        self.execute("CHECKPOINT")


WORKS = [name for name, times in [
    ("insert_statement", 4), ("insert_batch", 4), ("insert_slowly", 4), ("insert_and_roll_back", 2),
    ("insert_and_walk_away", 1), ("roll_back_to_a_savepoint", 3), ("bulk_load", 3), ("delete", 2),
    ("transfer", 4), ("write_big", 3), ("take_ticket", 4), ("make_table", 2), ("select_into", 2),
    ("alter_table", 2), ("roll_back_ddl", 1), ("make_database", 1), ("checkpoint", 1),
] for _ in range(times)]


class Reader(Client):
    """Looks at everything, and keeps what it was shown: those commits must survive."""

    def __init__(self, quired, moments, seed):
        super().__init__(quired, moments, seed)
        self.parts, self.steps, self.last_ticket = set(), {}, 0

    def work(self):
        self.parts |= read_parts(self.connection).keys()
        self.steps.update(self.connection.execute("SELECT client, step FROM progress"))
        (self.last_ticket,), = self.connection.execute("SELECT ISNULL(MAX(id), 0) FROM ticket")


def read_parts(connection):
    """{(client, seq): parts}; fails for half a transaction."""
    groups = connection.execute(
        "SELECT client, seq, COUNT(*), MAX(part) + 1, MIN(parts), COUNT(DISTINCT filler) FROM part "
        "GROUP BY client, seq")
    half = [group for group in groups if not group[2] == group[3] == group[4] or group[5] != 1]
    if half:
        raise AssertionError(f"half a transaction is there: {half[:5]}")
    (total,), = connection.execute("SELECT SUM(balance) FROM account")
    if total != ACCOUNTS * BALANCE:
        raise AssertionError(f"the accounts hold {total}, not {ACCOUNTS * BALANCE}")
    return {(client, seq): parts for client, seq, parts, _, _, _ in groups}


def read_states(connection, master):
    """What is there, as each client's ledger would name it; and {(client, seq): ticket}."""
    states = [{} for _ in range(CLIENTS)]
    for (client, seq), parts in read_parts(connection).items():
        states[client]["part", seq] = parts
    for client, step, big in connection.execute("SELECT client, step, LEN(big) FROM progress"):
        states[client].update(step=step, big=big)
    tickets = {(client, seq): number for number, client, seq in
               connection.execute("SELECT id, client, seq FROM ticket WHERE seq > 0")}
    for client, seq in tickets:
        states[client]["ticket", seq] = 1
    for name, columns in connection.execute(
            "SELECT t.name, COUNT(*) FROM sys.tables t JOIN sys.columns c ON c.object_id = "
            "t.object_id WHERE t.name LIKE 'made%' GROUP BY t.name"):
        (rows,), = connection.execute(f"SELECT COUNT(*) FROM {name}")
        states[int(name.split("_")[1])]["table", name] = (columns, rows)
    for name, in master.execute("SELECT name FROM sys.databases WHERE name LIKE 'db%'"):
        states[int(name.split("_")[1])]["database", name] = True
    return states, tickets


def difference(found, wanted):
    return {key: (found.get(key), wanted.get(key)) for key in {**found, **wanted}
            if found.get(key) != wanted.get(key)}


class Crash(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("QUIRE_TEST_SEED") or random.SystemRandom().getrandbits(32))
        print(f"QUIRE_TEST_SEED={self.seed}", flush=True)
        self.random = random.Random(self.seed)
        self.ledgers = [Ledger() for _ in range(CLIENTS)]
        self.kills, self.acknowledged = {}, 0
        self.last_ticket = 0
        self.start_calls = 100  # reads and writes of the last start
        interval = sys.getswitchinterval()
        sys.setswitchinterval(0.0005)  # the killer must not wait for its turn
        self.addCleanup(sys.setswitchinterval, interval)

    def kill_after(self, quired, calls, how, is_over):
        """Kills the server when it has made so many reads and writes more, or when nothing would make
        it go on."""
        goal = quired.io_calls + calls
        deadline = time.monotonic() + PATIENCE
        while not is_over() and quired.io_calls < goal:
            self.assertLess(time.monotonic(), deadline, f"{calls} reads and writes did not come")
        quired.kill()
        self.kills[how] = self.kills.get(how, 0) + 1

    def work_until_killed(self, quired):
        """One round's clients and its kill; the readers, for what they were shown."""
        moments = Moments()
        seeds = [self.random.getrandbits(32) for _ in range(CLIENTS + READERS)]
        writers = [Writer(quired, moments, seeds[i], i, self.ledgers[i]) for i in range(CLIENTS)]
        readers = [Reader(quired, moments, seed) for seed in seeds[CLIENTS:]]
        for client in writers + readers:
            client.start()
        what = self.random.choice(["acknowledged"] * 2 + ["checkpoint", "stop"] + WORKS)
        moments.wait_for("acknowledged", self.random.randrange(60))
        if what == "stop":
            quired.process.send_signal(signal.SIGTERM)
        else:
            moments.wait_for(what, moments.counts.get(what, 0) + 1)
        self.kill_after(quired, self.random.randrange(60), what,
                        lambda: moments.over or quired.process.poll() is not None)
        for client in writers + readers:
            client.join(PATIENCE)
            if client.failure:
                raise client.failure
        self.acknowledged += moments.counts.get("acknowledged", 0)  # 0: it was killed before the first
        return readers

    def start_and_kill(self, quired):
        """Kills it while it starts, so that what recovery has half done is recovered again."""
        for _ in range(self.random.choice([0, 0, 1, 2])):
            quired.launch()
            self.kill_after(quired, self.random.randrange(self.start_calls), "start",
                            quired.has_printed)
        quired.launch()
        quired.wait_ready()
        self.start_calls = quired.io_calls

    def verify(self, connection, master, readers):
        check = connection.batch("DBCC CHECKDB WITH NO_INFOMSGS")
        self.assertEqual(check.errors + check.infos, [])
        # a CREATE or DROP that was under way goes on behind the start
        wait_for(lambda: master.execute("SELECT COUNT(*) FROM sys.dm_operation_status WHERE state < 2") == [(0,)])
        states, tickets = read_states(connection, master)
        (by_index,), = connection.execute(
            "SELECT COUNT(*) FROM part WITH (INDEX (ix_part)) WHERE filler >= ''")
        self.assertEqual(by_index, sum(parts for state in states for key, parts in state.items()
                                       if key[0] == "part"))
        for number, (ledger, found) in enumerate(zip(self.ledgers, states)):
            if found not in (ledger.known, ledger.outcome()):
                self.fail(f"client {number}, (found, wanted) without what was under way: "
                          f"{difference(found, ledger.known)}; with it: "
                          f"{difference(found, ledger.outcome())}")
            ledger.settle(found)
            for seq, given in ledger.tickets.items():
                self.assertEqual(tickets[number, seq], given, "a row has another identity value")
        for reader in readers:
            lost = {(client, seq) for client, seq in reader.parts
                    if ("part", seq) not in self.ledgers[client].known.keys() |
                    self.ledgers[client].removed}
            self.assertEqual(lost, set(), "what a reader was shown is lost")
            for client, step in reader.steps.items():
                self.assertGreaterEqual(states[client]["step"], step, "a step shown is lost")
        self.last_ticket = max([self.last_ticket, *tickets.values(),
                                *(reader.last_ticket for reader in readers)])
        (ticket,), = connection.execute("INSERT ticket (client, seq) OUTPUT inserted.id VALUES (0, 0)")
        self.assertGreater(ticket, self.last_ticket, "an identity value is given twice")

    def test_sigkill_at_any_moment_loses_no_commit_and_halves_none(self):
        quired = server.Server(announced=("database_row_left",)).start()
        quired.create_database("crash")
        with quired.connect("crash") as connection:
            connection.execute(SCHEMA)
        try:
            for number in range(ROUNDS):
                readers = self.work_until_killed(quired)
                self.start_and_kill(quired)
                with quired.connect("crash", timeout=PATIENCE) as connection, \
                        quired.connect(timeout=PATIENCE) as master:
                    self.verify(connection, master, readers)
        except BaseException:
            print(f"round {number} of seed {self.seed}; left in {quired.data_dir}", flush=True)
            raise
        print(f"{ROUNDS} rounds, {self.acknowledged} acknowledged, kills: {self.kills}", flush=True)
        self.assertGreater(self.acknowledged, 10 * ROUNDS)
        quired.stop()
        quired.remove()


if __name__ == "__main__":
    unittest.main()

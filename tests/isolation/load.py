"""Writes histories: many sessions at once, with time to think between statements, in one thread.

A session is a generator that yields what it wants (a request, a pause) and is given the reply. Every
element is written once. Keys are retired after some writes and each window has its own, so a window is
judged alone and forgotten: histories may last for hours.
"""
import heapq
import itertools
import random
import time

import wire
from history import FAIL, INFO, OK, Statement, Txn

SCHEMA = """
CREATE TABLE lists (k int NOT NULL PRIMARY KEY, v varchar(max) NOT NULL);
CREATE TABLE sets (id bigint NOT NULL IDENTITY PRIMARY KEY, k int NOT NULL, v int NOT NULL);
CREATE INDEX sets_k ON sets (k);
CREATE TABLE regs (k int NOT NULL PRIMARY KEY, v int NOT NULL, n int NOT NULL)"""
CLEAR = "TRUNCATE TABLE lists; TRUNCATE TABLE sets; TRUNCATE TABLE regs"
FILL = ("INSERT lists SELECT value, '' FROM GENERATE_SERIES(1, {0}); "
        "INSERT regs SELECT value, 0, 0 FROM GENERATE_SERIES(1, {0})")
KEYS = 3000  # rows of a window
OPEN_KEYS = {"l": 10, "s": 6, "r": 8}  # in use at once
WRITES_MAX = {"l": 60, "s": 24, "r": 80}  # of a key, before another takes its place
GIVEN_UP = {1205, 1222, 3960, 3961}
TRANSIENT = {40197, 40613, 40143, 40540, 4060, 18456, 3906, 10928, 10929, 49918, 17892}
PATIENCE = 60 * wire.server.SLOWNESS


def numbers(text):
    return [int(n) for n in text.split(",") if n]


class Keys:
    """The keys in use, by kind of object: a hot first one, and others come as they are retired."""

    def __init__(self, dice):
        self.dice = dice
        self.next = {kind: itertools.count(1) for kind in OPEN_KEYS}
        self.open = {kind: [[next(self.next[kind]), 0] for _ in range(n)] for kind, n in OPEN_KEYS.items()}
        self.used = {kind: set() for kind in OPEN_KEYS}

    def pick(self, kind, writes):
        at = int(self.dice.random() ** 2 * len(self.open[kind]))
        slot = self.open[kind][at]
        if writes:
            slot[1] += 1
            if slot[1] > WRITES_MAX[kind] and slot[0] < KEYS - 64:
                slot[:] = [next(self.next[kind]), 1]
        self.used[kind].add(slot[0])
        return slot[0]


class Request:
    """A statement's SQL, what it writes, and how its rows become operations."""

    def __init__(self, sql, writes=(), fill=None, rows=None):
        self.sql, self.writes, self.fill, self.count = sql, list(writes), fill, rows


def make_append(keys, value):
    k = keys.pick("l", True)
    return Request(f"UPDATE lists SET v = v + ',{value}' WHERE k = {k}", [("append", f"l{k}", value)], rows=1)


def make_add(keys, value):
    k = keys.pick("s", True)
    return Request(f"INSERT sets (k, v) VALUES ({k}, {value})", [("add", f"s{k}", value)], rows=1)


def make_write(keys, value):
    k = keys.pick("r", True)
    return Request(f"UPDATE regs SET v = {value}, n = n + 1 OUTPUT inserted.n WHERE k = {k}",
                   [("write", f"r{k}", value, None)],
                   lambda rows: [("write", f"r{k}", value, rows[0][0])])


def make_get(keys, _):
    k = keys.pick("r", False)
    return Request(f"SELECT v, n FROM regs WHERE k = {k}",
                   fill=lambda rows: [("get", f"r{k}", rows[0][0], rows[0][1])])


def make_scan(keys, _):
    k = keys.pick("s", False)
    return Request(f"SELECT v FROM sets WHERE k = {k} ORDER BY id",
                   fill=lambda rows: [("scan", f"s{k}", [row[0] for row in rows])])


def make_read(keys, _):
    k = keys.pick("l", False)
    return Request(f"SELECT v FROM lists WHERE k = {k}",
                   fill=lambda rows: [("read", f"l{k}", numbers(rows[0][0]))])


def make_read_both(keys, _):
    """Two lists and a register, in one statement."""
    a, b, r = keys.pick("l", False), keys.pick("l", False), keys.pick("r", False)
    return Request(f"SELECT k, v, -1 FROM lists WHERE k IN ({a}, {b}) UNION ALL "
                   f"SELECT k, CAST(v AS varchar(20)), n FROM regs WHERE k = {r}",
                   fill=lambda rows: [("read", f"l{k}", numbers(v)) if n < 0 else ("get", f"r{k}", int(v), n)
                                      for k, v, n in rows])


MAKERS = [(make_append, 5), (make_read, 4), (make_write, 3), (make_get, 3), (make_add, 2), (make_scan, 2),
          (make_read_both, 2)]


class Client:
    def __init__(self, window, number):
        self.window, self.number = window, number
        self.dice = random.Random(f"{window.seed}.{number}")
        self.connection, self.level = None, None
        self.program = self.work()

    def connect(self):
        self.connection = wire.Connection(self.window.quired, self.window.database)
        self.level = None

    # --- what it does ---

    def work(self):
        while not self.window.is_over():
            try:
                yield from self.transaction()
            except wire.GONE:
                self.connection = None
                yield "pause", 0.05
            yield "pause", self.dice.expovariate(1 / self.window.think)

    def statements(self, most):
        makers = self.dice.choices([m for m, _ in MAKERS], [w for _, w in MAKERS],
                                   k=self.dice.randint(1, most))
        if most > 1 and self.dice.random() < 0.25:  # read, then write: what lost updates and skews are made of
            makers = self.dice.choice(([make_read, make_append], [make_get, make_write],
                                       [make_scan, make_add], [make_read, make_scan, make_write]))
        return [maker(self.window.keys, next(self.window.values)) for maker in makers]

    def transaction(self):
        window = self.window
        level = self.dice.choice(window.levels)
        if self.connection is None:
            yield "connect", None
        if level != self.level:
            reply = yield "sql", f"SET TRANSACTION ISOLATION LEVEL {wire.LEVELS[level]}"
            if reply.errors and not self.window.disturbed:
                raise NotImplementedError(repr(reply.errors[0]))
            if reply.errors:
                yield from self.give_up(reply)
                return
            self.level = level
        form = self.dice.random()
        txn = Txn(self.number, level, time.monotonic_ns(), state=FAIL)
        window.txns.append(txn)
        if form < 0.75:
            yield from self.interactive(txn)
        else:
            yield from self.one_message(txn, self.statements(1 if form < 0.85 else 4), form >= 0.85)

    def interactive(self, txn):
        reply = yield ("sql", "BEGIN TRAN") if self.dice.random() < 0.5 else ("tm", "begin")
        if reply.errors:
            yield from self.give_up(reply)
            return
        for request in self.statements(5):
            yield "pause", self.dice.expovariate(1 / self.window.think)
            if self.dice.random() < 0.04 and not (yield from self.undone(txn)):
                return
            statement = Statement(time.monotonic_ns(), None, request.writes)
            txn.statements.append(statement)
            reply = yield "sql", request.sql
            if reply.errors or not self.understood(request, [reply.rows], reply, statement):
                yield from self.give_up(reply)
                return
            statement.ended = time.monotonic_ns()
        if self.dice.random() < 0.08:
            yield from self.give_up(None)
            return
        txn.state = INFO
        reply = yield ("sql", "COMMIT") if self.dice.random() < 0.5 else ("tm", "commit")
        yield from self.settle(txn, reply)

    def undone(self, txn):
        """Something is appended and rolled back to a savepoint: a transaction of its own that failed. To
        `txn` it is a statement that may have been its first, with which its snapshot began."""
        request = make_append(self.window.keys, next(self.window.values))
        txn.statements.append(Statement(time.monotonic_ns(), None, []))
        self.window.txns.append(Txn(self.number, self.level, time.monotonic_ns(), [
            Statement(time.monotonic_ns(), None, request.writes)], FAIL))
        for text in (f"SAVE TRAN s; {request.sql}", "ROLLBACK TRAN s"):
            reply = yield "sql", text
            if reply.errors:
                yield from self.give_up(reply)
                return False
        return True

    def one_message(self, txn, requests, in_transaction):
        now = time.monotonic_ns()
        txn.statements = [Statement(now, None, r.writes) for r in requests]
        text = "; ".join(r.sql for r in requests)
        txn.state = INFO
        reply = yield "sql", f"SET XACT_ABORT ON; BEGIN TRAN; {text}; COMMIT" if in_transaction else text
        sets = iter([rows for _, rows in reply.results()])
        if not reply.errors:
            for request, statement in zip(requests, txn.statements):
                self.understood(request, [next(sets, [])] if request.fill else [[]], None, statement)
                statement.ended = time.monotonic_ns()
        yield from self.settle(txn, reply)

    def understood(self, request, sets, reply, statement):
        """Turns rows into operations. False, and noted, if they are not what such a statement gives."""
        try:
            if request.fill:
                statement.ops = request.fill(sets[0])
            if request.count is not None and reply is not None:
                counts = [done.count for done in reply.dones if done.status & 0x10]
                if counts != [request.count]:
                    raise ValueError(f"{counts} rows")
            return True
        except (IndexError, TypeError, ValueError) as error:
            self.window.unexpected.append(f"{request.sql}: {error}")
            return False

    def settle(self, txn, reply):
        if not reply.errors:
            txn.state, txn.ended = OK, time.monotonic_ns()
            self.window.committed += 1
        else:
            if not {e.number for e in reply.errors} & TRANSIENT:
                txn.state = FAIL
            yield from self.give_up(reply)

    def give_up(self, reply):
        numbers_of = {error.number for error in reply.errors} if reply else set()
        expected = GIVEN_UP | (TRANSIENT if self.window.disturbed else set())
        for error in reply.errors if reply else ():
            self.window.errors[error.number] = self.window.errors.get(error.number, 0) + 1
            if error.number not in expected and not (error.number == 3998 and numbers_of & GIVEN_UP):
                self.window.unexpected.append(repr(error))
        if reply is None or self.connection.transaction:
            yield "sql", "IF @@TRANCOUNT > 0 ROLLBACK"


class Window:
    """One history: its sessions, and what they did."""

    def __init__(self, quired, database, levels, seed, sessions=64, think=0.005):
        self.quired, self.database, self.levels, self.seed = quired, database, levels, seed
        self.think = think
        self.keys, self.values = Keys(random.Random(seed)), itertools.count(1)
        self.txns, self.errors, self.unexpected = [], {}, []
        self.committed, self.disturbed = 0, False
        self.deadline = None
        self.clients = [Client(self, n) for n in range(sessions)]
        self.timers, self.order = [], itertools.count()
        self.waiting = {}  # client -> when it asked

    def is_over(self):
        return time.monotonic() >= self.deadline

    def prepare(self):
        self.await_database()
        with wire.Connection(self.quired, self.database, timeout=PATIENCE) as connection:
            connection.execute(CLEAR)
            connection.execute(FILL.format(KEYS))

    def at(self, seconds, client, value):
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.order), client, value))

    def resume(self, client, value, raised=None):
        """Runs a session up to its next wish."""
        while True:
            try:
                wish, what = client.program.throw(raised) if raised else client.program.send(value)
            except StopIteration:
                self.running.discard(client)
                return
            raised = value = None
            if wish == "pause":
                self.at(what, client, None)
                return
            try:
                if wish == "connect":
                    client.connect()
                    continue
                if wish == "tm":
                    client.connection.submit_tm(what)
                else:
                    client.connection.submit(what)
                self.waiting[client] = time.monotonic()
                return
            except (*wire.GONE, wire.tds.Failed) as error:
                client.connection = None
                if isinstance(error, wire.tds.Failed) and not self.disturbed:
                    self.unexpected.append(repr(error))
                raised = wire.tds.Closed()

    def serve(self, seconds):
        """Lets all sessions work for so long, or until they have ended."""
        until = time.monotonic() + seconds
        while self.running and time.monotonic() < until:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                _, _, client, value = heapq.heappop(self.timers)
                self.resume(client, value)
            pause = min(self.timers[0][0] if self.timers else until, until) - time.monotonic()
            by_connection = {c.connection: c for c in self.waiting}
            for connection in wire.wait_any(by_connection, min(max(pause, 0), 0.5)):
                self.receive(by_connection[connection])
            if self.waiting and now - min(self.waiting.values()) > PATIENCE:
                raise AssertionError(f"a session has had no answer for {PATIENCE} s")

    def receive(self, client):
        try:
            reply = client.connection.poll()
        except wire.GONE:
            del self.waiting[client]
            client.connection = None
            if not self.disturbed:
                self.unexpected.append("a connection was closed")
            self.resume(client, None, wire.tds.Closed())
            return
        if reply is not None:
            del self.waiting[client]
            self.resume(client, reply)

    def run(self, seconds, disturb=None):
        """Plays it; `disturb(window)` is called in the middle."""
        self.prepare()
        begun = time.monotonic()
        self.deadline = begun + seconds
        self.running = set(self.clients)
        for client in self.clients:
            self.at(client.dice.random() * self.think, client, None)
        if disturb is not None:
            self.serve(seconds / 2)
            self.disturbed = True
            lost = time.monotonic()
            disturb(self)
            self.deadline += time.monotonic() - lost
        self.serve(seconds + 2 * PATIENCE)
        if self.running:
            raise AssertionError("sessions do not come to their end")
        for client in self.clients:
            if client.connection is not None:
                client.connection.close()
        self.read_all()

    def await_database(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with wire.Connection(self.quired, self.database, timeout=PATIENCE) as connection:
                    connection.execute("UPDATE lists SET v = v WHERE k = -1")
                    return
            except (*wire.GONE, wire.tds.Failed):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def read_all(self):
        """The last transaction: everything, when all is over."""
        txn = Txn(-1, "RC", time.monotonic_ns(), final=True)
        self.await_database()
        with wire.Connection(self.quired, self.database, timeout=PATIENCE) as connection:
            begun = time.monotonic_ns()
            lists = {k: numbers(v) for k, v in connection.execute("SELECT k, v FROM lists WHERE v <> ''")}
            regs = {k: (v, n) for k, v, n in connection.execute("SELECT k, v, n FROM regs WHERE n > 0")}
            sets = {}
            for k, v in connection.execute("SELECT k, v FROM sets ORDER BY id"):
                sets.setdefault(k, []).append(v)
        used = self.keys.used
        ops = [("read", f"l{k}", lists.get(k, [])) for k in sorted(used["l"])]
        ops += [("get", f"r{k}", *regs.get(k, (0, 0))) for k in sorted(used["r"])]
        ops += [("scan", f"s{k}", sets.get(k, [])) for k in sorted(used["s"])]
        txn.statements = [Statement(begun, time.monotonic_ns(), ops)]
        txn.state, txn.ended = OK, time.monotonic_ns()
        self.txns.append(txn)

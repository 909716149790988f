"""What takes more than a few steps: many clients at once, each a thread, and a count at the end."""
import random
import threading
import time

import wire

WORKERS, PATIENCE = 32, 60 * wire.server.SLOWNESS
DEADLOCK, DUPLICATE = 1205, 2627


class Wrong(AssertionError):
    pass


class Crew:
    """Threads that each run `work(connection, number, dice)`; the first failure of any is raised."""

    def __init__(self, quired, database, count, work, seed=0):
        self.quired, self.database, self.work, self.failures = quired, database, work, []
        self.threads = [threading.Thread(target=self.run, args=(n, random.Random(f"{seed}.{n}")), daemon=True)
                        for n in range(count)]

    def run(self, number, dice):
        try:
            self.work(self.connect(), number, dice)
        except BaseException as error:
            self.failures.append(error)

    def connect(self):
        return wire.Connection(self.quired, self.database, timeout=PATIENCE)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        deadline = time.monotonic() + 2 * PATIENCE
        for thread in self.threads:
            thread.join(max(deadline - time.monotonic(), 0))
        if kind is None and self.failures:
            raise self.failures[0]
        if kind is None and any(thread.is_alive() for thread in self.threads):
            raise Wrong("a client is still at work")


def ok(reply, allowed=()):
    """True; False if it failed as it may; raises otherwise."""
    for error in reply.errors:
        if error.number not in allowed:
            raise Wrong(repr(error))
    return not reply.errors


def expect(rows, wanted, what):
    if rows != wanted:
        raise Wrong(f"{what}: {rows}, not {wanted}")


def job_queue(quired, database, big, take):
    """Workers take jobs off a table; some give theirs back, some die with one. Every job is done once."""
    jobs = 2000 if big else 200
    with wire.Connection(quired, database) as owner:
        owner.execute("CREATE TABLE jobs (id int NOT NULL PRIMARY KEY, taken bit NOT NULL); "
                      "CREATE TABLE done (id int NOT NULL, worker int NOT NULL)")
        owner.execute(f"INSERT jobs SELECT value, 0 FROM GENERATE_SERIES(1, {jobs})")

        def work(connection, number, dice):
            while True:
                ok(connection.batch("BEGIN TRAN"))
                rows = take(connection)
                if not rows:  # the rest is held by others, or done
                    ok(connection.batch("ROLLBACK"))
                    if connection.execute("SELECT COUNT(*) FROM jobs WHERE taken = 0") == [(0,)]:
                        return
                    continue
                (job,), = rows
                ok(connection.batch(f"INSERT done VALUES ({job}, {number})"))
                chance = dice.random()
                if chance < 0.05:
                    ok(connection.batch("ROLLBACK"))
                elif chance < 0.08:
                    connection.close()
                    connection = wire.Connection(quired, database, timeout=PATIENCE)
                else:
                    ok(connection.batch("COMMIT"))

        with Crew(quired, database, WORKERS, work):
            pass
        expect(owner.execute("SELECT COUNT(*), COUNT(DISTINCT id), COUNT(DISTINCT worker) FROM done")[0][:2],
               (jobs, jobs), "jobs done, different jobs")


def take_by_lock(connection):
    rows = connection.execute("SELECT TOP (1) id FROM jobs WITH (UPDLOCK, READPAST, ROWLOCK) "
                              "WHERE taken = 0 ORDER BY id")
    if rows:
        reply = connection.batch(f"UPDATE jobs SET taken = 1 WHERE id = {rows[0][0]}")
        ok(reply)
        expect(reply.dones[-1].count, 1, "rows updated")
    return rows


def take_by_output(connection):
    return connection.execute("WITH first AS (SELECT TOP (1) id, taken FROM jobs WITH (ROWLOCK, READPAST, UPDLOCK) "
                              "WHERE taken = 0 ORDER BY id) UPDATE first SET taken = 1 OUTPUT inserted.id")


def queue_by_lock(quired, database, big):
    job_queue(quired, database, big, take_by_lock)


def queue_by_output(quired, database, big):
    job_queue(quired, database, big, take_by_output)


def bank(quired, database, big):
    """Transfers between accounts, by statements with pauses; every look at all accounts sees the same sum."""
    accounts, rounds = 16, 100 if big else 8
    with wire.Connection(quired, database) as owner:
        owner.execute("CREATE TABLE account (id int NOT NULL PRIMARY KEY, v int NOT NULL); "
                      f"INSERT account SELECT value, 100 FROM GENERATE_SERIES(1, {accounts})")
        over = threading.Event()

        def transfer(connection, _, dice):
            for _ in range(rounds):
                a, b = dice.sample(range(1, accounts + 1), 2)
                connection.execute("BEGIN TRAN")
                for sign, account in (("-", a), ("+", b)):
                    if not ok(connection.batch(f"UPDATE account SET v = v {sign} 1 WHERE id = {account}"),
                              {DEADLOCK}):
                        break
                    time.sleep(dice.random() * 0.004)
                else:
                    connection.execute("COMMIT" if dice.random() < 0.9 else "ROLLBACK")

        def audit(connection, number, _):
            levels = ("READ COMMITTED", "SNAPSHOT")
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {levels[number % 2]}")
            while not over.is_set():
                connection.execute("BEGIN TRAN")
                expect(connection.execute("SELECT SUM(v), COUNT(*) FROM account"),
                       [(100 * accounts, accounts)], "money and accounts")
                connection.execute("COMMIT")

        with Crew(quired, database, 4, audit):
            try:
                with Crew(quired, database, 16, transfer):
                    pass
            finally:
                over.set()


def unique_storm(quired, database, big):
    """All insert the same keys, some roll back: a key is refused only where it is there, and is there once."""
    keys, workers = 200 if big else 20, 12
    kept, refused, mutex = {}, set(), threading.Lock()
    with wire.Connection(quired, database) as owner:
        owner.execute("CREATE TABLE uniq (id int NOT NULL IDENTITY PRIMARY KEY, k int NOT NULL UNIQUE, w int NOT NULL)")

        def work(connection, number, dice):
            for key in range(keys):
                connection.execute("BEGIN TRAN")
                inserted = ok(connection.batch(f"INSERT uniq (k, w) VALUES ({key}, {number})"), {DUPLICATE})
                if inserted and dice.random() < 0.7:
                    with mutex:
                        if key in kept:
                            raise Wrong(f"{key} was inserted by {kept[key]} and by {number}")
                        kept[key] = number
                    connection.execute("COMMIT")
                    continue
                connection.execute("ROLLBACK")
                if not inserted:
                    with mutex:
                        refused.add(key)

        with Crew(quired, database, workers, work):
            pass
        expect(dict(owner.execute("SELECT k, w FROM uniq")), kept, "keys and who inserted them")
        expect(sorted(refused - kept.keys()), [], "keys that were refused and are not there")


def disconnect_storm(quired, database, big):
    """Clients die in the midst of transactions; nothing that they held or wrote is left."""
    rounds = 50 if big else 5
    with wire.Connection(quired, database) as owner:
        owner.execute("CREATE TABLE held (id int NOT NULL PRIMARY KEY, v int NOT NULL); "
                      "INSERT held SELECT value, 0 FROM GENERATE_SERIES(1, 64)")

        def work(connection, number, dice):
            for _ in range(rounds):
                connection.execute("BEGIN TRAN")
                connection.execute(f"UPDATE held SET v = 1 WHERE id = {number + 1}")
                connection.execute(f"INSERT held VALUES ({1000 + number}, 1)")
                if dice.random() < 0.5:
                    connection.submit(f"UPDATE held SET v = 2 WHERE id = {number + 33}")
                connection.close()
                connection = wire.Connection(quired, database, timeout=PATIENCE)
            connection.close()

        with Crew(quired, database, 16, work):
            pass
        owner.execute(f"SET LOCK_TIMEOUT {int(PATIENCE * 500)}")
        reply = owner.batch("UPDATE held SET v = v + 10")
        ok(reply)
        expect(owner.execute("SELECT DISTINCT v, (SELECT COUNT(*) FROM held) FROM held"), [(10, 64)],
               "what is left")


def identity_storm(quired, database, big):
    """Inserters of one table, some of whom roll back: no value is given twice, none comes back."""
    rounds = 100 if big else 10
    given, mutex = [], threading.Lock()
    with wire.Connection(quired, database) as owner:
        owner.execute("CREATE TABLE ident (id int NOT NULL IDENTITY PRIMARY KEY, w int NOT NULL)")

        def work(connection, number, dice):
            kept = []
            for _ in range(rounds):
                connection.execute("BEGIN TRAN")
                values = [connection.execute(f"INSERT ident (w) OUTPUT inserted.id VALUES ({number})")[0][0]
                          for _ in range(2)]
                end = dice.choice(("COMMIT", "ROLLBACK"))
                connection.execute(end)
                with mutex:
                    given.extend(values)
                kept += values if end == "COMMIT" else []
            expect([row[0] for row in connection.execute(f"SELECT id FROM ident WHERE w = {number} ORDER BY id")],
                   kept, f"identities kept by {number}")

        with Crew(quired, database, 8, work):
            pass
        expect(len(set(given)), len(given), "different identities")


def huge(quired, database, big):
    """A transaction of many rows beside small ones on other tables, and its rollback."""
    rows = 300000 if big else 20000
    with wire.Connection(quired, database) as owner, wire.Connection(quired, database) as other:
        owner.timeout = PATIENCE
        owner.socket.settimeout(PATIENCE * 5)
        owner.execute("CREATE TABLE many (id int NOT NULL PRIMARY KEY, v int NOT NULL, filler char(100) NOT NULL); "
                      "CREATE TABLE few (id int NOT NULL IDENTITY PRIMARY KEY)")
        owner.execute(f"INSERT many SELECT value, 0, 'x' FROM GENERATE_SERIES(1, {rows})")
        for end, value in (("ROLLBACK", 0), ("COMMIT", 1)):
            owner.execute("BEGIN TRAN")
            owner.execute("UPDATE many SET v = v + 1")
            ok(other.batch("SET LOCK_TIMEOUT 5000; INSERT few DEFAULT VALUES"))
            expect(other.execute("SELECT DISTINCT v FROM many"), [(0,)], "what others see of it")
            expect(owner.execute("SELECT DISTINCT v FROM many"), [(1,)], "what it sees of itself")
            owner.execute(end)
            expect(other.execute("SELECT DISTINCT v, (SELECT COUNT(*) FROM many) FROM many"), [(value, rows)],
                   f"what is there after {end}")
        expect(other.execute("SELECT COUNT(*) FROM few"), [(2,)], "small transactions")


# name: (what it needs of the server, the program)
READS = "SELECT COUNT_BIG(*) FROM t a, t b, t c, t d"
KILLED = {  # what it is at; what another does first, so that it waits
    "waits for a row": ("UPDATE t SET v = 1 WHERE k = 2", "UPDATE t SET v = 3 WHERE k = 2"),
    "waits for a key": ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT COUNT(*) FROM t JOIN u ON u.k = t.k WHERE t.v = 20",
                        "INSERT u VALUES (200)"),
    "waits for time": ("WAITFOR DELAY '00:01:00'", None),
    "reads": (READS, None),
    "writes": ("UPDATE t SET v = (SELECT COUNT_BIG(*) FROM t a, t b, t c, t d) WHERE k = 3", None),
    "waits for its client": ("SELECT a.k, b.k, c.k FROM t a, t b, t c", None),  # who reads nothing of it
}
AT_WORK = ("SELECT COUNT(*) FROM sys.dm_exec_requests WHERE session_id = {} AND (blocking_session_id <> 0 OR "
           "wait_type IN ('WAITFOR', 'ASYNC_NETWORK_IO') OR command <> 'SELECT' AND total_elapsed_time > 50 OR {} = 0)")


def killed(quired, database, _):
    """KILL ends a session wherever it is: what it had locked is free though another stays and its client does not read."""
    with wire.Connection(quired, database) as owner:
        owner.execute("CREATE TABLE t (k int NOT NULL PRIMARY KEY, v int NOT NULL, INDEX t_v (v)); "
                      "INSERT t SELECT value, value / 10 FROM GENERATE_SERIES(1, 300); CREATE TABLE u (k int NOT NULL PRIMARY KEY)")
        owner.execute(f"SET LOCK_TIMEOUT {int(PATIENCE * 100)}")
        for what, (at, before) in KILLED.items():
            with wire.Connection(quired, database) as blocker, wire.Connection(quired, database) as victim:
                if before is not None:
                    ok(blocker.batch("BEGIN TRAN; " + before))
                ok(victim.batch("BEGIN TRAN; UPDATE t SET v = -1 WHERE k = 1"))
                victim.submit(at)
                while owner.execute(AT_WORK.format(victim.spid, int(at != READS))) != [(1,)]:
                    time.sleep(0.005)
                ok(owner.batch(f"KILL {victim.spid}"))
                if not ok(owner.batch("UPDATE t SET v = 0 WHERE k = 1"), {1222}):
                    raise Wrong(f"killed while it {what}, it holds its locks")


DRIVER = "DECLARE @d TABLE (k int); INSERT @d VALUES ({0}), ({1}); "
DISTINCT = "DECLARE @d TABLE (k int); INSERT @d SELECT {0} UNION SELECT {1}; "
LOOKS = [  # by keys that only rows of `o`, or of a table variable, name; by sides of an OR; as targets of changes
    "SELECT COUNT(*), SUM(l.v) FROM o JOIN l ON l.oid = o.id WHERE o.c = {0}",
    "SELECT COUNT(*), SUM(l.v) FROM o, l WHERE l.v = o.id AND o.c IN ({0}, {1})",
    "SELECT COUNT(*), SUM(l.v) FROM o LEFT JOIN l ON l.oid = o.id AND l.n = o.id WHERE o.c = {0}",
    "SELECT COUNT(*), SUM(l.v) FROM o LEFT JOIN l ON l.oid = o.id WHERE o.c = {0} AND l.v > {1}",
    "SELECT COUNT(*) FROM l JOIN o ON l.oid = o.id WHERE o.c = {0}",
    "SELECT COUNT(*) FROM o WHERE c = {0} AND NOT EXISTS (SELECT 1 FROM l WHERE l.oid = o.id AND l.v > {1})",
    "SELECT id, (SELECT MAX(v) FROM l WHERE l.s = o.s) FROM o WHERE c = {0} ORDER BY id",
    "SELECT o.id, q.n FROM o CROSS APPLY (SELECT TOP (1) l.n FROM l WHERE l.oid = o.id ORDER BY l.n DESC) q WHERE o.c = {0} ORDER BY 1",
    "SELECT COUNT(*), SUM(m.v) FROM o JOIN l ON l.oid = o.id LEFT JOIN l m ON m.oid = l.v WHERE o.c = {0}",
    "SELECT dbo.lines({0})",
    DRIVER + "SELECT COUNT(*), SUM(l.v) FROM @d d JOIN l ON l.oid = d.k",
    DRIVER + "SELECT COUNT(*), SUM(l.v) FROM l JOIN @d d ON d.k = l.v AND l.n < 4",
    DRIVER + "SELECT COUNT(*), SUM(l.v) FROM l JOIN @d d ON d.k = l.oid JOIN o ON o.id = l.n LEFT JOIN @d e ON e.k = o.c",
    DRIVER + "SELECT COUNT(*) FROM o WHERE id = {2} AND EXISTS (SELECT 1 FROM @d d JOIN l ON l.oid = d.k)",
    "SELECT COUNT(*), SUM(v) FROM l WHERE oid = {0} OR v BETWEEN {1} AND {2} OR s = 'a'",
    "SELECT COUNT(*), SUM(n) FROM l WHERE (oid = {0} AND n > {1} OR v IN ({1}, {2})) AND n < 4",
    "SELECT COUNT(*), SUM(l.v) FROM o JOIN l ON l.oid = o.id WHERE o.c = {0} OR o.id = {1}",
    "SELECT COUNT(*) FROM l WHERE s = 'a' OR s > 'b' OR n = {0}",
    "UPDATE l SET n = n WHERE oid = {0} OR v = {1}; SELECT @@ROWCOUNT",
    DISTINCT + "MERGE l USING @d d ON l.oid = d.k WHEN MATCHED THEN UPDATE SET n = l.n WHEN NOT MATCHED AND d.k < 0 THEN "
    "INSERT VALUES (d.k, 0, 0, ''); SELECT @@ROWCOUNT",
    DISTINCT + "MERGE o USING @d d ON o.c = d.k WHEN MATCHED THEN UPDATE SET c = o.c; SELECT @@ROWCOUNT",
    DISTINCT + "MERGE l USING (SELECT k AS x FROM @d WHERE k <> 3) d ON l.oid = d.x WHEN MATCHED THEN UPDATE SET n = l.n; SELECT @@ROWCOUNT",
    DISTINCT + "MERGE o USING (SELECT k + 1 AS x FROM @d) d ON o.id = d.x WHEN MATCHED THEN UPDATE SET c = o.c; SELECT @@ROWCOUNT",
    DISTINCT + "SELECT COUNT(*), SUM(l.v) FROM (SELECT DISTINCT k FROM @d) d LEFT JOIN l ON l.oid = d.k",
    DISTINCT + "UPDATE l SET v = l.v FROM l JOIN @d d ON d.k = l.v; SELECT @@ROWCOUNT",
    DISTINCT + "DELETE l FROM @d d JOIN l ON l.oid = d.k WHERE l.n > 9; SELECT COUNT(*) FROM @d d JOIN l ON l.oid = d.k WHERE l.n > 3",
    # inside of subqueries, by rows around them that are locked with their table
    "SELECT COUNT(*) FROM o WHERE c + 0 = {0} AND EXISTS (SELECT 1 FROM l WHERE l.oid = o.id AND l.v > {1})",
    "SELECT COUNT(*) FROM o WHERE c + 0 = {0} AND NOT EXISTS (SELECT 1 FROM l WITH (UPDLOCK) WHERE l.v = o.id AND l.n < {1})",
    "SELECT COUNT(*) FROM o WHERE c + 0 = {0} AND id NOT IN (SELECT oid FROM l WHERE l.n > o.c - {1})",
    "SELECT id, (SELECT SUM(v) FROM l WHERE l.oid = o.id) FROM o WHERE c + 0 = {0} ORDER BY id",
    # by the values of IN (SELECT ...), and of targets by rows of any kind
    "SELECT COUNT(*), SUM(v) FROM l WHERE oid IN (SELECT id FROM o WHERE c = {0})",
    "SELECT COUNT(*), SUM(v) FROM l WHERE v IN (SELECT MAX(id) FROM o WHERE c <> {0} GROUP BY c) AND n < 4",
    "SELECT COUNT(*), SUM(v) FROM l WHERE s = ANY (SELECT s FROM o WHERE id IN ({0}, {1}))",
    "SELECT COUNT(*) FROM o WHERE id IN (SELECT oid FROM l WHERE v IN (SELECT id FROM o WHERE c = {0}))",
    "SELECT COUNT(*) FROM o JOIN l ON l.oid = o.id WHERE o.c IN (SELECT value FROM STRING_SPLIT('{0},{1}', ','))",
    "SELECT COUNT(*), SUM(l.v) FROM l LEFT JOIN o ON o.id = l.v WHERE l.oid IN (SELECT v FROM OPENJSON('[{0},{1}]') WITH (v int '$'))",
    "SELECT COUNT(*) FROM o LEFT JOIN l ON l.oid = o.id AND l.v IN (SELECT {1} UNION SELECT {2}) WHERE o.c = {0}",
    "SELECT COUNT(*), SUM(l.v) FROM OPENJSON('[{0},{1}]') WITH (v int '$') d JOIN l ON l.oid = d.v",
    "SELECT COUNT(*), SUM(l.v) FROM l JOIN (SELECT value % 6 AS x FROM GENERATE_SERIES({0}, {0} + 1) GROUP BY value % 6) d ON l.oid = d.x",
    DRIVER + "IF EXISTS (SELECT * FROM l WHERE v IN (SELECT k FROM @d)) SELECT 1 ELSE SELECT 0",
    "UPDATE l SET n = n WHERE oid IN (SELECT id FROM o WHERE c = {0}); SELECT @@ROWCOUNT",
    "DELETE l WHERE v IN (SELECT TOP (2) id FROM o WHERE c >= {0} ORDER BY id) AND n > 9; SELECT COUNT(*) FROM l WHERE oid = {1}",
    "MERGE l USING (SELECT id FROM o WHERE c = {0}) d ON l.oid = d.id WHEN MATCHED THEN UPDATE SET n = l.n WHEN NOT MATCHED AND d.id < 0 THEN "
    "INSERT VALUES (d.id, 0, 0, ''); SELECT @@ROWCOUNT",
    "MERGE l USING (SELECT c, MAX(id) AS id FROM o GROUP BY c) d ON l.v = d.id WHEN MATCHED THEN UPDATE SET s = l.s; SELECT @@ROWCOUNT",
    "MERGE l USING o ON l.oid = o.id AND l.n = o.c WHEN MATCHED THEN UPDATE SET v = l.v; SELECT @@ROWCOUNT",
    "UPDATE l SET v = l.v FROM l JOIN o ON l.oid = o.id WHERE o.s = 'a'; SELECT @@ROWCOUNT",
    "UPDATE l SET v = l.v FROM o LEFT JOIN l ON l.oid = o.id; SELECT @@ROWCOUNT",
]
CHANGES = ["INSERT l VALUES ({0}, {1}, {2}, '{3}')", "DELETE l WHERE oid = {0} AND n = {1}", "UPDATE l SET v = {2} WHERE oid = {0}",
           "UPDATE l SET oid = {2} WHERE oid = {0} AND n = {1}", "UPDATE l SET s = '{3}' WHERE v = {1}", "UPDATE o SET c = {1} WHERE id = {0}",
           "INSERT o VALUES ({0}, {1}, '{3}')", "DELETE o WHERE id = {0}"]


def no_phantoms(quired, database, big):
    """What another can change at once does not change what a SERIALIZABLE query has found."""
    dice, free, held = random.Random(7), 0, 0
    with wire.Connection(quired, database) as reader, wire.Connection(quired, database) as other:
        reader.execute("CREATE TABLE o (id int NOT NULL PRIMARY KEY, c int NOT NULL, s varchar(5) NULL, INDEX o_c (c)); "
                       "CREATE TABLE l (oid int NOT NULL, n int NOT NULL, v int NULL, s varchar(9) NULL, PRIMARY KEY (oid, n), "
                       "INDEX l_v (v), INDEX l_s (s))")
        reader.execute("CREATE FUNCTION dbo.lines(@c int) RETURNS int AS BEGIN RETURN (SELECT COUNT(*) FROM o JOIN l ON l.oid = o.id "
                       "WHERE o.c = @c) END")
        reader.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        other.execute("SET LOCK_TIMEOUT 0")
        for _ in range(5000 if big else 250):
            values = [dice.randrange(6) for _ in range(3)]
            look = dice.choice(LOOKS).format(*values)
            ok(reader.batch("BEGIN TRAN"))
            found = reader.execute(look)
            for _ in range(10):
                change = dice.choice(CHANGES).format(*(dice.randrange(6) for _ in range(3)), dice.choice("aAbc"))
                if not ok(other.batch(change), {1222, DUPLICATE}):
                    held += 1
                    continue
                free += 1
                expect(reader.execute(look), found, f"{look} after {change}")
            ok(reader.batch("COMMIT"))
    if free == 0 or held == 0:
        raise Wrong(f"{free} changes were free, {held} were not")


def lock_timeout_turns(quired, database, big):
    """LOCK_TIMEOUT is about locks: who only waits for its turn to write other rows is never told 1222."""
    boss = wire.Connection(quired, database, timeout=PATIENCE)
    boss.execute("CREATE TABLE t (k int NOT NULL PRIMARY KEY, v int NOT NULL)")
    boss.execute("CREATE TABLE many (k int NOT NULL PRIMARY KEY, v int NOT NULL)")
    boss.execute(f"INSERT t SELECT value, 0 FROM GENERATE_SERIES(1, {WORKERS})")
    boss.execute(f"INSERT many SELECT value, 0 FROM GENERATE_SERIES(1, {1_000_000 if big else 100_000})")
    done, begun = threading.Event(), threading.Semaphore(0)
    writes = [0] * WORKERS

    def work(connection, number, _):
        connection.execute("SET LOCK_TIMEOUT 0")
        while not done.is_set():
            ok(connection.batch(f"UPDATE t SET v = v + 1 WHERE k = {number + 1}"))
            writes[number] += 1
            begun.release()

    with Crew(quired, database, WORKERS, work):
        try:
            for _ in range(WORKERS):
                begun.acquire(timeout=PATIENCE)
            boss.execute("UPDATE many SET v = v + 1")
        finally:
            done.set()
    expect(boss.execute("SELECT SUM(v) FROM t"), [(sum(writes),)], "writes")
    other = wire.Connection(quired, database, timeout=PATIENCE)
    other.execute("SET LOCK_TIMEOUT 0")
    ok(boss.batch("BEGIN TRAN; CREATE TABLE made (k int)"))  # keeps others out to its end
    if ok(other.batch("UPDATE t SET v = 0"), {1222}):
        raise Wrong("a time-out of 0 waited for DDL")
    ok(boss.batch("COMMIT"))
    ok(other.batch("UPDATE t SET v = 0"))


def many_locks(quired, database, big):
    """A transaction with many locks takes whole tables instead: those it changes, and those its rows point at."""
    count, step = (400_000, 4000) if big else (40_000, 4000)
    one, other = (wire.Connection(quired, database, timeout=PATIENCE) for _ in range(2))
    one.execute("CREATE TABLE parent (k int NOT NULL PRIMARY KEY)")
    one.execute("CREATE TABLE child (k int NOT NULL PRIMARY KEY, p int NOT NULL REFERENCES parent)")
    one.execute(f"INSERT parent SELECT value FROM GENERATE_SERIES(1, {count})")
    ok(one.batch("BEGIN TRAN"))
    for begin in range(1, count, step):
        ok(one.batch(f"INSERT child SELECT value, value FROM GENERATE_SERIES({begin}, {begin + step - 1})"))
    held = other.execute(f"SELECT COUNT(*) FROM sys.dm_tran_locks WHERE request_session_id = {one.spid}")[0][0]
    whole = other.execute("SELECT OBJECT_NAME(resource_associated_entity_id), request_mode FROM sys.dm_tran_locks "
                          f"WHERE resource_type = 'OBJECT' AND request_session_id = {one.spid} ORDER BY 1")
    expect(whole, [("child", "X"), ("parent", "S")], f"tables, of {held} locks")
    if held > 21_000:
        raise Wrong(f"{held} locks")
    ok(other.batch("SET LOCK_TIMEOUT 0"))
    if ok(other.batch("DELETE parent WHERE k = 1"), {1222}):
        raise Wrong("a parent went")
    ok(one.batch("COMMIT"))
    if big:
        shown_locks(one, other)


def shown_locks(one, other):
    """As many locks as there is room for can be looked at."""
    ok(one.batch("CREATE TABLE rows_of_many (k int NOT NULL PRIMARY KEY, v int NOT NULL); "
                 "INSERT rows_of_many SELECT value, 0 FROM GENERATE_SERIES(1, 300002)"))
    ok(other.batch("BEGIN TRAN; UPDATE rows_of_many SET v = 1 WHERE k = 300001"))  # so that the table is not locked instead
    ok(one.batch("BEGIN TRAN; UPDATE rows_of_many SET v = 1 WHERE k <= 300000"), {1204})
    [(held,)] = other.execute(f"SELECT COUNT(*) FROM sys.dm_tran_locks WHERE request_session_id = {one.spid} AND resource_type = 'KEY'")
    if held < 200_000:
        raise Wrong(f"{held} locks")
    expect(other.execute("SELECT TOP (1) resource_type, request_mode FROM sys.dm_tran_locks ORDER BY resource_associated_entity_id DESC"),
           [("KEY", "X")], "locks in order")
    ok(one.batch("IF @@TRANCOUNT > 0 ROLLBACK"))
    ok(other.batch("COMMIT"))


class Changes:
    """What a transaction has done to the sums of tables a and b, and what it must still see."""

    def __init__(self, connection, level):
        self.connection, self.level = connection, level
        self.delta, self.first = {"a": 0, "b": 0}, {}

    def step(self, dice):
        """False: the server has ended the transaction."""
        table, row, amount = dice.choice("ab"), dice.randrange(1, 9), dice.randrange(1, 9)
        if dice.random() < 0.5:
            reply = self.connection.batch(f"UPDATE {table} SET v += {amount} WHERE k = {row}")
            self.delta[table] += amount
        else:
            reply = self.connection.batch(f"SELECT * FROM {table} WHERE k > 0")
        if not ok(reply, {DEADLOCK, 3960, 3961}):
            return False
        if reply.results() and self.level == "SNAPSHOT":
            rows = reply.rows
            seen = (sum(row[1] for row in rows) - self.delta[table], len(rows[0]))
            expect([self.first.setdefault(table, seen)], [seen], f"sum and columns of {table} at another time")
        return True


def ddl_storm(quired, database, big):
    """Tables are changed between the statements of transactions: a snapshot stays one, nothing is lost, and errors are those of conflicts."""
    ddl = (("ALTER TABLE {0} ADD more int NULL", "ALTER TABLE {0} DROP COLUMN more"),
           ("CREATE INDEX by_v ON {0} (v)", "DROP INDEX by_v ON {0}"),
           ("CREATE TABLE child_{0} (k int NOT NULL PRIMARY KEY REFERENCES {0})",
            "DROP TABLE child_{0}"),
           ("CREATE TRIGGER on_{0} ON {0} AFTER UPDATE AS UPDATE other SET n += 1", "DROP TRIGGER on_{0}"),
           ("CREATE TABLE apart_{0} (k int NOT NULL)", "DROP TABLE apart_{0}"))
    totals, mutex, over = {"a": 0, "b": 0}, threading.Lock(), threading.Event()
    with wire.Connection(quired, database) as owner:
        owner.execute("CREATE TABLE a (k int NOT NULL PRIMARY KEY, v int NOT NULL); INSERT a SELECT value, 0 FROM GENERATE_SERIES(1, 8); "
                      "CREATE TABLE b (k int NOT NULL PRIMARY KEY, v int NOT NULL); INSERT b SELECT value, 0 FROM GENERATE_SERIES(1, 8); "
                      "CREATE TABLE other (n int NOT NULL); INSERT other VALUES (0)")

        def change(connection, _, dice):
            made = set()
            while not over.is_set():
                at, table = dice.randrange(len(ddl)), dice.choice("ab")
                sql = ddl[at][(at, table) in made].format(table)
                if ok(connection.batch(f"SET LOCK_TIMEOUT 200; EXEC('{sql}')"), {DEADLOCK, 1222}):
                    made ^= {(at, table)}

        def work(connection, _, dice):
            for _ in range(400 if big else 40):
                level = dice.choice(("SNAPSHOT", "SNAPSHOT", "READ COMMITTED", "SERIALIZABLE"))
                changes = Changes(connection, level)
                connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}; BEGIN TRAN")
                if not all(changes.step(dice) for _ in range(dice.randrange(1, 5))):
                    continue
                if dice.random() < 0.2:
                    connection.execute("ROLLBACK")
                elif ok(connection.batch("COMMIT"), {DEADLOCK, 3960, 3961}):
                    with mutex:
                        for table, delta in changes.delta.items():
                            totals[table] += delta

        with Crew(quired, database, 1, change):
            try:
                with Crew(quired, database, 8, work):
                    pass
            finally:
                over.set()
        expect(owner.execute("SELECT (SELECT SUM(v) FROM a), (SELECT SUM(v) FROM b)"), [(totals["a"], totals["b"])],
               "what was committed")


PROGRAMS = {
    "bank": ((), bank),
    "ddl_storm": (("deferred",), ddl_storm),
    "disconnect_storm": ((), disconnect_storm),
    "huge": (("deferred",), huge),
    "identity_storm": ((), identity_storm),
    "lock_timeout_turns": ((), lock_timeout_turns),
    "many_locks": (("deferred", "locks", "dmv"), many_locks),
    "killed": (("deferred", "kill", "dmv"), killed),
    "no_phantoms": (("deferred", "locks", "ranges"), no_phantoms),
    "queue_by_lock": (("deferred", "locks"), queue_by_lock),
    "queue_by_output": (("deferred", "locks"), queue_by_output),
    "unique_storm": ((), unique_storm),
}


def run(quired, names, big):
    passed = failed = 0
    for name in names:
        quired.create_database(name)
        begun = time.monotonic()
        try:
            PROGRAMS[name][1](quired, name, big)
            passed += 1
            print(f"ok     program {name}: {time.monotonic() - begun:.1f} s", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAILED program {name}: {type(error).__name__}: {error}", flush=True)
    return passed, failed

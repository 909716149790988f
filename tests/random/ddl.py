#!/usr/bin/env python3
"""Random programs of DDL, changes and transactions, on quired and on PostgreSQL 15. Ends with `N passed, N failed`.

usage: ddl.py [--build DIR] [--edition EDITION] [--seed N] [--rounds N | --seconds S] [--shrink]
  ddl.py --seconds 600 --seed 5000     rounds of the seeds 5000, 5001, ... for ten minutes
  ddl.py --seed 5017 --rounds 1        one round again
  ddl.py --seed 5017 --rounds 1 --shrink   ... and what is left of its script while the difference stays

A round is a new database and a new schema of PostgreSQL; a script of one session is made while it runs
(objects.py: CREATE, ALTER, DROP, TRUNCATE; rows.py: changes and queries), for what comes next depends on which
statements were refused. Both sides have to refuse the same statements, for their rows or for the objects, change as
many rows and answer the same; after each transaction all tables, their columns and rows are compared; what a round
leaves is read again by a new session, and DBCC CHECKDB has to find it sound. 40197, 824 and the end of a connection are
never right. The first difference prints the round's script with what both sides said, and ends the run.

Needs Debian's postgresql-15 and python3-psycopg2 (sh tools/deps.sh random); the cluster is our own, below /tmp, and goes with the run.
"""
import argparse
import collections
import copy
import dataclasses
import os
import random
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
import objects  # noqa: E402
import rows  # noqa: E402
import schema  # noqa: E402
import server  # noqa: E402
import sides  # noqa: E402
import tds  # noqa: E402

STEPS = 160  # of a round
OBJECTS = collections.OrderedDict(
    create_table=8, drop_table=3, truncate=2, add_column=6, add_computed=4, drop_column=6, alter_null=4, alter_type=8,
    set_default=4, add_constraint=12, drop_constraint=5, create_index=9, drop_index=4, create_view=3, drop_view=2,
    select_into=3, rename_table=2, rename_column=3, create_trigger=3, drop_trigger=1, switch_trigger=1)
ROWS = collections.OrderedDict(insert=10, fill=2, insert_select=4, update=8, delete=3, merge=2, select=6)
RELATIONS = ("SELECT name FROM sys.objects WHERE type IN ('U', 'V') ORDER BY name",
             "SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
             "AND relkind IN ('r', 'v') ORDER BY relname")
NULLS = ("SELECT t.name AS t, c.name AS c FROM sys.columns c JOIN sys.tables t ON t.object_id = c.object_id "
         "WHERE c.is_nullable = 0 AND c.is_computed = 0",
         "SELECT relname AS t, attname AS c FROM pg_attribute a JOIN pg_class k ON k.oid = attrelid "
         "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attnum > 0 AND attnotnull")


@dataclasses.dataclass
class Step:
    """`kind`: begin, save, back, commit, rollback, compare, or that of a statement: objects, rows, set."""
    kind: str
    ms: str
    pg: list
    must_fail: bool = False


class Difference(Exception):
    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind  # shrinking keeps it


class Run:
    """A script on both sides."""

    def __init__(self, quired, postgres, name):
        self.quire, self.reference = sides.Quire(quired, name), sides.Reference(postgres, name)
        self.savepoints = []
        self.log = []

    def close(self):
        self.quire.close()
        self.reference.close()

    @property
    def in_transaction(self):
        return self.reference.in_transaction

    def do(self, step):
        """What came of it: done, refused, undone (with its transaction), or left out: it does not fit here."""
        if not self.fits(step):
            return "left out"
        self.log.append(re.sub("x{40,}", lambda m: f"<x {len(m[0])} times>", step.ms) or f"-- {step.kind}")
        if step.kind == "compare":
            self.compare()
            return "done"
        if step.kind == "kill":
            return self.kill()
        own = self.quire.ask(step.ms)
        if own.error == "broken":
            raise Difference("broken " + own.says[:12], f"{step.ms}\nquire: {own}")
        if step.kind in ("objects", "rows", "set"):
            return self.hold_against(step, own)
        if own.error:
            raise Difference("control", f"{step.ms}\nquire: {own}")
        self.reference.control(step.pg[0])
        self.follow_savepoints(step)
        if self.quire.in_transaction != self.in_transaction:
            raise Difference("transaction", f"{step.ms}\nquire in a transaction: {self.quire.in_transaction}")
        return "done"

    def kill(self):
        """What was acknowledged is there afterwards, and nothing of an open transaction."""
        was_open = self.in_transaction
        self.quire.start_again()
        self.savepoints = []
        if was_open:
            self.reference.control("ROLLBACK")
        self.compare()
        return "undone" if was_open else "done"

    def fits(self, step):
        if step.kind == "begin":
            return not self.in_transaction
        if step.kind == "back":
            return step.ms.split()[-1] in self.savepoints
        return step.kind not in ("save", "commit", "rollback") or self.in_transaction

    def follow_savepoints(self, step):
        name = step.ms.split()[-1]
        if step.kind == "save":
            self.savepoints.append(name)
        elif step.kind == "back":
            at = len(self.savepoints) - self.savepoints[::-1].index(name)
            del self.savepoints[at:]
        else:
            self.savepoints = []

    def hold_against(self, step, own):
        if step.must_fail:
            if not own.error:
                raise Difference("not refused", f"{step.ms}\nquire: {own}; it has to be refused")
        else:
            other = self.reference.ask(step.pg)
            if own.error != other.error or own.rows != other.rows or step.kind == "rows" and own.count != other.count:
                kind = f"{step.kind} {own.error} {other.error} {own.says[:5]} {other.says[:5]}"
                raise Difference(kind, f"{step.ms}\n{'; '.join(step.pg)}\nquire: {own}\nPostgreSQL: {other}")
        if own.error:
            self.log[-1] += f"  -- {own.says[:70]}"
        if self.in_transaction and not self.quire.in_transaction:
            if not own.error:
                raise Difference("transaction", f"{step.ms}\nended the transaction")
            self.reference.control("ROLLBACK")
            self.savepoints = []
            return "undone"
        return "refused" if own.error else "done"

    def read(self, ms, pg, what):
        try:
            own = self.quire.select(ms)
        except (tds.Failed, tds.Closed, tds.ProtocolError, OSError) as error:
            raise Difference("unreadable", f"{what}\nquire: {error!r}") from error
        other = self.reference.select(pg)
        if own != other:
            raise Difference("contents of " + what, f"{what}\n{own[0]}, PostgreSQL: {other[0]}\nonly quire has {list((own[1] - other[1]).elements())[:9]}\n"
                             f"only PostgreSQL has {list((other[1] - own[1]).elements())[:9]}")
        return own[1]

    def compare(self):
        for (name,) in self.read(*RELATIONS, "the tables and views"):
            self.read(f"SELECT * FROM {name}", f"SELECT * FROM {name}", name)
        self.read(*NULLS, "columns without NULL")

    def finish(self):
        """A new session sees the same, and what is stored is sound."""
        self.quire.connection.close()
        self.quire.connection = self.quire.server.connect(self.quire.database, timeout=120)
        self.compare()
        answer = self.quire.ask("DBCC CHECKDB WITH NO_INFOMSGS")
        if answer.error:
            raise Difference("CHECKDB", f"DBCC CHECKDB: {answer}")


class Round:
    """Makes a script of what a schema allows."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.schema = schema.Schema()
        self.objects = objects.Objects(self.rng, self.schema)
        self.rows = rows.Rows(self.rng, self.schema)
        self.saved = []  # (name, schema); the first: when the transaction began
        self.made = None

    def next(self, in_transaction):
        self.made = None
        roll = self.rng.random()
        if not self.schema.tables:
            return self.statement(self.objects, {"create_table": 1})
        if not in_transaction:
            if roll < 0.35:
                return Step("begin", "BEGIN TRAN", ["BEGIN"])
            if roll < 0.352:
                return Step("kill", "", [])
            if roll < 0.4:
                word = self.rng.choice(["ON", "OFF"])
                return Step("set", f"SET XACT_ABORT {word}", [])
        elif roll < 0.16:
            return self.control() if roll > 0.0005 else Step("kill", "", [])
        pick = (self.objects, OBJECTS) if self.rng.random() < 0.4 else (self.rows, ROWS)
        return self.statement(*pick)

    def control(self):
        roll = self.rng.random()
        if roll < 0.35:
            name = f"s{self.rng.randint(1, 4)}"
            return Step("save", f"SAVE TRAN {name}", [f"SAVEPOINT {name}"])
        if roll < 0.65 and len(self.saved) > 1:
            name = self.rng.choice(self.saved[1:])[0]
            return Step("back", f"ROLLBACK TRAN {name}", [f"ROLLBACK TO SAVEPOINT {name}"])
        return self.rng.choice([Step("commit", "COMMIT", ["COMMIT"]), Step("commit", "COMMIT", ["COMMIT"]),
                                Step("rollback", "ROLLBACK", ["ROLLBACK"])])

    def statement(self, maker, kinds):
        while True:
            made = getattr(maker, self.rng.choices(list(kinds), list(kinds.values()))[0])()
            if isinstance(made, tuple):
                return Step("rows", made[0], [made[1]])
            if made is not None:
                self.made = made.made
                return Step("objects", made.ms, made.pg, made.must_fail)

    def use(self, found):
        self.schema = self.objects.schema = self.rows.schema = copy.deepcopy(found)

    def follow(self, step, outcome):
        if step.kind in ("begin", "save"):
            self.saved.append((step.ms.split()[-1], copy.deepcopy(self.schema)))
        elif step.kind == "back":
            names = [name for name, _ in self.saved]
            at = len(names) - names[::-1].index(step.ms.split()[-1])
            del self.saved[at:]
            self.use(self.saved[-1][1])
        elif step.kind == "rollback" or outcome == "undone":
            self.use(self.saved[0][1])
            self.saved = []
        elif step.kind == "commit":
            self.saved = []
        elif outcome == "done" and self.made:
            self.made(self.schema)


def make(run, seed, script):
    """Plays the script of a round while it makes it."""
    made = Round(seed)
    while len(script) < STEPS or run.in_transaction:
        step = Step("commit", "COMMIT", ["COMMIT"]) if len(script) >= STEPS else made.next(run.in_transaction)
        was = run.in_transaction
        script.append(step)
        outcome = run.do(step)
        made.follow(step, outcome)
        if was != run.in_transaction and was or step.kind == "back" or made.rng.random() < 0.05:
            script.append(Step("compare", "", []))
            run.do(script[-1])
    run.finish()


def replay(run, script):
    for step in script:
        run.do(step)
    run.do(Step("commit", "COMMIT", ["COMMIT"]))
    run.finish()


class Sides:
    """Where rounds run, each in new databases."""

    def __init__(self, quired, postgres):
        self.quired, self.postgres = quired, postgres
        self.count = 0

    def play(self, how, *arguments):
        """(None or the Difference, what was said)."""
        self.count += 1
        run = Run(self.quired, self.postgres, f"r{self.count}")
        try:
            how(run, *arguments)
        except Difference as difference:
            return difference, run.log
        finally:
            run.close()
        return None, run.log


def shrink(both, script, found, seconds=60):
    """Leaves out what the difference does not need."""
    end = time.monotonic() + seconds
    size = len(script) // 2
    while size and time.monotonic() < end:
        at, smaller = 0, False
        while at < len(script) and time.monotonic() < end:
            tried = script[:at] + script[at + size:]
            difference, _ = both.play(replay, tried)
            if difference and difference.kind == found.kind:
                script, smaller = tried, True
            else:
                at += size
        size = size if smaller and size == 1 else size // 2
    return both.play(replay, script)


def run_rounds(both, options):
    """The number of rounds without a difference, and of those with one."""
    end = time.monotonic() + options.seconds
    passed = 0
    while passed < options.rounds if options.rounds else time.monotonic() < end:
        seed, script = options.seed + passed, []
        found, log = both.play(make, seed, script)
        if found:
            print("\n".join(log))
            print(f"round of seed {seed}: {found.kind}\n{found}", flush=True)
            if options.shrink:
                found, log = shrink(both, script, found)
                print("\n--- what is left:\n" + "\n".join(log) + f"\n{found}")
            return passed, 1
        passed += 1
    return passed, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--edition", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--shrink", action="store_true")
    options = parser.parse_args()
    os.environ["QUIRE_TEST_EDITION"] = options.edition
    os.environ["QUIRE_BUILD"] = os.path.abspath(options.build)
    if sides.lacks():
        print(f"skipped: {sides.lacks()} is not here\n0 passed, 0 failed")
        return 0
    with sides.Postgres() as postgres:
        quired = server.Server().start()
        try:
            passed, failed = run_rounds(Sides(quired, postgres), options)
            if not failed:
                quired.stop()  # which fails for what should not be in the log
        finally:
            quired.kill()
            quired.remove()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The two servers that a random program runs on, and what they answer."""
import collections
import os
import shutil
import subprocess
import tempfile

import tds

try:
    import psycopg2
    import psycopg2.extensions
except ImportError:
    psycopg2 = None

BINARIES = "/usr/lib/postgresql/15/bin"
# What rows and values do not fit; everything else is about objects, and found before any row.
OF_ROWS = {220, 232, 241, 245, 512, 515, 547, 1505, 2601, 2627, 2628, 4901, 8114, 8115, 8152, 8672}
BROKEN = {601, 605, 701, 823, 824, 825, 3624, 8621, 8623, 8630, 8646, 40197, 40510, 40515}


def lacks():
    """What is missing here, or None."""
    if psycopg2 is None:
        return "python3-psycopg2"
    return None if os.path.exists(os.path.join(BINARIES, "initdb")) else "postgresql-15"


class Postgres:
    """A cluster of our own, on a socket in its directory; it keeps nothing."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="quire-postgres-")
        self.as_user = []
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            self.as_user = ["runuser", "-u", "postgres", "--"]
        self.data = os.path.join(self.folder, "data")
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--locale=C", "-E", "UTF8", "--no-sync")
        self.run("pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.folder, "log"), "-o",
                 f"-k {self.folder} -c listen_addresses= -c fsync=off -c full_page_writes=off", "start")
        return self

    def run(self, program, *arguments):
        done = subprocess.run([*self.as_user, os.path.join(BINARIES, program), *arguments], cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{program}: {done.stdout}")

    def __exit__(self, *_):
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self):
        connection = psycopg2.connect(host=self.folder, user="postgres", dbname="postgres")
        connection.autocommit = True
        as_text = psycopg2.extensions.new_type((1082,), "DATE", lambda text, _: text)
        psycopg2.extensions.register_type(as_text, connection)
        return connection


class Answer:
    """`error`: None or its class; `says`: its number and text; `rows`: of a SELECT; `count`: rows changed."""

    def __init__(self, error=None, says="", rows=None, count=None):
        self.error, self.says, self.rows, self.count = error, says, rows, count

    def __repr__(self):
        if self.error:
            return f"{self.error}: {self.says}"
        return f"{self.count} rows" if self.rows is None else f"rows {sorted(map(repr, self.rows.elements()))}"


class Quire:
    def __init__(self, server, database):
        self.server, self.database = server, database
        server.create_database(database)
        self.connection = server.connect(database, timeout=120)

    @property
    def in_transaction(self):
        return self.connection.transaction != 0

    def start_again(self):
        """The server is killed; what comes is a new session."""
        self.connection.close()
        self.server.kill()
        self.server.start()
        self.connection = self.server.connect(self.database, timeout=120)

    def ask(self, sql):
        try:
            reply = self.connection.batch(sql)
        except (tds.Closed, tds.ProtocolError, OSError) as error:
            return Answer("broken", f"connection lost: {error!r}")
        if reply.errors:
            says = "; ".join(f"{e.number} {e.text}" for e in reply.errors)
            numbers = {e.number for e in reply.errors}
            if numbers & BROKEN or any(e.severity > 16 for e in reply.errors):
                return Answer("broken", says)
            return Answer("rows" if numbers & OF_ROWS else "objects", says)
        if reply.of("columns"):
            return Answer(rows=collections.Counter(reply.rows))
        return Answer(count=next((d.count for d in reply.dones if d.count is not None), None))

    def select(self, sql):
        """(names of the columns, rows); raises an error's Answer as AssertionError."""
        reply = self.connection.batch(sql)
        reply.check()
        [(columns, rows)] = reply.results()
        return [c.name for c in columns], collections.Counter(rows)

    def close(self):
        self.connection.close()
        with self.server.connect() as master:
            while 3702 in [e.number for e in master.batch(f"DROP DATABASE {self.database}").errors]:
                pass  # the session has not quite ended


class Reference:
    """A schema of its own in PostgreSQL. Each statement of a transaction stands in a savepoint."""

    def __init__(self, postgres, name):
        self.name = name
        self.connection = postgres.connect()
        self.cursor = self.connection.cursor()
        self.in_transaction = False
        self.cursor.execute(f"CREATE SCHEMA {name}; SET search_path = {name}; SET client_min_messages = error")

    def ask(self, statements):
        answer = Answer()
        try:
            self.cursor.execute("SAVEPOINT own" if self.in_transaction else "BEGIN")
            for sql in statements:
                self.cursor.execute(sql)
                answer = Answer(count=self.cursor.rowcount)
                if self.cursor.description is not None:
                    answer = Answer(rows=collections.Counter(self.cursor.fetchall()))
            self.cursor.execute("RELEASE own" if self.in_transaction else "COMMIT")
            return answer
        except psycopg2.Error as error:
            self.cursor.execute("ROLLBACK TO own; RELEASE own" if self.in_transaction else "ROLLBACK")
            kind = (error.pgcode or "")[:2]
            return Answer("rows" if kind in ("21", "22", "23") else "objects", f"{error.pgcode} {error}".strip())

    def control(self, sql):
        self.cursor.execute(sql)
        self.in_transaction = sql == "BEGIN" or self.in_transaction and sql not in ("COMMIT", "ROLLBACK")

    def select(self, sql):
        self.cursor.execute(sql)
        return [d.name for d in self.cursor.description], collections.Counter(self.cursor.fetchall())

    def close(self):
        self.connection.rollback()
        self.cursor.execute(f"DROP SCHEMA {self.name} CASCADE")
        self.connection.close()

#!/usr/bin/env python3
"""Records a data directory of the release that was built in BUILD, for later ones to open (test_recorded.py):

    python3 tests/recorded/record.py BUILD tests/recorded/DATE.tar.xz [DATABASE]...

The server is killed at its end, so that opening what it left includes a recovery. What the release does not know
(an edition, a statement) is left out; `recorded` in the archive says which databases there are.
"""
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import tds  # noqa: E402

PASSWORD = "Recorded!2026"
DATABASES = {
    "files": "",
    "pages": "(EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_2')",
    "copies": "(EDITION = 'BusinessCritical', SERVICE_OBJECTIVE = 'BC_Gen5_2')",
    "gone": "",
}
STATEMENTS = (
    "CREATE TABLE parent (a int NOT NULL, b varchar(20) COLLATE Latin1_General_CS_AS NOT NULL, v decimal(19,2), "
    "CONSTRAINT pk PRIMARY KEY (a, b), CONSTRAINT ck CHECK (v >= 0))",
    "CREATE TABLE child (id int IDENTITY(10,5) PRIMARY KEY, a int NULL, b varchar(20) COLLATE Latin1_General_CS_AS "
    "NULL, note nvarchar(100) DEFAULT (N'none'), up AS UPPER(note) PERSISTED, big nvarchar(max), t datetimeoffset(4), "
    "v sql_variant, rv rowversion, CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE CASCADE)",
    "CREATE INDEX ix ON child (note)",
    "CREATE INDEX iu ON child (up)",
    "INSERT parent VALUES (1, 'one', 1), (2, 'Two', 2.5), (2, 'two', 3)",
    "INSERT child (a, b, note, big, t, v) VALUES (1, 'one', N'Straße', REPLICATE(CAST(N'ж' AS nvarchar(max)), 3000), "
    "'2020-02-29T12:34:56.1234+14:00', CAST(12.5 AS decimal(5,2))), (2, 'two', N'STRASSE', N'', NULL, N'text'), "
    "(NULL, NULL, N'co-op', NULL, '2020-02-29T00:00:00+00:00', 7)",
    "CREATE TABLE audit (id int IDENTITY PRIMARY KEY, what varchar(100))",
    "CREATE TRIGGER tr ON parent AFTER INSERT, UPDATE, DELETE AS INSERT audit SELECT CONCAT('i', COUNT(*)) FROM inserted",
    "CREATE VIEW v AS SELECT p.a, p.b, c.note FROM parent p JOIN child c ON c.a = p.a AND c.b = p.b",
    "CREATE PROCEDURE pr @a int, @o int OUTPUT AS BEGIN SET NOCOUNT ON; SELECT @o = COUNT(*) FROM parent WHERE a >= @a; "
    "RETURN 7 END",
    "CREATE FUNCTION sf (@a int) RETURNS int AS BEGIN WHILE @a < 100 SET @a = @a * 2 + 1; RETURN @a END",
    "CREATE USER app WITHOUT LOGIN",
    "CREATE ROLE readers",
    "ALTER ROLE readers ADD MEMBER app",
    "EXEC sp_addextendedproperty N'MS_Description', N'the parent', N'SCHEMA', N'dbo', N'TABLE', N'parent'",
)
LEFT_OUT = ("run", "tls", "children", "lock")


class Quired:
    def __init__(self, build, work):
        self.data = os.path.join(work, "data")
        password = os.path.join(work, "password")
        with open(password, "w", encoding="utf-8") as file:
            file.write(PASSWORD + "\n")
        self.process = subprocess.Popen(
            [os.path.join(build, "quired"), "--data-dir", self.data, "--tds-port", "0", "--https-port", "0",
             "--admin-password-file", password], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        line = self.process.stdout.readline().decode()
        self.port = int(re.search(r"tds=\S+:(\d+) ", line)[1])

    def connect(self, database="master"):
        until = time.monotonic() + 60
        while True:
            try:
                return tds.Connection("127.0.0.1", self.port, "quireadmin", PASSWORD, database=database)
            except (tds.Failed, tds.Closed):
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def fill(quired, wanted):
    made = []
    with quired.connect() as master:
        for name, options in DATABASES.items():
            if name in wanted and not master.batch(f"CREATE DATABASE {name} {options}").errors:
                made.append(name)
    for name in made:
        with quired.connect(name) as connection:
            for statement in STATEMENTS:
                connection.execute(statement)
    backups = os.path.join(quired.data, "blob", "backups")
    files = len([name for name in made if name != "pages"])
    while not os.path.isdir(backups) or sum(os.path.isdir(os.path.join(backups, each, "chains"))
                                            for each in os.listdir(backups)) < files:
        time.sleep(0.1)
    with quired.connect() as master:
        while "gone" in made and master.batch("DROP DATABASE gone").errors:
            time.sleep(0.2)
    for name in made:
        if name != "gone":
            with quired.connect(name) as connection:
                connection.execute("INSERT parent VALUES (3, 'late', 4)")
    return made


def main():
    build, archive, *wanted = sys.argv[1:]
    work = tempfile.mkdtemp(prefix="quire-record-")
    quired = Quired(build, work)
    try:
        made = fill(quired, wanted or list(DATABASES))
    finally:
        quired.kill()
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for folder, folders, files in os.walk(quired.data):
            inside = os.path.relpath(folder, quired.data)
            folders[:] = sorted(each for each in folders if inside != "." or each not in LEFT_OUT)
            for each in sorted(each for each in files if each not in LEFT_OUT):
                tar.add(os.path.join(folder, each), os.path.normpath(os.path.join(inside, each)), filter=anonymous)
        names = " ".join(made).encode()
        info = tarfile.TarInfo("recorded")
        info.size = len(names)
        tar.addfile(info, io.BytesIO(names))
    shutil.rmtree(work)


def anonymous(info):
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    main()

"""FreeTDS's own programs, and ODBC through its driver: tsql, freebcp, isql, pyodbc."""
import ctypes
import decimal
import os
import re
import subprocess
import tempfile
import unittest

import server

ALL = os.environ.get("QUIRE_TEST_ALL") == "1"
DRIVER = "/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so"


class FreeTds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server().start()
        cls.server.create_database("d")
        cls.folder = tempfile.TemporaryDirectory()
        cls.conf = os.path.join(cls.folder.name, "freetds.conf")
        with open(cls.conf, "w", encoding="ascii") as file:
            for name, encryption in (("off", "off"), ("request", "request"), ("require", "require")):
                file.write(f"[{name}]\nhost = {cls.server.host}\nport = {cls.server.port}\n"
                           f"tds version = 7.4\nencryption = {encryption}\n"
                           "client charset = UTF-8\n")
        cls.env = {**os.environ, "FREETDSCONF": cls.conf}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()
        cls.server.stop()
        cls.server.remove()

    def run_program(self, *args, text=None, **more):
        return subprocess.run(args, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=300, env={**self.env, **more})

    def tsql(self, text, name="request"):
        return self.run_program("tsql", "-S", name, "-U", server.ADMIN, "-P",
                                self.server.password, "-D", "d", "-o", "fhq",
                                text=text + "\nGO\n").stdout

    def test_tsql_with_encryption_requested_and_required(self):
        for name in ("request", "require"):
            out = self.tsql("SELECT N'grün', 42", name)
            self.assertRegex(out, re.compile(r"^grün\t42$", re.M))

    def test_tsql_that_refuses_encryption_is_refused(self):
        self.assertNotIn("42", self.tsql("SELECT 42", "off"))

    def bcp(self, rows):
        self.tsql("DROP TABLE IF EXISTS loaded; CREATE TABLE loaded "
                  "(id int NOT NULL PRIMARY KEY, name varchar(40), price decimal(9, 2), at datetime)")
        data = os.path.join(self.folder.name, "rows.txt")
        with open(data, "w", encoding="ascii") as file:
            for i in range(rows):
                file.write(f"{i}\tname {i}\t{i % 1000}.25\t2026-01-02 03:04:05\n")
        done = self.run_program("freebcp", "loaded", "in", data, "-D", "d", "-S", "request", "-U",
                                server.ADMIN, "-P", self.server.password, "-c", "-t", "\t", "-b",
                                "5000")
        self.assertEqual(done.returncode, 0, done.stdout)
        with self.server.connect("d") as connection:
            self.assertEqual(
                connection.execute("SELECT COUNT(*), SUM(CAST(id AS bigint)), MIN(name), MAX(at) "
                                   "FROM loaded"),
                [(rows, rows * (rows - 1) // 2, "name 0", "2026-01-02 03:04:05.000")])

    def test_freebcp_loads_rows(self):
        self.bcp(1000000 if ALL else 20000)

    def test_freebcp_reads_rows_back(self):
        self.bcp(500)
        out = os.path.join(self.folder.name, "out.txt")
        done = self.run_program("freebcp", "loaded", "out", out, "-D", "d", "-S", "request", "-U",
                                server.ADMIN, "-P", self.server.password, "-c", "-t", "\t")
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(out, encoding="ascii") as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), 500)
        self.assertTrue(lines[7].startswith("7\tname 7\t7.25\t"), lines[7])

    # --- ODBC ---

    def connection_string(self):
        return (f"DRIVER={DRIVER};SERVER={self.server.host};PORT={self.server.port};UID={server.ADMIN};"
                f"PWD={self.server.password};DATABASE=d;TDS_Version=7.4;ClientCharset=UTF-8")

    def test_isql(self):
        ini = os.path.join(self.folder.name, "odbc.ini")
        with open(ini, "w", encoding="ascii") as file:
            file.write(f"[d]\nDriver = {DRIVER}\nServer = {self.server.host}\n"
                       f"Port = {self.server.port}\nDatabase = d\nTDS_Version = 7.4\n")
        done = self.run_program("isql", "d", server.ADMIN, self.server.password, "-b", "-d,",
                                text="SELECT 40 + 2, 'x'\n", ODBCINI=ini)
        self.assertRegex(done.stdout, re.compile(r"^42,x$", re.M))

    def odbc(self):
        try:
            import pyodbc
        except ImportError:
            self.skipTest("python3-pyodbc is not installed")
        connection = pyodbc.connect(self.connection_string())
        self.addCleanup(connection.close)
        return connection

    def test_odbc_parameters_and_prepared_statements(self):
        cursor = self.odbc().cursor()
        cursor.execute("CREATE TABLE #o (a int, b nvarchar(20), c decimal(10, 3), d varbinary(8))")
        for i in range(5):
            cursor.execute("INSERT #o VALUES (?, ?, ?, ?)", i, f"ö{i}", decimal.Decimal("1.125"),
                           bytes([i, 255]))
        cursor.execute("SELECT * FROM #o WHERE a >= ? ORDER BY a DESC", 3)
        self.assertEqual([tuple(row) for row in cursor.fetchall()],
                         [(4, "ö4", decimal.Decimal("1.125"), b"\x04\xff"),
                          (3, "ö3", decimal.Decimal("1.125"), b"\x03\xff")])

    def test_odbc_result_sets_transactions_and_errors(self):
        connection = self.odbc()  # skips if there is no pyodbc
        import pyodbc
        cursor = connection.cursor()
        cursor.execute("SELECT 1; SELECT 2, 3")
        sets = [[tuple(row) for row in cursor.fetchall()]]
        while cursor.nextset():
            if cursor.description:  # this driver shows a statement's count as a set of its own
                sets.append([tuple(row) for row in cursor.fetchall()])
        self.assertEqual(sets, [[(1,)], [(2, 3)]])
        cursor.execute("CREATE TABLE odbc1 (a int)")
        connection.commit()
        cursor.execute("INSERT odbc1 VALUES (1)")
        connection.rollback()
        cursor.execute("SELECT COUNT(*) FROM odbc1")
        self.assertEqual(cursor.fetchone()[0], 0)
        with self.assertRaises(pyodbc.Error) as failure:
            cursor.execute("SELECT * FROM nosuch")
        self.assertEqual(failure.exception.args[0], "42S02")

    def test_odbc_cursors_of_the_server(self):
        """Statements whose cursor type is not the default open a cursor by procedure."""
        cursor = self.odbc().cursor()
        cursor.execute("CREATE TABLE scrolled (i int PRIMARY KEY, v varchar(10))")
        cursor.execute("INSERT scrolled VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        cursor.commit()
        odbc = ctypes.CDLL("libodbc.so.2")
        pointer = ctypes.c_void_p

        def check(done, kind, handle):
            if done not in (0, 1, 100):
                text, state = ctypes.create_string_buffer(1000), ctypes.create_string_buffer(6)
                odbc.SQLGetDiagRec(ctypes.c_short(kind), handle, ctypes.c_short(1), state, None, text,
                                   ctypes.c_short(1000), None)
                self.fail((state.value, text.value))
            return done
        env, dbc = pointer(), pointer()
        check(odbc.SQLAllocHandle(1, None, ctypes.byref(env)), 1, env)
        odbc.SQLSetEnvAttr(env, 200, pointer(3), 0)
        check(odbc.SQLAllocHandle(2, env, ctypes.byref(dbc)), 1, env)
        text = self.connection_string().encode()
        check(odbc.SQLDriverConnect(dbc, None, text, ctypes.c_short(len(text)), None, 0, None, 0), 2, dbc)
        self.addCleanup(odbc.SQLFreeHandle, 2, dbc)
        self.addCleanup(odbc.SQLDisconnect, dbc)
        seen = {}
        for kind, name in ((3, "static"), (1, "keyset"), (2, "dynamic")):
            stmt, value, size = pointer(), ctypes.c_int(), ctypes.c_long()
            check(odbc.SQLAllocHandle(3, dbc, ctypes.byref(stmt)), 2, dbc)
            check(odbc.SQLSetStmtAttr(stmt, 6, pointer(kind), 0), 3, stmt)  # SQL_ATTR_CURSOR_TYPE
            check(odbc.SQLBindCol(stmt, ctypes.c_ushort(1), ctypes.c_short(4), ctypes.byref(value), ctypes.c_long(4),
                                  ctypes.byref(size)), 3, stmt)
            check(odbc.SQLExecDirect(stmt, b"SELECT i, v FROM scrolled ORDER BY i", -3), 3, stmt)
            columns = ctypes.c_short()
            check(odbc.SQLNumResultCols(stmt, ctypes.byref(columns)), 3, stmt)
            rows = [columns.value]
            for move in (1, 3, 4, 2, 1):  # next, last, prior, first, next
                done = check(odbc.SQLFetchScroll(stmt, ctypes.c_short(move), ctypes.c_long(0)), 3, stmt)
                rows.append(value.value if done != 100 else None)
            seen[name] = rows
            check(odbc.SQLFreeHandle(3, stmt), 3, stmt)
        self.assertEqual(seen, {name: [2, 1, 3, 2, 1, 2] for name in ("static", "keyset", "dynamic")})

    def test_odbc_catalog_functions(self):
        cursor = self.odbc().cursor()
        cursor.execute("CREATE TABLE cat1 (a int NOT NULL PRIMARY KEY, b nvarchar(10))")
        cursor.commit()
        self.assertEqual([row.table_name for row in cursor.tables("cat1")], ["cat1"])
        self.assertEqual([(row.column_name, row.type_name) for row in cursor.columns("cat1")],
                         [("a", "int"), ("b", "nvarchar")])


if __name__ == "__main__":
    unittest.main()

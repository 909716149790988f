"""pymssql (DB-Library of FreeTDS): types, parameters, result sets, transactions, procedures, bulk."""
import datetime
import decimal
import unittest
import uuid

import pymssql
import server


class Pymssql(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server().start()
        cls.server.create_database("d")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def setUp(self):
        self.connection = self.connect()
        self.cursor = self.connection.cursor()
        self.addCleanup(self.connection.close)

    def connect(self, **more):
        return pymssql.connect(server=self.server.host, port=self.server.port, user=server.ADMIN,
                               password=self.server.password, database="d", **more)

    def rows(self, sql, *params):
        self.cursor.execute(sql, *params)
        return self.cursor.fetchall()

    def test_types_round_trip_through_parameters(self):
        values = (True, 2 ** 31 - 1, -2 ** 63, 0.1, decimal.Decimal("-12345.6789"), "häß€ 'q'",
                  datetime.datetime(2026, 2, 28, 23, 59, 59, 997000), b"\x00\xff\x27", None)
        self.cursor.execute("CREATE TABLE #r (a bit, b int, c bigint, d float, e decimal(12, 4), "
                            "f nvarchar(50), g datetime, h varbinary(10), i int)")
        self.cursor.execute("INSERT #r VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", values)
        self.assertEqual(self.rows("SELECT * FROM #r"), [values])

    def test_newer_types_arrive(self):
        row, = self.rows("SELECT CAST('2026-03-04' AS date), CAST('01:02:03.5' AS time(1)), "
                         "CAST('2026-03-04 05:06:07.1234567' AS datetime2), NEWID(), "
                         "CAST(REPLICATE(CAST(N'x' AS nvarchar(max)), 20000) AS nvarchar(max))")
        self.assertIn("2026-03-04", str(row[0]))
        self.assertIn("05:06:07.123", str(row[2]))  # the driver keeps milliseconds
        self.assertIsInstance(uuid.UUID(str(row[3])), uuid.UUID)
        self.assertEqual(row[4], "x" * 20000)

    def test_several_result_sets_come_one_after_the_other(self):
        self.cursor.execute("SELECT 1 UNION ALL SELECT 2 ORDER BY 1; SELECT 'x'; PRINT 'p'; SELECT 3")
        sets = [self.cursor.fetchall()]
        while self.cursor.nextset():
            sets.append(self.cursor.fetchall())
        self.assertEqual([s for s in sets if s], [[(1,), (2,)], [("x",)], [(3,)]])

    def test_commit_keeps_and_rollback_takes_back(self):
        self.cursor.execute("CREATE TABLE tran1 (a int)")
        self.connection.commit()
        self.cursor.execute("INSERT tran1 VALUES (1)")
        self.connection.rollback()
        self.cursor.execute("INSERT tran1 VALUES (2)")
        self.connection.commit()
        other = self.connect()
        cursor = other.cursor()
        cursor.execute("SELECT a FROM tran1")
        self.assertEqual(cursor.fetchall(), [(2,)])
        other.close()

    def test_errors_carry_number_severity_and_text(self):
        with self.assertRaises(pymssql.ProgrammingError) as failure:
            self.cursor.execute("SELECT * FROM dbo.nosuch")
        self.assertEqual(failure.exception.args[0], 208)
        self.assertIn(b"Invalid object name 'dbo.nosuch'", failure.exception.args[1])
        self.cursor.execute("CREATE TABLE #u (a int PRIMARY KEY); INSERT #u VALUES (1)")
        with self.assertRaises(pymssql.IntegrityError) as failure:
            self.cursor.execute("INSERT #u VALUES (1)")
        self.assertEqual(failure.exception.args[0], 2627)

    def test_procedures_give_rows_outputs_and_return_status(self):
        self.cursor.execute("CREATE PROCEDURE twice @a int, @b int OUTPUT AS "
                            "SET @b = @a * 2; RETURN 7")
        self.cursor.execute("CREATE PROCEDURE once @a int AS SELECT @a AS a; SELECT @a + 1")
        self.connection.commit()
        self.assertEqual(self.cursor.callproc("twice", (21, pymssql.output(int)))[:2], (21, 42))
        self.assertEqual(self.cursor.returnvalue, 7)
        self.cursor.callproc("once", (21,))
        sets = []
        more = True
        while more:
            if self.cursor.description:
                sets.append(self.cursor.fetchall())
            more = self.cursor.nextset()
        self.assertEqual(sets, [[(21,)], [(22,)]])

    def test_many_rows_by_executemany(self):
        self.cursor.execute("CREATE TABLE #m (a int, b varchar(20))")
        self.cursor.executemany("INSERT #m VALUES (%d, %s)", [(i, f"row {i}") for i in range(200)])
        self.assertEqual(self.rows("SELECT COUNT(*), SUM(a), MAX(b) FROM #m"),
                         [(200, 19900, "row 99")])

    def test_protocol_versions_of_the_driver(self):
        for version in ("7.1", "7.2", "7.3"):
            connection = self.connect(tds_version=version)
            cursor = connection.cursor()
            cursor.execute("SELECT N'ü', @@SPID")
            self.assertEqual(cursor.fetchall()[0][0], "ü")
            connection.close()


if __name__ == "__main__":
    unittest.main()

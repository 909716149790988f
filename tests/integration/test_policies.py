"""Row-level security with sessions of several users at once: who has a plan is not who reads by it, a
change of a policy reaches open sessions, locks are those of the rows that are seen, and bulk loads meet
block predicates."""
import threading
import unittest

import server
import tds

ANNA, BEN = "Private-Word-3", "Private-Word-4"
ALL = "SELECT id FROM dbo.orders ORDER BY id"
TIMED_OUT, BLOCKED, CHANGED = 1222, 33504, 3961


class Policies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server().start()
        cls.server.create_database("d")
        with cls.server.connect("d") as admin:
            for sql in (
                    f"CREATE USER anna WITH PASSWORD = '{ANNA}'; CREATE USER ben WITH PASSWORD = '{BEN}'",
                    "CREATE SCHEMA rls",
                    "CREATE FUNCTION rls.mine(@rep sysname) RETURNS TABLE WITH SCHEMABINDING AS "
                    "RETURN SELECT 1 AS ok WHERE @rep = USER_NAME()"):
                admin.execute(sql)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.kill()
            cls.server.remove()

    def setUp(self):
        self.admin = self.open()
        self.admin.execute(
            "CREATE TABLE dbo.orders (id int PRIMARY KEY, rep sysname, amount int); "
            "INSERT dbo.orders VALUES (1, 'anna', 1), (2, 'ben', 1), (3, 'anna', 1), (4, 'ben', 1); "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.orders TO anna, ben; "
            "CREATE SECURITY POLICY rls.p ADD FILTER PREDICATE rls.mine(rep) ON dbo.orders")
        self.anna, self.ben = self.open("anna", ANNA), self.open("ben", BEN)

    def tearDown(self):
        for connection in (self.anna, self.ben):
            connection.close()
        self.admin.execute("DROP SECURITY POLICY rls.p; DROP TABLE dbo.orders")
        self.admin.close()

    def open(self, user=None, password=None):
        more = {} if user is None else {"user": user, "password": password}
        return self.server.connect("d", **more)

    def ids(self, connection, sql=ALL):
        return [row[0] for row in connection.execute(sql)]

    def errors(self, connection, sql):
        return [error.number for error in connection.batch(sql).errors]

    def test_one_text_gives_each_user_his_own_rows(self):
        for _ in range(3):
            self.assertEqual(self.ids(self.anna), [1, 3])
            self.assertEqual(self.ids(self.ben), [2, 4])
            self.assertEqual(self.ids(self.admin), [])

    def test_a_prepared_statement_asks_who_runs_it(self):
        prepared = "EXEC sp_executesql N'SELECT id FROM dbo.orders WHERE amount = @a ORDER BY id', N'@a int', 1"
        self.admin.execute("GRANT IMPERSONATE ON USER::ben TO anna")
        self.assertEqual(self.ids(self.anna, prepared), [1, 3])
        self.anna.execute("EXECUTE AS USER = 'ben'")
        self.assertEqual(self.ids(self.anna, prepared), [2, 4])
        self.anna.execute("REVERT")
        self.assertEqual(self.ids(self.anna, prepared), [1, 3])

    def test_a_change_of_the_policy_is_seen_by_open_sessions(self):
        self.assertEqual(self.ids(self.anna), [1, 3])
        self.admin.execute("ALTER SECURITY POLICY rls.p WITH (STATE = OFF)")
        self.assertEqual(self.ids(self.anna), [1, 2, 3, 4])
        self.admin.execute("ALTER SECURITY POLICY rls.p WITH (STATE = ON)")
        self.assertEqual(self.ids(self.anna), [1, 3])
        self.assertEqual(self.ids(self.ben), [2, 4])
        self.admin.execute("ALTER SECURITY POLICY rls.p DROP FILTER PREDICATE ON dbo.orders, "
                           "ADD BLOCK PREDICATE rls.mine(rep) ON dbo.orders BEFORE DELETE")
        self.assertEqual(self.ids(self.anna), [1, 2, 3, 4])
        self.assertIn(BLOCKED, self.errors(self.anna, "DELETE dbo.orders"))
        self.assertEqual(self.ids(self.anna), [1, 2, 3, 4])

    def test_a_policy_waits_for_who_has_changed_its_table(self):
        self.anna.execute("BEGIN TRANSACTION; UPDATE dbo.orders SET amount = 2")
        off = "ALTER SECURITY POLICY rls.p WITH (STATE = OFF)"
        self.assertIn(TIMED_OUT, self.errors(self.admin, "SET LOCK_TIMEOUT 100; " + off))
        self.admin.execute("SET LOCK_TIMEOUT -1")
        waiting = threading.Thread(target=self.admin.execute, args=(off,))
        waiting.start()
        self.anna.execute("COMMIT")
        waiting.join()
        self.assertEqual(self.ids(self.anna), [1, 2, 3, 4])

    def test_locks_are_those_of_the_rows_that_are_changed(self):
        self.anna.execute("BEGIN TRANSACTION; UPDATE dbo.orders SET amount = 2")
        self.assertEqual(self.errors(self.ben, "SET LOCK_TIMEOUT 0; UPDATE dbo.orders SET amount = 3"), [])
        self.anna.execute("COMMIT")
        self.anna.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; BEGIN TRANSACTION; " + ALL)
        self.assertEqual(self.errors(self.ben, "UPDATE dbo.orders SET amount = 4 WHERE id = 2"), [])
        self.assertEqual(self.errors(self.ben, "UPDATE dbo.orders SET rep = 'ben' WHERE id = 1"), [])
        self.assertIn(TIMED_OUT, self.errors(self.admin, "SET LOCK_TIMEOUT 0; "
                                             "ALTER SECURITY POLICY rls.p WITH (STATE = OFF)"))
        self.anna.execute("COMMIT; SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        self.admin.execute("ALTER SECURITY POLICY rls.p WITH (STATE = OFF); SET LOCK_TIMEOUT -1")
        self.assertEqual([(row[0], row[1]) for row in
                          self.admin.execute("SELECT id, amount FROM dbo.orders ORDER BY id")],
                         [(1, 2), (2, 4), (3, 2), (4, 3)])

    def test_serializable_locks_what_the_statement_names(self):
        self.admin.execute("ALTER SECURITY POLICY rls.p WITH (STATE = OFF)")
        self.admin.execute("CREATE INDEX by_rep ON dbo.orders (rep); ALTER SECURITY POLICY rls.p WITH (STATE = ON)")
        insert = "SET LOCK_TIMEOUT 0; INSERT dbo.orders VALUES ({}, '{}', 1)"
        for read, kept_out, let_in in (
                ("SELECT id FROM dbo.orders WHERE id BETWEEN 3 AND 20", (15, "anna"), (25, "ben")),
                ("SELECT id FROM dbo.orders AS o WHERE o.rep = 'anna'", (16, "anna"), (17, "zoe")),
                ("UPDATE dbo.orders SET amount = 5 WHERE id = 30", (30, "anna"), (18, "zoe"))):
            self.anna.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN TRANSACTION; " + read)
            self.assertEqual(self.errors(self.ben, insert.format(*let_in)), [], read)
            self.assertIn(TIMED_OUT, self.errors(self.ben, insert.format(*kept_out)), read)
            self.anna.execute("COMMIT")

    def test_a_snapshot_keeps_its_policy(self):
        self.anna.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION")
        self.assertEqual(self.ids(self.anna), [1, 3])
        self.admin.execute("ALTER SECURITY POLICY rls.p WITH (STATE = OFF)")
        reply = self.anna.batch(ALL)
        seen = [error.number for error in reply.errors] or [row[0] for row in reply.rows]
        self.assertIn(seen, ([CHANGED], [1, 3]))

    def test_a_bulk_load_meets_block_predicates(self):
        self.admin.execute("ALTER SECURITY POLICY rls.p ADD BLOCK PREDICATE rls.mine(rep) ON dbo.orders AFTER INSERT")
        columns = [("id", "int"), ("rep", "varchar(128)"), ("amount", "int")]
        self.anna.bulk_load("dbo.orders", columns, [(10, "anna", 1), (11, "anna", 1)])
        self.assertEqual(self.ids(self.anna), [1, 3, 10, 11])
        with self.assertRaises(tds.Failed) as caught:
            self.anna.bulk_load("dbo.orders", columns, [(12, "anna", 1), (13, "ben", 1)])
        self.assertIn(BLOCKED, [error.number for error in caught.exception.messages])
        self.assertEqual(self.ids(self.anna), [1, 3, 10, 11])

    def test_a_policy_outlives_a_restart(self):
        for connection in (self.anna, self.ben, self.admin):
            connection.close()
        self.server.restart()
        self.admin, self.anna, self.ben = self.open(), self.open("anna", ANNA), self.open("ben", BEN)
        self.assertEqual(self.ids(self.ben), [2, 4])
        self.assertEqual(self.ids(self.admin), [])


if __name__ == "__main__":
    unittest.main()

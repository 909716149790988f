"""Dynamic data masking with sessions of several users at once: a plan is shared and a mask is the
reader's, grants and masks reach open sessions, and both outlive a restart."""
import unittest

import server

ANNA, BEN = "Private-Word-3", "Private-Word-4"
READ = "SELECT email, pay, pay * 2 AS twice FROM dbo.people ORDER BY id"
STORED = [("ann@x.org", 10, 20), ("bob@x.org", 20, 40)]
MASKED = [("aXXX@XXXX.com", 0, 0), ("bXXX@XXXX.com", 0, 0)]


class Masks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server().start()
        cls.server.create_database("d")
        with cls.server.connect("d") as admin:
            admin.execute(
                f"CREATE USER anna WITH PASSWORD = '{ANNA}'; CREATE USER ben WITH PASSWORD = '{BEN}'; "
                "CREATE TABLE dbo.people (id int PRIMARY KEY, email varchar(40) MASKED WITH (FUNCTION = 'email()'), "
                "pay int MASKED WITH (FUNCTION = 'default()')); "
                "INSERT dbo.people VALUES (1, 'ann@x.org', 10), (2, 'bob@x.org', 20); "
                "GRANT SELECT, UPDATE ON dbo.people TO anna, ben; GRANT UNMASK TO ben")

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.kill()
            cls.server.remove()

    def setUp(self):
        self.admin, self.anna, self.ben = self.open(), self.open("anna", ANNA), self.open("ben", BEN)

    def tearDown(self):
        for connection in (self.admin, self.anna, self.ben):
            connection.close()

    def open(self, user=None, password=None):
        more = {} if user is None else {"user": user, "password": password}
        return self.server.connect("d", **more)

    def test_one_text_is_masked_for_who_has_no_unmask(self):
        for _ in range(3):
            self.assertEqual(self.anna.execute(READ), MASKED)
            self.assertEqual(self.ben.execute(READ), STORED)
            self.assertEqual(self.admin.execute(READ), STORED)

    def test_a_grant_reaches_an_open_session(self):
        self.assertEqual(self.anna.execute(READ), MASKED)
        self.admin.execute("GRANT UNMASK ON dbo.people(email) TO anna")
        self.assertEqual(self.anna.execute(READ), [(stored[0], 0, 0) for stored in STORED])
        self.admin.execute("REVOKE UNMASK ON dbo.people(email) FROM anna")
        self.assertEqual(self.anna.execute(READ), MASKED)

    def test_a_mask_reaches_an_open_session(self):
        self.assertEqual(self.anna.execute(READ), MASKED)
        self.admin.execute("ALTER TABLE dbo.people ALTER COLUMN pay DROP MASKED")
        self.assertEqual([row[1:] for row in self.anna.execute(READ)], [row[1:] for row in STORED])
        self.admin.execute("ALTER TABLE dbo.people ALTER COLUMN pay ADD MASKED WITH (FUNCTION = 'default()')")
        self.assertEqual(self.anna.execute(READ), MASKED)

    def test_a_prepared_statement_is_masked_for_who_runs_it(self):
        self.admin.execute("GRANT IMPERSONATE ON USER::ben TO anna")
        prepared = "EXEC sp_executesql N'SELECT email FROM dbo.people WHERE pay = @pay', N'@pay int', 20"
        self.assertEqual(self.anna.execute(prepared), [("bXXX@XXXX.com",)])
        self.anna.execute("EXECUTE AS USER = 'ben'")
        self.assertEqual(self.anna.execute(prepared), [("bob@x.org",)])
        self.anna.execute("REVERT")
        self.assertEqual(self.anna.execute(prepared), [("bXXX@XXXX.com",)])

    def test_masks_are_not_in_the_way_of_changes(self):
        self.anna.execute("BEGIN TRANSACTION; UPDATE dbo.people SET pay = 30 WHERE email = 'ann@x.org'")
        self.assertEqual(self.anna.execute("SELECT pay FROM dbo.people WHERE pay = 30"), [(0,)])
        self.anna.execute("ROLLBACK")
        self.assertEqual(self.admin.execute(READ), STORED)

    def test_masks_outlive_a_restart(self):
        self.tearDown()
        self.server.restart()
        self.setUp()
        self.assertEqual(self.anna.execute(READ), MASKED)
        self.assertEqual(self.admin.execute("SELECT name, masking_function FROM sys.masked_columns ORDER BY column_id"),
                         [("email", "email()"), ("pay", "default()")])


if __name__ == "__main__":
    unittest.main()

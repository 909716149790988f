"""A database that is renamed while sessions, replicas and backups of it are there."""
import unittest

import server
from test_replicas import wait_for, wait_log
from test_roles import ANNOUNCED, CREATE, connect_patiently, drop


def alter(master, text):
    """Once the operation before it is over."""
    def done():
        errors = master.batch(text).errors
        if errors and errors[0].number != 45182:
            raise AssertionError(f"{text}: {errors}")
        return not errors

    wait_for(done)


class Renames(unittest.TestCase):
    def renamed(self, quired, connection):
        """What an open session sees once the database's name is new."""
        wait_for(lambda: connection.execute("SELECT DB_NAME()") == [("new name",)])
        self.assertEqual(connection.execute("SELECT a FROM [new name].dbo.t"), [(1,)])
        self.assertNotEqual(connection.batch("SELECT a FROM old.dbo.t").errors, [])
        self.assertEqual(connection.execute("SELECT name FROM sys.databases ORDER BY database_id"),
                         [("master",), ("new name",)])
        self.assertEqual(connection.execute(
            "SELECT DB_ID('new name') - DB_ID(), DB_ID('old'), "
            "DATABASEPROPERTYEX('new name', 'Status')"), [(0, None, "ONLINE")])
        with self.assertRaises(Exception) as refused:
            quired.connect("old").__enter__()
        self.assertIn("4060", str(refused.exception))

    def test_open_sessions_of_a_database_with_files_see_it(self):
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE old")
            with quired.connect("old") as session, quired.connect("old") as changing:
                session.execute("CREATE TABLE t (a int NOT NULL); INSERT t VALUES (1)")
                changing.execute("BEGIN TRAN; CREATE TABLE u (b int)")
                master.execute("ALTER DATABASE old MODIFY NAME = [new name]")
                wait_for(lambda: session.execute("SELECT DB_NAME()") == [("new name",)])
                changing.execute("COMMIT")  # of a picture of the catalog that has the old name
                self.renamed(quired, session)
                error, = session.batch("INSERT [new name].dbo.t VALUES (NULL)").errors
                self.assertIn("'new name.dbo.t'", error.text)
            with quired.connect() as other:
                other.execute("CREATE DATABASE copied AS COPY OF [new name]")
            with connect_patiently(quired, "copied") as copied:
                self.assertEqual(copied.execute("SELECT a, DB_NAME() FROM t"), [(1, "copied")])
            quired.restart()
            with quired.connect("NEW NAME") as session:
                self.assertEqual(session.execute("SELECT a, DB_NAME() FROM t"), [(1, "new name")])

    def test_a_hyperscale_database_its_replicas_and_copies(self):
        with server.Server(announced=ANNOUNCED) as quired, quired.connect() as master:
            master.execute(CREATE.format("old"))
            with quired.connect("old") as primary:
                primary.execute("CREATE TABLE t (a int); INSERT t VALUES (1)")
                master.execute("ALTER DATABASE old MODIFY (HA_REPLICAS = 1)")
                alter(master, "ALTER DATABASE old ADD SECONDARY ON SERVER server01 WITH "
                              "(SECONDARY_TYPE = Named, DATABASE_NAME = [r])")
                wait_log(quired, 'ev=ready name="hs-5-r1"')
                with quired.connect("old", read_only=True) as ha, quired.connect("r") as named:
                    wait_for(lambda: ha.batch("SELECT a FROM t").errors == [])
                    alter(master, "ALTER DATABASE old MODIFY NAME = [new name]")
                    self.renamed(quired, primary)
                    self.renamed(quired, ha)
                    self.assertEqual(named.execute("SELECT a, DB_NAME() FROM t"), [(1, "r")])
                    primary.execute("INSERT t VALUES (2)")
                    wait_for(lambda: named.execute("SELECT COUNT(*) FROM t") == [(2,)])
                    wait_for(lambda: ("new name",) in primary.execute(
                        "SELECT replica_database_name FROM sys.dm_hs_database_replicas(DB_ID())"))
            alter(master, "CREATE DATABASE copied AS COPY OF [new name]")
            with connect_patiently(quired, "copied") as copied:
                self.assertEqual(copied.execute("SELECT COUNT(*) FROM t"), [(2,)])
            drop(quired, "new name")


if __name__ == "__main__":
    unittest.main()

"""Microsoft's Northwind: its script loads through other people's clients, and all it makes runs."""
import re
import tempfile
import unittest

import clients
import northwind
import server

CALLS = {
    "CustOrderHist": "'ALFKI'",
    "CustOrdersDetail": "10248",
    "CustOrdersOrders": "'ALFKI'",
    "Employee Sales by Country": "'19960701', '19980701'",
    "Sales by Year": "'19960701', '19980701'",
    "SalesByCategory": "'Seafood', '1997'",
    "Ten Most Expensive Products": "",
}
VIEWS = 16


@unittest.skipUnless(northwind.is_here(), northwind.ABSENT)
class Northwind(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.quired = server.Server().start()

    @classmethod
    def tearDownClass(cls):
        cls.quired.stop()
        cls.quired.remove()

    def check(self, database):
        with self.quired.connect(database, timeout=120) as connection:
            for table, count in northwind.COUNTS.items():
                self.assertEqual(connection.execute(f"SELECT COUNT(*) FROM [{table}]"), [(count,)])
            views = connection.execute("SELECT name FROM sys.views ORDER BY name")
            self.assertEqual(len(views), VIEWS)
            for view, in views:
                with self.subTest(view=view):
                    self.assertTrue(connection.execute(f"SELECT * FROM [{view}]"))
            procedures = connection.execute("SELECT name FROM sys.procedures ORDER BY name")
            self.assertEqual([name for name, in procedures], sorted(CALLS))
            for procedure, arguments in CALLS.items():
                with self.subTest(procedure=procedure):
                    self.assertTrue(connection.execute(f"EXEC [{procedure}] {arguments}"))

    def test_the_script_loads_through_tsql_without_an_error(self):
        self.quired.create_database("by_tsql")
        with tempfile.TemporaryDirectory() as folder, \
                open(northwind.SCRIPT, encoding="utf-8-sig") as script:
            out = clients.tsql(clients.freetds_env(folder, self.quired), self.quired, "by_tsql",
                               script.read() + "\nGO\n")
        self.assertIsNone(re.search(r"Msg \d+ \(severity 1[1-9]", out), out[-3000:])
        self.check("by_tsql")

    @unittest.skipUnless(clients.has_tedious(), "tedious is not installed")
    def test_the_script_loads_through_tedious_without_an_error(self):
        self.quired.create_database("by_tedious")
        done = clients.node("northwind.js", self.quired, "by_tedious", northwind.SCRIPT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.check("by_tedious")


if __name__ == "__main__":
    unittest.main()

"""Who may connect: rules of the server and of a database, as their procedures and views see them."""
import subprocess
import unittest

import server
import tds


def own_address():
    """An IPv4 address of this machine that is not loopback, or None."""
    done = subprocess.run(["hostname", "-I"], stdout=subprocess.PIPE, text=True)
    found = [word for word in done.stdout.split() if "." in word and not word.startswith("127.")]
    return found[0] if found else None


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server("--listen", "0.0.0.0").start()
        cls.server.create_database("d")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def refusal(self, database):
        """Number of the error that a client from outside gets, None if it may connect."""
        try:
            tds.Connection(own_address(), self.server.port, server.ADMIN, self.server.password,
                           database=database).close()
        except tds.Failed as failure:
            return failure.messages[0].number
        return None

    @unittest.skipIf(own_address() is None, "this machine has no address but loopback")
    def test_a_rule_lets_in_and_its_deletion_keeps_out(self):
        with self.server.connect() as master, self.server.connect("d") as inside:
            self.assertEqual(self.refusal("d"), 40615)
            master.execute(f"EXEC sp_set_firewall_rule N'me', '{own_address()}', '{own_address()}'")
            self.assertIsNone(self.refusal("d"))
            self.assertIsNone(self.refusal("master"))
            master.execute("EXEC sp_delete_firewall_rule @name = N'ME'")
            self.assertEqual(self.refusal("d"), 40615)
            inside.execute("EXEC sp_set_database_firewall_rule N'x', '0.0.0.1', '255.255.255.255'")
            self.assertIsNone(self.refusal("d"))
            self.assertEqual(self.refusal("master"), 40615)
            inside.execute("EXEC sp_delete_database_firewall_rule N'x'")
            self.assertEqual(self.refusal("d"), 40615)

    def test_rules_are_shown_changed_and_kept(self):
        shown = "SELECT id, name, start_ip_address, end_ip_address FROM sys.firewall_rules"
        with self.server.connect() as master:
            master.execute("EXEC sp_set_firewall_rule N'Büro', '10.0.0.1', '10.0.0.9'")
            master.execute("EXEC sp_set_firewall_rule N'home', '10.1.0.1', '10.1.0.1'")
            master.execute("EXEC sp_set_firewall_rule @name = N'HOME', "
                           "@start_ip_address = '10.2.0.1', @end_ip_address = '10.2.0.7'")
        self.server.restart()
        with self.server.connect() as master:
            self.assertEqual(sorted(master.execute(shown)),
                             [(1, "Büro", "10.0.0.1", "10.0.0.9"),
                              (2, "HOME", "10.2.0.1", "10.2.0.7")])
            (good,), = master.execute("SELECT COUNT(*) FROM sys.firewall_rules WHERE "
                                      "modify_date >= create_date AND create_date > '2020-01-01'")
            self.assertEqual(good, 2)
            master.execute("EXEC sp_delete_firewall_rule N'home'; "
                           "EXEC sp_delete_firewall_rule N'büro'; "
                           "EXEC sp_delete_firewall_rule N'Büro'; EXEC sp_delete_firewall_rule N'x'")
            self.assertEqual(master.execute(shown), [])

    def test_what_is_no_rule_is_refused(self):
        for call, number in (("sp_set_firewall_rule N'a', '10.0.0.2', '10.0.0.1'", 40614),
                             ("sp_set_firewall_rule N'a', '10.0.0', '10.0.0.1'", 40609),
                             ("sp_set_firewall_rule N'', '10.0.0.1', '10.0.0.1'", 40618),
                             (f"sp_set_firewall_rule N'{'n' * 129}', '1.1.1.1', '1.1.1.1'", 40617),
                             ("sp_set_firewall_rule N'a'", 201)):
            with self.server.connect() as master:
                self.assertEqual([e.number for e in master.batch("EXEC " + call).errors], [number])
        with self.server.connect("d") as inside:
            reply = inside.batch("EXEC sp_set_firewall_rule N'a', '1.1.1.1', '1.1.1.1'")
            self.assertEqual([e.number for e in reply.errors], [2812])

    def test_a_database_has_at_most_128_rules_and_takes_them_along(self):
        fill = ("DECLARE @i int = 0, @n nvarchar(9) WHILE @i < 129 BEGIN SET @n = CONCAT('r', @i) "
                "EXEC sp_set_database_firewall_rule @n, '9.9.9.9', '9.9.9.9' SET @i += 1 END")
        count = "SELECT COUNT(*) FROM sys.database_firewall_rules"
        with self.server.connect() as master:
            for _ in range(2):
                master.execute("CREATE DATABASE e")
                with self.server.connect("e") as inside:
                    self.assertEqual(inside.execute(count), [(0,)])
                    self.assertEqual([e.number for e in inside.batch(fill).errors], [40611])
                    self.assertEqual(inside.execute(count), [(128,)])
                while master.batch("DROP DATABASE e").errors:
                    pass  # the session above is ending


if __name__ == "__main__":
    unittest.main()

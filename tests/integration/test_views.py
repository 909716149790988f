"""Views of monitoring against the truth: what was done, and what the operating system counts."""
import time
import unittest

import server
import tds

EVENTS = """SELECT event_category, event_type, event_subtype_desc, SUM(event_count) FROM sys.event_log
    WHERE database_name = '{}' GROUP BY event_category, event_type, event_subtype_desc
    ORDER BY event_type, event_subtype_desc"""
CONNECTIONS = """SELECT SUM(success_count), SUM(total_failure_count), SUM(connection_failure_count)
    FROM sys.database_connection_stats WHERE database_name = '{}'"""


def wait_for_rows(connection, query, expected, seconds=30):
    """Events are told to control every ten seconds."""
    until = time.monotonic() + seconds * server.SLOWNESS
    rows = connection.execute(query)
    while rows != expected and time.monotonic() < until:
        time.sleep(0.2)
        rows = connection.execute(query)
    return rows


class Events(unittest.TestCase):
    def test_logins_and_refusals_are_counted_by_database(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            for _ in range(3):
                quired.connect("d").close()
            for user, word in ((server.ADMIN, "wrong"), ("nobody", "wrong")):
                with self.assertRaises(tds.Failed):
                    quired.connect("d", user=user, password=word)
            expected = [("connectivity", "connection_failed", "invalid_login_name", 1),
                        ("connectivity", "connection_failed", "login_failed_for_user", 1),
                        ("connectivity", "connection_successful", "connection_successful", 3)]
            self.assertEqual(wait_for_rows(master, EVENTS.format("d"), expected), expected)
            self.assertEqual(master.execute(CONNECTIONS.format("d")), [(3, 2, 2)])
            with quired.connect("d") as connection:
                self.assertEqual([e.number for e in
                                  connection.batch("SELECT * FROM sys.event_log").errors], [208])


if __name__ == "__main__":
    unittest.main()

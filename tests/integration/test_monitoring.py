"""Query Store, waits, indexes and /metrics of a running server."""
import http.client
import os
import re
import ssl
import tempfile
import time
import unittest

import arm
import server
from test_backup import quire, utc

ALL = os.environ.get("QUIRE_TEST_ALL")
# From Microsoft's article on monitoring with Query Store; it has to run as it is.
TOP_QUERIES = """SELECT TOP 10 qt.query_sql_text, q.query_id,
    rs.count_executions, rs.avg_rowcount, rsi.start_time
FROM sys.query_store_query_text AS qt
JOIN sys.query_store_query AS q
    ON qt.query_text_id = q.query_text_id
JOIN sys.query_store_plan AS p
    ON q.query_id = p.query_id
JOIN sys.query_store_runtime_stats AS rs
    ON p.plan_id = rs.plan_id
JOIN sys.query_store_runtime_stats_interval AS rsi
    ON rsi.runtime_stats_interval_id = rs.runtime_stats_interval_id
WHERE rsi.start_time >= DATEADD(hour, -24, GETUTCDATE())
ORDER BY rs.avg_duration DESC"""
RUNS = """SELECT SUM(rs.count_executions) FROM sys.query_store_query_text qt
JOIN sys.query_store_query q ON q.query_text_id = qt.query_text_id
JOIN sys.query_store_plan p ON p.query_id = q.query_id
JOIN sys.query_store_runtime_stats rs ON rs.plan_id = p.plan_id
WHERE qt.query_sql_text = 'select count(*) from t where v = 7'"""
TOKEN = "0123456789abcdef-metrics"


def scrape(port, token):
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    connection.request("GET", "/metrics", headers={"Authorization": "Bearer " + token})
    answer = connection.getresponse()
    return answer.status, answer.getheader("content-type"), answer.read().decode()


def values(text):
    """(name, labels) -> number; every line has to be one that Prometheus reads."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) [a-z_]+ \S", line), line
            continue
        match = re.fullmatch(r'([a-z_]+)(\{(?:server="([^"]*)",database|controller)="([^"]*)"\})? (\S+)', line)
        assert match, line
        found[match[1], match[4]] = float(match[5])
    return found


class Statistics(unittest.TestCase):
    def test_what_ran_is_kept_over_a_restart(self):
        with server.Server() as quired:
            quired.create_database("d")
            with quired.connect("d") as c:
                c.execute("create table t(id int primary key, v int, pad char(300)) insert t select "
                          "value, value, replicate('x', 300) from generate_series(1, 3000)")
                for _ in range(40):
                    c.execute("select count(*) from t where v = 7")
                self.assertEqual(c.execute(RUNS), [(40,)])
                rows = c.execute("SELECT d.equality_columns, s.user_seeks, s.avg_user_impact FROM "
                                 "sys.dm_db_missing_index_details d JOIN "
                                 "sys.dm_db_missing_index_groups g ON g.index_handle = d.index_handle"
                                 " JOIN sys.dm_db_missing_index_group_stats s ON s.group_handle = "
                                 "g.index_group_handle")
                self.assertEqual(rows[0][:2], ("[v]", 40))
                self.assertGreater(rows[0][2], 90)
                self.check_waits(quired, c)
            quired.restart()
            with quired.connect("d") as c:
                self.assertEqual(c.execute(RUNS), [(40,)])
                c.execute("select count(*) from t where v = 7")
                self.assertEqual(c.execute(RUNS), [(41,)])
                self.assertIn("select count(*) from t where v = 7",
                              [row[0] for row in c.execute(TOP_QUERIES)])
                c.execute("DBCC CHECKDB WITH NO_INFOMSGS")

    def check_waits(self, quired, c):
        """A request that waits for anything has a row; afterwards its query has the wait."""
        with quired.connect("d") as other:
            spid = other.execute("SELECT @@SPID")[0][0]
            other.send_batch("WAITFOR DELAY '00:05:00'")
            rows, until = [], time.monotonic() + 20 * server.SLOWNESS
            while not rows and time.monotonic() < until:  # for a moment it may wait for something else
                rows = c.execute("SELECT wait_type FROM sys.dm_os_waiting_tasks "
                                 f"WHERE session_id = {spid} AND wait_type = 'WAITFOR'")
            other.attention()
            while not other.recv_reply().acknowledged_attention:
                pass
        self.assertEqual(rows, [("WAITFOR",)])


class Elsewhere(unittest.TestCase):
    """Query Store and scoped configurations where their database is not the one that wrote them."""
    STATEMENT = "select count(*) from t where v = 7"
    STATE = "SELECT actual_state_desc, readonly_reason FROM sys.database_query_store_options"
    MAXDOP = "SELECT CAST(value AS int) FROM sys.database_scoped_configurations WHERE name = 'MAXDOP'"

    def fill(self, c):
        c.execute("create table t(id int primary key, v int); insert t values(1, 7), (2, 8)")
        c.execute("ALTER DATABASE SCOPED CONFIGURATION SET MAXDOP = 3")
        for _ in range(40):
            c.execute(self.STATEMENT)
        c.execute("EXEC sp_query_store_flush_db")

    def check_own(self, quired, name, runs):
        """It has what its source had, and goes on by itself."""
        with quired.connect(name) as c:
            self.assertEqual(c.execute(self.STATE), [("READ_WRITE", 0)])
            self.assertEqual(c.execute(RUNS), [(runs,)])
            self.assertEqual(c.execute(self.MAXDOP), [(3,)])
            c.execute(self.STATEMENT)
            c.execute("EXEC sp_query_store_flush_db")
            self.assertEqual(c.execute(RUNS), [(runs + 1,)])
            c.execute("DBCC CHECKDB WITH NO_INFOMSGS")

    def test_a_named_replica_shows_what_its_primary_keeps_and_keeps_nothing(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE h (EDITION = 'Hyperscale')")
            with quired.connect("h") as primary:
                self.fill(primary)
                primary.execute("create table pages(id int primary key, pad varchar(2000)); insert pages select value, "
                                "replicate('y', 2000) from generate_series(1, 300)")
                master.execute("ALTER DATABASE h ADD SECONDARY ON SERVER server01 WITH (SERVICE_OBJECTIVE = 'HS_Gen5_2', "
                               "SECONDARY_TYPE = Named, DATABASE_NAME = [h_reports])")
                with quired.connect("h_reports") as replica:
                    self.assertEqual(replica.execute(self.STATE), [("READ_ONLY", 8)])
                    self.assertEqual(replica.execute(RUNS), [(40,)])
                    self.assertEqual(replica.execute(self.MAXDOP), [(3,)])
                    for _ in range(3):
                        replica.execute(self.STATEMENT)
                    self.assertEqual(replica.execute(RUNS), [(40,)])
                    self.check_page_server_reads(quired)
                    for text in ("EXEC sp_query_store_flush_db", "ALTER DATABASE CURRENT SET QUERY_STORE CLEAR",
                                 "ALTER DATABASE SCOPED CONFIGURATION SET MAXDOP = 4"):
                        self.assertEqual([e.number for e in replica.batch(text).errors], [3906], text)
                    replica.execute("ALTER DATABASE SCOPED CONFIGURATION CLEAR PROCEDURE_CACHE")
                    primary.execute(self.STATEMENT)
                    primary.execute("EXEC sp_query_store_flush_db")
                    until = time.monotonic() + 20 * server.SLOWNESS
                    while replica.execute(RUNS) != [(41,)] and time.monotonic() < until:
                        time.sleep(0.02)
                    self.assertEqual(replica.execute(RUNS), [(41,)])

    def check_page_server_reads(self, quired):
        """A replica begins with no pages: what its session is said to have read of page servers is in the count of all
        that the node got from them, and is the sum of its statements' reads."""
        own = "SELECT page_server_reads FROM sys.dm_exec_sessions WHERE session_id = @@SPID"
        node = "SELECT num_of_reads FROM sys.dm_io_virtual_file_stats(DB_ID(), 1)"
        costs = "SELECT SUM(total_page_server_reads), MAX(max_page_server_reads) FROM sys.dm_exec_query_stats"
        with quired.connect("h_reports") as c:
            before, read = c.execute(costs)[0][0], c.execute(own)[0][0]
            c.execute("SELECT COUNT(*) FROM pages WHERE pad LIKE '%x'")
            read = c.execute(own)[0][0] - read
            self.assertGreater(read, 20)
            self.assertLessEqual(read, c.execute(node)[0][0])
            total, most = c.execute(costs)[0]
            self.assertEqual((total - before, most), (read, read))

    def test_copies_and_restores_have_what_was_kept(self):
        with server.Server() as quired, quired.connect() as master:
            for name, edition in (("of_files", "GeneralPurpose"), ("of_log", "Hyperscale")):
                master.execute(f"CREATE DATABASE {name} (EDITION = '{edition}')")
                with quired.connect(name) as c:
                    self.fill(c)
                    time.sleep(0.05)  # the moment lies between commits
                    moment = time.time()
                    time.sleep(0.05)
                    c.execute(self.STATEMENT)
                    c.execute("EXEC sp_query_store_flush_db")
                master.execute(f"CREATE DATABASE {name}_copied AS COPY OF {name}")
                self.check_own(quired, name + "_copied", 41)
            quire(quired, "restore", "--name", "of_log", "--dest-name", "as_then", "--time", utc(moment))
            self.check_own(quired, "as_then", 40)
            self.check_own(quired, "of_log", 41)


class Metrics(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.token_file = os.path.join(self.folder.name, "token")
        with open(self.token_file, "w", encoding="ascii") as f:
            f.write(TOKEN + "\n")

    def test_metrics_are_for_who_has_the_token_or_may_read(self):
        with server.Server("--metrics-token-file", self.token_file) as quired:
            for token in ("", "x", TOKEN[:-1], TOKEN + "x"):
                self.assertEqual(scrape(quired.https_port, token)[0], 401)
            status, kind, text = scrape(quired.https_port, TOKEN)
            self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
            self.assertGreater(values(text)["process_resident_memory_bytes", None], 1e6)
            api = arm.Api(quired).login()
            self.assertEqual(scrape(quired.https_port, api.token)[0], 200)
            answer = arm.Api(quired).send("GET", "/subscriptions?api-version=2022-12-01",
                                          headers={"Authorization": "Bearer " + TOKEN})
            self.assertEqual(answer[0], 401)

    @unittest.skipUnless(ALL, "takes long")
    def test_metrics_tell_what_a_database_uses(self):
        with server.Server("--metrics-token-file", self.token_file) as quired:
            quired.create_database("my db")
            with quired.connect("my db") as c:
                c.execute("create table t(id int primary key, pad char(500))")
                name, found, until = "my db", {}, time.monotonic() + 60 * server.SLOWNESS
                # the first row may be of a moment in which nothing ran, and logins are told by the gateway
                while (found.get(("quire_database_cpu_percent", name), 0) == 0 or
                       found.get(("quire_database_connections_successful_total", name), 0) == 0) and \
                        time.monotonic() < until:
                    c.execute("DECLARE @i int = 0; WHILE @i < 200000 SET @i = @i + 1")
                    found = values(scrape(quired.https_port, TOKEN)[2])
                    time.sleep(0.2)
                shown = c.execute("SELECT avg_cpu_percent, avg_instance_cpu_percent, avg_log_write_percent "
                                  "FROM sys.dm_db_resource_stats")
            told = (found["quire_database_cpu_percent", name], found["quire_instance_cpu_percent", name],
                    found["quire_database_log_write_percent", name])
            self.assertIn(told, [tuple(map(float, row)) for row in shown])
            self.assertGreater(found["quire_database_cpu_percent", name], 0)
            self.assertEqual(found["quire_database_sessions", name], 1)
            if os.environ.get("QUIRE_TEST_EDITION") == "Hyperscale":  # a 0 would read as a database that is full
                self.assertNotIn(("quire_database_storage_limit_bytes", name), found)
            else:
                self.assertGreater(found["quire_database_storage_limit_bytes", name], 1 << 20)
            self.assertGreaterEqual(
                found["quire_database_connections_successful_total", name], 1)
            self.assertEqual(found["quire_database_deadlocks_total", name], 0)


if __name__ == "__main__":
    unittest.main()

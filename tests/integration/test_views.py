"""Views of monitoring against the truth: what was done, and what the operating system counts."""
import os
import re
import threading
import time
import unittest
from decimal import Decimal

import server
import tds

EVENTS = """SELECT event_category, event_type, event_subtype_desc, SUM(event_count) FROM sys.event_log
    WHERE database_name = '{}' GROUP BY event_category, event_type, event_subtype_desc
    ORDER BY event_type, event_subtype_desc"""
CONNECTIONS = """SELECT SUM(success_count), SUM(total_failure_count), SUM(connection_failure_count)
    FROM sys.database_connection_stats WHERE database_name = '{}'"""


# From Microsoft's article on moving from DTUs to vCores; it has to run as it is.
MAPPING = """WITH dtu_vcore_map AS
(
SELECT TOP (1) rg.slo_name,
               CASE WHEN rg.slo_name LIKE '%SQLG4%' THEN 'Gen4'
                    WHEN rg.slo_name LIKE '%SQLGZ%' THEN 'Gen4'
                    WHEN rg.slo_name LIKE '%SQLG5%' THEN 'Gen5'
                    WHEN rg.slo_name LIKE '%SQLG6%' THEN 'Gen5'
               END AS dtu_hardware_gen,
               s.scheduler_count * CAST(rg.instance_cap_cpu/100. AS decimal(3,2)) AS dtu_logical_cpus,
               CAST((jo.process_memory_limit_mb / s.scheduler_count) / 1024. AS decimal(4,2)) AS dtu_memory_per_core_gb
FROM sys.dm_user_db_resource_governance AS rg
CROSS JOIN (SELECT COUNT(1) AS scheduler_count FROM sys.dm_os_schedulers WHERE status = 'VISIBLE ONLINE') AS s
CROSS JOIN sys.dm_os_job_object AS jo
WHERE dtu_limit > 0
      AND
      DB_NAME() <> 'master'
)
SELECT dtu_logical_cpus,
       dtu_hardware_gen,
       dtu_memory_per_core_gb,
       CASE WHEN dtu_hardware_gen = 'Gen4' THEN dtu_logical_cpus
            WHEN dtu_hardware_gen = 'Gen5' THEN dtu_logical_cpus * 0.7
       END AS Gen4_vcores,
       7 AS Gen4_memory_per_core_gb,
       CASE WHEN dtu_hardware_gen = 'Gen4' THEN dtu_logical_cpus * 1.7
            WHEN dtu_hardware_gen = 'Gen5' THEN dtu_logical_cpus
       END AS Gen5_vcores,
       5.05 AS Gen5_memory_per_core_gb,
       CASE WHEN dtu_hardware_gen = 'Gen4' THEN dtu_logical_cpus
            WHEN dtu_hardware_gen = 'Gen5' THEN dtu_logical_cpus * 0.8
       END AS Fsv2_vcores,
       1.89 AS Fsv2_memory_per_core_gb,
       CASE WHEN dtu_hardware_gen = 'Gen4' THEN dtu_logical_cpus * 1.4
            WHEN dtu_hardware_gen = 'Gen5' THEN dtu_logical_cpus * 0.9
       END AS M_vcores,
       29.4 AS M_memory_per_core_gb
FROM dtu_vcore_map;"""
# dtu_logical_cpus, dtu_hardware_gen, dtu_memory_per_core_gb, Gen4_vcores, Gen4_memory, Gen5_vcores, Gen5_memory
MAPPED = {"S0": ("0.25", "Gen4", "0.42", "0.250", 7, "0.425", "5.05"),
          "S9": ("24.00", "Gen5", "5.40", "16.800", 7, "24.000", "5.05"),
          "P15": ("42.00", "Gen5", "4.86", "29.400", 7, "42.000", "5.05")}
GOVERNANCE = """SELECT max_memory_grant, min_db_max_size_in_mb, max_db_max_size_in_mb, default_db_max_size_in_mb,
    IIF(last_updated_date_utc BETWEEN DATEADD(HOUR, -1, GETUTCDATE()) AND GETUTCDATE(), 1, 0),
    IIF(logical_database_guid <> '00000000-0000-0000-0000-000000000000', 1, 0)
    FROM sys.dm_user_db_resource_governance WHERE database_id = DB_ID()"""
PLANS = """SELECT total_query_optimization_count, max_request_cpu_time_ms FROM sys.dm_resource_governor_workload_groups
    WHERE name LIKE 'UserPrimaryGroup.DBId%'"""
ALL = os.environ.get("QUIRE_TEST_ALL")


def node_cpu_seconds(connection):
    """User and kernel time of the node's process, as the kernel has it."""
    user, kernel = connection.execute(
        "SELECT total_user_time, total_kernel_time FROM sys.dm_os_job_object")[0]
    return (user + kernel) / 1e7


def process_cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def process_io(pid):
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return {name: int(value) for name, value in (line.split(": ") for line in file)}


def wait_for_rows(connection, query, expected, seconds=30):
    """Events are told to control every ten seconds."""
    until = time.monotonic() + seconds * server.SLOWNESS
    rows = connection.execute(query)
    while rows != expected and time.monotonic() < until:
        time.sleep(0.2)
        rows = connection.execute(query)
    return rows


class Transactions(unittest.TestCase):
    def test_one_that_a_batch_began_is_seen_while_the_batch_runs(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            with quired.connect("d") as worker, quired.connect("d") as watcher:
                worker.execute("CREATE TABLE t (id int PRIMARY KEY)")
                session = worker.execute("SELECT @@SPID")[0][0]
                worker.send_batch("BEGIN TRAN audit; INSERT t VALUES (1); WAITFOR DELAY '00:10:00'; COMMIT")
                seen = f"""SELECT s.open_transaction_count, r.open_transaction_count, a.name,
                        d.database_transaction_log_record_count
                    FROM sys.dm_exec_sessions s JOIN sys.dm_exec_requests r ON r.session_id = s.session_id
                    JOIN sys.dm_tran_session_transactions t ON t.session_id = s.session_id
                    JOIN sys.dm_tran_active_transactions a ON a.transaction_id = t.transaction_id
                    JOIN sys.dm_tran_database_transactions d ON d.transaction_id = t.transaction_id
                    WHERE s.session_id = {session} AND r.wait_type = 'WAITFOR'"""
                self.assertEqual(wait_for_rows(watcher, seen, [(1, 1, "audit", 1)]), [(1, 1, "audit", 1)])
                worker.cancel()


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
            self.assertEqual(wait_for_rows(master, CONNECTIONS.format("d"), [(3, 2, 2)]), [(3, 2, 2)])
            with quired.connect("d") as connection:
                self.assertEqual([e.number for e in
                                  connection.batch("SELECT * FROM sys.event_log").errors], [208])

    def test_the_row_of_deadlocks_has_their_reports(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            with quired.connect("d") as first, quired.connect("d") as second:
                first.execute("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT t VALUES (1, 1), (2, 2)")
                first.execute("BEGIN TRAN; UPDATE t SET v = 0 WHERE id = 1")
                second.execute("BEGIN TRAN; UPDATE t SET v = 0 WHERE id = 2")
                told = []
                other = threading.Thread(target=lambda: told.extend(
                    first.batch("UPDATE t SET v = 0 WHERE id = 2").errors))
                other.start()
                told.extend(second.batch("UPDATE t SET v = 0 WHERE id = 1").errors)
                other.join()
            self.assertEqual([e.number for e in told], [1205])
            self.assertEqual(master.execute(
                """SELECT event_type, event_count, additional_data.value('count(/deadlock)', 'int'),
                   additional_data.value('count(/deadlock/process-list/process)', 'int'),
                   IIF(CAST(additional_data AS nvarchar(max)) LIKE '%UPDATE t SET v = 0 WHERE id = [12]%', 1, 0)
                   FROM sys.event_log WHERE database_name = 'd' AND event_category = 'engine'"""),
                [("deadlock", 1, 1, 2, 1)])
            self.assertEqual(master.execute(
                "SELECT COUNT(*) FROM sys.event_log WHERE event_type <> 'deadlock' AND additional_data IS NOT NULL"),
                [(0,)])


class Tempdb(unittest.TestCase):
    SPACE = """SELECT user_objects_alloc_page_count, user_objects_dealloc_page_count, internal_objects_alloc_page_count,
        internal_objects_dealloc_page_count FROM sys.dm_db_{}_space_usage WHERE session_id = {}"""
    USED = "SELECT allocated_extent_page_count FROM tempdb.sys.dm_db_file_space_usage"

    def test_pages_of_temporary_tables_and_of_spills_are_counted_by_session(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            with quired.connect("d") as worker, quired.connect("d") as asker:
                spid = worker.execute("SELECT @@SPID")[0][0]
                self.assertEqual(worker.execute("SELECT COUNT(*) FROM tempdb.sys.dm_db_file_space_usage"), [(1,)])
                self.assertEqual(asker.execute(self.SPACE.format("session", spid)), [(0, 0, 0, 0)])
                rows = "SELECT TOP 40000 ROW_NUMBER() OVER (ORDER BY (SELECT 1)) AS n, REPLICATE('x', 400) AS t " \
                       "FROM sys.all_columns a CROSS JOIN sys.all_columns b"
                worker.execute(f"SELECT n, t INTO #t FROM ({rows}) r")
                user, freed, internal, given_back = asker.execute(self.SPACE.format("session", spid))[0]
                self.assertGreater(user, 40000 * 400 * 0.8 / 8192)  # the rest may be in memory
                self.assertLess(user, 40000 * 400 * 1.5 / 8192)
                self.assertEqual(freed, 0)
                self.assertAlmostEqual(user + internal - given_back, asker.execute(self.USED)[0][0], delta=3)
                running = worker.execute(self.SPACE.format("task", spid))
                self.assertEqual((len(running), running[0][0]), (1, 0))
                self.assertEqual(asker.execute(self.SPACE.format("task", spid)), [])
                own = worker.execute("SELECT COUNT(*) FROM sys.dm_db_task_space_usage t JOIN sys.dm_exec_requests r "
                                     "ON r.task_address = t.task_address WHERE r.session_id = @@SPID")
                self.assertEqual(own, [(1,)])
                before = asker.execute(self.SPACE.format("session", spid))[0]
                worker.execute("DECLARE @t TABLE (n int, t varchar(900)); INSERT @t SELECT TOP 60000 1, REPLICATE('x', 900) "
                               "FROM sys.all_columns a CROSS JOIN sys.all_columns b")  # more than a rowset has in memory
                after = asker.execute(self.SPACE.format("session", spid))[0]
                self.assertEqual(after[:2], before[:2])
                self.assertGreater(after[2] - before[2], 1000)
                self.assertEqual(after[2] - before[2], after[3] - before[3])
                # what the files of tempdb count is the pool's, but for less than 64 KB of each file
                pool, files = asker.execute(
                    "SELECT write_bytes_total, (SELECT num_of_bytes_written FROM sys.dm_io_virtual_file_stats(2, NULL)) "
                    "FROM sys.dm_resource_governor_resource_pools WHERE name = 'SloSharedPool1'")[0]
                self.assertLess(abs(pool - files), 0.05 * files, (pool, files))


class Operators(unittest.TestCase):
    def test_the_queries_of_the_guide_run_as_they_are_printed(self):
        guide = os.path.join(os.path.dirname(__file__), "../../docs/monitoring.md")
        with open(guide, encoding="utf-8") as file:
            queries = re.findall(r"```sql\n(.*?)```", file.read(), re.S)
        self.assertGreater(len(queries), 10)
        with server.Server("--resource-sample-seconds", "1") as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            with quired.connect("d") as c:
                wait_for_rows(c, "SELECT IIF(COUNT(*) > 0, 1, 0) FROM sys.dm_db_resource_stats", [(1,)])
                for query in queries:
                    with self.subTest(query[:60]):
                        (master if "sys.event_log" in query else c).execute(query.replace("0x...", "0x00"))

    def test_views_of_the_transaction_of_log_and_of_statistics(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            with quired.connect("d") as c:
                c.execute("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT t VALUES (1, 1)")
                now = "SELECT transaction_id, transaction_sequence_num, transaction_is_snapshot, " \
                      "last_transaction_sequence_num, first_useful_sequence_num FROM sys.dm_tran_current_transaction"
                self.assertEqual(c.execute(now)[0][:3], (0, 0, False))
                c.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN; SELECT * FROM t")
                row = c.execute(now)[0]
                self.assertEqual(row[0], c.execute("SELECT CURRENT_TRANSACTION_ID()")[0][0])
                self.assertTrue(0 < row[1] <= row[3] and row[2] and row[4] <= row[1], row)
                with quired.connect("d") as other:
                    other.execute("INSERT t VALUES (2, 2)")
                later = c.execute(now)[0]
                self.assertEqual(later[:3], row[:3])
                self.assertGreater(later[3], row[3])
                c.execute("COMMIT; SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                log = "SELECT recovery_model, log_end_lsn, active_log_size_mb, total_log_size_mb FROM sys.dm_db_log_stats(DB_ID())"
                model, end, active, total = c.execute(log)[0]
                self.assertEqual(model, "FULL")
                self.assertLessEqual(active, total)
                c.execute("INSERT t VALUES (3, 3)")
                self.assertGreater(c.execute(log)[0][1], end)
                self.assertEqual(c.execute("SELECT COUNT(*) FROM sys.dm_db_log_stats(31)"), [(0,)])
                self.assertEqual(c.execute(
                    "SELECT s.stats_id, p.stats_id, p.last_updated, p.modification_counter FROM sys.stats s "
                    "CROSS APPLY sys.dm_db_stats_properties(s.object_id, s.stats_id) p "
                    "WHERE s.object_id = OBJECT_ID('t')"), [(1, 1, None, None)])


def counters(connection):
    """{(object, counter, instance): (value, type)} of sys.dm_os_performance_counters."""
    return {(o.rstrip().split(":")[1], c.rstrip(), i.rstrip()): (value, kind) for o, c, i, value, kind in
            connection.execute("SELECT * FROM sys.dm_os_performance_counters")}


class PerformanceCounters(unittest.TestCase):
    def test_performance_counters_grow_by_what_was_done(self):
        with server.Server() as quired, quired.connect() as master:
            master.execute("CREATE DATABASE d")
            with quired.connect("d") as c, quired.connect("d") as other:
                c.execute("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT t VALUES (1, 1)")
                before = counters(c)
                for _ in range(20):
                    c.execute("UPDATE t SET v += 1")
                other.execute("BEGIN TRAN; UPDATE t SET v = 0")
                waiting = threading.Thread(target=lambda: c.execute("UPDATE t SET v = 5"))
                waiting.start()
                found = wait_for_rows(other, "SELECT cntr_value FROM sys.dm_os_performance_counters "
                                      "WHERE counter_name = 'Processes blocked'", [(1,)])
                self.assertEqual(found, [(1,)])
                self.assertEqual(other.execute("SELECT task_state FROM sys.dm_os_tasks ORDER BY task_state"),
                                 [("RUNNING",), ("SUSPENDED",)])
                self.assertEqual(other.execute("SELECT t.task_state, w.wait_type FROM sys.dm_os_tasks t "
                                               "JOIN sys.dm_os_waiting_tasks w ON w.waiting_task_address = t.task_address"),
                                 [("SUSPENDED", "LCK_M_X")])
                self.assertEqual(counters(other)["Databases", "Active Transactions", "d"][0], 1)
                other.execute("COMMIT")
                waiting.join()
                after = counters(c)
                commits = c.execute("SELECT waiting_tasks_count FROM sys.dm_exec_session_wait_stats "
                                    "WHERE session_id = @@SPID AND wait_type = 'WRITELOG'")[0][0]
                self.assertTrue(0 < commits <= 23, commits)
                # pages that a writer's connection still has are read, too: of a table of two leaves and more
                c.execute("INSERT t SELECT value, 0 FROM GENERATE_SERIES(2, 5000)")
                for i in range(10):
                    c.execute(f"EXEC sp_executesql N'UPDATE t SET v = 9 WHERE id = @i', N'@i int', @i = {i * 400 + 2}")
                reads = c.execute("""SELECT s.execution_count, s.min_logical_reads, s.total_logical_reads
                    FROM sys.dm_exec_query_stats s CROSS APPLY sys.dm_exec_sql_text(s.sql_handle) x
                    WHERE x.text LIKE '%SET v = 9 WHERE id = @i'""")[0]
                self.assertTrue(reads[0] == 10 and reads[1] >= 2 and reads[2] <= 200, reads)

            def more(*key):
                return after[key][0] - before[key][0]
            self.assertEqual(more("Databases", "Write Transactions/sec", "d"), 22)
            self.assertGreaterEqual(more("SQL Statistics", "Batch Requests/sec", ""), 22)
            self.assertGreaterEqual(more("Locks", "Lock Waits/sec", "_Total"), 1)  # the writer lock may be one more
            self.assertEqual(more("Locks", "Number of Deadlocks/sec", "_Total"), 0)
            self.assertGreater(more("Databases", "Log Bytes Flushed/sec", "d"), 0)
            self.assertEqual(after["General Statistics", "User Connections", ""], (2, 65792))
            self.assertEqual(after["Buffer Manager", "Buffer cache hit ratio", ""][1], 537003264)
            hits, lookups = (after["Buffer Manager", name, ""][0] for name in
                             ("Buffer cache hit ratio", "Buffer cache hit ratio base"))
            self.assertTrue(0 < hits <= lookups)
            size = after["Databases", "Data File(s) Size (KB)", "d"]
            self.assertTrue(size[0] > 0 and size[1] == 65792)
            self.assertNotIn("master", {key[2] for key in after})
            self.assertIn("master", {key[2] for key in counters(master)})
            quired.restart()
            with quired.connect("d") as c:  # rates are counts since the database was opened
                c.execute("UPDATE t SET v = 6")
                self.assertLess(counters(c)["Databases", "Write Transactions/sec", "d"][0], 10)


class Objectives(unittest.TestCase):
    def check_mapping(self, quired, objective):
        with quired.connect() as master:
            master.execute(f"CREATE DATABASE [in {objective}] (SERVICE_OBJECTIVE = '{objective}')")
        with quired.connect(f"in {objective}") as connection:
            row = connection.execute(MAPPING)[0]
        expected = tuple(Decimal(v) if isinstance(v, str) and v[0].isdigit() else v
                         for v in MAPPED[objective])
        self.assertEqual(row[:7], expected)

    def test_the_mapping_query_of_dtus_gives_the_rows_of_the_guide(self):
        with server.Server() as quired:
            self.check_mapping(quired, "S0")
            self.check_mapping(quired, "S9")
            with quired.connect() as master:
                self.assertEqual(master.execute(MAPPING), [])
                master.execute("CREATE DATABASE v (SERVICE_OBJECTIVE = 'GP_Gen5_2')")
            with quired.connect("v") as connection:
                self.assertEqual(connection.execute(MAPPING), [])
                # what tools ask of the machine: the objective's share of it, the process's times
                self.assertEqual(connection.execute(
                    "SELECT i.cpu_count, i.scheduler_count, i.max_workers_count, "
                    "i.physical_memory_kb / 1024 - j.process_memory_limit_mb, IIF(DATEDIFF(minute, "
                    "i.sqlserver_start_time, GETDATE()) < 5, 1, 0) FROM sys.dm_os_sys_info i, "
                    "sys.dm_os_job_object j"), [(2, 2, 200, 0, 1)])
                row = connection.execute(GOVERNANCE)[0]
                self.assertEqual(row[:4], (25, 1024, 1048576, 32768))
                self.assertEqual(row[4:], (1, 1))
                self.assertEqual(connection.execute(
                    "SELECT f.max_size / 128 - g.log_size_in_mb FROM sys.database_files f, "
                    "sys.dm_user_db_resource_governance g WHERE f.type = 1"), [(0,)])
                before, most = connection.execute(PLANS)[0]
                connection.execute("SELECT COUNT(*) FROM sys.objects WHERE name = 'a plan of its own'")
                after, most = connection.execute(PLANS)[0]
                self.assertGreater(after, before)
                self.assertGreaterEqual(most, 0)

    @unittest.skipUnless(ALL, "takes long")
    def test_the_mapping_query_in_a_premium_database(self):
        with server.Server() as quired:
            self.check_mapping(quired, "P15")


class Counters(unittest.TestCase):
    """What statements and requests are said to have used, against what files, other views and the client counted."""
    TEMP = "SELECT num_of_bytes_written FROM sys.dm_io_virtual_file_stats(2, 1)"
    COST = """SELECT SUM(s.execution_count), MAX(s.max_grant_kb), MAX(s.max_used_grant_kb), MAX(s.max_ideal_grant_kb),
        SUM(s.total_spills) FROM sys.dm_exec_query_stats s CROSS APPLY sys.dm_exec_sql_text(s.sql_handle) t WHERE t.text = '{}'"""
    GROUP = """SELECT max_request_grant_memory_kb, blocked_task_count FROM sys.dm_resource_governor_workload_groups
        WHERE name LIKE 'UserPrimaryGroup.DBId%'"""
    SCHEDULERS = """SELECT SUM(current_tasks_count), SUM(active_workers_count), SUM(work_queue_count), SUM(CAST(is_idle AS int)),
        COUNT(*) FROM sys.dm_os_schedulers"""
    HISTORY = """SELECT total_request_count, delta_request_count, total_cpu_usage_ms, delta_cpu_usage_ms
        FROM sys.dm_resource_governor_workload_groups_history_ex ORDER BY snapshot_time"""
    FILES = """SELECT SUM(IIF(file_id = 2, num_of_writes, 0)), SUM(num_of_bytes_written)
        FROM sys.dm_io_virtual_file_stats(NULL, NULL)"""
    DISK = "SELECT write_operation_count FROM sys.dm_os_job_object"
    SORT = "select pad, id from t order by pad, id"

    def test_what_statements_use_is_what_files_and_groups_count(self):
        with server.Server("--resource-sample-seconds", "1") as quired:
            with quired.connect() as master:
                master.execute("CREATE DATABASE d (SERVICE_OBJECTIVE = 'GP_Gen5_2')")
            with quired.connect("d") as c:
                c.execute("ALTER DATABASE CURRENT SET QUERY_STORE = ON (QUERY_CAPTURE_MODE = ALL)")
                (disk,), (writes, _) = c.execute(self.DISK)[0], c.execute(self.FILES)[0]
                c.execute("create table t(id int primary key, pad varchar(300)); insert t select value, "
                          "replicate(convert(varchar(36), newid()), 6) from generate_series(1, 30000)")
                self.check_spills(c, "select * into #a from t", 5 << 20)
                self.assertGreater(self.check_spills(c, self.SORT, 0)[1], 5000)
                self.check_grant(c)
                self.check_requests(quired, c)
                self.check_history(c)
                self.check_connection(quired, c)
                self.check_switches(c)
                self.check_pool(c)
                # local disks get at least what the log's file was given
                more = c.execute(self.FILES)[0][0] - writes
                self.assertGreater(more, 0)
                self.assertGreaterEqual(c.execute(self.DISK)[0][0] - disk, more)

    def check_spills(self, c, text, least):
        before = c.execute(self.TEMP)[0][0]
        c.execute(text)
        written = c.execute(self.TEMP)[0][0] - before
        cost = c.execute(self.COST.format(text))[0]
        self.assertGreaterEqual(written, least)
        self.assertEqual((cost[0], cost[4]), (1, -(-written // 8192)))
        return cost

    def check_grant(self, c):
        _, granted, used, ideal, _ = c.execute(self.COST.format(self.SORT))[0]
        self.assertEqual(granted, c.execute(self.GROUP)[0][0])
        self.assertTrue(0 < used <= granted <= ideal, (used, granted, ideal))
        memory, temp = c.execute(f"""SELECT MAX(rs.max_query_max_used_memory), MAX(rs.max_tempdb_space_used)
            FROM sys.query_store_runtime_stats rs JOIN sys.query_store_plan p ON p.plan_id = rs.plan_id
            JOIN sys.query_store_query q ON q.query_id = p.query_id JOIN sys.query_store_query_text qt
            ON qt.query_text_id = q.query_text_id WHERE qt.query_sql_text = '{self.SORT}'""")[0]
        spills = c.execute(self.COST.format(self.SORT))[0][4]
        self.assertEqual((memory, temp), (used // 8, spills))

    def check_requests(self, quired, c):
        """One waits for a lock, one for a time, and the one that looks."""
        with quired.connect("d") as holder, quired.connect("d") as waiter, quired.connect("d") as idler:
            holder.execute("begin transaction; update t set pad = '' where id = 5")
            waiter.send_batch("update t set pad = '' where id = 5")
            idler.send_batch("WAITFOR DELAY '00:05:00'")
            waits = """SELECT wait_type, IIF(scheduler_id = session_id % 2, 1, 0) FROM sys.dm_exec_requests
                WHERE session_id <> @@SPID ORDER BY wait_type"""
            expected = [("LCK_M_X", 1), ("WAITFOR", 1)]
            self.assertEqual(wait_for_rows(c, waits, expected), expected)
            self.assertEqual(c.execute(self.GROUP)[0][1], 1)
            self.assertEqual(c.execute(self.SCHEDULERS), [(3, 3, 0, 1, 2)])
            idler.attention()
            while not idler.recv_reply().acknowledged_attention:
                pass
            holder.execute("rollback")
            self.assertEqual(waiter.recv_reply().errors, [])
        self.assertEqual(c.execute(self.GROUP)[0][1], 0)
        self.assertEqual(c.execute(self.SCHEDULERS), [(1, 1, 0, 1, 2)])

    def check_history(self, c):
        """Totals are those of their row's moment: what a row adds is its delta."""
        history = "sys.dm_resource_governor_workload_groups_history_ex"
        some = f"SELECT IIF(COUNT(*) > 0, 1, 0) FROM {history}"
        self.assertEqual(wait_for_rows(c, some, [(1,)]), [(1,)])
        total = c.execute(self.HISTORY)[-1][0]
        for _ in range(5):
            c.execute("SELECT 1")
        more = f"SELECT IIF(MAX(total_request_count) >= {total + 5}, 1, 0) FROM {history}"
        self.assertEqual(wait_for_rows(c, more, [(1,)]), [(1,)])
        rows = c.execute(self.HISTORY)
        for before, after in zip(rows, rows[1:]):
            self.assertEqual(after[0] - before[0], after[1])
            self.assertAlmostEqual(after[2] - before[2], after[3], delta=1)  # both are cut to milliseconds
        self.assertGreater(rows[-1][0], rows[0][0])


    def check_connection(self, quired, c):
        """Packets: of 4,096 bytes, of which 8 are a header."""
        packets = "SELECT num_reads, num_writes FROM sys.dm_exec_connections WHERE session_id = {}"
        with quired.connect("d") as other:
            spid = other.execute("SELECT @@SPID")[0][0]
            read, written = c.execute(packets.format(spid))[0]
            other.execute("SELECT 1")
            self.assertEqual(c.execute(packets.format(spid)), [(read + 1, written + 1)])
            other.execute("SELECT '" + "x" * 10000 + "' x WHERE 1 = 0")  # of UTF-16: five packets
            self.assertEqual(c.execute(packets.format(spid)), [(read + 6, written + 2)])
            other.execute("SELECT REPLICATE(CAST('x' AS varchar(max)), 100000)")
            more = c.execute(packets.format(spid))[0][1] - written
            self.assertTrue(2 + 100000 // 4088 <= more <= 2 + 100000 // 4088 + 2, more)

    def check_switches(self, c):
        sums = "SELECT SUM(yield_count), SUM(context_switches_count) FROM sys.dm_os_schedulers"
        task = "SELECT context_switches_count FROM sys.dm_os_tasks WHERE session_id = @@SPID"
        busy = "SELECT total_cpu_usage_ms FROM sys.dm_resource_governor_workload_groups WHERE name LIKE 'UserPrimaryGroup.DBId%'"
        (yields, switches), own, cpu = c.execute(sums)[0], c.execute(task)[0][0], c.execute(busy)[0][0]
        begun = time.monotonic()
        c.execute("DECLARE @i int = 0; WHILE @i < 300000 SET @i += 1 WAITFOR DELAY '00:00:00.001'")
        yields, switches = (b - a for a, b in zip((yields, switches), c.execute(sums)[0]))
        ms, wall_ms = c.execute(busy)[0][0] - cpu, 1000 * (time.monotonic() - begun)
        self.assertTrue(ms / 3 < yields <= wall_ms + 5, (yields, ms, wall_ms))  # a look at the clock each
        self.assertGreaterEqual(c.execute(task)[0][0] - own, 1)
        self.assertGreaterEqual(switches, 1)

    def check_pool(self, c):
        """What limits a database limits the pool that it has for itself."""
        limits = """SELECT DISTINCT p.max_iops_per_volume, p.max_log_rate_kb, p.max_data_space_kb, p.instance_vcores, p.instance_cpu_count,
            p.delta_out_of_memory_count, g.max_memory_grant_kb, g.max_request_cpu_msec FROM sys.dm_resource_governor_resource_pools_history_ex p
            JOIN sys.dm_resource_governor_workload_groups_history_ex g ON g.pool_id = p.pool_id"""
        of_group = """SELECT primary_group_max_io, primary_max_log_rate / 1024, CAST(DATABASEPROPERTYEX('d', 'MaxSizeInBytes') AS bigint) / 1024,
            cpu_limit, 2, 0, max_db_memory * 75 / 100 * 25 / 100, 0 FROM sys.dm_user_db_resource_governance WHERE database_id = DB_ID()"""
        found, expected = c.execute(limits), c.execute(of_group)
        self.assertEqual(len(found), 1)
        for a, b in zip(found[0], expected[0]):
            self.assertAlmostEqual(a, b, delta=100)
        used = "SELECT IIF(MAX(avg_log_write_percent) > 0 AND MAX(avg_storage_percent) > 0, 1, 0) FROM {}"
        used = used.format("sys.dm_resource_governor_resource_pools_history_ex WHERE pool_id > 255")
        self.assertEqual(wait_for_rows(c, used, [(1,)]), [(1,)])


@unittest.skipUnless(ALL, "takes long")
class Truth(unittest.TestCase):
    def test_the_time_of_a_session_is_what_the_kernel_counts(self):
        loop = "DECLARE @i int = 0; WHILE @i < 3000000 SET @i = @i + 1"
        own = "SELECT cpu_time FROM sys.dm_exec_sessions WHERE session_id = @@SPID"
        with server.Server() as quired:
            quired.create_database("d")
            with quired.connect("d") as connection:
                connection.execute("SELECT 1")
                before, kernel_before = connection.execute(own)[0][0], node_cpu_seconds(connection)
                connection.execute(loop)
                counted = (connection.execute(own)[0][0] - before) / 1000
                kernel = node_cpu_seconds(connection) - kernel_before
        self.assertLess(abs(counted - kernel), 0.05 * kernel + 0.05, (counted, kernel))

    def test_processor_time_of_pools_is_what_the_kernel_counts(self):
        """Of two sessions with long and with short statements, over some seconds of samples."""
        sums = "SELECT SUM(delta_cpu_usage_ms) / 1000e0 FROM sys.dm_resource_governor_resource_pools_history_ex"
        usual = "SELECT SUM(delta_request_count) FROM sys.dm_resource_governor_workload_groups_history_ex"
        with server.Server("--resource-sample-seconds", "1", "--vcore-cpu", "0.1") as quired:
            quired.create_database("d")
            pid = quired.node_pid("d")
            with quired.connect("d") as spinner, quired.connect("d") as c:
                c.execute("create table t(id int primary key, v int); insert t select value, value from generate_series(1, 1000)")
                samples = "SELECT COUNT(*) FROM sys.dm_resource_governor_workload_groups_history_ex"
                self.next_sample(c, samples)
                kernel, counted, requests = process_cpu_seconds(pid), c.execute(sums)[0][0], c.execute(usual)[0][0]
                spinner.send_batch("DECLARE @i int = 0; WHILE @i < 2000000000 SET @i = @i + 1")
                until, sent = time.monotonic() + 8, 2
                while time.monotonic() < until:
                    c.execute("select count(*) from t where v % 7 = 3")
                    sent += 1
                spinner.attention()
                while not spinner.recv_reply().acknowledged_attention:
                    pass
                self.next_sample(c, samples)
                counted = c.execute(sums)[0][0] - counted
                kernel = process_cpu_seconds(pid) - kernel
                requests = c.execute(usual)[0][0] - requests
        self.assertLess(abs(counted - kernel), 0.05 * kernel + 0.05, (counted, kernel))
        self.assertGreaterEqual(requests, sent)
        self.assertLess(requests, 1.05 * sent + 500)  # and those that waited for the samples

    def next_sample(self, c, samples):
        count = c.execute(samples)[0][0] + 1
        self.assertEqual(wait_for_rows(c, f"SELECT IIF(({samples}) > {count}, 1, 0)", [(1,)]), [(1,)])

    def test_pages_and_log_are_what_the_kernel_counts(self):
        """Bytes of calls: log that was written, besides files of log that are made in advance, and pages that were read."""
        files = """SELECT SUM(IIF(file_id = 2, num_of_bytes_written, 0)), SUM(IIF(file_id = 1, num_of_bytes_read, 0)),
            SUM(num_of_reads) FROM sys.dm_io_virtual_file_stats(DB_ID(), NULL)"""
        pool = "SELECT SUM(read_bytes_total) FROM sys.dm_resource_governor_resource_pools WHERE pool_id > 255"
        segment = 32 << 20
        with server.Server("--resource-sample-seconds", "1") as quired:
            with quired.connect() as master:
                master.execute("CREATE DATABASE d (SERVICE_OBJECTIVE = 'GP_Gen5_16')")
            pid = quired.role_pid("shared")
            with quired.connect("d") as c:
                c.execute("create table t(id int primary key, pad varchar(800))")
                io, before = process_io(pid), c.execute(files)[0]
                for k in range(8):
                    c.execute("insert t select value, replicate(convert(varchar(36), newid()), 20) "
                              f"from generate_series({k * 5000 + 1}, {k * 5000 + 5000})")
                written = process_io(pid)["wchar"] - io["wchar"]
                log = c.execute(files)[0][0] - before[0]
                made = min(range(4), key=lambda n: abs(written - log - n * segment)) * segment
                self.assertGreater(log, 25 << 20)
                self.assertLess(abs(written - made - log), 0.05 * log, (written, made, log))
                said = "SELECT SUM(delta_log_bytes_used) FROM sys.dm_resource_governor_workload_groups_history_ex"
                enough = f"SELECT IIF(({said}) > {int(0.95 * log)}, 1, 0)"
                self.assertEqual(wait_for_rows(c, enough, [(1,)]), [(1,)])
                self.assertLess(c.execute(said)[0][0], 1.05 * log)
            quired.restart()
            pid = quired.role_pid("shared")
            with quired.connect("d") as c:
                io, before, pooled = process_io(pid), c.execute(files)[0], c.execute(pool)[0][0]
                c.execute("select count(*) from t where pad like '%x'")
                now = process_io(pid)
                _, read, reads = (b - a for a, b in zip(before, c.execute(files)[0]))
                self.assertGreater(read, 25 << 20)
                self.assertLess(abs(now["rchar"] - io["rchar"] - read), 0.05 * read)
                self.assertLess(abs(now["syscr"] - io["syscr"] - reads), 0.05 * reads)
                self.assertLess(abs(c.execute(pool)[0][0] - pooled - read), 0.05 * read)

    def test_a_row_of_resource_stats_appears_every_fifteen_seconds(self):
        with server.Server() as quired, quired.connect() as master:
            begun = master.execute("SELECT CONVERT(varchar(23), DATEADD(second, -1, GETUTCDATE()), 126)")[0][0]
            quired.create_database("d")
            with quired.connect("d") as connection:
                # the process's rows end when they do: the first may be one of a moment
                enough = "SELECT IIF(COUNT(*) >= 3, 1, 0) FROM sys.dm_db_resource_stats"
                self.assertEqual(wait_for_rows(connection, enough, [(1,)], 70), [(1,)])
                # a look may be late on a busy machine
                gaps = connection.execute("SELECT DATEDIFF(millisecond, LAG(end_time) OVER (ORDER BY end_time), end_time) "
                                          "FROM sys.dm_db_resource_stats ORDER BY end_time")
                self.assertEqual(connection.execute(
                    f"SELECT COUNT(*) FROM sys.dm_db_resource_stats WHERE end_time < '{begun}'"), [(0,)])
        for gap, in gaps[1:]:
            self.assertAlmostEqual(gap, 15000, delta=2000)


if __name__ == "__main__":
    unittest.main()

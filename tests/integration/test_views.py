"""Views of monitoring against the truth: what was done, and what the operating system counts."""
import os
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
            self.assertEqual(wait_for_rows(master, CONNECTIONS.format("d"), [(3, 2, 2)]), [(3, 2, 2)])
            with quired.connect("d") as connection:
                self.assertEqual([e.number for e in
                                  connection.batch("SELECT * FROM sys.event_log").errors], [208])


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
                before, most = connection.execute(PLANS)[0]
                connection.execute("SELECT COUNT(*) FROM sys.objects WHERE name = 'a plan of its own'")
                after, most = connection.execute(PLANS)[0]
                self.assertGreater(after, before)
                self.assertGreaterEqual(most, 0)

    @unittest.skipUnless(ALL, "takes long")
    def test_the_mapping_query_in_a_premium_database(self):
        with server.Server() as quired:
            self.check_mapping(quired, "P15")


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

"""What views say that a database has used against what the kernel counts of its processes: the tiers that run in processes
of their own. General Purpose is in test_views."""
import os
import unittest

import server
from test_views import process_cpu_seconds, process_io, wait_for_rows

FILES = """SELECT SUM(IIF(file_id = 2, num_of_bytes_written, 0)), SUM(IIF(file_id = 1, num_of_bytes_written, 0))
    FROM sys.dm_io_virtual_file_stats(DB_ID(), NULL)"""
GROUPS = """SELECT SUM(total_cpu_usage_ms) / 1000e0 FROM sys.dm_resource_governor_workload_groups"""
SAID = """SELECT SUM(delta_log_bytes_used) FROM sys.dm_resource_governor_workload_groups_history_ex"""
SEGMENT = 32 << 20  # of a file of log, written in advance


@unittest.skipUnless(os.environ.get("QUIRE_TEST_ALL"), "takes long")
class Truth(unittest.TestCase):
    def serve(self, objective):
        quired = server.Server("--resource-sample-seconds", "1").start()
        self.addCleanup(quired.remove)
        self.addCleanup(quired.stop)
        with quired.connect() as master:
            master.execute(f"CREATE DATABASE d (SERVICE_OBJECTIVE = '{objective}')")
        return quired

    def connect(self, quired):
        c = quired.connect("d")
        self.addCleanup(c.close)
        return c

    def near(self, said, counted, least=0):
        self.assertGreater(counted, least)
        self.assertLess(abs(said - counted), 0.05 * counted, (said, counted))

    def files(self, c):
        return c.execute(FILES)[0]

    def fill(self, c):
        """Log made, as the file's counter and the history have it."""
        before, said = self.files(c)[0], c.execute(SAID)[0][0] or 0
        for k in range(8):
            c.execute("insert t select value, replicate(convert(varchar(36), newid()), 20) "
                      f"from generate_series({k * 5000 + 1}, {k * 5000 + 5000})")
        log = self.files(c)[0] - before
        enough = f"SELECT IIF(({SAID}) - {said} > {int(0.95 * log)}, 1, 0)"
        self.assertEqual(wait_for_rows(c, enough, [(1,)]), [(1,)])
        self.near(c.execute(SAID)[0][0] - said, log)
        return log

    def check_cpu(self, c, pid):
        c.execute("select 1")
        said, counted = c.execute(GROUPS)[0][0], process_cpu_seconds(pid)
        for _ in range(20):
            c.execute("select count(*) from t where reverse(pad) like 'q%'")
        c.execute("select 1")
        self.near(c.execute(GROUPS)[0][0] - said, process_cpu_seconds(pid) - counted, 1)

    def test_a_hyperscale_compute_node(self):
        quired = self.serve("HS_Gen5_4")
        c = self.connect(quired)
        c.execute("create table t(id int primary key, pad varchar(800))")
        journal = process_io(quired.role_pid("log"))["wchar"]
        log = self.fill(c)
        # the log service writes headers of its own, and long-term objects in between
        self.near(log, process_io(quired.role_pid("log"))["wchar"] - journal, 25 << 20)
        self.check_cpu(c, quired.role_pid("hs-5"))
        c.close()
        quired.restart()
        c = self.connect(quired)
        pid = quired.role_pid("hs-5")
        rbpex = """SELECT num_of_reads, num_of_bytes_read FROM sys.dm_io_virtual_file_stats(0, NULL)"""
        before = c.execute(rbpex)[0]
        io = process_io(pid)
        c.execute("select count(*) from t where pad like '%x'")
        now, after = process_io(pid), c.execute(rbpex)[0]
        self.near(after[1] - before[1], now["rchar"] - io["rchar"], 25 << 20)
        self.near(after[0] - before[0], now["syscr"] - io["syscr"])

    def test_a_business_critical_primary(self):
        quired = self.serve("BC_Gen5_4")
        c = self.connect(quired)
        c.execute("create table t(id int primary key, pad varchar(800))")
        pid = quired.role_pid("bc-5")
        before = process_io(pid)["wchar"]
        log = self.fill(c)
        written = process_io(pid)["wchar"] - before
        made = min(range(4), key=lambda n: abs(written - log - n * SEGMENT)) * SEGMENT
        self.near(log, written - made, 25 << 20)
        self.check_cpu(c, pid)
        pools = "SELECT SUM(write_bytes_total) FROM sys.dm_resource_governor_resource_pools"
        before, data, pooled = process_io(pid)["wchar"], self.files(c)[1], c.execute(pools)[0][0]
        c.execute("CHECKPOINT")
        written = process_io(pid)["wchar"] - before
        self.near(c.execute(pools)[0][0] - pooled, written, 50 << 20)
        self.near(self.files(c)[1] - data, written / 2)  # the area beside the data file is no file of the view

"""What a database may take: its size, and DBCC SHRINKDATABASE under writers."""
import glob
import os
import threading
import time
import unittest

import server

ROWS = ("INSERT t (b) SELECT TOP {} REPLICATE('x', 7000) FROM sys.all_columns a CROSS JOIN sys.all_columns c")
SIZES = "SELECT size, FILEPROPERTY(name, 'SpaceUsed') FROM sys.database_files WHERE file_id = 1"


def longest_file(quired):
    return max(os.path.getsize(p) for p in glob.glob(os.path.join(quired.data_dir, "**", "data"), recursive=True))


class Limits(unittest.TestCase):
    def give_back(self, quired, d, most):
        """As soon as nobody reads what was there: the first backup, which begins by itself, may do so for a while."""
        until = time.monotonic() + 30 * server.SLOWNESS
        d.execute("DBCC SHRINKFILE (1) WITH NO_INFOMSGS")
        while longest_file(quired) >= most and time.monotonic() < until:
            time.sleep(0.05)
            d.execute("DBCC SHRINKFILE (1) WITH NO_INFOMSGS")
        self.assertLess(longest_file(quired), most)

    def shrink(self, quired, options, on_files):
        with quired.connect() as master:
            master.execute(f"CREATE DATABASE d ({options})")
        with quired.connect(database="d") as d, quired.connect(database="d") as other:
            d.execute("CREATE TABLE t (id int IDENTITY PRIMARY KEY, b varchar(8000)); CREATE TABLE u (a int, b int)")
            d.execute(ROWS.format(2000))
            before = d.execute(SIZES)[0]
            d.execute("DBCC SHRINKFILE (1, TRUNCATEONLY)")  # writes what is in memory
            long = longest_file(quired)
            d.execute("DELETE t WHERE id > 100")
            stop, written = threading.Event(), []

            def write():
                while not stop.is_set():
                    other.execute(f"INSERT u VALUES ({len(written)}, 0)")
                    written.append(1)

            writer = threading.Thread(target=write)
            writer.start()
            try:
                answer = d.execute("DBCC SHRINKDATABASE (d, 10) WITH NO_INFOMSGS")
            finally:
                stop.set()
                writer.join()
            self.assertEqual((answer[0][1], answer[0][3]), (1, 128), answer)
            size, used = d.execute(SIZES)[0]
            self.assertLess(size, before[0] / 5)
            self.assertLessEqual(used, size)
            self.assertEqual(d.execute("SELECT count(*), sum(len(b)) FROM t"), [(100, 700000)])
            self.assertEqual(d.execute("SELECT count(*), count(DISTINCT a) FROM u"), [(len(written),) * 2])
            d.execute("DBCC CHECKDB WITH NO_INFOMSGS")
            if on_files:
                self.give_back(quired, d, long / 3)
            d.execute(ROWS.format(500))
            self.assertEqual(d.execute("SELECT count(*) FROM t"), [(600,)])

    def test_a_database_of_files_shrinks_while_others_write(self):
        with server.Server() as quired:
            self.shrink(quired, "SERVICE_OBJECTIVE = 'GP_Gen5_2'", True)

    def test_a_hyperscale_database_shrinks_while_others_write(self):
        with server.Server() as quired:
            self.shrink(quired, "SERVICE_OBJECTIVE = 'HS_Gen5_2'", False)


if __name__ == "__main__":
    unittest.main()

"""More databases than one node may have open."""
import os
import shutil
import threading
import unittest

import server

# 64 connections and what the process has besides; the rest is for 28 open databases (src/cmd/node_open.c)
FILES, CONNECTIONS, OPEN_MAX, DATABASES, MAKERS = 800, 64, 28, 48, 4


def open_databases(quired):
    """Directories of databases that the shared node has files of."""
    found, at = set(), f"/proc/{quired.role_pid('shared')}/fd"
    for fd in os.listdir(at):
        try:
            path = os.readlink(f"{at}/{fd}")
        except OSError:
            continue  # it was closed just now
        if "/databases/" in path:
            found.add(path.split("/databases/")[1].split("/")[0])
    return found


@unittest.skipUnless(shutil.which("prlimit"), "there is no prlimit")
class Density(unittest.TestCase):
    def make(self, quired, first, most):
        with quired.connect() as master:
            for i in range(first, DATABASES, MAKERS):
                master.execute(f"CREATE DATABASE d{i} (EDITION = 'Basic')")
                most.append(len(open_databases(quired)))

    def test_more_databases_than_descriptors(self):
        with server.Server("--connections-max", str(CONNECTIONS), under=["prlimit", f"--nofile={FILES}"]) as quired:
            most, kept = [], []
            makers = [threading.Thread(target=self.make, args=(quired, i, most)) for i in range(MAKERS)]
            for maker in makers:
                maker.start()
            for maker in makers:
                maker.join()
            self.assertEqual(len(most), DATABASES)
            for i in range(DATABASES):
                session = quired.connect(f"d{i}")
                session.execute(f"CREATE TABLE t (a int); INSERT t VALUES ({i})")
                most.append(len(open_databases(quired)))
                kept.append(session)
                if i % 6 != 0:
                    kept.pop().close()
            self.assertLessEqual(max(most), OPEN_MAX)
            for i, session in zip(range(0, DATABASES, 6), kept):
                self.assertEqual(session.execute("SELECT a FROM t"), [(i,)])
                session.close()
            for i in range(DATABASES):
                with quired.connect(f"d{i}") as session:
                    self.assertEqual(session.execute("SELECT a FROM t"), [(i,)])


if __name__ == "__main__":
    unittest.main()

"""`quire stress`: what it counts is what the server has seen, and clients come back as drivers do."""
import csv
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

import pymssql
import server


class Stress(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server("--sample").start()
        cls.directory = tempfile.TemporaryDirectory(prefix="quire-stress-")
        cls.env = {**os.environ, "QUIRE_HOME": cls.directory.name,
                   "QUIRE_PASSWORD": cls.server.password}
        cls.where = ["-S", f"localhost,{cls.server.port}", "-U", "quireadmin", "--ca",
                     os.path.join(cls.server.data_dir, "tls", "cert.pem")]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()
        cls.directory.cleanup()

    def connect(self, database="master"):
        return pymssql.connect(server=self.server.host, port=str(self.server.port), user=server.ADMIN,
                               password=self.server.password, database=database, autocommit=True)

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, *words, database="mySampleDatabase"):
        return subprocess.Popen([server.program("quire"), "stress", *self.where, "-d", database,
                                 "-o", "json", *words], env=self.env, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def stress(self, *words, code=0, **more):
        process = self.start(*words, **more)
        out, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, out + errors)
        return json.loads(out) if out else errors

    def test_every_iteration_is_one_and_every_row_is_counted(self):
        with self.connect("mySampleDatabase") as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE hits (client int, iteration int, PRIMARY KEY (client, iteration))")
            script = self.write("hits.sql", "INSERT hits VALUES ($(client), $(iteration))\nGO\n"
                                            "SELECT 1 UNION ALL SELECT 2\nGO 2\n")
            timeline, plot = self.path("hits.csv"), self.path("hits.svg")
            told = self.stress("-i", script, "--threads", "4", "--iterations", "25", "--timeline",
                               timeline, "--plot", plot)
            self.assertEqual((told["iterations"], told["batches"], told["rows"], told["errors"]),
                             (100, 300, 400, 0))
            cursor.execute("SELECT client, COUNT(*), MIN(iteration), MAX(iteration) FROM hits GROUP BY client")
            self.assertEqual(sorted(cursor.fetchall()), [(i, 25, 1, 25) for i in range(4)])
        with open(timeline, encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(sum(int(row["iterations"]) for row in rows), 100)
        with open(plot, encoding="utf-8") as file:
            self.assertTrue(file.read().rstrip().endswith("</svg>"))
        latency = told["latency"]
        self.assertTrue(0 < latency["p50Ms"] <= latency["p99Ms"] <= latency["maxMs"])

    def test_errors_are_counted_by_number_and_set_the_exit_code(self):
        told = self.stress("-Q", "IF $(iteration) % 2 = 0 RAISERROR('even', 16, 1) ELSE SELECT 1/0",
                           "--threads", "2", "--iterations", "10", code=1)
        self.assertEqual({e["number"]: (e["count"], e["text"]) for e in told["errorsByNumber"]},
                         {8134: (10, "Divide by zero error encountered."), 50000: (10, "even")})
        self.assertEqual((told["iterations"], told["reconnects"]), (0, 0))
        self.assertIn("18456", self.stress("-Q", "SELECT 1", "-P", "wrong", code=1))
        self.assertIn("4060", self.stress("-Q", "SELECT 1", database="nowhere", code=1))
        self.assertIn("one of --sql", self.stress(code=2))

    def test_a_settings_file_of_sql_query_stress_is_enough(self):
        settings = {"MainQuery": "SELECT COUNT(*) FROM sys.objects", "NumThreads": 3, "NumIterations": 7,
                    "DelayBetweenQueries": 1, "CommandTimeout": 0, "ConnectionTimeout": 15,
                    "MainDbConnectionInfo": {"Server": self.where[1], "Database": "mySampleDatabase",
                                             "Login": "quireadmin", "Password": self.server.password}}
        path = self.write("stress.json", json.dumps(settings))
        done = subprocess.run([server.program("quire"), "stress", "--config", path, "-o", "json",
                               *self.where[4:]], env={**self.env, "QUIRE_PASSWORD": "other"}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["iterations"], 21)

    def test_a_rate_and_a_schedule_are_kept(self):
        plan = self.write("plan.csv", "time,clients,rate\n0,4,50\n1,4,100\n2,0,\n2.2,0,\n")
        told = self.stress("-Q", "SELECT 1", "--schedule", plan)
        self.assertAlmostEqual(told["iterations"], 150, delta=15)
        self.assertGreater(told["seconds"], 2.1)

    def test_a_connection_that_breaks_is_opened_again(self):
        process = self.start("-Q", "SELECT 1", "--threads", "4", "--think-ms", "5")
        with self.connect() as connection:
            cursor, killed = connection.cursor(), []
            while not killed:
                cursor.execute("SELECT session_id FROM sys.dm_exec_sessions s JOIN sys.databases d "
                               "ON d.database_id = s.database_id WHERE d.name = 'mySampleDatabase'")
                killed = [row[0] for row in cursor.fetchall()]
            cursor.execute(f"KILL {killed[0]}")
            deadline = time.monotonic() + 60  # until another session has its place
            while time.monotonic() < deadline:
                cursor.execute("SELECT session_id FROM sys.dm_exec_sessions s JOIN sys.databases d "
                               "ON d.database_id = s.database_id WHERE d.name = 'mySampleDatabase'")
                now = {row[0] for row in cursor.fetchall()}
                if killed[0] not in now and len(now) == 4:
                    break
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, errors)
        told = json.loads(out)
        self.assertEqual(told["reconnects"], 1)
        self.assertGreater(told["iterations"], 0)
        self.assertGreaterEqual(told["longestGapMs"], told["latency"]["maxMs"] * 0.98)


if __name__ == "__main__":
    unittest.main()

"""Databases that are scaled by their load: by the service and from outside. `quire autoscale simulate` on the
loads of examples/autoscaler: the forecast is worth what it is there for."""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import arm
import server
import tds

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Simulate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="quire-autoscale-")
        subprocess.run([sys.executable, os.path.join(ROOT, "examples", "autoscaler", "traces.py"),
                        cls.directory.name], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def run_quire(self, *words):
        return subprocess.run([server.program("quire"), "autoscale", "simulate", *words],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120)

    def simulate(self, trace, *words):
        done = self.run_quire("--trace", self.path(trace), "--max-objective", "HS_Gen5_16", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split() for line in done.stdout.splitlines()[1:]]
        return {row[0]: [float(cell) for cell in row[1:]] for row in rows}

    def test_the_forecast_misses_half_for_no_more(self):
        for trace, days in (("daily.csv", "3"), ("weekly.csv", "14")):
            told = self.simulate(trace, "--learn-days", days)
            average, ahead = told["moving_average"], told["forecast"]
            self.assertGreater(average[0], 0)
            self.assertLessEqual(ahead[0], average[0] / 2)
            self.assertLessEqual(ahead[1], average[1])

    def test_a_warm_up_after_a_change_delays_the_next_one(self):
        told = [self.simulate("daily.csv", "--learn-days", "3", "--policy", "moving_average", "--warmup", seconds)
                ["moving_average"] for seconds in ("0", "15", "1800")]
        self.assertEqual(told[0], told[1])  # five points take longer
        self.assertGreater(told[2][0], told[0][0])  # too late
        self.assertLessEqual(told[2][3], told[0][3])  # and not more often

    def test_the_spike_goes_up_once_and_down_once(self):
        told = self.simulate("spike.csv", "--policy", "moving_average", "--csv", self.path("s.csv"),
                             "--plot", self.path("s.svg"))
        self.assertEqual(told["moving_average"][3:], [1, 1])
        with open(self.path("s.csv"), encoding="ascii") as file:
            wishes = [line.split(",")[3:5] for line in file]
        self.assertEqual([w for w in wishes if w[1] in ("high", "low")],
                         [["HS_Gen5_4", "high"], ["HS_Gen5_2", "low"]])
        with open(self.path("s.svg"), encoding="ascii") as file:
            self.assertIn("2 to 4 vCores: high", file.read())

    def test_what_is_wrong_is_named(self):
        spike = self.path("spike.csv")
        for words, says in (((), "usage"), (("--trace", self.path("none.csv")), "No such file"),
                            (("--trace", spike, "--policy", "luck"), "'luck' is none"),
                            (("--trace", spike, "--family", "S"), "has no objectives by vCores"),
                            (("--trace", spike, "--min-objective", "GP_Gen5_2"), "is no objective of the family"),
                            (("--trace", spike, "--warmup", "-1"), "the warm-up"),
                            (("--trace", spike, "--up", "many"), "--up: 'many' is no number"),
                            (("--trace", spike, "--up", "20"), "the lower threshold has to be"),
                            (("--trace", __file__), "a header with the columns")):
            done = self.run_quire(*words)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn(says, done.stderr)


class Load:
    """A batch that would compute for ever."""

    def __init__(self, quired, database):
        self.connection = quired.connect(database)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            self.connection.execute("DECLARE @i bigint = 0; WHILE 1 = 1 SET @i += 1")
        except (tds.Failed, tds.Closed, OSError):
            pass

    def end(self):
        self.connection.attention()
        self.thread.join()
        self.connection.close()


class Service(unittest.TestCase):
    """The clock runs 15 times as fast, and a vCore is so little that any load is one."""

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server("--resource-sample-seconds", "1", "--vcore-cpu", "0.01").start()
        cls.master = cls.server.connect()
        cls.api = arm.Api(cls.server).login()
        answer = cls.api.send("GET", "/subscriptions?api-version=2022-12-01")[2]
        cls.at = (answer["value"][0]["id"] +
                  "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/server01/databases/")
        for name in ("d", "e"):
            cls.master.execute(f"CREATE DATABASE {name} (SERVICE_OBJECTIVE = 'GP_Gen5_2')")

    @classmethod
    def tearDownClass(cls):
        cls.master.close()
        cls.server.stop()
        cls.server.remove()

    def wait(self, query, seconds=60):
        """The first row of a query over decisions, once there is one."""
        deadline = time.monotonic() + seconds
        while not (rows := self.master.execute(query)):
            self.assertLess(time.monotonic(), deadline,
                            self.master.execute("SELECT CurrentSLO, RequestedSLO, UsageInfo FROM "
                                                "sys.database_autoscale_history"))
            time.sleep(0.1)
        return rows[0]

    def send(self, method, path, body=None):
        return self.api.send(method, self.at + path + "?api-version=2022-08-01-preview", body)

    def test_a_load_scales_it_up_and_its_end_down(self):
        outside = self.start_outside()
        self.master.execute("ALTER DATABASE d SET AUTOSCALE = ON (POLICY = MOVING_AVERAGE, MAX = 'GP_Gen5_4', "
                            "WINDOW = 2, COOLDOWN = 0, METRICS = 'cpu')")
        loads = [Load(self.server, name) for name in ("d", "e")]
        up = self.wait("SELECT CurrentSLO, InsertedAt, JSON_VALUE(UsageInfo, '$.DataPoints') FROM "
                       "sys.database_autoscale_history WHERE RequestedSLO = 'GP_Gen5_4'")
        self.assertEqual((up[0], up[2]), ("GP_Gen5_2", "2"))
        self.wait("SELECT 1 FROM sys.database_autoscale WHERE current_objective = 'GP_Gen5_4'")
        with self.server.connect("e") as e:
            while not e.execute("SELECT 1 FROM dbo.Autoscaler WHERE RequestedSLO = 'GP_Gen5_4'"):
                self.assertIsNone(outside.poll())
                time.sleep(0.1)
            self.assertEqual(e.execute("SELECT TOP (1) CurrentSLO, RequestedSLO, JSON_VALUE(UsageInfo, "
                                       "'$.DataPoints') FROM dbo.Autoscaler ORDER BY Id"),
                             [("GP_Gen5_2", None, "1")])
        for load in loads:
            load.end()
        self.wait("SELECT 1 FROM sys.database_autoscale_history WHERE CurrentSLO = 'GP_Gen5_4' AND "
                  "RequestedSLO = 'GP_Gen5_2' AND JSON_VALUE(UsageInfo, '$.Reason') = 'low'")
        self.wait("SELECT 1 FROM sys.database_autoscale WHERE current_objective = 'GP_Gen5_2'")
        outside.terminate()
        outside.communicate(timeout=60)
        with self.server.connect("d") as d:  # the seed's table is a view away
            d.execute("CREATE VIEW dbo.Autoscaler AS SELECT Id, InsertedAt, CurrentSLO, RequestedSLO, UsageInfo "
                      "FROM sys.database_autoscale_history")
            self.assertEqual(d.execute("SELECT u.MovingAvgCpuPercent FROM dbo.Autoscaler AS a CROSS APPLY "
                                       "OPENJSON(a.UsageInfo) WITH (MovingAvgCpuPercent float, Reason "
                                       "nvarchar(20)) AS u WHERE u.Reason = 'high' AND u.MovingAvgCpuPercent "
                                       "<= 70"), [])
            self.assertEqual(d.execute("SELECT database_name, is_enabled FROM sys.database_autoscale"),
                             [("d", True)])
        self.master.execute("ALTER DATABASE d SET AUTOSCALE = OFF")

    def start_outside(self):
        """What anybody can run on a timer does the same to the other database."""
        return subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "examples", "autoscaler", "autoscaler.py"), "--server",
             self.server.host, "--port", str(self.server.port), "--user", server.ADMIN, "--password-file",
             os.path.join(self.server.data_dir, "admin-password"), "--database", "e", "--hardware", "GP_Gen5",
             "--max", "4", "--points", "2", "--interval", "0.5"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def test_settings_are_the_same_wherever_they_are_said(self):
        self.master.execute("CREATE DATABASE f (EDITION = 'Hyperscale', SERVICE_OBJECTIVE = 'HS_Gen5_4')")
        status, _, answer = self.send("PATCH", "f", {"properties": {"quireAutoscale": {
            "state": "Enabled", "policy": "forecast", "maxObjective": "HS_Gen5_16", "costWeight": 0.25,
            "dryRun": True}}})
        self.assertEqual(status, 200, answer)
        shown = self.send("GET", "f")[2]["properties"]["quireAutoscale"]
        self.assertEqual((shown["policy"], shown["minObjective"], shown["maxObjective"], shown["upPercent"]),
                         ("forecast", "HS_Gen5_2", "HS_Gen5_16", 80))
        self.master.execute("ALTER DATABASE f SET AUTOSCALE = ON (UP = 75.5, DOWN = 25, WINDOW = 8, MIN_POINTS = 4, "
                            "WARMUP = 60, COOLDOWN = 600, HORIZON = 900, METRICS = 'cpu, workers', DRY_RUN = OFF)")
        self.assertEqual(self.master.execute(
            "SELECT policy, min_objective, max_objective, up_percent, down_percent, window_points, min_points, "
            "warmup_seconds, cooldown_seconds, cost_weight, horizon_seconds, metrics, is_dry_run, "
            "current_objective FROM sys.database_autoscale WHERE database_name = 'f'"),
            [("forecast", "HS_Gen5_2", "HS_Gen5_16", 75.5, 25.0, 8, 4, 60, 600, 0.25, 900, "cpu,workers", False,
              "HS_Gen5_4")])
        shown = self.quire("show", "-n", "f", "--query", "[policy, maxObjective, metrics]")
        self.assertEqual(shown, ["forecast", "HS_Gen5_16", ["cpu", "workers"]])
        shown = self.quire("set", "-n", "f", "--status", "Disabled", "--metrics", "cpu,log", "--query",
                           "[state, metrics, cooldownSeconds]")
        self.assertEqual(shown, ["Disabled", ["cpu", "log"], 600])
        self.assertIsInstance(self.quire("history", "-n", "f", "--top", "5"), list)
        # what it shows may be said to it
        self.assertEqual(self.send("PUT", "f/quireAutoscale/current",
                                   self.send("GET", "f/quireAutoscale/current")[2])[0], 200)

    def quire(self, *words):
        env = {**os.environ, "QUIRE_HOME": self.server.data_dir, "QUIRE_PASSWORD": self.server.password}
        for line in (["login", "--endpoint", f"https://localhost:{self.server.https_port}", "--ca",
                      self.api.certificate, "-u", server.ADMIN], ["autoscale", *words]):
            done = subprocess.run([server.program("quire"), *line], env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_what_cannot_be_is_refused(self):
        for options, words in (("ON (POLICY = LUCK)", "policy is moving_average or forecast"),
                               ("ON (MIN = 'HS_Gen5_2')", "GP_Gen5_2 to GP_Gen5_80"),
                               ("ON (UP = 20)", "lower threshold"), ("ON (SPEED = 1)", "'SPEED'"),
                               ("SOON", "ON, with options")):
            with self.assertRaises(tds.Failed) as failure:
                self.master.execute(f"ALTER DATABASE e SET AUTOSCALE = {options}")
            self.assertIn(words, str(failure.exception))
        self.master.execute("CREATE DATABASE g (SERVICE_OBJECTIVE = 'GP_S_Gen5_2')")
        status, _, answer = self.send("PATCH", "g", {"properties": {"quireAutoscale": {"state": "Enabled"}}})
        self.assertEqual(status, 400)
        self.assertIn("follows its load by itself", answer["error"]["message"])
        self.assertEqual(self.master.execute("SELECT 1 FROM sys.database_autoscale WHERE database_name "
                                             "IN ('e', 'g')"), [])


if __name__ == "__main__":
    unittest.main()

"""Serverless databases: paused when nobody uses them, resumed by who comes, with a minute of the auto-pause delay that
takes 5 ms. A hundred rounds are behind --all."""
import datetime
import os
import random
import signal
import threading
import time
import unittest

import arm
import server
import tds
from test_operations import wait_over

LONG = bool(os.environ.get("QUIRE_TEST_ALL"))
VERSION = "api-version=2022-08-01-preview"
SERVER = "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/server01"
OPTIONS = ("--auto-pause-minute-ms", "5")


class Case(unittest.TestCase):
    announced = ()

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(*OPTIONS, announced=cls.announced)
        cls.server.start()
        cls.api = arm.Api(cls.server).login()
        _, _, answer = cls.api.send("GET", "/subscriptions?" + VERSION)
        cls.at = answer["value"][0]["id"] + SERVER

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def send(self, method, path, body=None):
        return self.api.send(method, f"{self.at}{path}?{VERSION}", body)

    def shown(self, name):
        status, _, answer = self.send("GET", "/databases/" + name)
        self.assertEqual(status, 200, answer)
        return answer["properties"]

    def change(self, method, name, body):
        status, headers, answer = self.send(method, "/databases/" + name, body)
        self.assertIn(status, (200, 202), answer)
        while status == 202:
            url = headers["azure-asyncoperation"].split(":", 2)[2].split("/", 1)[1]
            poll = self.api.send("GET", "/" + url)[2]
            if poll["status"] != "InProgress":
                self.assertEqual(poll["status"], "Succeeded", poll)
                return
            time.sleep(0.02)

    def make(self, name, objective, **properties):
        self.change("PUT", name, {"location": "eastus", "sku": {"name": objective}, "properties": properties})

    def wait_status(self, name, status, seconds=60):
        deadline = time.monotonic() + seconds * server.SLOWNESS
        while (shown := self.shown(name))["status"] != status:
            self.assertLess(time.monotonic(), deadline, shown)
            time.sleep(0.02)
        return shown

    def statement(self, name, sql):
        """As an application does it that repeats once what may pass. How long its login took, and the rows."""
        for last in (False, True):
            began = time.monotonic()
            try:
                with self.server.connect(name) as connection:
                    took = time.monotonic() - began
                    return took, connection.execute(sql)
            except (tds.Failed, tds.Closed, OSError):
                if last:
                    raise
        return None

    def rounds(self, name, count):
        self.statement(name, "CREATE TABLE t (a int PRIMARY KEY, b varchar(100))")
        logins = []
        for i in range(count):
            paused = self.wait_status(name, "Paused")
            self.assertIn("pausedDate", paused)
            took, rows = self.statement(name, f"INSERT t VALUES ({i}, 'round'); SELECT COUNT(*), MAX(a) FROM t")
            logins.append(took)
            self.assertEqual(rows, [(i + 1, i)])
        logins.sort()
        print(f"{name}: {count} logins resumed it, median {logins[count // 2] * 1e3:.0f} ms, "
              f"most {logins[-1] * 1e3:.0f} ms")
        return logins


class Serverless(Case):
    def refused(self, name, user, password="Wrong-Word-1"):
        with self.assertRaises(tds.Failed) as caught:
            self.server.connect(name, user=user, password=password, timeout=60).close()
        return [m.number for m in caught.exception.messages]

    def test_a_wrong_password_resumes_it_only_if_its_own_users_have_some(self):
        self.make("guessed", "GP_S_Gen5_2", autoPauseDelay=15)
        self.statement("guessed", "CREATE TABLE t (a int)")
        paused = self.wait_status("guessed", "Paused")["pausedDate"]
        for user in (server.ADMIN, "nobody"):
            self.assertEqual(self.refused("guessed", user), [18456])
        shown = self.shown("guessed")
        self.assertEqual((shown["status"], shown["pausedDate"]), ("Paused", paused))
        self.statement("guessed", "CREATE USER own WITH PASSWORD = 'Private-Word-3'")
        paused = self.wait_status("guessed", "Paused")["pausedDate"]
        with self.server.connect("guessed", user="own", password="Private-Word-3", timeout=60) as own:
            self.assertEqual(own.execute("SELECT USER_NAME()"), [("own",)])
        self.wait_status("guessed", "Paused")
        self.assertEqual(self.refused("guessed", "nobody"), [18456])  # who knows, before it is asked?
        self.change("DELETE", "guessed", None)

    def test_it_pauses_and_a_login_resumes_it(self):
        self.make("gp", "GP_S_Gen5_2", autoPauseDelay=15)
        self.rounds("gp", 100 if LONG else 2)
        self.wait_status("gp", "Paused")  # by then what it cost is kept
        with self.server.connect("master") as master:
            def billed():
                return master.execute("SELECT SUM(app_cpu_billed) FROM sys.quire_serverless_stats "
                                      "WHERE database_name = 'gp'")[0][0] or 0
            while not (before := billed()):
                time.sleep(0.02)
            now = datetime.datetime.now(datetime.timezone.utc)  # without timespan it ends before the running minute
            span = "/".join(f"{now + datetime.timedelta(minutes=m):%Y-%m-%dT%H:%M:00Z}" for m in (-60, 2))
            names = f"metricnames=app_cpu_billed,app_cpu_percent,app_memory_percent&interval=PT1M&timespan={span}"
            status, _, answer = self.api.send("GET", f"{self.at}/databases/gp/providers/Microsoft.Insights/metrics?"
                                                     f"api-version=2018-01-01&{names}")
            self.assertEqual((status, answer["interval"]), (200, "PT1M"), answer)
            metric = {m["name"]["value"]: m for m in answer["value"]}["app_cpu_billed"]
            shown = sum(p["total"] for p in metric["timeseries"][0]["data"])
            self.assertTrue(before <= shown + 1e-6 and shown <= billed() + 1e-6, (before, shown))

    def test_of_hyperscale_the_process_ends_and_comes_back(self):
        self.make("hs", "HS_S_Gen5_2", autoPauseDelay=60)
        self.rounds("hs", 100 if LONG else 2)

    def test_what_is_in_use_or_protected_stays_online(self):
        """The measure of time is another database with the same delay, which pauses twice meanwhile."""
        for name, delay in (("measure", 15), ("used", 15), ("never", -1), ("kept", 15)):
            self.make(name, "GP_S_Gen5_1", autoPauseDelay=delay)
        self.wait_status("kept", "Paused")
        status, _, answer = self.send("PUT", "/databases/kept/backupLongTermRetentionPolicies/default",
                                      {"properties": {"weeklyRetention": "P1W"}})
        self.assertIn(status, (200, 202), answer)
        with self.server.connect("used") as connection:
            self.wait_status("kept", "Online")  # it is one of those that do not pause
            for _ in range(2):
                self.statement("measure", "SELECT 1")
                self.wait_status("measure", "Paused")
            self.assertEqual({name: self.shown(name)["status"] for name in ("used", "never", "kept")},
                             {"used": "Online", "never": "Online", "kept": "Online"})
            self.assertEqual(connection.execute("SELECT 1"), [(1,)])
        self.wait_status("used", "Paused")

    def test_changes_resume_it_and_looking_does_not(self):
        self.make("it", "GP_S_Gen5_2", autoPauseDelay=15)
        before = self.wait_status("it", "Paused")
        self.send("GET", "/databases")
        with self.server.connect("master") as master:
            self.assertEqual(master.execute("SELECT state_desc FROM sys.databases WHERE name = 'it'"), [("ONLINE",)])
        self.assertEqual(self.shown("it")["pausedDate"], before["pausedDate"])
        self.change("PATCH", "it", {"properties": {"autoPauseDelay": 10080, "minCapacity": 1.25}})
        shown = self.shown("it")
        self.assertEqual((shown["status"], shown["autoPauseDelay"], shown["minCapacity"]), ("Online", 10080, 1.25))
        self.assertGreater(shown["resumedDate"], before["pausedDate"])
        self.assertNotIn("pausedDate", shown)
        for body in ({"autoPauseDelay": 14}, {"autoPauseDelay": 10081}, {"minCapacity": 0.25}, {"minCapacity": 2.25},
                     {"minCapacity": 0.6}, {"minCapacity": 0.7501}):
            self.assertEqual(self.send("PATCH", "/databases/it", {"properties": body})[0], 400, body)
        with self.server.connect("master") as master:
            master.execute("ALTER DATABASE it MODIFY (SERVICE_OBJECTIVE = 'GP_Gen5_2')")
        wait_over(self.server)  # what it shows changes before that
        self.assertNotIn("autoPauseDelay", self.shown("it"))
        with self.server.connect("master") as master:
            master.execute("ALTER DATABASE it MODIFY (SERVICE_OBJECTIVE = 'GP_S_Gen5_1')")
        wait_over(self.server)
        shown = self.shown("it")
        self.assertEqual((shown["autoPauseDelay"], shown["minCapacity"]), (60, 0.5))
        self.wait_status("it", "Paused")
        self.change("DELETE", "it", None)

    @unittest.skipUnless(LONG, "takes long: with --all only")
    def test_many_who_come_just_then_get_in(self):
        """Logins at all moments of pausing and resuming: none is refused, without a second try."""
        self.make("busy", "GP_S_Gen5_2", autoPauseDelay=15)
        self.make("busyhs", "HS_S_Gen5_2", autoPauseDelay=60)
        failures, until = [], time.monotonic() + 20

        def come(name, seed):
            rng = random.Random(seed)
            while time.monotonic() < until:
                time.sleep(rng.uniform(0, 0.5 if name == "busy" else 1.6))
                try:
                    with self.server.connect(name) as connection:
                        connection.execute("SELECT 1")
                except Exception as error:  # whatever an application would see
                    failures.append((name, repr(error)))

        threads = [threading.Thread(target=come, args=(name, seed)) for seed in range(2) for name in ("busy", "busyhs")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        print("pauses meanwhile:", sum(" ev=database_paused " in line for line in self.server.log))


@unittest.skipUnless(LONG, "takes long: with --all only")
class Crashes(Case):
    announced = ("child_ended",)

    def kill_and_start(self):
        self.server.kill()
        self.server.start()

    def test_a_pause_outlives_crashes_and_restarts(self):
        for name, objective in (("gpc", "GP_S_Gen5_2"), ("hsc", "HS_S_Gen5_2")):
            self.make(name, objective, autoPauseDelay=60)
            self.statement(name, "CREATE TABLE t (a int); INSERT t VALUES (1)")
        for crash in (lambda: os.kill(self.server.role_pid("shared"), signal.SIGKILL), self.kill_and_start):
            paused = [self.wait_status(name, "Paused")["pausedDate"] for name in ("gpc", "hsc")]
            crash()
            self.assertEqual([self.shown(name).get("pausedDate") for name in ("gpc", "hsc")], paused)
            for name in ("gpc", "hsc"):
                self.assertEqual(self.statement(name, "SELECT a FROM t")[1], [(1,)])


if __name__ == "__main__":
    unittest.main()

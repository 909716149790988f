"""`quire autoscale simulate` on the loads of examples/autoscaler: the forecast is worth what it is there for."""
import os
import subprocess
import sys
import tempfile
import unittest

import server

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
                            (("--trace", spike, "--up", "many"), "--up: 'many' is no number"),
                            (("--trace", spike, "--up", "20"), "the lower threshold has to be"),
                            (("--trace", __file__), "a header with the columns")):
            done = self.run_quire(*words)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    unittest.main()

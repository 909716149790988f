"""tedious, the driver of Node.js: node/tedious.js makes the calls, here their results are judged."""
import json
import os
import shutil
import subprocess
import unittest

import server

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = os.environ.get("QUIRE_TEST_ALL") == "1"


@unittest.skipUnless(os.path.isdir(os.path.join(HERE, "node", "node_modules", "tedious")) and
                     shutil.which("node"), "npm ci has not put tedious in place")
class Tedious(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(*cls.options).start()
        cls.server.create_database("d")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def node(self, case, extra=""):
        done = subprocess.run(["node", "tedious.js", self.server.host, str(self.server.port),
                               server.ADMIN, self.server.password, "d", case, extra],
                              cwd=os.path.join(HERE, "node"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=600 if ALL else 120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_two_result_sets(self):
        self.assertEqual(self.node("select"),
                         [{"columns": [["a", "Int"], ["b", "NVarChar"]], "rows": [[1, "ü"]]},
                          {"columns": [["", "FloatN"]], "rows": [[2.5]]}])

    def test_types_round_trip(self):
        at = "2026-02-28T23:59:59.997Z"
        self.assertEqual(self.node("types"), [
            ["Bit", True], ["TinyInt", 255], ["SmallInt", -32768], ["Int", -2147483648],
            ["BigInt", "9007199254740993"], ["Real", 0.5], ["Float", -2.5e300],
            ["Decimal", 12345.678], ["Money", 12.5], ["VarChar", "abc"],
            ["NVarChar", "häß€𝄞"], ["NVarChar", "x" * 10000],
            ["VarBinary", {"type": "Buffer", "data": [0, 255]}],
            ["UniqueIdentifier", "6F9619FF-8B86-D011-B42D-00C04FC964FF"],
            ["Date", "2026-02-28T00:00:00.000Z"], ["Time", "1970-01-01T23:59:59.997Z"],
            ["DateTime", at], ["DateTime2", at], ["DateTimeOffset", at],
            ["SmallDateTime", "2026-02-28T23:59:00.000Z"], ["Int", None]])

    def test_output_parameters_and_return_status(self):
        seen = self.node("outputs")
        self.assertEqual(seen["outputs"], {"b": 42, "c": "got this"})
        self.assertEqual(seen["status"], 5)
        self.assertEqual(seen["sets"][0]["rows"], [[21]])

    def test_prepared_statements(self):
        self.assertEqual(self.node("prepared"), [[2, "V1"], [3, "V2"], [4, "V3"]])

    def test_transactions_and_savepoints(self):
        self.assertEqual(self.node("transactions"), [[[1]], [[0]]])

    def test_an_error_and_what_follows(self):
        error, after = self.node("errors")
        self.assertEqual((error["number"], error["message"]), (208, "Invalid object name 'nosuch'."))
        self.assertEqual(after, [[1]])

    def test_cancel_of_a_long_request(self):
        self.assertEqual(self.node("cancel"), ["ECANCEL", True, [[1]]])

    def test_bulk_load(self):
        count = 1000000 if ALL else 20000
        nulls = (count + 6) // 7
        self.assertEqual(self.node("bulk", str(count)),
                         [count, [count, count - nulls, count - 1]])

    def test_table_valued_parameters(self):
        self.assertEqual(self.node("tvp"), [6, "z"])

    def test_reset_drops_temporary_tables(self):
        self.assertEqual(self.node("reset"), [[None]])



class Plaintext(Tedious):
    """encrypt: false makes tedious say that it cannot encrypt, which has to be allowed."""
    options = ("--allow-plaintext-login",)

    def test_encryption_on_and_off(self):
        self.assertEqual(self.node("encryption"), [9, 9])


for name in [name for name in dir(Tedious) if name.startswith("test_")]:
    setattr(Plaintext, name, None)  # one test is enough there


if __name__ == "__main__":
    unittest.main()

"""@azure/arm-sql, Azure's SDK for Node.js, unchanged: node/armsql.js makes the calls, here their results are
judged."""
import json
import os
import shutil
import subprocess
import unittest

import arm
import server

HERE = os.path.dirname(os.path.abspath(__file__))


@unittest.skipUnless(os.path.isdir(os.path.join(HERE, "node", "node_modules", "@azure", "arm-sql")) and
                     shutil.which("node"), "npm ci has not put @azure/arm-sql in place")
class ArmSql(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server().start()
        cls.api = arm.Api(cls.server).login()
        _, _, answer = cls.api.send("GET", "/subscriptions?api-version=2022-12-01")
        cls.subscription = answer["value"][0]["subscriptionId"]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def node(self, case):
        env = {**os.environ, "QUIRE_TOKEN": self.api.token,
               "NODE_EXTRA_CA_CERTS": self.api.certificate}
        done = subprocess.run(["node", "armsql.js", f"https://127.0.0.1:{self.server.https_port}",
                               self.subscription, "myResourceGroup", "server01", case],
                              cwd=os.path.join(HERE, "node"), env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_create_scale_copy_list_delete(self):
        self.assertEqual(self.node("lifecycle"), {
            "made": ["node1", "GP_Gen5_2", "Online"], "scaled": ["node1", "GP_Gen5_4"],
            "copy": "node2", "databases": ["master", "node1", "node2"],
            "operations": [["UpdateLogicalDatabase", "Succeeded"],
                           ["CreateLogicalDatabase", "Succeeded"]]})

    def test_hyperscale_fails_over_and_has_a_named_replica(self):
        self.server.announced |= {"child_ended", "primary_lost"}  # the primary that yields
        self.assertEqual(self.node("hyperscale"), {
            "made": [-1, 1], "named": "Named", "links": [["node3_NR", "Primary"]]})

    def test_errors_have_their_codes(self):
        self.assertEqual(self.node("errors"), [[404, "ResourceNotFound"], [404, "ResourceNotFound"],
                                               [400, "InvalidSkuName"]])


if __name__ == "__main__":
    unittest.main()

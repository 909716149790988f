"""The blob store's contract test on Azurite, the emulator of Azure Blob Storage, with a shared key and with
a shared access signature. Part of --all only."""
import base64
import hashlib
import hmac
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
AZURITE = os.path.join(HERE, "node", "node_modules", ".bin", "azurite-blob")
ALL = os.environ.get("QUIRE_TEST_ALL") == "1"
ACCOUNT = "quiretest"
START_S = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def account_sas(key):
    """An account SAS for the blob service: everything on containers and objects, for an hour."""
    version, permissions = "2021-12-02", "rwdlac"
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    signed = "\n".join([ACCOUNT, permissions, "b", "co", "", until, "", "https,http", version, "", ""])
    signature = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
    return urllib.parse.urlencode({"sv": version, "ss": "b", "srt": "co", "sp": permissions,
                                   "se": until, "spr": "https,http",
                                   "sig": base64.b64encode(signature).decode()})


@unittest.skipUnless(ALL, "takes long: with --all only")
@unittest.skipUnless(os.path.exists(AZURITE) and shutil.which("node"),
                     "npm ci has not put azurite in place")
class Azurite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="quire-azurite-")
        cls.key = base64.b64encode(secrets.token_bytes(64)).decode()
        cls.port = free_port()
        cls.process = subprocess.Popen(
            ["node", AZURITE, "--blobHost", "127.0.0.1", "--blobPort", str(cls.port),
             "--inMemoryPersistence", "--silent"],
            cwd=cls.folder, env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{cls.key}"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", cls.port), 1).close()
                return
            except OSError:
                if cls.process.poll() is not None or time.monotonic() > deadline:
                    cls.tearDownClass()
                    raise
                time.sleep(0.1)

    @classmethod
    def tearDownClass(cls):
        cls.process.kill()
        cls.process.communicate()
        shutil.rmtree(cls.folder)

    def run_contract(self, container, credential):
        program = os.path.join(os.environ["QUIRE_BUILD"], "src", "blob", "test_blob_contract")
        url = f"http://127.0.0.1:{self.port}/{ACCOUNT}/{container}"
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300,
                              env={**os.environ, "QUIRE_TEST_BLOB_URL": url,
                                   "QUIRE_TEST_BLOB_CREDENTIAL": credential})
        service = done.stdout.partition("backend: service")[2]
        counts = re.findall(r"\[ +OK \] (\w+)", service)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertGreaterEqual(len(counts), 11, done.stdout)
        return done.stdout

    def test_contract_with_a_shared_key(self):
        self.run_contract("keyed", "key=" + self.key)

    def test_contract_below_a_prefix(self):
        self.run_contract("prefixed/a/b", "key=" + self.key)

    def test_contract_with_a_shared_access_signature(self):
        self.run_contract("signed", "sas=" + account_sas(self.key))

    def test_a_landing_zone_in_append_objects(self):
        """Leases, position conditions and rolled objects of the real protocol; prints the latency."""
        program = os.path.join(os.environ["QUIRE_BUILD"], "src", "logsvc", "bench_landing")
        url = f"http://127.0.0.1:{self.port}/{ACCOUNT}/landed"
        done = subprocess.run([program, "100"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300,
                              env={**os.environ, "QUIRE_TEST_BLOB_URL": url,
                                   "QUIRE_TEST_BLOB_CREDENTIAL": "key=" + self.key})
        print(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("read back", done.stdout)

    def test_a_wrong_key_is_denied(self):
        wrong = base64.b64encode(secrets.token_bytes(64)).decode()
        program = os.path.join(os.environ["QUIRE_BUILD"], "src", "blob", "test_blob_contract")
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300,
                              env={**os.environ, "QUIRE_TEST_BLOB_CREDENTIAL": "key=" + wrong,
                                   "QUIRE_TEST_BLOB_URL":
                                       f"http://127.0.0.1:{self.port}/{ACCOUNT}/denied"})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("403 AuthorizationFailure", done.stdout)
        self.assertNotIn(wrong, done.stdout)

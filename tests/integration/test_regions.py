"""Regions: the data of a logical server are below its region's root, and nowhere else."""
import glob
import os
import shutil
import tempfile
import time
import unittest

import server
from test_arm_databases import Case

PASSWORD = "Another-Secret-2"


def has_objects(root, kind, timeline):
    """Objects of that kind and timeline; their names have it with dashes or without."""
    return any(glob.glob(os.path.join(root, "blob", kind, name, "**", "*~"), recursive=True)
               for name in (timeline, timeline.replace("-", "")))


class Regions(Case):
    @classmethod
    def setUpClass(cls):
        cls.geo = tempfile.mkdtemp(prefix="quire-geo-")
        cls.west = tempfile.mkdtemp(prefix="quire-west-")
        cls.server = server.Server(*cls.more_options())
        cls.start(cls.server)
        cls.of_west = cls.at.replace("server01", "western")
        answer = cls.api.send("PUT", cls.of_west + "?api-version=2022-08-01-preview", {
            "location": "West US", "properties": {"administratorLogin": "boss",
                                                  "administratorLoginPassword": PASSWORD}})
        assert answer[0] == 201, answer

    @classmethod
    def more_options(cls):
        return "--geo-blob", "file://" + cls.geo

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.geo)
        shutil.rmtree(cls.west)

    def root(self):
        return os.path.join(self.server.data_dir, "regions", "westus")

    def connect(self, name):
        return self.server.connect(name, user="boss", password=PASSWORD,
                                   server="tcp:western.database.windows.net,1433")

    def make_west(self, name, **body):
        poll = self.finished(self.send("PUT", f"{self.of_west}/databases/{name}", {"location": "westus", **body}))
        self.assertEqual(poll["status"], "Succeeded", poll)

    def wait_for(self, holds, what):
        deadline = time.monotonic() + 60 * server.SLOWNESS
        while not holds():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)

    def new_folders(self, root, before):
        return set(os.listdir(os.path.join(root, "databases"))) - before

    def test_files_and_their_backups(self):
        east = self.server.data_dir
        before = set(os.listdir(os.path.join(east, "databases")))
        there = set(os.listdir(os.path.join(self.root(), "databases")))
        self.assertTrue(there)  # its master
        self.make_west("files", sku={"name": "GP_Gen5_2"})
        with self.connect("files") as c:
            c.execute("CREATE TABLE t (a int); INSERT t VALUES (7)")
        self.assertEqual(self.new_folders(east, before), set())
        (timeline,) = self.new_folders(self.root(), there)
        self.wait_for(lambda: has_objects(self.root(), "backups", timeline), "no backup was taken")
        self.assertFalse(has_objects(east, "backups", timeline))
        # a copy is where its server is
        poll = self.finished(self.send("PUT", "/databases/home", {"location": "eastus", "properties": {
            "createMode": "Copy", "sourceDatabaseId": f"{self.of_west}/databases/files"}}))
        self.assertEqual(poll["status"], "Succeeded", poll)
        (home,) = self.new_folders(east, before)
        with self.server.connect("home") as c:
            self.assertEqual([r[0] for r in c.execute("SELECT a FROM t")], [7])
        self.wait_for(lambda: has_objects(east, "backups", home), "no backup was taken")

    def test_hyperscale(self):
        east = self.server.data_dir
        self.make_west("hyper", sku={"name": "HS_Gen5_2"}, properties={"highAvailabilityReplicaCount": 0})
        with self.connect("hyper") as c:
            c.execute("CREATE TABLE t (a int, b varchar(8000)); DECLARE @i int = 0; WHILE @i < 200 "
                      "BEGIN INSERT t VALUES (@i, REPLICATE('x', 8000)); SET @i += 1 END")
        folders = lambda root, kind: {os.path.basename(f) for f in glob.glob(os.path.join(root, "blob", kind, "*"))}
        self.wait_for(lambda: folders(self.root(), "pages"), "no layer was written")
        self.assertFalse(folders(self.root(), "pages") & folders(east, "pages"))
        self.assertTrue(folders(self.root(), "keys"))
        for timeline in folders(self.root(), "log"):
            self.assertIn(timeline, folders(self.root(), "pages"))
        # over a restart, as everything of it is found again
        self.server.kill()
        self.server.start()
        with self.connect("hyper") as c:
            self.assertEqual(c.execute("SELECT COUNT(*) FROM t")[0][0], 200)
        self.finished(self.send("DELETE", f"{self.of_west}/databases/hyper"))

    def test_a_geo_restore_into_another_region(self):
        self.make("far", sku={"name": "GP_Gen5_2"}, properties={"requestedBackupStorageRedundancy": "Geo"})
        with self.server.connect("far") as c:
            c.execute("CREATE TABLE t (a int); INSERT t VALUES (42)")
        self.make("near", properties={"createMode": "Copy",  # brings its backups up to date
                                      "sourceDatabaseId": self.at + "/databases/far"})
        path = "/recoverableDatabases/far"
        self.wait_for(lambda: self.send("GET", path)[0] == 200, "nothing came to the second store")
        before = set(os.listdir(os.path.join(self.root(), "databases")))
        east = set(os.listdir(os.path.join(self.server.data_dir, "databases")))
        recovery = {"createMode": "Recovery", "recoverableDatabaseId": self.at + path}
        made = []

        def is_rescued():
            made.append(f"rescued{len(made)}")
            self.make_west(made[-1], properties=recovery)
            with self.connect(made[-1]) as c:
                return c.execute("SELECT COUNT(*) FROM sys.tables WHERE name = 't'")[0][0] == 1
        self.wait_for(is_rescued, "the second store has no backup with the table")
        with self.connect(made[-1]) as c:
            self.assertEqual([r[0] for r in c.execute("SELECT a FROM t")], [42])
        self.assertEqual(len(self.new_folders(self.root(), before)), len(made))
        self.assertEqual(self.new_folders(self.server.data_dir, east), set())


class Roots(Regions):
    """The same with a root elsewhere."""
    @classmethod
    def more_options(cls):
        return *super().more_options(), "--region-roots", "westus=" + cls.west

    def root(self):
        return self.west

    test_hyperscale = None
    test_a_geo_restore_into_another_region = None


del Case

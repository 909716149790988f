"""jTDS, a JDBC driver: Jtds.java makes the calls, here their results are judged (sh tools/deps.sh clients)."""
import os
import shutil
import subprocess
import unittest

import server

ALL = os.environ.get("QUIRE_TEST_ALL") == "1"
HERE = os.path.dirname(os.path.abspath(__file__))
JAR = "/usr/share/java/jtds.jar"


@unittest.skipUnless(ALL, "with --all")
@unittest.skipUnless(os.path.exists(JAR) and shutil.which("javac"), "libjtds-java or a JDK is not installed")
class Jtds(unittest.TestCase):
    maxDiff = None

    def test_metadata_values_and_calls(self):
        with server.Server() as quired:
            quired.create_database("d")
            url = f"jdbc:jtds:sqlserver://{quired.host}:{quired.port}/d;ssl=require"
            done = subprocess.run(["java", "-Dfile.encoding=UTF-8", "-Dsun.stdout.encoding=UTF-8", "-cp", JAR,
                                   os.path.join(HERE, "Jtds.java"), url, server.ADMIN],
                                  env={**os.environ, "QUIRE_PASSWORD": quired.password, "LC_ALL": "C.UTF-8"},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  encoding="utf-8", timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        wanted = {
            "tables": "child,TABLE; parent,TABLE",
            "columns": "id,int identity,10,NO; n,nvarchar,50,NO; d,decimal,38,YES; at,datetime2,23,YES; "
                       "x,nvarchar,0,YES; b,varbinary,0,YES; rv,timestamp,8,NO",
            "keys": "b,1; a,2",
            "imported": "parent,id,parent,0",
            "exported": "child,parent",
            "parameters": "@a,1,int; @b,2,nvarchar",
            "rowid": "id", "version": "rv", "schemas": "true", "types": "true",
            "insert": "1",
            "read": "häß€𝄞 1234567890123456789012345678.0123456789 true true true",
            "batch": "200", "duplicate": "2627 23000", "parentless": "547 23000", "no table": "208 S0002",
            "procedure": "2 7 grün", "savepoint": "1", "levels": "1234", "timeout": "0 HYT00", "limited": "0; 1; 2",
            "scrolled": "1111011001 4 4true 1,a; 2,b; 3,c; 4,d 3",
            "scrolled with parameters": "3/3 3/1 ",
            "updated": "1,a,10; 2,grün,null; 4,d,40; 9,new,null", "updated forward": "100; 200; 400; 900",
            "named": "1 a; by name; d; new", "not found": "208 S0002",
            "useCursors": "2 9 4; 2; 1 4; 9", "prepared cursor": "432",
        }
        self.assertEqual({name: said.get(name) for name in wanted}, wanted)
        self.assertIn("ix_n,0,n; ix_n,0,d", said["indexes"])


if __name__ == "__main__":
    unittest.main()

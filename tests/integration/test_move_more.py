"""Data that moves, looked at from around it: a move is cancelled, nothing of it is in clear, the management API
asks for it and says how far back it can be restored."""
import glob
import os
import signal
import unittest

import arm
import server
from test_backup import quire
from test_encryption import files_with
from test_move import HISTORY, TO_FILES, TO_HYPER, WHERE, Writer, make, move
from test_operations import wait_over
from test_replicas import wait_for
from test_roles import ALL, ANNOUNCED, connect_patiently

VERSION = "?api-version=2022-08-01-preview"
DATABASE = "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/server01/databases/d"
MARKER = "PlainTextThatNobodyMaySee"


class Cancel(unittest.TestCase):
    def test_a_cancelled_move_leaves_everything_as_it_was(self):
        """The page server stands still, so the copy is surely not over when it is cancelled."""
        with server.Server(announced=ANNOUNCED + ("database_cut",)) as quired, quired.connect() as master:
            master.execute("CREATE DATABASE h (EDITION = 'Hyperscale')")
            make(quired)
            writer = Writer(quired, 0)
            wait_for(lambda: len(writer.acknowledged) > 20)
            pages = quired.role_pid("page")
            server.stand_still(pages)
            try:
                master.execute(TO_HYPER[0])
                wait_for(lambda: any('kind="migrate" step="copy"' in line for line in quired.log))
                operation = quire(quired, "op-list", "--name", "d").split()[0]
                quire(quired, "op-cancel", "--id", operation)
            finally:
                os.kill(pages, signal.SIGCONT)
            wait_over(quired)
            self.assertEqual(master.execute(HISTORY.format("d"))[0][:3],
                             ("ALTER DATABASE", "CANCELLED", 100))
            self.assertEqual(master.execute(WHERE)[0][0], "GP_Gen5_2")
            known = len(writer.acknowledged)
            wait_for(lambda: len(writer.acknowledged) > known + 20)
            self.assertEqual(move(quired, TO_HYPER[0])[1], "COMPLETED")  # and nothing is in its way
            writer.stopping = True
            writer.join()
            self.assertIsNone(writer.trouble)
            with connect_patiently(quired, "d") as connection:
                rows = [row[0] for row in connection.execute("SELECT n FROM t")]
            self.assertEqual(len(rows), len(set(rows)))
            self.assertLessEqual(writer.acknowledged, set(rows))


@unittest.skipUnless(ALL, "takes long: with --all only")
class Surroundings(unittest.TestCase):
    def test_what_moves_stays_encrypted(self):
        with server.Server() as quired:
            make(quired)
            with quired.connect("d") as connection:
                connection.execute(f"INSERT t SELECT 0, value, REPLICATE('{MARKER} ', 20) "
                                   "FROM GENERATE_SERIES(1, 500)")
            for statement, _ in (TO_HYPER, TO_FILES, TO_HYPER):
                self.assertEqual(move(quired, statement)[1], "COMPLETED")
                with quired.connect() as master:
                    self.assertEqual(master.execute(
                        "SELECT is_encrypted FROM sys.databases WHERE name = 'd'"), [(1,)])
                self.assertEqual(files_with(quired.data_dir, [MARKER.encode()]), [])

    def test_the_api_moves_and_says_how_far_back_it_can_be_restored(self):
        with server.Server() as quired:
            make(quired)
            api = arm.Api(quired).login()
            at = api.send("GET", "/subscriptions" + VERSION)[2]["value"][0]["id"] + DATABASE + VERSION
            wait_for(lambda: "earliestRestoreDate" in api.send("GET", at)[2]["properties"])
            earliest = [api.send("GET", at)[2]["properties"]["earliestRestoreDate"]]
            for sku in ("HS_Gen5_2", "GP_S_Gen5_2", "HS_Gen5_2"):
                self.assertEqual(api.send("PATCH", at, {"sku": {"name": sku}})[0], 202)
                wait_over(quired)
                shown = api.send("GET", at)[2]["properties"]
                self.assertEqual(shown["currentServiceObjectiveName"], sku)
                earliest.append(shown["earliestRestoreDate"])
            self.assertEqual(earliest[1], earliest[0])  # the tier before has it all
            self.assertLess(earliest[1], earliest[2])   # that one is given up: it begins with the first move
            self.assertLess(earliest[2], earliest[3])   # with the second
            # what cannot be restored any more is removed: of General Purpose's two backups one is left
            wait_for(lambda: len(glob.glob(os.path.join(quired.data_dir, "blob", "backups", "*", ""))) <= 2)


if __name__ == "__main__":
    unittest.main()

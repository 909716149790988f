"""Who is let in, and as whom: logins of a server, users of one database with a password of their own,
and what becomes of them while sessions move, nodes die and the service starts again."""
import os
import signal
import time
import unittest

import pymssql
import server
import tds
from test_replicas import wait_for
from test_roles import connect_patiently
from test_upgrade import GENERAL, HYPER, Programs, upgrade

FIRST, SECOND, OWN = "First-Secret-1", "Second-Secret-2", "Private-Word-3"
WHO = "SELECT USER_NAME(), SUSER_SNAME()"


class Logins(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.programs = Programs()
        cls.server = server.Server(announced=("child_ended", "session_lost")).start()
        with cls.server.connect() as master:
            master.execute(f"CREATE DATABASE g {GENERAL}")
            master.execute(f"CREATE DATABASE h {HYPER}")
        for name in ("g", "h"):
            with connect_patiently(cls.server, name) as database:
                database.execute("CREATE TABLE t (a int); INSERT t VALUES (1)")

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.kill()
            cls.server.remove()
            cls.programs.remove()

    def admin(self, sql, database="master"):
        with self.server.connect(database) as connection:
            return connection.execute(sql)

    def numbers(self, sql, database="master", **how):
        with self.server.connect(database, **how) as connection:
            return [error.number for error in connection.batch(sql).errors]

    def refused(self, user, password, database="g", **how):
        with self.assertRaises(tds.Failed) as caught:
            self.server.connect(database, user=user, password=password, **how).close()
        return [error.number for error in caught.exception.messages]

    def let_in(self, user, password, database="g", **how):
        """The gateway knows of a change a moment after its statement has ended."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return self.server.connect(database, user=user, password=password, **how)
            except tds.Failed:
                if time.monotonic() > deadline:
                    raise

    def test_a_login_is_made_changed_and_dropped(self):
        self.admin(f"CREATE LOGIN Alice WITH PASSWORD = '{FIRST}'")
        self.addCleanup(self.numbers, "DROP LOGIN renamed")
        self.admin("CREATE USER alice FOR LOGIN Alice; GRANT SELECT ON t TO alice", "g")
        self.addCleanup(self.numbers, "DROP USER alice", "g")
        sid, = self.admin("SELECT sid FROM sys.sql_logins WHERE name = 'alice' AND is_disabled = 0 AND type = 'S'")[0]
        self.assertEqual((len(sid), sid[:8].hex()), (32, "0106000000000064"))
        with self.let_in("ALICE", FIRST) as alice:
            self.assertEqual(alice.execute("SELECT USER_NAME()"), [("alice",)])
            self.assertEqual([e.number for e in alice.batch("CREATE LOGIN x WITH PASSWORD = 'x'").errors], [5001])
        self.assertEqual(self.refused("alice", FIRST, "master"), [4060, 18456])  # no user there
        self.assertEqual(self.refused("alice", FIRST, "h"), [4060, 18456])
        self.assertEqual(self.refused("alice", FIRST, "nowhere"), [4060, 18456])
        self.assertEqual(self.refused("alice", SECOND), [18456])
        self.admin(f"ALTER LOGIN alice WITH PASSWORD = '{SECOND}' OLD_PASSWORD = '{FIRST}'")
        self.let_in("alice", SECOND).close()
        self.assertEqual(self.refused("alice", FIRST), [18456])
        self.admin("ALTER LOGIN alice DISABLE")
        wait_for(lambda: self.fails("alice", SECOND) == [18470])
        self.assertEqual(self.refused("alice", FIRST), [18456])
        self.admin("ALTER LOGIN alice ENABLE; ALTER LOGIN alice WITH NAME = renamed")
        with self.let_in("renamed", SECOND) as alice:
            self.assertEqual(alice.execute(WHO), [("alice", "renamed")])
            self.admin("DROP LOGIN renamed")
            self.assertEqual(alice.execute("SELECT 1"), [(1,)])  # who is in stays
        wait_for(lambda: self.fails("renamed", SECOND) == [18456])

    def fails(self, *who, **how):
        try:
            self.server.connect(*who[2:] or ("g",), user=who[0], password=who[1], **how).close()
        except tds.Failed as error:
            return [e.number for e in error.messages]
        return []

    def test_what_is_wrong_with_a_login_is_told(self):
        self.admin(f"CREATE LOGIN known WITH PASSWORD = '{FIRST}', SID = 0x0106000000000064000000000000000014585E90117152449347750164BA00A7")
        self.addCleanup(self.numbers, "DROP LOGIN known")
        for sql, number in ((f"CREATE LOGIN KNOWN WITH PASSWORD = '{FIRST}'", 15025),
                            (f"CREATE LOGIN quireadmin WITH PASSWORD = '{FIRST}'", 15025),
                            (f"CREATE LOGIN other WITH PASSWORD = '{FIRST}', SID = 0x0106000000000064000000000000000014585E90117152449347750164BA00A7", 15433),
                            (f"CREATE LOGIN other WITH PASSWORD = '{FIRST}', SID = 0x0102", 15419),
                            (f"CREATE LOGIN other WITH PASSWORD = '{FIRST}', CHECK_POLICY = OFF", 40517),
                            (f"CREATE LOGIN other WITH PASSWORD = '{FIRST}', DEFAULT_DATABASE = g", 40517),
                            (f"CREATE LOGIN other WITH PASSWORD = '{FIRST}' MUST_CHANGE", 40517),
                            (f"CREATE LOGIN [a\\b] WITH PASSWORD = '{FIRST}'", 15006),
                            ("CREATE LOGIN other WITH PASSWORD = 'aaaaaaaaa'", 40632),
                            ("CREATE LOGIN other WITH PASSWORD = 'aB1'", 40630),
                            ("ALTER LOGIN nobody ENABLE", 15151), ("DROP LOGIN nobody", 15151),
                            (f"ALTER LOGIN known WITH PASSWORD = '{SECOND}' OLD_PASSWORD = 'wrong'", 15151),
                            ("DROP LOGIN quireadmin", 15150), ("ALTER LOGIN quireadmin DISABLE", 15150),
                            ("ALTER LOGIN quireadmin WITH NAME = boss", 15150),
                            ("ALTER LOGIN known WITH NAME = quireadmin", 15025),
                            ("BEGIN TRAN; DROP LOGIN known", 226)):
            self.assertEqual(self.numbers(sql), [number], sql)
        self.assertEqual(self.admin("SELECT COUNT(*) FROM sys.sql_logins WHERE name IN ('known', 'other')"), [(1,)])

    def test_a_user_of_one_database_has_a_password_of_his_own(self):
        self.assertEqual(self.numbers(f"CREATE USER own WITH PASSWORD = '{OWN}'"), [33233])
        self.admin(f"CREATE USER own WITH PASSWORD = '{OWN}'; GRANT SELECT ON t TO own", "g")
        self.addCleanup(self.numbers, "DROP USER own", "g")
        for database in ("h", "master", "nowhere", ""):
            self.assertEqual(self.refused("own", OWN, database), [18456], database)
        self.assertEqual(self.refused("own", FIRST), [18456])
        clear = pymssql.connect(server=self.server.host, port=self.server.port, user="own", password=OWN,
                                database="g", autocommit=True)
        self.addCleanup(clear.close)
        cursor = clear.cursor()
        cursor.execute("SELECT USER_NAME(), (SELECT SUM(a) FROM t)")
        self.assertEqual(cursor.fetchall(), [("own", 1)])
        # a login of that name does not come in instead, with whatever password
        self.admin(f"CREATE LOGIN own WITH PASSWORD = '{FIRST}'")
        self.addCleanup(self.numbers, "DROP LOGIN own")
        wait_for(lambda: self.fails("own", FIRST, "h") == [4060, 18456])
        self.assertEqual(self.refused("own", FIRST), [18456])
        for _ in range(5):  # the login's failures are none of the user's
            self.server.connect("g", user="own", password=OWN).close()
        self.admin("DROP USER own", "g")
        self.assertEqual(self.refused("own", OWN), [18456])
        with self.assertRaises(pymssql.Error):
            cursor.execute("SELECT 1")

    def test_secrets_are_nowhere_to_be_read(self):
        secret = "Nowhere-To-Be-Read-9"
        self.admin(f"CREATE LOGIN hidden WITH PASSWORD = '{secret}'")
        self.addCleanup(self.numbers, "DROP LOGIN hidden")
        self.admin(f"CREATE USER hidden WITH PASSWORD = '{secret}'", "g")
        self.addCleanup(self.numbers, "DROP USER hidden", "g")
        self.let_in("hidden", secret).close()
        self.assertFalse([line for line in self.server.log if secret in line])
        for folder, _, names in os.walk(self.server.data_dir):
            for name in names:
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        content = file.read()
                except OSError:
                    continue
                self.assertFalse(secret.encode() in content or secret.encode("utf-16-le") in content,
                                 os.path.join(folder, name))

    def test_managers_may_what_the_administrator_gives_them(self):
        for name in ("maker", "keeper", "nobody"):
            self.admin(f"CREATE LOGIN {name} WITH PASSWORD = '{FIRST}'; CREATE USER {name} FOR LOGIN {name}")
            self.addCleanup(self.numbers, f"DROP USER {name}; DROP LOGIN {name}")
        self.admin("ALTER ROLE dbmanager ADD MEMBER maker; ALTER ROLE loginmanager ADD MEMBER keeper")
        makes, keeps = "CREATE DATABASE made", f"CREATE LOGIN kept WITH PASSWORD = '{FIRST}'"
        rule = "EXEC sp_set_firewall_rule N'r', '1.2.3.4', '1.2.3.4'"
        for name in ("maker", "keeper", "nobody"):
            self.let_in(name, FIRST, "master").close()
        with self.server.connect(user="nobody", password=FIRST) as nobody:
            for sql, number in ((makes, 262), (keeps, 15247), (rule, 15247), ("DROP DATABASE g", 3701),
                                ("DROP LOGIN maker", 15151), ("ALTER DATABASE g MODIFY NAME = x", 15247)):
                self.assertEqual([e.number for e in nobody.batch(sql).errors], [number], sql)
            nobody.execute(f"ALTER LOGIN nobody WITH PASSWORD = '{SECOND}' OLD_PASSWORD = '{FIRST}'")
        with self.server.connect(user="maker", password=FIRST) as maker:
            maker.execute(makes)
            self.assertEqual([e.number for e in maker.batch(keeps).errors], [15247])
            self.assertEqual([e.number for e in maker.batch(makes + " AS COPY OF server01.g").errors], [262])
            maker.execute("DROP DATABASE made")
        with self.server.connect(user="keeper", password=FIRST) as keeper:
            keeper.execute(keeps + "; DROP LOGIN kept")
            self.assertEqual([e.number for e in keeper.batch(makes).errors], [262])
            for what in (f"WITH PASSWORD = '{SECOND}'", "ENABLE"):  # or he would be the administrator
                self.assertEqual([e.number for e in keeper.batch(f"ALTER LOGIN QuireAdmin {what}").errors], [15151], what)

    def test_who_makes_a_database_owns_it(self):
        for name in ("maker", "other"):
            self.admin(f"CREATE LOGIN {name} WITH PASSWORD = '{FIRST}'; CREATE USER {name} FOR LOGIN {name}; "
                       f"ALTER ROLE dbmanager ADD MEMBER {name}")
            self.addCleanup(self.numbers, f"DROP USER {name}; DROP LOGIN {name}")
        owner = ("SELECT l.name FROM sys.databases d JOIN sys.sql_logins l ON l.sid = d.owner_sid "
                 "WHERE d.name = '{}'")
        with self.let_in("maker", FIRST, "master") as maker:
            for sql in (f"CREATE DATABASE made {GENERAL}", f"CREATE DATABASE hyper {HYPER}", "CREATE DATABASE copied AS COPY OF made"):
                maker.execute(sql)
                self.addCleanup(self.numbers, "DROP DATABASE IF EXISTS " + sql.split()[2])
            self.assertEqual([e.number for e in maker.batch("CREATE DATABASE x AS COPY OF g").errors], [916])
        me = "SELECT USER_NAME(), IS_MEMBER('db_owner'), IS_ROLEMEMBER('db_owner')"
        for name in ("made", "hyper", "copied"):
            with connect_patiently(self.server, name, user="maker", password=FIRST) as maker:
                self.assertEqual(maker.execute(me), [("dbo", 1, 1)], name)
                maker.execute("CREATE TABLE t (a int)")
            self.assertEqual(self.admin(owner.format(name)), [("maker",)])
            self.assertEqual(self.refused("other", FIRST, name), [4060, 18456])
        with self.let_in("other", FIRST, "master") as other:
            self.assertEqual([e.number for e in other.batch("CREATE DATABASE x AS COPY OF made").errors], [916])
        self.admin("CREATE DATABASE admins AS COPY OF made")
        self.addCleanup(self.numbers, "DROP DATABASE admins")
        self.assertEqual(self.refused("maker", FIRST, "admins"), [4060, 18456])
        self.assertEqual(self.numbers("DROP LOGIN maker"), [15174])
        self.admin("ALTER DATABASE hyper ADD SECONDARY ON SERVER server01 WITH (SERVICE_OBJECTIVE = 'HS_Gen5_2', "
                   "SECONDARY_TYPE = Named, DATABASE_NAME = [hyper_reports])")
        connect_patiently(self.server, "hyper_reports", user="maker", password=FIRST).close()
        with self.server.connect("made", user="maker", password=FIRST) as made, \
                self.server.connect("hyper", user="maker", password=FIRST) as hyper:
            made.execute("ALTER AUTHORIZATION ON DATABASE::made TO quireadmin")  # by its owner
            self.admin("ALTER AUTHORIZATION ON DATABASE::hyper TO other", "hyper")
            for connection in (made, hyper):
                self.assertEqual([e.number for e in connection.batch("SELECT 1").errors], [916])
        for name in ("hyper", "hyper_reports"):
            with self.server.connect(name, user="other", password=FIRST) as other:
                self.assertEqual(other.execute("SELECT USER_NAME()"), [("dbo",)])
            self.assertEqual(self.admin(owner.format(name)), [("other",)])
        for name in ("made", "hyper", "hyper_reports"):
            self.assertEqual(self.refused("maker", FIRST, name), [4060, 18456])
        self.assertEqual(self.numbers("DROP DATABASE copied; DROP USER maker; DROP LOGIN maker"), [])
        self.server.stop()
        self.server.start()
        with connect_patiently(self.server, "hyper", user="other", password=FIRST) as other:
            self.assertEqual(other.execute("SELECT USER_NAME()"), [("dbo",)])

    def test_fixed_roles_of_the_server(self):
        for name in ("watch", "visits", "makes"):
            self.admin(f"CREATE LOGIN {name} WITH PASSWORD = '{FIRST}'")
            self.addCleanup(self.numbers, f"DROP LOGIN {name}")
        self.admin("CREATE USER watch FOR LOGIN watch", "g")
        self.addCleanup(self.numbers, "DROP USER watch", "g")
        state, connector, manager = "##MS_ServerStateReader##", "##MS_DatabaseConnector##", "##MS_DatabaseManager##"
        waits = "SELECT SIGN(COUNT(*)) FROM sys.dm_os_wait_stats"
        with self.let_in("watch", FIRST) as watch:
            self.assertEqual([e.number for e in watch.batch(waits).errors], [262])
        for sql, database, number in ((f"ALTER SERVER ROLE {state} ADD MEMBER nobody", "master", 15151),
                                      ("ALTER SERVER ROLE sysadmin ADD MEMBER watch", "master", 15151),
                                      (f"ALTER SERVER ROLE {state} ADD MEMBER quireadmin", "master", 15150),
                                      (f"ALTER SERVER ROLE {state} ADD MEMBER watch", "g", 5001),
                                      ("CREATE SERVER ROLE mine", "master", 40510),
                                      (f"BEGIN TRAN; ALTER SERVER ROLE {state} ADD MEMBER watch", "master", 226)):
            self.assertEqual(self.numbers(sql, database), [number], sql)
        for role, name in ((state, "watch"), (connector, "visits"), (connector, "makes"), (manager, "makes")):
            self.admin(f"ALTER SERVER ROLE {role} ADD MEMBER {name}")
        self.assertEqual(self.admin(
            "SELECT r.name, m.name FROM sys.server_role_members x JOIN sys.server_principals r ON r.principal_id = x.role_principal_id "
            "JOIN sys.sql_logins m ON m.principal_id = x.member_principal_id ORDER BY 1, 2"),
            [(connector, "makes"), (connector, "visits"), (manager, "makes"), (state, "watch")])
        wait_for(lambda: self.fails("visits", FIRST, "g") == [])
        with self.server.connect("g", user="visits", password=FIRST) as visits:
            self.assertEqual(visits.execute(f"SELECT USER_NAME(), IS_SRVROLEMEMBER('{connector}'), IS_SRVROLEMEMBER('{state}')"),
                             [("guest", 1, 0)])
            self.assertEqual([e.number for e in visits.batch("SELECT * FROM t").errors], [229])
        with self.server.connect("g", user="watch", password=FIRST) as watch:
            self.assertEqual(watch.execute(waits), [(1,)])
            self.assertEqual(watch.execute("SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE'), "
                                           "HAS_PERMS_BY_NAME(NULL, 'DATABASE', 'VIEW DATABASE STATE')"), [(1, 1)])
            self.assertEqual([e.number for e in watch.batch("DBCC FREEPROCCACHE").errors], [2571])
            self.admin("DENY VIEW DATABASE STATE TO watch", "g")
            self.assertEqual([e.number for e in watch.batch(waits).errors], [262])
        self.admin("CREATE USER visits FOR LOGIN visits; DENY CONNECT TO visits", "g")
        self.addCleanup(self.numbers, "DROP USER visits", "g")
        self.assertEqual(self.refused("visits", FIRST), [4060, 18456])
        with self.server.connect("master", user="makes", password=FIRST) as makes:
            makes.execute(f"CREATE DATABASE of_makes {GENERAL}; ALTER SERVER ROLE {manager} ADD MEMBER visits")
            self.addCleanup(self.numbers, "DROP DATABASE of_makes")
            self.assertEqual([e.number for e in makes.batch(f"ALTER SERVER ROLE {state} ADD MEMBER makes").errors], [15151])
            self.assertEqual([e.number for e in makes.batch("CREATE LOGIN x WITH PASSWORD = 'x'").errors], [15247])
        self.admin(f"ALTER SERVER ROLE {connector} DROP MEMBER makes")
        wait_for(lambda: self.fails("makes", FIRST, "master") == [4060, 18456])
        with self.server.connect("of_makes", user="makes", password=FIRST) as makes:
            self.assertEqual(makes.execute("SELECT USER_NAME()"), [("dbo",)])

    def test_a_named_replica_has_the_users_of_its_primary(self):
        self.admin(f"CREATE LOGIN reader WITH PASSWORD = '{FIRST}'")
        self.addCleanup(self.numbers, "DROP LOGIN reader")
        self.admin(f"CREATE USER reader FOR LOGIN reader; CREATE USER own WITH PASSWORD = '{OWN}'; "
                   "GRANT SELECT ON t TO reader; GRANT SELECT ON t TO own", "h")
        self.addCleanup(self.numbers, "DROP USER reader; DROP USER own", "h")
        self.admin("ALTER DATABASE h ADD SECONDARY ON SERVER server01 WITH (SERVICE_OBJECTIVE = 'HS_Gen5_2', "
                   "SECONDARY_TYPE = Named, DATABASE_NAME = [h_reports])")
        self.addCleanup(self.numbers, "DROP DATABASE h_reports")
        connect_patiently(self.server, "h_reports").close()
        for user, password in (("reader", FIRST), ("own", OWN)):
            wait_for(lambda u=user, p=password: self.fails(u, p, "h_reports") == [])
            with self.server.connect("h_reports", user=user, password=password) as replica:
                self.assertEqual(replica.execute("SELECT USER_NAME(), a FROM t"), [(user, 1)])
        self.assertEqual(self.refused("own", FIRST, "h_reports"), [18456])

    def test_who_is_in_stays_who_he_is(self):
        self.admin(f"CREATE LOGIN mover WITH PASSWORD = '{FIRST}'")
        self.addCleanup(self.numbers, "DROP LOGIN mover")
        for name in ("g", "h"):
            self.admin(f"CREATE USER mover FOR LOGIN mover; CREATE USER stayer WITH PASSWORD = '{OWN}'", name)
            self.addCleanup(self.numbers, "DROP USER mover; DROP USER stayer", name)
        self.let_in("mover", FIRST).close()
        clients = []
        for name in ("g", "h"):
            for user, password in (("mover", FIRST), ("stayer", OWN)):
                for encrypt in (tds.ENCRYPT_ON, tds.ENCRYPT_OFF):
                    connection = self.server.connect(name, user=user, password=password, encrypt=encrypt)
                    self.addCleanup(connection.close)
                    clients.append((connection, user))
            became = self.server.connect(name)
            self.addCleanup(became.close)
            became.execute("EXECUTE AS USER = 'stayer'; EXECUTE AS USER = 'stayer'; REVERT")
            clients.append((became, "stayer"))

        def look():
            for connection, user in clients:
                self.assertEqual(connection.execute("SELECT USER_NAME(), IS_MEMBER('db_owner')"), [(user, 0)])
                self.assertEqual([e.number for e in connection.batch("DROP TABLE t").errors], [3701])
        look()
        self.admin("ALTER DATABASE h MODIFY (SERVICE_OBJECTIVE = 'HS_Gen5_4')")
        look()
        done = upgrade(self.server, self.programs.next())
        self.assertEqual(done.returncode, 0, done.stderr)
        look()
        for connection, _ in clients[4::5]:
            self.assertEqual(connection.execute("REVERT; SELECT USER_NAME()"), [("dbo",)])
        os.kill(self.server.role_pid("shared"), signal.SIGKILL)
        connect_patiently(self.server, "g").close()
        self.server.stop()
        self.server.start()
        for name in ("g", "h"):
            connect_patiently(self.server, name).close()
            for user, password in (("mover", FIRST), ("stayer", OWN)):
                with self.server.connect(name, user=user, password=password) as connection:
                    self.assertEqual(connection.execute("SELECT USER_NAME()"), [(user,)])

    def test_a_connection_shows_both_its_ends(self):
        for encrypt in (tds.ENCRYPT_ON, tds.ENCRYPT_OFF):
            with self.server.connect("g", encrypt=encrypt) as connection:
                port = connection.socket.getsockname()[1]
                self.assertEqual(connection.execute(
                    "SELECT client_tcp_port, local_net_address, local_tcp_port, CONNECTIONPROPERTY('local_tcp_port') "
                    "FROM sys.dm_exec_connections WHERE session_id = @@SPID"),
                    [(port, "127.0.0.1", self.server.port, self.server.port)])


if __name__ == "__main__":
    unittest.main()

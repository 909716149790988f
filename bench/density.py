"""Thousands of databases on one logical server; a part of control.py."""
import glob
import http.client
import json
import os
import ssl
import statistics
import sys
import threading
import time
import urllib.parse

sys.path.append("/usr/lib/python3/dist-packages")
import pymssql

SESSIONS, TIMES, LIMIT, FEW, WATCH_S, POLL_S = 50, 20, 5000, 50, 3, 0.02
BY_API = 500  # no more: the API holds each principal to so many requests a minute, polls among them
CLOSED_S = 120  # what nobody has entered is closed within some seconds, so many at a time
VERSION = "?api-version=2021-11-01"


class Api:
    """A connection to the management API, with a token, maybe another one's."""
    told_to_wait = 0  # of all connections

    def __init__(self, quire, token=None):
        self.http = http.client.HTTPSConnection(
            "127.0.0.1", quire.https_port, timeout=60, context=ssl.create_default_context(
                cafile=os.path.join(quire.dir, "tls", "cert.pem")))
        self.token = token or self.new_token(quire)
        root = self.good("/subscriptions" + VERSION)["value"][0]["id"]
        self.at = root + "/resourceGroups/myResourceGroup/providers/Microsoft.Sql/servers/server01/databases"

    def new_token(self, quire):
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": "quireadmin", "client_secret":
            quire.password, "scope": "https://management.quire/.default"})
        return self.send("POST", "/adfs/oauth2/token", form, {
            "Content-Type": "application/x-www-form-urlencoded"})[1]["access_token"]

    def send(self, method, path, body=None, headers=None):
        """Again when told to wait, as Azure's clients do."""
        while True:
            self.http.request(method, path, body, headers or {
                "Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
            answer = self.http.getresponse()
            text = answer.read()
            self.headers = answer.headers
            if answer.status != 429:
                return answer.status, json.loads(text) if text else None
            Api.told_to_wait += 1
            time.sleep(int(self.headers["Retry-After"]))

    def good(self, path):
        status, value = self.send("GET", path)
        assert status == 200, value
        return value

    def show(self, name):
        return self.good("%s/%s%s" % (self.at, name, VERSION))

    def list(self):
        """All of its pages."""
        rows, path = [], self.at + VERSION
        while path:
            page = self.good(path)
            rows += page["value"]
            parts = urllib.parse.urlsplit(page.get("nextLink", ""))
            path = parts.path and "%s?%s" % (parts.path, parts.query)
        return rows

    def create(self, name):
        """Until its operation is over; the operation's end."""
        status, value = self.send("PUT", "%s/%s%s" % (self.at, name, VERSION), json.dumps(
            {"location": "eastus", "sku": {"name": "Basic"}}))
        if status not in (201, 202):
            return value
        parts = urllib.parse.urlsplit(self.headers["Azure-AsyncOperation"])
        pause = POLL_S
        while True:
            value = self.good("%s?%s" % (parts.path, parts.query))
            if value["status"] not in ("InProgress", "Pending"):
                return value
            time.sleep(pause)
            pause = min(2 * pause, 1)


class Density:
    def __init__(self, quire, options):
        self.quire, self.options, self.results = quire, options, []

    def add(self, *figure):
        self.results.append(self.options.figure(*figure))

    # what the service has

    def shared(self):
        return next(pid for pid, args in self.quire.processes() if "shared" in args)

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.shared()))

    def open_count(self):
        """Databases whose files are open, master left out."""
        folders = set()
        for fd in glob.glob("/proc/%d/fd/*" % self.shared()):
            try:
                path = os.readlink(fd)
            except OSError:
                continue
            if "/databases/" in path:
                folders.add(path.split("/databases/")[1].split("/")[0])
        return max(len(folders) - 1, 0)

    def wait_closed(self, least=1):
        begin = time.monotonic()
        while self.open_count() > least and time.monotonic() - begin < CLOSED_S:
            time.sleep(1)
        return time.monotonic() - begin

    def disk_kb(self, kind):
        total = 0
        for folder, _, names in os.walk(os.path.join(self.quire.dir, kind)):
            total += sum(os.stat(os.path.join(folder, name)).st_blocks for name in names)
        return total / 2

    # what somebody does

    def each(self, first, last, act):
        """SESSIONS threads share the numbers; how long each took, and all."""
        took, lock, numbers = [], threading.Lock(), iter(range(first, last))

        def work():
            with_it = act()
            while True:
                with lock:
                    i = next(numbers, None)
                if i is None:
                    return
                begin = time.monotonic()
                with_it(i)
                took.append((time.monotonic() - begin) * 1000)

        begin = time.monotonic()
        threads = [threading.Thread(target=work) for _ in range(SESSIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(took) == last - first, "%d of %d were made" % (len(took), last - first)
        return took, time.monotonic() - begin

    def by_sql(self):
        connection = self.quire.connect("master", timeout=600)
        return lambda i: connection.cursor().execute("CREATE DATABASE d%d (EDITION = 'Basic')" % i)

    def by_api(self):
        api = Api(self.quire, self.token)

        def create(i):
            end = api.create("d%d" % i)
            assert end.get("status") == "Succeeded", end
        return create

    def creates(self, first, last, act, name):
        worked, Api.told_to_wait = self.quire.cpu_ms(), 0
        took, all_s = self.each(first, last, act)
        waits = ", %d times told to wait" % Api.told_to_wait if Api.told_to_wait else ""
        self.add(name, (last - first) / all_s, "/s", "%d, median %.0f ms, max %.0f ms, %.1f ms of processors each%s" % (
            last - first, statistics.median(took), max(took), (self.quire.cpu_ms() - worked) / (last - first), waits))

    def watch_first(self, what, until=None):
        """What one client of the first database sees."""
        late, begin = [], time.monotonic()
        with self.quire.connect("first") as connection:
            cursor = connection.cursor()
            while time.monotonic() - begin < WATCH_S if until is None else not until.is_set():
                start = time.monotonic()
                cursor.execute("SELECT b FROM t WHERE a = 7")
                cursor.fetchall()
                late.append((time.monotonic() - start) * 1e6)
        late.sort()
        self.add("the first one, " + what, statistics.median(late), "us",
                 "99 of 100 in %.0f us, longest %.0f us" % (late[len(late) * 99 // 100], late[-1]))

    # the parts

    def make(self):
        count = self.options.databases
        sql, over = max(count // 2, count - BY_API), threading.Event()
        self.token = Api(self.quire).token
        with self.quire.connect("master") as master:
            master.cursor().execute("CREATE DATABASE first (EDITION = 'Basic')")
        with self.quire.connect("first") as connection:
            connection.cursor().execute("CREATE TABLE t (a int PRIMARY KEY, b int); INSERT t SELECT value, value "
                                        "FROM GENERATE_SERIES(1, 1000)")
        self.watch_first("alone")
        self.before = self.quire.memory_kb(), self.disk_kb("databases"), self.disk_kb("blob")
        watcher = threading.Thread(target=self.watch_first, args=("while others are made", over))
        watcher.start()
        self.creates(1, sql, self.by_sql, "creates, 50 sessions")
        self.creates(sql, count, self.by_api, "creates, 50 of the API")
        over.set()
        watcher.join()
        self.add("open behind it", self.open_count(), "", "%d descriptors" % self.descriptors())
        after_s = self.wait_closed()
        self.watch_first("among %d" % count)
        memory, disk, backups = (now - before for now, before in zip(
            (self.quire.memory_kb(), self.disk_kb("databases"), self.disk_kb("blob")), self.before))
        self.add("memory of a cold one", memory / count, "KB", "%d are open %.0f s later; %.0f KB of files, %.0f KB "
                 "of backups" % (self.open_count(), after_s, disk / count, backups / count))

    def ask(self):
        count, api = self.options.databases, Api(self.quire, self.token)
        assert len(api.list()) == count + 1
        with self.quire.connect("master") as master:
            cursor = master.cursor()
            asks = (("list of %d" % count, api.list), ("show", lambda: api.show("d7")),
                    ("sys.databases", lambda: (cursor.execute("SELECT name FROM sys.databases"), cursor.fetchall())))
            for what, act in asks:
                worked, took = self.quire.cpu_ms(), []
                for _ in range(TIMES):
                    begin = time.monotonic()
                    act()
                    took.append((time.monotonic() - begin) * 1000)
                self.add(what, statistics.median(took), "ms", "%.1f ms of processors" % (
                    (self.quire.cpu_ms() - worked) / TIMES))

    def fill(self):
        """Up to the limit, and one more."""
        api, one_more = Api(self.quire, self.token), []
        for i in range(self.options.databases, LIMIT):
            begin = time.monotonic()
            end = api.create("d%d" % i)
            one_more.append((time.monotonic() - begin) * 1000)
            assert end.get("status") == "Succeeded", end
        if one_more:
            self.add("create among %d" % self.options.databases, statistics.median(one_more), "ms",
                     "its end asked for after 20 ms, 40 ms, ...")
        end = api.create("one_more")
        try:
            with self.quire.connect("master") as master:
                master.cursor().execute("CREATE DATABASE one_more")
            number = 0
        except pymssql.Error as e:
            number = e.args[0]
        assert number == 40604, (number, end)
        self.add("one more than %d" % LIMIT, number, "", end["error"]["code"])

    def login_ms(self, database):
        begin = time.monotonic()
        with self.quire.connect(database) as connection:
            connection.cursor().execute("SELECT 1")
        return (time.monotonic() - begin) * 1000

    def states(self):
        """Of so many that were cold, then open, then in use."""
        base, files, sessions = self.quire.memory_kb(), self.descriptors(), []
        first = [self.login_ms("d%d" % i) for i in range(1, FEW + 1)]
        again = [self.login_ms("d%d" % i) for i in range(1, FEW + 1)]
        self.add("login, cold", statistics.median(first), "ms", "max %.0f ms; open %.1f ms" % (
            max(first), statistics.median(again)))
        self.add("memory of an open one", (self.quire.memory_kb() - base) / FEW / 1000, "MB", "%.1f descriptors" % (
            (self.descriptors() - files) / FEW))
        for i in range(1, FEW + 1):
            connection = self.quire.connect("d%d" % i)
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE t (a int PRIMARY KEY, b int); INSERT t SELECT value, value FROM "
                           "GENERATE_SERIES(1, 1000)")
            cursor.execute("SELECT SUM(b) FROM t")
            cursor.fetchall()
            sessions.append(connection)
        self.add("memory of an active one", (self.quire.memory_kb() - base) / FEW / 1000, "MB",
                 "one session, a small table; %.1f descriptors" % ((self.descriptors() - files) / FEW))
        for connection in sessions:
            connection.close()

    def restart(self):
        begin = time.monotonic()
        self.quire.close()
        stop_ms = (time.monotonic() - begin) * 1000
        self.quire.start()
        self.add("start with all", self.quire.ready_ms, "ms", "stop %.0f ms" % stop_ms)
        self.add("first login after it", self.login_ms("d77"), "ms", "all are closed; the next one %.1f ms"
                 % self.login_ms("d78"))
        self.add("memory after it", self.quire.memory_kb() / 1000, "MB", "all processes, %.1f MB before the first "
                 "of them was made" % (self.before[0] / 1000))

    def measure(self):
        self.make()
        self.ask()
        if self.options.databases + 10 >= LIMIT:
            self.fill()
        self.states()
        self.restart()

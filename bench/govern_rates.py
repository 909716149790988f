"""What bench/govern.py asks of IOPS and log rate: sessions that want so much of it, and what they get."""
import random
import statistics
import threading
import time

PAGE_BYTES = 8192
ROWS = 12000  # of a page each: more than ten times what --cache-mib 8 keeps
SESSIONS = 12
READ_ROWS = 8
LOG_ROWS = 16  # of 4 kB in a statement
READS = """DECLARE @a int = %d
SELECT COUNT(*) FROM pages WHERE id BETWEEN @a AND @a + %d AND b > 0x"""
WRITES = """DECLARE @b varbinary(4000) = CRYPT_GEN_RANDOM(4000)
UPDATE changed SET b = @b WHERE id BETWEEN %d AND %d"""
COUNTERS = "SELECT num_of_reads, num_of_bytes_written FROM sys.dm_io_virtual_file_stats(NULL, NULL) WHERE file_id = %d"


def read_pages(number, turn):
    return READS % (random.randrange(1, ROWS - READ_ROWS), READ_ROWS - 1)


def write_log(number, turn):
    first = number * LOG_ROWS + 1
    return WRITES % (first, first + LOG_ROWS - 1)


class Asking:
    """Sessions that together ask for so many statements a second, or for as many as they get."""

    def __init__(self, quire, database, statement, per_s):
        self.over, self.threads = False, []
        for number in range(SESSIONS):
            thread = threading.Thread(target=self.run, args=(quire.connect(database), statement, number, SESSIONS / per_s), daemon=True)
            self.threads.append(thread)
            thread.start()

    def run(self, connection, statement, number, pause):
        cursor, due, turn = connection.cursor(), time.monotonic() + pause * random.random(), 0
        while not self.over:
            time.sleep(max(0, due - time.monotonic()))
            cursor.execute(statement(number, turn))
            turn += 1
            due = max(due + pause, time.monotonic() - 1)  # what could not be asked for in time is not made up for
        connection.close()

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


def counted(connection, file, column):
    cursor = connection.cursor()
    cursor.execute(COUNTERS % file)
    return cursor.fetchone()[column]


def fill(quire, database, objective, final, pages):
    """Loaded with `objective`, which has more log rate than what is measured then, `final`."""
    with quire.connect("master") as connection:
        connection.cursor().execute("CREATE DATABASE %s (SERVICE_OBJECTIVE = '%s')" % (database, objective))
    with quire.connect(database, timeout=300) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE pages (id int PRIMARY KEY, b varbinary(8000)); CREATE TABLE changed (id int PRIMARY KEY, b varbinary(4000))")
        for first in range(1, pages, 1000):
            cursor.execute("INSERT pages SELECT value, CRYPT_GEN_RANDOM(7000) FROM GENERATE_SERIES(%d, %d)" % (first, first + 999))
        cursor.execute("INSERT changed SELECT value, CRYPT_GEN_RANDOM(4000) FROM GENERATE_SERIES(1, %d)" % (SESSIONS * LOG_ROWS))
    if final != objective:
        with quire.connect("master", timeout=300) as connection:
            connection.cursor().execute("ALTER DATABASE %s MODIFY (SERVICE_OBJECTIVE = '%s')" % (database, final))


def objective_of(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT service_objective FROM sys.database_service_objectives WHERE database_id = DB_ID()")
    return cursor.fetchone()[0]


class Rates:
    """A part of Govern (bench/govern.py)."""

    def opened(self, quire, database, objective, final, pages=ROWS):
        fill(quire, database, objective, final, pages)
        while True:
            connection = quire.connect(database)
            if objective_of(connection) == final:
                return connection
            connection.close()
            time.sleep(0.2)

    def read_bytes(self, quire, database):
        """By the kernel's count, of the process that has the database: sockets are not in it."""
        own = [pid for pid, args in quire.processes() if "compute" in args]
        total = 0
        for pid in own:
            with open("/proc/%d/io" % pid, encoding="ascii") as f:
                total += int(f.readline().split()[1])
        return total

    def asked(self, quire, database, watcher, what, statement, units, limit, read, latencies):
        """`units` a statement; `read` tells how many were used so far."""
        for times in (0.5, 1, 2, 10):
            load = Asking(quire, database, statement, limit * times / units)
            time.sleep(1)
            took, before, machine, begin = [], read(), self.read_bytes(quire, database), time.monotonic()
            thread = threading.Thread(target=lambda: took.extend(latencies(watcher, self.options.seconds)))
            thread.start()
            time.sleep(self.options.seconds)
            passed = time.monotonic() - begin
            used, machine = (read() - before) / passed, (self.read_bytes(quire, database) - machine) / passed
            thread.join()
            load.end()
            scale, unit = (1e6, "MB/s") if limit > 1e6 else (1, "1/s")
            self.add("%s asked for %4.1f times" % (what, times), used / scale, unit, limit * min(times, 1) / scale,
                     "~ 1.00" if times > 1 else None)
            if limit < 1e6 and times == 2:
                self.add("  by the kernel's count", machine / PAGE_BYTES, "1/s", used, "0.95 to 1.05")
            self.add("  p99 of SELECT 1", sorted(took)[len(took) * 99 // 100], "ms", None, "< 50")
            begin = time.monotonic()
            while statistics.median(latencies(watcher, 0, 20)) > 5:
                pass
            self.add("  back to normal after", time.monotonic() - begin, "s", None, "< 5")

    def reads(self, quire, database, objective, limit, latencies):
        file = 0 if objective.startswith("HS") else 1  # of Hyperscale the pages on the node's own disk
        with quire.connect(database) as counter, quire.connect(database) as watcher:
            self.asked(quire, database, watcher, "reads of %s" % objective, read_pages, READ_ROWS, limit,
                       lambda: counted(counter, file, 0), latencies)

    def log_of(self, quire, database, objective, limit, latencies):
        with quire.connect(database) as counter, quire.connect(database) as watcher:
            before, cursor = counted(counter, 2, 1), watcher.cursor()
            for turn in range(50):
                cursor.execute(write_log(0, turn))
            units = (counted(counter, 2, 1) - before) / 50
            self.asked(quire, database, watcher, "log of %s" % objective, write_log, units, limit,
                       lambda: counted(counter, 2, 1), latencies)

    def beside(self, quire, busy, calm, statement, per_s, workload, what):
        """The other database's p99 while one floods a resource."""
        ratios, loaded = [], []
        for _ in range(self.options.runs):
            quiet = self.run(quire.args(calm), workload)["p99_us"]
            load = Asking(quire, busy, statement, per_s)
            time.sleep(0.5)
            took = self.run(quire.args(calm), workload)["p99_us"]
            load.end()
            loaded.append(took / 1000)
            ratios.append(took / quiet)
        self.add("p99 of %s" % what, statistics.median(loaded), "ms", None, None)
        self.add("  to its quiet figure", statistics.median(ratios), "times", None, "< 1.5")

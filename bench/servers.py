"""The servers that the benchmarks compare: quired and PostgreSQL 15, each with a directory of its own."""
import os
import pwd
import signal
import socket
import subprocess
import sys
import time

sys.path.append("/usr/lib/python3/dist-packages")
import pymssql

WIDE_BYTES = 4000
PG_BIN = "/usr/lib/postgresql/15/bin"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def process_family(root):
    """(pid, arguments) of a process and its children."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name, encoding="ascii", errors="replace") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            with open("/proc/%s/cmdline" % name, encoding="utf-8", errors="replace") as f:
                args = f.read().split("\0")
        except OSError:
            continue  # it has ended
        if root in (parent, int(name)):
            found.append((int(name), args))
    return found


def cpu_ms_of(processes, with_ended=()):
    """Processor time so far of processes that run now, and of the ended children of some."""
    ticks = 0
    for pid, _ in processes:
        try:
            with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
                fields = f.read().rpartition(") ")[2].split()
        except OSError:
            continue  # it has ended
        ticks += sum(map(int, fields[11:15] if pid in with_ended else fields[11:13]))
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


class Postgres:
    """A cluster of our own with default, safe settings, on loopback, without TLS. With a standby
    each commit waits until that has it on disk too."""

    def __init__(self, root, standby=False, settings=""):
        if not os.path.exists(PG_BIN + "/postgres"):
            subprocess.run(["apt-get", "install", "-y", "-q", "postgresql-15"], check=True,
                           stdout=subprocess.DEVNULL)
        self.dir, self.port = os.path.join(root, "pg"), free_port()
        user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.user = "postgres" if user else pwd.getpwuid(os.geteuid()).pw_name
        self.prefix = ["runuser", "-u", "postgres", "--"] if user else []
        self.standby, self.settings = None, settings
        for d in (self.dir, self.dir + "-standby"):
            os.mkdir(d, 0o700)
            if user:
                os.chown(d, user.pw_uid, user.pw_gid)
                os.chmod(root, 0o755)
        subprocess.run(self.prefix + [PG_BIN + "/initdb", "-D", self.dir, "-A", "trust", "-U",
                                      self.user], check=True, stdout=subprocess.DEVNULL, cwd="/")
        self.start()
        if standby:
            self.start_standby()

    def start(self):
        self.ctl(self.dir, "start", "-w", "-t", "600", "-l", self.dir + "/log", "-o", self.start_options())

    def restart(self, settings):
        """With other settings; who is connected is cut off."""
        self.settings = settings
        self.ctl(self.dir, "restart", "-w", "-m", "fast", "-t", "600", "-l", self.dir + "/log", "-o", self.start_options())

    def start_options(self):
        return "-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories=%s %s" % (self.port, self.dir, self.settings)

    def start_standby(self):
        self.standby, port = self.dir + "-standby", free_port()
        subprocess.run(self.prefix + [PG_BIN + "/pg_basebackup", "-h", "127.0.0.1", "-p",
                                      str(self.port), "-U", self.user, "-D", self.standby, "-R"],
                       check=True, cwd="/")
        self.ctl(self.standby, "start", "-w", "-l", self.standby + "/log", "-o",
                 "-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories=%s"
                 % (port, self.standby))
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.sql("SELECT pg_reload_conf()")
        while self.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != "1":
            time.sleep(0.1)

    def sql(self, text):
        return subprocess.run(["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user,
                               "-d", "postgres", "-qAt", "-c", text], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()

    def ctl(self, directory, *args):
        subprocess.run(self.prefix + [PG_BIN + "/pg_ctl", "-D", directory, *args], check=True,
                       stdout=subprocess.DEVNULL, cwd="/")

    def kill(self):
        """SIGKILL of every process of the primary."""
        with open(self.dir + "/postmaster.pid", encoding="ascii") as f:
            family = process_family(int(f.readline()))
        for pid, _ in family:
            os.kill(pid, signal.SIGKILL)
        while any(os.path.exists("/proc/%d" % pid) for pid, _ in family):
            time.sleep(0.005)

    def cpu_ms(self):
        """Processor time so far, sessions that have ended included."""
        with open(self.dir + "/postmaster.pid", encoding="ascii") as f:
            root = int(f.readline())
        return cpu_ms_of(process_family(root), with_ended=(root,))

    def args(self):
        return ["--target", "pg", "--port", str(self.port), "--user", self.user, "--database",
                "postgres"]

    def close(self):
        self.ctl(self.dir, "stop", "-m", "fast")
        if self.standby:
            self.ctl(self.standby, "stop", "-m", "fast")


class Quire:
    """What is measured is the engine and not the limits of an objective: --governance off unless the options say
    otherwise (bench/govern.py measures the limits)."""

    def __init__(self, build, root, options=("--governance", "off")):
        self.options = list(options)
        self.binary, self.dir = os.path.join(build, "quired"), os.path.join(root, "quire")
        self.password = "Bench-Pw-1234567"
        self.password_file = os.path.join(root, "password")
        with open(self.password_file, "w", encoding="utf-8") as f:
            f.write(self.password + "\n")
        os.chmod(self.password_file, 0o600)
        self.start()

    def start(self):
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [self.binary, "--data-dir", self.dir, "--tds-port", "0", "--https-port", "0",
             "--admin-password-file", self.password_file, "--allow-plaintext-login", *self.options],
            stdout=subprocess.PIPE, stderr=open(self.dir + ".log", "ab"), text=True)
        line = self.process.stdout.readline()
        if not line.startswith("quired ready"):
            sys.exit("quired did not start: see %s.log" % self.dir)
        self.ready_ms = (time.monotonic() - begin) * 1000
        self.port, self.https_port = (int(line.split(word)[1].split()[0].rsplit(":", 1)[1])
                                      for word in ("tds=", "https="))

    def connect(self, database, **more):
        return pymssql.connect(server="127.0.0.1", port=str(self.port), user="quireadmin",
                               password=self.password, database=database, autocommit=True,
                               login_timeout=60, **more)

    def fill(self, cursor, size):
        """A table of so many MB of rows that do not compress."""
        cursor.execute("CREATE TABLE wide (a int, b varbinary(%d))" % WIDE_BYTES)
        left = size * 1000 * 1000 // WIDE_BYTES
        while left > 0:
            rows = min(left, 10000)
            cursor.execute("INSERT wide SELECT value, CRYPT_GEN_RANDOM(%d) FROM "
                           "GENERATE_SERIES(1, %d)" % (WIDE_BYTES, rows))
            left -= rows

    def args(self, database="bench"):
        return ["--target", "quire", "--port", str(self.port), "--user", "quireadmin",
                "--password", self.password, "--database", database]

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=30)

    def processes(self):
        """(pid, arguments) of the service: the supervisor and its children."""
        return process_family(self.process.pid)

    def cpu_ms(self):
        """Processor time so far of the processes that run now."""
        return cpu_ms_of(self.processes())

    def memory_kb(self):
        """What the processes have for themselves; pages shared with others count in part."""
        total = 0
        for pid, _ in self.processes():
            with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as f:
                total += int(next(l for l in f if l.startswith("Pss:")).split()[1])
        return total

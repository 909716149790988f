"""What the tests of other people's clients share: their configuration files, and running them."""
import os
import re
import subprocess

import server

SERVER = "quire"  # name of the server in the configuration files
TDSODBC = ("/usr/lib/{}/odbc/libtdsodbc.so".format(machine)
           for machine in ("x86_64-linux-gnu", "aarch64-linux-gnu"))
NODE = os.path.join(server.ROOT, "tests", "integration", "node")
SECONDS = 60 * float(os.environ.get("QUIRE_TEST_SLOWNESS", "1"))


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def freetds_env(folder, quired, encryption="require", version="7.4"):
    """An environment whose FreeTDS knows this server, and nothing of the machine's configuration."""
    path = write(folder, f"freetds-{encryption}-{version}.conf", f"""
[global]
    client charset = UTF-8
    text size = 16000000
[{SERVER}]
    host = {quired.host}
    port = {quired.port}
    tds version = {version}
    encryption = {encryption}
""")
    return {**os.environ, "FREETDSCONF": path, "FREETDS": path, "LC_ALL": "C.UTF-8"}


def odbc_env(folder, quired, encryption="require", database="master"):
    """unixODBC with FreeTDS' driver and the data source SERVER; None if the driver is not installed."""
    driver = next((path for path in TDSODBC if os.path.exists(path)), None)
    if driver is None:
        return None
    write(folder, "odbcinst.ini", f"[quiretds]\nDriver = {driver}\n")
    ini = write(folder, "odbc.ini", f"""
[{SERVER}]
Driver = quiretds
Server = {quired.host}
Port = {quired.port}
Database = {database}
TDS_Version = 7.4
Encryption = {encryption}
ClientCharset = UTF-8
""")
    return {**freetds_env(folder, quired, encryption), "ODBCSYSINI": folder, "ODBCINI": ini}


def run(command, env, text="", check=True):
    done = subprocess.run(command, env=env, input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
                          timeout=SECONDS * 10)
    if check and done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def tsql(env, quired, database, text, password=None, check=True):
    """What tsql prints for `text`, without its prompts."""
    out = run(["tsql", "-S", SERVER, "-U", server.ADMIN, "-P", password or quired.password,
               "-D", database], env, text, check)
    return re.sub(r"^(?:\d+> )+", "", out, flags=re.M)


def node(script, quired, *arguments, seconds=SECONDS * 5):
    return subprocess.run(["node", "--no-deprecation", os.path.join(NODE, script), quired.host, str(quired.port),
                           server.ADMIN, *arguments],
                          env={**os.environ, "QUIRE_PASSWORD": quired.password, "NO_COLOR": "1"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          encoding="utf-8", errors="replace", timeout=seconds)


def has_tedious():
    return os.path.isdir(os.path.join(NODE, "node_modules", "tedious"))

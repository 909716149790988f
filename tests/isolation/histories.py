"""Generated histories under load, and their verdicts: the short form in `./test`, the long one with --all."""
import os
import re
import signal
import time

import checker
import history
import load
import wire

SHORT_SECONDS, LONG_SECONDS, LONG_WINDOW = 20, 1800, 20
SESSIONS = 64
# name, levels of its transactions, what the server needs
KINDS = (("RU", ["RU"], []), ("RC", ["RC"], []), ("SI", ["SI"], []), ("RR", ["RR"], []),
         ("SER", ["SER"], []), ("mixed", ["RC", "RR", "SI", "SER"], []))
ANNOUNCED = {"child_ended", "primary_lost", "promoted"}




def sigkill(window):
    """The whole service at once, and again over the same directory."""
    window.quired.kill()
    window.quired.start()


def kill_compute(window):
    """The processes that have databases, primaries and replicas; the supervisor starts them again."""
    names = set(re.findall(r' ev=child_started name="(shared|hs-[^"]+)"', "".join(window.quired.log)))
    for name in names:
        try:
            os.kill(window.quired.role_pid(name), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended since


def failover(window):
    with wire.Connection(window.quired, "master", timeout=load.PATIENCE) as master:
        reply = master.batch(f"ALTER DATABASE [{window.database}] FAILOVER")
        if reply.errors:
            window.unexpected.append(repr(reply.errors[0]))


def patient_execute(quired, database, text):
    """After a disturbance the database may need a moment."""
    deadline = time.monotonic() + load.PATIENCE
    while True:
        try:
            with wire.Connection(quired, database, timeout=load.PATIENCE) as connection:
                return connection.execute(text)
        except (*wire.GONE, wire.tds.Failed):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def prepare(quired, edition):
    with quired.connect() as master:
        master.execute("CREATE DATABASE histories" + (f" (EDITION = '{edition}')" if edition else ""))
        if edition == "Hyperscale":
            master.execute("ALTER DATABASE histories MODIFY (HA_REPLICAS = 1)")
    patient_execute(quired, "histories", load.SCHEMA)


def judge(window, name, build):
    verdict = checker.Verdict(window.txns)
    problems = [verdict.text()] if verdict.problems else []
    problems += sorted(set(window.unexpected))[:5]
    states = [t.state for t in window.txns]
    seen = ", ".join(f"{n} {count}" for n, count in sorted(verdict.allowed.items()))
    print(f"{'FAILED' if problems else 'ok':6} history {name}: {window.committed} committed, "
          f"{states.count(history.FAIL)} rolled back"
          f"{''.join(f', {n} of error {e}' for e, n in sorted(window.errors.items()))}, "
          f"{states.count(history.INFO)} unknown; allowed and seen: {seen or 'nothing'}", flush=True)
    if problems:
        path = os.path.join(build, f"history-{name}.jsonl")
        history.save(path, window.txns)
        print("\n".join(problems) + f"\nthe history is in {path}", flush=True)
    return not problems


def play(quired, name, levels, seconds, disturb, seed, build):
    """True, False, or None if the level is not there yet."""
    window = load.Window(quired, "histories", levels, seed, SESSIONS)
    try:
        window.run(seconds, disturb)
    except NotImplementedError as error:
        print(f"skipped history {name}: {error}", flush=True)
        return None
    except Exception as error:
        window.unexpected.append(f"{type(error).__name__}: {error}")
    return judge(window, name, build)


def run(quired, kinds, long, edition, build, seed):
    """(passed, failed) over the chosen kinds: short, or for LONG_SECONDS with every sort of disturbance."""
    prepare(quired, edition)
    outcomes = []
    if not long:
        for number, (name, levels, _) in enumerate(kinds):
            outcomes.append(play(quired, name, levels, SHORT_SECONDS / len(kinds),
                                 sigkill if number % 2 else None, seed + number, build))
    else:
        disturbances = [None, sigkill, kill_compute] + ([failover] if edition == "Hyperscale" else [])
        until, number = time.monotonic() + LONG_SECONDS, 0
        while time.monotonic() < until:
            name, levels, _ = kinds[number % len(kinds)]
            disturb = disturbances[number // len(kinds) % len(disturbances)]
            label = f"{name} {number} {disturb.__name__ if disturb else 'undisturbed'}"
            outcomes.append(play(quired, label.replace(" ", "-"), levels, LONG_WINDOW, disturb,
                                 seed + number, build))
            number += 1
    return outcomes.count(True), outcomes.count(False)

"""Plays the orders of a spec on sessions of a real server and says what came of each step.

One thread: it sends a step, then waits until every session that is at work has answered or is known to
wait for another. Known by the server's own view (sys.dm_exec_requests.blocking_session_id), where
the server has it; else by the time that has passed without any answer. Nothing is concluded from a wait that
ends late: a session that was merely slow makes another order, not another truth (README.md).
"""
import collections
import itertools
import re
import time

import wire

STUCK_SECONDS = 30 * wire.server.SLOWNESS
QUIET_SECONDS = 0.06 * wire.server.SLOWNESS
# the transaction was given up for the sake of others, or of its time limit
CONCURRENCY = {1205, 1222, 3960, 3961, 40197, 41302, 41305, 41325}
WAITS = "SELECT session_id, blocking_session_id FROM sys.dm_exec_requests WHERE blocking_session_id <> 0"


class Stuck(Exception):
    pass


class Outcome:
    """What came of one step; the names that checks use."""

    def __init__(self, step):
        self.step = step
        self.ran = self.skipped = self.blocked = self.closed = False
        self.blockers, self.errors, self.rows, self.count = set(), [], [], None
        self.issued = self.ended = 0
        self.tran_ended = False
        self.seconds = 0.0
        self.sees_waits = False

    @property
    def error(self):
        return self.errors[0] if self.errors else 0

    @property
    def value(self):
        return self.rows[0][0] if self.rows else None

    @property
    def ok(self):
        return self.ran and not self.errors and not self.closed

    @property
    def free(self):
        """It did not wait; also true where the server cannot tell."""
        return not self.blocked or not self.sees_waits

    def take(self, reply):
        self.errors = [m.number for m in reply.errors]
        self.rows = list(reply.rows)
        counts = [d.count for d in reply.dones if d.status & 0x10]
        self.count = counts[-1] if counts else None

    def __repr__(self):
        if self.skipped:
            return "skipped"
        told = [f"error {', '.join(map(str, self.errors))}"] if self.errors else []
        told += [f"rows {self.rows}"] if self.rows else []
        told += ["connection closed"] if self.closed else []
        told += [f"waited for {', '.join(sorted(self.blockers)) or 'somebody'}"] if self.blocked else []
        return "; ".join(told) or "ok"


class Run:
    """The outcome of one order: by step, in order of issue, and of the final query."""

    def __init__(self, order, level):
        self.order, self.level = order, level
        self.of, self.issued, self.final = {}, [], []

    def transcript(self):
        out = [f"    order: {' '.join(self.order)}"]
        ticks = sorted([(o.issued, f"{o.step.session}> {o.step.name}: {' '.join(o.step.text.split())}")
                        for o in self.of.values() if o.ran] +
                       [(o.ended, f"{o.step.session}< {o.step.name}: {o!r}")
                        for o in self.of.values() if o.ran and o.ended])
        out += [f"    {tick:3d} {text}" for tick, text in ticks]
        out += [f"        {o.step.name}: skipped" for o in self.of.values() if o.skipped]
        out += [f"        {o.step.name}: no answer" for o in self.of.values() if o.ran and not o.ended]
        return "\n".join(out + [f"    final: {self.final}"])

    def sessions_given_up(self):
        return {o.step.session for o in self.of.values() if CONCURRENCY & set(o.errors)}

    def names(self):
        """What the expressions of a spec can say (README.md)."""
        of = self.of

        def given_up(session):
            return session in self.sessions_given_up()

        def errors(session=None):
            return [e for o in of.values() for e in o.errors
                    if session in (None, o.step.session)]

        return {**of, "final": self.final, "level": self.level, "errors": errors,
                "given_up": given_up,
                "committed": lambda s: not given_up(s) and not any(
                    o.tran_ended for o in of.values() if o.step.session == s),
                "before": lambda a, b: of[a].issued < of[b].issued,
                "after": lambda a, b: of[a].issued > of[b].ended > 0,
                "ended": lambda a, b: 0 < of[a].ended < of[b].issued,
                "waited": [n for n, o in of.items() if not o.free],
                "victims": sum(1205 in o.errors for o in of.values()),
                "all": all, "any": any, "sum": sum, "len": len, "set": set, "sorted": sorted,
                "min": min, "max": max, "range": range, "abs": abs, "bool": bool, "int": int,
                "str": str}


class Actor:
    def __init__(self, name):
        self.name, self.connection = name, None
        self.queue = collections.deque()
        self.now = None  # the Outcome under way
        self.given_up = False


class Stage:
    """One database's worth of sessions; plays one spec after another."""

    def __init__(self, quired, database, sees_waits):
        self.quired, self.database, self.sees_waits = quired, database, sees_waits
        self.observer = wire.Connection(quired, database)
        self.actors = {}
        self.tick = 0

    def close(self):
        for connection in [self.observer] + [a.connection for a in self.actors.values()]:
            if connection is not None:
                connection.close()

    # --- a spec ---

    def script(self, text):
        for batch in re.split(r"(?m)^GO$", text):
            if batch.strip():
                self.observer.execute(batch)

    def prepare(self, spec):
        self.spec, self.serial_runs = spec, {}
        for actor in self.actors.values():
            if actor.connection is not None:
                actor.connection.close()
        self.actors = {name: Actor(name) for name in spec.sessions}
        self.script(spec.setup)

    def begin(self, level):
        self.script(self.spec.reset)
        for actor in self.actors.values():
            actor.queue.clear()
            actor.now, actor.given_up = None, False
            if actor.connection is None:
                actor.connection = wire.Connection(self.quired, self.database)
            text = f"SET TRANSACTION ISOLATION LEVEL {wire.LEVELS[level]}"
            reply = actor.connection.batch(text, status=wire.RESET)
            for batch in filter(None, [self.spec.begin]):
                if not reply.errors:
                    reply = actor.connection.batch(self.fill(batch))
            if reply.errors:
                raise AssertionError(f"session {actor.name} cannot begin: {reply.errors}")

    def finish(self, run):
        """The outcome's rows, and the sessions as they were before."""
        for actor in self.actors.values():
            if actor.connection is not None and actor.now is None:
                try:
                    reply = actor.connection.batch("IF @@TRANCOUNT > 0 ROLLBACK")
                    over = 596 in [m.number for m in reply.errors]
                except wire.GONE:
                    over = True
                if over:  # killed while it did nothing
                    actor.connection = None
        run.final = list(self.observer.execute(self.spec.final)) if self.spec.final else []

    # --- one order ---

    def play(self, order, level):
        run = self.run = Run(order, level)
        run.of = {name: Outcome(step) for name, step in self.spec.steps.items()}
        self.begin(level)
        self.tick = 0
        try:
            for name in order:
                step = self.spec.steps[name]
                self.actors[step.session].queue.append(step)
                self.issue(self.actors[step.session])
                self.settle(False)
            self.settle(True)
        except Stuck:
            for actor in self.actors.values():
                if actor.now is not None:
                    actor.connection.close()
                    actor.connection = actor.now = None
            raise
        self.finish(run)
        return run

    def fill(self, text):
        return re.sub(r"\{spid:(\w+)\}", lambda m: str(self.actors[m[1]].connection.spid), text)

    def issue(self, actor):
        """Sends the next step of a session that is idle."""
        while actor.now is None and actor.queue:
            step = actor.queue.popleft()
            outcome = self.run.of[step.name]
            if actor.given_up and not step.text.upper().startswith(("BEGIN", "!TM BEGIN")):
                outcome.skipped = True
                continue
            actor.given_up = False
            self.tick += 1
            outcome.ran, outcome.issued, outcome.sees_waits = True, self.tick, self.sees_waits
            outcome.begun = time.monotonic()
            actor.now = outcome
            self.send(actor, step)

    def send(self, actor, step):
        if actor.connection is None:
            actor.connection = wire.Connection(self.quired, self.database)
        actor.in_transaction = actor.connection.transaction != 0
        if not step.text.startswith("!"):
            actor.connection.submit(self.fill(step.text))
            return
        command, *rest = step.text[1:].split(None, 1)
        if command == "tm":
            actor.connection.submit_tm(rest[0])
            return
        target = self.actors[rest[0]]
        if command == "attention" and target.connection is not None:
            target.connection.submit_attention()
        elif command == "close":
            self.disconnect(target)
        elif command == "join":
            self.join(target)
        elif command != "attention":
            raise AssertionError(f"no such command: {step.text}")
        self.end(actor)

    def join(self, target):
        """Until that session's request has been answered, whatever it waits for."""
        patience = time.monotonic() + STUCK_SECONDS
        while target.now is not None and not self.receive(target):
            if time.monotonic() > patience:
                raise Stuck(f"no answer in {STUCK_SECONDS} s from session {target.name}")
            wire.wait_any([target.connection], 0.1)

    def disconnect(self, target):
        """As when the client's process dies."""
        if target.connection is not None:
            target.connection.close()
            target.connection = None
        if target.now is not None:
            target.now.closed = True
            self.end(target)

    def end(self, actor):
        self.tick += 1
        actor.now.ended = self.tick
        actor.now.seconds = time.monotonic() - actor.now.begun
        actor.now = None

    def receive(self, actor):
        try:
            reply = actor.connection.poll()
        except wire.GONE:
            self.disconnect(actor)
            actor.given_up = not self.spec.go_on
            return True
        if reply is None:
            return False
        outcome = actor.now
        outcome.take(reply)
        if outcome.errors and actor.in_transaction and actor.connection.transaction == 0:
            outcome.tran_ended = True
            actor.given_up = not self.spec.go_on
        self.end(actor)
        return True

    def settle(self, to_the_end):
        """Until each session has answered or, if not `to_the_end`, waits for another."""
        patience = time.monotonic() + STUCK_SECONDS
        quiet_since, seen_before = time.monotonic(), None
        while True:
            for actor in self.actors.values():
                self.issue(actor)
            busy = [a for a in self.actors.values() if a.now is not None]
            if not busy:
                return
            ready = wire.wait_any([a.connection for a in busy], 0.004)
            moved = [self.receive(a) for a in busy if a.connection in ready]
            if any(moved):
                quiet_since, seen_before = time.monotonic(), None
                continue
            now = time.monotonic()
            if now > patience:
                raise Stuck("no answer in %d s from session %s" % (
                    STUCK_SECONDS, ", ".join(a.name for a in busy)))
            blocked, seen = self.look(busy, now - quiet_since)
            if blocked and seen == seen_before and not to_the_end:
                return
            seen_before = seen if blocked else None
            if to_the_end and blocked:
                wire.wait_any([a.connection for a in busy], 0.1)

    def look(self, busy, quiet_seconds):
        """(all of them wait for others, what was seen)."""
        if not self.sees_waits:
            if quiet_seconds < QUIET_SECONDS:
                return False, None
            for actor in busy:
                actor.now.blocked = True
            return True, None
        waits = dict(self.observer.execute(WAITS))
        names = {a.connection.spid: a.name for a in self.actors.values() if a.connection}
        for actor in busy:
            blocker = waits.get(actor.connection.spid)
            if blocker is not None:
                actor.now.blocked = True
                actor.now.blockers.add(names.get(blocker, f"session {blocker}"))
        return all(a.connection.spid in waits for a in busy), waits

    # --- the serial executions that an outcome may equal ---

    def serial_outcomes(self, sessions, level):
        found = []
        for order in itertools.permutations(sessions):
            key = (order, level)
            if key not in self.serial_runs:
                steps = [s.name for name in order for s in self.spec.sessions[name]]
                self.serial_runs[key] = result_of(self.play(steps, level), order)
            found.append(self.serial_runs[key])
        return found


def result_of(run, sessions):
    """What can be compared with a serial execution: answers of those sessions, and the final rows."""
    answers = tuple((name, tuple(o.errors), tuple(o.rows)) for name, o in sorted(run.of.items())
                    if o.step.session in sessions)
    return answers, tuple(run.final)

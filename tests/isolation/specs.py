"""Runs *.spec files: several at a time, each in a database of its own, and judges what came of them."""
import glob
import itertools
import os
import queue
import threading
import time

import spec as spec_format
import stage as stage_of
import wire

HERE = os.path.dirname(os.path.abspath(__file__))
QUICK_ORDERS, ALL_ORDERS = 6, 400
LANES = 8
PROBE = ("CREATE TABLE probe (k int PRIMARY KEY, v int); INSERT probe VALUES (1, 0)",
         "BEGIN TRAN; UPDATE probe SET v = 1 WHERE k = 1", "UPDATE probe SET v = 2 WHERE k = 1")


def load_specs(names):
    """The named specs (files without .spec, or patterns), or all."""
    paths = sorted(itertools.chain.from_iterable(
        glob.glob(os.path.join(HERE, f"{name}.spec")) for name in (names or ["*"])))
    return [spec_format.load(path) for path in paths]


def sees_waits(quired):
    """The server shows in sys.dm_exec_requests who waits for whom."""
    quired.create_database("probe")
    holder, waiter = (wire.Connection(quired, "probe") for _ in range(2))
    try:
        if holder.batch("SELECT 1 FROM sys.dm_os_waiting_tasks").errors:
            return False
        for text in PROBE[:2]:
            holder.execute(text)
        waiter.submit(PROBE[2])
        deadline = time.monotonic() + 5 * wire.server.SLOWNESS
        seen = False
        while not seen and time.monotonic() < deadline:
            seen = (waiter.spid, holder.spid) in holder.execute(stage_of.WAITS)
        holder.execute("ROLLBACK")
        while waiter.poll() is None:
            wire.wait_any([waiter], 1)
        return seen
    finally:
        holder.close()
        waiter.close()


def problems_of(spec, run, stage):
    """What the spec says and the outcome does not."""
    found, names = [], run.names()
    for check in spec.checks:
        if check.levels is not None and run.level not in check.levels:
            continue
        try:
            if not eval(check.code, {"__builtins__": {}, **names}):
                found.append(f"line {check.line}: {check.text}")
        except Exception as error:  # an expression over rows that did not come
            found.append(f"line {check.line}: {check.text}: {type(error).__name__}: {error}")
    if run.level in spec.serial:
        aside = run.sessions_given_up() | {o.step.session for o in run.of.values()
                                           if o.closed or o.tran_ended}
        sessions = [name for name in spec.sessions if name not in aside]
        if stage_of.result_of(run, sessions) not in stage.serial_outcomes(sessions, run.level):
            found.append(f"equals no serial order of {', '.join(sessions) or 'nothing'}")
    return found


class Result:
    def __init__(self, spec, level):
        self.spec, self.level = spec, level
        self.orders, self.problems, self.seconds = 0, [], 0.0
        self.unsupported = ""


def play_spec(stage, spec, level, limit, only=None, verbose=False):
    result = Result(spec, level)
    begun = time.monotonic()
    for order in ([only] if only else spec.orders(limit)):
        result.orders += 1
        try:
            run = stage.play(order, level)
            wrong = problems_of(spec, run, stage)
        except stage_of.Stuck as error:
            run, wrong = stage.run, [str(error)]
        if wrong or verbose:
            result.problems += wrong
            text = "".join(f"  {line}\n" for line in wrong) + run.transcript()
            print(f"{'FAILED ' if wrong else ''}{spec.name} {level}\n{text}", flush=True)
        if len(result.problems) >= 3:
            break
    result.seconds = time.monotonic() - begun
    return result


def lane(quired, number, shows_waits, work, done, options):
    stage = stage_of.Stage(quired, f"lane{number}", shows_waits)
    try:
        while True:
            try:
                spec = work.get_nowait()
            except queue.Empty:
                return
            prepared = False
            for level in [l for l in spec.levels if not options.level or l == options.level]:
                try:
                    if not prepared:
                        stage.prepare(spec)
                        prepared = True
                    done.put(play_spec(stage, spec, level, options.limit, options.order,
                                       options.verbose))
                except Exception as error:
                    result = Result(spec, level)
                    result.problems = [f"{type(error).__name__}: {error}"]
                    print(f"FAILED {spec.name} {level}\n  {result.problems[0]}", flush=True)
                    done.put(result)
                    stage.close()
                    stage = stage_of.Stage(quired, f"lane{number}", shows_waits)
            if prepared:
                try:
                    stage.script(spec.teardown)
                except wire.tds.Failed as error:
                    print(f"{spec.name}: teardown: {error}", flush=True)
    finally:
        stage.close()


def run_specs(quired, chosen, options):
    """[Result] of every spec at every of its levels."""
    shows_waits = sees_waits(quired)
    if not shows_waits:
        print("the server does not show who waits for whom: a wait is told by the time it lasts")
    lanes = min(LANES if len(chosen) > 1 else 1, len(chosen))
    work, done = queue.SimpleQueue(), queue.SimpleQueue()
    for spec in chosen:
        work.put(spec)
    for number in range(lanes):
        quired.create_database(f"lane{number}")
    threads = [threading.Thread(target=lane, args=(quired, i, shows_waits, work, done, options))
               for i in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = []
    while not done.empty():
        results.append(done.get())
    return sorted(results, key=lambda r: (r.spec.name, r.level))

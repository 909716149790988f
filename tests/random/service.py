#!/usr/bin/env python3
"""Random programs of what an administrator does, with processes that die in between. Ends with `N passed, N failed`.

usage: service.py [--build DIR] [--seed N] [--rounds N | --seconds S] [--steps N]
  service.py --seconds 600 --seed 5000    rounds of the seeds 5000, 5001, ... for ten minutes
  service.py --seed 5017 --rounds 1       the choices of one round again; when processes die is not the same again

A round is a service of its own with databases of all tiers on two logical servers. Each step is one of: a transaction,
CREATE, copy, restore to a moment, DROP, restore of what was dropped, rename, another objective or tier, failover, HA and named
replicas, geo-secondaries made, failed over (also forced, with a secondary that had stood still) and ended, SIGKILL of a process or
of all of them, a restart. What every database has to hold is known: what was acknowledged, and of what was under way all or
nothing. Each is read after what concerns it, all of them at the end of the round, and restores have to hold what
was there at that moment. A difference prints the steps.
"""
import argparse
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
import estate  # noqa: E402

STEPS = 60  # of a round


class Round:
    """What is done, and to which."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.estate = estate.Estate(self.random)
        self.names = 0
        self.log = []

    def say(self, text):
        self.log.append(f"{time.strftime('%H:%M:%S')} {text}")

    def new_name(self):
        self.names += 1
        return f"d{self.names}"

    def pick(self, suits=lambda d: True):
        """A database that is there, or None."""
        found = [d for d in self.estate.databases if suits(d)]
        return self.random.choice(found) if found else None

    def alone(self, more=lambda d: True):
        return self.pick(lambda d: d.peer is None and more(d))

    # --- steps: each returns what it did, or None where nothing suits ---

    def write(self):
        d = self.pick(lambda d: d.is_primary)
        for _ in range(self.random.randint(1, 4)):
            self.estate.write(d)
        return f"write {d}"

    def look(self):
        d = self.pick()
        self.estate.check(d)
        return f"look at {d}"

    def create(self):
        if len(self.estate.databases) > 5:
            return None
        d = self.estate.create(self.new_name(), self.random.choice(list(estate.TIERS)))
        return f"create {d}"

    def copy(self):
        d = self.pick(lambda d: d.is_primary)
        if d is None or len(self.estate.databases) > 6:
            return None
        return f"copy {d} to {self.estate.copy(d, self.new_name())}"

    def restore(self):
        d = self.random.choice([d for d in self.estate.databases if d.is_primary] + self.estate.dropped)
        if not d.past or len(self.estate.databases) > 6:
            return None
        moment, rows = self.random.choice(d.past[-40:])
        self.say(f"restore {d} as of {estate.utc(moment)}, {len(rows)} rows ...")
        made = self.estate.restore(d, moment, rows, self.new_name())
        return f"restore {d}: " + (str(made) if made else "refused, as it may be")

    def drop(self):
        d = self.alone()
        if d is None or len(self.estate.databases) < 3:
            return None
        self.estate.drop(d)
        return f"drop {d}"

    def rename(self):
        d = self.alone(lambda d: not d.named)
        if d is None:
            return None
        before = str(d)
        self.estate.rename(d, self.new_name())
        return f"rename {before} to {d}"

    def scale(self):
        d = self.alone()
        if d is None:
            return None
        before = str(d)
        self.estate.change(d, d.tier)
        return f"scale {before} to {d.objective}"

    def move(self):
        d = self.alone(lambda d: not d.named and not d.is_hyper_born)
        if d is None:
            return None
        before = str(d)
        ways = ["general"] if d.tier == "hyperscale" else [t for t in estate.TIERS if t != d.tier]
        self.estate.change(d, self.random.choice(ways))
        return f"move {before} to {d}"

    def fail_over(self):
        d = self.pick(lambda d: d.is_primary and d.peer is None and d.tier in ("hyperscale", "critical"))
        if d is None:
            return None
        self.estate.fail_over(d)
        return f"fail over {d}"

    def replicas(self):
        d = self.alone(lambda d: d.tier == "hyperscale")
        if d is None:
            return None
        count = self.random.randint(0, 2)
        self.estate.set_ha(d, count)
        return f"{d} has {count} HA replicas"

    def named(self):
        d = self.alone(lambda d: d.tier == "hyperscale")
        if d is None:
            return None
        if d.named:
            self.estate.drop_named(d)
            return f"{d} has no named replica"
        self.estate.add_named(d, self.new_name())
        return f"{d} has the named replica {d.named}"

    def link(self):
        there = {d.name for d in self.estate.databases if d.server == estate.FAR}
        d = self.alone(lambda d: d.tier != "hyperscale" and d.server == estate.NEAR and d.name not in there)
        if d is None or any(e.peer for e in self.estate.databases):
            return None
        self.estate.link(d)
        return f"link {d}"

    def swap(self):
        d = self.pick(lambda d: d.peer is not None and not d.is_primary)
        if d is None:
            return None
        self.estate.geo_fail_over(d, forced=False, held=0)
        return f"geo failover to {d}"

    def force(self):
        d = self.pick(lambda d: d.peer is not None and not d.is_primary)
        if d is None:
            return None
        held = self.random.choice([0, 0, 1, 3])
        lost = self.estate.geo_fail_over(d, forced=True, held=held)
        return f"forced geo failover to {d}, which stood still for {held} transactions, {lost} lost"

    def unlink(self):
        d = self.pick(lambda d: d.peer is not None and d.is_primary)
        if d is None:
            return None
        self.estate.unlink(d)
        return f"end the link of {d}"

    def kill(self):
        return f"kill {self.estate.kill_one()}"

    def kill_all(self):
        self.estate.restart(cleanly=False)
        return "kill all"

    def restart(self):
        self.estate.restart(cleanly=True)
        return "restart"


STEP_WEIGHTS = {
    Round.write: 24, Round.look: 6, Round.create: 5, Round.copy: 3, Round.restore: 8, Round.drop: 3, Round.rename: 2,
    Round.scale: 3, Round.move: 5, Round.fail_over: 3, Round.replicas: 2, Round.named: 2, Round.link: 4, Round.swap: 4,
    Round.force: 4, Round.unlink: 1, Round.kill: 6, Round.kill_all: 2, Round.restart: 1}


def play(seed, steps):
    """None, or what went wrong."""
    round_ = Round(seed)
    try:
        round_.create()
        for number in range(steps):
            step = round_.random.choices(list(STEP_WEIGHTS), list(STEP_WEIGHTS.values()))[0]
            round_.say(f"{number} {step.__name__} ...")
            done = step(round_)
            round_.log.pop()
            if done:
                round_.say(f"{number} {done}")
        round_.say("look at all ...")
        for database in round_.estate.databases:
            round_.estate.check(database)
        round_.estate.end()
        return None
    except Exception as problem:  # whatever it is, the steps are what tells
        round_.estate.keep_log(f"/tmp/quire-service-{seed}.log")
        return "\n".join(round_.log) + f"\nround of seed {seed}: {type(problem).__name__}: {problem}\n" + \
            f"the service's log: /tmp/quire-service-{seed}.log"
    finally:
        round_.estate.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    os.environ["QUIRE_BUILD"] = os.path.abspath(options.build)
    end = time.monotonic() + options.seconds
    passed = failed = 0
    while not failed and (passed < options.rounds if options.rounds else time.monotonic() < end):
        problem = play(options.seed + passed, options.steps)
        if problem:
            print(problem, flush=True)
            failed = 1
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The checker against histories whose faults are known, and against ones that have none."""
import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checker import FORBIDS, Verdict
from history import FAIL, INFO, LEVELS, OK, Statement, Txn


class Maker:
    """Transactions given as text, one statement after another, at moments that grow by themselves:
    "append x 1", "read x 1,2", "add s 1", "scan s 1,2", "write r 7@1", "get r 7@1"; several operations
    of one statement are joined by " & "."""

    def __init__(self, level="RC"):
        self.level, self.now, self.txns, self.sessions = level, 0, [], 0

    def tick(self):
        self.now += 1
        return self.now

    @staticmethod
    def op(text):
        kind, key, value = (text.split() + [""])[:3]
        if kind in ("append", "add"):
            return kind, key, int(value)
        if kind in ("read", "scan"):
            return kind, key, [int(v) for v in value.split(",") if v]
        number, version = value.split("@")
        return kind, key, int(number), int(version)

    def begin(self, level=None):
        self.sessions += 1
        txn = Txn(self.sessions, level or self.level, self.tick())
        self.txns.append(txn)
        return txn

    def do(self, txn, text):
        begun = self.tick()
        txn.statements.append(Statement(begun, self.tick(), [self.op(t) for t in text.split(" & ")]))

    def end(self, txn, state=OK):
        txn.state, txn.ended = state, None if state == INFO else self.tick()

    def one(self, *texts, state=OK, level=None):
        txn = self.begin(level)
        for text in texts:
            self.do(txn, text)
        self.end(txn, state)
        return txn

    def together(self, *scripts, level=None):
        """Transactions that all overlap, also their statements."""
        txns = [self.begin(level) for _ in scripts]
        for txn, texts in zip(txns, scripts):
            for text in texts:
                self.do(txn, text)
                txn.statements[-1].ended = None
        for txn in txns:
            self.end(txn)

    def final(self, text):
        txn = self.one(text, level="RC")
        txn.final = True

    def names(self):
        return Verdict(self.txns).names


def history(level, *scripts, final=None):
    m = Maker(level)
    m.together(*[s if isinstance(s, (list, tuple)) else [s] for s in scripts])
    if final:
        m.final(final)
    return m.names()


class KnownBad(unittest.TestCase):
    def at(self, scripts, name, forbidding, final=None):
        """The scripts show `name` where a level of `forbidding` promised its absence, nothing elsewhere."""
        for level in LEVELS:
            with self.subTest(level=level):
                found = history(level, *scripts, final=final)
                self.assertEqual(found, {name} if level in forbidding else set())

    def test_a_dirty_write_is_G0(self):
        self.at([["append x 1", "append y 1"], ["append x 2", "append y 2"]], "G0", LEVELS,
                final="read x 1,2 & read y 2,1")

    def test_a_read_of_what_was_rolled_back_is_G1a(self):
        for kind in ("append x 1|read x 1", "add x 1|scan x 1", "write x 1@1|get x 1@1"):
            write, read = kind.split("|")
            m = Maker()
            m.one(write, state=FAIL)
            m.one(read)
            self.assertEqual(m.names(), {"G1a"}, kind)

    def test_a_read_in_the_midst_of_a_transaction_is_G1b(self):
        for first, second, read in (("append x 1", "append x 2", "read x 1"), ("add x 1", "add x 2", "scan x 1"),
                                    ("write x 1@1", "write x 2@2", "get x 1@1")):
            found = history("RC", [first, second], [read])
            self.assertIn("G1b", found, read)
            self.assertLessEqual(found, {"G1b", "fractured read"})

    def test_two_that_see_each_other_are_G1c(self):
        self.at([["append x 1", "read y 1"], ["append y 1", "read x 1"]], "G1c", LEVELS)

    def test_read_skew_over_two_statements_is_G_single(self):
        self.at([["read x", "read y 1"], ["append x 1", "append y 1"], ["read x 1"]], "G-single",
                ("RR", "SI", "SER"))

    def test_read_skew_of_predicates_is_allowed_under_repeatable_read(self):
        self.at([["scan x", "scan y 1"], ["add x 1", "add y 1"]], "G-single predicate", ("SI", "SER"))

    def test_read_skew_within_one_statement_is_a_fractured_read(self):
        for level in ("RU", "RC"):
            self.assertEqual(history(level, ["read x & read y 1"], ["append x 1", "append y 1"], ["read x 1"]),
                             {"fractured read"})
        self.assertEqual(history("RR", ["scan x & scan y 1"], ["add x 1", "add y 1"]), {"fractured read"})

    def test_statements_that_go_back_in_time_are_fractured_reads(self):
        self.assertEqual(history("RC", ["read x 1", "read x"], ["append x 1"]), {"fractured read"})

    def test_readers_that_disagree_about_the_order_of_two_writes(self):
        long_fork = [["append x 1"], ["append y 1"], ["read x 1 & read y"], ["read x & read y 1"]]
        self.assertEqual(history("RC", *long_fork), {"fractured read"})
        self.assertEqual(history("SI", *long_fork), {"G-nonadjacent"})
        self.assertIn(history("SER", *long_fork), [{"G-nonadjacent"}, {"G2-item"}])

    def test_a_lost_update_of_a_list(self):
        self.at([["read x", "append x 1"], ["read x", "append x 2"]], "lost update", ("RR", "SI", "SER"),
                final="read x 1,2")

    def test_a_lost_update_of_a_register(self):
        self.at([["get x 0@0", "write x 5@1"], ["get x 0@0", "write x 6@2"]], "lost update",
                ("RR", "SI", "SER"), final="get x 6@2")

    def test_write_skew_is_G2_item(self):
        self.at([["read x", "append y 1"], ["read y", "append x 1"]], "G2-item", ("RR", "SER"),
                final="read x 1 & read y 1")

    def test_write_skew_of_predicates_is_G2(self):
        self.at([["scan x", "add y 1"], ["scan y", "add x 1"]], "G2", ("SER",), final="scan x 1 & scan y 1")

    def test_the_anomaly_of_a_transaction_that_only_reads(self):
        # a deposits (x 1) after b's look at both, the report sees a but not b, b writes y
        scripts = [["read x & read y", "append y 1"], ["append x 1"], ["read x 1 & read y"]]
        self.at(scripts, "G2-item", ("RR", "SER"), final="read x 1 & read y 1")

    def test_a_read_that_contradicts_its_transaction_is_internal(self):
        for level, scripts in (("RC", ["append x 1", "read x"]), ("RC", ["add x 1", "scan x"]),
                               ("RC", ["write x 1@1", "get x 0@0"])):
            self.assertIn("internal", history(level, scripts))
        self.assertIn("internal", history("RR", ["read x", "read x 1"], ["append x 1"]))
        self.assertIn("internal", history("SI", ["scan x", "scan x 1"], ["add x 1"]))
        self.assertEqual(history("RC", ["read x", "read x 1"], ["append x 1"]), set())
        self.assertEqual(history("RR", ["scan x", "scan x 1"], ["add x 1"]), set())

    def test_an_element_twice_is_a_duplicate(self):
        self.assertIn("duplicate", history("RC", "append x 1", "read x 1,1"))
        self.assertIn("duplicate", history("RC", "add x 1", "scan x 1,1"))

    def test_two_writes_of_one_version_are_a_duplicate(self):
        self.assertIn("duplicate", history("RC", "write x 1@1", "write x 2@1"))

    def test_an_acknowledged_element_that_is_gone_is_lost(self):
        self.assertEqual(history("RC", "append x 1", "append x 2", final="read x 2"), {"lost"})
        self.assertIn("lost", history("RC", "add x 1", "add x 2", final="scan x 2"))
        self.assertIn("lost", history("RC", "write x 1@1", "write x 2@2", final="get x 1@1"))

    def test_an_element_that_was_read_and_went_is_an_incompatible_order(self):
        self.assertIn("incompatible order",
                      history("RC", "append x 1", "append x 2", "append x 3", "read x 1,2", "read x 1,3"))

    def test_what_nobody_wrote_is_garbage(self):
        self.assertEqual(history("RC", "read x 7"), {"garbage"})

    def test_a_read_of_what_was_over_before_it_began(self):
        for level, name in (("RC", "stale read"), ("RR", "G-single-realtime"), ("SI", "G-single-realtime"),
                            ("SER", "G-single-realtime")):
            m = Maker(level)
            m.one("append x 1")
            m.one("read x")
            m.final("read x 1")
            self.assertEqual(m.names(), {name})

    def test_an_unknown_outcome_that_was_half_seen(self):
        m = Maker()
        m.one("append x 1", "append y 1", state=INFO)
        m.one("read x 1")
        m.final("read x 1 & read y")
        self.assertIn("lost", m.names())

    def test_a_crash_that_takes_back_what_was_read(self):
        m = Maker()
        m.one("append x 1", state=INFO)
        m.one("read x 1")
        m.final("read x")
        self.assertLessEqual({"lost"}, m.names())

    def test_snapshot_beside_read_committed_keeps_its_promise(self):
        m = Maker()
        reader, writer = m.begin("SI"), m.begin("RC")
        m.do(reader, "read x")
        m.do(writer, "append x 1 & append y 1")
        m.end(writer)
        m.do(reader, "read y 1")
        m.end(reader)
        m.final("read x 1 & read y 1")
        self.assertEqual(m.names(), {"G-single"})


class KnownGood(unittest.TestCase):
    def test_unknown_outcomes_may_be_either(self):
        m = Maker("SER")
        m.one("append x 1", state=INFO)
        m.one("append x 2", state=INFO)
        m.one("append x 3", state=FAIL)
        m.final("read x 2")
        self.assertEqual(m.names(), set())

    def test_a_serial_run_shows_nothing_at_any_level(self):
        for level in LEVELS:
            txns = serial_run(random.Random(level), level, 400)
            verdict = Verdict(txns)
            self.assertEqual(verdict.problems, [], level)

    def test_snapshots_of_one_line_of_versions_show_nothing_the_level_forbids(self):
        for seed in range(20):
            for level in ("RC", "SI", "SER"):
                verdict = Verdict(model_run(random.Random(seed), level, 300))
                self.assertEqual(verdict.text(), "", f"{level} seed {seed}")

    def test_the_model_shows_what_the_levels_allow(self):
        allowed = set()
        for seed in range(10):
            allowed |= set(Verdict(model_run(random.Random(seed), "RC", 300)).allowed)
        self.assertLessEqual({"G-single", "lost update", "G2-item"}, allowed)
        allowed = set()
        for seed in range(10):
            allowed |= set(Verdict(model_run(random.Random(seed), "SI", 300)).allowed)
        self.assertIn("G2-item", allowed)
        self.assertFalse(allowed & FORBIDS["SI"], allowed)

    def test_the_model_at_a_weaker_level_is_caught_at_a_stronger_one(self):
        caught = set()
        for seed in range(10):
            for claimed in ("SI", "SER", "RR"):
                txns = model_run(random.Random(seed), "RC", 300)
                for txn in txns:
                    txn.level = claimed if not txn.final else txn.level
                if Verdict(txns).problems:
                    caught.add((claimed, seed))
        self.assertEqual(len(caught), 30)

    def test_20_seconds_of_history_are_judged_in_less_than_3(self):
        txns = model_run(random.Random(1), "SI", 20000, keys=400)
        begun = time.process_time()
        verdict = Verdict(txns)
        self.assertLess(time.process_time() - begun, 3)
        self.assertEqual(verdict.text(), "")


def serial_run(dice, level, count):
    m, store, next_value = Maker(level), {}, 0
    for _ in range(count):
        texts = []
        for _ in range(dice.randint(1, 4)):
            key = dice.choice("uvw")
            elements = store.setdefault(key, [])
            if dice.random() < 0.5:
                next_value += 1
                elements.append(next_value)
                texts.append(f"append {key} {next_value}")
            else:
                texts.append(f"read {key} {','.join(map(str, elements))}")
        m.one(*texts)
    for key, elements in store.items():
        m.final(f"read {key} {','.join(map(str, elements))}")
    return m.txns




def model_run(dice, level, count, keys=5, sessions=8):
    """Histories of a small database of its own: row locks for writes that are given up at once when they are
    held, versions by commit number; reads by statement (RC), by transaction (SI), or with validation
    at the commit (SER)."""
    m = Maker(level)
    versions = {k: [(0, [])] for k in range(keys)}  # key -> [(commit number, elements)]
    held, running, commits, value = {}, {}, 0, 0

    def seen(txn, key, at):
        base = next(e for number, e in reversed(versions[key]) if number <= at)
        return base + txn["own"].get(key, [])

    def finish(session, txn):
        nonlocal commits
        stale = any(versions[k][-1][0] > txn["base"] for k in txn["reads"]) if level == "SER" else False
        if stale:
            m.end(txn["txn"], FAIL)
        else:
            if txn["own"]:
                commits += 1
                for key, elements in txn["own"].items():
                    versions[key].append((commits, versions[key][-1][1] + elements))
            m.end(txn["txn"])
        for key in txn["own"]:
            del held[key]
        del running[session]

    done = 0
    while done < count or running:
        session = dice.randrange(sessions)
        txn = running.get(session)
        if txn is None:
            if done >= count:
                continue
            done += 1
            running[session] = txn = {"txn": m.begin(), "base": None, "own": {}, "reads": set(),
                                      "left": dice.randint(1, 5)}
            continue
        if txn["left"] == 0:
            finish(session, txn)
            continue
        txn["left"] -= 1
        key = dice.randrange(keys)
        if txn["base"] is None:
            txn["base"] = commits
        at = commits if level == "RC" else txn["base"]
        if dice.random() < 0.5:
            other = dice.randrange(keys)
            texts = [f"read {k} {','.join(map(str, seen(txn, k, at)))}" for k in {key, other}]
            m.do(txn["txn"], " & ".join(texts))
            txn["reads"] |= {key, other}
        else:
            clash = held.get(key, session) != session or \
                level != "RC" and versions[key][-1][0] > txn["base"]
            value += 1
            m.do(txn["txn"], f"append {key} {value}")
            if clash:
                for mine in txn["own"]:
                    del held[mine]
                m.end(txn["txn"], FAIL)
                del running[session]
                continue
            held[key] = session
            txn["own"].setdefault(key, []).append(value)
    for key in versions:
        m.final(f"read {key} {','.join(map(str, versions[key][-1][1]))}")
    for txn in m.txns:
        for statement in txn.statements:
            statement.ops = [(o[0], str(o[1]), *o[2:]) for o in statement.ops]
    return m.txns


if __name__ == "__main__":
    unittest.main()

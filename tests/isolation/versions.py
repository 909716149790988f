"""Which version follows which, from what was read; and what is wrong without any cycle.

A list tells its own history: the longest that was read is the order of its versions, and every other
read must be a beginning of it. A register is written together with its version number. A set only grows:
what a read has not seen came later.
"""
from history import FAIL, OK, READS, WRITES

REPEATABLE = {"RR": {"read", "get"}, "SI": READS, "SER": READS}


class Problem:
    """An anomaly: its name, the transactions, and a sentence."""

    def __init__(self, name, txns, text):
        self.name, self.txns, self.text = name, txns, text

    def __repr__(self):
        return f"{self.name}: {self.text}" + "".join(f"\n    {t!r}" for t in self.txns[:8])


class Versions:
    """Of all keys: `order[key]` writers by version, `reads` as (txn, statement, kind, key, seen)."""

    def __init__(self, txns):
        self.txns, self.problems = txns, []
        self.writer, self.last_of = {}, {}  # key -> {element: txn}; (txn, key) -> its last element
        self.kind, self.reads = {}, []
        self.order = {}   # lists and registers: key -> [element], oldest first
        self.added = {}   # sets: key -> {element: txn} that are certainly or observably there
        self.observed = set()  # transactions whose outcome is unknown, but whose work was seen
        for index, txn in enumerate(txns):
            txn.index = index
        self.collect()
        self.judge_reads()
        self.settle_order()
        self.judge_order()
        for txn in txns:
            if txn.state == OK:
                self.judge_internal(txn)

    def report(self, name, txns, text):
        self.problems.append(Problem(name, txns, text))

    def counts(self, txn):
        return txn.state == OK or txn in self.observed

    def collect(self):
        for txn in self.txns:
            for statement in txn.statements:
                for op in statement.ops:
                    if op[0] in WRITES:
                        self.writer.setdefault(op[1], {})[op[2]] = txn
                        self.last_of[txn, op[1]] = op[2]
                        self.kind[op[1]] = op[0]
                    elif txn.state == OK:
                        seen = [op[2]] if op[0] == "get" else op[2]
                        self.reads.append((txn, statement, op[0], op[1],
                                           [] if op[0] == "get" and op[3] == 0 else seen, op))

    def writer_of(self, key, element):
        return self.writer.get(key, {}).get(element)

    # --- reads one by one ---

    def judge_reads(self):
        """A list that is a beginning of the longest is judged with that one."""
        longest, clean = {}, {}
        for read in self.reads:
            key, seen = read[3], read[4]
            if read[2] == "read" and len(seen) >= len(longest[key][4] if key in longest else ()):
                longest[key] = read
        self.order = {key: read[4] for key, read in longest.items()}
        for key, read in longest.items():
            clean[key] = self.judge_elements(*read[:5])
        for read in self.reads:
            txn, _, kind, key, seen, _ = read
            if kind == "read" and clean[key] and self.order[key][:len(seen)] == seen:
                last = self.writer_of(key, seen[-1]) if seen else None
                self.judge_partial(txn, key, seen, [last] if last else [])
            elif longest.get(key) is not read:
                self.judge_elements(*read[:5])

    def judge_elements(self, txn, _, kind, key, seen):
        before, writers = len(self.problems), {}
        known = self.writer.get(key, {})
        for element in seen:
            writer = known.get(element)
            if writer is None:
                self.report("garbage", [txn], f"{key} holds {element}, which nobody wrote")
                continue
            if writer.state == FAIL:
                self.report("G1a", [writer, txn], f"{element} of {key} was rolled back, and read")
            elif writer.state != OK:
                self.observed.add(writer)
            writers[writer] = element
        if len(set(seen)) < len(seen):
            self.report("duplicate", [txn], f"{key} holds an element twice: {seen}")
        last = known.get(seen[-1]) if seen else None
        self.judge_partial(txn, key, seen, writers if kind == "scan" else [last] if last else [])
        return len(self.problems) == before

    def judge_partial(self, txn, key, seen, writers):
        """G1b: some of another's writes to the key, not all."""
        for writer in writers:
            if writer is not txn and writer.state != FAIL and self.last_of[writer, key] not in seen:
                self.report("G1b", [writer, txn], f"{key} was read in the midst of a transaction: {seen}")

    # --- the order of versions ---

    def settle_order(self):
        numbered = {}
        for txn, _, kind, key, _, op in self.reads:
            if kind == "get" and op[3]:
                self.number(numbered.setdefault(key, {}), key, op[3], op[2], txn)
        for txn in self.txns:
            for op in txn.ops() if self.counts(txn) else ():
                if op[0] == "write" and op[3] is not None:
                    self.number(numbered.setdefault(op[1], {}), op[1], op[3], op[2], txn)
                elif op[0] == "add":
                    self.added.setdefault(op[1], {})[op[2]] = txn
        for key, versions in numbered.items():
            self.order[key] = [versions.get(n) for n in range(1, max(versions) + 1)]

    def number(self, versions, key, version, value, txn):
        if versions.setdefault(version, value) != value:
            other = self.writer_of(key, versions[version])
            self.report("duplicate", [t for t in (other, txn) if t],
                        f"version {version} of {key} is {versions[version]} and is {value}")

    def judge_order(self):
        for txn, _, kind, key, seen, _ in self.reads:
            if kind == "read" and self.order[key][:len(seen)] != seen:
                self.report("incompatible order", [txn],
                            f"{key} was {seen}, and later {self.order[key]}")
        finals = {key: (txn, seen, op) for txn, _, _, key, seen, op in self.reads if txn.final}
        for key, (txn, seen, _) in finals.items():
            if self.kind.get(key) == "write":
                known = self.order.get(key, [])
                if known and known[-1:] != seen:
                    self.report("lost", [txn], f"{key} was written {len(known)} times, then is {seen}")
        present = {key: set(seen) for key, (_, seen, _) in finals.items()}
        for txn in self.txns:
            for op in txn.ops() if self.counts(txn) else ():
                if op[0] in ("append", "add") and op[2] not in present.get(op[1], {op[2]}):
                    self.report("lost", [txn], f"{op[2]} of {op[1]} was written and is gone")

    # --- inside one transaction ---

    def judge_internal(self, txn):
        known, own = {}, {}
        repeatable = REPEATABLE.get(txn.level, set())
        for op in txn.ops():
            key = op[1]
            if op[0] in WRITES:
                own.setdefault(key, []).append(op[2])
                if key in known:
                    known[key] = [op[2]] if op[0] == "write" else known[key] + [op[2]]
                continue
            seen = [op[2]] if op[0] == "get" else list(op[2])
            mine = own.get(key, [])
            if op[0] == "scan":
                seen.sort()
                bad = not set(mine) <= set(seen) or \
                    (op[0] in repeatable and key in known and sorted(known[key]) != seen)
            else:
                tail = mine[-1:] if op[0] == "get" else mine
                bad = bool(tail) and seen[-len(tail):] != tail or \
                    (op[0] in repeatable and key in known and known[key] != seen)
            if bad:
                self.report("internal", [txn], f"{key} reads {seen} after {known.get(key)} and own {mine}")
            known[key] = seen

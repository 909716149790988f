"""What sessions did and what came of it: transactions of statements of operations; kept as JSON lines.

Operations, as tuples; elements and values are written once in a history:
  ("append", key, element)            to a list, kept in one row
  ("read", key, [elements])           of a list
  ("add", key, element)               to a set, kept as one row an element
  ("scan", key, [elements])           of a set: what a predicate selects
  ("write", key, value, version)      of a register; version: how often it has been written, 1 on
  ("get", key, value, version)        of a register; 0, 0: never written
"""
import json

OK, FAIL, INFO = "ok", "fail", "info"  # committed; rolled back; nobody knows
READS, WRITES = {"read", "scan", "get"}, {"append", "add", "write"}
LEVELS = ("RU", "RC", "RR", "SI", "SER")


class Statement:
    __slots__ = ("begun", "ended", "ops")

    def __init__(self, begun, ended, ops):
        self.begun, self.ended, self.ops = begun, ended, ops


class Txn:
    __slots__ = ("index", "session", "level", "begun", "ended", "state", "statements", "final")

    def __init__(self, session, level, begun, statements=(), state=INFO, ended=None, final=False):
        self.index, self.session, self.level, self.begun = -1, session, level, begun
        self.statements, self.state, self.ended = list(statements), state, ended
        self.final = final  # it has read everything when all was over

    def ops(self):
        return [op for statement in self.statements for op in statement.ops]

    def to_json(self):
        return json.dumps([self.session, self.level, self.begun, self.ended, self.state, self.final,
                           [[s.begun, s.ended, s.ops] for s in self.statements]])

    @classmethod
    def from_json(cls, line):
        session, level, begun, ended, state, final, statements = json.loads(line)
        return cls(session, level, begun,
                   [Statement(b, e, [tuple(op) for op in ops]) for b, e, ops in statements],
                   state, ended, final)

    def __repr__(self):
        said = "; ".join(" ".join(map(str, op)) for op in self.ops())
        return f"T{self.index} (session {self.session}, {self.level}, {self.state}): {said}"


def save(path, txns):
    with open(path, "w", encoding="utf-8") as file:
        for txn in txns:
            file.write(txn.to_json() + "\n")


def load(path):
    with open(path, encoding="utf-8") as file:
        return [Txn.from_json(line) for line in file]

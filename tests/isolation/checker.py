"""Finds what a history must not show at its isolation levels: after Kingsbury and Alvaro, Elle (VLDB 2020).

Versions come from versions.py. Then two graphs:
* of points in time. Each transaction commits at one point; a read happens at the point its level gives it:
  its statement (RU, RC, and predicates of RR), the transaction's snapshot (SI), or the commit (what RR and
  SER have locked). Writers come before who reads or overwrites them, readers before who overwrites what they
  read, and what has answered before what begins later. If there is no order of the points, the level
  is broken. All of it is found, in time linear in the history.
* of transactions, as Adya draws it, to tell which anomalies came about that the level allows: the
  proof that the history was worth looking at.
Cycles are named by their edges (README.md).
"""
import collections
import gc
import sys

from history import OK
from versions import Problem, Versions

WW, WR, RW, RWP, IN, RT = "ww", "wr", "rw", "rw predicate", "in", "rt"
ANTI = {RW, RWP}
ALWAYS = {"garbage", "duplicate", "lost", "incompatible order", "internal", "G0", "G1a", "G1b", "G1c",
          "fractured read", "stale read"}
FORBIDS = {
    "RU": ALWAYS,  # served as RC
    "RC": ALWAYS,
    "RR": ALWAYS | {"lost update", "G-single", "G-nonadjacent", "G2-item"},
    "SI": ALWAYS | {"lost update", "G-single", "G-single predicate", "G-nonadjacent"},
    "SER": ALWAYS | {"lost update", "G-single", "G-single predicate", "G-nonadjacent", "G2-item", "G2"},
}
EACH_KIND_MAX = 5
BEGINS, IS_OVER = 0, 1
EVERY = {WW, WR, RW, RWP, IN, RT}


class Graph:
    """Points and edges (to, kind, key)."""

    def __init__(self):
        self.txn, self.edges = [], []
        self.tries_max, self.visits_max = 2000, 50000

    def add(self, txn):
        self.txn.append(txn)
        self.edges.append([])
        return len(self.txn) - 1

    def edge(self, a, b, kind, key=None):
        if a != b:
            self.edges[a].append((b, kind, key))

    def components(self):
        """Strongly connected sets of more than one point (Tarjan, without recursion)."""
        number, low, on_stack = [0] * len(self.edges), [0] * len(self.edges), bytearray(len(self.edges))
        stack, found, count = [], [], 0
        for root in range(len(self.edges)):
            if number[root]:
                continue
            count += 1
            number[root] = low[root] = count
            stack.append(root)
            on_stack[root] = 1
            work = [(root, iter(self.edges[root]))]
            while work:
                node, rest = work[-1]
                for to, _, _ in rest:
                    if not number[to]:
                        count += 1
                        number[to] = low[to] = count
                        stack.append(to)
                        on_stack[to] = 1
                        work.append((to, iter(self.edges[to])))
                        break
                    if on_stack[to] and number[to] < low[node]:
                        low[node] = number[to]
                else:
                    work.pop()
                    if work and low[node] < low[work[-1][0]]:
                        low[work[-1][0]] = low[node]
                    if low[node] == number[node]:
                        component = set()
                        while True:
                            top = stack.pop()
                            on_stack[top] = 0
                            component.add(top)
                            if top == node:
                                break
                        if len(component) > 1:
                            found.append(component)
        return found

    def path(self, start, goal, inside, kinds):
        """The shortest path over edges of these kinds, as [(from, to, kind, key)], or None."""
        came, todo = {start: None}, collections.deque([start])
        while todo and len(came) < self.visits_max:
            node = todo.popleft()
            for to, kind, key in self.edges[node]:
                if kind in kinds and to in inside and to not in came:
                    came[to] = (node, to, kind, key)
                    if to == goal:
                        out = []
                        while came[to] is not None:
                            out.append(came[to])
                            to = came[to][0]
                        return out[::-1]
                    todo.append(to)
        return None

    def cycle(self, inside, kinds, closing):
        """A cycle through an edge of a kind in `closing`, the rest of kinds in `kinds`, or None. Few edges
        are tried where it would only be told that the cycle exists."""
        tried = 0
        for node in sorted(inside):
            for to, kind, key in self.edges[node]:
                if kind in closing and to in inside:
                    tried += 1
                    if tried > self.tries_max:
                        return None
                    back = self.path(to, node, inside, kinds)
                    if back is not None:
                        return [(node, to, kind, key)] + back
        return None


class PointsGraph(Graph):
    """`locked`: every read counts at its transaction's commit, and time does not count: Adya's graph."""

    def __init__(self, versions, locked=False):
        super().__init__()
        self.versions, self.locked = versions, locked
        if locked:
            self.tries_max, self.visits_max = 40, 2000
        self.commit, self.snapshot, self.at = {}, {}, {}
        self.times = []  # (time, BEGINS or IS_OVER, point)
        for txn in versions.txns:
            if versions.counts(txn):
                self.place(txn)
        self.statement_points = set(self.at.values())
        self.draw_reads()
        self.draw_writes()
        if not locked:
            self.draw_time()

    def place(self, txn):
        level = "SER" if self.locked else txn.level
        commit = self.commit[txn] = self.add(txn)
        self.times.append((txn.begun, BEGINS, commit))
        if txn.state == OK:
            self.times.append((txn.ended, IS_OVER, commit))
        if level == "SI":
            snapshot = self.snapshot[txn] = self.add(txn)
            self.edge(snapshot, commit, IN)
            first = txn.statements[0] if txn.statements else None
            self.times.append((first.begun if first else txn.begun, BEGINS, snapshot))
            if first and first.ended is not None:
                self.times.append((first.ended, IS_OVER, snapshot))
        elif level != "SER":
            self.place_statements(txn, commit)

    def place_statements(self, txn, commit):
        last = None
        for statement in txn.statements:
            point = self.at[statement] = self.add(txn)
            if last is not None:
                self.edge(last, point, IN)
            last = point
            self.times.append((statement.begun, BEGINS, point))
            if statement.ended is not None:
                self.times.append((statement.ended, IS_OVER, point))
        if last is not None:
            self.edge(last, commit, IN)

    def point_of_read(self, txn, statement, kind):
        if self.locked or txn.level == "SER" or txn.level == "RR" and kind != "scan":
            return self.commit[txn]
        return self.snapshot[txn] if txn.level == "SI" else self.at[statement]

    def writer(self, key, element):
        """The point of who wrote it, None if that is not known to have committed."""
        txn = self.versions.writer_of(key, element)
        return txn if txn in self.commit else None

    def draw_reads(self):
        for txn, statement, kind, key, seen, op in self.versions.reads:
            point = self.point_of_read(txn, statement, kind)
            if kind == "scan":
                self.draw_scan(txn, point, key, set(seen))
                continue
            order = self.versions.order.get(key, [])
            length = op[3] if kind == "get" else len(seen)
            source = next((w for e in reversed(seen)
                           if (w := self.writer(key, e)) is not txn), None)
            if source is not None:
                self.edge(self.commit[source], point, WR, key)
            later = next((w for e in order[length:length + 8]
                          if (w := self.writer(key, e)) not in (None, txn)), None)
            if later is not None:
                self.edge(point, self.commit[later], RW, key)

    def draw_scan(self, txn, point, key, seen):
        for element, writer in self.versions.added.get(key, {}).items():
            if writer is txn:
                continue
            if element in seen:
                self.edge(self.commit[writer], point, WR, key)
            else:
                self.edge(point, self.commit[writer], RWP, key)

    def draw_writes(self):
        for key, order in self.versions.order.items():
            last = None
            for element in order:
                writer = self.writer(key, element)
                if last is not None and writer is not None and writer is not last:
                    self.edge(self.commit[last], self.snapshot.get(writer, self.commit[writer]), WW, key)
                last = writer or last

    def draw_time(self):
        """A chain of moments: what was over before something began, at the price of one point each."""
        moment = None
        for _, what, point in sorted(self.times):
            if what == BEGINS:
                if moment is not None:
                    self.edge(moment, point, RT)
            else:
                after = self.add(None)
                self.edge(point, after, RT)
                if moment is not None:
                    self.edge(moment, after, RT)
                moment = after


def shape(graph, cycle):
    """(transactions, edges) of a cycle, without steps inside a transaction and without moments."""
    edges = []
    for a, b, kind, key in cycle:
        if kind == RT:
            if graph.txn[a] is not None:
                edges.append((graph.txn[a], None, RT, None))
        elif kind != IN:
            edges.append((graph.txn[a], graph.txn[b], kind, key))
    txns = []
    for edge in edges:
        if edge[0] not in txns:
            txns.append(edge[0])
    return txns, edges


def name_of(graph, cycle):
    txns, edges = shape(graph, cycle)
    kinds = [kind for _, _, kind, _ in edges]
    anti = [i for i, kind in enumerate(kinds) if kind in ANTI]
    predicate = any(kinds[i] == RWP for i in anti)
    timed = RT in kinds
    if not anti:
        name = "G1c" if WR in kinds else "G0"
    elif any(a in graph.statement_points for a, _, kind, _ in cycle if kind in ANTI):
        return "stale read" if timed else "fractured read"
    elif len(anti) == 1:
        keys = {key for _, _, kind, key in edges if kind in (WW, RW)}
        name = "G-single predicate" if predicate else "G-single"
        if sorted(kinds) == [RW, WW] and len(keys) == 1:
            name = "lost update"
    elif not any((i + 1) % len(kinds) in anti for i in anti):
        name = "G-nonadjacent"
    else:
        name = "G2" if predicate else "G2-item"
    return name + ("-realtime" if timed else "")


UNTIMED = (({WW, IN}, {WW}), ({WW, WR, IN}, {WR}), ({WW, WR, IN}, ANTI), (EVERY - {RT, RWP}, {RW}),
           (EVERY - {RT}, ANTI))
TIMED = (({WW, IN, RT}, {WW}), ({WW, WR, IN, RT}, {WR}), ({WW, WR, IN, RT}, ANTI), (EVERY, EVERY - {RT}))


def cycles(graph):
    """(name, cycle): of each knot of the graph of points the plainest cycle, which explains the rest; of
    Adya's graph one of each sort."""
    for component in graph.components():
        for kinds, closing in UNTIMED[2:] if graph.locked else UNTIMED + TIMED:
            cycle = graph.cycle(component, kinds, closing)
            if cycle is not None:
                yield name_of(graph, cycle), cycle
                if not graph.locked:
                    break
        else:
            if not graph.locked:
                yield "cycle", []


def explain(graph, name, cycle):
    txns, edges = shape(graph, cycle)
    said = ", ".join(f"T{a.index} -{kind}{f' {key}' if key is not None else ''}-> "
                     f"{'later' if b is None else f'T{b.index}'}" for a, b, kind, key in edges)
    return Problem(name, txns, said)


def forbidden(name, txns):
    """Some transaction in it runs at a level that promises its absence."""
    bare = name.replace("-realtime", "")
    return any(bare in FORBIDS[txn.level] for txn in txns)


class Verdict:
    """`problems`: what the levels forbid. `allowed`: names of what they do not, and how often it was found."""

    def __init__(self, txns):
        self.txns = txns
        gc.disable()  # millions of small tuples, none of them garbage
        try:
            self.judge()
        finally:
            gc.enable()

    def judge(self):
        txns = self.txns
        versions = Versions(txns)
        self.problems = versions.problems
        graph = PointsGraph(versions)
        for name, cycle in cycles(graph):
            self.problems.append(explain(graph, name, cycle))
        self.allowed = collections.Counter()
        if not self.problems and any(t.level != "SER" for t in txns):
            adya = PointsGraph(versions, locked=True)
            for name, cycle in cycles(adya):
                self.allowed[name] += 1

    @property
    def names(self):
        return {problem.name for problem in self.problems}

    def text(self):
        seen = collections.Counter()
        out = []
        for problem in self.problems:
            seen[problem.name] += 1
            if seen[problem.name] <= EACH_KIND_MAX:
                out.append(repr(problem))
        return "\n".join(out + [f"{name}: {n} in all" for name, n in seen.items()])


def main():
    import history
    verdict = Verdict(history.load(sys.argv[1]))
    print(verdict.text() or "nothing forbidden")
    print(f"allowed and seen: {dict(verdict.allowed)}")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())

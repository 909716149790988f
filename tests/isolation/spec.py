"""The text format of *.spec files (README.md): reading one, and the orders in which its steps can run."""
import itertools
import os
import random
import re

from wire import LEVELS


class BadSpec(Exception):
    pass


class Step:
    def __init__(self, name, session, text):
        self.name, self.session, self.text = name, session, text


class Check:
    def __init__(self, levels, text, line):
        self.levels, self.text, self.line = levels, text, line
        self.code = compile(text, f"line {line}", "eval")


class Spec:
    def __init__(self, name):
        self.name, self.title = name, ""
        self.needs, self.levels, self.serial = [], ["RC"], []
        self.setup = self.reset = self.teardown = self.begin = self.final = ""
        self.sessions = {}  # name -> [Step]
        self.steps = {}
        self.permutations, self.constraints, self.checks = [], [], []
        self.sample = 0
        self.go_on = False

    def orders(self, limit, seed=1):
        """At most `limit` permutations of the step names: those listed, or all that the sessions' own
        orders and the constraints allow."""
        found = self.permutations or self.all_orders()
        if self.sample:
            limit = min(limit, self.sample)
        if len(found) > limit:
            found = random.Random(f"{self.name}{seed}").sample(found, limit)
        return found

    def all_orders(self):
        lengths = [len(steps) for steps in self.sessions.values()]
        found = []
        if count_merges(lengths) <= 20000:
            candidates = merges([[s.name for s in steps] for steps in self.sessions.values()])
        else:
            candidates = self.random_merges(2000)
        for order in candidates:
            at = {name: i for i, name in enumerate(order)}
            if all(at[a] < at[b] for a, b in self.constraints):
                found.append(order)
        if not found:
            raise BadSpec(f"{self.name}: no order of the steps meets its `order:` lines")
        return found

    def random_merges(self, count):
        dice = random.Random(self.name)
        labels = [s for s, steps in self.sessions.items() for _ in steps]
        seen = set()
        for _ in range(count * 4):
            dice.shuffle(labels)
            left = {s: iter(steps) for s, steps in self.sessions.items()}
            order = tuple(next(left[s]).name for s in labels)
            if order not in seen:
                seen.add(order)
                yield list(order)
            if len(seen) == count:
                return


def count_merges(lengths):
    total, ways = 0, 1
    for n in lengths:
        for i in range(1, n + 1):
            total += 1
            ways = ways * total // i
    return ways


def merges(lists):
    """Every interleaving of the lists that keeps each one's own order."""
    lists = [l for l in lists if l]
    if not lists:
        yield []
        return
    for i, first in enumerate(lists):
        for rest in merges(lists[:i] + [first[1:]] + lists[i + 1:]):
            yield [first[0]] + rest


def dedent(lines):
    indent = min((len(l) - len(l.lstrip()) for l in lines if l.strip()), default=0)
    return "\n".join(l[indent:] for l in lines).strip()


def levels_of(words, where):
    if words == ["all"]:
        return list(LEVELS)
    for word in words:
        if word not in LEVELS:
            raise BadSpec(f"{where}: level {word}: one of {', '.join(LEVELS)}, all")
    return words


def read_steps(spec, session, lines, where):
    steps = []
    for line in dedent(lines).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = re.match(r"(\w+):\s*(.*)$", line)
        if match:
            steps.append(Step(match[1], session, match[2]))
        elif steps and line[0].isspace():
            steps[-1].text += "\n" + line.strip()
        else:
            raise BadSpec(f"{where}: a step is `name: SQL`, not {line!r}")
    spec.sessions[session] = steps
    for step in steps:
        if step.name in spec.steps:
            raise BadSpec(f"{where}: two steps {step.name}")
        spec.steps[step.name] = step


TEXTS = {"setup", "reset", "teardown", "begin", "final"}


def read_section(spec, head, body, number, where):
    key, *rest = head.split()
    value = dedent(body)
    if key in TEXTS:
        setattr(spec, key, value)
    elif key == "title":
        spec.title = value
    elif key == "needs":
        spec.needs = value.split()
    elif key in ("levels", "serial"):
        setattr(spec, key, levels_of(value.split(), where))
    elif key == "sample":
        spec.sample = int(value)
    elif key == "go_on":
        spec.go_on = value == "yes"
    elif key == "session":
        read_steps(spec, rest[0], body, where)
    elif key == "permutations":
        spec.permutations = [line.split() for line in value.splitlines()]
    elif key == "order":
        names = re.split(r"\s*<\s*", value)
        spec.constraints += list(itertools.pairwise(names))
    elif key == "check":
        text = " ".join(line.strip() for line in body)
        spec.checks.append(Check(levels_of(rest, where) if rest else None, text.strip(), number))
    else:
        raise BadSpec(f"{where}: what is `{key}`?")


def parse(name, text):
    spec, head, body, begun = Spec(name), None, [], 0
    for number, line in enumerate(text.splitlines() + ["end:"], 1):
        match = re.match(r"([a-z_]+(?: \w+)*):(.*)$", line)
        if match and not line[0].isspace():
            if head:
                read_section(spec, head, body, begun, f"{name}:{begun}")
            head, begun = match[1], number
            body = [match[2].strip()] if match[2].strip() else []
        elif line.startswith("#"):
            continue
        elif head is None:
            if line.strip():
                raise BadSpec(f"{name}:{number}: text before the first section")
        else:
            body.append(line)
    names = set(spec.steps)
    for order in spec.permutations + [list(pair) for pair in spec.constraints]:
        if unknown := set(order) - names:
            raise BadSpec(f"{name}: no step {unknown.pop()}")
    if not spec.steps or not (spec.checks or spec.serial):
        raise BadSpec(f"{name}: steps and something to check are needed")
    return spec


def load(path):
    with open(path, encoding="utf-8") as file:
        return parse(os.path.basename(path)[:-len(".spec")], file.read())

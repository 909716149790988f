"""Random INSERT, UPDATE, DELETE, MERGE and SELECT, as T-SQL and as PostgreSQL's SQL with the same meaning.

What differs stays out: averages, order of text, roundings of conversions, text in capitals.
"""
from schema import INT_RANGE

WORDS = ["a", "b", "ab", "abc", "k7", "12", "7", "zz"]


def literal(rng, type_, wide=0.03):
    """The same on both sides. Mostly of few values, so that keys meet."""
    if type_.family == "int":
        if rng.random() < wide:
            return str(rng.choice([40000, -40000, 3000000000]))
        return str(rng.randint(0, 9))
    if type_.family == "numeric":
        if rng.random() < wide:
            return "12345678.90"
        return f"{rng.choice([rng.randint(0, 9) * 100, rng.randint(-500, 999)]) / 100:.2f}"
    if type_.family == "date":
        return f"CAST('2024-01-0{rng.randint(1, 9)}' AS date)"
    if type_.is_long and rng.random() < 0.2:
        return f"'{'x' * rng.choice([500, 5000, 20000])}'"
    if rng.random() < wide:
        return "'abcdefghijklmnopqrstuvwxyz'"
    return f"'{rng.choice(WORDS)}'"


def value(rng, column):
    if column.source:
        return literal(rng, column.type)
    if rng.random() < (0.15 if column.null else 0.02):
        return "NULL"
    if rng.random() < 0.08:
        return "DEFAULT"
    return literal(rng, column.type)


def test(rng, columns, prefix=""):
    """A condition on some of the columns."""
    column = rng.choice(columns)
    name, type_ = prefix + column.name, column.type

    def one():
        return literal(rng, type_, 0.01)
    roll = rng.random()
    if roll < 0.15:
        return f"{name} IS {rng.choice(['', 'NOT '])}NULL"
    if roll < 0.3:
        return f"{name} {rng.choice(['', 'NOT '])}IN ({one()}, {one()}, {one()})"
    if roll < 0.4:
        return f"NOT ({test(rng, columns, prefix)})"
    if roll < 0.55:
        return f"({test(rng, columns, prefix)} {rng.choice(['AND', 'OR'])} {test(rng, columns, prefix)})"
    if type_.family == "text":
        return rng.choice([f"{name} = {one()}", f"{name} <> {one()}", f"{name} LIKE 'a%'"])
    if roll < 0.65:
        return f"{name} BETWEEN {one()} AND {one()}"
    return f"{name} {rng.choice(['=', '<>', '<', '<=', '>', '>='])} {one()}"


def where(rng, table):
    return f" WHERE {test(rng, table.columns)}" if rng.random() < 0.9 else ""


class Rows:
    """Makes (T-SQL, PostgreSQL) of a schema; None where it has nothing that fits."""

    def __init__(self, rng, schema):
        self.rng, self.schema = rng, schema
        self.counter = 100

    def table(self):
        return self.rng.choice(list(self.schema.tables.values()))

    def source(self):
        """A table or view with its columns."""
        return self.rng.choice([*self.schema.tables.values(), *self.schema.views.values()])

    def like(self, column, columns):
        """Columns whose values may be written into that one."""
        return [c for c in columns if c.type.family == column.type.family]

    # --- changes ---

    def insert(self):
        table = self.table()
        columns = [c for c in table.stored if not c.null and not c.default or self.rng.random() < 0.8]
        if self.rng.random() < 0.03:
            columns = list(table.columns)  # a computed one is refused
        if self.rng.random() < 0.03 or not columns:
            return f"INSERT {table.name} DEFAULT VALUES", f"INSERT INTO {table.name} DEFAULT VALUES"
        rows = ", ".join("({})".format(", ".join(value(self.rng, c) for c in columns))
                         for _ in range(self.rng.choice([1, 1, 1, 2, 4])))
        sql = f"INSERT INTO {table.name} ({', '.join(c.name for c in columns)})"
        ms, pg = self.output(table, "inserted")
        return f"{sql}{ms} VALUES {rows}", f"{sql} VALUES {rows}{pg}"

    def output(self, table, of):
        """(OUTPUT, RETURNING), or nothing."""
        if table.triggers or self.rng.random() < 0.8:
            return "", ""
        names = self.names(table.columns)
        return " OUTPUT " + ", ".join(f"{of}.{name}" for name in names), " RETURNING " + ", ".join(f"{table.name}.{n}" for n in names)

    def fill(self):
        """Many long rows, all of them different."""
        table = self.table()
        rows = []
        for _ in range(self.rng.choice([10, 40, 120])):
            self.counter += 1
            rows.append("({})".format(", ".join(self.nth(c, self.counter) for c in table.stored)))
        sql = f"INSERT INTO {table.name} ({', '.join(c.name for c in table.stored)}) VALUES {', '.join(rows)}"
        return sql, sql

    def nth(self, column, n):
        if column.type.family == "text":
            length = 2000 if column.type.is_long else min(int(column.type.ms.split("(")[1][:-1]), 300)
            return f"'{str(n).rjust(length, 'x')[-length:]}'"
        if column.type.family == "date":
            return f"CAST('{2000 + n // 336 % 90}-{1 + n // 28 % 12:02}-{1 + n % 28:02}' AS date)"
        return str(n)

    def insert_select(self):
        table, source = self.table(), self.source()
        pairs = [(c, self.like(c, source.columns)) for c in table.stored]
        pairs = [(c, self.rng.choice(found)) for c, found in pairs if found and
                 (not c.null and not c.default or self.rng.random() < 0.7)]
        if not pairs:
            return None
        picked = []
        for to, column in pairs:
            plus = to.type.family == "int" and self.rng.random() < 0.5
            picked.append(f"{column.name} + {self.rng.randint(1, 9)}" if plus else column.name)
        sql = f"INSERT INTO {table.name} ({', '.join(to.name for to, _ in pairs)}) SELECT {', '.join(picked)} " \
              f"FROM {source.name}{where(self.rng, source)}"
        return sql, sql

    def assigned(self, table, column):
        """What an UPDATE gives a column."""
        referenced = any(column.name in f.parent_columns for f in self.schema.foreigns_to(table.name))
        if column.name in self.schema.held(table) or referenced or self.rng.random() < 0.4:
            return value(self.rng, column)
        others = self.like(column, table.columns)
        roll = self.rng.random()
        if roll < 0.3:
            return self.rng.choice(others).name
        if roll < 0.5 and column.type.family in ("int", "numeric", "date"):
            other = self.source()
            found = [c for c in self.like(column, other.columns) if c.type == column.type]
            if found:
                return f"(SELECT {self.rng.choice(['MIN', 'MAX'])}(o.{self.rng.choice(found).name}) FROM {other.name} o)"
        if column.type.family in ("int", "numeric"):
            return f"{column.name} {self.rng.choice(['+', '-', '*'])} {self.rng.randint(1, 3)}"
        if roll < 0.8:
            return f"CASE WHEN {test(self.rng, table.columns)} THEN {column.name} ELSE {literal(self.rng, column.type)} END"
        return value(self.rng, column)

    def settings(self, table):
        columns = self.rng.sample(table.stored, min(len(table.stored), self.rng.choice([1, 1, 2, 3])))
        return ", ".join(f"{c.name} = {self.assigned(table, c)}" for c in columns)

    def update(self):
        table = self.table()
        sql, among = f"UPDATE {table.name} SET {self.settings(table)}", self.among(table)
        ms, pg = self.output(table, "inserted")
        return sql + ms + among, sql + among + pg

    def delete(self):
        table = self.table()
        among = self.among(table)
        ms, pg = self.output(table, "deleted")
        return f"DELETE FROM {table.name}{ms}{among}", f"DELETE FROM {table.name}{among}{pg}"

    def among(self, table):
        if self.rng.random() < 0.75:
            return where(self.rng, table)
        other = self.source()
        column = self.rng.choice(table.columns)
        found = self.like(column, other.columns)
        if not found:
            return where(self.rng, table)
        match = self.rng.choice(found).name
        if self.rng.random() < 0.5:
            return f" WHERE {table.name}.{column.name} IN (SELECT o.{match} FROM {other.name} o WHERE {test(self.rng, other.columns, 'o.')})"
        return f" WHERE {self.rng.choice(['', 'NOT '])}EXISTS (SELECT 1 FROM {other.name} o WHERE o.{match} = {table.name}.{column.name})"

    def merge(self):
        table, source = self.table(), self.source()
        on = [(c, self.like(c, source.columns)) for c in table.columns]
        on = [(c, self.rng.choice(found)) for c, found in on if found]
        pairs = [(c, s) for c, s in on if not c.source]
        if not pairs or len(pairs) < sum(not c.null and not c.default for c in table.stored):
            return None
        held = self.schema.held(table)
        free = [(c, s) for c, s in pairs if c.name not in held and not self.schema.foreigns_to(table.name)]
        key = self.rng.choice(on)
        sql = f"MERGE INTO {table.name} AS t USING (SELECT DISTINCT {', '.join('x.' + c.name for c in source.columns)} " \
              f"FROM {source.name} x) AS s ON t.{key[0].name} = s.{key[1].name}"
        if free and self.rng.random() < 0.7:
            to, column = self.rng.choice(free)
            sql += f" WHEN MATCHED AND {test(self.rng, source.columns, 's.')} THEN UPDATE SET {to.name} = s.{column.name}"
        elif not held and self.rng.random() < 0.5:
            sql += " WHEN MATCHED THEN DELETE"
        sql += f" WHEN NOT MATCHED THEN INSERT ({', '.join(c.name for c, _ in pairs)}) VALUES ({', '.join('s.' + s.name for _, s in pairs)})"
        return sql + ";", sql

    # --- reads ---

    def select(self):
        made = self.rng.choice([self.plain, self.joined, self.grouped, self.combined, self.first])()
        return made if made is None or isinstance(made, tuple) else (made, made)

    def names(self, columns, prefix=""):
        return [prefix + c.name for c in self.rng.sample(columns, self.rng.randint(1, len(columns)))]

    def plain(self):
        source = self.source()
        return f"SELECT {self.rng.choice(['', 'DISTINCT '])}{', '.join(self.names(source.columns))} FROM {source.name}{where(self.rng, source)}"

    def joined(self):
        a, b = self.source(), self.source()
        on = [(x, y) for x in a.columns for y in self.like(x, b.columns)]
        if not on:
            return None
        x, y = self.rng.choice(on)
        said, other = ([c for c in s.columns if not c.type.is_long] for s in (a, b))  # or an answer has gigabytes
        if not said or not other:
            return None
        sql = f"SELECT {', '.join(self.names(said, 'p.') + self.names(other, 'q.'))} FROM {a.name} p " \
              f"{self.rng.choice(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])} {b.name} q ON p.{x.name} = q.{y.name}"
        return sql + (f" WHERE {test(self.rng, a.columns, 'p.')}" if self.rng.random() < 0.6 else "")

    def grouped(self):
        source = self.source()
        by = self.rng.choice(source.columns).name
        sums = ["COUNT(*)"]
        for c in source.columns:
            if c.type.family != "text":
                sums.append(f"{self.rng.choice(['MIN', 'MAX'])}({c.name})")
            if c.type.ms in INT_RANGE:
                sums.append(f"SUM(CAST({c.name} AS bigint))")
            sums.append(f"COUNT(DISTINCT {c.name})")
        picked = self.rng.sample(sums, min(3, len(sums)))
        having = f" HAVING COUNT(*) > {self.rng.randint(1, 2)}" if self.rng.random() < 0.3 else ""
        return f"SELECT {by}, {', '.join(picked)} FROM {source.name}{where(self.rng, source)} GROUP BY {by}{having}"

    def combined(self):
        a, b = self.source(), self.source()
        pairs = [(x, y) for x in a.columns for y in b.columns if x.type == y.type]
        if not pairs:
            return None
        pairs = self.rng.sample(pairs, min(len(pairs), 2))
        return f"SELECT {', '.join(x.name for x, _ in pairs)} FROM {a.name}{where(self.rng, a)} " \
               f"{self.rng.choice(['UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'])} " \
               f"SELECT {', '.join(y.name for _, y in pairs)} FROM {b.name}{where(self.rng, b)}"

    def first(self):
        source = self.source()
        columns = [c for c in source.columns if c.type.family != "text"]
        if not columns:
            return None
        names, n = self.names(columns), self.rng.randint(1, 5)
        order = [(name, self.rng.choice([" NULLS FIRST", " DESC NULLS LAST"])) for name in names]
        said = where(self.rng, source)
        ms = ", ".join(name + (" DESC" if "DESC" in way else "") for name, way in order)
        return (f"SELECT TOP ({n}) {', '.join(names)} FROM {source.name}{said} ORDER BY {ms}",
                f"SELECT {', '.join(names)} FROM {source.name}{said} ORDER BY {', '.join(a + b for a, b in order)} LIMIT {n}")

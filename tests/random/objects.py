"""Random CREATE, ALTER, DROP and TRUNCATE, as T-SQL and as PostgreSQL's SQL with the same meaning.

What only T-SQL refuses has no counterpart: it must fail, and PostgreSQL is not asked.
"""
import dataclasses

from rows import literal, test
from schema import COMPUTED, TYPES, Check, Column, Foreign, Key, Table, View

TABLES_MAX, COLUMNS_MAX, VIEWS_MAX = 5, 7, 2


@dataclasses.dataclass
class Change:
    """`made`: what holds in the schema once it has been done."""
    ms: str
    pg: list = dataclasses.field(default_factory=list)
    made: object = None

    @property
    def must_fail(self):
        return not self.pg


def nulls(column):
    return "NULL" if column.null else "NOT NULL"


class Objects:
    """Makes a Change of a schema; None where it has nothing that fits."""

    def __init__(self, rng, schema):
        self.rng, self.schema = rng, schema
        self.number = 0

    def name(self, kind):
        self.number += 1
        return f"{kind}{self.number}"

    def table(self):
        return self.rng.choice(list(self.schema.tables.values()))

    # --- pieces ---

    def new_column(self, may_be_null=True):
        column = Column(self.name("c"), self.rng.choice(TYPES), may_be_null and self.rng.random() < 0.65)
        if self.rng.random() < 0.25:
            column.default, column.default_name = literal(self.rng, column.type, 0), self.name("df")
        return column

    def define(self, column):
        """(T-SQL, PostgreSQL) of a stored column."""
        ms = f"{column.name} {column.type.ms} {nulls(column)}"
        pg = f"{column.name} {column.type.pg} {nulls(column)}"
        if column.default:
            ms += f" CONSTRAINT {column.default_name} DEFAULT {column.default}"
            pg += f" DEFAULT {column.default}"
        return ms, pg

    def new_computed(self, table):
        """(Column, T-SQL, PostgreSQL), or None."""
        found = [c for c in table.stored if c.type.family in ("int", "text", "date") and not c.type.is_long]
        if not found:
            return None
        source = self.rng.choice(found)
        s = source.name
        forms = {"int": [("int", f"{s} % 5", f"{s} % 5"), ("int", f"COALESCE({s}, 0)", f"COALESCE({s}, 0)"),
                         ("int", f"CAST({s} AS bigint) * 2", f"CAST({s} AS bigint) * 2"),
                         ("int", f"CASE WHEN {s} > 3 THEN 1 ELSE 0 END", f"CASE WHEN {s} > 3 THEN 1 ELSE 0 END")],
                 "text": [("text", f"{s} + 'x'", f"{s} || 'x'"), ("int", f"LEN({s})", f"LENGTH({s})")],
                 "date": [("int", f"DAY({s})", f"EXTRACT(DAY FROM {s})::int")]}
        family, ms, pg = self.rng.choice(forms[source.type.family])
        column = Column(self.name("p"), COMPUTED[family], source=s, persisted=self.rng.random() < 0.6)
        ms = f"{column.name} AS ({ms}){' PERSISTED' * column.persisted}"
        return column, ms, f"{column.name} {COMPUTED[family].pg} GENERATED ALWAYS AS ({pg}) STORED"

    def new_key(self, table, kinds=("pk", "unique")):
        """(Key, T-SQL, PostgreSQL) of a constraint, or None; T-SQL refuses it where PostgreSQL is None."""
        kind = self.rng.choice(kinds)
        if kind == "pk" and any(k.kind == "pk" for k in table.keys):
            kind = "unique"
        found = table.indexable
        if kind == "pk":
            found = [c for c in found if not c.source and (not c.null or self.rng.random() < 0.02)]
        if not found:
            return None
        columns = self.rng.sample(found, min(len(found), self.rng.choice([1, 1, 2])))
        word = self.rng.choice(["", "", " CLUSTERED", " NONCLUSTERED"])
        is_new = table.name not in self.schema.tables  # a PRIMARY KEY that does not say gives way in CREATE TABLE
        if word == " CLUSTERED" and table.has_clustered and (is_new or self.rng.random() < 0.8):
            word = ""
        clustered = word == " CLUSTERED" or word == "" and kind == "pk" and not table.has_clustered
        if table.has_key(columns):
            return None  # which one stands for it in a FOREIGN KEY is not said
        refused = word == " CLUSTERED" and table.has_clustered or kind == "pk" and any(c.null for c in columns)
        key = Key(self.name("k"), kind, [c.name for c in columns], clustered)
        listed = ", ".join(key.columns)
        ms = f"CONSTRAINT {key.name} {'PRIMARY KEY' if kind == 'pk' else 'UNIQUE'}{word} ({listed})"
        pg = f"CONSTRAINT {key.name} {'PRIMARY KEY' if kind == 'pk' else 'UNIQUE NULLS NOT DISTINCT'} ({listed})"
        return key, ms, None if refused else pg

    def new_check(self, table):
        found = [c for c in table.columns if not c.source or c.persisted]
        text = test(self.rng, self.rng.sample(found, min(len(found), 2)))
        used = [c.name for c in table.columns if f"{c.name} " in text]
        check = Check(self.name("ck"), used)
        sql = f"CONSTRAINT {check.name} CHECK ({text})"
        return check, sql, sql

    def new_foreign(self, table):
        keys = [(p, k) for p in self.schema.tables.values() for k in p.keys
                if k.kind != "index" and not k.filter and not any(p.column(name).source for name in k.columns)]
        pairs = []
        for parent, key in keys:
            columns = []
            for name in key.columns:
                like = [c.name for c in table.stored if c.type == parent.column(name).type and c.name not in columns]
                if like:
                    columns.append(self.rng.choice(like))
            if len(columns) == len(key.columns) and not (parent is table and columns == key.columns):
                pairs.append((parent, key, columns))
        if not pairs:
            return None
        parent, key, columns = self.rng.choice(pairs)
        used = [table.column(name) for name in columns]
        actions = ["NO ACTION", "NO ACTION", "CASCADE", "SET NULL", "SET DEFAULT"]
        foreign = Foreign(self.name("fk"), columns, parent.name, key.columns, self.rng.choice(actions), self.rng.choice(actions))
        refused = False
        if foreign.cascades:
            refused = parent is table or any(f.parent == parent.name and foreign.same_cascade(f) for f in table.foreigns)
            said = (foreign.on_delete, foreign.on_update)
            if not refused and any(f.cascades for f in table.foreigns) or \
                    parent is not table and parent.name in self.schema.tables and table.name in self.schema.tables and \
                    self.schema.descends(parent.name, table.name):
                return None  # whether it is refused is a long story
            if "SET NULL" in said and not all(c.null for c in used):
                refused = True
            if "SET DEFAULT" in said and not all(c.default or c.null for c in used):
                return None
        sql = f"CONSTRAINT {foreign.name} FOREIGN KEY ({', '.join(columns)}) REFERENCES {parent.name} ({', '.join(key.columns)})"
        for word, action in (("DELETE", foreign.on_delete), ("UPDATE", foreign.on_update)):
            if action != "NO ACTION" or self.rng.random() < 0.3:
                sql += f" ON {word} {action}"
        return foreign, sql, None if refused else sql

    # --- tables ---

    def create_table(self):
        if len(self.schema.tables) >= TABLES_MAX:
            return None
        table = Table(self.name("t"))
        pieces = []
        for n in range(self.rng.randint(2, 4)):
            column = self.new_column(n > 0)
            table.columns.append(column)
            pieces.append(self.define(column))
        extra = []
        if self.rng.random() < 0.3:
            extra.append((self.new_computed(table), table.columns))
            if extra[-1][0]:
                table.columns.append(extra[-1][0][0])
        for make, goes, chance in ((self.new_key, table.keys, 0.7), (self.new_key, table.keys, 0.2),
                                   (self.new_check, table.checks, 0.2), (self.new_foreign, table.foreigns, 0.4)):
            made = make(table) if self.rng.random() < chance else None
            if made:
                goes.append(made[0])
                extra.append((made, goes))
        pieces += [made[1:] for made, _ in extra if made]
        ms = f"CREATE TABLE {table.name} ({', '.join(piece[0] for piece in pieces)})"
        if any(piece[1] is None for piece in pieces):
            return Change(ms)
        pg = f"CREATE TABLE {table.name} ({', '.join(piece[1] for piece in pieces)})"
        return Change(ms, [pg], lambda s: s.tables.update({table.name: table}))

    def drop_table(self):
        table = self.table()
        if len(self.schema.tables) < 3 and self.rng.random() < 0.7:
            return None
        return Change(f"DROP TABLE {table.name}", [f"DROP TABLE {table.name}"],
                      lambda s: s.tables.pop(table.name))

    def select_into(self):
        """NOT NULL comes along in T-SQL."""
        if len(self.schema.tables) >= TABLES_MAX:
            return None
        source, table = self.table(), Table(self.name("t"))
        picked = self.rng.sample(source.stored, self.rng.randint(2, len(source.stored)))
        table.columns = [Column(c.name, c.type, c.null) for c in picked]
        names, text = ", ".join(c.name for c in picked), test(self.rng, source.columns)
        pg = [f"CREATE TABLE {table.name} AS SELECT {names} FROM {source.name} WHERE {text}"]
        pg += [f"ALTER TABLE {table.name} ALTER COLUMN {c.name} SET NOT NULL" for c in picked if not c.null]
        return Change(f"SELECT {names} INTO {table.name} FROM {source.name} WHERE {text}", pg,
                      lambda s: s.tables.update({table.name: table}))

    def rename_table(self):
        old, name = self.table().name, self.name("t")
        if self.schema.is_seen(old):
            return None

        def made(s):
            s.tables[name] = s.tables.pop(old)
            s.tables[name].name = name
            for foreign in s.foreigns_to(old):
                foreign.parent = name
        return Change(f"EXEC sp_rename 'dbo.{old}', '{name}'", [f"ALTER TABLE {old} RENAME TO {name}"], made)

    def rename_column(self):
        table = self.table()
        old, name = self.rng.choice(table.columns).name, self.name("c")
        if self.schema.is_seen(table.name, old) or any(old in c.columns for c in table.checks) or \
                any(old == k.filter for k in table.keys) or any(old == c.source for c in table.columns):
            return None

        def renamed(names):
            return [name if n == old else n for n in names]

        def made(s):
            t = s.tables[table.name]
            t.column(old).name = name
            for key in t.keys:
                key.columns, key.include = renamed(key.columns), renamed(key.include)
            for foreign in t.foreigns:
                foreign.columns = renamed(foreign.columns)
            for foreign in s.foreigns_to(t.name):
                foreign.parent_columns = renamed(foreign.parent_columns)
        return Change(f"EXEC sp_rename 'dbo.{table.name}.{old}', '{name}', 'COLUMN'",
                      [f"ALTER TABLE {table.name} RENAME COLUMN {old} TO {name}"], made)

    def truncate(self):
        sql = f"TRUNCATE TABLE {self.table().name}"
        return Change(sql, [sql], lambda s: None)

    # --- columns ---

    def add_column(self):
        table = self.table()
        if len(table.columns) >= COLUMNS_MAX:
            return None
        columns = [self.new_column() for _ in range(self.rng.choice([1, 1, 2]))]
        ms, pg, more = [], [], []
        for column in columns:
            said, meant = self.define(column)
            if column.default and column.null:  # rows that are there keep NULL, or do not
                if self.rng.random() < 0.5:
                    said += " WITH VALUES"
                else:
                    meant = f"{column.name} {column.type.pg}"
                    more.append(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} SET DEFAULT {column.default}")
            ms.append(said)
            pg.append("ADD COLUMN " + meant)
        return Change(f"ALTER TABLE {table.name} ADD {', '.join(ms)}",
                      [f"ALTER TABLE {table.name} {', '.join(pg)}"] + more,
                      lambda s: s.tables[table.name].columns.extend(columns))

    def add_computed(self):
        table = self.table()
        made = self.new_computed(table) if len(table.columns) < COLUMNS_MAX else None
        if not made:
            return None
        return Change(f"ALTER TABLE {table.name} ADD {made[1]}", [f"ALTER TABLE {table.name} ADD COLUMN {made[2]}"],
                      lambda s: s.tables[table.name].columns.append(made[0]))

    def drop_column(self):
        table = self.table()
        column = self.rng.choice(table.columns)
        ms = f"ALTER TABLE {table.name} DROP COLUMN {column.name}"
        if table.is_used(column):
            return Change(ms) if self.rng.random() < 0.3 else None
        if not column.source and len(table.stored) < 3:
            return None

        def made(s):
            t = s.tables[table.name]
            t.columns.remove(t.column(column.name))
        return Change(ms, [ms], made)

    def alter_null(self):
        table = self.table()
        column = self.rng.choice(table.stored)
        null = not column.null
        ms = f"ALTER TABLE {table.name} ALTER COLUMN {column.name} {column.type.ms} {'NULL' if null else 'NOT NULL'}"
        if any(column.name in k.columns for k in table.keys if k.kind == "pk") or \
                self.schema.is_seen(table.name, column.name):
            return Change(ms)
        if table.is_used(column):
            return None

        def made(s):
            s.tables[table.name].column(column.name).null = null
        return Change(ms, [f"ALTER TABLE {table.name} ALTER COLUMN {column.name} {'DROP' if null else 'SET'} NOT NULL"], made)

    def alter_type(self):
        table = self.table()
        column = self.rng.choice(table.stored)
        to = self.rng.choice(TYPES)
        kinds = (column.type.family, to.family)
        if to == column.type or kinds[0] != kinds[1] and kinds not in (
                ("int", "numeric"), ("numeric", "int"), ("int", "text"), ("text", "int"), ("date", "text"), ("text", "numeric")):
            return None
        if kinds[0] != kinds[1] and (table.triggers or table.name in self.schema.written):
            return None  # a trigger would convert, and the sides differ in that
        ms = f"ALTER TABLE {table.name} ALTER COLUMN {column.name} {to.ms} {nulls(column)}"
        if table.is_used(column):
            refused = kinds[0] != kinds[1] and self.rng.random() < 0.4
            return Change(ms) if refused else None
        using = {("numeric", "int"): f"trunc({column.name})", ("text", "int"): f"{column.name}::{to.pg}",
                 ("text", "numeric"): f"{column.name}::{to.pg}"}.get(kinds)

        def made(s):
            s.tables[table.name].column(column.name).type = to
        pg = f"ALTER TABLE {table.name} ALTER COLUMN {column.name} TYPE {to.pg}" + (f" USING {using}" if using else "") + \
            f", ALTER COLUMN {column.name} {'DROP' if column.null else 'SET'} NOT NULL"
        return Change(ms, [pg], made)

    def set_default(self):
        table = self.table()
        column = self.rng.choice(table.stored)
        if column.default:
            def gone(s):
                s.tables[table.name].column(column.name).default = ""
            return Change(f"ALTER TABLE {table.name} DROP CONSTRAINT {column.default_name}",
                          [f"ALTER TABLE {table.name} ALTER COLUMN {column.name} DROP DEFAULT"], gone)
        name, said = self.name("df"), literal(self.rng, column.type, 0)

        def made(s):
            c = s.tables[table.name].column(column.name)
            c.default, c.default_name = said, name
        return Change(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} DEFAULT {said} FOR {column.name}",
                      [f"ALTER TABLE {table.name} ALTER COLUMN {column.name} SET DEFAULT {said}"], made)

    # --- constraints, indexes ---

    def add_constraint(self):
        table = self.table()
        make, goes = self.rng.choice([(self.new_key, "keys"), (self.new_check, "checks"), (self.new_foreign, "foreigns"),
                                      (self.new_foreign, "foreigns")])
        made = make(table)
        if not made or len(getattr(table, goes)) > 2:
            return None
        ms = f"ALTER TABLE {table.name} ADD {made[1]}"
        if made[2] is None:
            return Change(ms)
        return Change(ms, [f"ALTER TABLE {table.name} ADD {made[2]}"],
                      lambda s: getattr(s.tables[table.name], goes).append(made[0]))

    def drop_constraint(self):
        table = self.table()
        found = [(goes, c) for goes in ("keys", "checks", "foreigns") for c in getattr(table, goes)
                 if goes != "keys" or c.kind in ("pk", "unique")]
        if not found:
            return None
        goes, constraint = self.rng.choice(found)
        sql = f"ALTER TABLE {table.name} DROP CONSTRAINT {constraint.name}"

        def made(s):
            t = s.tables[table.name]
            setattr(t, goes, [c for c in getattr(t, goes) if c.name != constraint.name])
        return Change(sql, [sql], made)

    def create_index(self):
        table = self.table()
        found = table.indexable
        if not found:
            return None
        columns = self.rng.sample(found, min(len(found), self.rng.choice([1, 1, 2])))
        if len([k for k in table.keys if "index" in k.kind]) > 2 or table.has_key(columns):
            return None
        unique, clustered = self.rng.random() < 0.4, self.rng.random() < 0.2
        key = Key(self.name("i"), "uindex" if unique else "index", [c.name for c in columns], clustered)
        listed = ", ".join(c.name + self.rng.choice(["", "", " DESC"]) for c in columns)
        ms = f"CREATE {'UNIQUE ' * unique}{'CLUSTERED ' * clustered}INDEX {key.name} ON {table.name} ({listed})"
        pg = f"CREATE {'UNIQUE ' * unique}INDEX {key.name} ON {table.name} ({listed})"
        rest = [c.name for c in table.columns if c.name not in key.columns and (not c.source or c.persisted)]
        if not clustered and rest and self.rng.random() < 0.25:
            key.include = self.rng.sample(rest, 1)
            ms += f" INCLUDE ({key.include[0]})"
            pg += f" INCLUDE ({key.include[0]})"
        pg += " NULLS NOT DISTINCT" * unique
        stored = [c for c in found if not c.source]
        if not clustered and stored and self.rng.random() < 0.3:
            column = self.rng.choice(stored)
            key.filter = column.name
            text = f"{column.name} IS NOT NULL"
            if column.type.family == "int" and self.rng.random() < 0.6:
                text = f"{column.name} {self.rng.choice(['>', '<', '<>', '='])} {literal(self.rng, column.type, 0)}"
            ms, pg = f"{ms} WHERE {text}", f"{pg} WHERE {text}"
        if clustered and table.has_clustered:
            return Change(ms)
        return Change(ms, [pg], lambda s: s.tables[table.name].keys.append(key))

    def drop_index(self):
        table = self.table()
        found = [k for k in table.keys if "index" in k.kind]
        if not found:
            return None
        key = self.rng.choice(found)

        def made(s):
            t = s.tables[table.name]
            t.keys = [k for k in t.keys if k.name != key.name]
        return Change(f"DROP INDEX {key.name} ON {table.name}", [f"DROP INDEX {key.name}"], made)

    # --- triggers ---

    def create_trigger(self):
        """What changes in a table is written to another one, which has none."""
        table, target = self.table(), self.table()
        pairs = [(to, [c for c in table.columns if c.type.family == to.type.family]) for to in target.stored]
        pairs = [(to.name, self.rng.choice(found).name) for to, found in pairs if found]
        if table is target or target.triggers or table.triggers or table.name in self.schema.written or not pairs:
            return None
        name, event = self.name("tr"), self.rng.choice(["INSERT", "UPDATE", "DELETE"])
        rows, word = ("deleted", "OLD") if event == "DELETE" else ("inserted", "NEW")
        into = f"INSERT INTO {target.name} ({', '.join(to for to, _ in pairs)}) SELECT {', '.join(c for _, c in pairs)} FROM {rows}"
        return Change(
            f"CREATE TRIGGER {name} ON {table.name} AFTER {event} AS SET NOCOUNT ON; {into}",
            [f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {into}; RETURN NULL; END $$",
             f"CREATE TRIGGER {name} AFTER {event} ON {table.name} REFERENCING {word} TABLE AS {rows} "
             f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"],
            lambda s: s.tables[table.name].triggers.append((name, target.name)))

    def with_trigger(self):
        return self.rng.choice([t for t in self.schema.tables.values() if t.triggers] or [None])

    def drop_trigger(self):
        table = self.with_trigger()
        if table is None:
            return None
        [(name, _)] = table.triggers
        return Change(f"DROP TRIGGER {name}", [f"DROP TRIGGER {name} ON {table.name}", f"DROP FUNCTION {name}"],
                      lambda s: s.tables[table.name].triggers.clear())

    def switch_trigger(self):
        table = self.with_trigger()
        if table is None:
            return None
        word, [(name, _)] = self.rng.choice(["DISABLE", "ENABLE"]), table.triggers
        return Change(f"{word} TRIGGER {name} ON {table.name}", [f"ALTER TABLE {table.name} {word} TRIGGER {name}"], lambda s: None)

    # --- views ---

    def create_view(self):
        if len(self.schema.views) >= VIEWS_MAX:
            return None
        table = self.table()
        columns = self.rng.sample(table.columns, self.rng.randint(1, len(table.columns)))
        text = test(self.rng, table.columns)
        uses = {(table.name, c.name) for c in table.columns if c in columns or f"{c.name} " in text}
        view = View(self.name("v"), columns, uses)
        sql = f"SELECT {', '.join(c.name for c in columns)} FROM"
        return Change(f"CREATE VIEW dbo.{view.name} WITH SCHEMABINDING AS {sql} dbo.{table.name} WHERE {text}",
                      [f"CREATE VIEW {view.name} AS {sql} {table.name} WHERE {text}"],
                      lambda s: s.views.update({view.name: view}))

    def drop_view(self):
        if not self.schema.views:
            return None
        name = self.rng.choice(list(self.schema.views))
        return Change(f"DROP VIEW {name}", [f"DROP VIEW {name}"], lambda s: s.views.pop(name))

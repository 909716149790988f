"""What a random program knows of the tables that it has made."""
import dataclasses

INT_RANGE = {"smallint": 2 ** 15, "int": 2 ** 31, "bigint": 2 ** 63}


@dataclasses.dataclass(frozen=True)
class Type:
    """`family`: int, numeric, text or date; what holds for one type of it holds for all."""
    family: str
    ms: str
    pg: str

    @property
    def is_long(self):
        """It may be no key."""
        return self.ms.endswith("(max)")


TYPES = [Type("int", "int", "int"), Type("int", "bigint", "bigint"), Type("int", "smallint", "smallint"),
         Type("numeric", "decimal(9,2)", "numeric(9,2)"), Type("numeric", "decimal(5,1)", "numeric(5,1)"),
         Type("text", "varchar(5)", "varchar(5)"), Type("text", "varchar(20)", "varchar(20)"),
         Type("text", "nvarchar(10)", "varchar(10)"), Type("text", "varchar(400)", "varchar(400)"),
         Type("text", "varchar(max)", "text"),
         Type("date", "date", "date")]
COMPUTED = {"int": Type("int", "bigint", "bigint"), "text": Type("text", "varchar(420)", "text")}


@dataclasses.dataclass
class Column:
    name: str
    type: Type
    null: bool = True
    default: str = ""        # its literal
    default_name: str = ""
    source: str = ""         # of a computed one: the column that it is computed from
    persisted: bool = False


@dataclasses.dataclass
class Key:
    """A PRIMARY KEY (pk), a UNIQUE constraint (unique), a unique index (uindex) or another one (index)."""
    name: str
    kind: str
    columns: list
    clustered: bool = False
    filter: str = ""         # its column
    include: list = dataclasses.field(default_factory=list)

    def uses(self, column):
        return column in self.columns or column == self.filter or column in self.include


@dataclasses.dataclass
class Check:
    name: str
    columns: list


@dataclasses.dataclass
class Foreign:
    name: str
    columns: list
    parent: str
    parent_columns: list
    on_delete: str
    on_update: str

    @property
    def cascades(self):
        return self.on_delete != "NO ACTION" or self.on_update != "NO ACTION"

    def same_cascade(self, other):
        return "NO ACTION" not in (self.on_delete, other.on_delete) or "NO ACTION" not in (self.on_update, other.on_update)


@dataclasses.dataclass
class Table:
    name: str
    columns: list = dataclasses.field(default_factory=list)
    keys: list = dataclasses.field(default_factory=list)
    checks: list = dataclasses.field(default_factory=list)
    foreigns: list = dataclasses.field(default_factory=list)
    triggers: list = dataclasses.field(default_factory=list)  # (name, name of the table that it writes)

    def column(self, name):
        return next(c for c in self.columns if c.name == name)

    @property
    def stored(self):
        return [c for c in self.columns if not c.source]

    @property
    def indexable(self):
        return [c for c in self.columns if (not c.source or c.persisted) and not c.type.is_long]

    @property
    def has_clustered(self):
        return any(k.clustered for k in self.keys)

    def has_key(self, columns):
        return any(set(k.columns) == {c.name for c in columns} for k in self.keys)

    def is_used(self, column):
        """Something in the table stands on it, so that it can neither go nor change."""
        return bool(column.default) or any(k.uses(column.name) for k in self.keys) or \
            any(column.name in c.columns for c in self.checks + self.foreigns) or \
            any(c.source == column.name for c in self.columns)


@dataclasses.dataclass
class View:
    name: str
    columns: list            # with their types
    uses: set                # (table, column)


@dataclasses.dataclass
class Schema:
    tables: dict = dataclasses.field(default_factory=dict)
    views: dict = dataclasses.field(default_factory=dict)

    def is_seen(self, table, column=None):
        """A view stands on it."""
        return any(t == table and column in (None, c) for v in self.views.values() for t, c in v.uses)

    @property
    def written(self):
        """Names of the tables that triggers write."""
        return [name for t in self.tables.values() for _, name in t.triggers]

    def foreigns_to(self, table):
        return [f for t in self.tables.values() for f in t.foreigns if f.parent == table]

    def held(self, table):
        """Columns whose values have to differ, or decide whether: PostgreSQL looks at each row as it changes,
        so all rows get the same constant."""
        names = set()
        for key in table.keys:
            if key.kind != "index":
                names |= {*key.columns, key.filter}
        return names | {c.source for c in table.columns if c.name in names}

    def descends(self, table, ancestor):
        """Whether cascades lead from `ancestor` to `table`."""
        return table == ancestor or any(f.cascades and self.descends(f.parent, ancestor)
                                        for f in self.tables[table].foreigns if f.parent != table)

"""SQLAlchemy and Alembic, over pymssql and over pyodbc with FreeTDS' driver: what they make of a schema, what they read
back of it, and an application on top."""
import datetime
import decimal
import os
import unittest
import urllib.parse

import clients
import server

try:
    import sqlalchemy as sa
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from sqlalchemy.orm import Session, declarative_base, relationship
except ImportError:
    sa = None


def models():
    base = declarative_base()

    class Author(base):
        __tablename__ = "author"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.Unicode(100), nullable=False, index=True)
        score = sa.Column(sa.Numeric(38, 10))
        born = sa.Column(sa.DateTime, server_default=sa.func.getdate())
        alive = sa.Column(sa.Boolean, server_default=sa.text("1"))
        number = sa.Column(sa.BigInteger)
        photo = sa.Column(sa.LargeBinary)
        text = sa.Column(sa.UnicodeText)
        books = relationship("Book", back_populates="author", cascade="all, delete-orphan")
        __table_args__ = (sa.UniqueConstraint("name", "number", name="uq_author"),
                          sa.CheckConstraint("number > 0", name="ck_number"))

    class Book(base):
        __tablename__ = "book"
        id = sa.Column(sa.Integer, sa.Identity(start=10, increment=5), primary_key=True)
        price = sa.Column(sa.Float)
        sold = sa.Column(sa.Date)
        author_id = sa.Column(sa.ForeignKey("author.id", ondelete="CASCADE"))
        author = relationship("Author", back_populates="books")
        # not in the order of the table's columns, which is what a reflection has to find out
        __table_args__ = (sa.Index("ix_book", "author_id", "price"),)

    return base, Author, Book


@unittest.skipIf(sa is None, "python3-sqlalchemy or python3-alembic is not installed")
class SqlAlchemy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server().start()
        cls.drivers = []
        for driver, needs in (("pymssql", ""), ("pyodbc", next(filter(os.path.exists, clients.TDSODBC), None))):
            try:
                __import__(driver)
            except ImportError:
                continue
            if needs is not None:
                cls.server.create_database(driver)
                cls.drivers.append((driver, needs))

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def each_engine(self):
        if not self.drivers:
            self.skipTest("neither python3-pymssql nor python3-pyodbc is installed")
        for driver, odbc in self.drivers:
            query = {"driver": odbc, "TDS_Version": "7.4", "ClientCharset": "UTF-8"} if odbc else {}
            engine = sa.create_engine(
                f"mssql+{driver}://{server.ADMIN}:{urllib.parse.quote_plus(self.server.password)}@{self.server.host}:"
                f"{self.server.port}/{driver}?{urllib.parse.urlencode(query)}")
            base, *classes = models()
            base.metadata.drop_all(engine)
            base.metadata.create_all(engine)
            with self.subTest(driver=driver):
                yield (engine, base, *classes)
            engine.dispose()

    def differences(self, engine, base):
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True,
                                                                   "compare_server_default": True})
            return compare_metadata(context, base.metadata)

    def test_a_schema_is_reflected_as_it_was_made(self):
        for engine, base, *_ in self.each_engine():
            self.assertEqual(self.differences(engine, base), [])
            inspector = sa.inspect(engine)
            index, = inspector.get_indexes("book")
            self.assertEqual((index["name"], index["column_names"]), ("ix_book", ["author_id", "price"]))
            key, = inspector.get_foreign_keys("book")
            self.assertEqual((key["constrained_columns"], key["referred_table"], key["options"]),
                             (["author_id"], "author", {"ondelete": "CASCADE"}))
            columns = {column["name"]: column for column in inspector.get_columns("book")}
            self.assertEqual(columns["id"]["identity"], {"start": 10, "increment": 5})
            self.assertEqual(inspector.get_pk_constraint("book")["constrained_columns"], ["id"])

    def test_migrations(self):
        for engine, base, *_ in self.each_engine():
            with engine.begin() as connection:
                op = Operations(MigrationContext.configure(connection))
                text = sa.Unicode(20)
                op.add_column("book", sa.Column("x", text, server_default="q", nullable=False))
                op.alter_column("book", "x", type_=sa.Unicode(50), existing_type=text, existing_nullable=False,
                                existing_server_default="q", server_default="z")
                op.alter_column("book", "x", new_column_name="y", existing_type=sa.Unicode(50))
                op.drop_column("book", "y", mssql_drop_default=True, mssql_drop_check=True)
                op.create_table("one", sa.Column("a", sa.Integer))
                op.rename_table("one", "two")
                op.drop_table("two")
                op.drop_constraint("ck_number", "author")
                op.create_check_constraint("ck_number", "author", "number > 0")
            self.assertEqual(self.differences(engine, base), [])

    def test_an_application(self):
        for engine, _, author_class, book_class in self.each_engine():
            with Session(engine) as session:
                author = author_class(name="grün 𝄞", score=decimal.Decimal("1.5"), number=9007199254740993,
                                      photo=b"\0\1" * 100000, text="ü" * 100000,
                                      books=[book_class(price=i / 8, sold=datetime.date(2026, 2, 28)) for i in range(50)])
                session.add(author)
                session.commit()
                session.expire_all()
                self.assertEqual((author.name, author.score, author.alive, author.number, author.photo, author.text),
                                 ("grün 𝄞", decimal.Decimal("1.5"), True, 9007199254740993, b"\0\1" * 100000,
                                  "ü" * 100000))
                self.assertEqual([book.id for book in author.books[:3]], [10, 15, 20])
                session.add(author_class(name=author.name, number=author.number))
                with self.assertRaises(sa.exc.IntegrityError):
                    session.commit()
                session.rollback()
                savepoint = session.begin_nested()
                session.add(author_class(name="gone", number=2))
                session.flush()
                savepoint.rollback()
                session.bulk_insert_mappings(book_class, [{"price": i, "author_id": author.id} for i in range(300)])
                session.commit()
                self.assertEqual(session.query(author_class).count(), 1)
                pages = session.query(book_class.price).order_by(book_class.id).offset(49).limit(3).all()
                self.assertEqual([row[0] for row in pages], [49 / 8, 0, 1])
                listed = sa.select(sa.func.count()).where(book_class.id.in_(range(1500)))
                self.assertEqual(session.execute(listed).scalar(), 298)
                session.delete(author)
                session.commit()
                self.assertEqual(session.query(book_class).count(), 0)

    def test_isolation_levels(self):
        levels = {"READ UNCOMMITTED": 1, "READ COMMITTED": 2, "REPEATABLE READ": 3, "SERIALIZABLE": 4, "SNAPSHOT": 5}
        for engine, *_ in self.each_engine():
            for name, number in levels.items():
                with engine.connect().execution_options(isolation_level=name) as connection:
                    self.assertEqual(connection.get_isolation_level(), name)
                    self.assertEqual(connection.exec_driver_sql(
                        "SELECT transaction_isolation_level FROM sys.dm_exec_sessions WHERE session_id = @@SPID"
                        ).scalar(), number)


if __name__ == "__main__":
    unittest.main()

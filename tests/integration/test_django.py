"""Django with Microsoft's mssql-django, over pyodbc with FreeTDS' driver: migrations of its own applications, a model
whose schema changes, queries, and what inspectdb reads back (sh tools/deps.sh clients)."""
import datetime
import decimal
import io
import os
import unittest
import uuid

import clients
import server

try:
    import django
    import mssql  # noqa: F401
except ImportError:
    django = None

ALL = os.environ.get("QUIRE_TEST_ALL") == "1"
DRIVER = next(filter(os.path.exists, clients.TDSODBC), None)


def configure(quired):
    from django.conf import settings
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"], SECRET_KEY="test", USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={"default": {
            "ENGINE": "mssql", "NAME": "d", "USER": server.ADMIN, "PASSWORD": quired.password, "HOST": quired.host,
            "PORT": str(quired.port),
            "OPTIONS": {"driver": DRIVER, "host_is_server": True,
                        "extra_params": "TDS_Version=7.4;ClientCharset=UTF-8"}}})
    django.setup()


def models_of():
    from django.db import models

    class Author(models.Model):
        name = models.CharField(max_length=100, db_index=True)
        born = models.DateTimeField(null=True)
        score = models.DecimalField(max_digits=38, decimal_places=10, null=True)
        tag = models.UUIDField(default=uuid.uuid4, unique=True)
        photo = models.BinaryField(default=b"")  # this driver sends NULL as text
        facts = models.JSONField(null=True)
        alive = models.BooleanField(default=True)
        email = models.CharField(max_length=50, null=True, unique=True)

        class Meta:
            app_label = "auth"
            db_table = "author"
            constraints = [models.UniqueConstraint(fields=["name"], name="one_alive",
                                                   condition=models.Q(name__in=["one", "two"]))]

    class Book(models.Model):
        title = models.TextField()
        price = models.FloatField(null=True)
        authors = models.ManyToManyField(Author)
        editor = models.ForeignKey(Author, models.CASCADE, related_name="edited")

        class Meta:
            app_label = "auth"
            db_table = "book"

    return Author, Book


@unittest.skipUnless(ALL, "with --all")
@unittest.skipIf(django is None or DRIVER is None, "python3-mssql-django or tdsodbc is not installed")
class Django(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server.Server().start()
        cls.server.create_database("d")
        configure(cls.server)
        from django.core.management import call_command
        from django.db import connection
        cls.connection = connection
        call_command("migrate", verbosity=0)
        cls.author, cls.book = models_of()
        with connection.schema_editor() as editor:
            editor.create_model(cls.author)
            editor.create_model(cls.book)

    @classmethod
    def tearDownClass(cls):
        cls.connection.close()
        cls.server.stop()
        cls.server.remove()

    def setUp(self):
        self.author.objects.all().delete()

    def test_its_own_applications(self):
        from django.contrib.auth import authenticate
        from django.contrib.auth.models import Group, User
        user = User.objects.create_user("grün", password="secret")
        user.groups.add(Group.objects.create(name="g"))
        self.assertEqual(authenticate(username="grün", password="secret"), user)
        self.assertEqual(list(User.objects.filter(groups__name="g").values_list("username", flat=True)), ["grün"])

    def test_values_of_all_kinds(self):
        born = datetime.datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=datetime.timezone.utc)
        score = decimal.Decimal("1234567890123456789012345678.0123456789")
        made = self.author.objects.create(name="grün 𝄞", born=born, score=score, photo=b"\0\1" * 50000,
                                          facts={"a": [1, None, "ü"]})
        self.author.objects.create(name="empty")
        read = self.author.objects.get(facts__a__0=1)
        self.assertEqual((read.pk, read.name, read.born, read.score, bytes(read.photo), read.facts, read.tag, read.alive),
                         (made.pk, "grün 𝄞", born, score, b"\0\1" * 50000, {"a": [1, None, "ü"]}, made.tag, True))
        empty = self.author.objects.get(score=None)
        self.assertEqual((empty.name, empty.born, empty.email, empty.facts), ("empty", None, None, None))

    def test_queries(self):
        from django.db.models import Avg, Count, F, Q, Window
        from django.db.models.functions import Lower, RowNumber, TruncMonth
        editor = self.author.objects.create(name="Editor", born=datetime.datetime(2026, 3, 5, tzinfo=datetime.timezone.utc))
        self.author.objects.bulk_create([self.author(name=f"a{i}") for i in range(300)])
        for i in range(30):
            self.book.objects.create(title=f"t{i}", price=i, editor=editor).authors.add(editor)
        books = self.book.objects.order_by("-price")
        self.assertEqual([book.title for book in books[5:8]], ["t24", "t23", "t22"])
        self.assertEqual(books.aggregate(n=Count("pk"), a=Avg("price")), {"n": 30, "a": 14.5})
        self.assertEqual(books.filter(Q(price__lt=3) | Q(editor__name__iexact="nobody")).update(price=F("price") + 100), 3)
        self.assertEqual(list(self.author.objects.filter(edited__price__gt=100).distinct().values_list(Lower("name"))),
                         [("editor",)])
        ranked = books.annotate(n=Window(RowNumber(), order_by=F("price").asc())).order_by("n")
        self.assertEqual([book.n for book in ranked[:3]], [1, 2, 3])
        self.assertEqual(self.author.objects.filter(pk__in=range(5000)).count(), 301)
        self.assertEqual(self.author.objects.dates("born", "month").first(), datetime.date(2026, 3, 1))
        self.assertEqual(self.author.objects.annotate(m=TruncMonth("born")).get(name="Editor").m.day, 1)
        editor.delete()
        self.assertEqual(self.book.objects.count(), 0)

    def test_transactions_and_errors(self):
        from django.db import IntegrityError, transaction
        with transaction.atomic():
            self.author.objects.create(name="one", email="a@b")
            with self.assertRaises(IntegrityError), transaction.atomic():
                self.author.objects.create(name="one")  # the condition names it
            with self.assertRaises(IntegrityError), transaction.atomic():
                self.author.objects.create(name="x", email="a@b")
            self.author.objects.create(name="three")  # a second without an address
            self.author.objects.create(name="three")
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            self.author.objects.all().delete()
            raise ZeroDivisionError
        self.assertEqual(self.author.objects.count(), 3)
        self.assertEqual(self.author.objects.select_for_update().filter(name="one").count(), 1)

    def test_a_schema_that_changes(self):
        from django.db import models
        field = models.CharField(max_length=20, default="x")
        field.set_attributes_from_name("added")
        wider = models.CharField(max_length=80, null=True, db_index=True)
        wider.set_attributes_from_name("renamed")
        with self.connection.schema_editor() as editor:
            for one in (field, wider):
                one.model = self.author
            editor.add_field(self.author, field)
            editor.alter_field(self.author, field, wider)
        with self.connection.cursor() as cursor:
            names = [column.name for column in self.connection.introspection.get_table_description(cursor, "author")]
            keys = self.connection.introspection.get_constraints(cursor, "author")
        self.assertIn("renamed", names)
        self.assertIn(["renamed"], [key["columns"] for key in keys.values() if key["index"]])
        with self.connection.schema_editor() as editor:
            editor.remove_field(self.author, wider)

    def test_inspectdb(self):
        from django.core.management import call_command
        out = io.StringIO()
        call_command("inspectdb", "author", "book", stdout=out)
        for line in ("score = models.DecimalField(max_digits=38, decimal_places=10, blank=True, null=True)",
                     "editor = models.ForeignKey(Author, models.DO_NOTHING)", "name = models.CharField(unique=True, max_length=100)",
                     "db_table = 'author'"):
            self.assertIn(line, out.getvalue())


if __name__ == "__main__":
    unittest.main()

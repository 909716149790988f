/* Goal: a query locks the rows it returns and no others, in their order, and before it runs the
 * keys or tables that SERIALIZABLE needs. Method: plans run on plain SQLite with a qlock() that
 * writes down what it is asked: "u t(1)" a row, "U t(1)" a key beforehand, "U t" a table; "-" after
 * the mode: brief, "!": NOWAIT. Row 2 is somebody else's where READPAST asks. */
#include "qr_test.h"
#include "tables.h"

static const struct lock_row {
    uint8_t level;
    bool in_transaction;
    const char *sql, *want, *locks;
} rows[] = {
    /* clang-format off */
    /* nothing to lock */
    {QR_READ_COMMITTED, true, "select a from t where a < 3", "1\n2", ""},
    {QR_READ_UNCOMMITTED, true, "select a from t where a = 1", "1", ""},
    {QR_SNAPSHOT, true, "select a from t where a = 1", "1", ""},
    {QR_SERIALIZABLE, false, "select a from t where a = 1", "1", ""},
    {QR_REPEATABLE_READ, false, "select a from t where a = 1", "1", ""},
    {QR_REPEATABLE_READ, true, "select a from t with (nolock) where a = 1", "1", ""},
    {QR_SERIALIZABLE, true, "select a from t with (readcommitted) where a = 1", "1", ""},
    {QR_READ_COMMITTED, true, "select a from t with (rowlock) where a = 1", "1", ""},
    /* rows as they are read */
    {QR_REPEATABLE_READ, true, "select a from t where c = 20", "2", "IS t s t(2) "},
    {QR_REPEATABLE_READ, true, "select count(*) from t where a > 2", "2", "IS t s t(3) s t(4) "},
    {QR_REPEATABLE_READ, true, "select t.a, u.n from t join u on u.a = t.a and u.b = 'y' where t.c > 0", "2|dos", "IS t IS u s t(2) s u(2) "},
    {QR_REPEATABLE_READ, true, "select t.a, u.n from t left join u on u.a = t.a where t.a > 2 order by t.a", "3|NULL\n4|NULL", "IS t IS u s t(3) s t(4) "},
    {QR_REPEATABLE_READ, true, "select distinct b from t where a < 2", "one", "IS t s t(1) "},
    {QR_REPEATABLE_READ, true, "select a from t where exists (select * from u where u.a = t.a and u.b = 'x')", "1", "IS t IS u s u(1) s u(1) s t(1) "},
    {QR_REPEATABLE_READ, true, "select oid, line from l where qty = 3", "1|2", "IS l s l(1,2) "},
    {QR_REPEATABLE_READ, true, "select a from v where b = 'two'", "2", "IS t s t(2) "},
    {QR_READ_COMMITTED, false, "select a from t with (updlock) where b = 'two'", "2", "IX t u t(2) "},
    {QR_READ_COMMITTED, true, "select a from t with (xlock, rowlock) where a = 3", "3", "IX t#1[] IX t x t(3) "},
    {QR_READ_COMMITTED, true, "select a from t with (readcommittedlock) where a = 3", "3", "IS- t s- t(3) "},
    {QR_READ_COMMITTED, true, "select a from t with (updlock, nowait) where a = 3", "3", "IX! t u! t(3) "},
    {QR_READ_COMMITTED, true, "select sum(c) from t with (updlock) where a <= 2", "30", "IX t u t(1) u t(2) "},
    {QR_READ_COMMITTED, true, "select a from v with (updlock) where a = 1", "1", "IX t u t(1) "},
    {QR_READ_COMMITTED, true, "with x as (select a, b from t with (updlock)) select a from x where a = 1", "1", "IX t u t(1) "},
    /* queues */
    {QR_READ_COMMITTED, true, "select top (1) a from t with (updlock, readpast, rowlock) order by a", "1", "IX t u t(1) "},
    {QR_READ_COMMITTED, true, "select top (1) a from t with (updlock, readpast) where a > 1 order by a", "3", "IX t u t(3) "},
    {QR_READ_COMMITTED, true, "select top (1) a from t with (updlock, readpast) order by c desc, a", "4", "IX t u t(4) "},
    {QR_READ_COMMITTED, true, "select top (2) a, b from t with (updlock, readpast) order by b", "4|Four\n1|one", "IX t u t(4) u t(1) "},
    {QR_READ_COMMITTED, true, "select a from t with (updlock, readpast) order by a offset 1 rows fetch next 1 rows only", "3", "IX t u t(1) u t(3) "},
    {QR_READ_COMMITTED, true, "select top (1) a from t with (readpast) where a >= 2 order by a", "3", "IS- t s- t(3) "},
    {QR_READ_COMMITTED, true, "with q as (select top (1) * from k with (readpast, rowlock) order by x) delete from q output deleted.code", "", "IX k "},
    {QR_READ_COMMITTED, true, "with q as (select top (1) a, c from t with (updlock, readpast) where a > 1 order by a) update q set c = 5 output inserted.a", "3", "IX t x t(3) "},
    {QR_READ_COMMITTED, true, "update top (1) t with (readpast) set c = 6 output inserted.a where a in (2, 4)", "4", "IX t x t(4) "},
    {QR_READ_COMMITTED, true, "update t set c = 6 where a = 4", "", ""},
    {QR_READ_COMMITTED, true, "select l.line, t.a from l left join t with (readpast) on t.a = l.oid order by 1", "1|1\n1|NULL\n2|1", "IS- t s- t(1) s- t(1) "},
    {QR_READ_COMMITTED, true, "select l.line, t.a from t with (readpast) right join l on t.a = l.oid order by 1", "1|1\n1|NULL\n2|1", "IS- t s- t(1) s- t(1) "},
    {QR_READ_COMMITTED, true, "select count(*), count(t.a) from l left join t with (updlock, readpast) on t.a = l.oid where l.line = 1", "2|1", "IX t u t(1) "},
    /* tables */
    {QR_READ_COMMITTED, true, "select a from t with (tablock) where a = 1", "1", "S- t "},
    {QR_READ_COMMITTED, true, "select a from t with (tablockx) where a = 1", "1", "X t "},
    {QR_READ_COMMITTED, true, "select a from t with (tablock, updlock) where a = 1", "1", "X t "},
    {QR_READ_COMMITTED, true, "select a from t with (tablock, holdlock) where a = 1", "1", "S t "},
    {QR_READ_COMMITTED, true, "insert u with (tablock) (a) values (77)", "", "X u "},
    {QR_SERIALIZABLE, true, "select a from t where c = 10", "1", "S t "},
    {QR_SERIALIZABLE, true, "select t.a from t join u on u.a = t.a where u.b = 'x'", "1", "S t S u "},
    {QR_SERIALIZABLE, true, "update t set c = 10 where b = 'one'", "", "U t "},
    /* ranges */
    {QR_SERIALIZABLE, true, "select a from t where a > 3", "4", "S t#1[>3] IS t "},
    {QR_SERIALIZABLE, true, "select a from t where 3 <= a", "3\n4", "S t#1[>=3] IS t "},
    {QR_SERIALIZABLE, true, "select a from t where a between @i and 3 and b = 'two'", "2", "S t#1[>=2 <=3] IS t "},
    {QR_SERIALIZABLE, true, "select a from t where a < @big + 1 and a > @i - 1", "2", "S t#1[>1 <3] IS t "},
    {QR_SERIALIZABLE, true, "select line from l where oid = 1 and line >= @i", "2", "S l#1[1 >=2] IS l "},
    {QR_SERIALIZABLE, true, "select line from l where oid = 1", "1\n2", "S l#1[1] IS l "},
    {QR_SERIALIZABLE, true, "select oid from l where line = 1", "1\n2", "S l "},
    {QR_SERIALIZABLE, true, "select a from t where a > 2.5", "3\n4", "S t#1[>=2] IS t "},
    {QR_SERIALIZABLE, true, "select a from t where a = @i * 2 - 1", "3", "S t(3) IS t "},
    {QR_SERIALIZABLE, true, "select amount from m where amount > 2.555 and amount < @dec", "", "S m#1[>=2.56 <=2.00] IS m "},
    {QR_SERIALIZABLE, true, "select x from w where day < @dt2", "", "S w#1[<=2020-01-01 10:00:00.123] IS w "},
    {QR_SERIALIZABLE, true, "select x from w where day < cast(@dt2 as datetimeoffset)", "", "S w "},
    {QR_SERIALIZABLE, true, "select code from k where code >= 'ab' and code < 'abcdefg'", "", "S k#1[>=ab <abcdefg] IS k "},
    {QR_SERIALIZABLE, true, "select code from k where code >= @ns", "", "S k "},
    {QR_SERIALIZABLE, true, "select a from t where a > 3 or c = 10", "1\n4", "S t "},
    {QR_SERIALIZABLE, true, "select a from t where a + 1 > 4", "4", "S t "},
    {QR_SERIALIZABLE, true, "select t.a from t join (values (3)) as s(x) on t.a > s.x", "4", "S t#1[>3] IS t "},
    {QR_SERIALIZABLE, true, "select t.a from (values (5), (3)) as s(x) join t on t.a > s.x", "4", "S t#1[>5] S t#1[>3] IS t "},
    {QR_SERIALIZABLE, true, "select count(*) from t left join l on l.oid = 1", "8", "S t S l#1[1] IS l "},
    {QR_SERIALIZABLE, true, "select count(*) from (values (1)) as s(x) left join l on l.oid = 7 where s.x = 1", "1", "S l#1[7] IS l "},
    {QR_SERIALIZABLE, true, "update t set c = 40 where a > 3", "", "U t#1[>3] IX t "},
    {QR_READ_COMMITTED, true, "select a from t with (updlock, holdlock) where a > 3", "4", "U t#1[>3] IX t u t(4) "},
    {QR_READ_COMMITTED, true, "select a from t with (xlock, holdlock) where a > 3", "4", "X t#1[>3] IX t#1[] IX t x t(4) "},
    {QR_READ_COMMITTED, true, "select count(*) from t with (holdlock, nowait) where a > 3", "1", "S! t#1[>3] IS! t "},
    /* what is known of one column is known of those that equal it */
    {QR_SERIALIZABLE, true, "select l.line from o join l on l.oid = o.id where o.id = 1 order by 1", "1\n2", "S o(1) IS o S l#1[1] IS l "},
    {QR_SERIALIZABLE, true, "select l.line from o, l, t where t.a = l.oid and o.id = l.oid and 1 = o.id order by 1", "1\n2", "S o(1) IS o S l#1[1] IS l S t(1) IS t "},
    {QR_SERIALIZABLE, true, "select count(*) from o left join l on l.oid = o.id where o.id = @i", "1", "S o(2) IS o S l#1[2] IS l "},
    {QR_SERIALIZABLE, true, "select count(*) from o left join l on l.oid = o.id and o.id = 2", "3", "S o S l#1[2] IS l "},
    {QR_SERIALIZABLE, true, "select count(*) from l join o on l.oid = o.id where l.oid in (1, 2) and l.line = 1", "2", "S l(1,1) S l(2,1) IS l S o(1) S o(2) IS o "},
    {QR_SERIALIZABLE, true, "select count(*) from o join l on l.oid = o.id where o.id >= 2 and o.id < 9", "1", "S o#1[>=2 <9] IS o S l#1[>=2 <9] IS l "},
    {QR_SERIALIZABLE, true, "select count(*) from o join l on l.oid = o.id and l.line = o.id where o.id = 2", "0", "S o(2) IS o S l(2,2) IS l "},
    {QR_SERIALIZABLE, true, "update l set qty = 1 from l join o on o.id = l.oid where o.id = 2", "", "U l#1[2] IX l S o(2) IS o "},
    {QR_SERIALIZABLE, true, "select (select sum(qty) from l where l.oid = o.id) from o where o.id = 1", "8", "S o(1) IS o S l#1[1] IS l "},
    {QR_SERIALIZABLE, true, "select id from o where exists (select * from l where l.oid = o.id and l.line = 1) and id in (1, 2) order by 1", "1\n2", "S o(1) S o(2) IS o S l(1,1) S l(2,1) IS l "},
    {QR_SERIALIZABLE, true, "select o.id from o join t on t.a = o.id where t.a = 2 and not exists (select * from l where l.oid = o.id and exists (select * from m where m.x = l.oid))", "2", "S o(2) IS o S t(2) IS t S l#1[2] IS l S m "},
    {QR_SERIALIZABLE, true, "select count(*) from o cross apply (select top (1) line from l where l.oid = o.id order by line) x where o.id = 2", "1", "S o(2) IS o S l#1[2] IS l "},
    {QR_SERIALIZABLE, true, "select count(*) from t left join o on o.id = t.a and o.id = 1 where t.a > 3 or exists (select * from l where l.oid = o.id)", "2", "S t S o(1) IS o IS l s l#1[1] "},
    {QR_SERIALIZABLE, true, "update o set total = (select sum(qty) from l where l.oid = o.id) where id = 2", "", "X o(2) IX o S l#1[2] IS l "},
    /* but not of one that may be another, or is compared in another way */
    {QR_SERIALIZABLE, true, "select count(*) from l left join o on o.id = l.oid and l.oid = 2 where l.line = 1", "2", "S l S o(2) IS o "},
    {QR_SERIALIZABLE, true, "select count(*) from o join l on l.oid <= o.id where o.id = 1", "2", "S o(1) IS o S l "},
    {QR_SERIALIZABLE, true, "select count(*) from k join u on k.code = u.n where u.n = N'ab'", "0", "S k S u "},
    {QR_SERIALIZABLE, true, "select count(*) from m join t on m.amount = t.d where t.d = 1.00 or t.d = 2.00", "0", "S m#1[1.00] S m#1[2.00] IS m S t "},
    {QR_SERIALIZABLE, true, "select count(*) from m join t on m.amount = t.d where t.d > 2.555", "0", "S m#1[>=2.56] IS m S t "},
    /* keys that another table's row names: those that are reached, whatever is there */
    {QR_SERIALIZABLE, true, "select count(*) from l join t on t.a = l.qty where l.oid = 1", "1", "S l#1[1] IS l IS t s t#1[5] s t#1[3] "},
    {QR_SERIALIZABLE, true, "select count(*) from l, t where t.a = l.qty and l.oid = 1", "1", "S l#1[1] IS l IS t s t#1[5] s t#1[3] "},
    {QR_SERIALIZABLE, true, "select count(*) from l left join t on t.a = l.qty where l.oid = 1", "2", "S l#1[1] IS l IS t s t#1[5] s t#1[3] "},
    {QR_SERIALIZABLE, true, "select count(*) from l where oid = 1 and exists (select * from t where t.a = l.qty)", "1", "S l#1[1] IS l IS t s t#1[5] s t#1[3] "},
    {QR_SERIALIZABLE, true, "select (select max(c) from t where a = l.qty and c > 0) from l where oid = 1", "NULL\n5", "S l#1[1] IS l IS t s t#1[5] s t#1[3] "},
    {QR_SERIALIZABLE, true, "select count(*) from l join o on o.id = l.qty left join t on t.a = l.line where l.oid = 2", "1", "S l#1[2] IS l IS o IS t s o#1[1] s t#1[1] "},
    /* their driver is read whole, may be read after them, or its rows are asked about theirs */
    {QR_SERIALIZABLE, true, "select count(*) from l join t on t.a = l.qty", "2", "S l S t "},
    {QR_SERIALIZABLE, true, "select count(*) from t join l on t.a = l.qty where l.oid = 1", "1", "S t S l#1[1] IS l "},
    {QR_SERIALIZABLE, true, "select count(*) from l left join t on t.a = l.qty where l.oid = 1 and t.c > 0", "1", "S l#1[1] IS l S t "},
    {QR_SERIALIZABLE, true, "select count(*) from (select l.qty, t.c from l left join t on t.a = l.qty where l.oid = 1) x where c > 0", "1", "S l#1[1] IS l S t "},
    {QR_SERIALIZABLE, true, "select count(*) from l right join t on t.a = l.qty where l.oid = 1", "1", "S l#1[1] IS l S t "},
    /* keys */
    {QR_SERIALIZABLE, true, "select a from t where a = @i and c > 0", "2", "S t(2) IS t "},
    {QR_SERIALIZABLE, true, "select a from t where a = 99", "", "S t(99) IS t "},
    {QR_SERIALIZABLE, true, "select qty from l where line = 1 and oid = @i", "1", "S l(2,1) IS l "},
    {QR_SERIALIZABLE, true, "select a from t where a in (1, @i, 7)", "1\n2", "S t(1) S t(2) S t(7) IS t "},
    {QR_SERIALIZABLE, true, "select qty from l where oid in (1, 2) and line = 1", "5\n1", "S l(1,1) S l(2,1) IS l "},
    {QR_SERIALIZABLE, true, "select qty from l where oid in (1, 2) and line in (1, 3)", "5\n1", "S l#1[1] S l#1[2] IS l "},
    {QR_SERIALIZABLE, true, "select a from t where a = 1 or a = 2", "1\n2", "S t#1[1] S t#1[2] IS t "},
    {QR_SERIALIZABLE, true, "select a from t where (a = 1 or a > 3 and c = 40 or a in (7, 8)) and b <> 'x'", "1\n4", "S t#1[1] S t#1[>3] S t#1[7] S t#1[8] IS t "},
    {QR_SERIALIZABLE, true, "select a from t where a = 1 or not a > 1 or a is null", "1", "S t "},
    {QR_SERIALIZABLE, true, "select count(*) from t left join l on l.oid = 1 or l.oid = 2 where t.c = 10", "3", "S t S l#1[1] S l#1[2] IS l "},
    {QR_SERIALIZABLE, true, "update t set c = 12 where a = 1 or a = 60", "", "U t#1[1] U t#1[60] IX t "},
    {QR_SERIALIZABLE, true, "update t set c = 11 where a = 1", "", "X t(1) IX t "},
    {QR_SERIALIZABLE, true, "update t set c = 12 from t join u on t.a = u.a", "", "IX t S u u t#1[1] u t#1[2] u t#1[2] u t#1[9] u t#1[77] "},
    {QR_SERIALIZABLE, true, "select count(*) from t where a in (select qty from l where oid = 1)", "1", "IS t S l#1[1] IS l s t#1[5] s t#1[3] "},
    {QR_SERIALIZABLE, true, "select count(*) from t where a not in (select qty from l where oid = 1)", "3", "S t S l#1[1] IS l "},
    {QR_SERIALIZABLE, true, "select count(*) from t where a in (select qty from l where oid = 1) or c = 3", "1", "S t S l#1[1] IS l "},
    {QR_SERIALIZABLE, true, "select count(*) from t where a in (select qty + 0.5 from l where oid = 1)", "0", "S t S l#1[1] IS l "},
    {QR_SERIALIZABLE, true, "select count(*) from t right join o on t.a = o.id where t.a in (select qty from l where oid = 1)", "1", "S t S o S l#1[1] IS l "},
    {QR_SERIALIZABLE, true, "delete t where c > 50 and a = any (select qty from l where oid = 1)", "", "IX t S l#1[1] IS l u t#1[5] u t#1[3] "},
    {QR_SERIALIZABLE, true, "update t set c = 12 from l join t on t.a = l.qty where l.oid = 1", "", "S l#1[1] IS l IX t u t#1[5] u t#1[3] "},
    {QR_SERIALIZABLE, true, "update t set c = 12 from l left join t on t.a = l.qty where l.oid = 1 and t.c > 0", "", "S l#1[1] IS l U t "},
    {QR_SERIALIZABLE, true, "merge t using (select qty, oid from l) s on t.a = s.qty when matched then update set c = 1;", "", "IX t S l u t#1[5] u t#1[3] u t#1[1] "},
    {QR_SERIALIZABLE, true, "merge t using l s on t.a = s.qty and s.oid = 1 when matched then update set c = 1;", "", "S l#1[1] IS l IX t u t#1[5] u t#1[3] "},
    {QR_SERIALIZABLE, true, "merge t using o s on t.a = s.id when matched then update set c = 1 when not matched by source and t.a < 0 then delete;", "", "S o U t "},
    {QR_READ_COMMITTED, true, "select a from t with (updlock, holdlock) where a = 99", "", "U t(99) IX t "},
    {QR_READ_COMMITTED, true, "select a from t with (updlock, serializable) where c = 99", "", "U t "},
    {QR_READ_COMMITTED, true, "select code from k with (holdlock) where code = 'ab'", "", "S k(ab   ) IS k "},
    {QR_READ_COMMITTED, true, "select t.a from o join t with (holdlock) on t.a = 3 where o.id = 1", "3", "S t(3) IS t "},
    {QR_READ_COMMITTED, true,
     "merge t with (holdlock) using (select 50 as a, 'x' as b) s on t.a = s.a when matched then update set b = s.b when not matched then insert (a, b) values (s.a, s.b);",
     "", "X t(50) IX t "},
    {QR_READ_COMMITTED, true,
     "merge into t with (holdlock) using (values (50, 'x'), (51, 'y')) s(a, b) on s.a = t.a when matched then update set b = s.b when not matched then insert (a, b) values (s.a, s.b);",
     "", "X t(50) X t(51) IX t "},
    {QR_READ_COMMITTED, true,
     "merge t with (holdlock) using u s on t.a = s.a + 1000 when matched then update set c = 1;", "", "U t "},
    /* what does not go together */
    {QR_READ_COMMITTED, true, "select a from t with (nolock, holdlock)", "error 1047", ""},
    {QR_READ_COMMITTED, true, "select a from t with (nolock, updlock)", "error 1047", ""},
    {QR_READ_COMMITTED, true, "select a from t with (rowlock, tablock)", "error 1047", ""},
    {QR_READ_COMMITTED, true, "select a from t with (serializable, holdlock) where a = 1", "1", "S t(1) IS t "},
    {QR_READ_COMMITTED, true, "select a from t with (readpast, holdlock)", "error 650", ""},
    {QR_SERIALIZABLE, true, "select a from t with (readpast)", "error 650", ""},
    {QR_READ_UNCOMMITTED, true, "select a from t with (readpast)", "error 650", ""},
    {QR_SNAPSHOT, true, "select a from t with (readpast)", "error 650", ""},
    {QR_SERIALIZABLE, true, "select a from t with (readpast, readcommittedlock) where a = 3", "3", "IS- t s- t(3) "},
    {QR_READ_COMMITTED, true, "update t with (nolock) set c = 1", "error 1065", ""},
    {QR_READ_COMMITTED, true, "update x set c = 1 from t as x with (nolock)", "error 1065", ""},
    {QR_READ_COMMITTED, true, "insert t with (readuncommitted) (a) values (1)", "error 1065", ""},
    {QR_READ_COMMITTED, true, "delete from t with (nolock, tablock)", "error 1047", ""},
    {QR_READ_COMMITTED, true, "select a from t with (nosuch)", "error 321", ""},
    /* clang-format on */
};

static void queries_lock_what_they_return(void **state)
{
    (void)state;
    struct shim s;
    setup(&s);
    s.env.takes_locks = true;
    s.busy = "2";
    size_t failed = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct lock_row *r = &rows[i];
        s.env.isolation = r->level;
        s.env.in_transaction = r->in_transaction;
        const char *now = shim_run(&s, r->sql);
        const char *locks = qr_buf_cstr(&s.locks);
        if (strcmp(now, r->want) == 0 && strcmp(locks, r->locks) == 0)
            continue;
        fprintf(stderr, "%s\n  want [%s] [%s]\n  got  [%s] [%s]\n", r->sql, r->want, r->locks, now,
                locks);
        fprintf(stderr, "  as   %s\n", shim_text(&s, r->sql));
        failed++;
    }
    shim_done(&s);
    assert_int_equal(failed, 0);
}

static void who_takes_no_locks_gets_none(void **state)
{
    (void)state;
    struct shim s;
    setup(&s);
    s.env.isolation = QR_SERIALIZABLE;
    s.env.in_transaction = true;
    assert_string_equal(shim_run(&s, "select a from t with (updlock) where a = 1"), "1");
    assert_string_equal(qr_buf_cstr(&s.locks), "");
    assert_string_equal(shim_run(&s, "select a from t with (nolock, updlock)"), "error 1047");
    shim_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_lock_what_they_return),
        cmocka_unit_test(who_takes_no_locks_gets_none),
    };
    return cmocka_run_group_tests_name("tsql/lock", tests, NULL, NULL);
}

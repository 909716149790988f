/* tables.h - the tables that the compiler's tests run on; include shim.h */
#pragma once
#include "qr_test.h"
#include "shim.h"

struct row {
    const char *sql, *want;
};

static inline void setup(struct shim *s)
{
    shim_init(s);
    shim_table(s, "t", "a int pk, b varchar(20) null, c int null, d decimal(10,2) null");
    shim_table(s, "u", "a int, b varchar(20) null, n nvarchar(20) null");
    shim_table(s, "o", "id int pk, who nchar(5), at datetime null, total money null");
    shim_table(s, "l", "oid int pk, line int pk, qty smallint, price money, disc real");
    shim_table(s, "app.e",
               "id int identity pk, name varchar(5) unique, "
               "x int default ((7)), y int as ([x]*(2)), z int as ([x]+(1)) persisted");
    shim_table(s, "k", "code char(5) pk, x int null");
    shim_table(s, "m", "amount decimal(18,2) pk, x int null");
    shim_table(s, "w", "day datetime pk, x int null");
    shim_module(s, QR_CAT_VIEW, "v", "",
                "create view v as select a, b, c*2 as cc from t where a<4");
    shim_module(s, QR_CAT_VIEW, "vv", "",
                "create view vv(p, q) as select v.a, u.n from v join u on v.a=u.a");
    shim_module(
        s, QR_CAT_FN_INLINE, "f", "@x int",
        "create function f(@x int) returns table as return (select a, b from t where a > @x)");
    shim_var(s, "@i", "int", "2");
    shim_var(s, "@s", "varchar(10)", "'two'");
    shim_var(s, "@ns", "nvarchar(10)", "N'two'");
    shim_var(s, "@null", "int", "null");
    shim_var(s, "@big", "bigint", "2");
    shim_var(s, "@dec", "decimal(38,4)", "2");
    shim_var(s, "@dt2", "datetime2", "'2020-01-01 10:00:00.1234567'");
    shim_var(s, "@out", "int", "0");
    shim_freeze(s);
    const char *data =
        "insert t values (1,'one',10,1.5),(2,'two',20,2.25),(3,'three',null,3),"
        "(4,'Four',40,null);"
        "insert u values (1,'x',N'uno'),(2,'y',N'dos'),(2,'z',N'DOS'),(9,null,null);"
        "insert o values (1,N'ALFKI','1997-01-02',10.5),(2,N'ANATR','1998-03-04',20),"
        "(3,N'ALFKI',null,null);"
        "insert l values (1,1,5,2.5,0),(1,2,3,10,0.1),(2,1,1,100,0.25);";
    const char *got = shim_run(s, data);
    assert_string_equal(got, "");
}

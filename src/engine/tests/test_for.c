/* test_for.c - FOR JSON and FOR XML: transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create table p (id int primary key, n varchar(10)) create table ch (id int primary"
     " key, pid int, v decimal(5,2), d datetime)\n"
     "insert p values (1,'a&b'),(2,null) insert ch values (1,1,1.5,'2020-01-02"
     " 03:04:05'),(2,1,null,null),(3,2,3,null)",
     "DONE\n"
     "DONE\n"
     "DONE 2\n"
     "DONE 3\n"},
    {"select id, n as [x.name], id as [x.y] from p for json path",
     "COLS JSON_F52E2B61-18A1-11d1-B105-00805F49916B nvarchar(max)\n"
     "ROW [{\"id\":1,\"x\":{\"name\":\"a&b\",\"y\":1}},{\"id\":2,\"x\":{\"y\":2}}]\n"
     "DONE 1\n"},
    {"select id, n from p for json path, root('r'), include_null_values",
     "COLS JSON_F52E2B61-18A1-11d1-B105-00805F49916B nvarchar(max)\n"
     "ROW {\"r\":[{\"id\":1,\"n\":\"a&b\"},{\"id\":2,\"n\":null}]}\n"
     "DONE 1\n"},
    {"select p.id, p.n, ch.id as cid, ch.v, ch.d from p join ch on ch.pid = p.id order by"
     " p.id, ch.id for json auto",
     "COLS JSON_F52E2B61-18A1-11d1-B105-00805F49916B nvarchar(max)\n"
     "ROW"
     " [{\"id\":1,\"n\":\"a&b\",\"ch\":[{\"cid\":1,\"v\":1.50,\"d\":\"2020-01-02T03:04:05"
     "\"},{\"cid\":2}]},{\"id\":2,\"ch\":[{\"cid\":3,\"v\":3.00}]}]\n"
     "DONE 1\n"},
    {"select id, n from p for xml raw",
     "COLS XML_F52E2B61-18A1-11d1-B105-00805F49916B nvarchar(max)\n"
     "ROW <row id=\"1\" n=\"a&amp;b\"/><row id=\"2\"/>\n"
     "DONE 1\n"},
    {"select id, n from p for xml raw('e'), elements xsinil, root",
     "COLS XML_F52E2B61-18A1-11d1-B105-00805F49916B nvarchar(max)\n"
     "ROW <root"
     " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e><id>1</id><n>a&amp;b</n>"
     "</e><e><id>2</id><n xsi:nil=\"true\"/></e></root>\n"
     "DONE 1\n"},
    {"select p.id, ch.id as cid, ch.v from p join ch on ch.pid = p.id order by p.id,"
     " ch.id for xml auto",
     "COLS XML_F52E2B61-18A1-11d1-B105-00805F49916B nvarchar(max)\n"
     "ROW <p id=\"1\"><ch cid=\"1\" v=\"1.50\"/><ch cid=\"2\"/></p><p id=\"2\"><ch"
     " cid=\"3\" v=\"3.00\"/></p>\n"
     "DONE 1\n"},
    {"select id as [@id], n as [a/b], id as [a/c] from p for xml path('row'), root('all')",
     "COLS XML_F52E2B61-18A1-11d1-B105-00805F49916B nvarchar(max)\n"
     "ROW <all><row id=\"1\"><a><b>a&amp;b</b><c>1</c></a></row><row"
     " id=\"2\"><a><c>2</c></a></row></all>\n"
     "DONE 1\n"},
    {"select stuff((select ',' + cast(id as varchar(5)) from ch order by id for xml"
     " path('')), 1, 1, '') as l",
     "COLS l nvarchar(max)\n"
     "ROW 1,2,3\n"
     "DONE 1\n"},
    {"select id, (select id, v from ch where pid = p.id for json path) as kids from p for"
     " json path",
     "COLS JSON_F52E2B61-18A1-11d1-B105-00805F49916B nvarchar(max)\n"
     "ROW"
     " [{\"id\":1,\"kids\":[{\"id\":1,\"v\":1.50},{\"id\":2}]},{\"id\":2,\"kids\":[{\"id\""
     ":3,\"v\":3.00}]}]\n"
     "DONE 1\n"},
    {"select id from p where 1 = 0 for json path",
     "COLS JSON_F52E2B61-18A1-11d1-B105-00805F49916B nvarchar(max)\n"
     "DONE 0\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/for", batches, sizeof batches / sizeof batches[0]);
}

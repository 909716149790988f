/* test_xml.c - methods of the xml type: transcripts. */
#include "harness.h"

static const struct batch batches[] = {
    /* clang-format off */
    {"create table t (id int, x xml, s varchar(50))\n"
     "insert t values (1, '<r><i k=\"1\">a &amp; b</i><i k=\"2\"><!-- c -->c</i><e/></r>', "
     "'Hello'), (2, null, 'World'), (3, '<r><i k=\"3\">z</i></r>', '<&>')",
     "DONE\n"
     "DONE 3\n"},
    {"select id, x.value('(/r/i)[1]', 'varchar(10)') a, x.value('(/r/i/@k)[2]', 'int') b, "
     "x.exist('/r/i[@k=\"2\"]') c, x.query('/r/i[1]') q, x.value('count(/r/i)', 'int') n from "
     "t\n"
     "select id from t where t.x.exist('/r/e') = 1\n"
     "select t.id, n.c.value('@k','int') k, n.c.value('.','varchar(10)') v, "
     "n.c.value('../@none','int') p, n.c.exist('text()') e from t cross apply t.x.nodes('/r/i') "
     "n(c) order by k desc\n"
     "select t.id, n.c.value('local-name(.)', 'sysname') from t outer apply t.x.nodes('/r/*') "
     "as n(c)\n"
     "select stuff((select ',' + s from t order by id for xml path(''), type).value('.', "
     "'nvarchar(max)'), 1, 1, '')",
     "COLS id int, a varchar(10), b int, c bit, q xml, n int\n"
     "ROW 1|a & b|2|1|<i k=\"1\">a &amp; b</i>|2\n"
     "ROW 2|NULL|NULL|NULL|NULL|NULL\n"
     "ROW 3|z|NULL|0|<i k=\"3\">z</i>|1\n"
     "DONE 3\n"
     "COLS id int\n"
     "ROW 1\n"
     "DONE 1\n"
     "COLS id int, k int, v varchar(10), p int, e bit\n"
     "ROW 3|3|z|NULL|1\n"
     "ROW 1|2|c|NULL|1\n"
     "ROW 1|1|a & b|NULL|1\n"
     "DONE 3\n"
     "COLS id int, nvarchar(128)\n"
     "ROW 1|i\n"
     "ROW 1|i\n"
     "ROW 1|e\n"
     "ROW 2|NULL\n"
     "ROW 3|i\n"
     "DONE 5\n"
     "COLS nvarchar(max)\n"
     "ROW Hello,World,<&>\n"
     "DONE 1\n"},
    {"declare @x xml = N'<orders xmlns=\"urn:a\"><order id=\"10\"><line sku=\"A\" "
     "qty=\"2\"><note>x</note></line><line sku=\"B\" qty=\"5\"/></order><order id=\"11\"><line "
     "sku=\"C\" qty=\"1\"/></order></orders>'\n"
     "select o.n.value('@id', 'int') id, l.n.value('@sku', 'char(1)') sku, l.n.value('@qty', "
     "'int') qty, l.n.value('../@id', 'int') parent, l.n.value('(note/text())[1]', "
     "'varchar(5)') note\n"
     "from @x.nodes('declare default element namespace \"urn:a\"; /orders/order') o(n) cross "
     "apply o.n.nodes('line') l(n)\n"
     "select @x.value('(//line[@qty > 1 and not(note)]/@sku)[1]', 'varchar(5)'), "
     "@x.value('(//line)[last()]/@sku', 'varchar(5)'), @x.value('sum(//@qty)', 'int'), "
     "@x.query('//note'), @x.exist('//line[@sku=\"Z\" or @sku=\"B\"]')\n"
     "select c.value('.', 'int') from @x.nodes('//@id') t(c)\n"
     "select c.value('.', 'varchar(5)') from @x.nodes('//note/text()') t(c)",
     "COLS id int, sku char(1), qty int, parent int, note varchar(5)\n"
     "ROW 10|A|2|10|x\n"
     "ROW 10|B|5|10|NULL\n"
     "ROW 11|C|1|11|NULL\n"
     "DONE 3\n"
     "COLS varchar(5), varchar(5), int, xml, bit\n"
     "ROW B|C|8|<note>x</note>|1\n"
     "DONE 1\n"
     "COLS int\n"
     "ROW 10\n"
     "ROW 11\n"
     "DONE 2\n"
     "COLS varchar(5)\n"
     "ROW x\n"
     "DONE 1\n"},
    {"select cast('<a><b>1</b><b>2</b></a>' as xml).value('(/a/b[. = \"2\"])[1]', 'int'), "
     "cast('<a t=\"2024-01-02T03:04:05\"/>' as xml).value('/a[1]/@t', 'datetime')",
     "COLS int, datetime\n"
     "ROW 2|Jan  2 2024  3:04AM\n"
     "DONE 1\n"},
    {"declare @x xml = '<a/>' select @x.value('/a[', 'int')",
     "COLS int\n"
     "MSG 2209 16 1 line 1: XQuery: Syntax error near ''\n"
     "DONE error\n"},
    {"declare @x xml = '<a/>' select @x.query('for $i in /a return $i')",
     "COLS xml\n"
     "MSG 40510 16 1 line 1: FLWOR in a path over xml is not supported\n"
     "DONE error\n"},
    {"declare @x xml = '<a/>' select @x.value('/a', 5)",
     "MSG 8172 16 1 line 1: The argument 2 of the XML data type method \"value\" must be a "
     "string literal.\n"
     "DONE error\n"},
    {"declare @s varchar(5) = 'x' select @s.value('/a', 'int')",
     "MSG 258 15 1 line 1: Cannot call methods on varchar.\n"
     "DONE error\n"},
    {"declare @x xml = '<a><b></a>' select @x.value('/a[1]', 'varchar(5)')",
     "COLS varchar(5)\n"
     "MSG 9436 16 1 line 1: XML parsing: end tag does not match start tag\n"
     "DONE error\n"},
    {"declare @x xml = (select replicate(cast('<a/>' as varchar(max)), 3000) for xml path('r'), "
     "type)\n"
     "set @x = cast(replace(replace(cast(@x as nvarchar(max)), '&lt;', '<'), '&gt;', '>') as "
     "xml)\n"
     "select @x.value('count(/r/a)', 'int')\n"
     "select @x.exist('//a[//a[//a[//b]]]')",
     "COLS int\n"
     "ROW 3000\n"
     "DONE 1\n"
     "COLS bit\n"
     "MSG 40510 16 1 line 4: a path over xml that takes more than 67108864 steps\n"
     "DONE error\n"},
    /* clang-format on */
};

int main(void)
{
    return test_batches("engine/xml", batches, sizeof batches / sizeof batches[0]);
}

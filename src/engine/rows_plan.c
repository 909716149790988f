/* rows_plan.c - sys.dm_exec_query_plan: what SQLite does for the statements of a text, in the shape
 * of a showplan; see rows_builtin.h
 *
 * EXPLAIN QUERY PLAN tells lines that nest by their parent's id: "SEARCH x USING INDEX i5_2
 * (c1=?)". Each becomes a RelOp. Names of tables and indexes are those of the catalog again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dml_int.h"
#include "link.h"
#include "rows_builtin_int.h"
#include "shape_int.h"
#include "texts_int.h"
#include "base/banned.h"

enum { PLAN_BYTES_MAX = 16 << 20, DEPTH_MAX = 64, COLUMNS = 5 };

struct writer {
    struct qr_session *session;
    struct qr_str sql;
    struct qr_buf xml;
    int open_ids[DEPTH_MAX]; /* of the RelOps that are open */
    int open_count;
    int node;
};

static void add_escaped(struct qr_buf *xml, struct qr_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '&':
            qr_buf_addz(xml, "&amp;");
            break;
        case '<':
            qr_buf_addz(xml, "&lt;");
            break;
        case '>':
            qr_buf_addz(xml, "&gt;");
            break;
        case '"':
            qr_buf_addz(xml, "&quot;");
            break;
        case '\r':
            qr_buf_addz(xml, "&#xd;");
            break;
        case '\n':
            qr_buf_addz(xml, "&#xa;");
            break;
        default:
            qr_buf_add(xml, &text.p[i], (uint8_t)text.p[i] < 0x20 && text.p[i] != '\t' ? 0 : 1);
        }
    }
}

static void attribute(struct qr_buf *xml, const char *name, struct qr_str text)
{
    qr_buf_printf(xml, " %s=\"", name);
    add_escaped(xml, text);
    qr_buf_addz(xml, "\"");
}

/* ---- operators ---- */

/* The first that is in the line tells. */
static const struct operator_kind {
    const char *sign, *physical, *logical;
} operators[] = {
    /* clang-format off */
    {"USING AUTOMATIC",             "Index Spool",            "Eager Spool"},
    {"VIRTUAL TABLE",               "Table-valued function",  "Table-valued function"},
    {"SEARCH ",                     NULL,                     NULL}, /* by what it uses */
    {"SCAN CONSTANT ROW",           "Constant Scan",          "Constant Scan"},
    {"SCAN ",                       NULL,                     NULL},
    {"TEMP B-TREE FOR DISTINCT",    "Sort",                   "Distinct Sort"},
    {"TEMP B-TREE FOR",             "Sort",                   "Sort"},
    {"BLOOM FILTER",                "Bitmap",                 "Bitmap Create"},
    {"MATERIALIZE",                 "Table Spool",            "Eager Spool"},
    {"CO-ROUTINE",                  "Table Spool",            "Lazy Spool"},
    {"RECURSIVE STEP",              "Nested Loops",           "Inner Join"},
    {"SUBQUERY",                    "Nested Loops",           "Inner Join"},
    {"UNION ALL",                   "Concatenation",          "Concatenation"},
    {"UNION",                       "Hash Match",             "Union"},
    {"INTERSECT",                   "Hash Match",             "Left Semi Join"},
    {"EXCEPT",                      "Hash Match",             "Left Anti Semi Join"},
    {"MERGE",                       "Merge Join",             "Concatenation"},
    {"COMPOUND QUERY",              "Concatenation",          "Concatenation"},
    {"LEFT-MOST SUBQUERY",          "Concatenation",          "Concatenation"},
    {"MULTI-INDEX OR",              "Concatenation",          "Concatenation"},
    {"INDEX ",                      "Index Seek",             "Index Seek"},
    {"",                            "Compute Scalar",         "Compute Scalar"},
    /* clang-format on */
};

/* The table that the SQL calls so: "t5", or the alias of "t5 AS s1". */
static const struct qr_cat_object *table_called(struct qr_session *session, struct qr_str sql,
                                                const char *name)
{
    size_t n = strcspn(name, " ");
    char as[32];
    if (name[0] == 't')
        return qri_object_by_id(session, (uint32_t)strtoul(name + 1, NULL, 10));
    (void)snprintf(as, sizeof as, " AS %.*s", (int)(n < 16 ? n : 16), name);
    for (const char *at = strstr(sql.p, as); at != NULL; at = strstr(at + 1, as)) {
        const char *begin = at;
        while (begin > sql.p && begin[-1] >= '0' && begin[-1] <= '9')
            begin--;
        char after = at[strlen(as)];
        bool whole = after < '0' || (after > '9' && after < 'a');
        if (whole && begin < at && begin > sql.p && begin[-1] == 't')
            return qri_object_by_id(session, (uint32_t)strtoul(begin, NULL, 10));
    }
    return NULL;
}

/* "i5_2" behind INDEX: that table's index; else the table named after SCAN or SEARCH. */
static bool find_names(struct qr_session *session, struct qr_str sql, const char *line,
                       const struct qr_cat_object **ret_table,
                       const struct qr_cat_index **ret_index)
{
    const char *index = strstr(line, "INDEX i");
    const char *table = strchr(line, ' ');
    char *end = NULL;
    *ret_table = NULL;
    *ret_index = NULL;
    if (index != NULL) {
        uint32_t object_id = (uint32_t)strtoul(index + 7, &end, 10);
        uint32_t index_id = *end == '_' ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
        *ret_table = qri_object_by_id(session, object_id);
        for (size_t i = 0; *ret_table != NULL && i < (*ret_table)->index_count; i++)
            if ((*ret_table)->indexes[i].index_id == index_id)
                *ret_index = &(*ret_table)->indexes[i];
    } else if (table != NULL) {
        *ret_table = table_called(session, sql, table + 1);
    }
    if (*ret_table != NULL && *ret_index == NULL && index == NULL)
        *ret_index = qr_cat_clustered(*ret_table);
    return *ret_table != NULL;
}

void qri_plan_line_read(struct qr_session *session, struct qr_str sql, const char *line,
                        struct qri_plan_line *ret_line)
{
    *ret_line = (struct qri_plan_line){.seeks = strncmp(line, "SEARCH ", 7) == 0,
                                       .is_automatic = strstr(line, " AUTOMATIC ") != NULL};
    bool reads = ret_line->seeks || strncmp(line, "SCAN ", 5) == 0;
    if (!reads || !find_names(session, sql, line, &ret_line->table, &ret_line->index))
        return;
    ret_line->looks_up = strstr(line, " USING INDEX i") != NULL; /* not: USING COVERING INDEX */
}

static const char *access_name(const char *line, const struct qr_cat_index *index)
{
    bool seeks = strncmp(line, "SEARCH", 6) == 0;
    if (strstr(line, "INDEX i") != NULL)
        return seeks ? "Index Seek" : "Index Scan";
    if (seeks)
        return index != NULL ? "Clustered Index Seek" : "RID Lookup";
    return index != NULL ? "Clustered Index Scan" : "Table Scan";
}

static void add_operator(struct writer *w, const char *line)
{
    const struct operator_kind *kind = operators;
    const struct qr_cat_object *table = NULL;
    const struct qr_cat_index *index = NULL;
    while (strstr(line, kind->sign) == NULL)
        kind++;
    bool named = find_names(w->session, w->sql, line, &table, &index);
    const char *physical = kind->physical != NULL ? kind->physical : access_name(line, index);
    qr_buf_printf(&w->xml, "<RelOp NodeId=\"%d\"", w->node++);
    attribute(&w->xml, "PhysicalOp", qr_str(physical));
    attribute(&w->xml, "LogicalOp", qr_str(kind->logical != NULL ? kind->logical : physical));
    attribute(&w->xml, "Detail", qr_str(line));
    qr_buf_addz(&w->xml, ">");
    if (!named)
        return;
    const struct qr_cat_schema *schema =
        qr_cat_schema_by_id(&w->session->catalog->cat, table->schema_id);
    qr_buf_addz(&w->xml, "<Object");
    if (schema != NULL)
        attribute(&w->xml, "Schema", schema->name);
    attribute(&w->xml, "Table", table->name);
    if (index != NULL)
        attribute(&w->xml, "Index", index->name);
    qr_buf_addz(&w->xml, "/>");
}

static void close_to(struct writer *w, int parent)
{
    while (w->open_count > 0 && w->open_ids[w->open_count - 1] != parent) {
        qr_buf_addz(&w->xml, "</RelOp>");
        w->open_count--;
    }
}

static void add_plan(struct writer *w, struct qr_str sql)
{
    struct qr_buf text;
    sqlite3_stmt *stmt = NULL;
    w->sql = sql;
    qr_buf_init(&text, PLAN_BYTES_MAX);
    qr_buf_addz(&text, "EXPLAIN QUERY PLAN ");
    qr_buf_addstr(&text, sql);
    if (qr_buf_status(&text, NULL) == QR_OK &&
        sqlite3_prepare_v2(w->session->link->db, qr_buf_cstr(&text), -1, &stmt, NULL) == SQLITE_OK)
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            close_to(w, sqlite3_column_int(stmt, 1));
            if (w->open_count == DEPTH_MAX)
                continue;
            add_operator(w, (const char *)sqlite3_column_text(stmt, 3));
            w->open_ids[w->open_count++] = sqlite3_column_int(stmt, 0);
        }
    sqlite3_finalize(stmt);
    close_to(w, -1);
    qr_buf_done(&text);
}

/* ---- statements ---- */

static const char xml_begin[] =
    "<ShowPlanXML xmlns=\"http://schemas.microsoft.com/sqlserver/2004/07/showplan\" "
    "Version=\"1.539\" Build=\"12.0.2000.8\"><BatchSequence><Batch><Statements>";
static const char xml_end[] = "</Statements></Batch></BatchSequence></ShowPlanXML>";

static void add_text(struct writer *w, struct qr_str own, enum qr_ast_stmt_kind kind,
                     struct qr_str sql, int number)
{
    qr_buf_printf(&w->xml, "<StmtSimple StatementId=\"%d\"", number);
    attribute(&w->xml, "StatementText", own);
    attribute(&w->xml, "StatementType", qr_str(qr_ast_stmt_command(kind)));
    qr_buf_addz(&w->xml, "><QueryPlan>");
    add_plan(w, sql);
    qr_buf_addz(&w->xml, "</QueryPlan></StmtSimple>");
}

static void add_statement(struct writer *w, const struct qri_text *text,
                          const struct qri_cached_sql *s, int number)
{
    struct qr_str all = text->text;
    uint32_t begin = text->text_at + s->begin;
    struct qr_str own = begin + s->bytes <= all.n ? qr_str_n(all.p + begin, s->bytes) : all;
    add_text(w, own, s->kind, s->sql, number);
}

char *qri_plan_xml(struct qr_session *session, struct qr_str text, enum qr_ast_stmt_kind kind,
                   struct qr_str sql)
{
    struct writer w = {.session = session};
    qr_buf_init(&w.xml, PLAN_BYTES_MAX);
    qr_buf_addz(&w.xml, xml_begin);
    add_text(&w, text, kind, sql, 1);
    qr_buf_addz(&w.xml, xml_end);
    char *xml = qr_buf_status(&w.xml, NULL) == QR_OK ? strdup(qr_buf_cstr(&w.xml)) : NULL;
    qr_buf_done(&w.xml);
    return xml;
}

/* Of one statement if its place was given (in bytes of UTF-16), else of all. */
static bool is_asked(struct qri_builtin *b, const struct qri_text *text,
                     const struct qri_cached_sql *s)
{
    int start = 0, end = 0;
    if (b->rows->arg_count < 2 || qri_builtin_is_null(b, 1) || b->args[1].cell != QR_CELL_INT ||
        (b->args[1].i == 0 && (qri_builtin_is_null(b, 2) || b->args[2].i == -1)))
        return true;
    qri_text_offsets(text, s->begin, s->bytes, &start, &end);
    return start == b->args[1].i;
}

static enum qr_status send_plan(struct qri_builtin *b, const struct qri_text *text,
                                const struct qri_cached_sql *list, size_t count)
{
    struct writer w = {.session = b->frame->session};
    bool is_module = text->object_id != 0;
    struct qr_value row[COLUMNS] = {
        is_module ? qr_value_int(b->frame->session->db->info.database_id) : qr_value_null(),
        is_module ? qr_value_int(text->object_id) : qr_value_null(), qr_value_null(),
        qr_value_int(0), qr_value_null()};
    qr_buf_init(&w.xml, PLAN_BYTES_MAX);
    qr_buf_addz(&w.xml, xml_begin);
    for (size_t i = 0; i < count; i++)
        if (is_asked(b, text, &list[i]))
            add_statement(&w, text, &list[i], (int)i + 1);
    qr_buf_addz(&w.xml, xml_end);
    if (count > 0 && qr_buf_status(&w.xml, NULL) == QR_OK)
        row[4] = qr_value_text((const char *)w.xml.data, w.xml.len);
    enum qr_status status = qr_rowset_append(b->out, row, b->err);
    qr_buf_done(&w.xml);
    return status;
}

enum qr_status qri_rows_query_plan(struct qri_builtin *b)
{
    uint64_t id = 0;
    struct qri_text text;
    struct qri_cached_sql *list = NULL;
    size_t count = 0;
    size_t want = qr_str_ieqz(b->rows->name, "dm_exec_query_plan") ? 1 : 3;
    if (b->rows->arg_count != want)
        return qr_sql_fail(b->err, b->rows->arg_count < want ? 313 : 8144, b->rows->name.p);
    struct qr_session *session = b->frame->session;
    if (qri_builtin_is_null(b, 0) || b->args[0].cell != QR_CELL_BLOB ||
        !qri_handle_id(qr_value_bytes(&b->args[0]), &id) ||
        !qri_text_find(session->db->texts, id, &b->arena, &text))
        return QR_OK;
    if (qri_cache_sqls(session->db->cache, id, &b->arena, &list, &count) != QR_OK)
        return qr_fail(b->err, QR_NOMEM, "show a plan");
    return send_plan(b, &text, list, count);
}

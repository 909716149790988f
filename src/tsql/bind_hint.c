/* bind_hint.c - table hints: which there are, which go together, where they reach; see bind_int.h
 *
 * Source: the documentation of table hints (groups of which one may be named, READPAST's levels,
 * hints of a view going to the tables below it). */
#include "dml_int.h"

#include "base/banned.h"

enum {
    LEVELS = QRI_HINT_NOLOCK | QRI_HINT_READCOMMITTED | QRI_HINT_READCOMMITTEDLOCK |
             QRI_HINT_REPEATABLEREAD | QRI_HINT_SERIALIZABLE | QRI_HINT_SNAPSHOT,
    GRAINS = QRI_HINT_ROWLOCK | QRI_HINT_PAGLOCK | QRI_HINT_TABLOCK | QRI_HINT_TABLOCKX,
    MODES = QRI_HINT_UPDLOCK | QRI_HINT_XLOCK | QRI_HINT_TABLOCKX,
};

static const struct hint {
    const char *name;
    uint32_t bit; /* 0: accepted, there is nothing for it to change */
} hints[] = {
    /* clang-format off */
    {"NOLOCK",            QRI_HINT_NOLOCK},
    {"READUNCOMMITTED",   QRI_HINT_NOLOCK},
    {"READCOMMITTED",     QRI_HINT_READCOMMITTED},
    {"READCOMMITTEDLOCK", QRI_HINT_READCOMMITTEDLOCK},
    {"REPEATABLEREAD",    QRI_HINT_REPEATABLEREAD},
    {"SERIALIZABLE",      QRI_HINT_SERIALIZABLE},
    {"HOLDLOCK",          QRI_HINT_SERIALIZABLE},
    {"SNAPSHOT",          QRI_HINT_SNAPSHOT},
    {"ROWLOCK",           QRI_HINT_ROWLOCK},
    {"PAGLOCK",           QRI_HINT_PAGLOCK},
    {"TABLOCK",           QRI_HINT_TABLOCK},
    {"TABLOCKX",          QRI_HINT_TABLOCKX},
    {"UPDLOCK",           QRI_HINT_UPDLOCK},
    {"XLOCK",             QRI_HINT_XLOCK},
    {"READPAST",          QRI_HINT_READPAST},
    {"NOWAIT",            QRI_HINT_NOWAIT},
    {"INDEX",             0},
    {"FORCESEEK",         0},
    {"FORCESCAN",         0},
    {"NOEXPAND",          0},
    {"FASTFIRSTROW",      0},
    {"KEEPIDENTITY",      0},
    {"KEEPDEFAULTS",      0},
    {"IGNORE_CONSTRAINTS", 0},
    {"IGNORE_TRIGGERS",   0},
    {"SPATIAL_WINDOW_MAX_CELLS", 0},
    /* clang-format on */
};

static bool is_more_than_one(uint32_t bits)
{
    return (bits & (bits - 1)) != 0;
}

uint8_t qri_hint_level(const struct qri_compile *c, uint32_t bits)
{
    static const struct {
        uint32_t bit;
        uint8_t level;
    } levels[] = {
        {QRI_HINT_NOLOCK, QR_READ_UNCOMMITTED},
        {QRI_HINT_READCOMMITTED, QR_READ_COMMITTED},
        {QRI_HINT_READCOMMITTEDLOCK, QR_READ_COMMITTED},
        {QRI_HINT_REPEATABLEREAD, QR_REPEATABLE_READ},
        {QRI_HINT_SERIALIZABLE, QR_SERIALIZABLE},
        {QRI_HINT_SNAPSHOT, QR_SNAPSHOT},
    };
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if ((bits & levels[i].bit) != 0)
            return levels[i].level;
    return c->env->isolation == 0 ? (uint8_t)QR_READ_COMMITTED : c->env->isolation;
}

static enum qr_status check_together(struct qri_compile *c, uint32_t bits)
{
    bool conflict = is_more_than_one(bits & LEVELS) || is_more_than_one(bits & GRAINS) ||
                    ((bits & QRI_HINT_NOLOCK) != 0 && (bits & (GRAINS | MODES)) != 0);
    if (conflict)
        return qr_sql_fail(c->err, 1047);
    if ((bits & QRI_HINT_READPAST) == 0)
        return QR_OK;
    uint8_t level = qri_hint_level(c, bits);
    c->heeds_level = QR_HEEDS_LEVEL;
    bool locks = (bits & MODES) != 0; /* under SNAPSHOT it needs something that takes locks */
    if (level != QR_READ_COMMITTED && level != QR_REPEATABLE_READ &&
        !(level == QR_SNAPSHOT && locks))
        return qr_sql_fail(c->err, 650);
    return QR_OK;
}

enum qr_status qri_hints_bind(struct qri_compile *c, const struct qr_ast_options *ast,
                              uint32_t *ret_bits)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < ast->count; i++) {
        const struct hint *hint = NULL;
        for (size_t k = 0; k < sizeof(hints) / sizeof(hints[0]) && hint == NULL; k++)
            if (qr_str_ieqz(ast->items[i].name, hints[k].name))
                hint = &hints[k];
        if (hint == NULL)
            return qr_sql_fail(c->err, 321, qri_text_z(c, ast->items[i].name));
        bits |= hint->bit;
    }
    QR_TRY(check_together(c, bits));
    *ret_bits = bits;
    return QR_OK;
}

static void add_to_query(struct qri_query *q, uint32_t bits, unsigned depth);

/* What a table says itself stays where the two do not go together. */
static void add_to_source(struct qri_source *s, uint32_t bits, unsigned depth)
{
    if (s->kind == QRI_SOURCE_TABLE) {
        uint32_t own = s->hints;
        bits &= (own & LEVELS) != 0 ? ~(uint32_t)LEVELS : ~UINT32_C(0);
        bits &= (own & GRAINS) != 0 ? ~(uint32_t)GRAINS : ~UINT32_C(0);
        s->hints |= bits;
    } else if (s->kind == QRI_SOURCE_QUERY && s->query != NULL) {
        add_to_query(s->query, bits, depth + 1);
    }
}

static void add_to_query(struct qri_query *q, uint32_t bits, unsigned depth)
{
    if (depth > QRI_NEST_MAX)
        return;
    for (size_t i = 0; q->kind == QRI_QUERY_SELECT && q->scope != NULL && i < q->scope->count; i++)
        add_to_source(q->scope->items[i], bits, depth);
    for (size_t i = 0; i < q->branch_count; i++)
        add_to_query(q->branches[i], bits, depth + 1);
}

void qri_hints_add(struct qri_source *source, uint32_t bits)
{
    if (bits != 0)
        add_to_source(source, bits, 0);
}

enum qr_status qri_hints_of_target(struct qri_compile *c, const struct qr_ast_source *target,
                                   struct qri_source *source, uint32_t *ret_bits)
{
    uint32_t bits = 0;
    if (target->kind == QR_AT_TABLE)
        QR_TRY(qri_hints_bind(c, &((const struct qr_ast_table_source *)target)->hints, &bits));
    if (source != NULL) {
        uint32_t both = bits | (source->kind == QRI_SOURCE_TABLE ? source->hints : 0);
        QR_TRY(check_together(c, both));
        qri_hints_add(source, bits);
        bits = both;
    }
    *ret_bits = bits;
    return (bits & QRI_HINT_NOLOCK) != 0 ? qr_sql_fail(c->err, 1065) : QR_OK;
}

static bool mentions(struct qr_str text, const char *word)
{
    struct qr_str w = qr_str(word);
    for (size_t i = 0; i + w.n <= text.n; i++)
        if (qr_str_ieq(qr_str_n(text.p + i, w.n), w))
            return true;
    return false;
}

/* Its statements are compiled when they run, which is too late for the one that calls it: words of
 * its text decide. Those that it has and does not mean cost the caller speed, and nothing else. */
void qri_calls_function(struct qri_compile *c, const struct qr_cat_object *function)
{
    static const char *const locks[] = {"LOCK", "READPAST", "REPEATABLEREAD", "SERIALIZABLE"};
    c->has_udf = true;
    c->udf_reads |= mentions(function->text, "FROM") || mentions(function->text, ".");
    for (size_t i = 0; i < sizeof locks / sizeof locks[0]; i++)
        c->udf_locks |= mentions(function->text, locks[i]);
}

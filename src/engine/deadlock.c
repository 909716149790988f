/* deadlock.c - see deadlock_int.h */
#include "deadlock_int.h"
#include <stdlib.h>
#include <string.h>
#include "obs/log.h"
#include "texts_int.h"
#include "base/banned.h"

enum { TEXTS_BYTES_MAX = 16000, ARENA_BYTES_MAX = 4 << 20 };

/* ---- XML ---- */

static void put_text(struct qr_buf *out, struct qr_str text)
{
    static const struct {
        char c;
        const char *is;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};
    for (size_t i = 0; i < text.n; i++) {
        size_t k = 0, count = sizeof escapes / sizeof escapes[0];
        while (k < count && escapes[k].c != text.p[i])
            k++;
        bool is_blank = text.p[i] == '\t' || text.p[i] == '\n' || text.p[i] == '\r';
        if (k < count)
            qr_buf_addz(out, escapes[k].is);
        else
            qr_buf_add(out, (uint8_t)text.p[i] < ' ' && !is_blank ? "?" : &text.p[i], 1);
    }
}

static void put_attribute(struct qr_buf *out, const char *name, struct qr_str value)
{
    qr_buf_printf(out, " %s=\"", name);
    put_text(out, value);
    qr_buf_addz(out, "\"");
}

static struct qr_str cut(struct qr_str text, size_t bytes_max)
{
    if (text.n <= bytes_max)
        return text;
    text.n = bytes_max;
    while (text.n > 0 && ((uint8_t)text.p[text.n] & 0xC0) == 0x80) /* not within a character */
        text.n--;
    return text;
}

/* ---- names of things ---- */

struct report {
    struct qr_database *db;
    const struct qr_deadlock *d;
    struct qri_catalog *catalog; /* reference */
    struct qr_arena *arena;
    struct qr_buf *out;
};

static const char *element_of(const struct qr_lock_resource *r)
{
    switch ((enum qr_lock_kind)r->kind) {
    case QR_LOCK_DATABASE:
        return "databaselock";
    case QR_LOCK_TABLE:
        return "objectlock";
    case QR_LOCK_ROW:
        return r->is_rowid ? "ridlock" : "keylock";
    case QR_LOCK_KEY:
    case QR_LOCK_RANGE:
        return "keylock";
    case QR_LOCK_APP:
    case QR_LOCK_KINDS:
        break;
    }
    return "applicationlock";
}

static const struct qr_cat_index *index_of(const struct qr_cat_object *table,
                                           const struct qr_lock_resource *r)
{
    uint32_t id = r->kind == QR_LOCK_ROW ? 1 : r->index;
    for (size_t i = 0; table != NULL && i < table->index_count; i++)
        if (table->indexes[i].index_id == id)
            return &table->indexes[i];
    return NULL;
}

static void put_resource(struct report *r, const struct qr_deadlock_member *m)
{
    const struct qr_lock_resource *res = &m->resource;
    const struct qr_catalog *cat = &r->catalog->cat;
    const struct qr_cat_object *table = qr_cat_by_id(cat, res->object);
    const struct qr_cat_schema *schema =
        table == NULL ? NULL : qr_cat_schema_by_id(cat, table->schema_id);
    qr_buf_printf(r->out, " dbid=\"%u\"", r->db->info.database_id);
    if (table != NULL) {
        struct qr_str db = qri_info(r->db)->name;
        struct qr_str in = schema == NULL ? qr_str("dbo") : schema->name;
        const char *name = qr_arena_printf(r->arena, "%.*s.%.*s.%.*s", (int)db.n, db.p, (int)in.n,
                                           in.p, (int)table->name.n, table->name.p);
        put_attribute(r->out, "objectname", qr_str(name == NULL ? "" : name));
    }
    const struct qr_cat_index *index =
        strcmp(element_of(res), "keylock") == 0 ? index_of(table, res) : NULL;
    if (index != NULL)
        put_attribute(r->out, "indexname", index->name);
    if (m->name[0] != '\0')
        put_attribute(r->out, "hash", qr_str(m->name));
    else if (res->kind != QR_LOCK_TABLE && res->kind != QR_LOCK_DATABASE)
        qr_buf_printf(r->out, " id=\"lock%012llx\"",
                      (unsigned long long)(res->hash & UINT64_C(0xFFFFFFFFFFFF)));
}

/* ---- processes ---- */

/* What a session was doing when it had to wait. */
struct process {
    struct qr_str login, host, app, batch, statement;
    struct qri_session_seen seen;
    bool is_there;
};

static void look_at_session(struct report *r, uint32_t session_id, struct process *p)
{
    struct qr_instance *instance = r->db->instance;
    struct qri_text text = {0};
    uint64_t batch_id = 0, text_id = 0;
    uint32_t begin = 0, bytes = 0;
    size_t max = TEXTS_BYTES_MAX / (2 * (r->d->count + 1));
    *p = (struct process){0};
    pthread_mutex_lock(&instance->mu);
    for (struct qr_session *s = instance->sessions; s != NULL; s = s->next) {
        if (s->id != session_id || s->db != r->db)
            continue;
        p->is_there = true;
        p->seen = qri_session_shown(s);
        p->login = qr_arena_str(r->arena, s->login.login);
        p->host = qr_arena_str(r->arena, s->login.host_name);
        p->app = qr_arena_str(r->arena, s->login.app_name);
        batch_id = atomic_load(&s->running.batch_id);
        text_id = atomic_load(&s->running.text_id);
        begin = atomic_load(&s->running.begin);
        bytes = atomic_load(&s->running.bytes);
    }
    pthread_mutex_unlock(&instance->mu);
    if (batch_id != 0 && qri_text_find(r->db->texts, batch_id, r->arena, &text))
        p->batch = cut(text.text, max);
    if (text_id == 0 || !qri_text_find(r->db->texts, text_id, r->arena, &text))
        return;
    size_t at = (size_t)text.text_at + begin;
    if (at < text.text.n)
        p->statement = cut(
            qr_str_n(text.text.p + at, bytes > text.text.n - at ? text.text.n - at : bytes), max);
}

static void put_process(struct report *r, const struct qr_deadlock_member *m, int64_t now_ns)
{
    static const char *const levels[] = {"",
                                         "read uncommitted (1)",
                                         "read committed (2)",
                                         "repeatable read (3)",
                                         "serializable (4)",
                                         "snapshot (5)"};
    struct process p;
    look_at_session(r, m->session_id, &p);
    int64_t waited_ms = (now_ns - m->since_mono_ns) / 1000000;
    uint8_t level = p.seen.options.isolation;
    qr_buf_printf(r->out,
                  "<process id=\"process%u\" spid=\"%u\" priority=\"%d\" logused=\"%llu\" "
                  "waittime=\"%lld\" lockMode=\"%s\" status=\"suspended\"",
                  m->session_id, m->session_id, m->priority, (unsigned long long)m->work,
                  (long long)(waited_ms < 0 ? 0 : waited_ms),
                  qr_lock_mode_name_on(&m->resource, m->wants));
    if (p.is_there) {
        qr_buf_printf(r->out, " trancount=\"%u\" xactid=\"%llu\"", p.seen.tran_count,
                      (unsigned long long)p.seen.tran_id);
        put_attribute(r->out, "isolationlevel",
                      qr_str(level < sizeof levels / sizeof levels[0] ? levels[level] : ""));
        put_attribute(r->out, "clientapp", p.app);
        put_attribute(r->out, "hostname", p.host);
        put_attribute(r->out, "loginname", p.login);
    }
    put_attribute(r->out, "currentdbname", qri_info(r->db)->name);
    qr_buf_addz(r->out, "><executionStack><frame>");
    put_text(r->out, p.statement);
    qr_buf_addz(r->out, "</frame></executionStack><inputbuf>");
    put_text(r->out, p.batch);
    qr_buf_addz(r->out, "</inputbuf></process>");
}

static void put_lock(struct report *r, const struct qr_deadlock_member *m,
                     const struct qr_deadlock_member *next)
{
    const char *element = element_of(&m->resource);
    qr_buf_printf(r->out, "<%s", element);
    put_resource(r, m);
    qr_buf_addz(r->out, "><owner-list>");
    if (m->next_has != QR_LOCK_NONE)
        qr_buf_printf(r->out, "<owner id=\"process%u\" mode=\"%s\"/>", next->session_id,
                      qr_lock_mode_name_on(&m->resource, m->next_has));
    else
        qr_buf_printf(r->out, "<owner id=\"process%u\" mode=\"%s\" requestType=\"wait\"/>",
                      next->session_id, qr_lock_mode_name_on(&m->resource, next->wants));
    qr_buf_printf(r->out,
                  "</owner-list><waiter-list><waiter id=\"process%u\" mode=\"%s\" "
                  "requestType=\"%s\"/></waiter-list></%s>",
                  m->session_id, qr_lock_mode_name_on(&m->resource, m->wants),
                  m->has != QR_LOCK_NONE ? "convert" : "wait", element);
}

enum qr_status qri_deadlock_report(struct qr_database *db, const struct qr_deadlock *d,
                                   struct qr_buf *out)
{
    struct qr_arena arena;
    qr_arena_init(&arena, ARENA_BYTES_MAX);
    pthread_mutex_lock(&db->catalog_mu);
    struct report r = {db, d, qri_catalog_ref(db->catalog), &arena, out};
    pthread_mutex_unlock(&db->catalog_mu);
    int64_t now_ns = qr_env_mono_ns(db->instance->options.env);
    size_t count = d->count < QR_DEADLOCK_MAX ? d->count : QR_DEADLOCK_MAX;
    qr_buf_printf(out,
                  "<deadlock><victim-list><victimProcess id=\"process%u\"/></victim-list>"
                  "<process-list>",
                  d->victim_session_id);
    for (size_t i = 0; i < count; i++)
        put_process(&r, &d->members[i], now_ns);
    qr_buf_addz(out, "</process-list><resource-list>");
    for (size_t i = 0; i < count; i++)
        put_lock(&r, &d->members[i], &d->members[(i + 1) % count]);
    qr_buf_addz(out, "</resource-list></deadlock>");
    qri_catalog_unref(r.catalog);
    qr_arena_done(&arena);
    return qr_buf_status(out, NULL);
}

/* ---- the last ones ---- */

void qri_deadlocks_init(struct qri_deadlocks *deadlocks)
{
    pthread_mutex_init(&deadlocks->mu, NULL);
}

static void forget(struct qri_deadlock_record *record)
{
    free(record->database);
    free(record->report);
    *record = (struct qri_deadlock_record){0};
}

void qri_deadlocks_done(struct qri_deadlocks *deadlocks)
{
    for (size_t i = 0; i < QRI_DEADLOCKS_KEPT; i++)
        forget(&deadlocks->kept[i]);
    pthread_mutex_destroy(&deadlocks->mu);
}

static void keep(struct qr_database *db, const struct qr_deadlock *d, const struct qr_buf *report)
{
    enum { DAYS_TO_1970 = 719162 };
    struct qr_instance *instance = db->instance;
    struct qri_deadlocks *all = &instance->deadlocks;
    struct qr_str name = qri_info(db)->name;
    struct qri_deadlock_record record = {.ticks = qr_env_wall_ns(instance->options.env) / 100 +
                                                  (int64_t)DAYS_TO_1970 * 86400 * 10000000,
                                         .server_id = db->info.server_id,
                                         .victim_session_id = d->victim_session_id,
                                         .database = strndup(name.p, name.n),
                                         .report =
                                             strndup((const char *)report->data, report->len)};
    if (record.database == NULL || record.report == NULL) {
        forget(&record);
        return;
    }
    pthread_mutex_lock(&all->mu);
    struct qri_deadlock_record *slot = &all->kept[all->count++ % QRI_DEADLOCKS_KEPT];
    forget(slot);
    *slot = record;
    pthread_mutex_unlock(&all->mu);
}

void qri_deadlock_found(void *ctx, const struct qr_deadlock *d)
{
    struct qr_database *db = ctx;
    atomic_fetch_add_explicit(&db->deadlocks, 1, memory_order_relaxed);
    if (db->instance->options.log != NULL)
        QR_LOG(db->instance->options.log, QR_INFO, "deadlock", QR_F("db", qri_info(db)->name),
               QR_F("victim", d->victim_session_id), QR_F("report", &d->text[0]));
    const struct qr_instance_host *host = &db->instance->options.host;
    if (host->deadlock != NULL)
        host->deadlock(host->ctx, db->info.own_id, qri_info(db)->name);
    struct qr_buf report;
    qr_buf_init(&report, QRI_DEADLOCK_REPORT_BYTES_MAX);
    if (qri_deadlock_report(db, d, &report) == QR_OK)
        keep(db, d, &report);
    qr_buf_done(&report);
}

enum qr_status
qri_deadlocks_each(struct qr_instance *instance, uint32_t server_id, struct qr_arena *arena,
                   enum qr_status (*each)(void *ctx, const struct qri_deadlock_record *record),
                   void *ctx)
{
    struct qri_deadlocks *all = &instance->deadlocks;
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < QRI_DEADLOCKS_KEPT && status == QR_OK; i++) {
        pthread_mutex_lock(&all->mu); /* not while `each` runs */
        struct qri_deadlock_record record = all->kept[(all->count + i) % QRI_DEADLOCKS_KEPT];
        bool is_one = record.ticks != 0 && record.server_id == server_id;
        if (is_one) {
            record.database = qr_arena_dup(arena, record.database, strlen(record.database));
            record.report = qr_arena_dup(arena, record.report, strlen(record.report));
        }
        pthread_mutex_unlock(&all->mu);
        if (is_one && (record.database == NULL || record.report == NULL))
            return QR_NOMEM;
        if (is_one)
            status = each(ctx, &record);
    }
    return status;
}

/* restore.c - see backup/restore.h
 *
 * The log is read twice: first to find the last commit that counts and the counters as of it, then
 * to write what leads there. */
#include "backup/restore.h"
#include <stdlib.h>
#include "base/map.h"
#include "backup_int.h"
#include "store/archive.h"
#include "base/banned.h"

struct counter {
    uint64_t id;
    int64_t next;
};

struct restore {
    const struct qr_backup_place *place;
    struct qr_backup_catalog all, catalog; /* catalog: of the store that there was then */
    uint64_t until_wall_ns;
    struct qri_choice use;
    struct qri_log_walk walk;
    struct qr_map counters;        /* struct counter by the bytes of its id */
    uint64_t cut_lsn, cut_wall_ns; /* the last commit that counts */
    bool in_log;                   /* it reads log, which no other choice has twice */
    bool built;                    /* all log that leads to the cut */
    uint64_t least_lsn; /* what is restored is not before this: the first choice's base */
    struct qr_archive_builder *builder;
    struct qr_buf raw;
    struct qr_restored done;
};

/* --- what to use --- */

/* Commits behind a gap may be of the time that is asked for. */
static enum qr_status check_gap(const struct restore *r, uint64_t end_lsn, struct qr_err *err)
{
    for (size_t i = 0; i < r->catalog.count; i++)
        if (r->catalog.rows[i].last.v > end_lsn)
            return qr_fail(err, QR_NOT_FOUND, "log behind LSN %llu is in no backup",
                           (unsigned long long)end_lsn);
    return QR_OK;
}

/* --- counters --- */

static struct qr_str key_of(const uint64_t *id)
{
    return qr_str_n((const char *)id, sizeof *id);
}

static enum qr_status note_counter(struct restore *r, const struct qr_record *rec,
                                   struct qr_err *err)
{
    uint64_t id = rec->counter.id;
    struct counter *c = qr_map_get(&r->counters, key_of(&id));
    if (rec->kind == QR_RECORD_DROP) {
        free(qr_map_remove(&r->counters, key_of(&id)));
        return QR_OK;
    }
    if (c == NULL) {
        c = calloc(1, sizeof *c);
        if (c == NULL || qr_map_put(&r->counters, key_of(&id), c) != QR_OK) {
            free(c);
            return qr_fail(err, QR_NOMEM, "counters");
        }
    }
    *c = (struct counter){id, rec->counter.next};
    return QR_OK;
}

static enum qr_status note_counters(struct restore *r, struct qr_err *err)
{
    for (size_t at = 0; at < r->raw.len;) {
        struct qr_record rec;
        QR_TRY(qr_record_decode(r->raw.data + at, r->raw.len - at, &rec, err));
        if (rec.kind != QR_RECORD_COUNTER)
            return qr_fail(err, QR_CORRUPT, "a record of kind %d among counters", rec.kind);
        QR_TRY(note_counter(r, &rec, err));
        at += rec.bytes;
    }
    return QR_OK;
}

static void forget_counters(struct restore *r)
{
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&r->counters, &i, &entry);)
        free(entry->value);
    qr_map_done(&r->counters);
}

/* --- pages --- */

/* `*last` is the page before: a full backup has each page once, in order. */
static enum qr_status build_pages(struct restore *r, const struct qr_backup_row *row, uint8_t *page,
                                  uint32_t *last, struct qr_err *err)
{
    for (size_t at = 0; at < r->raw.len;) {
        uint32_t page_no = 0;
        struct qr_lsn version;
        QR_TRY(qri_page_next(&r->raw, &at, row->page_bytes, &page_no, &version, page, err));
        bool follows = row->kind == QR_BACKUP_FULL ? page_no == *last + 1 : page_no > *last;
        if (!follows || page_no > row->pages)
            return qr_fail(err, QR_CORRUPT, "page %u follows page %u", page_no, *last);
        *last = page_no;
        QR_TRY(qr_archive_build_page(r->builder, page_no, version, page, err));
        r->done.pages++;
    }
    return QR_OK;
}

static enum qr_status build_set(struct restore *r, const struct qr_backup_row *row, uint8_t *page,
                                struct qr_err *err)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < row->part_count; i++) {
        struct qri_part part;
        qr_buf_clear(&r->raw);
        QR_TRY(qri_part_get(r->place, row, i, &part, &r->raw, err));
        if (part.content == QRI_CONTENT_PAGES)
            QR_TRY(build_pages(r, row, page, &last, err));
        r->done.stored_bytes += part.stored_bytes;
    }
    if (row->kind == QR_BACKUP_FULL && last != row->pages)
        return qr_fail(err, QR_CORRUPT, "a full backup of %u pages has %u", row->pages, last);
    return QR_OK;
}

static enum qr_status build_database(struct restore *r, struct qr_err *err)
{
    uint8_t *page = malloc(r->use.base->page_bytes);
    if (page == NULL)
        return qr_fail(err, QR_NOMEM, "page");
    enum qr_status status = QR_OK;
    if (r->use.full->page_bytes != r->use.base->page_bytes ||
        r->use.full->pages > r->use.base->pages)
        status = qr_fail(err, QR_CORRUPT, "a differential backup does not fit its full one");
    if (status == QR_OK)
        status = build_set(r, r->use.full, page, err);
    if (status == QR_OK && r->use.diff != NULL)
        status = build_set(r, r->use.diff, page, err);
    free(page);
    return status;
}

/* The counters of the base are all in it, even when it is a differential one. */
static enum qr_status read_counters(struct restore *r, struct qr_err *err)
{
    for (uint32_t i = 0; i < r->use.base->part_count; i++) {
        struct qri_part part;
        uint32_t from_end = r->use.base->part_count - 1 - i; /* they are the last parts */
        qr_buf_clear(&r->raw);
        QR_TRY(qri_part_get(r->place, r->use.base, from_end, &part, &r->raw, err));
        if (part.content != QRI_CONTENT_COUNTERS)
            return QR_OK;
        QR_TRY(note_counters(r, err));
    }
    return QR_OK;
}

/* --- log --- */

static enum qr_status find_cut(void *ctx, const struct qr_record *rec, uint64_t start_lsn,
                               struct qr_err *err)
{
    struct restore *r = ctx;
    if (rec->kind == QR_RECORD_COUNTER || rec->kind == QR_RECORD_DROP)
        return note_counter(r, rec, err);
    if (rec->kind != QR_RECORD_COMMIT)
        return QR_OK;
    if (rec->commit.wall_ns > r->until_wall_ns) {
        r->walk.over = true;
    } else {
        r->cut_lsn = start_lsn + rec->bytes;
        r->cut_wall_ns = rec->commit.wall_ns;
    }
    return QR_OK;
}

typedef enum qr_status piece_fn(struct restore *r, struct qr_piece *piece, struct qr_err *err);

static enum qr_status each_piece_of(struct restore *r, const struct qr_backup_row *row,
                                    const bool *stop, piece_fn *each, struct qr_err *err)
{
    for (uint32_t i = 0; i < row->part_count && !*stop; i++) {
        struct qri_part part;
        qr_buf_clear(&r->raw);
        QR_TRY(qri_part_get(r->place, row, i, &part, &r->raw, err));
        for (size_t at = 0; at < r->raw.len && !*stop;) {
            struct qr_piece piece;
            QR_TRY(qr_piece_next(r->raw.data, r->raw.len, &at, &piece, err));
            QR_TRY(each(r, &piece, err));
        }
    }
    return QR_OK;
}

static void name_damage(const struct restore *r, const struct qr_err *err)
{
    QR_LOG(&r->place->log, QR_WARN, "backup_damaged", QR_F("prefix", r->place->prefix),
           QR_F("reason", err == NULL ? "" : (const char *)err->text));
}

/* Every piece of log from the base's commit on, in order, until none follows or *stop. Damage where
 * no commit counts any more hides no more than numbers that counters had given there. */
static enum qr_status each_piece(struct restore *r, bool *stop, piece_fn *each, uint64_t *ret_end,
                                 struct qr_err *err)
{
    uint64_t lsn = r->use.base->last.v;
    r->in_log = true;
    for (const struct qr_backup_row *row; !*stop && (row = qri_log_at(&r->catalog, lsn)) != NULL;) {
        enum qr_status status = each_piece_of(r, row, stop, each, err);
        if (status == QR_CORRUPT && row->first_wall_ns > r->until_wall_ns) {
            name_damage(r, err);
            *stop = true;
        } else {
            QR_TRY(status);
        }
        lsn = row->last.v;
    }
    *ret_end = lsn;
    r->in_log = false;
    return QR_OK;
}

static enum qr_status walk_piece(struct restore *r, struct qr_piece *piece, struct qr_err *err)
{
    return qri_log_walk_piece(&r->walk, piece, find_cut, r, err);
}

/* What of the piece lies between the base's commit and the cut. */
static enum qr_status build_piece(struct restore *r, struct qr_piece *p, struct qr_err *err)
{
    uint64_t first = r->use.base->last.v, end = p->first_lsn + p->bytes;
    r->built = end >= r->cut_lsn;
    if (end <= first || p->first_lsn >= r->cut_lsn)
        return QR_OK;
    if (p->first_lsn < first) {
        p->data += first - p->first_lsn;
        p->bytes -= (uint32_t)(first - p->first_lsn);
        p->first_lsn = first;
        p->flags = 0;
    }
    if (end > r->cut_lsn)
        p->bytes -= (uint32_t)(end - r->cut_lsn);
    r->done.log_bytes += p->bytes;
    return qr_archive_build_log(r->builder, p, err);
}

static enum qr_status find_end(struct restore *r, struct qr_err *err)
{
    uint64_t end = 0;
    r->cut_lsn = r->use.base->last.v;
    r->cut_wall_ns = r->use.base->wall_ns;
    QR_TRY(read_counters(r, err));
    QR_TRY(each_piece(r, &r->walk.over, walk_piece, &end, err));
    if (!r->walk.over) {
        r->in_log = true; /* whatever the choice */
        QR_TRY(qri_check_newest(&r->catalog, r->use.full, err));
        r->in_log = false;
    }
    return r->walk.over || r->until_wall_ns == UINT64_MAX ? QR_OK : check_gap(r, end, err);
}

static enum qr_status build(struct restore *r, const char *dir, struct qr_err *err)
{
    const struct qr_backup_row *b = r->use.base;
    uint64_t end = 0;
    struct qr_archive_point point = {.page_bytes = b->page_bytes,
                                     .pages = b->pages,
                                     .lsn = b->last,
                                     .commit_no = b->commit_no,
                                     .commit_wall_ns = b->wall_ns,
                                     .epoch = b->epoch};
    QR_TRY(qr_archive_build(r->place->env != NULL ? r->place->env : qr_env_real(), dir, &point,
                            r->place->keyring == NULL ? NULL
                                                      : qr_keyring_server_key(r->place->keyring),
                            &r->builder, err));
    QR_TRY(build_database(r, err));
    r->built = r->cut_lsn <= b->last.v;
    QR_TRY(each_piece(r, &r->built, build_piece, &end, err));
    const struct qr_map_entry *entry;
    qr_buf_clear(&r->raw);
    r->raw.bytes_max = SIZE_MAX / 4;
    for (size_t i = 0; qr_map_next(&r->counters, &i, &entry);) {
        const struct counter *c = entry->value;
        qr_record_add_counter(&r->raw, c->id, c->next);
    }
    QR_TRY(qr_buf_status(&r->raw, err));
    return qr_archive_finish(QR_TAKE(r->builder), &r->raw, err);
}

/* What is older than all that can be read may be in a chain that cannot. */
static bool hides_time(const struct qr_backup_catalog *c)
{
    return c->damaged_first != 0 && (c->count == 0 || c->damaged_first < c->rows[0].chain);
}

/* The k-th choice; what an earlier one has left goes. */
static enum qr_status try_choice(struct restore *r, uint32_t attempt, const char *dir,
                                 struct qr_err *err)
{
    enum qr_status chosen = qri_choose_base(&r->catalog, r->until_wall_ns, attempt, &r->use, err);
    if (chosen == QR_NOT_FOUND && hides_time(&r->catalog))
        return qr_fail(err, QR_CORRUPT, "the manifest of chain %08x is damaged",
                       r->catalog.damaged_first);
    QR_TRY(chosen);
    qr_archive_abandon(QR_TAKE(r->builder));
    forget_counters(r);
    r->done = (struct qr_restored){.pages = 0};
    qri_log_walk_init(&r->walk, r->use.base->last.v);
    enum qr_status status = find_end(r, err);
    qri_log_walk_done(&r->walk);
    if (status == QR_OK && r->cut_lsn < r->least_lsn)
        return qr_fail(err, QR_CORRUPT, "log behind an older full backup is in no backup");
    return status == QR_OK ? build(r, dir, err) : status;
}

/* The store that the database had at that time. Of one that another took the place of, backups say
 * how long it was the database's. */
static enum qr_status choose_store(struct restore *r, struct qr_err *err)
{
    struct qri_choice newest;
    r->catalog = r->all;
    if (qri_choose_base(&r->all, r->until_wall_ns, 0, &newest, NULL) != QR_OK)
        return QR_OK; /* the first choice fails */
    r->catalog = qri_backups_of(&r->all, &newest.full->timeline);
    bool is_last = r->catalog.rows + r->catalog.count == r->all.rows + r->all.count;
    return is_last || qr_backup_reaches(&r->catalog, r->until_wall_ns)
               ? QR_OK
               : qr_fail(err, QR_NOT_FOUND, "no backup is of that time");
}

/* A damaged backup is gone around, by an older one and the log behind that. */
static enum qr_status run(struct restore *r, const char *dir, struct qr_err *err)
{
    QR_TRY(qr_wrap(err, qr_backup_list(r->place, &r->all, err), "list backups"));
    QR_TRY(choose_store(r, err));
    enum qr_status status = try_choice(r, 0, dir, err);
    r->least_lsn = r->use.base != NULL ? r->use.base->last.v : 0;
    struct qr_err first = {0};
    for (uint32_t attempt = 1; status == QR_CORRUPT && !r->in_log; attempt++) {
        struct qri_choice other;
        if (qri_choose_base(&r->catalog, r->until_wall_ns, attempt, &other, NULL) != QR_OK)
            break;
        if (attempt == 1 && err != NULL)
            first = *err;
        name_damage(r, err);
        status = try_choice(r, attempt, dir, err);
        if (status == QR_NOT_FOUND) { /* a gap: the damage is what is to be told */
            status = QR_CORRUPT;
            if (err != NULL)
                *err = first;
        }
    }
    return status;
}

enum qr_status qr_backup_restore(const struct qr_backup_place *place, uint64_t wall_ns,
                                 const char *dir, struct qr_restored *ret_restored,
                                 struct qr_err *err)
{
    struct restore r = {.place = place, .until_wall_ns = wall_ns};
    qr_buf_init(&r.raw, QRI_PART_RAW_BYTES_MAX + 1);
    qr_map_init(&r.counters, false);
    enum qr_status status = run(&r, dir, err);
    qr_archive_abandon(r.builder);
    forget_counters(&r);
    qr_buf_done(&r.raw);
    qr_backup_catalog_done(&r.all);
    if (status != QR_OK)
        return qr_wrap(err, status, "restore into '%s'", dir);
    r.done.lsn = qr_lsn(r.cut_lsn);
    r.done.wall_ns = r.cut_wall_ns;
    QR_LOG(&place->log, QR_INFO, "restored", QR_F("dir", dir), QR_F("lsn", r.cut_lsn),
           QR_F("pages", r.done.pages), QR_F("log_bytes", r.done.log_bytes));
    *ret_restored = r.done;
    return QR_OK;
}

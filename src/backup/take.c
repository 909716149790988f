/* take.c - see backup/backup.h: taking backups */
#include <stdlib.h>
#include <string.h>
#include "backup_int.h"
#include "governor/task.h"
#include "store/archive.h"
#include "base/banned.h"

/* A backup being written: its parts go one by one, its row last. */
struct set {
    const struct qr_backup_place *place;
    struct qr_backup_row row;
    struct qri_part part; /* the next one */
    struct qr_buf raw, stored;
};

static void set_begin(struct set *s, const struct qr_backup_place *place,
                      const struct qr_backup_row *row)
{
    struct qr_env *env = place->env != NULL ? place->env : qr_env_real();
    *s = (struct set){.place = place, .row = *row};
    qr_env_random(env, &s->row.set_id, sizeof s->row.set_id);
    s->row.taken_wall_ns = (uint64_t)qr_env_wall_ns(env);
    s->part = (struct qri_part){.timeline = row->timeline,
                                .set_id = s->row.set_id,
                                .chain = row->chain,
                                .seq = row->seq,
                                .page_bytes = row->page_bytes};
    qr_buf_init(&s->raw, QRI_PART_RAW_BYTES_MAX);
    qr_buf_init(&s->stored, QRI_PART_STORED_BYTES_MAX);
}

static void set_done(struct set *s)
{
    qr_buf_done(&s->raw);
    qr_buf_done(&s->stored);
}

static enum qr_status put_part(struct set *s, enum qri_content content, struct qr_err *err)
{
    char name[QRI_OBJECT_NAME_BYTES];
    s->part.content = content;
    qr_buf_clear(&s->stored);
    QR_TRY(qri_part_encode(&s->part, &s->raw, s->place->keyring,
                           s->place->env != NULL ? s->place->env : qr_env_real(), &s->stored, err));
    qri_backup_part_name(s->place, s->row.chain, s->row.seq, s->part.part_no, name);
    QR_TRY(qr_wrap(
        err, qr_blob_put(s->place->blob, name, s->stored.data, s->stored.len, NULL, NULL, err),
        "write '%s'", name));
    s->row.raw_bytes += s->raw.len;
    s->row.stored_bytes += s->stored.len;
    s->row.part_count = ++s->part.part_no;
    qr_buf_clear(&s->raw);
    return QR_OK;
}

/* --- pages --- */

static enum qr_status put_pages(struct set *s, struct qr_archive *archive, uint8_t *page,
                                struct qr_err *err)
{
    for (uint32_t p = 1; p <= s->row.pages; p++) {
        qr_gov_poll();
        struct qr_lsn version;
        QR_TRY(qr_wrap(err, qr_archive_read(archive, p, page, &version, err), "page %u", p));
        if (s->row.kind == QR_BACKUP_DIFF && version.v <= s->row.base.v)
            continue;
        qri_page_add(&s->raw, p, version, page, s->row.page_bytes);
        if (s->raw.len >= QRI_PART_RAW_BYTES)
            QR_TRY(put_part(s, QRI_CONTENT_PAGES, err));
    }
    return s->raw.len > 0 ? put_part(s, QRI_CONTENT_PAGES, err) : qr_buf_status(&s->raw, err);
}

static enum qr_status put_counters(struct set *s, const struct qr_buf *counters, struct qr_err *err)
{
    for (size_t at = 0; at < counters->len;) {
        struct qr_record rec;
        QR_TRY(qr_record_decode(counters->data + at, counters->len - at, &rec, err));
        qr_buf_add(&s->raw, counters->data + at, rec.bytes);
        at += rec.bytes;
        if (s->raw.len >= QRI_PART_RAW_BYTES)
            QR_TRY(put_part(s, QRI_CONTENT_COUNTERS, err));
    }
    return s->raw.len > 0 ? put_part(s, QRI_CONTENT_COUNTERS, err) : QR_OK;
}

static enum qr_status put_database(struct set *s, struct qr_archive *archive, struct qr_err *err)
{
    uint8_t *page = malloc(s->row.page_bytes);
    if (page == NULL)
        return qr_fail(err, QR_NOMEM, "page");
    enum qr_status status = put_pages(s, archive, page, err);
    if (status == QR_OK)
        status = put_counters(s, qr_archive_counters(archive), err);
    free(page);
    return status;
}

/* --- the manifest --- */

static void set_end(struct set *s)
{
    struct qr_env *env = s->place->env != NULL ? s->place->env : qr_env_real();
    s->row.end_wall_ns = (uint64_t)qr_env_wall_ns(env);
}

/* Rows of the chain and the new one; compare-and-set, so that of two writers one fails. */
static enum qr_status put_row(const struct qr_backup_place *place,
                              const struct qr_backup_catalog *catalog,
                              const struct qr_backup_row *row, struct qr_err *err)
{
    size_t first = catalog->count;
    while (first > 0 && catalog->rows[first - 1].chain == row->chain)
        first--;
    size_t count = catalog->count - first + 1;
    struct qr_backup_row *rows = calloc(count, sizeof *rows);
    if (rows == NULL)
        return qr_fail(err, QR_NOMEM, "manifest");
    if (count > 1)
        memcpy(rows, catalog->rows + first, (count - 1) * sizeof *rows);
    rows[count - 1] = *row;
    char name[QRI_OBJECT_NAME_BYTES];
    struct qr_buf buf;
    qr_buf_init(&buf, SIZE_MAX / 4);
    qri_chain_name(place, row->chain, name);
    qri_chain_encode(row->chain, rows, count, &buf);
    free(rows);
    enum qr_status status = qr_buf_status(&buf, err);
    if (status == QR_OK)
        status = qr_blob_put(place->blob, name, buf.data, buf.len,
                             count == 1 ? "" : catalog->newest_tag.z, NULL, err);
    qr_buf_done(&buf);
    return qr_wrap(err, status, "write '%s'", name);
}

/* What an earlier try left where this one will write. */
static enum qr_status clear_place(const struct qr_backup_place *place,
                                  const struct qr_backup_row *row, struct qr_err *err)
{
    char prefix[QRI_OBJECT_NAME_BYTES];
    qri_backup_part_name(place, row->chain, row->seq == 0 ? UINT64_MAX : row->seq, UINT64_MAX,
                         prefix);
    return qri_backup_delete_prefix(place, prefix, err);
}

/* Where the next row of the newest chain goes. */
static struct qr_backup_row next_row(const struct qr_backup_catalog *catalog,
                                     const struct qr_timeline *timeline, enum qr_backup_kind kind)
{
    const struct qr_backup_row *last =
        catalog->count > 0 ? &catalog->rows[catalog->count - 1] : NULL;
    struct qr_backup_row row = {.kind = kind, .chain = 1, .timeline = *timeline};
    if (last != NULL && kind == QR_BACKUP_FULL)
        row.chain = last->chain + 1;
    else if (last != NULL)
        row.chain = last->chain, row.seq = last->seq + 1;
    if (row.chain <= catalog->damaged_last) /* only a full one comes behind that */
        row.chain = catalog->damaged_last + 1;
    return row;
}

/* --- full and differential --- */

static enum qr_status take_pages(const struct qr_backup_place *place,
                                 const struct qr_backup_catalog *catalog,
                                 struct qr_archive *archive, enum qr_backup_kind kind,
                                 struct qr_backup_row *ret_row, struct qr_err *err)
{
    const struct qr_archive_point *point = qr_archive_point(archive);
    const struct qr_backup_catalog of_it = qri_backups_of(catalog, &point->timeline);
    const struct qr_backup_row *full = qri_newest_full(&of_it);
    if (kind == QR_BACKUP_DIFF && full == NULL)
        return qr_fail(err, QR_NOT_FOUND, "there is no full backup");
    struct qr_backup_row row = next_row(catalog, &point->timeline, kind);
    row.first = row.last = point->lsn;
    row.base = kind == QR_BACKUP_DIFF ? full->last : qr_lsn(0);
    row.wall_ns = point->commit_wall_ns;
    row.commit_no = point->commit_no;
    row.epoch = point->epoch;
    row.page_bytes = point->page_bytes;
    row.pages = point->pages;
    QR_TRY(clear_place(place, &row, err));
    struct set s;
    set_begin(&s, place, &row);
    enum qr_status status = put_database(&s, archive, err);
    set_end(&s);
    if (status == QR_OK)
        status = put_row(place, catalog, &s.row, err);
    if (status == QR_OK)
        *ret_row = s.row;
    set_done(&s);
    return status;
}

/* --- log --- */

struct marks { /* of the first commit met, and of the last */
    uint64_t first_wall_ns, wall_ns, commit_no;
};

static enum qr_status note_mark(void *ctx, const struct qr_record *rec, uint64_t start_lsn,
                                struct qr_err *err)
{
    (void)start_lsn, (void)err;
    struct marks *m = ctx;
    if (rec->kind != QR_RECORD_COMMIT)
        return QR_OK;
    if (m->first_wall_ns == 0)
        m->first_wall_ns = rec->commit.wall_ns;
    m->wall_ns = rec->commit.wall_ns;
    m->commit_no = rec->commit.commit_no;
    return QR_OK;
}

static enum qr_status walk_raw(struct qri_log_walk *walk, const struct qr_buf *raw,
                               struct marks *marks, struct qr_err *err)
{
    for (size_t at = 0; at < raw->len;) {
        struct qr_piece piece;
        QR_TRY(qr_piece_next(raw->data, raw->len, &at, &piece, err));
        QR_TRY(qri_log_walk_piece(walk, &piece, note_mark, marks, err));
    }
    return QR_OK;
}

static enum qr_status put_log(struct set *s, struct qr_store *store, struct qri_log_walk *walk,
                              struct marks *marks, struct qr_err *err)
{
    for (;;) {
        struct qr_lsn end;
        QR_TRY(qr_archive_log(store, s->row.last, QRI_PART_RAW_BYTES, &s->raw, &end, err));
        if (end.v == s->row.last.v)
            return QR_OK;
        QR_TRY(walk_raw(walk, &s->raw, marks, err));
        QR_TRY(put_part(s, QRI_CONTENT_LOG, err));
        s->row.last = end;
        if (end.v >= qr_store_durable_lsn(store).v)
            return QR_OK;
    }
}

/* Log backups follow one another, whatever full ones lie between them. When the store has lost what
 * comes behind the last, they begin anew behind the newest full one. */
static enum qr_status find_start(const struct qr_backup_catalog *catalog, struct qr_store *store,
                                 struct qr_lsn *ret_from, struct qr_err *err)
{
    const struct qr_backup_row *full = qri_newest_full(catalog), *log = qri_last_log(catalog);
    if (full == NULL)
        return qr_fail(err, QR_NOT_FOUND, "there is no full backup");
    struct qr_buf some;
    struct qr_lsn end, from = log != NULL ? log->last : full->last;
    qr_buf_init(&some, QRI_PART_RAW_BYTES_MAX);
    enum qr_status status = qr_archive_log(store, from, 1, &some, &end, err);
    if ((status == QR_NOT_FOUND || status == QR_CORRUPT) && from.v < full->last.v) {
        from = full->last;
        qr_buf_clear(&some);
        status = qr_archive_log(store, from, 1, &some, &end, err);
    }
    qr_buf_done(&some);
    if (status == QR_CORRUPT)
        return qr_fail(err, QR_NOT_FOUND, "log behind the last backup is damaged");
    if (status == QR_OK)
        *ret_from = from;
    return status;
}

static enum qr_status write_log_set(struct set *s, const struct qr_backup_catalog *catalog,
                                    struct qr_store *store, struct qr_err *err)
{
    struct qri_log_walk walk;
    struct marks marks = {.wall_ns = 0};
    qri_log_walk_init(&walk, s->row.first.v);
    enum qr_status status = put_log(s, store, &walk, &marks, err);
    qri_log_walk_done(&walk);
    if (status == QR_OK && s->row.part_count > 0) {
        s->row.wall_ns = marks.wall_ns != 0 ? marks.wall_ns : s->row.wall_ns;
        s->row.first_wall_ns = marks.first_wall_ns;
        s->row.commit_no = marks.commit_no;
        set_end(s);
        status = put_row(s->place, catalog, &s->row, err);
    }
    return status;
}

static enum qr_status take_log(const struct qr_backup_place *place,
                               const struct qr_backup_catalog *catalog, struct qr_store *store,
                               bool *ret_taken, struct qr_backup_row *ret_row, struct qr_err *err)
{
    struct qr_timeline timeline = qr_store_timeline(store);
    const struct qr_backup_catalog of_it = qri_backups_of(catalog, &timeline);
    struct qr_backup_row row = next_row(catalog, &timeline, QR_BACKUP_LOG);
    QR_TRY(find_start(&of_it, store, &row.first, err));
    row.last = row.first;
    row.page_bytes = qr_store_page_bytes(store);
    row.wall_ns = catalog->rows[catalog->count - 1].wall_ns;
    QR_TRY(clear_place(place, &row, err));
    struct set s;
    set_begin(&s, place, &row);
    enum qr_status status = write_log_set(&s, catalog, store, err);
    if (status == QR_OK) {
        *ret_taken = s.row.part_count > 0;
        *ret_row = s.row;
        qr_archive_release(store, s.row.last);
    }
    set_done(&s);
    return status;
}

/* --- both --- */

static const char *const kind_names[] = {
    [QR_BACKUP_FULL] = "full", [QR_BACKUP_DIFF] = "differential", [QR_BACKUP_LOG] = "log"};

static enum qr_status take(const struct qr_backup_place *place,
                           const struct qr_backup_catalog *catalog, struct qr_store *store,
                           enum qr_backup_kind kind, bool *ret_taken, struct qr_backup_row *ret_row,
                           struct qr_err *err)
{
    if (kind != QR_BACKUP_FULL && qri_check_newest(catalog, qri_newest_full(catalog), err) != QR_OK)
        return QR_NOT_FOUND; /* what the next one would build on */
    if (kind == QR_BACKUP_LOG)
        return take_log(place, catalog, store, ret_taken, ret_row, err);
    struct qr_archive *archive = NULL;
    QR_TRY(qr_archive_open(store, &archive, err));
    enum qr_status status = take_pages(place, catalog, archive, kind, ret_row, err);
    qr_archive_close(archive);
    if (status == QR_OK)
        *ret_taken = true;
    return status;
}

enum qr_status qr_backup_take(const struct qr_backup_place *place, struct qr_store *store,
                              enum qr_backup_kind kind, bool *ret_taken,
                              struct qr_backup_row *ret_row, struct qr_err *err)
{
    struct qr_backup_catalog catalog;
    struct qr_backup_row row = {.seq = 0};
    bool taken = false;
    QR_TRY(qr_wrap(err, qr_backup_list(place, &catalog, err), "list backups"));
    enum qr_status status = take(place, &catalog, store, kind, &taken, &row, err);
    qr_backup_catalog_done(&catalog);
    if (status != QR_OK)
        return qr_wrap(err, status, "take a %s backup", kind_names[kind]);
    if (taken)
        QR_LOG(&place->log, QR_INFO, "backup_taken", QR_F("kind", kind_names[kind]),
               QR_F("chain", row.chain), QR_F("lsn", row.last.v), QR_F("bytes", row.stored_bytes));
    *ret_taken = taken;
    *ret_row = row;
    return QR_OK;
}

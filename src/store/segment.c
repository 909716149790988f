/* segment.c - the files of the log; see store_int.h. A segment gets its name only when its space is
 * taken, it has its header and is synced, so every segment that has its name is whole. Old ones
 * are used again: their blocks have lower LSNs than what is expected there, so nobody takes them.
 */
#include "log_reader_int.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/banned.h"

enum {
    ZERO_BYTES = 1 << 18,
    FIRST_BYTES = 1 << 20, /* a database that is hardly used needs no more, and is made at once */
    GROWTH = 4,        /* each segment is so much larger than the one before, up to the option */
    SPARES_MAX = 2,    /* old segments kept for use behind the last */
    ROOM_SLACK = 2048, /* what cutting a block at a segment's end can waste */
};

static void segment_path(const struct qr_store *store, uint64_t no,
                         char dst[QR_STORE_PATH_BYTES_MAX + 64])
{
    char name[32];
    snprintf(name, sizeof name, "log.%016llx", (unsigned long long)no);
    qri_store_path(store, dst, name);
}

int64_t qri_logfile_room(const struct qri_segment *segment, uint64_t offset)
{
    int64_t room = (int64_t)segment->bytes - (int64_t)offset - ROOM_SLACK;
    return room > 0 ? room : 0;
}

static enum qr_status fill_with_zeros(struct qr_file *file, uint64_t bytes, struct qr_err *err)
{
    uint8_t *zeros = calloc(1, ZERO_BYTES);
    if (zeros == NULL)
        return qr_fail(err, QR_NOMEM, "zeros");
    enum qr_status status = QR_OK;
    for (uint64_t at = 0; at < bytes && status == QR_OK; at += ZERO_BYTES)
        status =
            qr_file_pwrite(file, zeros, bytes - at < ZERO_BYTES ? bytes - at : ZERO_BYTES, at, err);
    free(zeros);
    return status;
}

static enum qr_status write_header(struct qr_store *store, struct qr_file *file, uint64_t no,
                                   uint64_t bytes, struct qr_err *err)
{
    uint8_t sector[QR_SECTOR_BYTES];
    struct qr_segment_header header = {.segment_no = no, .file_bytes = bytes};
    memcpy(header.timeline, store->timeline, QR_TIMELINE_BYTES);
    qr_segment_header_encode(sector, &header);
    QR_TRY(qr_file_pwrite(file, sector, sizeof sector, 0, err));
    return store->options.sync_off ? QR_OK : qr_file_sync(file, err);
}

static struct qri_segment *last_segment(struct qr_store *store)
{
    pthread_mutex_lock(&store->log.segments_mu);
    struct qri_segment *s = store->log.segments;
    while (s != NULL && s->next != NULL)
        s = s->next;
    pthread_mutex_unlock(&store->log.segments_mu);
    return s;
}

static uint64_t next_bytes(struct qr_store *store)
{
    const struct qri_segment *last = last_segment(store);
    uint64_t bytes = last == NULL ? FIRST_BYTES : last->bytes * GROWTH;
    uint64_t max = store->options.log_segment_bytes;
    return bytes < max ? bytes : max;
}

enum qr_status qri_logfile_create(struct qr_store *store, uint64_t no, bool ahead,
                                  struct qri_segment **ret_segment, struct qr_err *err)
{
    char tmp[QR_STORE_PATH_BYTES_MAX + 64], path[QR_STORE_PATH_BYTES_MAX + 64];
    qri_store_path(store, tmp, "log.tmp");
    segment_path(store, no, path);
    uint64_t bytes = next_bytes(store);
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    QR_TRY(qr_env_open(store->env, tmp,
                       QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE | QR_OPEN_DIRECT, &file,
                       err));
    enum qr_status status = qr_file_preallocate(file, 0, bytes, err);
    if (status == QR_OK && ahead)
        status = fill_with_zeros(file, bytes, err);
    if (status == QR_OK)
        status = write_header(store, file, no, bytes, err);
    if (status != QR_OK)
        (void)!qr_file_truncate(file, 0,
                                NULL); /* gives back space: it may be what the disk lacks */
    else
        status = qr_env_rename(store->env, tmp, path, err);
    if (status == QR_OK)
        status = qr_env_sync_dir(store->env, store->dir, err);
    QR_TRY(qr_wrap(err, status, "make log segment '%s'", path));
    struct qri_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return qr_fail(err, QR_NOMEM, "log segment");
    *segment = (struct qri_segment){.no = no, .file = QR_TAKE(file), .bytes = bytes};
    atomic_fetch_add(&store->log.file_bytes, bytes);
    *ret_segment = segment;
    return QR_OK;
}

static enum qr_status check_header(struct qr_store *store, struct qr_file *file, uint64_t no,
                                   uint64_t *ret_bytes, struct qr_err *err)
{
    uint8_t sector[QR_SECTOR_BYTES];
    struct qr_segment_header header;
    uint64_t file_bytes;
    QR_TRY(qr_file_read_exactly(file, sector, sizeof sector, 0, err));
    QR_TRY(qr_segment_header_decode(sector, &header, err));
    QR_TRY(qr_file_size(file, &file_bytes, err));
    if (header.segment_no != no ||
        memcmp(header.timeline, store->timeline, QR_TIMELINE_BYTES) != 0 ||
        file_bytes < header.file_bytes || header.file_bytes < 2 * QR_SEGMENT_HEADER_BYTES)
        return qr_fail(err, QR_CORRUPT, "the header says it is segment %llu with %llu bytes",
                       (unsigned long long)header.segment_no,
                       (unsigned long long)header.file_bytes);
    *ret_bytes = header.file_bytes;
    return QR_OK;
}

enum qr_status qri_logfile_open(struct qr_store *store, uint64_t no,
                                struct qri_segment **ret_segment, struct qr_err *err)
{
    char path[QR_STORE_PATH_BYTES_MAX + 64];
    segment_path(store, no, path);
    QR_AUTO(qr_file_closep) struct qr_file *file = NULL;
    QR_TRY(qr_env_open(store->env, path, QR_OPEN_RW | QR_OPEN_DIRECT, &file, err));
    uint64_t bytes = 0;
    enum qr_status status = check_header(store, file, no, &bytes, err);
    if (status == QR_TRUNCATED)
        status = qr_fail(err, QR_CORRUPT, "the file is too short");
    QR_TRY(qr_wrap(err, status, "open log segment '%s'", path));
    struct qri_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return qr_fail(err, QR_NOMEM, "log segment");
    *segment = (struct qri_segment){.no = no, .file = QR_TAKE(file), .bytes = bytes};
    atomic_fetch_add(&store->log.file_bytes, bytes);
    *ret_segment = segment;
    return QR_OK;
}

void qri_logfile_append(struct qr_store *store, struct qri_segment *segment)
{
    pthread_mutex_lock(&store->log.segments_mu);
    struct qri_segment **place = &store->log.segments;
    while (*place != NULL)
        place = &(*place)->next;
    *place = segment;
    pthread_mutex_unlock(&store->log.segments_mu);
}

struct qri_segment *qri_logfile_find(struct qr_store *store, uint64_t no)
{
    pthread_mutex_lock(&store->log.segments_mu);
    struct qri_segment *s = store->log.segments;
    while (s != NULL && s->no != no)
        s = s->next;
    pthread_mutex_unlock(&store->log.segments_mu);
    return s;
}

static uint64_t last_no(struct qr_store *store)
{
    const struct qri_segment *last = last_segment(store);
    return last == NULL ? 0 : last->no;
}

bool qri_logfile_is_low(const struct qr_store *store)
{
    return store->log.room < (int64_t)store->log.last_bytes / 2;
}

enum qr_status qri_logfile_extend(struct qr_store *store, bool ahead, struct qr_err *err)
{
    struct qri_segment *segment = NULL;
    pthread_mutex_lock(&store->log.extend_mu);
    enum qr_status status = qri_logfile_create(store, last_no(store) + 1, ahead, &segment, err);
    if (status == QR_OK) {
        qri_logfile_append(store, segment);
        pthread_mutex_lock(&store->log.mu);
        store->log.room += qri_logfile_room(segment, QR_SEGMENT_HEADER_BYTES);
        store->log.last_bytes = segment->bytes;
        pthread_mutex_unlock(&store->log.mu);
    }
    pthread_mutex_unlock(&store->log.extend_mu);
    return status;
}

static void close_segment(struct qr_store *store, struct qri_segment *segment)
{
    atomic_fetch_sub(&store->log.file_bytes, segment->bytes);
    qr_file_close(segment->file);
    free(segment);
}

/* Makes an old segment the last one. On failure it is closed and its name removed. */
static bool reuse_segment(struct qr_store *store, struct qri_segment *segment)
{
    char old_path[QR_STORE_PATH_BYTES_MAX + 64], tmp[QR_STORE_PATH_BYTES_MAX + 64],
        new_path[QR_STORE_PATH_BYTES_MAX + 64];
    uint64_t no = last_no(store) + 1;
    segment_path(store, segment->no, old_path);
    segment_path(store, no, new_path);
    qri_store_path(store, tmp, "log.tmp");
    if (qr_env_rename(store->env, old_path, tmp, NULL) != QR_OK ||
        write_header(store, segment->file, no, segment->bytes, NULL) != QR_OK ||
        qr_env_rename(store->env, tmp, new_path, NULL) != QR_OK ||
        qr_env_sync_dir(store->env, store->dir, NULL) != QR_OK)
        return false;
    segment->no = no;
    segment->first_lsn = segment->after_lsn = 0;
    return true;
}

static size_t count_behind(struct qr_store *store, uint64_t no)
{
    size_t count = 0;
    for (struct qri_segment *s = store->log.segments; s != NULL; s = s->next)
        count += s->no > no;
    return count;
}

/* With segments_mu held: does a backup still wait for log in the first segment? Not for ever: past
 * the bound the oldest goes, and the next backup finds that it has to begin anew. */
static bool is_held(struct qr_store *store, const struct qri_segment *s, uint64_t no)
{
    uint64_t max = store->options.log_hold_bytes, bytes = 0, behind = UINT64_MAX;
    if (s->next != NULL && s->next->first_lsn != 0)
        behind = s->next->first_lsn;
    if (atomic_load(&store->log.keeps_all))
        return true;
    if (max == 0 || behind <= atomic_load(&store->log.hold_lsn))
        return false;
    for (const struct qri_segment *h = s; h != NULL && h->no < no; h = h->next)
        bytes += h->bytes;
    if (bytes <= max || behind == UINT64_MAX)
        return true;
    QR_LOG(&store->options.log, QR_WARN, "log_lost_to_backups", QR_F("dir", store->dir),
           QR_F("lsn", behind), QR_F("bytes", bytes));
    atomic_store(&store->log.hold_lsn, behind);
    return false;
}

static struct qri_segment *pop_before(struct qr_store *store, uint64_t no, bool *ret_reuse)
{
    pthread_mutex_lock(&store->log.segments_mu);
    struct qri_segment *s = store->log.segments;
    if (s != NULL && s->no < no && store->log.archive_readers == 0 && !is_held(store, s, no)) {
        store->log.segments = s->next;
        s->next = NULL;
        *ret_reuse =
            count_behind(store, no) < SPARES_MAX && s->bytes == store->options.log_segment_bytes;
    } else {
        s = NULL;
    }
    pthread_mutex_unlock(&store->log.segments_mu);
    return s;
}

void qri_logfile_drop_before(struct qr_store *store, uint64_t no)
{
    bool reuse = false;
    atomic_store(&store->log.unneeded_no, no);
    pthread_mutex_lock(&store->log.extend_mu);
    for (struct qri_segment *s; (s = pop_before(store, no, &reuse)) != NULL;) {
        if (reuse && reuse_segment(store, s)) {
            qri_logfile_append(store, s);
            pthread_mutex_lock(&store->log.mu);
            store->log.room += qri_logfile_room(s, QR_SEGMENT_HEADER_BYTES);
            pthread_mutex_unlock(&store->log.mu);
            continue;
        }
        char path[QR_STORE_PATH_BYTES_MAX + 64];
        segment_path(store, s->no, path);
        (void)!qr_env_unlink(store->env, path, NULL);
        close_segment(store, s);
    }
    pthread_mutex_unlock(&store->log.extend_mu);
}

/* --- what backups read --- */

void qri_logfile_begins(struct qr_store *store, struct qri_segment *segment, uint64_t lsn)
{
    pthread_mutex_lock(&store->log.segments_mu);
    segment->first_lsn = lsn;
    segment->after_lsn = store->log.end_lsn; /* flush_mu is held */
    pthread_mutex_unlock(&store->log.segments_mu);
}

/* Where its log begins an epoch it comes right behind the last commit of the one before. */
static enum qr_status note_after_lsn(struct qr_store *store, struct qri_segment *s,
                                     struct qr_err *err)
{
    struct qri_reader r;
    struct qr_block_header h;
    QR_TRY(qri_reader_init(&r, store, s, QR_SEGMENT_HEADER_BYTES, s->first_lsn, err));
    if (qri_reader_load(&r, QR_SEGMENT_HEADER_BYTES, &h, NULL) == QR_OK)
        (void)qri_reader_begins_epoch(&r, &h, &s->after_lsn);
    qri_reader_done(&r);
    return QR_OK;
}

static enum qr_status note_first_lsn(struct qr_store *store, struct qri_segment *s,
                                     struct qr_err *err)
{
    uint8_t sector[QR_SECTOR_BYTES];
    struct qr_block_header h;
    size_t got = 0;
    QR_TRY(qr_file_pread(s->file, sector, sizeof sector, QR_SEGMENT_HEADER_BYTES, &got, err));
    if (qr_block_peek(sector, got, &h, NULL) != QR_OK)
        return QR_OK;
    s->first_lsn = s->after_lsn = h.first_lsn;
    return note_after_lsn(store, s, err);
}

enum qr_status qri_logfiles_open_held(struct qr_store *store, const struct qri_segment *last,
                                      bool fresh, struct qr_err *err)
{
    struct qri_log *log = &store->log;
    if (store->options.log_hold_bytes == 0)
        return QR_OK;
    for (uint64_t no = log->segments->no - 1; no > 0; no--) {
        struct qri_segment *segment = NULL;
        enum qr_status status = qri_logfile_open(store, no, &segment, NULL);
        if (status == QR_NOMEM)
            return qr_fail(err, status, "log segment");
        if (status != QR_OK) /* no backup can begin before it */
            break;
        segment->next = log->segments;
        log->segments = segment;
    }
    for (struct qri_segment *s = log->segments; s != NULL && (s != last || !fresh); s = s->next) {
        QR_TRY(note_first_lsn(store, s, err));
        if (s == last)
            break; /* behind it may be what was there before the file was used again */
    }
    return QR_OK;
}

struct qri_segment *qri_logfile_read_from(struct qr_store *store, uint64_t lsn)
{
    struct qri_segment *found = NULL;
    pthread_mutex_lock(&store->log.segments_mu);
    for (struct qri_segment *s = store->log.segments; s != NULL; s = s->next)
        if (s->first_lsn != 0 && s->after_lsn <= lsn)
            found = s;
    if (found != NULL)
        store->log.archive_readers++;
    pthread_mutex_unlock(&store->log.segments_mu);
    return found;
}

void qri_logfile_read_done(struct qr_store *store)
{
    pthread_mutex_lock(&store->log.segments_mu);
    store->log.archive_readers--;
    pthread_mutex_unlock(&store->log.segments_mu);
}

void qri_logfiles_done(struct qr_store *store)
{
    while (store->log.segments != NULL) {
        struct qri_segment *s = store->log.segments;
        store->log.segments = s->next;
        close_segment(store, s);
    }
}

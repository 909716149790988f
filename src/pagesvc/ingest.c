/* ingest.c - log into memory layers; see slice_int.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "slice_int.h"
#include "base/sim_break.h"
#include "base/banned.h"

enum {
    GROUP_MAX = 1 << 26,
    GROUP_KEPT = 1 << 16, /* the list of a larger one is given back */
    CHANGES_MAX = 1 << 20,
    TAIL_BYTES = 1 << 20, /* of a spilled group, until they are written */
};

void qri_lineage_at(const struct qri_slice *slice, uint64_t lsn, struct qr_timeline *ret_timeline,
                    uint64_t *ret_end)
{
    for (size_t i = 0; i < slice->lineage_count; i++) {
        if (lsn < slice->lineage[i].end_lsn) {
            *ret_timeline = slice->lineage[i].timeline;
            *ret_end = slice->lineage[i].end_lsn;
            return;
        }
    }
    *ret_timeline = slice->id.timeline;
    *ret_end = UINT64_MAX;
}

/* Replaces the set's open memory layer by a new one behind it. */
static enum qr_status replace_open(struct qri_slice *slice, const struct qri_set *old,
                                   struct qri_mem *mem, struct qr_err *err)
{
    struct qri_source *sources = malloc((old->count + 1) * sizeof *sources);
    if (sources == NULL)
        return qr_fail(err, QR_NOMEM, "sources of a slice");
    memcpy(sources + 1, old->sources, old->count * sizeof *sources);
    assert(sources[1].mem == slice->open);
    sources[1].last_lsn = sources[1].lsn_max = slice->open->last_lsn;
    sources[0] = (struct qri_source){.mem = mem, .lsn_max = UINT64_MAX, .last_lsn = UINT64_MAX};
    struct qri_set *set = NULL;
    enum qr_status status = qri_set_new(sources, old->count + 1, &set, err);
    free(sources);
    if (status == QR_OK) {
        qri_set_install(slice, set);
        slice->open = mem;
    }
    return status;
}

/* The open group's entries, copied to where they will be linked. */
static enum qr_status restage(struct qri_slice *slice, struct qri_mem *mem,
                              struct qri_mem_entry ***ret_group, struct qr_err *err)
{
    struct qri_mem_entry **group = malloc((slice->group_capacity + 1) * sizeof *group);
    enum qr_status status = group == NULL ? qr_fail(err, QR_NOMEM, "log group") : QR_OK;
    for (size_t i = 0; i < slice->group_count && status == QR_OK; i++) {
        status = qri_mem_stage_again(mem, slice->group[i], &group[i], err);
    }
    if (status == QR_OK)
        *ret_group = group;
    else
        free(group);
    return status;
}

enum qr_status qri_slice_freeze(struct qri_slice *slice, struct qr_err *err)
{
    if (slice->open->last_lsn == 0)
        return QR_OK;
    struct qri_mem *mem = NULL;
    struct qri_mem_entry **group = NULL;
    QR_TRY(qri_mem_new(&slice->id.timeline, slice->meta.mark.lsn, &slice->meta, &mem, err));
    mem->opened_mono_ns = qr_env_mono_ns(slice->svc->env);
    enum qr_status status = restage(slice, mem, &group, err);
    if (status == QR_OK) {
        pthread_mutex_lock(&slice->set_mu);
        struct qri_set *old = qri_set_take(slice);
        status = replace_open(slice, old, mem, err);
        qri_set_unref(old);
        pthread_mutex_unlock(&slice->set_mu);
    }
    if (status == QR_OK) {
        struct qri_mem_entry **emptied = slice->group;
        slice->group = group;
        group = emptied;
    }
    free(group);
    qri_mem_unref(mem);
    return status;
}

/* What is open becomes nothing: it was committed, or is void. */
static void forget_group(struct qri_slice *slice)
{
    slice->group_count = slice->change_count = 0;
    slice->group_bytes = 0;
    qri_group_file_free(QR_TAKE(slice->spill));
    if (slice->group_capacity > GROUP_KEPT) {
        free(QR_TAKE(slice->group));
        slice->group_capacity = 0;
    }
}

static enum qr_status stage(struct qri_slice *slice, const uint8_t *bytes, uint32_t count,
                            uint32_t page_no, struct qri_mem_entry **ret_entry, struct qr_err *err)
{
    struct qr_pagesvc *svc = slice->svc;
    if (slice->group_bytes + count <= svc->options.group_memory_bytes) {
        slice->group_bytes += count;
        return qri_mem_stage(slice->open, bytes, count, page_no, ret_entry, err);
    }
    uint64_t offset;
    if (slice->spill == NULL)
        QR_TRY(qri_group_file_new(svc->env, svc->dir, svc->options.keyring != NULL, &slice->spill,
                                  err));
    QR_TRY(qri_group_file_add(slice->spill, bytes, count, &offset, err));
    return qri_mem_stage_spilled(slice->open, offset, count, page_no, ret_entry, err);
}

static enum qr_status add_page(struct qri_slice *slice, const struct qr_record *record,
                               const uint8_t *bytes, struct qr_err *err)
{
    uint32_t page_no = record->page.page_no;
    if (page_no < slice->first_page || page_no > slice->last_page)
        return QR_OK;
    if (slice->group_count == slice->group_capacity) {
        size_t capacity = slice->group_capacity == 0 ? 64 : slice->group_capacity * 2;
        struct qri_mem_entry **more =
            capacity > GROUP_MAX ? NULL : realloc(slice->group, capacity * sizeof *more);
        if (more == NULL)
            return qr_fail(err, QR_NOMEM, "log group of %zu pages", slice->group_count);
        slice->group = more;
        slice->group_capacity = capacity;
    }
    struct qri_mem_entry *entry;
    QR_TRY(stage(slice, bytes, record->bytes, page_no, &entry, err));
    slice->group[slice->group_count++] = entry;
    return QR_OK;
}

static enum qr_status add_change(struct qri_slice *slice, const struct qri_change *change,
                                 struct qr_err *err)
{
    if (slice->change_count == slice->change_capacity) {
        size_t capacity = slice->change_capacity == 0 ? 16 : slice->change_capacity * 2;
        struct qri_change *more =
            capacity > CHANGES_MAX ? NULL : realloc(slice->changes, capacity * sizeof *more);
        if (more == NULL)
            return qr_fail(err, QR_NOMEM, "%zu counter records", slice->change_count);
        slice->changes = more;
        slice->change_capacity = capacity;
    }
    slice->changes[slice->change_count++] = *change;
    return QR_OK;
}

static enum qr_status commit(struct qri_slice *slice, const struct qr_record *record, uint64_t lsn,
                             struct qr_err *err)
{
    struct qri_mem *mem = slice->open;
    struct qri_mark mark = {.lsn = lsn,
                            .wall_ns = record->commit.wall_ns,
                            .commit_no = record->commit.commit_no,
                            .db_pages = record->commit.db_pages};
    for (size_t i = 0; i < slice->change_count; i++) {
        slice->changes[i].lsn = lsn;
        QR_TRY(qri_mem_change(mem, &slice->changes[i], err));
        QR_TRY(qri_meta_apply(&slice->meta, &slice->changes[i], err));
    }
    bool spilled = slice->spill != NULL;
    if (spilled)
        qri_mem_take_spill(mem, QR_TAKE(slice->spill));
    QR_TRY(qri_mem_commit(mem, slice->group, slice->group_count, &mark, err));
    slice->meta.mark = mark;
    forget_group(slice);
    qri_slice_advance(slice, lsn);
    if (spilled || mem->bytes + mem->marks.len >= slice->svc->options.open_layer_bytes)
        return qri_slice_freeze(slice, err);
    return QR_OK;
}

static enum qr_status new_epoch(struct qri_slice *slice, const struct qr_record *record,
                                uint64_t lsn, struct qr_err *err)
{
    /* The first commit may not have come to a slice that began after it. */
    if (record->epoch.last_commit_lsn < slice->meta.mark.lsn)
        return qr_fail(err, QR_CORRUPT, "epoch %llu voids log that was complete at LSN %llu",
                       (unsigned long long)record->epoch.epoch,
                       (unsigned long long)slice->meta.mark.lsn);
    if (slice->must_follow && record->epoch.last_commit_lsn > slice->meta.mark.lsn &&
        record->epoch.last_commit_lsn != slice->start_lsn)
        return qr_fail(err, QR_CORRUPT,
                       "epoch %llu follows a commit at LSN %llu, which has not come",
                       (unsigned long long)record->epoch.epoch,
                       (unsigned long long)record->epoch.last_commit_lsn);
    slice->must_follow = false;
    if (!qr_sim_broken(QR_BREAK_VOID))
        forget_group(slice); /* G2 */
    return add_change(slice, &(struct qri_change){.lsn = lsn, .next = (int64_t)record->epoch.epoch},
                      err);
}

static enum qr_status take_record(struct qri_slice *slice, const uint8_t *bytes, size_t count,
                                  uint64_t lsn, struct qr_err *err)
{
    struct qr_record record;
    QR_TRY(qr_record_decode(bytes, count, &record, err));
    uint64_t end = lsn + record.bytes;
    switch (record.kind) {
    case QR_RECORD_DELTA:
    case QR_RECORD_IMAGE:
        return add_page(slice, &record, bytes, err);
    case QR_RECORD_COMMIT:
        return commit(slice, &record, end, err);
    case QR_RECORD_EPOCH:
        return new_epoch(slice, &record, end, err);
    case QR_RECORD_COUNTER:
    case QR_RECORD_DROP:
        return add_change(slice,
                          &(struct qri_change){.lsn = end,
                                               .id = record.counter.id,
                                               .next = record.counter.next,
                                               .drop = record.kind == QR_RECORD_DROP},
                          err);
    }
    return qr_fail(err, QR_BUG, "record kind");
}

/* How much of `count` bytes the record that starts in `partial` still lacks. */
static enum qr_status lacking(const struct qr_buf *partial, size_t count, size_t *ret_bytes,
                              struct qr_err *err)
{
    size_t want = QR_RECORD_HEADER_BYTES;
    if (partial->len >= QR_RECORD_HEADER_BYTES) {
        uint32_t bytes;
        QR_TRY(qr_record_length(partial->data, &bytes, err));
        want = bytes;
    }
    size_t lack = want - partial->len;
    *ret_bytes = lack < count ? lack : count;
    return QR_OK;
}

static bool partial_is_whole(const struct qr_buf *partial)
{
    uint32_t bytes;
    return partial->len >= QR_RECORD_HEADER_BYTES &&
           qr_record_length(partial->data, &bytes, NULL) == QR_OK && partial->len == bytes;
}

/* Ends a record that began in an earlier piece; *ret_used is what it took. */
static enum qr_status fill_partial(struct qri_slice *slice, const uint8_t *bytes, size_t count,
                                   size_t *ret_used, struct qr_err *err)
{
    size_t used = 0;
    while (slice->partial.len > 0 && used < count) {
        size_t more;
        QR_TRY(lacking(&slice->partial, count - used, &more, err));
        qr_buf_add(&slice->partial, bytes + used, more);
        QR_TRY(qr_buf_status(&slice->partial, err));
        used += more;
        slice->next_lsn += more;
        if (partial_is_whole(&slice->partial)) {
            QR_TRY(take_record(slice, slice->partial.data, slice->partial.len,
                               slice->next_lsn - slice->partial.len, err));
            qr_buf_clear(&slice->partial);
        }
    }
    *ret_used = used;
    return QR_OK;
}

static enum qr_status take_bytes(struct qri_slice *slice, const uint8_t *bytes, size_t count,
                                 struct qr_err *err)
{
    size_t at;
    QR_TRY(fill_partial(slice, bytes, count, &at, err));
    while (count - at >= QR_RECORD_HEADER_BYTES) {
        uint32_t length;
        QR_TRY(qr_record_length(bytes + at, &length, err));
        if (length > count - at)
            break;
        uint64_t lsn = slice->next_lsn;
        slice->next_lsn += length;
        QR_TRY(take_record(slice, bytes + at, count - at, lsn, err));
        at += length;
    }
    qr_buf_add(&slice->partial, bytes + at, count - at);
    slice->next_lsn += count - at;
    return qr_buf_status(&slice->partial, err);
}

/* Before anything new is taken, so that who finds no room there has lost nothing and is given the
 * same again. */
static enum qr_status drain(struct qri_slice *slice, struct qr_err *err)
{
    uint64_t max = slice->svc->options.group_memory_bytes;
    return slice->spill == NULL
               ? QR_OK
               : qri_group_file_drain(slice->spill, max < TAIL_BYTES ? max : TAIL_BYTES, err);
}

/* What was not complete is void from here on. */
static void drop_open(struct qri_slice *slice)
{
    qr_buf_clear(&slice->partial);
    forget_group(slice);
}

/* A slice that was just attached knows no epoch: an answer to an older question is told by this. */
static bool may_begin_epoch(const uint8_t *bytes, size_t count)
{
    struct qr_record record;
    enum qr_status status = qr_record_decode(bytes, count, &record, NULL);
    return status == QR_TRUNCATED || (status == QR_OK && record.kind == QR_RECORD_EPOCH);
}

/* The log of an ancestor that was a branch itself begins behind what came before it. */
static bool begins_ancestor(const struct qri_slice *slice, const struct qr_timeline *source)
{
    for (size_t i = 0; i < slice->lineage_count; i++) {
        if (slice->lineage[i].end_lsn == slice->next_lsn)
            return !qr_timeline_eq(source, &slice->id.timeline);
    }
    return false;
}

enum qr_status qri_slice_take_log(struct qri_slice *slice, const struct qr_timeline *source,
                                  uint64_t epoch, uint64_t first, const uint8_t *bytes,
                                  size_t count, struct qr_err *err)
{
    struct qr_timeline want;
    uint64_t end;
    qri_lineage_at(slice, slice->next_lsn, &want, &end);
    if (!qr_timeline_eq(&want, source))
        return qr_fail(err, QR_CONFLICT, "log of another timeline");
    if (first + count <= slice->next_lsn)
        return QR_OK;
    QR_TRY(drain(slice, err));
    if (first > slice->next_lsn && (epoch <= slice->epoch || !may_begin_epoch(bytes, count)))
        return qr_fail(err, QR_CONFLICT, "log from LSN %llu on, %llu is next",
                       (unsigned long long)first, (unsigned long long)slice->next_lsn);
    if (epoch > slice->epoch) {
        qr_buf_clear(&slice->partial); /* its rest never comes; the EPOCH record voids the group */
        slice->epoch = epoch;
        if (first > slice->next_lsn) {
            slice->must_follow = !begins_ancestor(slice, source);
            slice->next_lsn = first;
        }
    }
    size_t skip = slice->next_lsn - first;
    bytes += skip;
    count -= skip;
    bool ends = end - slice->next_lsn <= count;
    if (ends)
        count = end - slice->next_lsn;
    atomic_fetch_add(&slice->svc->ingested_bytes, count);
    QR_TRY(take_bytes(slice, bytes, count, err));
    if (ends) {
        drop_open(slice);
        slice->epoch = 0; /* its own log has epochs of its own */
    }
    return QR_OK;
}

enum qr_status qr_pagesvc_ingest(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                 const struct qr_timeline *source, uint64_t epoch,
                                 struct qr_lsn first, const uint8_t *bytes, size_t count,
                                 struct qr_err *err)
{
    struct qri_slice *slice = qri_slice_find(svc, id);
    if (slice == NULL)
        return qr_fail(err, QR_NOT_FOUND, "slice %u is not served here", id->no);
    pthread_mutex_lock(&slice->ingest_mu);
    enum qr_status status =
        slice->health != QR_OK
            ? qr_fail(err, slice->health, "slice is out of service")
            : qri_slice_take_log(slice, source, epoch, first.v, bytes, count, err);
    if (status == QR_CORRUPT || status == QR_NOMEM) {
        /* Half a record may be in: only a fresh attach knows where to go on. */
        pthread_mutex_lock(&slice->mu);
        slice->health = status;
        pthread_mutex_unlock(&slice->mu);
    }
    pthread_mutex_unlock(&slice->ingest_mu);
    qri_slice_unref(slice);
    return status;
}

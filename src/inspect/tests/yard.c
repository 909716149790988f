/* yard.c - see yard.h */
#include "yard.h"
#include <stdlib.h>
#include <string.h>
#include "blob/simblob.h"
#include "page/record.h"
#include "pagesvc/pagesvc.h"
#include "store/store.h"
#include "store/txn.h"
#include "store/writer.h"

enum { SEGMENT_BYTES = 32 << 10, OBJECT_BYTES = 4 << 10, CHUNK_BYTES = 3000, PAGE_BYTES = 4096 };

/* --- the log service --- */

static void set_flag(struct qr_logsvc_change *c)
{
    c->holder = UINT64_MAX;
}

static void change(struct qr_logsvc *svc, struct qr_logsvc_change c)
{
    c.done = set_flag;
    c.force = true;
    qr_logsvc_change(svc, &c);
    while (qr_logsvc_flush(svc, NULL) == QR_OK)
        continue;
    assert_int_equal(c.holder, UINT64_MAX);
    if (c.status != QR_OK)
        fail_msg("change of kind %d: %s", c.kind, c.why);
}

static void appended(struct qr_logsvc_append *a)
{
    a->bytes = NULL;
}

/* The last commit of the world that ends in (first, end]. */
static const struct world_commit *commit_in(const struct world *w, uint64_t first, uint64_t end)
{
    const struct world_commit *found = NULL;
    for (size_t i = 0; i < w->commit_count; i++) {
        if (w->commits[i].lsn > first && w->commits[i].lsn <= end)
            found = &w->commits[i];
    }
    return found;
}

static void append_piece(struct qr_logsvc *svc, const struct world *w, const struct world_piece *p)
{
    change(svc,
           (struct qr_logsvc_change){
               .kind = QR_LOGSVC_FENCE, .timeline = w->timeline, .epoch = p->epoch, .holder = 1});
    for (uint64_t lsn = p->first; lsn < p->end;) {
        uint32_t bytes = p->end - lsn < CHUNK_BYTES ? (uint32_t)(p->end - lsn) : CHUNK_BYTES;
        const struct world_commit *commit = commit_in(w, lsn, lsn + bytes);
        struct qr_logsvc_append a = {.timeline = w->timeline,
                                     .epoch = p->epoch,
                                     .first_lsn = lsn,
                                     .bytes = w->log.data + (lsn - w->start_lsn),
                                     .byte_count = bytes,
                                     .new_epoch = lsn == p->first,
                                     .commit_lsn = commit == NULL ? 0 : commit->lsn,
                                     .commit_wall_ns =
                                         commit == NULL ? 0 : commit->commit_no * 1000,
                                     .done = appended};
        qr_logsvc_append(svc, &a);
        while (qr_logsvc_flush(svc, NULL) == QR_OK)
            continue;
        assert_null(a.bytes);
        if (a.status != QR_OK)
            fail_msg("append at %llu: %s", (unsigned long long)lsn, a.why);
        lsn += bytes;
    }
}

static void make_log(struct yard *y, struct qr_blob *blob)
{
    struct qr_logsvc *svc = NULL;
    struct qr_err err;
    qr_err_reset(&err);
    struct qr_logsvc_options options = {.env = y->env,
                                        .dir = "/yard/log",
                                        .blob = blob,
                                        .segment_bytes = SEGMENT_BYTES,
                                        .object_bytes = OBJECT_BYTES,
                                        .destage_age_ns = 1,
                                        .threads_off = true};
    if (qr_logsvc_open(&options, &svc, &err) != QR_OK)
        fail_msg("log service: %s", err.text);
    const struct world *w = &y->world;
    change(svc, (struct qr_logsvc_change){
                    .kind = QR_LOGSVC_CREATE, .timeline = w->timeline, .start_lsn = w->start_lsn});
    for (size_t i = 0; i < w->piece_count; i++) {
        append_piece(svc, w, &w->pieces[i]);
        bool more = i == 1; /* two epochs go to long-term storage, the others stay in the journal */
        qr_sim_advance(y->sim, 1000);
        while (more)
            assert_int_equal(qr_logsvc_destage(svc, 8, &more, &err), QR_OK);
    }
    const struct world *c = &y->child;
    change(svc, (struct qr_logsvc_change){.kind = QR_LOGSVC_CREATE,
                                          .timeline = c->timeline,
                                          .parent = w->timeline,
                                          .branch_lsn = c->commits[0].lsn,
                                          .start_lsn = c->start_lsn});
    qr_logsvc_close(svc);
}

/* --- the page server --- */

static void work(struct yard *y, struct qr_pagesvc *svc)
{
    bool more = true;
    struct qr_err err;
    qr_err_reset(&err);
    for (int i = 0; i < 200 && more; i++) {
        qr_sim_advance(y->sim, 2000);
        if (qr_pagesvc_work(svc, &more, &err) != QR_OK)
            fail_msg("work: %s", err.text);
    }
}

static void make_pages(struct yard *y, struct qr_blob *blob)
{
    struct qr_pagesvc *svc = NULL;
    struct qr_err err;
    qr_err_reset(&err);
    struct qr_pagesvc_options options = {.env = y->env,
                                         .dir = "/yard/layers",
                                         .blob = blob,
                                         .open_layer_bytes = 16384,
                                         .fan_in = 3,
                                         .grace_ns = 1000,
                                         .threads_off = true};
    if (qr_pagesvc_open(&options, &svc, &err) != QR_OK)
        fail_msg("page server: %s", err.text);
    struct qr_slice_id id = {y->world.timeline, 0}, child = {y->child.timeline, 0};
    assert_int_equal(
        qr_pagesvc_create(svc, &id, WORLD_PAGE_BYTES, qr_lsn(y->world.start_lsn), &err), QR_OK);
    for (int i = 0; world_feed(&y->world, NULL, 0, svc, &id, 4000); i++) {
        if (i % 5 == 4)
            work(y, svc);
    }
    assert_int_equal(qr_pagesvc_set_horizon(svc, &id, qr_lsn(y->world.commits[40].lsn), &err),
                     QR_OK);
    if (qr_pagesvc_branch(svc, &id, qr_lsn(y->child.commits[0].lsn), &y->child.timeline,
                          qr_lsn(y->child.start_lsn), &err) != QR_OK)
        fail_msg("branch: %s", err.text);
    assert_int_equal(qr_pagesvc_flush(svc, &id, &err), QR_OK);
    assert_int_equal(qr_pagesvc_flush(svc, &child, &err), QR_OK);
    work(y, svc);
    qr_pagesvc_close(svc);
}

/* --- the General Purpose database --- */

static void commit_pages(struct yard *y, struct qr_store *store, uint32_t count)
{
    struct qr_txn *txn = NULL;
    struct qr_err err;
    qr_err_reset(&err);
    assert_int_equal(qr_txn_new(store, &txn, &err), QR_OK);
    struct qr_writer writer = {.owner = 1};
    assert_int_equal(qr_writer_acquire(store, &writer, NULL, NULL, &err), QR_OK);
    assert_int_equal(qr_txn_pin_head(txn, &err), QR_OK);
    for (uint32_t page = 1; page <= count; page++) {
        uint8_t bytes[PAGE_BYTES] = {0};
        memset(bytes + 200, (int)(page + y->store_commits), 300);
        assert_int_equal(qr_txn_write(txn, page, bytes, &err), QR_OK);
    }
    if (qr_txn_prepare(txn, &err) != QR_OK)
        fail_msg("prepare: %s", err.text);
    (void)qr_txn_publish(txn);
    qr_writer_release(&writer);
    qr_txn_free(txn);
    y->store_commits++;
    assert_int_equal(qr_store_flush(store, &err), QR_OK);
}

static void make_store(struct yard *y)
{
    struct qr_store *store = NULL;
    struct qr_err err;
    qr_err_reset(&err);
    struct qr_store_options options = {.env = y->env,
                                       .page_bytes = PAGE_BYTES,
                                       .log_segment_bytes = 256 << 10,
                                       .threads_off = true};
    if (qr_store_create("/yard/db", &options, &store, &err) != QR_OK)
        fail_msg("store: %s", err.text);
    for (int i = 0; i < 20; i++) {
        bool crash = i == 0 || i == 15; /* every open begins an epoch */
        if (crash || i == 5) {
            if (crash)
                qr_store_abandon(store);
            else
                assert_int_equal(qr_store_close(store, &err), QR_OK);
            if (qr_store_open("/yard/db", &options, &store, &err) != QR_OK)
                fail_msg("open: %s", err.text);
        }
        commit_pages(y, store, 1 + (uint32_t)i * 3);
        if (i == 12)
            assert_int_equal(qr_store_checkpoint(store, &err), QR_OK);
    }
    qr_store_abandon(store); /* log behind the checkpoint stays to be looked at */
}

/* --- all of it --- */

void yard_make(struct yard *y, uint64_t seed)
{
    *y = (struct yard){.sim = qr_sim_new(&(struct qr_sim_options){.seed = seed})};
    y->env = qr_sim_env(y->sim);
    world_init(&y->world, seed, 1, 4096);
    for (int i = 0; i < 160; i++) {
        world_commit(&y->world);
        if (i % 40 == 39)
            world_new_epoch(&y->world);
    }
    world_branch(&y->child, &y->world, 100, 2, y->world.commits[100].lsn);
    qr_timeline_hex(&y->world.timeline, y->timeline);
    struct qr_blob *blob = NULL;
    assert_int_equal(qr_env_make_dir(y->env, "/yard", NULL), QR_OK);
    assert_int_equal(qr_blob_open(y->env, NULL, "file:///yard/blobs", "", &blob, NULL), QR_OK);
    make_log(y, blob);
    /* with copies of its own, as beside a store that is elsewhere */
    struct qr_blob *remote = qr_simblob_new(y->env, blob, 1, &(struct qr_simblob_faults){0});
    qr_simblob_set_remote(remote, true);
    make_pages(y, remote);
    qr_blob_close(remote);
    make_store(y);
    qr_blob_close(blob);
}

static void append_epoch(struct qr_logsvc *svc, const struct qr_timeline *timeline, uint64_t epoch,
                         uint64_t *commit_lsn)
{
    struct qr_buf log;
    qr_buf_init(&log, 4096);
    change(svc,
           (struct qr_logsvc_change){
               .kind = QR_LOGSVC_FENCE, .timeline = *timeline, .epoch = epoch, .holder = epoch});
    qr_record_add_epoch(&log, epoch, *commit_lsn, epoch);
    qr_record_add_commit(&log, 1, 0, epoch, epoch);
    struct qr_logsvc_append a = {.timeline = *timeline,
                                 .epoch = epoch,
                                 .first_lsn = *commit_lsn + (UINT64_C(1) << 32),
                                 .bytes = log.data,
                                 .byte_count = (uint32_t)log.len,
                                 .new_epoch = true,
                                 .commit_wall_ns = epoch,
                                 .done = appended};
    a.commit_lsn = a.first_lsn + log.len;
    qr_logsvc_append(svc, &a);
    while (qr_logsvc_flush(svc, NULL) == QR_OK)
        continue;
    if (a.bytes != NULL || a.status != QR_OK)
        fail_msg("append: %s", a.why);
    *commit_lsn = a.commit_lsn;
    qr_buf_done(&log);
}

void yard_live_again(struct yard *y, int life)
{
    struct qr_logsvc *svc = NULL;
    struct qr_timeline timeline = {{0x77, 1}};
    struct qr_logsvc_options options = {
        .env = y->env, .dir = "/yard/log", .segment_bytes = SEGMENT_BYTES, .threads_off = true};
    assert_int_equal(qr_logsvc_open(&options, &svc, NULL), QR_OK);
    if (life == 0)
        change(svc, (struct qr_logsvc_change){
                        .kind = QR_LOGSVC_CREATE, .timeline = timeline, .start_lsn = 4096});
    struct qr_logsvc_state state;
    assert_int_equal(qr_logsvc_state(svc, &timeline, &state, NULL), QR_OK);
    for (uint64_t i = 1; i <= 2; i++)
        append_epoch(svc, &timeline, state.epoch + i, &state.commit_lsn);
    if (life == 1)
        qr_logsvc_abandon(svc);
    else
        qr_logsvc_close(svc);
}

void yard_done(struct yard *y)
{
    world_done(&y->world);
    world_done(&y->child);
    qr_sim_free(y->sim);
}

enum qr_inspect_exit yard_run(struct yard *y, const char *const *words, char **ret_text)
{
    int count = 0;
    while (words[count] != NULL)
        count++;
    size_t bytes = 0;
    FILE *out = open_memstream(ret_text, &bytes);
    assert_non_null(out);
    enum qr_inspect_exit code = qr_inspect_run(y->env, count, words, out, out);
    fclose(out);
    return code;
}

/* journal.c - a log service's directory; see inspect_int.h */
#include <stdlib.h>
#include <string.h>
#include "inspect_int.h"
#include "base/banned.h"

static void put_row(struct qri_run *run, const struct qr_timelines_row *row, const char *as_of)
{
    struct qri_out *out = &run->out;
    const struct qr_logsvc_state *s = &row->state;
    if (run->task != QRI_INSPECT || !qri_wanted(run, &row->timeline))
        return;
    qri_row(out, "timeline");
    qri_cell_timeline(out, "timeline", &row->timeline);
    qri_cell_text(out, "as_of", as_of);
    qri_cell_text(out, "state", row->dropped ? "dropped" : row->damaged ? "damaged" : "live");
    qri_cell_u64(out, "epoch", s->epoch);
    qri_cell_u64(out, "start_lsn", s->start_lsn);
    qri_cell_u64(out, "end_lsn", s->hardened_lsn);
    qri_cell_u64(out, "commit_lsn", s->commit_lsn);
    qri_cell_time(out, "commit_time", s->commit_wall_ns);
    qri_cell_u64(out, "destaged_lsn", s->destaged_lsn);
    qri_cell_u64(out, "trimmed_lsn", s->trimmed_lsn);
    qri_cell_timeline(out, "parent", &s->parent);
    qri_cell_u64(out, "branch_lsn", s->branch_lsn);
    qri_row_end(out);
}

static void put_head(struct qri_run *run, const struct qr_timelines_head *h)
{
    struct qri_out *out = &run->out;
    if (run->task != QRI_INSPECT)
        return;
    struct qr_timeline id;
    memcpy(id.id, h->journal_id, sizeof id.id);
    qri_row(out, "journal");
    qri_cell_text(out, "place", run->where);
    qri_cell_timeline(out, "journal", &id);
    qri_cell_u64(out, "generation", h->generation);
    qri_cell_u64(out, "first_segment", h->first_segment_no);
    qri_cell_u64(out, "first_block", h->first_block_no);
    qri_cell_u64(out, "state_block", h->state_block_no);
    qri_cell_u64(out, "timelines", h->count);
    qri_row_end(out);
}

static void on_head(void *ctx, const struct qr_timelines_head *head)
{
    put_head(ctx, head);
}

static void on_row(void *ctx, const struct qr_timelines_row *row)
{
    put_row(ctx, row, "snapshot");
}

static void on_segment(void *ctx, const struct qr_journal_segment *segment, uint64_t first_block_no,
                       uint64_t blocks, uint64_t end_offset)
{
    struct qri_run *run = ctx;
    run->checked_count += blocks + 1;
    if (run->task != QRI_INSPECT)
        return;
    qri_row(&run->out, "segment");
    qri_cell_u64(&run->out, "segment", segment->segment_no);
    qri_cell_u64(&run->out, "bytes", segment->file_bytes);
    qri_cell_u64(&run->out, "first_block", first_block_no);
    qri_cell_u64(&run->out, "blocks", blocks);
    qri_cell_u64(&run->out, "end_offset", end_offset);
    qri_row_end(&run->out);
}

static void on_entry(void *ctx, const struct qr_journal_entry *e, uint64_t block_no,
                     uint64_t segment_no, uint64_t offset)
{
    struct qri_run *run = ctx;
    (void)block_no, (void)segment_no, (void)offset;
    if (run->task == QRI_DUMP && e->kind == QR_JOURNAL_APPEND)
        qri_dump_log(run->dump, &e->timeline, e->epoch, e->lsn, e->data, e->data_bytes,
                     (e->flags & QR_JOURNAL_NEW_EPOCH) != 0 ? e->lsn : e->commit_lsn);
}

static void on_state(void *ctx, const struct qr_timelines_row *row)
{
    struct qri_run *run = ctx;
    struct qr_str key = qr_str_n((const char *)row->timeline.id, QR_TIMELINE_BYTES);
    put_row(run, row, "end");
    run->checked_count++;
    if (qr_map_get(&run->known, key) != NULL)
        return;
    struct qri_known *known = calloc(1, sizeof *known);
    if (known == NULL || qr_map_put(&run->known, key, known) != QR_OK) {
        free(known);
        run->failed = true;
        fprintf(run->errors, "quire: out of memory\n");
        return;
    }
    known->row = *row;
}

static void on_damage(void *ctx, const char *file, uint64_t offset, const char *text)
{
    struct qri_run *run = ctx;
    char part[96];
    snprintf(part, sizeof part, "%s at %llu", file, (unsigned long long)offset);
    qri_damage(run, part, "%s", text);
}

void qri_look_at_journal(struct qri_run *run, const char *dir)
{
    struct qr_journal_sight sight = {.server_key = run->server_key,
                                     .keyring = run->keyring,
                                     .ctx = run,
                                     .head = on_head,
                                     .row = on_row,
                                     .segment = on_segment,
                                     .entry = on_entry,
                                     .state = on_state,
                                     .damage = on_damage};
    struct qr_err err;
    uint64_t damage_count;
    qr_err_reset(&err);
    qri_where(run, "%s", dir);
    (void)qri_take(run, "journal", qr_journal_look(run->env, dir, &sight, &damage_count, &err),
                   &err);
}

/* A journal in append objects, if there is one. */
void qri_look_at_landing(struct qri_run *run, struct qr_blob *blob, const char *url)
{
    static const char dir[] = "landing";
    struct qr_journal_sight sight = {.server_key = run->server_key,
                                     .keyring = run->keyring,
                                     .ctx = run,
                                     .head = on_head,
                                     .row = on_row,
                                     .segment = on_segment,
                                     .entry = on_entry,
                                     .state = on_state,
                                     .damage = on_damage};
    struct qr_err err;
    uint64_t damage_count;
    qr_err_reset(&err);
    qri_where(run, "%s %s", url, dir);
    enum qr_status status =
        qr_journal_look_in_blob(run->env, blob, dir, &sight, &damage_count, &err);
    if (status == QR_NOT_FOUND)
        return;
    run->found = true;
    (void)qri_take(run, "journal", status, &err);
}

void qri_look_at_timelines(struct qri_run *run, const uint8_t *bytes, size_t count)
{
    struct qr_timelines_head head;
    struct qr_err err;
    qr_err_reset(&err);
    if (qri_take(run, "timelines", qr_timelines_decode(bytes, count, &head, on_row, run, &err),
                 &err)) {
        put_head(run, &head);
        run->checked_count++;
    }
}

/* A segment without its neighbours: its blocks are intact and numbered one behind the other. */
void qri_look_at_journal_segment(struct qri_run *run, struct qr_file *file)
{
    struct qr_journal_sight sight = {.server_key = run->server_key,
                                     .ctx = run,
                                     .segment = on_segment,
                                     .entry = on_entry,
                                     .damage = on_damage};
    char dir[QRI_WHERE_MAX + 2];
    qr_env_dir_name(run->where, dir);
    struct qr_err err;
    uint64_t damage_count;
    qr_err_reset(&err);
    (void)qri_take(run, "journal",
                   qr_journal_look_at_segment(run->env, dir, file, &sight, &damage_count, &err),
                   &err);
}

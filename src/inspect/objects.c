/* objects.c - one manifest, one layer, one long-term log object; see inspect_int.h */
#include <stdlib.h>
#include <string.h>
#include "inspect_int.h"
#include "page/compress.h"
#include "base/banned.h"

const char *qri_compression_name(uint8_t id)
{
    static const char *const names[] = {[QR_COMPRESSION_NONE] = "none",
                                        [QR_COMPRESSION_LZ4] = "lz4",
                                        [QR_COMPRESSION_ZSTD] = "zstd"};
    return id < sizeof names / sizeof names[0] ? names[id] : "unknown";
}

/* --- layers --- */

static void put_layer(struct qri_run *run, const struct qr_layer_info *l, uint8_t compression,
                      const char *state, const char *checksums)
{
    struct qri_out *out = &run->out;
    qri_row(out, "layer");
    qri_cell_timeline(out, "timeline", &l->origin);
    qri_cell_u64(out, "slice", l->slice_no);
    qri_cell_hex(out, "layer", l->id);
    qri_cell_text(out, "type", l->image ? "image" : "delta");
    qri_cell_u64(out, "first_page", l->first_page);
    qri_cell_u64(out, "last_page", l->last_page);
    qri_cell_u64(out, "first_lsn", l->first_lsn);
    qri_cell_u64(out, "last_lsn", l->last_lsn);
    if (l->lsn_max == UINT64_MAX)
        qri_cell_text(out, "read_up_to", "");
    else
        qri_cell_u64(out, "read_up_to", l->lsn_max);
    qri_cell_u64(out, "bytes", l->bytes);
    qri_cell_u64(out, "raw_bytes", l->raw_bytes);
    qri_cell_u64(out, "entries", l->entry_count);
    qri_cell_text(out, "compression", qri_compression_name(compression));
    qri_cell_text(out, "state", state);
    qri_cell_text(out, "checksums", checksums);
    qri_row_end(out);
}

static void layer_damage(void *ctx, const char *part, const char *text)
{
    qri_damage(ctx, part, "%s", text);
}

void qri_look_at_layer(struct qri_run *run, struct qr_file *file, const struct qr_layer_info *want)
{
    struct qr_layer_sight sight = {.keyring = run->keyring, .ctx = run, .damage = layer_damage};
    struct qr_layer_info info;
    struct qr_err err;
    uint64_t damage_count = 0;
    qr_err_reset(&err);
    bool looked =
        qri_take(run, "layer", qr_layer_look(file, want, &sight, &info, &damage_count, &err), &err);
    run->checked_count++;
    if (run->task != QRI_INSPECT)
        return;
    if (want != NULL) {
        struct qr_layer_info l = *want;
        put_layer(run, &l, looked ? info.compression : 0, "live",
                  looked && damage_count == 0 ? "good" : "damaged");
    } else if (looked) {
        put_layer(run, &info, info.compression, "file", damage_count == 0 ? "good" : "damaged");
    }
}

/* --- manifests --- */

static void put_manifest(struct qri_run *run, const struct qr_manifest_info *m)
{
    struct qri_out *out = &run->out;
    qri_row(out, "manifest");
    qri_cell_timeline(out, "timeline", &m->id.timeline);
    qri_cell_u64(out, "slice", m->id.no);
    qri_cell_text(out, "state", m->dropped ? "dropped" : "live");
    qri_cell_u64(out, "page_bytes", m->page_bytes);
    qri_cell_u64(out, "generation", m->generation);
    qri_cell_u64(out, "serial", m->serial);
    qri_cell_u64(out, "start_lsn", m->start_lsn);
    qri_cell_u64(out, "disk_lsn", m->disk_lsn);
    qri_cell_u64(out, "horizon_lsn", m->horizon_lsn);
    qri_cell_u64(out, "layers", m->layer_count);
    qri_cell_u64(out, "garbage", m->garbage_count);
    qri_row_end(out);
    for (size_t i = 0; i < m->lineage_count; i++) {
        qri_row(out, "lineage");
        qri_cell_timeline(out, "timeline", &m->id.timeline);
        qri_cell_timeline(out, "log_of", &m->lineage[i].timeline);
        qri_cell_u64(out, "up_to_lsn", m->lineage[i].end_lsn);
        qri_row_end(out);
    }
    for (size_t i = 0; i < m->pin_count; i++) {
        qri_row(out, "pin");
        qri_cell_timeline(out, "timeline", &m->id.timeline);
        qri_cell_timeline(out, "name", &m->pins[i].name);
        qri_cell_text(out, "for", m->pins[i].branch ? "branch" : "backup");
        qri_cell_u64(out, "lsn", m->pins[i].lsn);
        qri_row_end(out);
    }
    for (size_t i = 0; i < m->garbage_count; i++)
        put_layer(run, &m->garbage[i], UINT8_MAX, "garbage", "not read");
}

/* What the layers cover must reach from the horizon to where ingest goes on. */
static void check_cover(struct qri_run *run, const struct qr_manifest_info *m)
{
    uint64_t from = m->horizon_lsn > m->start_lsn ? m->horizon_lsn : m->start_lsn;
    uint64_t covered = 0, newest = 0;
    bool any = false;
    for (size_t i = 0; i < m->layer_count; i++) { /* sorted by their first LSN */
        const struct qr_layer_info *l = &m->layers[i];
        uint64_t last = l->last_lsn < l->lsn_max ? l->last_lsn : l->lsn_max;
        if (l->image)
            continue;
        if (any && l->first_lsn > covered && l->first_lsn > from)
            qri_damage(run, "layers", "no layer holds what lies between LSN %llu and %llu",
                       (unsigned long long)(covered > from ? covered : from),
                       (unsigned long long)l->first_lsn);
        covered = last > covered ? last : covered;
        newest = covered;
        any = true;
    }
    if (any && newest != m->disk_lsn)
        qri_damage(run, "layers", "they end at LSN %llu, the manifest's disk LSN is %llu",
                   (unsigned long long)newest, (unsigned long long)m->disk_lsn);
}

void qri_look_at_manifest(struct qri_run *run, const uint8_t *bytes, size_t count)
{
    struct qr_manifest_info m;
    struct qr_err err;
    qr_err_reset(&err);
    if (!qri_take(run, "manifest", qr_manifest_info_decode(bytes, count, run->keyring, &m, &err),
                  &err))
        return;
    run->checked_count++;
    if (run->task == QRI_INSPECT)
        put_manifest(run, &m);
    if (!m.dropped)
        check_cover(run, &m);
    qr_manifest_info_done(&m);
}

/* --- long-term log --- */

void qri_look_at_log_object(struct qri_run *run, const uint8_t *bytes, size_t count)
{
    struct qr_log_object o;
    struct qr_err err;
    qr_err_reset(&err);
    struct qr_buf copy;
    qr_buf_init(&copy, QR_LOG_OBJECT_BYTES_MAX + QR_LOG_OBJECT_HEADER_BYTES);
    qr_buf_add(&copy, bytes, count);
    enum qr_status status = qr_buf_status(&copy, &err);
    if (status == QR_OK)
        status = qr_log_object_unpack(&copy, run->keyring, &o, &err);
    qr_buf_done(&copy);
    if (!qri_take(run, "object", status, &err))
        return;
    run->checked_count++;
    if (run->task != QRI_INSPECT)
        return;
    struct qri_out *out = &run->out;
    qri_row(out, "log_object");
    qri_cell_timeline(out, "timeline", &o.timeline);
    qri_cell_u64(out, "first_lsn", o.first_lsn);
    qri_cell_u64(out, "end_lsn", o.end_lsn);
    qri_cell_u64(out, "commit_lsn", o.commit_lsn);
    qri_cell_time(out, "commit_time", o.commit_wall_ns);
    qri_cell_u64(out, "bytes", count);
    qri_cell_u64(out, "raw_bytes", o.raw_bytes);
    qri_cell_text(out, "compression", qri_compression_name(o.compression));
    qri_cell_text(out, "checksums", "good");
    qri_row_end(out);
}

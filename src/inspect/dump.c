/* dump.c - a stream of log as rows of records; see inspect_int.h.
 *
 * A record begins where one ended, where a timeline or an epoch begins, and behind a commit mark.
 * Log whose beginning was trimmed is skipped up to the first such place. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "inspect_int.h"
#include "base/endian.h"
#include "base/banned.h"

enum { RANGES_MAX = 32 };

struct qri_dump {
    struct qri_run *run;
    struct qr_buf carry; /* of a record whose rest has not come */
    uint64_t carry_lsn, next_lsn, epoch;
    bool started, synced;
    uint64_t record_count;
};

struct qri_dump *qri_dump_new(struct qri_run *run)
{
    struct qri_dump *dump = calloc(1, sizeof *dump);
    if (dump == NULL)
        return NULL;
    dump->run = run;
    qr_buf_init(&dump->carry, 2 * QR_RECORD_BYTES_MAX);
    return dump;
}

void qri_dump_free(struct qri_dump *dump)
{
    if (dump == NULL)
        return;
    qr_buf_done(&dump->carry);
    free(dump);
}

static const char *kind_name(enum qr_record_kind kind)
{
    static const char *const names[] = {
        [QR_RECORD_DELTA] = "delta", [QR_RECORD_IMAGE] = "image",     [QR_RECORD_COMMIT] = "commit",
        [QR_RECORD_EPOCH] = "epoch", [QR_RECORD_COUNTER] = "counter", [QR_RECORD_DROP] = "drop",
    };
    return names[kind];
}

/* "offset+bytes" of each range, and with --bytes the bytes. */
static void add_ranges(struct qr_buf *text, const struct qr_record *rec, bool bytes_wanted)
{
    const uint8_t *p = rec->page.ranges, *end = p + rec->page.ranges_bytes;
    for (int i = 0; i < rec->page.range_count && end - p >= 4; i++) {
        uint16_t offset = qr_get16le(p), bytes = qr_get16le(p + 2);
        p += 4;
        if (end - p < bytes)
            return;
        if (i == RANGES_MAX && !bytes_wanted) {
            qr_buf_printf(text, " ...");
            return;
        }
        qr_buf_printf(text, "%s%u+%u", i == 0 ? "" : " ", offset, bytes);
        for (uint16_t k = 0; bytes_wanted && k < bytes; k++)
            qr_buf_printf(text, "%s%02x", k == 0 ? ":" : "", p[k]);
        p += bytes;
    }
}

static void print_record(struct qri_dump *d, const struct qr_record *rec, uint64_t lsn)
{
    struct qri_out *out = &d->run->out;
    if (lsn + rec->bytes <= d->run->from_lsn || lsn >= d->run->to_lsn)
        return;
    d->record_count++;
    struct qr_buf text;
    qr_buf_init(&text, 4 * QR_RECORD_BYTES_MAX);
    qri_row(out, "record");
    qri_cell_u64(out, "lsn", lsn);
    qri_cell_text(out, "record", kind_name(rec->kind));
    qri_cell_u64(out, "bytes", rec->bytes);
    qri_cell_u64(out, "epoch", rec->kind == QR_RECORD_EPOCH ? rec->epoch.epoch : d->epoch);
    bool page = rec->kind == QR_RECORD_DELTA || rec->kind == QR_RECORD_IMAGE;
    qri_cell_u64(out, "page", page ? rec->page.page_no : 0);
    uint64_t wall_ns = 0;
    if (page)
        add_ranges(&text, rec, d->run->bytes_wanted);
    else if (rec->kind == QR_RECORD_COMMIT)
        qr_buf_printf(&text, "commit %" PRIu64 ", %u pages of %u", rec->commit.commit_no,
                      rec->commit.page_count, rec->commit.db_pages);
    else if (rec->kind == QR_RECORD_EPOCH)
        qr_buf_printf(&text, "after commit at %" PRIu64, rec->epoch.last_commit_lsn);
    else
        qr_buf_printf(&text, "counter %" PRIu64, rec->counter.id);
    if (rec->kind == QR_RECORD_COUNTER)
        qr_buf_printf(&text, " next %" PRId64, rec->counter.next);
    if (rec->kind == QR_RECORD_COMMIT)
        wall_ns = rec->commit.wall_ns;
    else if (rec->kind == QR_RECORD_EPOCH)
        wall_ns = rec->epoch.wall_ns;
    qri_cell_time(out, "time", wall_ns);
    qri_cell_text(out, "what", qr_buf_cstr(&text));
    qri_row_end(out);
    qr_buf_done(&text);
}

/* Log that no record can be made of: up to the next place where one begins for sure. */
static void give_up(struct qri_dump *d, uint64_t lsn, const char *why)
{
    qri_damage(d->run, "record", "LSN %" PRIu64 ": %s", lsn, why);
    qr_buf_clear(&d->carry);
    d->synced = false;
}

/* What the carry holds may be a record, or need more; false: it can be none. */
static bool finish_carry(struct qri_dump *d)
{
    struct qr_record rec;
    struct qr_err err;
    qr_err_reset(&err);
    uint32_t want = 4;
    if (d->carry.len >= 4 && qr_record_length(d->carry.data, &want, &err) != QR_OK)
        goto bad;
    if (d->carry.len < 4 || d->carry.len < want)
        return true;
    if (qr_record_decode(d->carry.data, d->carry.len, &rec, &err) != QR_OK)
        goto bad;
    print_record(d, &rec, d->carry_lsn);
    qr_buf_clear(&d->carry);
    return true;
bad:
    give_up(d, d->carry_lsn, err.text);
    return false;
}

static void add_bytes(struct qri_dump *d, uint64_t lsn, const uint8_t *bytes, size_t count)
{
    size_t at = 0;
    while (at < count && d->synced) {
        struct qr_record rec;
        struct qr_err err;
        qr_err_reset(&err);
        if (d->carry.len > 0) { /* up to its length, then up to its end */
            uint32_t want = 4;
            if (d->carry.len >= 4 && qr_record_length(d->carry.data, &want, &err) != QR_OK) {
                give_up(d, d->carry_lsn, err.text);
                return;
            }
            size_t take = want - d->carry.len < count - at ? want - d->carry.len : count - at;
            qr_buf_add(&d->carry, bytes + at, take);
            at += take;
            if (!finish_carry(d))
                return;
            continue;
        }
        enum qr_status status = qr_record_decode(bytes + at, count - at, &rec, &err);
        if (status == QR_TRUNCATED) {
            d->carry_lsn = lsn + at;
            qr_buf_add(&d->carry, bytes + at, count - at);
            return;
        }
        if (status != QR_OK) {
            give_up(d, lsn + at, err.text);
            return;
        }
        print_record(d, &rec, lsn + at);
        at += rec.bytes;
    }
}

void qri_dump_log(struct qri_dump *d, const struct qr_timeline *timeline, uint64_t epoch,
                  uint64_t lsn, const uint8_t *bytes, size_t count, uint64_t boundary)
{
    if (!qri_wanted(d->run, timeline) || lsn + count <= d->next_lsn || lsn >= d->run->to_lsn)
        return;
    if (d->started && lsn < d->next_lsn) {
        bytes += d->next_lsn - lsn;
        count -= d->next_lsn - lsn;
        lsn = d->next_lsn;
    }
    /* Into a new epoch, or a hole that verify reports. */
    if (d->started && (lsn != d->next_lsn || boundary == lsn)) {
        if (d->carry.len > 0) {
            qri_row(&d->run->out, "void");
            qri_cell_u64(&d->run->out, "lsn", d->carry_lsn);
            qri_cell_u64(&d->run->out, "bytes", d->carry.len);
            qri_row_end(&d->run->out);
        }
        qr_buf_clear(&d->carry);
        d->synced = false;
    }
    d->started = true;
    d->next_lsn = lsn + count;
    d->epoch = epoch;
    if (!d->synced && boundary >= lsn && boundary <= lsn + count && boundary != 0) {
        d->synced = true;
        bytes += boundary - lsn;
        count -= boundary - lsn;
        lsn = boundary;
    }
    if (d->synced)
        add_bytes(d, lsn, bytes, count);
}

/* record.c - see page/record.h */
#include "page/record.h"
#include <assert.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "base/endian.h"
#include "base/banned.h"

enum {
    STRIDE = 64,    /* bytes compared at once */
    GAP_MERGED = 8, /* a range's own header costs 4 bytes */
};

static const uint8_t zero_page[QR_PAGE_BYTES_MAX];

/* Offset of the first stride that differs, from `offset` on; at least `limit` if none does. `limit`
 * is a multiple of the stride. */
typedef uint32_t find_fn(const uint8_t *a, const uint8_t *b, uint32_t offset, uint32_t limit);

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint32_t find_avx2(const uint8_t *a, const uint8_t *b,
                                                          uint32_t offset, uint32_t limit)
{
    for (; offset < limit; offset += STRIDE) {
        __m256i low = _mm256_xor_si256(_mm256_loadu_si256((const void *)(a + offset)),
                                       _mm256_loadu_si256((const void *)(b + offset)));
        __m256i high = _mm256_xor_si256(_mm256_loadu_si256((const void *)(a + offset + 32)),
                                        _mm256_loadu_si256((const void *)(b + offset + 32)));
        __m256i any = _mm256_or_si256(low, high);
        if (_mm256_testz_si256(any, any) == 0)
            break;
    }
    return offset;
}
#endif

static uint32_t find_plain(const uint8_t *a, const uint8_t *b, uint32_t offset, uint32_t limit)
{
    while (offset < limit && memcmp(a + offset, b + offset, STRIDE) == 0)
        offset += STRIDE;
    return offset;
}

/* Ranges are written straight behind the record's header as they are found. */
struct ranges {
    uint8_t *out;
    const uint8_t *page;
    uint32_t start, end; /* the open range; start == end: none */
    uint16_t count;
};

static void close_range(struct ranges *r)
{
    if (r->start == r->end)
        return;
    uint32_t bytes = r->end - r->start;
    qr_put16le(r->out, (uint16_t)r->start);
    qr_put16le(r->out + 2, (uint16_t)bytes);
    memcpy(r->out + 4, r->page + r->start, bytes);
    r->out += 4 + bytes;
    r->count++;
}

/* Joins bytes first to last - 1, which differ, to the open range if they are near it. */
static void add_range(struct ranges *r, uint32_t first, uint32_t last)
{
    if (r->start == r->end || first - r->end >= GAP_MERGED) {
        close_range(r);
        r->start = first;
    }
    r->end = last;
}

static void diff_words(struct ranges *r, const uint8_t *old_page, uint32_t offset, uint32_t bytes)
{
    for (uint32_t i = offset; i < offset + bytes; i += 8) {
        uint64_t x = qr_get64le(old_page + i) ^ qr_get64le(r->page + i);
        if (x != 0)
            add_range(r, i + (uint32_t)__builtin_ctzll(x) / 8,
                      i + 8 - (uint32_t)__builtin_clzll(x) / 8);
    }
}

/* A new page is dense, and then a stride is all of one range: one look at which of its bytes differ
 * tells that. */
#if defined(__x86_64__)
__attribute__((target("avx2"))) static void diff_avx2(struct ranges *r, const uint8_t *old_page,
                                                      uint32_t offset)
{
    const uint8_t *a = old_page + offset, *b = r->page + offset;
    __m256i low =
        _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)a), _mm256_loadu_si256((const void *)b));
    __m256i high = _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)(a + 32)),
                                     _mm256_loadu_si256((const void *)(b + 32)));
    uint64_t same =
        (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
    uint64_t twice = same & same >> 1, four = twice & twice >> 2;
    if (~same == 0)
        return;
    uint32_t first = (uint32_t)__builtin_ctzll(~same), last = 64 - (uint32_t)__builtin_clzll(~same);
    /* Bits of `gaps` begin runs of GAP_MERGED bytes that are the same. */
    uint64_t gaps = four & four >> 4, inside = gaps >> first << first;
    if (last < STRIDE)
        inside &= (UINT64_C(1) << last) - 1;
    if (inside == 0)
        add_range(r, offset + first, offset + last);
    else
        diff_words(r, old_page, offset, STRIDE);
}
#endif

static void diff_plain(struct ranges *r, const uint8_t *old_page, uint32_t offset)
{
    diff_words(r, old_page, offset, STRIDE);
}

/* For whole strides. */
struct differ {
    find_fn *find;
    void (*diff)(struct ranges *r, const uint8_t *old_page, uint32_t offset);
};

static struct differ choose_differ(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return (struct differ){find_avx2, diff_avx2};
#endif
    return (struct differ){find_plain, diff_plain};
}

void qr_record_add_page(struct qr_buf *buf, uint32_t page_no, const uint8_t *old_page,
                        const uint8_t *new_page, uint32_t page_bytes)
{
    assert(page_no > 0 && page_bytes <= QR_PAGE_BYTES_MAX);
    /* Worst case: ranges of 1 byte, 9 bytes apart, cost less than the page itself. */
    uint8_t *start = qr_buf_reserve(buf, QR_RECORD_HEADER_BYTES + 8 + page_bytes);
    if (start == NULL)
        return;
    bool image = old_page == NULL;
    const uint8_t *base = image ? zero_page : old_page;
    struct ranges r = {.out = start + QR_RECORD_HEADER_BYTES + 4, .page = new_page};
    uint32_t limit = page_bytes - QR_PAGE_RESERVED_BYTES, strides = limit / STRIDE * STRIDE;
    struct differ with = choose_differ();
    for (uint32_t i = 0; (i = with.find(base, new_page, i, strides)) < strides; i += STRIDE)
        with.diff(&r, base, i);
    diff_words(&r, base, strides, limit - strides);
    close_range(&r);
    if (r.count == 0 && !image)
        return;
    uint32_t bytes = (uint32_t)(r.out - start);
    qr_put32le(start, bytes);
    start[4] = image ? QR_RECORD_IMAGE : QR_RECORD_DELTA;
    start[5] = 0;
    qr_put16le(start + 6, r.count);
    qr_put32le(start + 8, page_no);
    buf->len += bytes;
}

static void add_header(struct qr_buf *buf, enum qr_record_kind kind, uint32_t bytes)
{
    qr_buf_add32le(buf, bytes);
    qr_buf_add8(buf, (uint8_t)kind);
    qr_buf_add8(buf, 0);
    qr_buf_add16le(buf, 0);
}

void qr_record_add_commit(struct qr_buf *buf, uint32_t db_pages, uint32_t page_count,
                          uint64_t wall_ns, uint64_t commit_no)
{
    add_header(buf, QR_RECORD_COMMIT, QR_COMMIT_RECORD_BYTES);
    qr_buf_add32le(buf, db_pages);
    qr_buf_add32le(buf, page_count);
    qr_buf_add64le(buf, wall_ns);
    qr_buf_add64le(buf, commit_no);
}

void qr_record_add_epoch(struct qr_buf *buf, uint64_t epoch, uint64_t last_commit_lsn,
                         uint64_t wall_ns)
{
    add_header(buf, QR_RECORD_EPOCH, 32);
    qr_buf_add64le(buf, epoch);
    qr_buf_add64le(buf, last_commit_lsn);
    qr_buf_add64le(buf, wall_ns);
}

void qr_record_add_counter(struct qr_buf *buf, uint64_t id, int64_t next)
{
    add_header(buf, QR_RECORD_COUNTER, 24);
    qr_buf_add64le(buf, id);
    qr_buf_add64le(buf, (uint64_t)next);
}

void qr_record_add_drop(struct qr_buf *buf, uint64_t id)
{
    add_header(buf, QR_RECORD_DROP, 16);
    qr_buf_add64le(buf, id);
}

/* Body bytes; a page record's is the least it can be. */
static const struct {
    uint8_t body_bytes;
    bool ranges;
} kinds[] = {
    [QR_RECORD_DELTA] = {4, true},     [QR_RECORD_IMAGE] = {4, true},
    [QR_RECORD_COMMIT] = {24, false},  [QR_RECORD_EPOCH] = {24, false},
    [QR_RECORD_COUNTER] = {16, false}, [QR_RECORD_DROP] = {8, false},
};

enum qr_status qr_record_length(const uint8_t *bytes, uint32_t *ret_bytes, struct qr_err *err)
{
    uint32_t length = qr_get32le(bytes);
    if (length < QR_RECORD_HEADER_BYTES || length > QR_RECORD_BYTES_MAX)
        return qr_fail(err, QR_CORRUPT, "log record of %u bytes", length);
    *ret_bytes = length;
    return QR_OK;
}

static void decode_body(struct qr_record *rec, const uint8_t *body)
{
    switch (rec->kind) {
    case QR_RECORD_DELTA:
    case QR_RECORD_IMAGE:
        rec->page.page_no = qr_get32le(body);
        rec->page.ranges = body + 4;
        rec->page.ranges_bytes = rec->bytes - QR_RECORD_HEADER_BYTES - 4;
        break;
    case QR_RECORD_COMMIT:
        rec->commit.db_pages = qr_get32le(body);
        rec->commit.page_count = qr_get32le(body + 4);
        rec->commit.wall_ns = qr_get64le(body + 8);
        rec->commit.commit_no = qr_get64le(body + 16);
        break;
    case QR_RECORD_EPOCH:
        rec->epoch.epoch = qr_get64le(body);
        rec->epoch.last_commit_lsn = qr_get64le(body + 8);
        rec->epoch.wall_ns = qr_get64le(body + 16);
        break;
    case QR_RECORD_COUNTER:
        rec->counter.next = (int64_t)qr_get64le(body + 8);
        rec->counter.id = qr_get64le(body);
        break;
    case QR_RECORD_DROP:
        rec->counter.next = 0;
        rec->counter.id = qr_get64le(body);
        break;
    }
}

enum qr_status qr_record_decode(const uint8_t *bytes, size_t count, struct qr_record *ret_record,
                                struct qr_err *err)
{
    struct qr_record rec = {.bytes = 0};
    if (count < QR_RECORD_HEADER_BYTES)
        return qr_fail(err, QR_TRUNCATED, "log record header");
    QR_TRY(qr_record_length(bytes, &rec.bytes, err));
    if (rec.bytes > count)
        return qr_fail(err, QR_TRUNCATED, "log record of %u bytes", rec.bytes);
    uint8_t kind = bytes[4];
    uint32_t body_bytes = rec.bytes - QR_RECORD_HEADER_BYTES;
    if (kind >= sizeof kinds / sizeof kinds[0] || kinds[kind].body_bytes == 0)
        return qr_fail(err, QR_CORRUPT, "log record of kind %u", kind);
    if (bytes[5] != 0 || body_bytes < kinds[kind].body_bytes ||
        (body_bytes > kinds[kind].body_bytes && !kinds[kind].ranges))
        return qr_fail(err, QR_CORRUPT, "log record of kind %u has %u bytes", kind, rec.bytes);
    rec.kind = (enum qr_record_kind)kind;
    decode_body(&rec, bytes + QR_RECORD_HEADER_BYTES);
    if (kinds[kind].ranges) {
        rec.page.range_count = qr_get16le(bytes + 6);
        if (rec.page.page_no == 0)
            return qr_fail(err, QR_CORRUPT, "log record for page 0");
    }
    *ret_record = rec;
    return QR_OK;
}

enum qr_status qr_record_apply(const struct qr_record *record, uint8_t *page, uint32_t page_bytes,
                               struct qr_err *err)
{
    assert(kinds[record->kind].ranges);
    if (record->kind == QR_RECORD_IMAGE)
        memset(page, 0, page_bytes);
    const uint8_t *p = record->page.ranges, *end = p + record->page.ranges_bytes;
    for (uint32_t i = 0; i < record->page.range_count; i++) {
        if (end - p < 4)
            return qr_fail(err, QR_CORRUPT, "log record for page %u: ranges end early",
                           record->page.page_no);
        uint32_t offset = qr_get16le(p), bytes = qr_get16le(p + 2);
        p += 4;
        if (bytes > (size_t)(end - p) || offset + bytes > page_bytes - QR_PAGE_RESERVED_BYTES)
            return qr_fail(err, QR_CORRUPT, "log record for page %u: range %u+%u",
                           record->page.page_no, offset, bytes);
        memcpy(page + offset, p, bytes);
        p += bytes;
    }
    if (p != end)
        return qr_fail(err, QR_CORRUPT, "log record for page %u: bytes behind its ranges",
                       record->page.page_no);
    return QR_OK;
}

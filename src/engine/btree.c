/* btree.c - see btree.h. The format is that of SQLite's database files: sqlite.org/fileformat2. */
#include "btree.h"
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

enum {
    DEPTH_MAX = 20,
    INDEX_INNER = 0x02,
    TABLE_INNER = 0x05,
    INDEX_LEAF = 0x0a,
    TABLE_LEAF = 0x0d
};

struct walk {
    struct qri_link *link;
    sqlite3_file *file;
    uint32_t page_bytes, usable_bytes;
    int depth;          /* levels above the leaves */
    uint32_t last_leaf; /* its page number */
    struct qri_btree_size size;
    uint64_t sampled_overflow, next_sample, step;
    struct qr_err *err;
};

struct page {
    const uint8_t *bytes, *header;
    uint32_t cell_count;
    uint8_t kind;
};

static void free_bytes(uint8_t **bytes)
{
    free(*bytes);
}

static bool is_leaf(const struct page *page)
{
    return page->kind == INDEX_LEAF || page->kind == TABLE_LEAF;
}

static enum qr_status read_page(struct walk *w, uint32_t page_no, uint8_t *buf,
                                struct page *ret_page)
{
    int rc = w->file->pMethods->xRead(w->file, buf, (int)w->page_bytes,
                                      (sqlite3_int64)(page_no - 1) * w->page_bytes);
    if (page_no == 0 || rc != SQLITE_OK)
        return qri_sqlite_fail(w->link, rc == SQLITE_OK ? SQLITE_CORRUPT : rc, w->err);
    const uint8_t *header = buf + (page_no == 1 ? 100 : 0);
    *ret_page = (struct page){
        .bytes = buf, .header = header, .cell_count = qr_get16be(header + 3), .kind = header[0]};
    bool is_inner = header[0] == INDEX_INNER || header[0] == TABLE_INNER;
    uint32_t head = is_inner ? 12 : 8;
    if ((!is_inner && !is_leaf(ret_page)) ||
        (uint32_t)(header - buf) + head + 2 * ret_page->cell_count > w->page_bytes)
        return qr_fail(w->err, QR_CORRUPT, "page %u is of no b-tree", page_no);
    return QR_OK;
}

/* The child left of the cell at `index`; the last one is behind all cells. */
static uint32_t child(const struct walk *w, const struct page *page, uint32_t index)
{
    if (index == page->cell_count)
        return qr_get32be(page->header + 8);
    uint32_t at = qr_get16be(page->header + 12 + 2 * index);
    return at + 4 <= w->page_bytes ? qr_get32be(page->bytes + at) : 0;
}

/* ---- leaves ---- */

static uint64_t payload_of(const struct walk *w, const struct page *page, uint32_t index)
{
    uint32_t at = qr_get16be(page->header + 8 + 2 * index);
    uint64_t value = 0;
    for (int i = 0; i < 9 && at < w->page_bytes; i++, at++) {
        value = value << 7 | (page->bytes[at] & 0x7F);
        if ((page->bytes[at] & 0x80) == 0)
            return value;
    }
    return 0;
}

static uint64_t overflow_pages(const struct walk *w, const struct page *page, uint64_t payload)
{
    uint64_t u = w->usable_bytes;
    uint64_t most = page->kind == TABLE_LEAF ? u - 35 : (u - 12) * 64 / 255 - 23;
    if (payload <= most)
        return 0;
    uint64_t least = (u - 12) * 32 / 255 - 23;
    uint64_t kept = least + (payload - least) % (u - 4);
    if (kept > most)
        kept = least;
    return (payload - kept + u - 5) / (u - 4);
}

/* Between header and cells, and of cells that are no more: fileformat2, 1.6. */
static uint64_t free_bytes_of(const struct walk *w, const struct page *page)
{
    enum { LEAF_HEADER = 8, GAPS_MAX = 10000 };
    uint32_t content = qr_get16be(page->header + 5);
    content = content == 0 ? 65536 : content;
    uint32_t cells_end =
        (uint32_t)(page->header - page->bytes) + LEAF_HEADER + 2 * page->cell_count;
    uint64_t bytes = page->header[7] + (content > cells_end ? content - cells_end : 0);
    uint32_t at = qr_get16be(page->header + 1);
    for (int i = 0; i < GAPS_MAX && at != 0 && at + 4 <= w->page_bytes; i++) {
        bytes += qr_get16be(page->bytes + at + 2);
        at = qr_get16be(page->bytes + at);
    }
    return bytes < w->usable_bytes ? bytes : w->usable_bytes;
}

static void sample(struct walk *w, const struct page *page)
{
    struct qri_btree_size *s = &w->size;
    s->sampled++;
    s->sampled_entries += page->cell_count;
    s->sampled_used += w->usable_bytes - free_bytes_of(w, page);
    for (uint32_t i = 0; i < page->cell_count; i++) {
        uint64_t payload = payload_of(w, page, i);
        s->sampled_payload += payload;
        s->payload_max = payload > s->payload_max ? payload : s->payload_max;
        if (s->payload_min == 0 || payload < s->payload_min)
            s->payload_min = payload;
        w->sampled_overflow += overflow_pages(w, page, payload);
    }
}

/* Every step-th leaf below this page, which stands just above them. */
static enum qr_status sample_children(struct walk *w, const struct page *page)
{
    QR_AUTO(free_bytes) uint8_t *buf = malloc(w->page_bytes);
    if (buf == NULL)
        return qr_fail(w->err, QR_NOMEM, "read pages");
    uint64_t first = w->size.leaves;
    w->size.leaves += page->cell_count + 1;
    for (; w->next_sample < w->size.leaves; w->next_sample += w->step) {
        struct page leaf;
        QR_TRY(read_page(w, child(w, page, (uint32_t)(w->next_sample - first)), buf, &leaf));
        if (!is_leaf(&leaf))
            return qr_fail(w->err, QR_CORRUPT, "a b-tree is not balanced");
        sample(w, &leaf);
    }
    return QR_OK;
}

/* ---- pages above them ---- */

static void count_children(struct walk *w, const struct page *page)
{
    w->size.leaves += page->cell_count + 1;
    for (uint32_t i = 0; i <= page->cell_count; i++) {
        uint32_t leaf = child(w, page, i);
        w->size.fragments += leaf != w->last_leaf + 1;
        w->size.backwards += leaf < w->last_leaf;
        w->last_leaf = leaf;
    }
}

static enum qr_status inner(struct walk *w, uint32_t page_no, int above, bool counts)
{
    QR_AUTO(free_bytes) uint8_t *buf = malloc(w->page_bytes);
    struct page page;
    if (buf == NULL)
        return qr_fail(w->err, QR_NOMEM, "read pages");
    QR_TRY(read_page(w, page_no, buf, &page));
    if (is_leaf(&page))
        return qr_fail(w->err, QR_CORRUPT, "a b-tree is not balanced");
    w->size.inner += counts;
    if (counts && page.kind == INDEX_INNER)
        w->size.entries += page.cell_count; /* those of tables only guide */
    if (above == 1 && counts) {
        count_children(w, &page);
        return QR_OK;
    }
    if (above == 1)
        return sample_children(w, &page);
    for (uint32_t i = 0; i <= page.cell_count; i++)
        QR_TRY(inner(w, child(w, &page, i), above - 1, counts));
    return QR_OK;
}

static enum qr_status find_depth(struct walk *w, uint32_t root, struct page *page, uint8_t *buf)
{
    QR_TRY(read_page(w, root, buf, page));
    struct page at = *page;
    while (!is_leaf(&at)) {
        if (++w->depth > DEPTH_MAX)
            return qr_fail(w->err, QR_CORRUPT, "a b-tree is too deep");
        QR_TRY(read_page(w, child(w, &at, 0), buf, &at));
    }
    *page = at;
    return QR_OK;
}

static enum qr_status measure(struct walk *w, uint32_t root)
{
    QR_AUTO(free_bytes) uint8_t *buf = malloc(w->page_bytes);
    struct page page;
    if (buf == NULL)
        return qr_fail(w->err, QR_NOMEM, "read pages");
    QR_TRY(find_depth(w, root, &page, buf));
    if (w->depth == 0) {
        w->size.leaves = w->size.fragments = 1;
        sample(w, &page);
        return QR_OK;
    }
    QR_TRY(inner(w, root, w->depth, true));
    w->step = (w->size.leaves + QRI_BTREE_SAMPLES - 1) / QRI_BTREE_SAMPLES;
    w->size.leaves = 0;
    return inner(w, root, w->depth, false);
}

static uint32_t root_of(struct qri_link *link, const char *name)
{
    sqlite3_stmt *stmt = NULL;
    uint32_t root = 0;
    if (sqlite3_prepare_v2(link->db, "SELECT rootpage FROM main.sqlite_schema WHERE name = ?1", -1,
                           &stmt, NULL) == SQLITE_OK &&
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        root = (uint32_t)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return root;
}

static enum qr_status begin(struct walk *w, const char *name, uint32_t *ret_root)
{
    enum { RESERVED_AT = 20 };
    uint8_t reserved = 0;
    *ret_root = root_of(w->link, name);
    if (*ret_root == 0)
        return QR_NOT_FOUND;
    if (sqlite3_file_control(w->link->db, "main", SQLITE_FCNTL_FILE_POINTER, &w->file) !=
            SQLITE_OK ||
        w->file->pMethods->xRead(w->file, &reserved, 1, RESERVED_AT) != SQLITE_OK)
        return qr_fail(w->err, QR_IO, "read pages");
    w->page_bytes = qr_store_page_bytes(w->link->database->store);
    w->usable_bytes = w->page_bytes - reserved;
    return QR_OK;
}

static uint64_t leaves_about(struct walk *w, uint32_t root)
{
    QR_AUTO(free_bytes) uint8_t *buf = malloc(w->page_bytes);
    uint64_t leaves = 1;
    uint32_t at = root;
    for (int depth = 0; buf != NULL && depth < DEPTH_MAX; depth++) {
        struct page page = {0};
        if (read_page(w, at, buf, &page) != QR_OK)
            return 0;
        if (is_leaf(&page))
            return leaves;
        leaves *= page.cell_count + 1;
        at = child(w, &page, page.cell_count / 2);
    }
    return 0;
}

uint64_t qri_btree_leaves_about(struct qri_link *link, const char *name)
{
    struct walk w = {.link = link};
    uint32_t root = 0;
    return begin(&w, name, &root) == QR_OK ? leaves_about(&w, root) : 0;
}

enum qr_status qri_btree_size(struct qri_link *link, const char *name,
                              struct qri_btree_size *ret_size, struct qr_err *err)
{
    struct walk w = {.link = link, .err = err, .step = 1};
    uint32_t root = 0;
    QR_TRY(begin(&w, name, &root));
    QR_TRY(measure(&w, root));
    double share = (double)w.size.leaves / (double)w.size.sampled;
    w.size.levels = (uint64_t)w.depth + 1;
    w.size.overflow = (uint64_t)((double)w.sampled_overflow * share + 0.5);
    w.size.entries += (uint64_t)((double)w.size.sampled_entries * share + 0.5);
    *ret_size = w.size;
    return QR_OK;
}

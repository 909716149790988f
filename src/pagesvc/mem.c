/* mem.c - memory layers: entries by page, newest first; see pagesvc_int.h. */
#include "pagesvc_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/banned.h"

enum {
    CHUNK_BYTES = 1 << 20,
    FIRST_CELLS = 1024,
    MARKS_BYTES_MAX = 1 << 30,
    ALIGNMENT = 16,
};

struct qri_mem_chunk {
    struct qri_mem_chunk *next;
    size_t used, capacity;
    _Alignas(ALIGNMENT) uint8_t bytes[];
};

static void free_mem(struct qri_mem *mem)
{
    while (mem->chunks != NULL) {
        struct qri_mem_chunk *next = mem->chunks->next;
        free(mem->chunks);
        mem->chunks = next;
    }
    free(mem->cells);
    qri_group_file_free(mem->spill);
    qri_meta_done(&mem->meta);
    qr_buf_done(&mem->marks);
    qr_buf_done(&mem->changes);
    pthread_rwlock_destroy(&mem->lock);
    free(mem);
}

enum qr_status qri_mem_new(const struct qr_timeline *timeline, uint64_t first_lsn,
                           const struct qri_meta *meta, struct qri_mem **ret_mem,
                           struct qr_err *err)
{
    struct qri_mem *mem = calloc(1, sizeof *mem);
    if (mem == NULL)
        return qr_fail(err, QR_NOMEM, "memory layer");
    atomic_init(&mem->refs, 1);
    mem->timeline = *timeline;
    mem->first_lsn = first_lsn;
    pthread_rwlock_init(&mem->lock, NULL);
    qr_buf_init(&mem->marks, MARKS_BYTES_MAX);
    qr_buf_init(&mem->changes, MARKS_BYTES_MAX);
    mem->cells = calloc(FIRST_CELLS, sizeof mem->cells[0]);
    mem->cell_count = FIRST_CELLS;
    enum qr_status status = mem->cells == NULL ? qr_fail(err, QR_NOMEM, "memory layer")
                                               : qri_meta_copy(meta, &mem->meta, err);
    if (status != QR_OK)
        free_mem(mem);
    else
        *ret_mem = mem;
    return status;
}

struct qri_mem *qri_mem_ref(struct qri_mem *mem)
{
    atomic_fetch_add(&mem->refs, 1);
    return mem;
}

void qri_mem_unref(struct qri_mem *mem)
{
    if (mem != NULL && atomic_fetch_sub(&mem->refs, 1) == 1)
        free_mem(mem);
}

static void *take(struct qri_mem *mem, size_t bytes)
{
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct qri_mem_chunk *chunk = mem->chunks;
    if (chunk == NULL || chunk->capacity - chunk->used < bytes) {
        size_t capacity = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + capacity);
        if (chunk == NULL)
            return NULL;
        *chunk = (struct qri_mem_chunk){.next = mem->chunks, .capacity = capacity};
        mem->chunks = chunk;
    }
    void *place = chunk->bytes + chunk->used;
    chunk->used += bytes;
    (void)atomic_fetch_add_explicit(&mem->bytes, bytes, memory_order_relaxed);
    return place;
}

enum qr_status qri_mem_stage(struct qri_mem *mem, const uint8_t *record, uint32_t bytes,
                             uint32_t page_no, struct qri_mem_entry **ret_entry, struct qr_err *err)
{
    struct qri_mem_entry *e = take(mem, sizeof *e + bytes);
    if (e == NULL)
        return qr_fail(err, QR_NOMEM, "entry of %u bytes", bytes);
    *e = (struct qri_mem_entry){.page_no = page_no, .bytes = bytes & INT32_MAX};
    memcpy(e->record, record, bytes);
    *ret_entry = e;
    return QR_OK;
}

enum qr_status qri_mem_stage_spilled(struct qri_mem *mem, uint64_t offset, uint32_t bytes,
                                     uint32_t page_no, struct qri_mem_entry **ret_entry,
                                     struct qr_err *err)
{
    struct qri_mem_entry *e = take(mem, sizeof *e + sizeof offset);
    if (e == NULL)
        return qr_fail(err, QR_NOMEM, "entry of a large log group");
    *e = (struct qri_mem_entry){.page_no = page_no, .bytes = bytes & INT32_MAX, .is_spilled = 1};
    memcpy(e->record, &offset, sizeof offset);
    *ret_entry = e;
    return QR_OK;
}

static uint64_t spilled_at(const struct qri_mem_entry *entry)
{
    uint64_t offset;
    memcpy(&offset, entry->record, sizeof offset);
    return offset;
}

enum qr_status qri_mem_stage_again(struct qri_mem *mem, const struct qri_mem_entry *entry,
                                   struct qri_mem_entry **ret_entry, struct qr_err *err)
{
    return entry->is_spilled
               ? qri_mem_stage_spilled(mem, spilled_at(entry), entry->bytes, entry->page_no,
                                       ret_entry, err)
               : qri_mem_stage(mem, entry->record, entry->bytes, entry->page_no, ret_entry, err);
}

void qri_mem_take_spill(struct qri_mem *mem, struct qri_group_file *own_file)
{
    pthread_rwlock_wrlock(&mem->lock);
    assert(mem->spill == NULL);
    mem->spill = own_file;
    atomic_store(&mem->spilled_bytes, qri_group_file_bytes(own_file));
    pthread_rwlock_unlock(&mem->lock);
}

enum qr_status qri_mem_record(const struct qri_mem *mem, const struct qri_mem_entry *entry,
                              struct qr_buf *scratch, const uint8_t **ret_record,
                              struct qr_err *err)
{
    if (entry->is_spilled)
        return qri_group_file_read(mem->spill, spilled_at(entry), entry->bytes, scratch, ret_record,
                                   err);
    *ret_record = entry->record;
    return QR_OK;
}

static struct qri_mem_cell *cell_of(struct qri_mem_cell *cells, uint32_t cell_count,
                                    uint32_t page_no)
{
    uint32_t at = (page_no * UINT32_C(0x9E3779B1)) & (cell_count - 1);
    while (cells[at].page_no != 0 && cells[at].page_no != page_no)
        at = (at + 1) & (cell_count - 1);
    return &cells[at];
}

/* Room for `more` pages at a load of at most three quarters. */
static enum qr_status grow(struct qri_mem *mem, size_t more, struct qr_err *err)
{
    uint64_t want = ((uint64_t)mem->page_count + more) * 4 / 3 + 1, count = mem->cell_count;
    while (count < want)
        count *= 2;
    if (count == mem->cell_count)
        return QR_OK;
    if (count > UINT32_MAX / 2)
        return qr_fail(err, QR_TOO_BIG, "memory layer of %llu pages", (unsigned long long)want);
    struct qri_mem_cell *cells = calloc(count, sizeof *cells);
    if (cells == NULL)
        return qr_fail(err, QR_NOMEM, "memory layer");
    for (uint32_t i = 0; i < mem->cell_count; i++) {
        if (mem->cells[i].page_no != 0)
            *cell_of(cells, (uint32_t)count, mem->cells[i].page_no) = mem->cells[i];
    }
    free(mem->cells);
    mem->cells = cells;
    mem->cell_count = (uint32_t)count;
    return QR_OK;
}

static void link_entry(struct qri_mem *mem, struct qri_mem_entry *entry, uint64_t lsn)
{
    struct qri_mem_cell *cell = cell_of(mem->cells, mem->cell_count, entry->page_no);
    mem->page_count += cell->page_no == 0;
    cell->page_no = entry->page_no;
    entry->lsn = lsn;
    entry->older = cell->newest;
    cell->newest = entry;
}

enum qr_status qri_mem_commit(struct qri_mem *mem, struct qri_mem_entry **entries, size_t count,
                              const struct qri_mark *mark, struct qr_err *err)
{
    pthread_rwlock_wrlock(&mem->lock);
    enum qr_status status = grow(mem, count, err);
    if (status == QR_OK) {
        qri_mark_encode(mark, &mem->marks);
        status = qr_buf_status(&mem->marks, err);
    }
    for (size_t i = 0; i < count && status == QR_OK; i++)
        link_entry(mem, entries[i], mark->lsn);
    if (status == QR_OK) {
        mem->entry_count += count;
        mem->last_lsn = mark->lsn;
    }
    pthread_rwlock_unlock(&mem->lock);
    return status;
}

enum qr_status qri_mem_change(struct qri_mem *mem, const struct qri_change *change,
                              struct qr_err *err)
{
    pthread_rwlock_wrlock(&mem->lock);
    qri_change_encode(change, &mem->changes);
    pthread_rwlock_unlock(&mem->lock);
    return qr_buf_status(&mem->changes, err);
}

enum qr_status qri_mem_walk(struct qri_mem *mem, struct qri_walk *walk, uint64_t lsn_max,
                            struct qr_err *err)
{
    uint64_t bound = walk->lsn < lsn_max ? walk->lsn : lsn_max;
    enum qr_status status = QR_OK;
    struct qr_buf scratch;
    qr_buf_init(&scratch, SIZE_MAX / 4);
    pthread_rwlock_rdlock(&mem->lock);
    const struct qri_mem_entry *e = cell_of(mem->cells, mem->cell_count, walk->page_no)->newest;
    while (e != NULL && status == QR_OK && e->lsn > walk->base_lsn) {
        const uint8_t *record = NULL;
        if (e->lsn <= bound)
            status = qri_mem_record(mem, e, &scratch, &record, err);
        if (record != NULL)
            status = qri_walk_add(walk, e->lsn, record, e->bytes, e->is_spilled, err);
        e = e->older;
    }
    pthread_rwlock_unlock(&mem->lock);
    qr_buf_done(&scratch);
    return status;
}

static int by_page_and_lsn(const void *a, const void *b)
{
    const struct qri_mem_entry *x = *(struct qri_mem_entry *const *)a,
                               *y = *(struct qri_mem_entry *const *)b;
    if (x->page_no != y->page_no)
        return x->page_no < y->page_no ? -1 : 1;
    return (x->lsn > y->lsn) - (x->lsn < y->lsn);
}

enum qr_status qri_mem_sorted(struct qri_mem *mem, struct qri_mem_entry ***ret_entries,
                              size_t *ret_count, struct qr_err *err)
{
    pthread_rwlock_rdlock(&mem->lock);
    struct qri_mem_entry **list = malloc((mem->entry_count + 1) * sizeof(struct qri_mem_entry *));
    size_t count = 0;
    for (uint32_t i = 0; list != NULL && i < mem->cell_count; i++) {
        for (struct qri_mem_entry *e = mem->cells[i].newest; e != NULL; e = e->older)
            list[count++] = e;
    }
    assert(list == NULL || count == mem->entry_count);
    pthread_rwlock_unlock(&mem->lock);
    if (list == NULL)
        return qr_fail(err, QR_NOMEM, "order a memory layer");
    qsort(list, count, sizeof *list, by_page_and_lsn);
    *ret_entries = list;
    *ret_count = count;
    return QR_OK;
}

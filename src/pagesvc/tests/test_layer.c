/* test_layer.c - one layer file: damage in one place of it costs entries in that place only, what
 * an earlier version wrote can be read, and another layer is not taken for it. */
#include <stdlib.h>
#include <string.h>
#include "base/crc.h"
#include "base/endian.h"
#include "blob/blob.h"
#include "env/sim.h"
#include "layer_int.h"
#include "page/compress.h"
#include "qr_test.h"
#include "test_ring.h"

enum { PAGES = 12, PAGE_BYTES = 4096, FIRST_LSN = 1000, SECTOR = 4096, COPY_AT = 96, CRC_AT = 12 };
static const char path[] = "/layer";

struct one {
    struct qr_sim *sim;
    struct qr_env *env;
    struct qr_blob *blob;
    struct t_ring keys;
    struct qr_cipher_key key;
    struct qri_layer_desc desc;
    struct qr_buf file; /* as it was written */
};

static void put(struct one *o, const uint8_t *bytes, size_t count)
{
    assert_int_equal(qr_env_replace_file(o->env, path, bytes, count, NULL), QR_OK);
}

static void add_pages(struct qri_layer_writer *w)
{
    uint8_t page[PAGE_BYTES];
    struct qr_buf record;
    qr_buf_init(&record, QR_RECORD_BYTES_MAX);
    for (uint32_t no = 1; no <= PAGES; no++) {
        for (uint32_t i = 0; i < PAGE_BYTES - QR_PAGE_RESERVED_BYTES; i++)
            page[i] = (uint8_t)((i * no * UINT32_C(2654435761)) >> 24);
        qr_buf_clear(&record);
        qr_record_add_page(&record, no, NULL, page, PAGE_BYTES);
        assert_int_equal(
            qri_layer_writer_add(w, no, FIRST_LSN + no, record.data, (uint32_t)record.len, NULL),
            QR_OK);
    }
    qr_buf_done(&record);
}

static void make(struct one *o, bool encrypted, uint8_t compression)
{
    *o = (struct one){.sim = qr_sim_new(&(struct qr_sim_options){.seed = 5})};
    o->env = qr_sim_env(o->sim);
    assert_int_equal(qr_blob_open(o->env, NULL, "file:///blobs", "", &o->blob, NULL), QR_OK);
    assert_int_equal(t_ring_open(&o->keys, o->env, o->blob), QR_OK);
    o->desc = (struct qri_layer_desc){.origin = {{3}},
                                      .id = 7,
                                      .kind = QRI_LAYER_DELTA,
                                      .first_lsn = FIRST_LSN,
                                      .last_lsn = FIRST_LSN + PAGES,
                                      .lsn_max = UINT64_MAX};
    if (encrypted) {
        struct qr_data_key data_key;
        const uint8_t salt[QR_SALT_BYTES] = {9, 8, 7};
        assert_int_equal(qr_keyring_take(o->keys.ring, &o->desc.origin, &data_key, NULL), QR_OK);
        qri_layer_cipher(&o->key, &data_key, &o->desc, salt);
    }
    struct qri_layer_place place = {.env = o->env};
    snprintf(place.name, sizeof place.name, "%s", path);
    struct qri_layer_writer *w = NULL;
    assert_int_equal(qri_layer_writer_new(&place, &o->desc, PAGE_BYTES, compression,
                                          encrypted ? &o->key : NULL, &w, NULL),
                     QR_OK);
    add_pages(w);
    struct qri_meta meta = {.mark = {.lsn = FIRST_LSN, .commit_no = 4, .db_pages = 1}};
    struct qr_buf marks, changes;
    qr_buf_init(&marks, 4096);
    qr_buf_init(&changes, 4096);
    qri_mark_encode(&(struct qri_mark){.lsn = o->desc.last_lsn, .commit_no = 5, .db_pages = PAGES},
                    &marks);
    qri_change_encode(&(struct qri_change){.lsn = o->desc.last_lsn, .id = 7, .next = 77}, &changes);
    assert_int_equal(qri_layer_writer_end(w, &meta, &marks, &changes, &o->desc, NULL), QR_OK);
    qr_buf_done(&marks);
    qr_buf_done(&changes);
    qr_buf_init(&o->file, 1 << 20);
    assert_int_equal(qr_env_read_file(o->env, path, &o->file, NULL), QR_OK);
    assert_int_equal(o->file.len, o->desc.bytes);
}

static void done(struct one *o)
{
    qr_buf_done(&o->file);
    t_ring_close(&o->keys);
    qr_blob_close(o->blob);
    qr_sim_free(o->sim);
}

static enum qr_status open_it(struct one *o, struct qri_layer **ret_layer)
{
    return qri_layer_open(o->env, o->keys.ring, path, &o->desc, ret_layer, NULL);
}

/* What the database was at the layer's end. */
static enum qr_status fold(struct qri_layer *layer)
{
    struct qri_meta meta = {0};
    struct qr_buf marks, changes;
    qr_buf_init(&marks, 4096);
    qr_buf_init(&changes, 4096);
    enum qr_status status = qri_layer_meta(layer, &meta, &marks, &changes, NULL);
    if (status == QR_OK) {
        assert_int_equal(qri_meta_fold(&meta, &marks, &changes, UINT64_MAX, NULL), QR_OK);
        assert_int_equal(meta.mark.commit_no, 5);
        assert_int_equal(meta.mark.db_pages, PAGES);
        assert_int_equal(meta.count, 1);
        assert_int_equal(meta.counters[0].next, 77);
    }
    qri_meta_done(&meta);
    qr_buf_done(&marks);
    qr_buf_done(&changes);
    return status;
}

/* How many pages are right; every other is QR_CORRUPT. */
static int count_right(struct qri_layer *layer)
{
    int right = 0;
    for (uint32_t no = 1; no <= PAGES; no++) {
        uint8_t page[PAGE_BYTES];
        uint64_t version = 0;
        struct qri_walk walk;
        qri_walk_init(&walk, no, UINT64_MAX);
        enum qr_status status = qri_layer_walk(layer, &walk, UINT64_MAX, NULL);
        if (status == QR_OK)
            status = qri_walk_apply(&walk, page, PAGE_BYTES, &version, NULL);
        qri_walk_done(&walk);
        if (status != QR_OK) {
            assert_int_equal(status, QR_CORRUPT);
            continue;
        }
        for (uint32_t i = 0; i < PAGE_BYTES - QR_PAGE_RESERVED_BYTES; i++)
            assert_int_equal(page[i], (uint8_t)((i * no * UINT32_C(2654435761)) >> 24));
        assert_int_equal(version, FIRST_LSN + no);
        right++;
    }
    return right;
}

static uint64_t copy_at(const struct one *o)
{
    return qr_get64le(o->file.data + COPY_AT);
}

/* Opens, tells what the database was, and has all pages but those of the blocks in that range. */
static void check_damaged(struct one *o, uint64_t from, uint64_t end)
{
    struct qri_layer *layer = NULL, *whole = NULL;
    if (open_it(o, &layer) != QR_OK)
        fail_msg("damage from %llu to %llu", (unsigned long long)from, (unsigned long long)end);
    int lost = 0;
    put(o, o->file.data, o->file.len);
    assert_int_equal(open_it(o, &whole), QR_OK);
    assert_false(atomic_load(&whole->is_hurt));
    for (size_t i = 0; i < whole->block_count; i++) {
        const struct qri_layer_block *b = &whole->blocks[i];
        uint32_t next = i + 1 < whole->block_count ? whole->blocks[i + 1].page_no : PAGES + 1;
        if (b->offset < end && from < b->offset + b->bytes + QRI_LAYER_BLOCK_HEADER_BYTES)
            lost += (int)(next - b->page_no);
    }
    assert_true(whole->block_count > 1);
    qri_layer_unref(whole);
    int right = count_right(layer);
    assert_true(right >= PAGES - lost - (lost > 0)); /* the block before is asked for its first */
    assert_int_equal(fold(layer), QR_OK);
    qri_layer_unref(layer);
}

static void hurt(struct one *o, uint64_t from, uint64_t end, bool flips)
{
    uint8_t *bytes = malloc(o->file.len);
    assert_non_null(bytes);
    memcpy(bytes, o->file.data, o->file.len);
    if (flips)
        bytes[from] ^= 16;
    else
        memset(bytes + from, 0, end - from);
    put(o, bytes, o->file.len);
    free(bytes);
    check_damaged(o, from, end);
}

static const struct {
    bool encrypted;
    uint8_t compression;
} forms[] = {{false, QR_COMPRESSION_NONE}, {false, QR_COMPRESSION_LZ4}, {true, QR_COMPRESSION_LZ4}};
enum { FORMS = sizeof forms / sizeof forms[0] };

static void test_a_flipped_bit_anywhere_costs_the_entries_of_its_block_only(void **state)
{
    (void)state;
    for (int form = 0; form < FORMS; form++) {
        struct one o;
        make(&o, forms[form].encrypted, forms[form].compression);
        for (uint64_t at = 0; at < QRI_LAYER_HEADER_BYTES; at++)
            hurt(&o, at, at + 1, true);
        for (uint64_t at = QRI_LAYER_HEADER_BYTES; at < copy_at(&o) - 600; at += 211)
            hurt(&o, at, at + 1, true);
        for (uint64_t at = copy_at(&o) - 600; at < o.file.len; at++)
            hurt(&o, at, at + 1, true);
        done(&o);
    }
}

static void test_a_damaged_sector_costs_the_entries_of_its_blocks_only(void **state)
{
    (void)state;
    for (int form = 0; form < FORMS; form++) {
        struct one o;
        make(&o, forms[form].encrypted, forms[form].compression);
        for (uint64_t at = 0; at < o.file.len; at += 61)
            hurt(&o, at, at + SECTOR < o.file.len ? at + SECTOR : o.file.len, false);
        done(&o);
    }
}

/* Behind the footer's copy; in front of it there is none of both. */
static void test_a_layer_that_is_cut_off_behind_the_copy_is_whole(void **state)
{
    (void)state;
    for (int form = 0; form < FORMS; form++) {
        struct one o;
        struct qri_layer *layer = NULL;
        make(&o, forms[form].encrypted, forms[form].compression);
        size_t needed = copy_at(&o) + QRI_LAYER_FOOTER_BYTES;
        for (size_t bytes = needed; bytes <= o.file.len; bytes += 7) {
            put(&o, o.file.data, bytes);
            check_damaged(&o, bytes, o.file.len);
        }
        put(&o, o.file.data, needed - 1);
        assert_int_equal(open_it(&o, &layer), QR_TRUNCATED);
        put(&o, o.file.data, 3);
        assert_int_equal(open_it(&o, &layer), QR_TRUNCATED);
        done(&o);
    }
}

/* Its end came right behind the blocks, and nothing was there twice. */
static void test_a_layer_without_copies_is_read(void **state)
{
    (void)state;
    for (int form = 0; form < FORMS; form++) {
        struct one o;
        struct qri_layer *layer = NULL;
        make(&o, forms[form].encrypted, forms[form].compression);
        o.file.len = copy_at(&o) + QRI_LAYER_FOOTER_BYTES;
        uint8_t *head = o.file.data, *footer = head + copy_at(&o);
        qr_put64le(head + 72, o.file.len);
        qr_put64le(head + COPY_AT, 0);
        qr_put32le(head + CRC_AT, 0);
        qr_put32le(head + CRC_AT, qr_crc32c(0, head, QRI_LAYER_HEADER_BYTES));
        if (forms[form].encrypted)
            assert_int_equal(qri_ends_seal(&o.key, QRI_END_LAST, head, footer, NULL), QR_OK);
        o.desc.bytes = o.file.len;
        put(&o, o.file.data, o.file.len);
        assert_int_equal(open_it(&o, &layer), QR_OK);
        assert_false(atomic_load(&layer->is_hurt));
        assert_int_equal(count_right(layer), PAGES);
        assert_int_equal(fold(layer), QR_OK);
        qri_layer_unref(QR_TAKE(layer));
        head[40] ^= 1;
        put(&o, o.file.data, o.file.len);
        assert_int_equal(open_it(&o, &layer), QR_CORRUPT);
        done(&o);
    }
}

static void test_another_layer_is_not_taken_for_it(void **state)
{
    (void)state;
    for (int form = 0; form < FORMS; form++) {
        struct one o;
        struct qri_layer *layer = NULL;
        make(&o, forms[form].encrypted, forms[form].compression);
        o.desc.id++;
        assert_int_equal(open_it(&o, &layer), QR_CORRUPT);
        o.desc.id--;
        o.desc.last_lsn++;
        assert_int_equal(open_it(&o, &layer), QR_CORRUPT);
        done(&o);
    }
}

/* An end of one file under the header of another: the tag of each is of both. */
static void test_ends_that_do_not_belong_together_are_refused(void **state)
{
    (void)state;
    struct one o;
    struct qri_layer *layer = NULL;
    make(&o, true, QR_COMPRESSION_LZ4);
    uint64_t headers[] = {0, o.file.len - QRI_LAYER_HEADER_BYTES - QRI_LAYER_FOOTER_BYTES};
    for (int i = 0; i < 2; i++) {
        uint8_t *head = o.file.data + headers[i];
        qr_put32le(head + 68, PAGES + 1);
        qr_put32le(head + CRC_AT, 0);
        qr_put32le(head + CRC_AT, qr_crc32c(0, head, QRI_LAYER_HEADER_BYTES));
    }
    put(&o, o.file.data, o.file.len);
    assert_int_equal(open_it(&o, &layer), QR_CORRUPT);
    done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flipped_bit_anywhere_costs_the_entries_of_its_block_only),
        cmocka_unit_test(test_a_damaged_sector_costs_the_entries_of_its_blocks_only),
        cmocka_unit_test(test_a_layer_that_is_cut_off_behind_the_copy_is_whole),
        cmocka_unit_test(test_a_layer_without_copies_is_read),
        cmocka_unit_test(test_another_layer_is_not_taken_for_it),
        cmocka_unit_test(test_ends_that_do_not_belong_together_are_refused),
    };
    return cmocka_run_group_tests_name("pagesvc/layer", tests, NULL, NULL);
}

/* Goal: IMPORT as it comes from a network: whatever the frame, it is refused with a status and
 * leaves nothing behind, and the import that follows is whole. Method: frames go through the
 * serving side; each hostile one comes into the middle of a part, then the part is sent again. */
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "import_bed.h"
#include "qr_test.h"

static const uint64_t START_LSN = 100, LSN = 1000;

static void begin_bed(struct import_bed *b)
{
    import_bed_open(b);
    import_bed_create(b, qr_lsn(START_LSN));
}

/* Pages 1 to 6 in three frames, as a client sends them; true: the layer has what was sent. */
static bool imports(struct import_bed *b)
{
    uint32_t want = 0;
    for (uint32_t page = 1; page <= 5; page += 2) {
        struct qr_pages_import import = {.lsn = qr_lsn(LSN),
                                         .first_page = page,
                                         .count = 2,
                                         .begins = page == 1,
                                         .ends = page == 5};
        want = import_bed_frame(b, 0, &import, want);
        if (import_bed_send(b, b->frame, b->frame_bytes) != QR_OK)
            return false;
    }
    return b->answer_bytes == 4 && qr_get32le(b->answer) == want;
}

static void test_a_part_comes_in_frames_and_may_come_again(void **state)
{
    (void)state;
    struct import_bed b;
    begin_bed(&b);
    assert_true(imports(&b));
    assert_true(imports(&b));
    import_bed_close(&b);
}

enum { WHOLE = -1 };
static const struct hostile {
    const char *name;
    struct qr_pages_import import; /* two pages, as of LSN, unless it says else */
    uint64_t version;              /* of the pages; 0: as of LSN */
    uint32_t slice;
    int bytes;   /* of the frame that are sent; WHOLE: all */
    int flags;   /* -1: those of the import */
    size_t more; /* bytes behind it */
    enum qr_status want;
} hostile[] = {
    /* clang-format off */
    {"nothing",              {.first_page = 3},                       0, 0, 0,  -1, 0, QR_PROTOCOL},
    {"half a name",          {.first_page = 3},                       0, 0, 19, -1, 0, QR_PROTOCOL},
    {"a name alone",         {.first_page = 3},                       0, 0, 20, -1, 0, QR_PROTOCOL},
    {"half a header",        {.first_page = 3},                       0, 0, 36, -1, 0, QR_PROTOCOL},
    {"a header alone",       {.first_page = 3},                       0, 0, 37, -1, 0, QR_PROTOCOL},
    {"half a page",          {.first_page = 3},                       0, 0, 99, -1, 0, QR_PROTOCOL},
    {"a byte more",          {.first_page = 3},                       0, 0, WHOLE, -1, 1, QR_PROTOCOL},
    {"a page more",          {.first_page = 3},                       0, 0, WHOLE, -1, IMPORT_ENTRY_BYTES, QR_PROTOCOL},
    {"no page",              {.first_page = 3, .count = UINT32_MAX},  0, 0, 37, -1, 0, QR_PROTOCOL},
    {"a flag of tomorrow",   {.first_page = 3},                       0, 0, WHOLE, 4, 0, QR_PROTOCOL},
    {"repeated",             {.first_page = 1},                       0, 0, WHOLE, -1, 0, QR_CONFLICT},
    {"out of order",         {.first_page = 5},                       0, 0, WHOLE, -1, 0, QR_CONFLICT},
    {"page 0",               {.first_page = 0},                       0, 0, WHOLE, -1, 0, QR_CONFLICT},
    {"behind the part",      {.first_page = QR_PAGES_PART},           0, 0, WHOLE, -1, 0, QR_CONFLICT},
    {"the last number",      {.first_page = UINT32_MAX},              0, 0, WHOLE, -1, 0, QR_CONFLICT},
    {"begins in the middle", {.first_page = 3, .begins = true},       0, 0, WHOLE, -1, 0, QR_INVALID},
    {"begins at 0",          {.first_page = 0, .begins = true},       0, 0, WHOLE, -1, 0, QR_INVALID},
    {"begins behind the end", {.first_page = UINT32_MAX - QR_PAGES_PART + 1, .begins = true}, 0, 0, WHOLE, -1, 0, QR_INVALID},
    {"of another LSN",       {.first_page = 3, .lsn = {999}},         0, 0, WHOLE, -1, 0, QR_CONFLICT},
    {"before the slice",     {.first_page = 1, .lsn = {99}, .begins = true}, 1, 0, WHOLE, -1, 0, QR_INVALID},
    {"a later page",         {.first_page = 3},                    1001, 0, WHOLE, -1, 0, QR_INVALID},
    {"the last version",     {.first_page = 3},              UINT64_MAX, 0, WHOLE, -1, 0, QR_INVALID},
    {"another slice",        {.first_page = 3},                       0, 7, WHOLE, -1, 0, QR_NOT_FOUND},
    /* clang-format on */
};

static enum qr_status send_hostile(struct import_bed *b, const struct hostile *h)
{
    struct qr_pages_import import = h->import;
    import.lsn = import.lsn.v == 0 ? qr_lsn(LSN) : import.lsn;
    import.count = import.count == UINT32_MAX ? 0 : 2;
    import_bed_frame(b, h->slice, &import, 0);
    for (uint32_t i = 0; h->version != 0 && i < import.count; i++)
        qr_put64le(b->frame + QR_PAGES_IMPORT_HEADER_BYTES + i * IMPORT_ENTRY_BYTES, h->version);
    if (h->flags >= 0)
        b->frame[QR_PAGES_IMPORT_HEADER_BYTES - 1] = (uint8_t)h->flags;
    memset(b->frame + b->frame_bytes, 0, h->more);
    size_t bytes = h->bytes == WHOLE ? b->frame_bytes + h->more : (size_t)h->bytes;
    return import_bed_send(b, b->frame, bytes);
}

static void test_hostile_frames_are_refused_and_leave_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        struct import_bed b;
        begin_bed(&b);
        struct qr_pages_import first = {
            .lsn = qr_lsn(LSN), .first_page = 1, .count = 2, .begins = true};
        import_bed_frame(&b, 0, &first, 0);
        assert_int_equal(import_bed_send(&b, b.frame, b.frame_bytes), QR_OK);
        enum qr_status status = send_hostile(&b, &hostile[i]);
        if (status != hostile[i].want)
            fail_msg("%s: %s", hostile[i].name, qr_status_info(status)->name);
        assert_int_equal(import_bed_layers(&b), 0);
        assert_true(imports(&b));
        assert_int_equal(import_bed_layers(&b), 1);
        import_bed_close(&b);
    }
}

/* A frame that was under way for long comes when the timeline is in use: its pages are not what
 * the log has made of them. */
static void test_nothing_is_imported_once_log_has_come(void **state)
{
    (void)state;
    struct import_bed b;
    begin_bed(&b);
    assert_true(imports(&b));
    struct qr_pages_import late = {.lsn = qr_lsn(LSN), .first_page = 1, .count = 2, .begins = true};
    import_bed_frame(&b, 0, &late, 0);
    assert_int_equal(import_bed_send(&b, b.frame, b.frame_bytes), QR_OK); /* begun in time */
    import_bed_log(&b, qr_lsn(START_LSN));
    late = (struct qr_pages_import){.lsn = qr_lsn(LSN), .first_page = 3, .count = 2, .ends = true};
    import_bed_frame(&b, 0, &late, 0);
    assert_int_equal(import_bed_send(&b, b.frame, b.frame_bytes), QR_CONFLICT);
    assert_false(imports(&b));
    assert_int_equal(import_bed_layers(&b), 1);
    import_bed_close(&b);
}

static void test_what_is_encoded_is_decoded(void **state)
{
    (void)state;
    struct import_bed b;
    import_bed_open(&b);
    for (int flags = 0; flags < 4; flags++) {
        struct qr_pages_import import = {.lsn = {UINT64_MAX - 1},
                                         .first_page = 0x01020304,
                                         .count = 2,
                                         .begins = (flags & 1) != 0,
                                         .ends = (flags & 2) != 0};
        struct qr_pages_import got;
        import_bed_frame(&b, 3, &import, 0);
        assert_int_equal(qr_pages_import_decode(b.frame, b.frame_bytes, &got, NULL), QR_OK);
        assert_true(got.lsn.v == import.lsn.v && got.first_page == import.first_page);
        assert_true(got.count == 2 && got.begins == import.begins && got.ends == import.ends);
        assert_ptr_equal(got.pages, b.frame + QR_PAGES_IMPORT_HEADER_BYTES);
        assert_int_equal(got.bytes, 2 * IMPORT_ENTRY_BYTES);
    }
    import_bed_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_encoded_is_decoded),
        cmocka_unit_test(test_a_part_comes_in_frames_and_may_come_again),
        cmocka_unit_test(test_hostile_frames_are_refused_and_leave_nothing),
        cmocka_unit_test(test_nothing_is_imported_once_log_has_come),
    };
    return cmocka_run_group_tests_name("pagesvc/import_frames", tests, NULL, NULL);
}

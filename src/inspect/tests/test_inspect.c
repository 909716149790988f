/* test_inspect.c - what real services wrote is whole; damage at every kind of structure is found
 * and named; the log reads back as what went in. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/endian.h"
#include "yard.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void run_must(struct yard *y, const char *const *words, enum qr_inspect_exit want,
                     const char *text_in)
{
    char *text = NULL;
    enum qr_inspect_exit got = yard_run(y, words, &text);
    if (got != want || (text_in != NULL && strstr(text, text_in) == NULL))
        fail_msg("%s %s: exit %d instead of %d, \"%s\" in:\n%s", words[0], words[1], got, want,
                 text_in == NULL ? "" : text_in, text);
    free(text);
}

static void test_what_the_services_wrote_is_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct yard y;
        yard_make(&y, seed);
        run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_WHOLE, "whole");
        run_must(&y, WORDS("verify", "/yard", "--timeline", y.timeline), QR_INSPECT_WHOLE, "whole");
        run_must(&y, WORDS("verify", "file:///yard/blobs"), QR_INSPECT_WHOLE, "whole");
        yard_done(&y);
    }
}

static void test_inspect_shows_every_kind_of_structure_the_same_way_each_time(void **state)
{
    (void)state;
    static const char *const kinds[] = {"journal",   "timeline",     "segment",    "log_object",
                                        "manifest",  "layer",        "lineage",    "pin",
                                        "data_file", "double_write", "log_segment"};
    struct yard y;
    yard_make(&y, 2);
    char *table = NULL, *json = NULL, *again = NULL;
    assert_int_equal(yard_run(&y, WORDS("inspect", "/yard"), &table), QR_INSPECT_WHOLE);
    assert_int_equal(yard_run(&y, WORDS("inspect", "/yard", "--format", "json"), &json),
                     QR_INSPECT_WHOLE);
    assert_int_equal(yard_run(&y, WORDS("inspect", "/yard", "--format", "json"), &again),
                     QR_INSPECT_WHOLE);
    assert_string_equal(json, again);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char line[64], object[64];
        snprintf(line, sizeof line, "\n%s\n", kinds[i]);
        snprintf(object, sizeof object, "\n{\"kind\": \"%s\", ", kinds[i]);
        if (strstr(table, line) == NULL && strncmp(table, line + 1, strlen(line) - 1) != 0)
            fail_msg("no %s in the table:\n%s", kinds[i], table);
        if (strstr(json, object) == NULL)
            fail_msg("no %s in the JSON:\n%s", kinds[i], json);
    }
    assert_memory_equal(json, "[\n{", 3);
    assert_string_equal(json + strlen(json) - 4, "}\n]\n");
    free(table);
    free(json);
    free(again);
    yard_done(&y);
}

/* Nothing is destaged, and a later epoch's log is in the journal behind an earlier one's: the table
 * knows states that the journal's first blocks do not. */
static void test_a_journal_of_several_lives_and_epochs_is_whole(void **state)
{
    (void)state;
    struct yard y;
    yard_make(&y, 12);
    for (int life = 0; life < 3; life++) {
        yard_live_again(&y, life);
        run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_WHOLE, "whole");
    }
    yard_done(&y);
}

/* --- single files --- */

struct tree {
    struct yard *y;
    char path[512];
    char paths[256][512];
    size_t count;
};

static bool add_file(void *arg, const char *name)
{
    struct tree *t = arg;
    size_t n = strlen(t->path);
    assert_true(t->count < 256);
    snprintf(t->path + n, sizeof t->path - n, "/%s", name);
    if (qr_env_list(t->y->env, t->path, add_file, t, NULL) != QR_OK)
        snprintf(t->paths[t->count++], sizeof t->paths[0], "%s", t->path);
    t->path[n] = '\0';
    return true;
}

static void list_tree(struct tree *t, struct yard *y, const char *path)
{
    t->y = y;
    t->count = 0;
    snprintf(t->path, sizeof t->path, "%s", path);
    assert_int_equal(qr_env_list(y->env, path, add_file, t, NULL), QR_OK);
}

/* The n-th file whose path has `part`; fails if there is none. */
static const char *find_file(const struct tree *t, const char *part, size_t n)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strstr(t->paths[i], part) != NULL && n-- == 0)
            return t->paths[i];
    }
    fail_msg("no file '%s'", part);
    return NULL;
}

static const char *find_last_file(const struct tree *t, const char *part)
{
    const char *found = find_file(t, part, 0);
    for (size_t i = 0; i < t->count; i++) {
        if (strstr(t->paths[i], part) != NULL)
            found = t->paths[i];
    }
    return found;
}

static uint64_t size_of(struct yard *y, const char *path)
{
    struct qr_file *file = NULL;
    uint64_t bytes = 0;
    assert_int_equal(qr_env_open(y->env, path, QR_OPEN_READ, &file, NULL), QR_OK);
    assert_int_equal(qr_file_size(file, &bytes, NULL), QR_OK);
    qr_file_close(file);
    return bytes;
}

static void test_a_single_file_is_known_by_its_first_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *file, *kind;
    } cases[] = {{"/log/timelines", "journal"}, {"/log/journal.", "segment"},
                 {"/manifest~", "manifest"},    {".delta~", "layer"},
                 {"/layers/", "layer"},         {"/blobs/log/", "log_object"},
                 {"/db/data", "data_file"},     {"/db/double-write", "double_write"},
                 {"/db/log.", "log_segment"}};
    struct yard y;
    struct tree *t = calloc(1, sizeof *t);
    yard_make(&y, 3);
    list_tree(t, &y, "/yard");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_must(&y, WORDS("inspect", find_file(t, cases[i].file, 0)), QR_INSPECT_WHOLE,
                 cases[i].kind);
        run_must(&y, WORDS("verify", find_file(t, cases[i].file, 0)), QR_INSPECT_WHOLE, "whole");
    }
    run_must(&y, WORDS("inspect", find_file(t, "/db/lock", 0)), QR_INSPECT_FAILED, NULL);
    run_must(&y, WORDS("inspect", "/nowhere"), QR_INSPECT_FAILED, NULL);
    run_must(&y, WORDS("inspect"), QR_INSPECT_USAGE, NULL);
    run_must(&y, WORDS("dump-log", "/yard"), QR_INSPECT_USAGE, NULL);
    run_must(&y, WORDS("verify", "/yard", "--format", "xml"), QR_INSPECT_USAGE, NULL);
    free(t);
    yard_done(&y);
}

/* --- damage --- */

/* Flips a bit, looks, flips it back. */
static void damage_is_found(struct yard *y, const char *path, uint64_t byte, const char *words)
{
    assert_int_equal(qr_sim_flip_bit(y->sim, path, byte * 8 + 2), QR_OK);
    char *text = NULL;
    enum qr_inspect_exit got = yard_run(y, WORDS("verify", "/yard"), &text);
    if (got != QR_INSPECT_DAMAGED || strstr(text, words) == NULL ||
        strstr(text, "damage\n") == NULL)
        fail_msg("'%s' byte %llu: exit %d, looked for \"%s\" in:\n%s", path,
                 (unsigned long long)byte, got, words, text);
    free(text);
    assert_int_equal(qr_sim_flip_bit(y->sim, path, byte * 8 + 2), QR_OK);
}

static void loss_is_found(struct yard *y, const char *path, const char *words)
{
    assert_int_equal(qr_env_rename(y->env, path, "/away", NULL), QR_OK);
    run_must(y, WORDS("verify", "/yard"), QR_INSPECT_DAMAGED, words);
    assert_int_equal(qr_env_rename(y->env, "/away", path, NULL), QR_OK);
}

static void test_damage_to_every_kind_of_structure_is_found_and_named(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        size_t nth;
        int64_t byte; /* negative: from the end */
        const char *words;
    } cases[] = {
        {"/log/timelines", 0, 100, "the table of timelines: checksum"},
        {"/log/journal.", 0, 20, "journal segment header"},
        {"/log/journal.", 0, 4096 + 100, "were hardened and are damaged"},
        {"/log/journal.", 1, 4096 + 20, "were hardened and are damaged"},
        {"/blobs/log/", 0, 10, "header is damaged"},
        {"/blobs/log/", 1, 64 + 400, "bytes do not match their checksum"},
        {"/manifest~", 0, 64 + 50, "bytes do not match their checksum"},
        {"/manifest~", 0, 8, "header is damaged"},
        {".delta~", 0, 64 + 128 + 200, "bytes do not match their checksum"},
        {".delta~", 0, 30, "cannot read its header"},
        {"/layers/", 0, 20, "checksum of a layer's header"},
        {"/layers/", 0, -50, "checksum of a layer's footer"},
        {"/layers/", 0, -140, "its copy is damaged"},
        {"/layers/", 0, -256 - 10, "checksum of a layer's section"},
        {"/layers/", 0, 128 + 300, "checksum of block 0"},
        {"/db/log.", 0, 12, "log segment header"},
        {"/db/data", 0, 65536 + 4096 + 77, "page 2: checksum does not match"},
    };
    struct yard y;
    struct tree *t = calloc(1, sizeof *t);
    yard_make(&y, 4);
    list_tree(t, &y, "/yard");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = find_file(t, cases[i].file, cases[i].nth);
        uint64_t byte = cases[i].byte >= 0 ? (uint64_t)cases[i].byte
                                           : size_of(&y, path) - (uint64_t)-cases[i].byte;
        if (strstr(path, "/db/data") != NULL) { /* torn, while the double-write area has it */
            assert_int_equal(qr_sim_flip_bit(y.sim, path, byte * 8), QR_OK);
            run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_WHOLE, "whole");
            assert_int_equal(qr_sim_flip_bit(y.sim, path, byte * 8), QR_OK);
            assert_int_equal(qr_sim_flip_bit(y.sim, "/yard/db/double-write", 8), QR_OK);
        }
        damage_is_found(&y, path, byte, cases[i].words);
    }
    loss_is_found(&y, find_file(t, "/log/timelines", 0), "it is not there, a journal is");
    loss_is_found(&y, find_file(t, "/log/journal.", 0), "it is not there, a later one is");
    loss_is_found(&y, find_file(t, "/log/journal.", 1), "the journal ends before block");
    loss_is_found(&y, find_file(t, "/blobs/log/", 0), "long-term log  it begins at LSN");
    loss_is_found(&y, find_file(t, "/blobs/log/", 1), "is missing");
    loss_is_found(&y, find_last_file(t, "/blobs/log/"), "long-term log  it ends at LSN");
    loss_is_found(&y, find_file(t, ".delta~", 0), "there is no such object");
    loss_is_found(&y, find_file(t, "/db/log.", 0), "log segment");
    run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_WHOLE, "whole");
    free(t);
    yard_done(&y);
}

/* Stores an object again with one bit changed, so that the store finds nothing wrong with it. */
static void rewrite(struct qr_blob *blob, const char *name, const char *as, int64_t byte)
{
    struct qr_buf buf;
    qr_buf_init(&buf, 1 << 20);
    assert_int_equal(qr_blob_get(blob, name, 0, SIZE_MAX, &buf, NULL, NULL), QR_OK);
    if (byte != 0)
        buf.data[byte > 0 ? (size_t)byte : buf.len - (size_t)-byte] ^= 4;
    assert_int_equal(qr_blob_put(blob, as, buf.data, buf.len, NULL, NULL, NULL), QR_OK);
    qr_buf_done(&buf);
}

struct object_names {
    char log[2][200], layer[200], manifest[200];
    int logs;
};

static bool note_name(void *arg, const char *name, const struct qr_blob_info *info)
{
    struct object_names *n = arg;
    (void)info;
    if (strncmp(name, "log/", 4) == 0 && n->logs < 2)
        snprintf(n->log[n->logs++], sizeof n->log[0], "%s", name);
    else if (strstr(name, ".delta") != NULL && n->layer[0] == '\0')
        snprintf(n->layer, sizeof n->layer, "%s", name);
    else if (strstr(name, "/manifest") != NULL && n->manifest[0] == '\0')
        snprintf(n->manifest, sizeof n->manifest, "%s", name);
    return true;
}

static void test_damage_that_a_store_does_not_see_is_found_by_the_formats(void **state)
{
    (void)state;
    struct yard y;
    yard_make(&y, 11);
    struct qr_blob *blob = NULL;
    struct object_names n = {.logs = 0};
    assert_int_equal(qr_blob_open(y.env, NULL, "file:///yard/blobs", "", &blob, NULL), QR_OK);
    assert_int_equal(qr_blob_list(blob, "", note_name, &n, NULL), QR_OK);
    const struct {
        const char *name;
        int64_t byte;
        const char *words;
    } cases[] = {{n.log[0], 20, "long-term log: header"},
                 {n.log[0], 128 + 50, "checksum"},
                 {n.log[1], 128 + 5, "checksum"},
                 {n.manifest, 50, "checksum of a manifest"},
                 {n.manifest, -3, "checksum of a manifest"},
                 {n.layer, 40, "checksum of a layer's header"},
                 {n.layer, 128 + 20, "checksum of block 0"},
                 {n.layer, -20, "checksum of a layer's footer"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rewrite(blob, cases[i].name, cases[i].name, cases[i].byte);
        run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_DAMAGED, cases[i].words);
        rewrite(blob, cases[i].name, cases[i].name, cases[i].byte);
    }
    run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_WHOLE, "whole");
    /* Whole objects in the wrong place. */
    rewrite(blob, n.log[1], n.log[0], 0);
    run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_DAMAGED, "it holds other log");
    char other[200];
    snprintf(other, sizeof other, "pages/%s/7/manifest", y.timeline);
    rewrite(blob, n.manifest, other, 0);
    run_must(&y, WORDS("verify", "file:///yard/blobs"), QR_INSPECT_DAMAGED, "it is of slice");
    qr_blob_close(blob);
    yard_done(&y);
}

static void test_long_term_log_that_is_gone_altogether_is_noticed(void **state)
{
    (void)state;
    struct yard y;
    struct tree *t = calloc(1, sizeof *t);
    yard_make(&y, 13);
    list_tree(t, &y, "/yard/blobs/log");
    assert_true(t->count > 1);
    for (size_t i = 0; i < t->count; i++)
        assert_int_equal(qr_env_unlink(y.env, t->paths[i], NULL), QR_OK);
    run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_DAMAGED, "was destaged, and there is none");
    free(t);
    yard_done(&y);
}

static void put_names(struct qr_blob *blob, const char *const *names)
{
    for (; *names != NULL; names++)
        assert_int_equal(qr_blob_put(blob, *names, (const uint8_t *)"x", 1, NULL, NULL, NULL),
                         QR_OK);
}

/* Parts whose manifest a crash cannot have kept from being there, and those that it can. */
static void test_manifests_that_are_not_there_are_noticed(void **state)
{
    (void)state;
    static const char *const crashed[] = {"backups/a/chains/00000002",
                                          "backups/a/data/00000001/00000000-00000003",
                                          "backups/a/data/00000002/00000000-00000000",
                                          "backups/a/data/00000003/00000000-00000000",
                                          "backups/b/data/00000001/00000000-00000000",
                                          NULL};
    static const char *const lost[][3] = {
        {"backups/c/chains/00000005", "backups/a/data/00000003/00000001-00000000", NULL},
        {"backups/a/chains/00000004", "backups/a/data/00000003/00000000-00000001", NULL},
        {"backups/b/data/00000001/00000001-00000000", NULL, NULL}};
    struct yard y;
    struct qr_blob *blob = NULL;
    struct tree *t = calloc(1, sizeof *t);
    yard_make(&y, 17);
    assert_int_equal(qr_blob_open(y.env, NULL, "file:///yard/blobs", "", &blob, NULL), QR_OK);
    put_names(blob, crashed);
    run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_WHOLE, "whole");
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        put_names(blob, lost[i]);
        run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_DAMAGED,
                 "parts of the chain are there, and its manifest is not");
        for (size_t k = 0; lost[i][k] != NULL; k++)
            assert_int_equal(qr_blob_delete(blob, lost[i][k], NULL, NULL), QR_OK);
    }
    run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_WHOLE, "whole");
    list_tree(t, &y, "/yard/blobs/pages");
    for (size_t i = 0; i < t->count; i++)
        if (strstr(t->paths[i], "/manifest") != NULL)
            assert_int_equal(qr_env_unlink(y.env, t->paths[i], NULL), QR_OK);
    run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_DAMAGED, "and neither it nor its copy");
    qr_blob_close(blob);
    free(t);
    yard_done(&y);
}

static void test_both_header_slots_damaged_is_found_one_is_not_damage(void **state)
{
    (void)state;
    struct yard y;
    yard_make(&y, 5);
    assert_int_equal(qr_sim_flip_bit(y.sim, "/yard/db/data", 8 * 50), QR_OK);
    run_must(&y, WORDS("inspect", "/yard/db"), QR_INSPECT_WHOLE, "data_file");
    assert_int_equal(qr_sim_flip_bit(y.sim, "/yard/db/data", 8 * (4096 + 50)), QR_OK);
    run_must(&y, WORDS("verify", "/yard"), QR_INSPECT_DAMAGED, "data file header");
    yard_done(&y);
}

/* Flips bits everywhere: nothing crashes, and where every byte is under a checksum all are found.
 */
static void test_no_flipped_bit_crashes_it_and_objects_hide_none(void **state)
{
    (void)state;
    struct yard y;
    struct tree *t = calloc(1, sizeof *t);
    yard_make(&y, 6);
    list_tree(t, &y, "/yard");
    for (size_t i = 0; i < t->count; i++) {
        const char *path = t->paths[i];
        uint64_t bytes = size_of(&y, path), step = bytes / 40 + 1;
        bool covered = strstr(path, "/blobs/") != NULL || strstr(path, "/layers/") != NULL ||
                       strcmp(path, "/yard/log/timelines") == 0;
        if (strstr(path, "/~") != NULL || bytes == 0)
            continue;
        for (uint64_t at = 0; at < bytes; at += step) {
            char *text = NULL;
            assert_int_equal(qr_sim_flip_bit(y.sim, path, at * 8 + at % 8), QR_OK);
            enum qr_inspect_exit got = yard_run(&y, WORDS("verify", path), &text);
            if (covered && got == QR_INSPECT_WHOLE)
                fail_msg("'%s': byte %llu changed, and it is whole", path, (unsigned long long)at);
            free(text);
            assert_int_equal(qr_sim_flip_bit(y.sim, path, at * 8 + at % 8), QR_OK);
        }
    }
    free(t);
    yard_done(&y);
}

static void test_files_cut_anywhere_are_damaged_and_nothing_more(void **state)
{
    (void)state;
    struct yard y;
    struct tree *t = calloc(1, sizeof *t);
    yard_make(&y, 7);
    list_tree(t, &y, "/yard");
    for (size_t i = 0; i < t->count; i++) {
        uint64_t bytes = size_of(&y, t->paths[i]);
        for (uint64_t keep = bytes; keep > 0 && bytes < (1 << 18);) {
            struct qr_file *file = NULL;
            char *text = NULL;
            keep = keep * 2 / 3;
            assert_int_equal(qr_env_open(y.env, t->paths[i], QR_OPEN_RW, &file, NULL), QR_OK);
            assert_int_equal(qr_file_truncate(file, keep, NULL), QR_OK);
            qr_file_close(file);
            (void)yard_run(&y, WORDS("verify", t->paths[i]), &text);
            free(text);
            text = NULL;
            (void)yard_run(&y, WORDS("inspect", "/yard"), &text);
            free(text);
        }
    }
    free(t);
    yard_done(&y);
}

/* --- the log --- */

/* Calls `each` with every row's LSN and kind of record. */
static size_t count_records(const char *json, const char *record, uint64_t *ends, size_t ends_max)
{
    size_t count = 0;
    char want[64];
    snprintf(want, sizeof want, "\"record\": \"%s\", \"bytes\": ", record);
    for (const char *p = json; (p = strstr(p, "{\"kind\": \"record\", \"lsn\": ")) != NULL; p++) {
        char *end;
        uint64_t lsn = strtoull(p + 25, &end, 10);
        assert_memory_equal(end, ", ", 2);
        if (strncmp(end + 2, want, strlen(want)) != 0)
            continue;
        if (count < ends_max)
            ends[count] = lsn + strtoull(end + 2 + strlen(want), NULL, 10);
        count++;
    }
    return count;
}

static void test_the_log_reads_back_as_it_went_in(void **state)
{
    (void)state;
    struct yard y;
    yard_make(&y, 8);
    char *json = NULL;
    uint64_t *ends = calloc(1000, sizeof *ends);
    assert_int_equal(
        yard_run(&y, WORDS("dump-log", "/yard", "--timeline", y.timeline, "--format", "json"),
                 &json),
        QR_INSPECT_WHOLE);
    assert_int_equal(count_records(json, "commit", ends, 1000), y.world.commit_count);
    for (size_t i = 0; i < y.world.commit_count; i++)
        assert_int_equal(ends[i], y.world.commits[i].lsn);
    assert_int_equal(count_records(json, "epoch", ends, 1000), y.world.piece_count);
    assert_non_null(
        strstr(json, "\"time\": \"1970-01-01T00:00:00.000001000Z\", \"what\": \"commit 1, "));
    free(json);
    free(ends);
    yard_done(&y);
}

static void test_a_window_of_the_log_has_what_lies_in_it(void **state)
{
    (void)state;
    struct yard y;
    yard_make(&y, 9);
    char *json = NULL, from[32], to[32];
    uint64_t ends[64];
    snprintf(from, sizeof from, "%" PRIu64, y.world.commits[49].lsn);
    snprintf(to, sizeof to, "%" PRIu64, y.world.commits[59].lsn);
    assert_int_equal(yard_run(&y,
                              WORDS("dump-log", "/yard", "--timeline", y.timeline, "--format",
                                    "json", "--from", from, "--to", to),
                              &json),
                     QR_INSPECT_WHOLE);
    assert_int_equal(count_records(json, "commit", ends, 64), 10);
    assert_int_equal(ends[0], y.world.commits[50].lsn);
    free(json);
    yard_done(&y);
}

/* The General Purpose database's log is dumped under its own timeline. */
static void test_a_general_purpose_log_reads_back_too(void **state)
{
    (void)state;
    struct yard y;
    yard_make(&y, 10);
    char *json = NULL, id[QR_TIMELINE_HEX_BYTES];
    assert_int_equal(yard_run(&y, WORDS("inspect", "/yard/db", "--format", "json"), &json),
                     QR_INSPECT_WHOLE);
    const char *at = strstr(json, "\"timeline\": \"");
    assert_non_null(at);
    snprintf(id, sizeof id, "%s", at + 13);
    free(json);
    uint64_t ends[64];
    assert_int_equal(
        yard_run(&y, WORDS("dump-log", "/yard", "--timeline", id, "--format", "json"), &json),
        QR_INSPECT_WHOLE);
    size_t commits = count_records(json, "commit", ends, 64);
    assert_true(commits >= 4 && commits <= y.store_commits); /* those behind the checkpoint */
    free(json);
    yard_done(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_services_wrote_is_whole),
        cmocka_unit_test(test_inspect_shows_every_kind_of_structure_the_same_way_each_time),
        cmocka_unit_test(test_a_journal_of_several_lives_and_epochs_is_whole),
        cmocka_unit_test(test_a_single_file_is_known_by_its_first_bytes),
        cmocka_unit_test(test_damage_to_every_kind_of_structure_is_found_and_named),
        cmocka_unit_test(test_damage_that_a_store_does_not_see_is_found_by_the_formats),
        cmocka_unit_test(test_long_term_log_that_is_gone_altogether_is_noticed),
        cmocka_unit_test(test_manifests_that_are_not_there_are_noticed),
        cmocka_unit_test(test_both_header_slots_damaged_is_found_one_is_not_damage),
        cmocka_unit_test(test_no_flipped_bit_crashes_it_and_objects_hide_none),
        cmocka_unit_test(test_files_cut_anywhere_are_damaged_and_nothing_more),
        cmocka_unit_test(test_the_log_reads_back_as_it_went_in),
        cmocka_unit_test(test_a_window_of_the_log_has_what_lies_in_it),
        cmocka_unit_test(test_a_general_purpose_log_reads_back_too),
    };
    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}

/* roots.c - roots that are not there: of slices of pages, and of chains of backups. What only they
 * name would be taken for what a crash has left, until somebody needs it; see inspect_int.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "inspect_int.h"
#include "base/banned.h"

enum {
    TIMELINE_DIGITS = QR_TIMELINE_HEX_BYTES - 1,
    NUMBER_DIGITS = 8,
    CHAINS_MAX = 1 << 20,
};

/* ---- pages ---- */

/* Of "pages/TIMELINE/SLICE/ID.KIND" what is before the last '/', the timeline; false: another
 * object. */
static bool is_layer(const char *name, size_t *ret_folder, struct qr_timeline *ret_timeline)
{
    const char *slash = strrchr(name, '/');
    size_t n = strlen(name);
    bool is_kind = (n > 6 && strcmp(name + n - 6, ".delta") == 0) ||
                   (n > 6 && strcmp(name + n - 6, ".image") == 0);
    *ret_folder = slash == NULL ? 0 : (size_t)(slash - name);
    return is_kind && *ret_folder > 6 + TIMELINE_DIGITS &&
           qri_parse_timeline(name + 6, TIMELINE_DIGITS, ret_timeline);
}

/* The log service keeps that timeline, so it was made, and nobody has given it up. */
static bool is_kept(const struct qri_run *run, const struct qr_timeline *timeline)
{
    const struct qri_known *known =
        qr_map_get(&run->known, qr_str_n((const char *)timeline->id, QR_TIMELINE_BYTES));
    return known != NULL && !known->row.dropped;
}

static bool has_root(const struct qr_map *by_name, const char *folder, int bytes)
{
    char manifest[QRI_NAME_MAX], copy[QRI_NAME_MAX];
    snprintf(manifest, sizeof manifest, "%.*s/manifest", bytes, folder);
    snprintf(copy, sizeof copy, "%.*s/manifest.copy", bytes, folder);
    return qr_map_get(by_name, qr_str(manifest)) != NULL ||
           qr_map_get(by_name, qr_str(copy)) != NULL;
}

static bool is_in_store(const struct qri_run *run, struct qr_blob *blob,
                        const struct qri_known *known, const char *hex)
{
    char key[QR_TIMELINE_HEX_BYTES + 8];
    struct qr_blob_info info;
    snprintf(key, sizeof key, "keys/%s", hex);
    return known->store_no == run->store_no || qr_blob_stat(blob, key, &info, NULL) == QR_OK;
}

void qri_check_slices(struct qri_run *run, struct qr_blob *blob, const char *url,
                      const struct qr_map *by_name)
{
    const struct qr_map_entry *entry;
    for (size_t i = 0; qr_map_next(&run->known, &i, &entry);) {
        struct qri_known *known = entry->value;
        const struct qr_timeline *timeline = &known->row.timeline;
        char hex[QR_TIMELINE_HEX_BYTES], folder[QR_TIMELINE_HEX_BYTES + 8];
        qr_timeline_hex(timeline, hex);
        if (known->row.dropped || known->row.state.epoch == 0 || !qri_wanted(run, timeline) ||
            !is_in_store(run, blob, known, hex))
            continue;
        known->store_no = run->store_no;
        int n = snprintf(folder, sizeof folder, "pages/%s/0", hex);
        if (has_root(by_name, folder, n))
            continue;
        qri_where(run, "%s %s/manifest", url, folder);
        qri_damage(run, "manifest", "there is log of its timeline, and neither it nor its copy");
    }
}

void qri_look_for_manifest(struct qri_run *run, const char *url, const char *name,
                           const struct qr_map *by_name, char last[QRI_NAME_MAX])
{
    struct qr_timeline timeline;
    size_t folder = 0;
    if (strlen(name) >= QRI_NAME_MAX - 16 || !is_layer(name, &folder, &timeline) ||
        (strlen(last) == folder && strncmp(last, name, folder) == 0) ||
        !qri_wanted(run, &timeline) || !is_kept(run, &timeline))
        return;
    snprintf(last, QRI_NAME_MAX, "%.*s", (int)folder, name);
    bool is_first = strcmp(last + 6 + TIMELINE_DIGITS, "/0") == 0;
    const struct qri_known *known =
        qr_map_get(&run->known, qr_str_n((const char *)timeline.id, QR_TIMELINE_BYTES));
    if (has_root(by_name, name, (int)folder) || (is_first && known->store_no == run->store_no))
        return; /* or it is told by its log */
    qri_where(run, "%s %s/manifest", url, last);
    qri_damage(run, "manifest", "layers are there, and neither it nor its copy");
}

/* ---- backups ---- */

/* What there is of the backups under one prefix; names come in byte order, chains/ before data/. */
struct chains {
    struct qri_run *run;
    const char *url;
    char prefix[QRI_NAME_MAX];
    uint32_t *numbers; /* that have a manifest, in order */
    size_t count;
    uint32_t at;          /* the chain whose parts come; 0: none */
    bool has_first, more; /* the first of them, those of a second backup */
    enum qr_status status;
};

static bool parse_number(const char *z, uint32_t *ret_number)
{
    if (strspn(z, "0123456789abcdef") < NUMBER_DIGITS)
        return false;
    char digits[NUMBER_DIGITS + 1];
    snprintf(digits, sizeof digits, "%.*s", (int)NUMBER_DIGITS, z);
    *ret_number = (uint32_t)strtoul(digits, NULL, 16);
    return true;
}

static bool has_manifest(const struct chains *c, uint32_t chain)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->numbers[i] == chain)
            return true;
    return false;
}

/* A crash leaves parts of a first backup behind all chains, or what is left of a chain before them
 * all; the first part of a chain goes first. */
static void end_parts(struct chains *c)
{
    bool between = c->count > 0 && c->at > c->numbers[0] && c->at < c->numbers[c->count - 1];
    if (c->at != 0 && !has_manifest(c, c->at) && (between || (c->has_first && c->more))) {
        qri_where(c->run, "%s %s/chains/%08x", c->url, c->prefix, c->at);
        qri_damage(c->run, "backups", "parts of the chain are there, and its manifest is not");
    }
    c->at = 0;
    c->has_first = c->more = false;
}

static void begin_prefix(struct chains *c, const char *name, size_t bytes)
{
    if (strlen(c->prefix) == bytes && strncmp(c->prefix, name, bytes) == 0)
        return;
    end_parts(c);
    snprintf(c->prefix, sizeof c->prefix, "%.*s", (int)bytes, name);
    c->count = 0;
}

static bool add_chain(struct chains *c, uint32_t chain)
{
    uint32_t *numbers =
        c->count < CHAINS_MAX ? realloc(c->numbers, (c->count + 1) * sizeof *numbers) : NULL;
    if (numbers == NULL) {
        c->status = QR_NOMEM;
        return false;
    }
    c->numbers = numbers;
    c->numbers[c->count++] = chain;
    return true;
}

static bool take_object(void *arg, const char *name, const struct qr_blob_info *info)
{
    struct chains *c = arg;
    const char *at = strstr(name, "/chains/");
    uint32_t chain = 0, seq = 0, part = 0;
    (void)info;
    if (strlen(name) >= QRI_NAME_MAX)
        return true;
    if (at != NULL) {
        begin_prefix(c, name, (size_t)(at - name));
        return !parse_number(at + 8, &chain) || add_chain(c, chain);
    }
    at = strstr(name, "/data/");
    if (at == NULL || !parse_number(at + 6, &chain) || at[14] != '/' ||
        !parse_number(at + 15, &seq) || at[23] != '-' || !parse_number(at + 24, &part))
        return true;
    begin_prefix(c, name, (size_t)(at - name));
    if (chain != c->at)
        end_parts(c);
    c->at = chain;
    c->has_first = c->has_first || (seq == 0 && part == 0);
    c->more = c->more || seq > 0;
    return true;
}

void qri_look_at_backups(struct qri_run *run, struct qr_blob *blob, const char *url)
{
    struct qr_err err;
    struct chains *c = calloc(1, sizeof *c);
    qr_err_reset(&err);
    if (c == NULL) {
        run->failed = true;
        return;
    }
    c->run = run;
    c->url = url;
    enum qr_status status = qr_blob_list(blob, "backups/", take_object, c, &err);
    if (status == QR_OK)
        status = c->status;
    if (qri_take(run, "backups", status, &err))
        end_parts(c);
    free(c->numbers);
    free(c);
}

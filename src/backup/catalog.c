/* catalog.c - see backup/backup.h: what there is, and what goes */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backup_int.h"
#include "base/banned.h"

enum { MANIFEST_BYTES_MAX = 32 << 20, HEX_BYTES = 8 };

void qri_chain_name(const struct qr_backup_place *place, uint32_t chain,
                    char dst[QRI_OBJECT_NAME_BYTES])
{
    snprintf(dst, QRI_OBJECT_NAME_BYTES, "%s/chains/%08x", place->prefix, chain);
}

void qri_backup_part_name(const struct qr_backup_place *place, uint32_t chain, uint64_t seq,
                          uint64_t part_no, char dst[QRI_OBJECT_NAME_BYTES])
{
    if (seq == UINT64_MAX)
        snprintf(dst, QRI_OBJECT_NAME_BYTES, "%s/data/%08x/", place->prefix, chain);
    else if (part_no == UINT64_MAX)
        snprintf(dst, QRI_OBJECT_NAME_BYTES, "%s/data/%08x/%08llx-", place->prefix, chain,
                 (unsigned long long)seq);
    else
        snprintf(dst, QRI_OBJECT_NAME_BYTES, "%s/data/%08x/%08llx-%08llx", place->prefix, chain,
                 (unsigned long long)seq, (unsigned long long)part_no);
}

/* --- listing --- */

struct chains {
    uint32_t *numbers;
    size_t count;
    size_t skip; /* bytes of the name before the number */
    enum qr_status status;
};

/* Hexadecimal of a fixed length; other names are not ours. */
static bool parse_number(const char *z, uint32_t *ret_number)
{
    uint32_t n = 0;
    for (int i = 0; i < HEX_BYTES; i++) {
        const char *digits = "0123456789abcdef", *at = z[i] == '\0' ? NULL : strchr(digits, z[i]);
        if (at == NULL)
            return false;
        n = n * 16 + (uint32_t)(at - digits);
    }
    *ret_number = n;
    return true;
}

static bool note_chain(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)info;
    struct chains *c = arg;
    uint32_t number = 0;
    if (strlen(name) != c->skip + HEX_BYTES || !parse_number(name + c->skip, &number))
        return true;
    uint32_t *numbers = realloc(c->numbers, (c->count + 1) * sizeof *numbers);
    if (numbers == NULL) {
        c->status = QR_NOMEM;
        return false;
    }
    c->numbers = numbers;
    c->numbers[c->count++] = number;
    return true;
}

static enum qr_status list_chains(const struct qr_backup_place *place, struct chains *c,
                                  struct qr_err *err)
{
    char prefix[QRI_OBJECT_NAME_BYTES];
    if (strlen(place->prefix) > QR_BACKUP_PREFIX_BYTES_MAX)
        return qr_fail(err, QR_INVALID, "prefix of more than %d bytes", QR_BACKUP_PREFIX_BYTES_MAX);
    snprintf(prefix, sizeof prefix, "%s/chains/", place->prefix);
    *c = (struct chains){.skip = strlen(prefix)};
    enum qr_status status = qr_blob_list(place->blob, prefix, note_chain, c, err);
    if (status == QR_OK && c->status != QR_OK)
        status = qr_fail(err, c->status, "list of backups");
    return status;
}

static enum qr_status read_chain(const struct qr_backup_place *place, uint32_t chain,
                                 struct qr_backup_catalog *catalog, struct qr_err *err)
{
    char name[QRI_OBJECT_NAME_BYTES];
    struct qr_buf buf;
    struct qr_blob_tag tag;
    qr_buf_init(&buf, MANIFEST_BYTES_MAX);
    qri_chain_name(place, chain, name);
    enum qr_status status = qr_blob_get(place->blob, name, 0, SIZE_MAX, &buf, &tag, err);
    if (status == QR_OK)
        status = qri_chain_decode(buf.data, buf.len, chain, catalog, err);
    if (status == QR_OK)
        catalog->newest_tag = tag;
    qr_buf_done(&buf);
    return qr_wrap(err, status, "read '%s'", name);
}

/* Its chain is not there, the others are. */
static void note_damage(const struct qr_backup_place *place, uint32_t chain,
                        struct qr_backup_catalog *catalog, const struct qr_err *err)
{
    if (catalog->damaged_first == 0)
        catalog->damaged_first = chain;
    catalog->damaged_last = chain;
    QR_LOG(&place->log, QR_WARN, "backup_damaged", QR_F("prefix", place->prefix),
           QR_F("reason", &err->text[0]));
}

void qr_backup_catalog_done(struct qr_backup_catalog *catalog)
{
    free(catalog->rows);
    *catalog = (struct qr_backup_catalog){.rows = NULL};
}

enum qr_status qr_backup_list(const struct qr_backup_place *place,
                              struct qr_backup_catalog *ret_catalog, struct qr_err *err)
{
    struct chains c;
    struct qr_backup_catalog catalog = {.rows = NULL};
    enum qr_status status = list_chains(place, &c, err);
    for (size_t i = 0; i < c.count && status == QR_OK; i++) {
        struct qr_err damage = {0};
        status = read_chain(place, c.numbers[i], &catalog, &damage);
        if (status == QR_CORRUPT) {
            note_damage(place, c.numbers[i], &catalog, &damage);
            status = QR_OK;
        } else if (status != QR_OK && err != NULL) {
            *err = damage;
        }
    }
    free(c.numbers);
    if (status == QR_OK)
        *ret_catalog = catalog;
    else
        qr_backup_catalog_done(&catalog);
    return status;
}

/* A store is made anew, never gone back to: what is of one lies together. */
struct qr_backup_catalog qri_backups_of(const struct qr_backup_catalog *catalog,
                                        const struct qr_timeline *timeline)
{
    struct qr_backup_catalog of = *catalog;
    while (of.count > 0 && !qr_timeline_eq(&of.rows[of.count - 1].timeline, timeline))
        of.count--;
    while (of.count > 0 && !qr_timeline_eq(&of.rows[0].timeline, timeline)) {
        of.rows++;
        of.count--;
    }
    return of;
}

const struct qr_backup_row *qri_newest_full(const struct qr_backup_catalog *catalog)
{
    const struct qr_backup_row *newest = NULL;
    for (size_t i = 0; i < catalog->count; i++)
        if (catalog->rows[i].kind == QR_BACKUP_FULL)
            newest = &catalog->rows[i];
    return newest;
}

enum qr_status qri_check_newest(const struct qr_backup_catalog *catalog,
                                const struct qr_backup_row *full, struct qr_err *err)
{
    if (catalog->damaged_last <= (full != NULL ? full->chain : 0))
        return QR_OK;
    return qr_fail(err, QR_CORRUPT, "the manifest of chain %08x is damaged", catalog->damaged_last);
}

const struct qr_backup_row *qri_last_log(const struct qr_backup_catalog *catalog)
{
    const struct qr_backup_row *last = NULL;
    for (size_t i = 0; i < catalog->count; i++)
        if (catalog->rows[i].kind == QR_BACKUP_LOG &&
            (last == NULL || catalog->rows[i].last.v > last->last.v))
            last = &catalog->rows[i];
    return last;
}

/* --- parts --- */

enum qr_status qri_part_get(const struct qr_backup_place *place, const struct qr_backup_row *row,
                            uint32_t part_no, struct qri_part *ret_part, struct qr_buf *raw,
                            struct qr_err *err)
{
    char name[QRI_OBJECT_NAME_BYTES];
    struct qr_buf buf;
    qr_buf_init(&buf, QRI_PART_STORED_BYTES_MAX);
    qri_backup_part_name(place, row->chain, row->seq, part_no, name);
    enum qr_status status = qr_blob_get(place->blob, name, 0, SIZE_MAX, &buf, NULL, err);
    if (status == QR_NOT_FOUND)
        status = qr_fail(err, QR_CORRUPT, "it is not there");
    if (status == QR_OK)
        status = qri_part_decode(buf.data, buf.len, place->keyring, ret_part, raw, err);
    qr_buf_done(&buf);
    if (status == QR_OK && (ret_part->set_id != row->set_id || ret_part->chain != row->chain ||
                            ret_part->seq != row->seq || ret_part->part_no != part_no ||
                            ret_part->page_bytes != row->page_bytes ||
                            !qr_timeline_eq(&ret_part->timeline, &row->timeline) ||
                            (row->kind == QR_BACKUP_LOG) != (ret_part->content == QRI_CONTENT_LOG)))
        status = qr_fail(err, QR_CORRUPT, "it belongs to another backup");
    return qr_wrap(err, status, "read '%s'", name);
}

/* --- deleting --- */

struct doomed {
    struct qr_blob *blob;
    struct qr_err *err;
    enum qr_status status;
};

static bool delete_one(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)info;
    struct doomed *d = arg;
    d->status = qr_blob_delete(d->blob, name, NULL, d->err);
    return d->status == QR_OK;
}

enum qr_status qri_backup_delete_prefix(const struct qr_backup_place *place, const char *prefix,
                                        struct qr_err *err)
{
    struct doomed d = {.blob = place->blob, .err = err};
    QR_TRY(qr_blob_list(place->blob, prefix, delete_one, &d, err));
    return d.status;
}

/* The manifest goes first: from then on the chain is not there. */
enum qr_status qri_backup_delete_chain(const struct qr_backup_place *place, uint32_t chain,
                                       struct qr_err *err)
{
    char name[QRI_OBJECT_NAME_BYTES];
    qri_chain_name(place, chain, name);
    QR_TRY(qr_blob_delete(place->blob, name, NULL, err));
    qri_backup_part_name(place, chain, UINT64_MAX, UINT64_MAX, name);
    return qri_backup_delete_prefix(place, name, err);
}

/* Parts of chains before the first whose manifest has gone: a crash stopped their deletion. */
struct leftovers {
    struct qr_blob *blob;
    size_t skip;
    uint32_t first_chain;
    struct qr_err *err;
    enum qr_status status;
};

static bool delete_leftover(void *arg, const char *name, const struct qr_blob_info *info)
{
    (void)info;
    struct leftovers *l = arg;
    uint32_t chain = 0;
    if (!parse_number(name + l->skip, &chain) || chain >= l->first_chain)
        return false; /* in order of names: the rest is of later ones */
    l->status = qr_blob_delete(l->blob, name, NULL, l->err);
    return l->status == QR_OK;
}

static enum qr_status delete_leftovers(const struct qr_backup_place *place, uint32_t first_chain,
                                       struct qr_err *err)
{
    char prefix[QRI_OBJECT_NAME_BYTES];
    snprintf(prefix, sizeof prefix, "%s/data/", place->prefix);
    struct leftovers l = {place->blob, strlen(prefix), first_chain, err, QR_OK};
    QR_TRY(qr_blob_list(place->blob, prefix, delete_leftover, &l, err));
    return l.status;
}

/* When the next chain's full backup is of that time or before, this one is not needed for later
 * ones. */
static const struct qr_backup_row *next_full(const struct qr_backup_catalog *c, size_t i)
{
    for (i++; i < c->count; i++)
        if (c->rows[i].kind == QR_BACKUP_FULL)
            return &c->rows[i];
    return NULL;
}

/* Those older than `full` whose manifests are damaged: what one held is not known, but when it is
 * no longer needed is. Until then *limit keeps it. */
static enum qr_status expire_damaged(const struct qr_backup_place *place,
                                     const struct qr_backup_catalog *c,
                                     const struct qr_backup_row *full, uint64_t keep_from_wall_ns,
                                     uint32_t *limit, struct qr_err *err)
{
    *limit = full->chain;
    if (c->damaged_first == 0 || c->damaged_first >= full->chain)
        return QR_OK;
    if (full->wall_ns > keep_from_wall_ns)
        *limit = c->damaged_first;
    for (uint32_t chain = c->damaged_first; chain < *limit; chain++) {
        enum qr_status status = qri_backup_delete_chain(place, chain, err);
        if (status != QR_OK && status != QR_NOT_FOUND)
            return status;
    }
    return QR_OK;
}

enum qr_status qr_backup_expire(const struct qr_backup_place *place, uint64_t keep_from_wall_ns,
                                uint32_t *ret_chains, struct qr_err *err)
{
    struct qr_backup_catalog c;
    uint32_t chains = 0, limit = 0;
    const struct qr_backup_row *first = NULL;
    QR_TRY(qr_backup_list(place, &c, err));
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < c.count && status == QR_OK; i++) {
        if (c.rows[i].kind != QR_BACKUP_FULL)
            continue;
        const struct qr_backup_row *next = next_full(&c, i);
        first = &c.rows[i];
        if (next == NULL || next->wall_ns > keep_from_wall_ns)
            break;
        status = qri_backup_delete_chain(place, first->chain, err);
        chains++;
    }
    if (status == QR_OK && first != NULL)
        status = expire_damaged(place, &c, first, keep_from_wall_ns, &limit, err);
    if (status == QR_OK && limit > 0)
        status = delete_leftovers(place, limit, err);
    qr_backup_catalog_done(&c);
    if (status == QR_OK && ret_chains != NULL)
        *ret_chains = chains;
    return qr_wrap(err, status, "expire backups");
}

enum qr_status qr_backup_delete_all(const struct qr_backup_place *place, struct qr_err *err)
{
    static const char *const folders[] = {"chains/", "data/"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char prefix[QRI_OBJECT_NAME_BYTES];
        snprintf(prefix, sizeof prefix, "%s/%s", place->prefix, folders[i]);
        QR_TRY(qri_backup_delete_prefix(place, prefix, err));
    }
    return QR_OK;
}

enum qr_status qr_backup_forget(const struct qr_backup_place *place, struct qr_err *err)
{
    static const struct qr_timeline none;
    struct qr_backup_catalog c;
    const struct qr_timeline *last = &none;
    QR_TRY(qr_backup_list(place, &c, err));
    enum qr_status status = qr_backup_delete_all(place, err);
    for (size_t i = 0; i < c.count && status == QR_OK && place->keyring != NULL; i++) {
        if (!qr_timeline_eq(&c.rows[i].timeline, last))
            status = qr_keyring_destroy(place->keyring, &c.rows[i].timeline, err);
        last = &c.rows[i].timeline;
    }
    qr_backup_catalog_done(&c);
    return status;
}

/* copies.c - what lies in the directory of local copies; see slice_int.h. */
#include <stdio.h>
#include <string.h>
#include "slice_int.h"
#include "base/banned.h"

/* A copy's name says whose it is: "<timeline>-<slice>-<id>", and ".new<number>" while it is
 * fetched. */
struct copy {
    char hex[QR_TIMELINE_HEX_BYTES];
    unsigned slice_no;
    unsigned long long id;
    bool half; /* fetched */
};

static bool parse_copy(const char *name, struct copy *ret_copy)
{
    enum { HEX = QR_TIMELINE_HEX_BYTES - 1, ID_DIGITS = 16 };
    struct copy c = {.half = false};
    int at_id = 0;
    if (strspn(name, "0123456789abcdef") != HEX ||
        sscanf(name + HEX, "-%9u-%n%16llx", &c.slice_no, &at_id, &c.id) != 2)
        return false;
    const char *id = name + HEX + at_id;
    if (strspn(id, "0123456789abcdef") != ID_DIGITS)
        return false;
    c.half = strncmp(id + ID_DIGITS, ".new", 4) == 0;
    memcpy(c.hex, name, HEX);
    *ret_copy = c;
    return c.half || id[ID_DIGITS] == '\0';
}

static void drop(struct qr_pagesvc *svc, const char *name)
{
    char path[QRI_LAYER_PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%s/%s", svc->dir, name);
    enum qr_status status = qr_env_unlink(svc->env, path, NULL);
    QR_LOG(&svc->options.log, QR_INFO, "local_copy_removed", QR_F("path", (const char *)path),
           QR_F("removed", status == QR_OK));
}

static enum qr_status each_copy(struct qr_pagesvc *svc, qr_env_list_fn *each, void *arg,
                                struct qr_err *err)
{
    enum qr_status status = qr_env_list(svc->env, svc->dir, each, arg, err);
    if (status == QR_NOT_FOUND) {
        if (err != NULL)
            qr_err_reset(err);
        status = QR_OK;
    }
    return qr_wrap(err, status, "clean '%s'", svc->dir);
}

static bool drop_at_start(void *arg, const char *name)
{
    struct qr_pagesvc *svc = arg;
    struct copy copy;
    if ((parse_copy(name, &copy) && (svc->files || copy.half)) ||
        strncmp(name, QRI_GROUP_FILE_PREFIX, strlen(QRI_GROUP_FILE_PREFIX)) == 0)
        drop(svc, name);
    return true;
}

enum qr_status qri_copies_clean(struct qr_pagesvc *svc, struct qr_err *err)
{
    return each_copy(svc, drop_at_start, svc, err);
}

struct unnamed {
    struct qr_pagesvc *svc;
    const struct qri_manifest *manifest;
    char hex[QR_TIMELINE_HEX_BYTES];
};

static bool is_named(const struct qri_manifest *m, uint64_t id)
{
    const struct qr_timeline *timeline = &m->id.timeline;
    for (size_t i = 0; i < m->layer_count; i++) {
        const struct qri_layer_desc *d = &m->layers[i].desc;
        if (d->id == id && qr_timeline_eq(&d->origin, timeline))
            return true;
    }
    for (size_t i = 0; i < m->garbage_count; i++) {
        const struct qri_layer_desc *d = &m->garbage[i].desc;
        if (d->id == id && qr_timeline_eq(&d->origin, timeline))
            return true;
    }
    return false;
}

static bool drop_if_unnamed(void *arg, const char *name)
{
    const struct unnamed *u = arg;
    struct copy copy;
    /* Not what is being fetched: a branch may be about to read it. */
    if (parse_copy(name, &copy) && !copy.half && copy.slice_no == u->manifest->id.no &&
        strcmp(copy.hex, u->hex) == 0 && !is_named(u->manifest, copy.id))
        drop(u->svc, name);
    return true;
}

enum qr_status qri_copies_drop_unnamed(struct qr_pagesvc *svc, const struct qri_manifest *m,
                                       struct qr_err *err)
{
    struct unnamed u = {.svc = svc, .manifest = m};
    if (svc->files)
        return QR_OK; /* there are none */
    qr_timeline_hex(&m->id.timeline, u.hex);
    return each_copy(svc, drop_if_unnamed, &u, err);
}

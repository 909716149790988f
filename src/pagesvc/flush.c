/* flush.c - memory layers into files, objects and the manifest; see slice_int.h. */
#include <stdlib.h>
#include <string.h>
#include "layer_int.h"
#include "slice_int.h"
#include "base/endian.h"
#include "base/banned.h"

enum { COPY_BYTES = 1 << 20, FETCH_BYTES = 24 };

void qri_layer_path(struct qr_pagesvc *svc, const struct qri_layer_desc *desc,
                    char dst[QRI_LAYER_PATH_BYTES_MAX])
{
    char hex[QR_TIMELINE_HEX_BYTES];
    qr_timeline_hex(&desc->origin, hex);
    snprintf(dst, QRI_LAYER_PATH_BYTES_MAX, "%s/%s-%u-%016llx", svc->dir, hex, desc->slice_no,
             (unsigned long long)desc->id);
}

struct qri_layer_desc qri_layer_new_desc(struct qri_slice *slice, enum qri_layer_kind kind)
{
    return (struct qri_layer_desc){.origin = slice->id.timeline,
                                   .slice_no = slice->id.no,
                                   .id = slice->manifest.generation << 32 | ++slice->next_layer_no,
                                   .kind = kind,
                                   .lsn_max = UINT64_MAX};
}

enum qr_status qri_layer_begin(struct qri_slice *slice, const struct qri_layer_desc *desc,
                               bool read_soon, struct qri_layer_writer **ret_writer,
                               struct qr_err *err)
{
    struct qr_pagesvc *svc = slice->svc;
    struct qri_layer_place place = {.env = svc->env, .read_soon = read_soon};
    if (svc->files) {
        place.blob = svc->options.blob;
        qri_layer_name(desc, place.name);
    } else {
        qri_layer_path(svc, desc, place.name);
    }
    struct qr_cipher_key key;
    bool encrypted = svc->options.keyring != NULL;
    if (encrypted) {
        struct qr_data_key data_key;
        uint8_t salt[QR_SALT_BYTES];
        QR_TRY(qr_keyring_take(svc->options.keyring, &desc->origin, &data_key, err));
        qr_env_random(svc->env, salt, sizeof salt);
        qri_layer_cipher(&key, &data_key, desc, salt);
        qr_cipher_forget(&data_key, sizeof data_key);
    }
    return qri_layer_writer_new(&place, desc, slice->page_bytes,
                                svc->options.compression_off ? QR_COMPRESSION_NONE
                                                             : QR_COMPRESSION_LZ4,
                                encrypted ? &key : NULL, ret_writer, err);
}

/* --- the store's own files --- */

static enum qr_status open_object(struct qr_pagesvc *svc, const struct qri_layer_desc *desc,
                                  struct qri_layer **ret_layer, struct qr_err *err)
{
    char name[QRI_NAME_BYTES_MAX];
    struct qr_file *file = NULL;
    uint64_t start = 0;
    qri_layer_name(desc, name);
    QR_TRY(qr_blob_open_file(svc->options.blob, name, &file, &start, err));
    return qr_wrap(err,
                   qri_layer_open_file(file, start, svc->options.keyring, desc, ret_layer, err),
                   "open layer '%s'", name);
}

static bool is_damage(enum qr_status status)
{
    return status == QR_NOT_FOUND || status == QR_CORRUPT || status == QR_TRUNCATED;
}

/* --- local copies --- */

/* Beside the local copy, for each who fetches a file of its own; never asked for whole at once: a
 * layer has checksums of its own, and a store that refuses an object because of one damaged byte
 * would take all its pages with that byte's. */
static enum qr_status fetch_beside(struct qr_pagesvc *svc, const struct qri_layer_desc *desc,
                                   char ret_path[QRI_LAYER_PATH_BYTES_MAX + FETCH_BYTES],
                                   struct qr_err *err)
{
    char name[QRI_NAME_BYTES_MAX], final_path[QRI_LAYER_PATH_BYTES_MAX];
    qri_layer_name(desc, name);
    qri_layer_path(svc, desc, final_path);
    snprintf(ret_path, QRI_LAYER_PATH_BYTES_MAX + FETCH_BYTES, "%s.new%llx", final_path,
             (unsigned long long)atomic_fetch_add(&svc->fetches, 1));
    struct qr_file *file = NULL;
    QR_TRY(qr_env_open(svc->env, ret_path, QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_TRUNCATE, &file,
                       err));
    struct qr_buf buf;
    qr_buf_init(&buf, COPY_BYTES);
    enum qr_status status = QR_OK;
    for (uint64_t at = 0; at < desc->bytes && status == QR_OK; at += buf.len) {
        uint64_t rest = desc->bytes - at, want = rest < COPY_BYTES ? rest : COPY_BYTES;
        qr_buf_clear(&buf);
        want = want == desc->bytes ? (want + 1) / 2 : want;
        status = qr_blob_get(svc->options.blob, name, at, want, &buf, NULL, err);
        if (status == QR_OK)
            status = qr_file_pwrite(file, buf.data, buf.len, at, err);
    }
    if (status == QR_OK)
        status = qr_file_sync(file, err);
    qr_buf_done(&buf);
    qr_file_close(file);
    if (status != QR_OK)
        (void)!qr_env_unlink(svc->env, ret_path, NULL);
    return qr_wrap(err, status, "fetch layer '%s'", name);
}

/* Who has the copy open that it replaces keeps what he has. */
static enum qr_status fetch(struct qr_pagesvc *svc, const struct qri_layer_desc *desc,
                            const char *final_path, struct qr_err *err)
{
    char path[QRI_LAYER_PATH_BYTES_MAX + FETCH_BYTES];
    QR_TRY(fetch_beside(svc, desc, path, err));
    enum qr_status status = qr_env_rename(svc->env, path, final_path, err);
    if (status != QR_OK)
        (void)!qr_env_unlink(svc->env, path, NULL);
    return status;
}

static enum qr_status bring_copy(struct qr_pagesvc *svc, const struct qri_layer_desc *desc,
                                 struct qri_layer **ret_layer, struct qr_err *err)
{
    char path[QRI_LAYER_PATH_BYTES_MAX];
    qri_layer_path(svc, desc, path);
    enum qr_status status =
        qri_layer_open(svc->env, svc->options.keyring, path, desc, ret_layer, err);
    if (!is_damage(status))
        return status;
    if (status != QR_NOT_FOUND)
        QR_LOG(&svc->options.log, QR_WARN, "layer_damaged", QR_F("path", (const char *)path),
               QR_F("went_on", "fetched again"));
    if (err != NULL)
        qr_err_reset(err);
    QR_TRY(fetch(svc, desc, path, err));
    return qri_layer_open(svc->env, svc->options.keyring, path, desc, ret_layer, err);
}

/* Where no copy can be opened, what does not need this layer shall be readable all the same. */
enum qr_status qri_layer_bring(struct qr_pagesvc *svc, const struct qri_layer_desc *desc,
                               struct qri_layer **ret_layer, struct qr_err *err)
{
    struct qr_err local;
    qr_err_reset(&local);
    enum qr_status status = svc->files ? open_object(svc, desc, ret_layer, &local)
                                       : bring_copy(svc, desc, ret_layer, &local);
    if (is_damage(status)) {
        QR_LOG(&svc->options.log, QR_ERROR, "layer_damaged",
               QR_F("error", (const char *)local.text), QR_F("went_on", "without it"));
        return qri_layer_lost(desc, ret_layer, err);
    }
    if (status == QR_OK && atomic_load(&(*ret_layer)->is_hurt)) {
        char name[QRI_NAME_BYTES_MAX];
        qri_layer_name(desc, name);
        QR_LOG(&svc->options.log, QR_WARN, "layer_damaged", QR_F("object", (const char *)name),
               QR_F("went_on", "with the copy of its header, footer or index"));
    }
    if (status != QR_OK && err != NULL)
        *err = local;
    return status;
}

/* An object that is missing is no page that does not exist: that would be believed. */
static enum qr_status as_damage(enum qr_status status, struct qr_err *err)
{
    return is_damage(status) && status != QR_CORRUPT ? qr_fail(err, QR_CORRUPT, "no copy is whole")
                                                     : status;
}

enum qr_status qri_layer_fetch_if(struct qr_pagesvc *svc, const struct qri_layer_desc *desc,
                                  bool (*reads_well)(struct qri_layer *layer),
                                  struct qri_layer **ret_layer, struct qr_err *err)
{
    char final_path[QRI_LAYER_PATH_BYTES_MAX], path[QRI_LAYER_PATH_BYTES_MAX + FETCH_BYTES];
    struct qri_layer *layer = NULL;
    qri_layer_path(svc, desc, final_path);
    enum qr_status status =
        svc->files ? open_object(svc, desc, &layer, err) : fetch_beside(svc, desc, path, err);
    QR_TRY(as_damage(status, err));
    if (!svc->files)
        status = qri_layer_open(svc->env, svc->options.keyring, path, desc, &layer, err);
    if (status == QR_OK && !reads_well(layer))
        status = qr_fail(err, QR_CORRUPT, "the object is damaged, too");
    if (status == QR_OK && !svc->files)
        status = qr_env_rename(svc->env, path, final_path, err);
    if (status == QR_OK) {
        *ret_layer = layer;
        return QR_OK;
    }
    qri_layer_unref(layer);
    if (!svc->files)
        (void)!qr_env_unlink(svc->env, path, NULL);
    return as_damage(status, err);
}

enum qr_status qri_layer_mend(struct qri_slice *slice, const struct qri_source *source,
                              struct qr_err *err)
{
    struct qri_layer_desc desc = source->layer->desc;
    if (slice->svc->files) {
        char name[QRI_NAME_BYTES_MAX];
        qri_layer_name(&desc, name);
        if (!atomic_exchange(&source->layer->told, true))
            QR_LOG(&slice->svc->options.log, QR_ERROR, "layer_damaged",
                   QR_F("object", (const char *)name), QR_F("went_on", "without what is damaged"));
        return qr_fail(err, QR_CORRUPT, "'%s' is damaged, and there is no other copy", name);
    }
    desc.lsn_max = source->lsn_max;
    char path[QRI_LAYER_PATH_BYTES_MAX];
    qri_layer_path(slice->svc, &desc, path);
    QR_LOG(&slice->svc->options.log, QR_WARN, "layer_damaged", QR_F("path", (const char *)path),
           QR_F("went_on", "fetched again"));
    QR_TRY(as_damage(fetch(slice->svc, &desc, path, err), err));
    struct qri_layer *layer = NULL;
    QR_TRY(as_damage(
        qri_layer_open(slice->svc->env, slice->svc->options.keyring, path, &desc, &layer, err),
        err));
    atomic_store(&layer->mend_after_ns, atomic_load(&source->layer->mend_after_ns));
    enum qr_status status =
        qri_set_replace(slice, (const void *const[]){source->layer}, 1, layer, err);
    qri_layer_unref(layer);
    if (status == QR_NOT_FOUND) { /* somebody else was here first */
        if (err != NULL)
            qr_err_reset(err);
        status = QR_OK;
    }
    return status;
}

enum qr_status qri_layer_store(struct qri_slice *slice, const struct qri_layer_desc *desc,
                               struct qri_layer **ret_layer, struct qr_err *err)
{
    struct qr_pagesvc *svc = slice->svc;
    char path[QRI_LAYER_PATH_BYTES_MAX], name[QRI_NAME_BYTES_MAX];
    qri_layer_path(svc, desc, path);
    qri_layer_name(desc, name);
    struct qri_layer *layer = NULL;
    if (svc->files) { /* writing it made the object */
        enum qr_status opened = open_object(svc, desc, ret_layer, err);
        if (opened != QR_OK)
            (void)!qr_blob_delete(svc->options.blob, name, NULL, NULL);
        return opened;
    }
    QR_TRY(qri_layer_open(svc->env, svc->options.keyring, path, desc, &layer, err));
    enum qr_status status =
        qr_blob_put_file(svc->options.blob, name, layer->file, desc->bytes, NULL, NULL, err);
    if (status != QR_OK) {
        qri_layer_unref(layer);
        (void)!qr_env_unlink(svc->env, path, NULL);
        return qr_wrap(err, status, "store layer '%s'", name);
    }
    *ret_layer = layer;
    return QR_OK;
}

/* --- flush --- */

/* A view of the rows that begin with an LSN of at most `lsn`. */
static struct qr_buf up_to(const struct qr_buf *rows, size_t row_bytes, uint64_t lsn)
{
    struct qr_buf view = *rows;
    while (view.len > 0 && qr_get64le(view.data + view.len - row_bytes) > lsn)
        view.len -= row_bytes;
    return view;
}

/* Of a load nothing is merged soon, and nobody waits for its pages: the page cache would only be in
 * the way of its log (README.md). */
static bool is_load(const struct qri_slice *slice, const struct qri_mem *mem)
{
    uint64_t bytes = atomic_load(&mem->bytes) + atomic_load(&mem->spilled_bytes);
    return mem->entry_count > 0 && bytes / mem->entry_count >= slice->page_bytes / 2 &&
           bytes >= slice->svc->options.open_layer_bytes / 2;
}

static enum qr_status add_entries(const struct qri_mem *mem, struct qri_mem_entry *const *entries,
                                  size_t count, uint64_t last_lsn, struct qri_layer_writer *writer,
                                  struct qr_err *err)
{
    struct qr_buf scratch;
    qr_buf_init(&scratch, SIZE_MAX / 4);
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < count && status == QR_OK; i++) {
        const struct qri_mem_entry *e = entries[i];
        const uint8_t *record = NULL;
        if (e->lsn <= last_lsn)
            status = qri_mem_record(mem, e, &scratch, &record, err);
        if (record != NULL)
            status = qri_layer_writer_add(writer, e->page_no, e->lsn, record, e->bytes, err);
    }
    qr_buf_done(&scratch);
    return status;
}

static enum qr_status write_mem(struct qri_slice *slice, struct qri_mem *mem, uint64_t lsn_max,
                                struct qri_layer_desc *ret_desc, struct qr_err *err)
{
    struct qri_layer_desc desc = qri_layer_new_desc(slice, QRI_LAYER_DELTA);
    desc.first_lsn = mem->first_lsn;
    desc.last_lsn = mem->last_lsn < lsn_max ? mem->last_lsn : lsn_max;
    struct qri_mem_entry **entries = NULL;
    size_t count;
    QR_TRY(qri_mem_sorted(mem, &entries, &count, err));
    struct qri_layer_writer *writer = NULL;
    enum qr_status status = qri_layer_begin(slice, &desc, !is_load(slice, mem), &writer, err);
    if (status == QR_OK)
        status = add_entries(mem, entries, count, desc.last_lsn, writer, err);
    free(entries);
    if (status != QR_OK) {
        qri_layer_writer_abandon(writer);
        return status;
    }
    struct qr_buf marks = up_to(&mem->marks, QRI_MARK_BYTES, desc.last_lsn);
    struct qr_buf changes = up_to(&mem->changes, QRI_CHANGE_BYTES, desc.last_lsn);
    return qri_layer_writer_end(writer, &mem->meta, &marks, &changes, ret_desc, err);
}

/* The manifest with one more layer, its log no longer needed. */
static enum qr_status name_layer(struct qri_slice *slice, const struct qri_layer_desc *desc,
                                 struct qr_err *err)
{
    pthread_mutex_lock(&slice->work_mu);
    struct qri_manifest next = {0};
    enum qr_status status = qri_manifest_copy(&slice->manifest, &next, err);
    struct qri_manifest_layer *row = status == QR_OK ? qri_manifest_add_layer(&next) : NULL;
    if (status == QR_OK && row == NULL) {
        qri_manifest_done(&next);
        status = qr_fail(err, QR_NOMEM, "manifest");
    }
    if (status == QR_OK) {
        next.serial++;
        *row = (struct qri_manifest_layer){.desc = *desc, .added_serial = next.serial};
        next.disk_lsn = desc->last_lsn;
        status = qri_manifest_swap(slice, &next, err);
    }
    pthread_mutex_unlock(&slice->work_mu);
    return status;
}

static bool is_in(const void *const *list, size_t count, const struct qri_source *s)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == s->mem || list[i] == s->layer)
            return true;
    }
    return false;
}

enum qr_status qri_set_replace(struct qri_slice *slice, const void *const *gone, size_t gone_count,
                               struct qri_layer *layer, struct qr_err *err)
{
    pthread_mutex_lock(&slice->set_mu);
    struct qri_set *old = qri_set_take(slice), *set = NULL;
    struct qri_source *sources = malloc((old->count + 1) * sizeof *sources);
    enum qr_status status = sources == NULL ? qr_fail(err, QR_NOMEM, "sources of a slice") : QR_OK;
    size_t count = 0;
    for (size_t i = 0; i < old->count && status == QR_OK; i++) {
        if (!is_in(gone, gone_count, &old->sources[i]))
            sources[count++] = old->sources[i];
    }
    if (status == QR_OK && gone_count > 0 && count == old->count)
        status = qr_fail(err, QR_NOT_FOUND, "these layers have been replaced");
    if (status == QR_OK && layer != NULL)
        sources[count++] = (struct qri_source){
            .layer = layer,
            .lsn_max = layer->desc.lsn_max,
            .last_lsn = layer->desc.last_lsn < layer->desc.lsn_max ? layer->desc.last_lsn
                                                                   : layer->desc.lsn_max};
    if (status == QR_OK)
        status = qri_set_new(sources, count, &set, err);
    if (status == QR_OK)
        qri_set_install(slice, set);
    free(sources);
    qri_set_unref(old);
    pthread_mutex_unlock(&slice->set_mu);
    return status;
}

/* The oldest frozen memory layer, referenced; NULL if there is none. */
static struct qri_mem *oldest_frozen(struct qri_slice *slice, uint64_t *ret_lsn_max)
{
    struct qri_set *set = qri_set_take(slice);
    struct qri_mem *mem = NULL;
    for (size_t i = 1; i < set->count; i++) {
        if (set->sources[i].mem != NULL &&
            (mem == NULL || set->sources[i].mem->first_lsn < mem->first_lsn)) {
            mem = set->sources[i].mem;
            *ret_lsn_max = set->sources[i].lsn_max;
        }
    }
    if (mem != NULL)
        qri_mem_ref(mem);
    qri_set_unref(set);
    return mem;
}

enum qr_status qri_flush_oldest(struct qri_slice *slice, uint64_t end_lsn, struct qri_mem **ret_mem,
                                struct qri_layer **ret_layer, struct qr_err *err)
{
    uint64_t lsn_max;
    struct qri_mem *mem = oldest_frozen(slice, &lsn_max);
    if (mem == NULL || mem->first_lsn >= end_lsn) {
        *ret_mem = mem;
        return QR_OK;
    }
    struct qri_layer_desc desc;
    enum qr_status status =
        write_mem(slice, mem, lsn_max < end_lsn ? lsn_max : end_lsn, &desc, err);
    if (status == QR_CORRUPT) { /* a group's file: attached anew the slice gets its log again */
        pthread_mutex_lock(&slice->mu);
        slice->health = status;
        pthread_mutex_unlock(&slice->mu);
    }
    if (status == QR_OK)
        status = qri_layer_store(slice, &desc, ret_layer, err);
    if (status == QR_OK)
        *ret_mem = mem;
    else
        qri_mem_unref(mem);
    return status;
}

enum qr_status qri_flush_one(struct qri_slice *slice, bool *ret_did, struct qr_err *err)
{
    struct qri_mem *mem = NULL;
    struct qri_layer *layer = NULL;
    QR_TRY(qri_flush_oldest(slice, UINT64_MAX, &mem, &layer, err));
    if (mem == NULL)
        return QR_OK;
    enum qr_status status = name_layer(slice, &layer->desc, err);
    if (status == QR_OK)
        status = qri_set_replace(slice, (const void *const[]){mem}, 1, layer, err);
    if (status == QR_OK) {
        atomic_fetch_add(&slice->svc->flushed_bytes, layer->desc.bytes);
        *ret_did = true;
    }
    qri_layer_unref(layer);
    qri_mem_unref(mem);
    return status;
}

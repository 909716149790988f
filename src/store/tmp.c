/* tmp.c - see store/tmp.h */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sqlmsg.h"
#include "governor/task.h"
#include "store_int.h"
#include "base/banned.h"

enum {
    UNIT_BYTES = 4096,
    BUFFER_BYTES = 8 * UNIT_BYTES,
    LARGE_BYTES = 4 << 20, /* giving back more than that takes the file system a while */
};

enum qr_status qr_tmp_file_new(struct qr_store *store, struct qr_tmp_file **ret_file,
                               struct qr_err *err)
{
    struct qr_tmp_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return qr_fail(err, QR_NOMEM, "temporary file");
    file->store = store;
    *ret_file = file;
    return QR_OK;
}

/* --- the quota --- */

static enum qr_gov_temp use_of(const struct qr_tmp_file *file)
{
    return file->keeps_tables ? QR_GOV_TEMP_USER : QR_GOV_TEMP_INTERNAL;
}

static enum qr_status grow(struct qr_tmp_file *file, uint64_t end, struct qr_err *err)
{
    struct qr_store *store = file->store;
    if (end <= file->counted_bytes)
        return QR_OK;
    uint64_t more = end - file->counted_bytes;
    uint64_t now = atomic_fetch_add(&store->tmp_bytes, more) + more;
    if (now > atomic_load(&store->tmp_bytes_max)) {
        atomic_fetch_sub(&store->tmp_bytes, more);
        return qr_sql_fail(err, 40551);
    }
    file->counted_bytes = end;
    if (file->is_charged)
        qr_gov_temp_taken(use_of(file), more);
    return QR_OK;
}

static void shrink(struct qr_tmp_file *file, uint64_t bytes)
{
    uint64_t less = file->counted_bytes - bytes;
    atomic_fetch_sub(&file->store->tmp_bytes, less);
    file->counted_bytes = bytes;
    if (file->is_charged)
        qr_gov_temp_freed(use_of(file), less);
}

static void close_file(struct qr_tmp_file *file)
{
    qr_file_close(file->file);
    free(file);
}

void qr_tmp_file_free(struct qr_tmp_file *file)
{
    if (file == NULL)
        return;
    struct qr_store *store = file->store;
    bool large = file->counted_bytes > LARGE_BYTES && store->threads_running;
    shrink(file, 0);
    qr_cipher_forget(&file->cipher, sizeof file->cipher);
    free(file->buffer);
    file->buffer = NULL;
    if (!large) {
        close_file(file);
        return;
    }
    pthread_mutex_lock(&store->tmp_mu);
    file->next = store->tmp_dead;
    store->tmp_dead = file;
    pthread_mutex_unlock(&store->tmp_mu);
    qri_upkeep_look(store);
}

void qri_tmp_bury(struct qr_store *store)
{
    pthread_mutex_lock(&store->tmp_mu);
    struct qr_tmp_file *dead = QR_TAKE(store->tmp_dead);
    pthread_mutex_unlock(&store->tmp_mu);
    while (dead != NULL) {
        struct qr_tmp_file *next = dead->next;
        close_file(dead);
        dead = next;
    }
}

void qr_tmp_file_charge(struct qr_tmp_file *file)
{
    file->is_charged = true;
}

void qr_tmp_file_keep_tables(struct qr_tmp_file *file)
{
    assert(file->file == NULL);
    file->keeps_tables = true;
}

/* Before an I/O: waits for its turn, once for each unit that is full. When it began. */
static int64_t begin_io(struct qr_tmp_file *file, enum qr_gov_io kind, size_t bytes)
{
    struct qri_tmp_io *io = &file->store->tmp_io[kind];
    atomic_fetch_add_explicit(&io->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&io->bytes, bytes, memory_order_relaxed);
    if (file->is_charged && kind == QR_GOV_WRITE)
        qr_gov_temp_written(bytes);
    if (file->is_charged && (file->uncharged_bytes[kind] += bytes) >= QR_TMP_IO_BYTES) {
        int64_t queued = qr_gov_io_temp(kind, file->uncharged_bytes[kind]);
        atomic_fetch_add_explicit(&io->queued_ns, (uint64_t)queued, memory_order_relaxed);
        file->uncharged_bytes[kind] = 0;
    }
    return qr_env_mono_ns(file->store->env);
}

static void end_io(struct qr_tmp_file *file, enum qr_gov_io kind, int64_t begun_ns)
{
    int64_t ns = qr_env_mono_ns(file->store->env) - begun_ns;
    atomic_fetch_add_explicit(&file->store->tmp_io[kind].stall_ns, (uint64_t)(ns < 0 ? 0 : ns),
                              memory_order_relaxed);
    if (file->is_charged)
        qr_gov_io_done(kind, ns);
}

uint64_t qr_tmp_file_bytes(const struct qr_tmp_file *file)
{
    return file->bytes;
}

/* What a kill between the two calls leaves has a name that the next open of the store removes. */
static enum qr_status open_nameless(struct qr_store *store, struct qr_file **ret_file,
                                    struct qr_err *err)
{
    struct qr_env *env = store->env;
    uint64_t number;
    char path[QR_STORE_PATH_BYTES_MAX + 64];
    qr_env_random(env, &number, sizeof number);
    snprintf(path, sizeof path, "%s/tmp.%016llx", store->tmp_dir, (unsigned long long)number);
    QR_TRY(qr_env_open(env, path, QR_OPEN_RW | QR_OPEN_CREATE | QR_OPEN_EXCLUSIVE, ret_file, err));
    (void)!qr_env_unlink(env, path, NULL); /* it goes with its handle */
    return QR_OK;
}

static bool is_sealed(const struct qr_tmp_file *file)
{
    return qr_cipher_is_on(&file->cipher);
}

static enum qr_status make_key(struct qr_tmp_file *file, struct qr_err *err)
{
    struct qr_store *store = file->store;
    if (store->options.server_key == NULL && store->data_key.id == 0)
        return QR_OK;
    file->buffer = malloc(BUFFER_BYTES);
    if (file->buffer == NULL)
        return qr_fail(err, QR_NOMEM, "temporary file");
    qr_cipher_make(&file->cipher, store->env, "quire temporary file");
    return QR_OK;
}

static enum qr_status begin(struct qr_tmp_file *file, struct qr_err *err)
{
    if (file->file != NULL)
        return QR_OK;
    QR_TRY(open_nameless(file->store, &file->file, err));
    enum qr_status status = make_key(file, err);
    if (status != QR_OK) {
        qr_file_close(file->file);
        file->file = NULL;
    }
    return status;
}

/* --- units --- */

static enum qr_status open_units(struct qr_tmp_file *file, uint8_t *bytes, size_t count,
                                 uint64_t offset, struct qr_err *err)
{
    for (size_t at = 0; at < count; at += UNIT_BYTES)
        QR_TRY(qr_xts_open(&file->cipher, (offset + at) / UNIT_BYTES, 0, bytes + at, bytes + at,
                           UNIT_BYTES, err));
    return QR_OK;
}

static enum qr_status read_unit(struct qr_tmp_file *file, uint8_t *unit, uint64_t offset,
                                struct qr_err *err)
{
    QR_TRY(qr_file_read_exactly(file->file, unit, UNIT_BYTES, offset, err));
    return open_units(file, unit, UNIT_BYTES, offset, err);
}

static enum qr_status read_sealed(struct qr_tmp_file *file, uint8_t *dst, size_t bytes,
                                  uint64_t offset, struct qr_err *err)
{
    while (bytes > 0) {
        size_t in_unit = offset % UNIT_BYTES, n = bytes / UNIT_BYTES * UNIT_BYTES;
        if (in_unit == 0 && n > 0) {
            QR_TRY(qr_file_read_exactly(file->file, dst, n, offset, err));
            QR_TRY(open_units(file, dst, n, offset, err));
        } else {
            uint8_t unit[UNIT_BYTES];
            n = UNIT_BYTES - in_unit < bytes ? UNIT_BYTES - in_unit : bytes;
            QR_TRY(read_unit(file, unit, offset - in_unit, err));
            memcpy(dst, unit + in_unit, n);
        }
        dst += n;
        bytes -= n;
        offset += n;
    }
    return QR_OK;
}

/* Fills file->buffer with the units around some bytes, and returns how many of those fit. Of a unit
 * that is written in part the rest is as it was, if there was one. */
static enum qr_status gather_units(struct qr_tmp_file *file, const uint8_t *src, size_t bytes,
                                   uint64_t offset, size_t *ret_taken, struct qr_err *err)
{
    size_t in_unit = offset % UNIT_BYTES;
    size_t n = bytes < BUFFER_BYTES - in_unit ? bytes : BUFFER_BYTES - in_unit;
    uint64_t start = offset - in_unit, last = (offset + n - 1) / UNIT_BYTES * UNIT_BYTES;
    uint64_t end = (file->bytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
    bool tail = (offset + n) % UNIT_BYTES != 0;
    if (in_unit != 0 && start < end)
        QR_TRY(read_unit(file, file->buffer, start, err));
    else if (in_unit != 0)
        memset(file->buffer, 0, UNIT_BYTES);
    if (tail && (last != start || in_unit == 0)) {
        uint8_t *unit = file->buffer + (last - start);
        if (last < end)
            QR_TRY(read_unit(file, unit, last, err));
        else
            memset(unit, 0, UNIT_BYTES);
    }
    memcpy(file->buffer + in_unit, src, n);
    *ret_taken = n;
    return QR_OK;
}

static enum qr_status write_sealed(struct qr_tmp_file *file, const uint8_t *src, size_t bytes,
                                   uint64_t offset, struct qr_err *err)
{
    while (bytes > 0) {
        size_t n = 0;
        QR_TRY(gather_units(file, src, bytes, offset, &n, err));
        uint64_t start = offset / UNIT_BYTES * UNIT_BYTES;
        size_t count = (size_t)((offset + n + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES - start);
        for (size_t at = 0; at < count; at += UNIT_BYTES)
            QR_TRY(qr_xts_seal(&file->cipher, (start + at) / UNIT_BYTES, 0, file->buffer + at,
                               file->buffer + at, UNIT_BYTES, err));
        QR_TRY(qr_file_pwrite(file->file, file->buffer, count, start, err));
        if (offset + n > file->bytes)
            file->bytes = offset + n;
        src += n;
        bytes -= n;
        offset += n;
    }
    return QR_OK;
}

static enum qr_status put(struct qr_tmp_file *file, const uint8_t *src, size_t bytes,
                          uint64_t offset, struct qr_err *err)
{
    if (is_sealed(file))
        return write_sealed(file, src, bytes, offset, err);
    QR_TRY(qr_file_pwrite(file->file, src, bytes, offset, err));
    if (offset + bytes > file->bytes)
        file->bytes = offset + bytes;
    return QR_OK;
}

/* What an encrypted file never wrote would be read as noise. */
static enum qr_status fill_gap(struct qr_tmp_file *file, uint64_t until, struct qr_err *err)
{
    static const uint8_t zeros[UNIT_BYTES];
    while (is_sealed(file) && file->bytes < until) {
        uint64_t left = until - file->bytes, to_unit = UNIT_BYTES - file->bytes % UNIT_BYTES;
        QR_TRY(put(file, zeros, left < to_unit ? left : to_unit, file->bytes, err));
    }
    return QR_OK;
}

/* --- the public functions --- */

enum qr_status qr_tmp_file_read(struct qr_tmp_file *file, void *dst, size_t bytes, uint64_t offset,
                                size_t *ret_got, struct qr_err *err)
{
    uint64_t end = atomic_load(&file->bytes);
    size_t got = offset >= end ? 0 : bytes < end - offset ? bytes : (size_t)(end - offset);
    *ret_got = got;
    if (got == 0)
        return QR_OK;
    int64_t begun = begin_io(file, QR_GOV_READ, got);
    enum qr_status status = is_sealed(file)
                                ? read_sealed(file, dst, got, offset, err)
                                : qr_file_read_exactly(file->file, dst, got, offset, err);
    end_io(file, QR_GOV_READ, begun);
    return qr_wrap(err, status, "read a temporary file");
}

enum qr_status qr_tmp_file_read_exactly(struct qr_tmp_file *file, void *dst, size_t bytes,
                                        uint64_t offset, struct qr_err *err)
{
    size_t got = 0;
    QR_TRY(qr_tmp_file_read(file, dst, bytes, offset, &got, err));
    return got == bytes ? QR_OK : qr_fail(err, QR_IO, "a temporary file ends too early");
}

enum qr_status qr_tmp_file_write(struct qr_tmp_file *file, const void *src, size_t bytes,
                                 uint64_t offset, struct qr_err *err)
{
    uint64_t end = offset + bytes;
    if (bytes == 0)
        return QR_OK;
    QR_TRY(grow(file, end, err));
    QR_TRY(begin(file, err));
    QR_TRY(fill_gap(file, offset, err));
    int64_t begun = begin_io(file, QR_GOV_WRITE, bytes);
    enum qr_status status = put(file, src, bytes, offset, err);
    end_io(file, QR_GOV_WRITE, begun);
    return qr_wrap(err, status, "write a temporary file");
}

enum qr_status qr_tmp_file_truncate(struct qr_tmp_file *file, uint64_t bytes, struct qr_err *err)
{
    if (bytes >= file->bytes)
        return QR_OK;
    uint64_t end = is_sealed(file) ? (bytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES : bytes;
    QR_TRY(qr_wrap(err, qr_file_truncate(file->file, end, err), "cut a temporary file"));
    file->bytes = bytes;
    shrink(file, bytes);
    return QR_OK;
}

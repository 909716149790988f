/* store/tmp.h - temporary files: local, without a name, gone with their handle or their process.
 *
 * Nothing is on disk before the first write. All files of a store count against its tmp_bytes_max.
 * Where the store's own files are encrypted so are these, under a key that is in memory only: in
 * units of 4 KiB (AES-256-XTS), so smaller writes inside of what was written cost a read.
 *
 * What statements put there (sorts, rows) is charged to the governor as data I/O, in units of
 * QR_TMP_IO_BYTES, as writes in a row reach a disk: see qr_tmp_file_charge. A statement that holds
 * the writer lock does not wait for it.
 *
 * Threads: one at a time per file; but reads may go on beside others, and beside a write of other
 * units.
 * Errors: QR_SQL 40551 over tmp_bytes_max, QR_FULL a full disk, QR_IO, QR_NOMEM. */
#pragma once
#include "store/store.h"

struct qr_tmp_file;

QR_NODISCARD enum qr_status qr_tmp_file_new(struct qr_store *store, struct qr_tmp_file **ret_file,
                                            struct qr_err *err);
/* Takes no longer for a large file: the store's thread gives its space back. NULL is accepted. */
void qr_tmp_file_free(struct qr_tmp_file *file);
enum { QR_TMP_IO_BYTES = 64 * 1024 };
/* From now on its reads and writes are charged to the thread's task (governor/task.h). */
void qr_tmp_file_charge(struct qr_tmp_file *file);
/* It has the rows of #tables: before its first write. The room that charged files take and give
 * back is counted for the thread's task, by what it is for. */
void qr_tmp_file_keep_tables(struct qr_tmp_file *file);
uint64_t qr_tmp_file_bytes(const struct qr_tmp_file *file);
/* *ret_got is less than `bytes` only at the file's end. */
QR_NODISCARD enum qr_status qr_tmp_file_read(struct qr_tmp_file *file, void *dst, size_t bytes,
                                             uint64_t offset, size_t *ret_got, struct qr_err *err);
/* QR_IO if the file ends before. */
QR_NODISCARD enum qr_status qr_tmp_file_read_exactly(struct qr_tmp_file *file, void *dst,
                                                     size_t bytes, uint64_t offset,
                                                     struct qr_err *err);
/* What lies between the old end and `offset` reads as zeros. */
QR_NODISCARD enum qr_status qr_tmp_file_write(struct qr_tmp_file *file, const void *src,
                                              size_t bytes, uint64_t offset, struct qr_err *err);
QR_NODISCARD enum qr_status qr_tmp_file_truncate(struct qr_tmp_file *file, uint64_t bytes,
                                                 struct qr_err *err);

/* blob_int.h - the backends' constructors, and what they share. */
#pragma once
#include "blob/backend.h"

enum qr_status qri_blob_dir_open(struct qr_env *env, const struct qr_log *log, const char *path,
                                 bool make, struct qr_blob **ret_blob, struct qr_err *err);
enum qr_status qri_blob_azure_open(struct qr_env *env, const struct qr_log *log, const char *url,
                                   const char *credential, struct qr_blob **ret_blob,
                                   struct qr_err *err);

bool qri_blob_is_name(const char *name);
void qri_hex(const uint8_t *bytes, size_t count, char *dst); /* 2 * count + 1 bytes */

/* ddl_host.h - running a DDL statement in the session's transaction. */
#pragma once
#include "frame.h"

QR_NODISCARD enum qr_status qri_ddl_statement(struct qri_frame *frame,
                                              const struct qr_ast_stmt *stmt, struct qr_err *err);
/* Fills what a DDL runs in; `env` must outlive it. */
void qri_ddl_init(struct qri_frame *frame, struct qr_bind_env *env, struct qr_eval *eval,
                  struct qri_ddl *ddl);
/* Takes over the pictures that a successful DDL has left in ddl->main and ddl->temp. */
void qri_ddl_adopt(struct qri_frame *frame, struct qri_catalog *own_main,
                   struct qri_catalog *own_temp);

/* Runs `change` as a DDL statement of permanent objects: under the writer lock, with a savepoint,
 * and adopts the pictures it leaves. For system procedures. */
typedef enum qr_status qri_ddl_fn(struct qri_ddl *ddl, void *ctx, struct qr_err *err);
QR_NODISCARD enum qr_status qri_ddl_call(struct qri_frame *frame, qri_ddl_fn *change, void *ctx,
                                         struct qr_err *err);

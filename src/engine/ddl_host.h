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

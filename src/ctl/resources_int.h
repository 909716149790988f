/* resources_int.h - the formats of resources' answers, for who answers */
#pragma once
#include "ctl/resources.h"
#include "fields_int.h"

void qri_resource_put(struct qr_buf *buf, const struct qr_resource_database *database);
QR_NODISCARD enum qr_status qri_resource_take(const uint8_t *bytes, size_t count, size_t *at,
                                              struct qr_resource_database *ret_database,
                                              struct qr_err *err);
void qri_operation_put(struct qr_buf *buf, const struct qr_operation_row *row);
QR_NODISCARD enum qr_status qri_operation_take(const uint8_t *bytes, size_t count, size_t *at,
                                               struct qr_operation_row *ret_row,
                                               struct qr_err *err);
void qri_pool_put(struct qr_buf *buf, const struct qr_pool_row *row);
void qri_doc_put(struct qr_buf *buf, const struct qr_doc *doc);

/* ctl/warm.h - node calls by which the node that takes over begins with the pages of the one
 * before: what it lists, and what it is told to bring, as bytes and as calls that wait.
 *
 * HOT, a row and u32 how many at most: u32 hot, u32 memory (struct qr_hyper_listed), then the
 * pages, u32 each. WARM, a row, u8 enum qr_warmth and pages, QR_HYPER_WARM_MAX at most: u32 how
 * many came. Both are advice: what is wrong in them costs warmth and no more. */
#pragma once
#include "ctl/peer.h"
#include "store/hyper.h"

enum { QR_WARM_LISTED_MAX = 1 << 20 }; /* 8 GiB of pages */

void qr_warm_list_put(struct qr_buf *buf, const uint32_t *pages,
                      const struct qr_hyper_listed *listed);
/* Where the pages of the answer begin: *ret_pages has ret_listed->all of them, little-endian, and
 * is borrowed. QR_PROTOCOL */
QR_NODISCARD enum qr_status qr_warm_list_get(const uint8_t *bytes, size_t count,
                                             struct qr_hyper_listed *ret_listed,
                                             const uint8_t **ret_pages, struct qr_err *err);
/* What follows the row of a WARM; *ret_count pages at dst. */
QR_NODISCARD enum qr_status qr_warm_pages_get(const uint8_t *bytes, size_t count,
                                              enum qr_warmth *ret_as,
                                              uint32_t dst[QR_HYPER_WARM_MAX], size_t *ret_count,
                                              struct qr_err *err);

/* The answer goes to `reply`, for qr_warm_list_get. */
QR_NODISCARD enum qr_status qr_node_hot(struct qr_rpc_peer *node, const struct qr_database_row *row,
                                        uint32_t pages_max, int64_t timeout_ns,
                                        struct qr_buf *reply, struct qr_err *err);
/* `pages`: little-endian, as they were listed. */
QR_NODISCARD enum qr_status qr_node_warm(struct qr_rpc_peer *node,
                                         const struct qr_database_row *row, enum qr_warmth as,
                                         const uint8_t *pages, size_t count, int64_t timeout_ns,
                                         uint32_t *ret_kept, struct qr_err *err);

/* ctl/backups.h - the backups of a database, as who serves or shows them sees them.
 *
 * Of a Hyperscale database there are none: its page versions and log are its backups. Calls block,
 * so not on the loop thread. Threads: any; one peer may serve many. Errors: those of rpc/rpc.h,
 * QR_PROTOCOL, and what the other side answered. */
#pragma once
#include "ctl/calls.h"
#include "rpc/rpc.h"

enum qr_backup_word { QR_BACKUP_WORD_FULL = 1, QR_BACKUP_WORD_DIFF, QR_BACKUP_WORD_LOG };
struct qr_backup_seen {
    char id[QR_GUID_TEXT_BYTES + 1];
    uint8_t kind; /* enum qr_backup_word */
    int64_t start_wall_ns, end_wall_ns;
    int64_t commit_wall_ns; /* of the last commit in it */
    uint64_t bytes;         /* as stored */
    bool in_retention;      /* false: one in retention needs it */
};
typedef enum qr_status qr_backup_fn(void *ctx, const struct qr_backup_seen *backup);

void qr_backup_seen_put(struct qr_buf *buf, const struct qr_backup_seen *backup);

/* Asks control, on its address of operations: of the server's database of that name, or of a
 * long-term backup (its guid). `geo`: those in the second store. QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qr_control_each_backup(struct qr_rpc_peer *operate, uint32_t server,
                                                   struct qr_str name, struct qr_str kept, bool geo,
                                                   int64_t timeout_ns, qr_backup_fn *each,
                                                   void *ctx, struct qr_err *err);
/* Asks the node; the answer's bytes go to `reply`. */
QR_NODISCARD enum qr_status qr_node_backups(struct qr_rpc_peer *peer,
                                            const struct qr_database_row *row, bool geo,
                                            int64_t timeout_ns, struct qr_buf *reply,
                                            struct qr_err *err);

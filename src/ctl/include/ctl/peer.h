/* ctl/peer.h - control's calls and those of compute nodes through a peer, for who asks.
 *
 * They block (peer->ops->wait), so not on the loop thread. timeout_ns 0: the peer's default.
 * Errors: those of rpc/rpc.h, QR_PROTOCOL, and what the other side answered, T-SQL errors too. */
#pragma once
#include "ctl/calls.h"
#include "rpc/rpc.h"

/* For an operation: who asks for it again with the same id does not begin another one. */
void qr_control_new_id(struct qr_env *env, char dst[QR_GUID_TEXT_BYTES + 1]);

/* `reply` takes the answer; NULL: it is dropped. */
QR_NODISCARD enum qr_status qr_control_call(struct qr_rpc_peer *peer, enum qr_control_method method,
                                            const struct qr_control_ask *ask, int64_t timeout_ns,
                                            struct qr_buf *reply, struct qr_err *err);
/* By server and name, or if that is empty by id. QR_NOT_FOUND. */
QR_NODISCARD enum qr_status qr_control_find(struct qr_rpc_peer *peer, uint32_t server,
                                            struct qr_str name, uint32_t id, int64_t timeout_ns,
                                            struct qr_database_row *ret_row, struct qr_err *err);
/* What a process on another machine, which is to play that role, has to know. */
QR_NODISCARD enum qr_status qr_control_join(struct qr_rpc_peer *peer, enum qr_role role,
                                            int64_t timeout_ns,
                                            struct qr_control_service *ret_service,
                                            struct qr_err *err);
/* What the node of that name has to be, and of which size. */
struct qr_control_duty {
    enum qr_duty duty;
    bool waits;          /* who was the primary before may not be gone: its lease ends first */
    uint32_t memory_mib; /* that its objective promises; 0: that has none */
};
/* `takes`: the asker is that node, on another machine, and is about to open its database. Then
 * QR_BUSY: the process that the service has in its place ends first; ask again. */
QR_NODISCARD enum qr_status qr_control_duty(struct qr_rpc_peer *peer, struct qr_str node,
                                            bool takes, int64_t timeout_ns,
                                            struct qr_control_duty *ret_duty, struct qr_err *err);
/* What time it is for what goes for good: a clock that is put ahead is not believed at once. */
QR_NODISCARD enum qr_status qr_control_sure_time(struct qr_rpc_peer *peer, int64_t timeout_ns,
                                                 int64_t *ret_wall_ns, struct qr_err *err);
/* Of the database with that id (0: only what is common to all), at the node of that name. */
QR_NODISCARD enum qr_status qr_control_limits(struct qr_rpc_peer *peer, struct qr_str node,
                                              uint32_t id, int64_t timeout_ns,
                                              struct qr_control_limits *ret_limits,
                                              struct qr_err *err);
/* Every database of a server, or of all (QR_SERVER_ANY), in order of id; QR_OK unless a call or
 * `each` fails. */
QR_NODISCARD enum qr_status
qr_control_each_database(struct qr_rpc_peer *peer, uint32_t server, int64_t timeout_ns,
                         enum qr_status (*each)(void *ctx, const struct qr_database_row *row),
                         void *ctx, struct qr_err *err);
/* COPY. */
QR_NODISCARD enum qr_status qr_node_copy(struct qr_rpc_peer *peer,
                                         const struct qr_database_row *row,
                                         const struct qr_database_row *source, uint64_t wall_ns,
                                         bool geo, int64_t timeout_ns, struct qr_err *err);
/* KEEP. */
QR_NODISCARD enum qr_status qr_node_keep(struct qr_rpc_peer *peer,
                                         const struct qr_database_row *kept,
                                         const struct qr_database_row *source, int64_t timeout_ns,
                                         struct qr_err *err);
/* MOVE. QR_GONE: what there is of the target is of no use, begin with another one. */
QR_NODISCARD enum qr_status qr_node_move(struct qr_rpc_peer *peer,
                                         const struct qr_database_row *row,
                                         const struct qr_database_row *target,
                                         enum qr_move_wish wish, int64_t timeout_ns,
                                         struct qr_move_state *ret_state, struct qr_err *err);
/* REST. `rests`: it is held now; else for how long nobody has been in it, which is less than asked
 * for, or long enough, but it is not quite ready (it waits for a backup). */
struct qr_rest_state {
    bool rests;
    uint64_t idle_ns;
    bool only_logins; /* it has the database open, and no user there has a password of his own */
};
QR_NODISCARD enum qr_status qr_node_rest(struct qr_rpc_peer *peer,
                                         const struct qr_database_row *row, uint64_t idle_ns,
                                         int64_t timeout_ns, struct qr_rest_state *ret_state,
                                         struct qr_err *err);
/* What a node answers to it. */
enum { QR_REST_BYTES = 9 };
void qr_rest_state_put(uint8_t dst[QR_REST_BYTES], const struct qr_rest_state *state);
/* FOLLOW. */
QR_NODISCARD enum qr_status qr_node_follow(struct qr_rpc_peer *peer,
                                           const struct qr_database_row *primary,
                                           const struct qr_database_row *secondary, uint8_t wish,
                                           int64_t timeout_ns, struct qr_follow_state *ret_state,
                                           struct qr_err *err);
/* What a node answers to it. */
enum { QR_FOLLOW_BYTES = 17 };
void qr_follow_state_put(uint8_t dst[QR_FOLLOW_BYTES], const struct qr_follow_state *state);

/* A geo-secondary and its primary. */
struct qr_geo_link {
    struct qr_database_row primary, secondary;
    struct qr_follow_state state;
};
void qr_geo_link_put(struct qr_buf *buf, const struct qr_geo_link *link);
/* All of them, in order of the secondaries' ids. `each` may stop it with a status. */
QR_NODISCARD enum qr_status qr_geo_each_link(struct qr_rpc_peer *peer, int64_t timeout_ns,
                                             enum qr_status (*each)(void *ctx,
                                                                    const struct qr_geo_link *link),
                                             void *ctx, struct qr_err *err);
QR_NODISCARD enum qr_status qr_node_call(struct qr_rpc_peer *peer, enum qr_control_method method,
                                         const struct qr_database_row *row, int64_t timeout_ns,
                                         struct qr_err *err);

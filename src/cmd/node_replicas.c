/* node_replicas.c - see cmd_int.h: who serves a Hyperscale database, and how far behind.
 *
 * Control says which processes there are, the log service what each of them has applied. */
#include <string.h>
#include "node_int.h"
#include "ctl/place.h"
#include "logsvc/peer.h"
#include "store/copies.h"
#include "store/hyper.h"
#include "base/banned.h"

#define LSN_JUMP (UINT64_C(1) << 32) /* an epoch begins behind one */
enum { TAG = 0x7152, TAG_SHIFT = 48, ID_SHIFT = 8, MEMBER_MASK = 0xff };
static const int64_t ASK_NS = INT64_C(5) * 1000000000, SILENT_NS = INT64_C(15) * 1000000000,
                     GONE_NS = INT64_C(60) * 1000000000;

uint64_t qri_node_reader_id(uint32_t database_id, uint32_t member)
{
    return (uint64_t)TAG << TAG_SHIFT | (uint64_t)database_id << ID_SHIFT | member;
}

struct walk {
    const struct qri_node_options *options;
    struct qr_timeline timeline;
    uint32_t primary_id, own_id, own_member, primary_member;
    struct qr_logsvc_readers readers;
    struct qr_hyper_lag own;
    bool has_copies;
    enum qr_status (*each)(void *ctx, const struct qr_replica_info *info);
    void *each_ctx;
};

static int64_t ticks_of(uint64_t wall_ns)
{
    const int64_t epoch = INT64_C(621355968000000000);
    return wall_ns == 0 ? 0 : epoch + (int64_t)(wall_ns / 100);
}

/* The same for as long as the database and that process of it are there. */
static void make_id(const struct walk *w, uint64_t reader_id, uint8_t dst[16])
{
    memcpy(dst, w->timeline.id, 16);
    for (int i = 0; i < 8; i++)
        dst[8 + i] ^= (uint8_t)(reader_id >> (56 - 8 * i));
}

/* `lead`: the member that its HA replicas can take over from. */
static enum qr_status tell(struct walk *w, const struct qr_database_row *row, uint32_t member,
                           uint32_t lead, const struct qr_logsvc_reader_info *reader)
{
    enum qr_replica_role role = member != lead             ? QR_REPLICA_HA
                                : row->id == w->primary_id ? QR_REPLICA_PRIMARY
                                                           : QR_REPLICA_NAMED;
    struct qr_replica_info info = {
        .role = role,
        .is_local = row->id == w->own_id && member == w->own_member,
        .database_id = qr_number_of(row->id),
        .database_name = qr_str(row->name),
        .server_name = qr_str(row->server),
        .commit_lsn = w->readers.commit_lsn,
        .commit_ticks = ticks_of(w->readers.commit_wall_ns),
        .applied_lsn = w->readers.commit_lsn,
        .applied_ticks = ticks_of(w->readers.commit_wall_ns),
    };
    memcpy(info.group_id, w->timeline.id, sizeof info.group_id);
    make_id(w, qri_node_reader_id(row->id, member), info.id);
    make_id(w, qri_node_reader_id(row->id, lead), info.parent_id);
    if (reader != NULL) {
        info.applied_lsn = reader->applied_lsn;
        info.applied_ticks = reader->behind_ns == 0 ? info.commit_ticks : 0;
        info.lag_bytes = reader->lag_bytes;
        info.lag_ns = reader->behind_ns;
        info.is_silent = reader->silent_ns > SILENT_NS;
    }
    info.is_synchronous = w->has_copies && !info.is_silent;
    if (info.is_local) { /* we know better */
        info.applied_lsn = w->own.applied_lsn.v;
        info.applied_ticks = ticks_of(w->own.applied_wall_ns);
        if (info.applied_lsn >= info.commit_lsn) {
            info.lag_bytes = 0;
            info.lag_ns = 0;
            info.commit_lsn = info.applied_lsn; /* it came meanwhile */
            info.commit_ticks = info.applied_ticks;
        }
        info.is_silent = false;
    }
    return w->each(w->each_ctx, &info);
}

/* Members of a database that read its log. */
static enum qr_status tell_readers(struct walk *w, const struct qr_database_row *row, uint32_t lead)
{
    for (size_t i = 0; i < w->readers.count; i++) {
        const struct qr_logsvc_reader_info *r = &w->readers.items[i];
        uint32_t member = (uint32_t)(r->id & MEMBER_MASK);
        bool gone = r->silent_ns > GONE_NS, primary = row->id == w->primary_id;
        if (r->kind != QR_READER_REPLICA || gone || r->id != qri_node_reader_id(row->id, member) ||
            (primary && member == lead))
            continue;
        QR_TRY(tell(w, row, member, lead, r));
    }
    return QR_OK;
}

/* The member that serves: the primary, or of a named replica's the one that it is now. */
static enum qr_status find_lead(const struct walk *w, const struct qr_database_row *row,
                                uint32_t *ret_lead, struct qr_err *err)
{
    for (uint32_t i = 0; i <= QR_HA_REPLICAS_MAX; i++) {
        char name[QR_NODE_NAME_BYTES];
        struct qr_control_duty duty;
        qr_place_member(row, i, name);
        QR_TRY(qr_control_duty(w->options->control, qr_str(name), false, ASK_NS, &duty, err));
        if (duty.duty == QR_DUTY_HA_REPLICA)
            continue;
        *ret_lead = i;
        return QR_OK;
    }
    return qr_fail(err, QR_NOT_FOUND, "the database has no primary");
}

static enum qr_status take_named(void *ctx, const struct qr_database_row *row)
{
    struct walk *w = ctx;
    uint32_t lead = 0;
    if (row->replica_of != w->primary_id)
        return QR_OK;
    QR_TRY(find_lead(w, row, &lead, NULL));
    return tell_readers(w, row, lead);
}

static enum qr_status walk_hyper(struct walk *w, const struct qr_database_row *own,
                                 struct qr_store *store, struct qr_err *err)
{
    struct qr_database_row primary = *own;
    struct qr_rpc_peer *control = w->options->control;
    w->own_id = own->id;
    w->own_member = qr_place_member_of(w->options->name);
    w->primary_id = own->replica_of != 0 ? own->replica_of : own->id;
    QR_TRY(qr_place_timeline(own, &w->timeline, err));
    if (own->replica_of != 0)
        QR_TRY(qr_control_find(control, 0, qr_str(""), w->primary_id, ASK_NS, &primary, err));
    QR_TRY(find_lead(w, &primary, &w->primary_member, err));
    QR_TRY(qr_logsvc_peer_readers(w->options->log_service, &w->timeline, ASK_NS, &w->readers, err));
    qr_hyper_get_lag(store, &w->own);
    QR_TRY(tell(w, &primary, w->primary_member, w->primary_member, NULL));
    QR_TRY(tell_readers(w, &primary, w->primary_member));
    return qr_control_each_database(control, QR_SERVER_ANY, ASK_NS, take_named, w, err);
}

/* Of a database with copies its primary knows the others; a secondary knows of itself. */
static enum qr_status walk_copies(struct walk *w, struct qri_node *node,
                                  const struct qr_database_row *row, struct qr_store *store)
{
    struct qr_copy_info others[QR_COPIES_MAX];
    uint64_t durable = qr_store_durable_lsn(store).v;
    w->has_copies = true;
    w->primary_id = w->own_id = row->id;
    w->primary_member = row->primary;
    w->own_member = qr_place_member_of(w->options->name);
    w->readers.commit_lsn = w->own.applied_lsn.v = durable;
    bool is_primary = !qr_store_is_read_only(store);
    if (is_primary)
        w->primary_member = w->own_member;
    QR_TRY(tell(w, row, w->own_member, w->primary_member, NULL));
    size_t count = is_primary ? qri_copy_list(node, others) : 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t has = others[i].hardened.v < durable ? others[i].hardened.v : durable;
        bool is_in = others[i].state == QR_COPY_SYNCHRONOUS;
        struct qr_logsvc_reader_info r = {.applied_lsn = is_in ? durable : has,
                                          .lag_bytes = is_in ? 0 : (durable - has) % LSN_JUMP,
                                          .silent_ns = is_in ? 0 : INT64_MAX};
        if (is_in || others[i].state == QR_COPY_CATCHING_UP)
            QR_TRY(tell(w, row, others[i].index, w->primary_member, &r));
    }
    return QR_OK;
}

enum qr_status qri_node_each_replica(void *ctx, uint32_t database_id, struct qr_store *store,
                                     enum qr_status (*each)(void *ctx,
                                                            const struct qr_replica_info *info),
                                     void *each_ctx)
{
    struct walk w = {.options = qri_node_options_of(ctx), .each = each, .each_ctx = each_ctx};
    struct qr_database_row row;
    struct qr_err err = {0};
    QR_TRY(qr_control_find(w.options->control, 0, qr_str(""), database_id, ASK_NS, &row, &err));
    if (qr_database_is_hyper(&row))
        return walk_hyper(&w, &row, store, &err);
    QR_TRY(qr_place_timeline(&row, &w.timeline, &err));
    if (qr_database_has_copies(&row))
        return walk_copies(&w, ctx, &row, store);
    w.primary_id = w.own_id = row.id;
    w.own.applied_lsn = qr_store_durable_lsn(store);
    return tell(&w, &row, 0, 0, NULL);
}

/* node_log_rate.c - see cmd_int.h: how fast the parts of a Hyperscale database take its log
 *
 * The log service knows how far each reader is and what long-term storage has. Rates are the
 * differences of two looks, a tenth of a second apart. */
#include <string.h>
#include "ctl/place.h"
#include "governor/governor.h"
#include "logsvc/peer.h"
#include "node_int.h"
#include "store/hyper.h"
#include "base/banned.h"

#define LSN_JUMP (UINT64_C(1) << 32) /* an epoch begins behind one */
static const int64_t ASK_NS = INT64_C(5) * 1000000000, GONE_NS = INT64_C(60) * 1000000000;
static const int64_t LOOK_NS = 100 * 1000 * 1000;
enum { PARTS_MAX = QR_LOGSVC_READERS_MAX + 2 };
static const uint64_t PRIMARY_ID = 1, DESTAGE_ID = 2; /* readers' ids begin with a tag */

struct part {
    uint64_t id, lsn, lag_bytes;
    enum qr_log_role role;
    int64_t silent_ns;
};

struct look {
    int64_t mono_ns, wall_ns;
    size_t count;
    struct part parts[PARTS_MAX];
};

static void add(struct look *look, struct part part)
{
    look->parts[look->count++] = part;
}

static enum qr_log_role role_of(enum qr_logsvc_reader kind)
{
    static const enum qr_log_role roles[QR_LOGSVC_READER_KINDS] = {
        [QR_READER_OTHER] = QR_LOG_UNKNOWN,
        [QR_READER_PAGES] = QR_LOG_STORAGE,
        [QR_READER_REPLICA] = QR_LOG_REPLICA,
        [QR_READER_GEO] = QR_LOG_GEOREPLICA,
    };
    return roles[kind];
}

static enum qr_status take_look(const struct qri_node_options *options,
                                const struct qr_timeline *timeline, struct look *look)
{
    struct qr_logsvc_readers readers;
    struct qr_logsvc_state state;
    QR_TRY(qr_logsvc_peer_readers(options->log_service, timeline, ASK_NS, &readers, NULL));
    QR_TRY(qr_logsvc_peer_state(options->log_service, timeline, ASK_NS, &state, NULL));
    look->mono_ns = qr_env_mono_ns(options->env);
    look->wall_ns = qr_env_wall_ns(options->env);
    look->count = 0;
    add(look, (struct part){PRIMARY_ID, state.hardened_lsn, 0, QR_LOG_PRIMARY, 0});
    for (size_t i = 0; i < readers.count; i++) {
        const struct qr_logsvc_reader_info *r = &readers.items[i];
        if (r->kind != QR_READER_OTHER && r->silent_ns < GONE_NS)
            add(look,
                (struct part){r->id, r->applied_lsn, r->lag_bytes, role_of(r->kind), r->silent_ns});
    }
    uint64_t destage = state.hardened_lsn - state.destaged_lsn;
    if (options->blob != NULL)
        add(look,
            (struct part){DESTAGE_ID, state.destaged_lsn, destage % LSN_JUMP, QR_LOG_DESTAGE, 0});
    return QR_OK;
}

/* Bytes of log a second that the part took between the looks. */
static uint64_t rate_of(const struct look *before, const struct look *now, const struct part *part)
{
    int64_t ns = now->mono_ns - before->mono_ns;
    for (size_t i = 0; i < before->count && ns > 0; i++)
        if (before->parts[i].id == part->id && before->parts[i].lsn <= part->lsn)
            return (uint64_t)((double)((part->lsn - before->parts[i].lsn) % LSN_JUMP) * 1e9 /
                              (double)ns);
    return 0;
}

static enum qr_log_role slows_down(struct qr_store *store)
{
    static const enum qr_log_role roles[QR_RBIO_COUNT] = {
        [QR_RBIO_NONE] = QR_LOG_UNKNOWN,    [QR_RBIO_LOCALDESTAGE] = QR_LOG_LOCALDESTAGE,
        [QR_RBIO_REPLICA] = QR_LOG_REPLICA, [QR_RBIO_DESTAGE] = QR_LOG_DESTAGE,
        [QR_RBIO_STORAGE] = QR_LOG_STORAGE,
    };
    return roles[qr_hyper_slowed_by(store)];
}

struct tell {
    const struct qr_timeline *timeline;
    uint64_t max_rate; /* of the objective; 0: none */
    enum qr_log_role slow;
    enum qr_status (*each)(void *ctx, const struct qr_log_rate *rate);
    void *each_ctx;
};

static void make_id(const struct tell *t, uint64_t id, uint8_t dst[16])
{
    memcpy(dst, t->timeline->id, 16);
    for (int i = 0; i < 8; i++)
        dst[8 + i] ^= (uint8_t)(id >> (56 - 8 * i));
}

/* Writers are slowed down as far as the part is behind: they get no more than it takes. */
static enum qr_status tell_all(const struct tell *t, const struct look *before,
                               const struct look *now)
{
    const int64_t epoch = INT64_C(621355968000000000);
    enum qr_status status = QR_OK;
    for (size_t i = 0; i < now->count && status == QR_OK; i++) {
        const struct part *p = &now->parts[i];
        struct qr_log_rate rate = {.role = p->role,
                                   .catchup_bytes = p->lag_bytes,
                                   .catchup_rate = rate_of(before, now, p),
                                   .reported_ticks = epoch + (now->wall_ns - p->silent_ns) / 100,
                                   .max_rate = t->max_rate};
        if (p->role == t->slow && p->lag_bytes > 0)
            rate.max_rate = rate.catchup_rate;
        make_id(t, p->id, rate.component_id);
        make_id(t, PRIMARY_ID, rate.replica_id);
        status = t->each(t->each_ctx, &rate);
    }
    return status;
}

enum qr_status qri_node_each_log_rate(void *ctx, uint32_t database_id, struct qr_store *store,
                                      enum qr_status (*each)(void *ctx,
                                                             const struct qr_log_rate *rate),
                                      void *each_ctx)
{
    struct qri_node *node = ctx;
    const struct qri_node_options *options = qri_node_options_of(node);
    struct qr_database_row row;
    struct qr_timeline timeline;
    struct qr_gov_group_options limits;
    struct look before = {.count = 0}, now = {.count = 0};
    QR_TRY(qr_control_find(options->control, 0, qr_str(""), database_id, ASK_NS, &row, NULL));
    if (!qr_database_is_hyper(&row) || qr_store_is_read_only(store))
        return QR_OK; /* its primary knows */
    QR_TRY(qr_place_timeline(&row, &timeline, NULL));
    qri_node_limits(node, &row, &limits);
    QR_TRY(take_look(options, &timeline, &before));
    qr_env_sleep_ns(options->env, LOOK_NS);
    QR_TRY(take_look(options, &timeline, &now));
    struct tell t = {.timeline = &timeline,
                     .max_rate = limits.limits.log_bytes_per_s,
                     .slow = slows_down(store),
                     .each = each,
                     .each_ctx = each_ctx};
    return tell_all(&t, &before, &now);
}

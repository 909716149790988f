/* firewall_rules.c - see cmd_int.h: firewall rules as statements see and change them, by control */
#include <stdio.h>
#include <string.h>
#include "cmd_int.h"
#include "base/banned.h"

enum { ADDRESS_BYTES = 16 };
static const int64_t CHANGE_NS = INT64_C(60) * 1000000000;

enum qr_status qri_firewall_set_rule(void *ctx, uint32_t database_id, struct qr_str name,
                                     struct qr_str start, struct qr_str end, struct qr_err *err)
{
    struct qr_control_ask ask = {.id = database_id, .name = name, .start = start, .end = end};
    return qri_node_asked(qr_control_call(qri_node_options_of(ctx)->operate, QR_CONTROL_SET_RULE,
                                          &ask, CHANGE_NS, NULL, err),
                          err);
}

enum qr_status qri_firewall_delete_rule(void *ctx, uint32_t database_id, struct qr_str name,
                                        struct qr_err *err)
{
    struct qr_control_ask ask = {.id = database_id, .name = name};
    return qri_node_asked(qr_control_call(qri_node_options_of(ctx)->operate, QR_CONTROL_DELETE_RULE,
                                          &ask, CHANGE_NS, NULL, err),
                          err);
}

static struct qr_str print_address(uint32_t address, char dst[ADDRESS_BYTES])
{
    snprintf(dst, ADDRESS_BYTES, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
             address >> 8 & 255, address & 255);
    return qr_str(dst);
}

static enum qr_status show_rules(const struct qr_buf *reply,
                                 enum qr_status (*each)(void *each_ctx,
                                                        const struct qr_firewall_info *info),
                                 void *each_ctx)
{
    struct qr_control_item item;
    for (size_t at = 0; at < reply->len;) {
        char start[ADDRESS_BYTES], end[ADDRESS_BYTES];
        QR_TRY(qr_control_item_next(reply->data, reply->len, &at, &item, NULL));
        if (item.kind != QR_ITEM_RULE)
            return QR_PROTOCOL;
        struct qr_firewall_info info = {
            .id = (int)item.id,
            .name = item.name,
            .start = print_address(item.start, start),
            .end = print_address(item.end, end),
            .create_ticks = item.create_ticks,
            .modify_ticks = item.modify_ticks,
        };
        QR_TRY(each(each_ctx, &info));
    }
    return QR_OK;
}

enum qr_status qri_firewall_each_rule(void *ctx, uint32_t database_id,
                                      enum qr_status (*each)(void *each_ctx,
                                                             const struct qr_firewall_info *info),
                                      void *each_ctx)
{
    struct qr_control_ask ask = {.id = database_id};
    struct qr_buf reply;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    enum qr_status status =
        qr_control_call(qri_node_options_of(ctx)->control, QR_CONTROL_RULES, &ask, 0, &reply, NULL);
    if (status == QR_OK)
        status = show_rules(&reply, each, each_ctx);
    qr_buf_done(&reply);
    return status == QR_CANCELLED ? QR_CLOSED : status; /* no client has cancelled anything */
}

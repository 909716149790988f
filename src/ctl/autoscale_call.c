/* autoscale_call.c - see ctl/autoscale.h: settings are said, and asked for */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "autoscale_int.h"
#include "base/endian.h"
#include "base/sqlmsg.h"
#include "ctl/peer.h"
#include "registry_int.h"
#include "base/banned.h"

enum { ANSWER_BYTES = 256 * 1024, ROW_HEAD_BYTES = 8 };

/* ---- saying; mu held ---- */

/* They are kept before they hold. */
static enum qr_status keep(struct qr_control *control, uint32_t id, json_t *said,
                           struct qr_err *err)
{
    char name[16];
    snprintf(name, sizeof name, "%u", id);
    char *text = json_dumps(said, JSON_COMPACT);
    struct qr_control_ask ask = {.doc_kind = QR_DOC_AUTOSCALE,
                                 .name = qr_str(name),
                                 .text = qr_str(text == NULL ? "" : text),
                                 .version = UINT64_MAX};
    enum qr_status status = text == NULL ? qr_fail(err, QR_NOMEM, "keep autoscale settings")
                                         : qri_docs_put(control, &ask, NULL, err);
    free(text);
    return status;
}

static enum qr_status change(struct qr_control *control, const struct qr_database_row *row,
                             struct qr_str wish, json_t *said, struct qr_err *err)
{
    struct qri_scaled fresh = {.said = said};
    struct qri_autoscale a;
    QR_TRY(qri_autoscale_wish(said, wish, err));
    if (qri_scaled_is_on(&fresh)) /* what is off may be of another tier */
        QR_TRY(qri_autoscale_of(said, row, qri_autoscale_interval(control), &a, err));
    QR_TRY(keep(control, row->id, said, err));
    struct qri_scaled *s = qri_scaled_add(control->autoscaler, row->id);
    if (s == NULL)
        return qr_fail(err, QR_NOMEM, "keep autoscale settings");
    json_decref(s->said);
    s->said = json_incref(said);
    s->is_ready = false; /* it begins anew */
    s->due_wall_ns = s->pause_ns = s->until_mono_ns = 0;
    s->error[0] = '\0';
    return QR_OK;
}

enum qr_status qri_autoscale_change(struct qr_control *control, const struct qr_control_ask *ask,
                                    struct qr_err *err)
{
    struct qri_autoscaler *scaler = control->autoscaler;
    struct qr_database_row row;
    if (qr_registry_find_database(control->options.registry, ask->server, ask->name, &row) != QR_OK)
        return qri_fail_no_database(ask->name, err);
    pthread_mutex_lock(&scaler->mu);
    qri_autoscale_load(control);
    const struct qri_scaled *s = qri_scaled_find(scaler, row.id);
    json_t *said = s == NULL ? json_object() : json_deep_copy(s->said);
    enum qr_status status = !scaler->is_loaded
                                ? qr_fail(err, QR_BUSY, "Autoscale settings cannot be read.")
                            : said == NULL ? qr_fail(err, QR_NOMEM, "keep autoscale settings")
                                           : change(control, &row, ask->text, said, err);
    json_decref(said);
    pthread_mutex_unlock(&scaler->mu);
    return status;
}

/* ---- showing; mu held ---- */

static void set(json_t *object, const char *key, json_t *own_value)
{
    (void)json_object_set_new(object, key, own_value);
}

static json_t *json_of(struct qr_control *control, const struct qri_scaled *s,
                       const struct qr_database_row *row)
{
    struct qri_autoscale a;
    struct qr_err err = {0};
    int64_t mono = qr_env_mono_ns(control->options.env);
    bool fits = qri_autoscale_of(s->said, row, qri_autoscale_interval(control), &a, &err) == QR_OK;
    json_t *o = fits ? qri_autoscale_json(&a) : json_deep_copy(s->said);
    const char *error = s->error[0] != '\0' ? s->error : !fits ? err.text : NULL;
    if (o == NULL)
        return NULL;
    set(o, "database", json_string(row->name));
    set(o, "currentObjective", json_string(row->objective));
    if (s->decided_wall_ns != 0 && s->is_ready) {
        set(o, "lastDecisionWallNs", json_integer(s->decided_wall_ns));
        set(o, "lastReason", json_string(qr_scale_reason_names[s->wish.reason]));
        if (s->wish.is_decided)
            set(o, "lastRequestedObjective", json_string(s->a.ladder[s->wish.rung].name));
    }
    if (error != NULL)
        set(o, "lastError", json_string(error));
    if (s->until_mono_ns > mono)
        set(o, "retryAfterWallNs",
            json_integer(qr_env_wall_ns(control->options.env) + s->until_mono_ns - mono));
    return o;
}

enum qr_status qri_autoscale_list(struct qr_control *control, const struct qr_control_ask *ask,
                                  struct qr_buf *answer, struct qr_err *err)
{
    struct qri_autoscaler *scaler = control->autoscaler;
    struct qr_database_row row;
    enum qr_status status = QR_OK;
    pthread_mutex_lock(&scaler->mu);
    qri_autoscale_load(control);
    const struct qri_scaled *s = scaler->list;
    for (; s != NULL && status == QR_OK && answer->len < ANSWER_BYTES; s = s->next) {
        if (s->id <= ask->id ||
            qr_registry_find_id(control->options.registry, s->id, &row) != QR_OK ||
            !qr_database_is_live(&row) || !qri_control_is_listed(ask, &row) ||
            (ask->name.n > 0 && !qr_str_ieqz(ask->name, row.name)))
            continue;
        json_t *json = json_of(control, s, &row);
        char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
        json_decref(json);
        if (text == NULL) {
            status = qr_fail(err, QR_NOMEM, "show autoscale settings");
        } else {
            qr_buf_add32le(answer, s->id);
            qr_buf_add32le(answer, (uint32_t)strlen(text));
            qr_buf_addz(answer, text);
        }
        free(text);
    }
    pthread_mutex_unlock(&scaler->mu);
    return status;
}

/* ---- the others ---- */

enum qr_status qr_autoscale_set(struct qr_rpc_peer *operate, uint32_t server, struct qr_str name,
                                struct qr_str json, int64_t timeout_ns, struct qr_err *err)
{
    struct qr_control_ask ask = {.server = server, .name = name, .text = json};
    return qr_control_call(operate, QR_CONTROL_AUTOSCALE_SET, &ask, timeout_ns, NULL, err);
}

static enum qr_status each_in(const struct qr_buf *reply, qr_autoscale_fn *each, void *ctx,
                              uint32_t *after, struct qr_err *err)
{
    for (size_t at = 0; at < reply->len;) {
        if (reply->len - at < ROW_HEAD_BYTES)
            return qr_fail(err, QR_PROTOCOL, "autoscale settings are cut off");
        uint32_t id = qr_get32le(reply->data + at), n = qr_get32le(reply->data + at + 4);
        at += ROW_HEAD_BYTES;
        if (n > reply->len - at || id <= *after)
            return qr_fail(err, QR_PROTOCOL, "autoscale settings break their format");
        *after = id;
        QR_TRY(each(ctx, id, qr_str_n((const char *)reply->data + at, n)));
        at += n;
    }
    return QR_OK;
}

enum qr_status qr_autoscale_each(struct qr_rpc_peer *control, uint32_t server, struct qr_str name,
                                 int64_t timeout_ns, qr_autoscale_fn *each, void *ctx,
                                 struct qr_err *err)
{
    struct qr_buf reply;
    enum qr_status status = QR_OK;
    uint32_t after = 0;
    qr_buf_init(&reply, QR_CONTROL_ANSWER_BYTES_MAX);
    do {
        qr_buf_clear(&reply);
        struct qr_control_ask ask = {.server = server, .name = name, .id = after};
        status = qr_control_call(control, QR_CONTROL_AUTOSCALE, &ask, timeout_ns, &reply, err);
        if (status == QR_OK)
            status = each_in(&reply, each, ctx, &after, err);
    } while (status == QR_OK && reply.len > 0);
    qr_buf_done(&reply);
    return status;
}

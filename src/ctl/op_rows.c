/* op_rows.c - see ops_int.h: operations in the metadata, at keys `operation/<number in
 * hexadecimal>`
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ops_int.h"
#include "registry_int.h"
#include "base/banned.h"

enum { KEY_BYTES = 40 };

/* ---- what was asked ---- */

enum kind { TEXT, LONG, WORD, BYTE, FLAG };
#define ASK(name, kind, member)                                                                    \
    {                                                                                              \
        name, kind, offsetof(struct qr_control_ask, member)                                        \
    }
static const struct {
    const char *name;
    enum kind kind;
    size_t offset;
} ask_members[] = {
    ASK("name", TEXT, name),
    ASK("newName", TEXT, new_name),
    ASK("edition", TEXT, edition),
    ASK("objective", TEXT, objective),
    ASK("collation", TEXT, collation),
    ASK("maxText", TEXT, max_text),
    ASK("copyOf", TEXT, copy_of),
    ASK("kept", TEXT, kept),
    ASK("geo", FLAG, geo),
    ASK("verify", FLAG, verify),
    ASK("relocate", FLAG, relocate),
    ASK("resizes", FLAG, resizes),
    ASK("geoChange", BYTE, geo_change),
    ASK("tags", TEXT, tags),
    ASK("owner", TEXT, owner),
    ASK("maxBytes", LONG, max_bytes),
    ASK("dropped", FLAG, dropped),
    ASK("droppedWallNs", LONG, dropped_wall_ns),
    ASK("restoreWallNs", LONG, restore_wall_ns),
    ASK("haReplicas", WORD, ha_replicas),
    ASK("server", WORD, server),
    ASK("otherServer", WORD, other_server),
    ASK("zoneRedundant", BYTE, traits.zone_redundant),
    ASK("readScale", BYTE, traits.read_scale),
    ASK("license", BYTE, traits.license),
    ASK("redundancy", BYTE, traits.redundancy),
    ASK("autoPauseMinutes", WORD, traits.auto_pause_minutes),
    ASK("minCapacityPct", WORD, traits.min_capacity_pct),
    ASK("pool", TEXT, pool),
    ASK("poolMinPct", WORD, pool_min_pct),
    ASK("poolMaxPct", WORD, pool_max_pct),
};
enum { ASK_COUNT = sizeof ask_members / sizeof ask_members[0] };

static json_t *member_of(const struct qr_control_ask *ask, size_t i)
{
    const void *at = (const char *)ask + ask_members[i].offset;
    const struct qr_str *text = at;
    switch (ask_members[i].kind) {
    case TEXT:
        return json_stringn(text->n == 0 ? "" : text->p, text->n);
    case LONG:
        return json_integer(*(const int64_t *)at);
    case WORD:
        return json_integer(*(const int32_t *)at);
    case BYTE:
        return json_integer(*(const uint8_t *)at);
    case FLAG:
        break;
    }
    return json_boolean(*(const bool *)at);
}

static json_t *json_of_ask(const struct qr_control_ask *ask)
{
    json_t *o = json_object();
    for (size_t i = 0; o != NULL && i < ASK_COUNT; i++) {
        if (json_object_set_new(o, ask_members[i].name, member_of(ask, i)) == 0)
            continue;
        json_decref(o);
        return NULL;
    }
    return o;
}

/* The texts stay the object's. */
static void ask_of_json(const json_t *o, struct qr_control_ask *ask)
{
    for (size_t i = 0; i < ASK_COUNT; i++) {
        void *at = (char *)ask + ask_members[i].offset;
        const json_t *value = json_object_get(o, ask_members[i].name);
        json_int_t number = json_integer_value(value);
        const char *text = json_string_value(value);
        if (ask_members[i].kind == TEXT)
            *(struct qr_str *)at =
                text == NULL ? qr_str("") : qr_str_n(text, json_string_length(value));
        else if (ask_members[i].kind == LONG)
            *(int64_t *)at = number;
        else if (ask_members[i].kind == WORD)
            *(uint32_t *)at = (uint32_t)number;
        else if (ask_members[i].kind == BYTE)
            *(uint8_t *)at = (uint8_t)number;
        else
            *(bool *)at = json_is_true(value);
    }
}

enum qr_status qri_op_set_ask(struct qri_op *op, const struct qr_control_ask *ask,
                              struct qr_err *err)
{
    op->texts = json_of_ask(ask);
    if (op->texts == NULL)
        return qr_fail(err, QR_INVALID, "Names are UTF-8.");
    ask_of_json(op->texts, &op->ask);
    return QR_OK;
}

enum qr_status qri_op_set_text(struct qri_op *op, struct qr_str *member, const char *text,
                               struct qr_err *err)
{
    for (size_t i = 0; i < ASK_COUNT; i++) {
        if ((char *)&op->ask + ask_members[i].offset != (char *)member)
            continue;
        json_t *value = json_string(text);
        if (json_object_set_new(op->texts, ask_members[i].name, value) != 0)
            return qr_fail(err, QR_NOMEM, "start an operation");
        *member = qr_str_n(json_string_value(value), json_string_length(value));
        return QR_OK;
    }
    return qr_fail(err, QR_BUG, "no text of an operation");
}

/* ---- rows ---- */

static struct qr_str key_of(const struct qri_op *op, char dst[KEY_BYTES])
{
    snprintf(dst, KEY_BYTES, "operation/%016llx", (unsigned long long)op->row.number);
    return qr_str(dst);
}

static json_t *json_of_op(const struct qri_op *op)
{
    const struct qr_operation_row *row = &op->row;
    json_t *ask = json_of_ask(&op->ask);
    if (ask == NULL)
        return NULL;
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:s, "
                     "s:i, s:i, s:o}",
                     "id", row->id, "kind", qri_op_kinds[row->kind].name, "state", (int)row->state,
                     "step", (int)op->step, "percent", (int)row->percent, "databaseId",
                     (int)row->database_id, "database", row->database, "other", row->other, "start",
                     (json_int_t)row->start_wall_ns, "modify", (json_int_t)row->modify_wall_ns,
                     "errorNumber", (int)row->error_number, "errorSeverity",
                     (int)row->error_severity, "errorState", (int)row->error_state, "errorStatus",
                     (int)row->error_status, "errorText", row->error_text, "sourceId",
                     (int)op->row.source_id, "member", (int)op->member, "ask", ask);
}

enum qr_status qri_op_store(struct qr_control *control, struct qri_op *op, struct qr_err *err)
{
    char key[KEY_BYTES];
    bool applied = false;
    json_t *o = json_of_op(op);
    char *text = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (text == NULL)
        return qr_fail(err, QR_NOMEM, "keep an operation");
    struct qr_meta_op put = {.key = key_of(op, key), .value = qr_str(text)};
    enum qr_status status = qr_meta_txn(qri_registry_meta(control->options.registry), NULL, 0, &put,
                                        1, &applied, &op->version, err);
    free(text);
    return status;
}

enum qr_status qri_op_remove(struct qr_control *control, const struct qri_op *op,
                             struct qr_err *err)
{
    char key[KEY_BYTES];
    bool applied = false;
    struct qr_meta_op gone = {.key = key_of(op, key), .is_delete = true};
    return qr_meta_txn(qri_registry_meta(control->options.registry), NULL, 0, &gone, 1, &applied,
                       NULL, err);
}

void qri_op_free(struct qri_op *op)
{
    if (op == NULL)
        return;
    json_decref(op->texts);
    free(op);
}

static bool take_kind(const json_t *o, uint8_t *ret_kind)
{
    const char *name = json_string_value(json_object_get(o, "kind"));
    for (uint8_t i = 1; name != NULL && i < QR_OPERATION_KIND_COUNT; i++) {
        if (strcmp(qri_op_kinds[i].name, name) == 0) {
            *ret_kind = i;
            return true;
        }
    }
    return false;
}

/* Numbers of a row are small and not negative. */
static bool take_word(const json_t *o, const char *name, json_int_t max, uint32_t *ret)
{
    json_int_t number = 0;
    bool good = qri_take_number(o, name, &number) && number >= 0 && number <= max;
    *ret = (uint32_t)number;
    return good;
}

static bool op_of_json(const json_t *o, struct qri_op *op)
{
    struct qr_operation_row *row = &op->row;
    json_int_t start = 0, modify = 0;
    uint32_t state = 0;
    bool good = take_kind(o, &row->kind) && qri_take_text(o, "id", row->id, sizeof row->id) &&
                qri_take_text(o, "database", row->database, sizeof row->database) &&
                qri_take_text(o, "other", row->other, sizeof row->other) &&
                qri_take_text(o, "errorText", row->error_text, sizeof row->error_text) &&
                take_word(o, "state", QR_OPERATION_STATE_COUNT - 1, &state) &&
                take_word(o, "step", QRI_STEPS_MAX - 1, &op->step) &&
                take_word(o, "percent", 100, &row->percent) &&
                take_word(o, "databaseId", INT32_MAX, &row->database_id) &&
                take_word(o, "sourceId", INT32_MAX, &op->row.source_id) &&
                take_word(o, "member", QR_HA_REPLICAS_MAX + 1, &op->member) &&
                take_word(o, "errorNumber", INT32_MAX, &row->error_number) &&
                take_word(o, "errorSeverity", 255, &row->error_severity) &&
                take_word(o, "errorState", 255, &row->error_state) &&
                take_word(o, "errorStatus", QR_STATUS_COUNT - 1, &row->error_status) &&
                qri_take_number(o, "start", &start) && qri_take_number(o, "modify", &modify) &&
                json_is_object(json_object_get(o, "ask"));
    row->state = (uint8_t)state;
    row->start_wall_ns = start;
    row->modify_wall_ns = modify;
    return good && qri_op_kinds[row->kind].steps[op->step].name != NULL;
}

struct load {
    struct qr_control *control;
    enum qr_status status;
};

static bool load_one(void *arg, struct qr_str key, struct qr_str value, uint64_t version)
{
    struct load *load = arg;
    struct qri_ops *ops = &load->control->ops;
    struct qri_op *op = calloc(1, sizeof *op);
    json_t *o = json_loadb(value.p, value.n, JSON_REJECT_DUPLICATES, NULL);
    char digits[17] = "";
    if (op == NULL || o == NULL || key.n != strlen("operation/") + 16 || !op_of_json(o, op)) {
        load->status = op == NULL ? QR_NOMEM : QR_CORRUPT;
        json_decref(o);
        free(op);
        return false;
    }
    memcpy(digits, key.p + key.n - 16, 16);
    op->row.number = strtoull(digits, NULL, 16);
    op->version = version;
    op->resumed = true;
    op->texts = json_incref(json_object_get(o, "ask"));
    ask_of_json(op->texts, &op->ask);
    json_decref(o);
    snprintf(op->row.phase, sizeof op->row.phase, "%s",
             qri_op_kinds[op->row.kind].steps[op->step].name);
    op->next = ops->newest; /* keys come in order of number */
    ops->newest = op;
    op->used_bytes = UINT64_MAX;
    if (!qr_operation_is_over(op->row.state)) {
        uint32_t begins = qri_op_kinds[op->row.kind].steps[op->step].percent;
        if (op->row.percent < begins) /* a first step is begun without being kept */
            op->row.percent = begins;
        op->next_active = ops->active;
        ops->active = op;
    }
    ops->count += 1;
    ops->next_number = op->row.number + 1;
    return true;
}

enum qr_status qri_ops_load(struct qr_control *control, struct qr_err *err)
{
    struct load load = {control, QR_OK};
    control->ops.next_number = 1;
    QR_TRY(qr_meta_range(qri_registry_meta(control->options.registry), qr_str("operation/"),
                         load_one, &load, err));
    return load.status == QR_OK
               ? QR_OK
               : qr_fail(err, load.status, "metadata: an operation cannot be read");
}

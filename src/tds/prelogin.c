/* Implements tds/prelogin.h. */
#include "tds/prelogin.h"
#include <assert.h>
#include <string.h>
#include "base/endian.h"
#include "base/banned.h"

enum pl_option { /* PL_OPTION_TOKEN */
                 PL_VERSION = 0x00,
                 PL_ENCRYPTION = 0x01,
                 PL_INSTOPT = 0x02,
                 PL_THREADID = 0x03,
                 PL_MARS = 0x04,
                 PL_TRACEID = 0x05,
                 PL_FEDAUTHREQUIRED = 0x06,
                 PL_NONCEOPT = 0x07,
                 PL_TERMINATOR = 0xFF,
};
enum { OPTION_ENTRY_BYTES = 5 };

static void apply_version(struct qr_tds_prelogin *p, const uint8_t *val, size_t val_bytes)
{
    p->client_version = qr_get32be(val);
    p->client_subbuild = val_bytes >= 6 ? qr_get16be(val + 4) : 0;
}
static void apply_encryption(struct qr_tds_prelogin *p, const uint8_t *val, size_t val_bytes)
{
    (void)val_bytes;
    p->has_encryption = true;
    p->encryption = val[0] & 0x7F;
    p->client_certificate = (val[0] & 0x80) != 0;
}
static void apply_instance(struct qr_tds_prelogin *p, const uint8_t *val, size_t val_bytes)
{
    const uint8_t *nul = memchr(val, 0, val_bytes);
    p->instance = qr_str_n((const char *)val, nul == NULL ? val_bytes : (size_t)(nul - val));
}
static void apply_thread_id(struct qr_tds_prelogin *p, const uint8_t *val, size_t val_bytes)
{
    if (val_bytes == 4)
        p->thread_id = qr_get32be(val);
}
static void apply_mars(struct qr_tds_prelogin *p, const uint8_t *val, size_t val_bytes)
{
    (void)val_bytes;
    p->wants_mars = val[0] != 0;
}
static void apply_trace_id(struct qr_tds_prelogin *p, const uint8_t *val, size_t val_bytes)
{
    if (val_bytes != sizeof p->trace_id)
        return; /* some clients send it empty */
    memcpy(p->trace_id, val, val_bytes);
    p->has_trace_id = true;
}
static void apply_fedauth(struct qr_tds_prelogin *p, const uint8_t *val, size_t val_bytes)
{
    (void)val_bytes;
    p->has_fedauth = true;
    p->fedauth_required = val[0];
}
static void apply_nonce(struct qr_tds_prelogin *p, const uint8_t *val, size_t val_bytes)
{
    (void)val;
    (void)val_bytes;
    p->has_nonce = true;
}

static const struct option { /* index: PL_OPTION_TOKEN */
    const char *name;
    uint16_t bytes_min, bytes_max;
    void (*apply)(struct qr_tds_prelogin *p, const uint8_t *val, size_t val_bytes);
} options[] = {
    /* clang-format off */
    [PL_VERSION]         = {"VERSION",         4,   6, apply_version   },
    [PL_ENCRYPTION]      = {"ENCRYPTION",      1,   1, apply_encryption},
    [PL_INSTOPT]         = {"INSTOPT",         0, 256, apply_instance  },
    [PL_THREADID]        = {"THREADID",        0,   4, apply_thread_id },
    [PL_MARS]            = {"MARS",            1,   1, apply_mars      },
    [PL_TRACEID]         = {"TRACEID",         0,  36, apply_trace_id  },
    [PL_FEDAUTHREQUIRED] = {"FEDAUTHREQUIRED", 1,   1, apply_fedauth   },
    [PL_NONCEOPT]        = {"NONCEOPT",       32,  32, apply_nonce     },
    /* clang-format on */
};
enum { OPTION_COUNT = sizeof options / sizeof options[0] };

static enum qr_status apply_option(struct qr_tds_prelogin *p, const uint8_t *msg, size_t msg_bytes,
                                   const uint8_t *entry, struct qr_err *err)
{
    uint8_t token = entry[0];
    size_t offset = qr_get16be(entry + 1), bytes = qr_get16be(entry + 3);
    if (offset > msg_bytes || bytes > msg_bytes - offset)
        return qr_fail(err, QR_TRUNCATED, "PRELOGIN option 0x%02X reaches past the message", token);
    if (token >= OPTION_COUNT)
        return QR_OK;
    const struct option *option = &options[token];
    if (bytes < option->bytes_min || bytes > option->bytes_max)
        return qr_fail(err, QR_PROTOCOL, "PRELOGIN option %s of %zu bytes", option->name, bytes);
    option->apply(p, msg + offset, bytes);
    return QR_OK;
}

enum qr_status qr_tds_prelogin_parse(const uint8_t *msg, size_t msg_bytes,
                                     struct qr_tds_prelogin *ret_prelogin, struct qr_err *err)
{
    struct qr_tds_prelogin p = {0};
    for (size_t i = 0;; i++) {
        size_t at = i * OPTION_ENTRY_BYTES;
        if (at >= msg_bytes)
            return qr_fail(err, QR_TRUNCATED, "PRELOGIN has no terminator");
        if (msg[at] == PL_TERMINATOR)
            break;
        if (i == QR_TDS_PRELOGIN_OPTIONS_MAX)
            return qr_fail(err, QR_PROTOCOL, "PRELOGIN has too many options");
        if (msg_bytes - at < OPTION_ENTRY_BYTES)
            return qr_fail(err, QR_TRUNCATED, "PRELOGIN option list is cut");
        QR_TRY(apply_option(&p, msg, msg_bytes, msg + at, err));
        if (i == 0 && msg[at] != PL_VERSION)
            return qr_fail(err, QR_PROTOCOL, "PRELOGIN does not begin with VERSION");
    }
    *ret_prelogin = p;
    return QR_OK;
}

bool qr_tds_encryption_negotiate(enum qr_tds_encryption_policy policy, uint8_t client_encryption,
                                 uint8_t *ret_answer, enum qr_tds_tls_scope *ret_scope)
{
    enum { POLICY_COUNT = 3, CLIENT_COUNT = 4 };
    static const struct outcome {
        uint8_t answer;
        enum qr_tds_tls_scope scope;
        bool go_on;
    } outcomes[POLICY_COUNT][CLIENT_COUNT] = {
        /* columns: client says OFF, ON, NOT_SUP, REQ */
        /* clang-format off */
        [QR_TDS_POLICY_PLAINTEXT_ALLOWED] = {
            {QR_TDS_ENCRYPT_OFF,     QR_TDS_TLS_LOGIN_ONLY, true },
            {QR_TDS_ENCRYPT_ON,      QR_TDS_TLS_ALL,        true },
            {QR_TDS_ENCRYPT_NOT_SUP, QR_TDS_TLS_NONE,       true },
            {QR_TDS_ENCRYPT_ON,      QR_TDS_TLS_ALL,        true }},
        [QR_TDS_POLICY_LOGIN_ENCRYPTED] = {
            {QR_TDS_ENCRYPT_OFF,     QR_TDS_TLS_LOGIN_ONLY, true },
            {QR_TDS_ENCRYPT_ON,      QR_TDS_TLS_ALL,        true },
            {QR_TDS_ENCRYPT_REQ,     QR_TDS_TLS_NONE,       false},
            {QR_TDS_ENCRYPT_ON,      QR_TDS_TLS_ALL,        true }},
        [QR_TDS_POLICY_ALL_ENCRYPTED] = {
            {QR_TDS_ENCRYPT_REQ,     QR_TDS_TLS_ALL,        true },
            {QR_TDS_ENCRYPT_ON,      QR_TDS_TLS_ALL,        true },
            {QR_TDS_ENCRYPT_REQ,     QR_TDS_TLS_NONE,       false},
            {QR_TDS_ENCRYPT_ON,      QR_TDS_TLS_ALL,        true }},
        /* clang-format on */
    };
    if (client_encryption >= CLIENT_COUNT) {
        *ret_answer = QR_TDS_ENCRYPT_REQ;
        *ret_scope = QR_TDS_TLS_NONE;
        return false;
    }
    const struct outcome *o = &outcomes[policy][client_encryption];
    *ret_answer = o->answer;
    *ret_scope = o->scope;
    return o->go_on;
}

void qr_tds_prelogin_write(struct qr_buf *out, const struct qr_tds_prelogin *client,
                           const struct qr_tds_prelogin_reply *reply)
{
    uint8_t version[6];
    memcpy(version, reply->version, 4);
    qr_put16be(version + 4, reply->subbuild);
    uint8_t instance = reply->instance_matches ? 0 : 1;
    uint8_t zero = 0;
    const struct {
        uint8_t token;
        bool present;
        const uint8_t *val;
        uint16_t val_bytes;
    } entries[] = {
        {PL_VERSION, true, version, sizeof version},
        {PL_ENCRYPTION, true, &reply->encryption, 1},
        {PL_INSTOPT, true, &instance, 1},
        {PL_THREADID, true, NULL, 0},
        {PL_MARS, true, &zero, 1},
        {PL_TRACEID, client->has_trace_id, NULL, 0},
        {PL_FEDAUTHREQUIRED, client->has_fedauth, &zero, 1}, /* SQL logins only */
    };
    enum { COUNT = sizeof entries / sizeof entries[0] };
    size_t offset = 1;
    for (size_t i = 0; i < COUNT; i++)
        offset += entries[i].present ? OPTION_ENTRY_BYTES : 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (!entries[i].present)
            continue;
        qr_buf_add8(out, entries[i].token);
        qr_buf_add16be(out, (uint16_t)offset);
        qr_buf_add16be(out, entries[i].val_bytes);
        offset += entries[i].val_bytes;
    }
    qr_buf_add8(out, PL_TERMINATOR);
    for (size_t i = 0; i < COUNT; i++) {
        if (entries[i].present)
            qr_buf_add(out, entries[i].val, entries[i].val_bytes);
    }
}

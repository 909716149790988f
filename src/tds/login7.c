/* Implements tds/login7.h. */
#include "tds/login7.h"
#include <string.h>
#include "base/banned.h"

enum { /* offsets of the fixed part */
       OFF_LENGTH = 0,
       OFF_VERSION = 4,
       OFF_PACKET_BYTES = 8,
       OFF_PROGRAM_VERSION = 12,
       OFF_PID = 16,
       OFF_FLAGS1 = 24,
       OFF_FLAGS2 = 25,
       OFF_TYPE_FLAGS = 26,
       OFF_FLAGS3 = 27,
       OFF_TIME_ZONE = 28,
       OFF_LCID = 32,
       OFF_EXTENSION = 56,
       OFF_CLIENT_ID = 72,
       OFF_SSPI = 78,
       OFF_NEW_PASSWORD = 86,
       OFF_SSPI_LONG = 90,
       FIXED_BYTES_71 = 86,
       FIXED_BYTES_72 = 94,
};
enum { /* bits */
       FLAGS1_BYTE_ORDER_68000 = 0x01,
       FLAGS1_CHAR_EBCDIC = 0x02,
       FLAGS1_FLOAT_MASK = 0x0C,
       FLAGS1_USE_DB = 0x20,
       FLAGS1_DATABASE_FATAL = 0x40,
       FLAGS1_SET_LANG = 0x80,
       FLAGS2_LANGUAGE_FATAL = 0x01,
       FLAGS2_ODBC = 0x02,
       FLAGS2_USER_TYPE_MASK = 0x70,
       FLAGS2_INT_SECURITY = 0x80,
       TYPE_OLEDB = 0x10,
       TYPE_READ_ONLY = 0x20,
       FLAGS3_CHANGE_PASSWORD = 0x01,
       FLAGS3_UNKNOWN_COLLATION = 0x08,
       FLAGS3_EXTENSION = 0x10,
};

static const struct field { /* variable text fields: offset of their (offset, units) pair */
    const char *name;
    size_t units_max; /* 2.2.6.4; language and file paths as documented there */
    uint16_t at;
    uint16_t member;
} fields[] = {
    /* clang-format off */
    {"HostName",   128, 36, offsetof(struct qr_tds_login7, host)},
    {"UserName",   128, 40, offsetof(struct qr_tds_login7, user)},
    {"Password",   128, 44, offsetof(struct qr_tds_login7, password)},
    {"AppName",    128, 48, offsetof(struct qr_tds_login7, application)},
    {"ServerName", 255, 52, offsetof(struct qr_tds_login7, server)},
    {"CltIntName", 128, 60, offsetof(struct qr_tds_login7, library)},
    {"Language",   128, 64, offsetof(struct qr_tds_login7, language)},
    {"Database",   128, 68, offsetof(struct qr_tds_login7, database)},
    {"AtchDBFile", 260, 82, offsetof(struct qr_tds_login7, attach_file)},
    {"NewPassword",128, OFF_NEW_PASSWORD, offsetof(struct qr_tds_login7, new_password)},
    /* clang-format on */
};

static enum qr_status read_field(struct qr_tds_login7 *login, const struct field *field,
                                 const uint8_t *msg, size_t msg_bytes, struct qr_err *err)
{
    size_t offset = qr_get16le(msg + field->at), units = qr_get16le(msg + field->at + 2);
    if (units == 0)
        return QR_OK;
    if (units > field->units_max)
        return qr_fail(err, QR_TOO_BIG, "LOGIN7 %s of %zu characters", field->name, units);
    if (offset > msg_bytes || units * 2 > msg_bytes - offset)
        return qr_fail(err, QR_TRUNCATED, "LOGIN7 %s reaches past the message", field->name);
    struct qr_tds_utf16 text = {msg + offset, units};
    memcpy((char *)login + field->member, &text, sizeof text);
    return QR_OK;
}

/* Each byte was nibble-swapped, then XORed with 0xA5. */
static void reveal(struct qr_tds_utf16 text)
{
    uint8_t *p = (uint8_t *)text.p; /* the message is the caller's to change */
    for (size_t i = 0; i < text.units * 2; i++) {
        uint8_t b = p[i] ^ 0xA5;
        p[i] = (uint8_t)(b >> 4 | b << 4);
    }
}

static bool overlap(struct qr_tds_utf16 a, struct qr_tds_utf16 b)
{
    return a.units > 0 && b.units > 0 && a.p < b.p + b.units * 2 && b.p < a.p + a.units * 2;
}

static enum qr_status read_features(struct qr_tds_login7 *login, const uint8_t *msg,
                                    size_t msg_bytes, struct qr_err *err)
{
    size_t offset = qr_get16le(msg + OFF_EXTENSION), bytes = qr_get16le(msg + OFF_EXTENSION + 2);
    if (bytes < 4 || offset > msg_bytes || msg_bytes - offset < 4)
        return qr_fail(err, QR_TRUNCATED, "LOGIN7 extension reaches past the message");
    size_t at = qr_get32le(msg + offset);
    if (at > msg_bytes)
        return qr_fail(err, QR_TRUNCATED, "LOGIN7 FeatureExt starts past the message");
    struct qr_tds_cursor c = qr_tds_cursor(msg + at, msg_bytes - at);
    login->has_extension = true;
    for (;;) {
        struct qr_tds_feature f = {.id = qr_tds_take8(&c)};
        if (c.failed)
            return qr_fail(err, QR_TRUNCATED, "LOGIN7 FeatureExt has no terminator");
        if (f.id == QR_TDS_FEATURE_TERMINATOR)
            return QR_OK;
        f.data_bytes = qr_tds_take32(&c);
        f.data = qr_tds_take(&c, f.data_bytes);
        if (c.failed)
            return qr_fail(err, QR_TRUNCATED, "LOGIN7 feature 0x%02X reaches past the message",
                           f.id);
        if (qr_tds_login7_feature(login, f.id) != NULL)
            return qr_fail(err, QR_PROTOCOL, "LOGIN7 feature 0x%02X is there twice", f.id);
        if (login->feature_count == QR_TDS_FEATURES_MAX)
            return qr_fail(err, QR_PROTOCOL, "LOGIN7 has too many features");
        login->features[login->feature_count++] = f;
    }
}

static enum qr_status read_flags(struct qr_tds_login7 *login, const uint8_t *msg,
                                 struct qr_err *err)
{
    uint8_t flags1 = msg[OFF_FLAGS1], flags2 = msg[OFF_FLAGS2], flags3 = msg[OFF_FLAGS3];
    if (flags1 & (FLAGS1_BYTE_ORDER_68000 | FLAGS1_CHAR_EBCDIC | FLAGS1_FLOAT_MASK))
        return qr_fail(err, QR_UNSUPPORTED,
                       "LOGIN7 wants another byte order, EBCDIC or a float form other than IEEE");
    login->wants_use_notice = (flags1 & FLAGS1_USE_DB) != 0;
    login->database_fatal = (flags1 & FLAGS1_DATABASE_FATAL) != 0;
    login->wants_language_notice = (flags1 & FLAGS1_SET_LANG) != 0;
    login->language_fatal = (flags2 & FLAGS2_LANGUAGE_FATAL) != 0;
    login->odbc_defaults = (flags2 & FLAGS2_ODBC) != 0;
    login->user_type = (flags2 & FLAGS2_USER_TYPE_MASK) >> 4;
    login->integrated_security = (flags2 & FLAGS2_INT_SECURITY) != 0;
    login->oledb = (msg[OFF_TYPE_FLAGS] & TYPE_OLEDB) != 0;
    login->read_only_intent = (msg[OFF_TYPE_FLAGS] & TYPE_READ_ONLY) != 0;
    login->change_password = (flags3 & FLAGS3_CHANGE_PASSWORD) != 0;
    login->unknown_collation_handling = (flags3 & FLAGS3_UNKNOWN_COLLATION) != 0;
    return QR_OK;
}

enum qr_status qr_tds_login7_parse(uint8_t *msg, size_t msg_bytes, struct qr_tds_login7 *ret_login,
                                   struct qr_err *err)
{
    if (msg_bytes < FIXED_BYTES_71)
        return qr_fail(err, QR_TRUNCATED, "LOGIN7 of %zu bytes", msg_bytes);
    size_t stated = qr_get32le(msg + OFF_LENGTH);
    if (stated > msg_bytes || stated < FIXED_BYTES_71)
        return qr_fail(err, QR_PROTOCOL, "LOGIN7 states %zu bytes and has %zu", stated, msg_bytes);
    msg_bytes = stated;

    struct qr_tds_login7 login = {.wire_version = qr_get32le(msg + OFF_VERSION)};
    login.version = qr_tds_version_from_wire(login.wire_version);
    login.packet_bytes = qr_get32le(msg + OFF_PACKET_BYTES);
    login.client_program_version = qr_get32le(msg + OFF_PROGRAM_VERSION);
    login.client_pid = qr_get32le(msg + OFF_PID);
    login.time_zone_minutes = (int32_t)qr_get32le(msg + OFF_TIME_ZONE);
    login.lcid = qr_get32le(msg + OFF_LCID);
    memcpy(login.client_id, msg + OFF_CLIENT_ID, sizeof login.client_id);
    QR_TRY(read_flags(&login, msg, err));

    bool long_form = login.version >= QR_TDS_VERSION_72;
    if (long_form && msg_bytes < FIXED_BYTES_72)
        return qr_fail(err, QR_TRUNCATED, "LOGIN7 of %zu bytes", msg_bytes);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].at != OFF_NEW_PASSWORD || (long_form && login.change_password))
            QR_TRY(read_field(&login, &fields[i], msg, msg_bytes, err));
    }
    login.sspi_bytes = qr_get16le(msg + OFF_SSPI + 2);
    if (login.sspi_bytes == UINT16_MAX && long_form)
        login.sspi_bytes = qr_get32le(msg + OFF_SSPI_LONG);
    if (login.version >= QR_TDS_VERSION_74 && (msg[OFF_FLAGS3] & FLAGS3_EXTENSION) != 0)
        QR_TRY(read_features(&login, msg, msg_bytes, err));

    if (overlap(login.password, login.new_password))
        return qr_fail(err, QR_PROTOCOL, "LOGIN7 passwords overlap");
    reveal(login.password);
    reveal(login.new_password);
    *ret_login = login;
    return QR_OK;
}

static void wipe(struct qr_tds_utf16 *text)
{
    if (text->units > 0)
        explicit_bzero((uint8_t *)text->p, text->units * 2);
    *text = (struct qr_tds_utf16){0};
}

void qr_tds_login7_wipe(struct qr_tds_login7 *login)
{
    wipe(&login->password);
    wipe(&login->new_password);
}

const struct qr_tds_feature *qr_tds_login7_feature(const struct qr_tds_login7 *login, uint8_t id)
{
    for (size_t i = 0; i < login->feature_count; i++) {
        if (login->features[i].id == id)
            return &login->features[i];
    }
    return NULL;
}

uint16_t qr_tds_packet_bytes_negotiate(uint32_t wish, uint16_t fallback)
{
    if (wish == 0)
        return fallback;
    if (wish < QR_TDS_PACKET_BYTES_MIN)
        return QR_TDS_PACKET_BYTES_MIN;
    return wish > QR_TDS_PACKET_BYTES_MAX ? QR_TDS_PACKET_BYTES_MAX : (uint16_t)wish;
}

static const uint8_t ack_no[] = {0}, ack_yes[] = {1};

static const struct qr_tds_feature_answer feature_answers[] = {
    {QR_TDS_FEATURE_SESSIONRECOVERY, "SESSIONRECOVERY", NULL, 0},
    {QR_TDS_FEATURE_FEDAUTH, "FEDAUTH", NULL, 0}, /* the login is refused */
    {QR_TDS_FEATURE_COLUMNENCRYPTION, "COLUMNENCRYPTION", NULL, 0},
    {QR_TDS_FEATURE_GLOBALTRANSACTIONS, "GLOBALTRANSACTIONS", NULL, 0},
    {QR_TDS_FEATURE_AZURESQLSUPPORT, "AZURESQLSUPPORT", ack_no, 1}, /* no read-only partner */
    {QR_TDS_FEATURE_DATACLASSIFICATION, "DATACLASSIFICATION", NULL, 0},
    {QR_TDS_FEATURE_UTF8_SUPPORT, "UTF8_SUPPORT", ack_yes, 1},
    {QR_TDS_FEATURE_AZURESQLDNSCACHING, "AZURESQLDNSCACHING", ack_no, 1}, /* names are not cached */
};

const struct qr_tds_feature_answer *qr_tds_feature_answer(uint8_t id)
{
    for (size_t i = 0; i < sizeof feature_answers / sizeof feature_answers[0]; i++) {
        if (feature_answers[i].id == id)
            return &feature_answers[i];
    }
    return NULL;
}

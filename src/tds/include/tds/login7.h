/* tds/login7.h - decode the client's LOGIN7 message ([MS-TDS] 2.2.6.4) and choose feature answers.
 *
 * Pure: no I/O, no globals; any thread. Input is hostile and may be any bytes.
 * Ownership: the result points into `msg`, which the parser changes in place (it de-obfuscates the
 * passwords); wipe it with qr_tds_login7_wipe as soon as the password has been checked.
 * Errors: QR_TRUNCATED, QR_PROTOCOL for the format, QR_TOO_BIG for a field over its bound. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "tds/defs.h"
#include "tds/wire.h"

enum qr_tds_feature_id { /* FeatureExt (2.2.6.4) */
                         QR_TDS_FEATURE_SESSIONRECOVERY = 0x01,
                         QR_TDS_FEATURE_FEDAUTH = 0x02,
                         QR_TDS_FEATURE_COLUMNENCRYPTION = 0x04,
                         QR_TDS_FEATURE_GLOBALTRANSACTIONS = 0x05,
                         QR_TDS_FEATURE_AZURESQLSUPPORT = 0x08,
                         QR_TDS_FEATURE_DATACLASSIFICATION = 0x09,
                         QR_TDS_FEATURE_UTF8_SUPPORT = 0x0A,
                         QR_TDS_FEATURE_AZURESQLDNSCACHING = 0x0B,
                         QR_TDS_FEATURE_TERMINATOR = 0xFF,
};
enum { QR_TDS_FEATURES_MAX = 32 };

struct qr_tds_feature {
    uint8_t id;
    const uint8_t *data; /* borrowed from msg */
    uint32_t data_bytes;
};

struct qr_tds_login7 {
    enum qr_tds_version version; /* NONE: refuse */
    uint32_t wire_version;       /* as sent */
    uint32_t packet_bytes;       /* wish of the client; 0 = the server's default */
    uint32_t client_program_version, client_pid;
    bool odbc_defaults;    /* fODBC: ANSI SET options on, TEXTSIZE unlimited, ROWCOUNT infinite */
    bool database_fatal;   /* fDatabase: failing to change the database fails the login */
    bool language_fatal;   /* fLanguage */
    bool wants_use_notice; /* fUseDB */
    bool wants_language_notice; /* fSetLang */
    bool integrated_security;   /* fIntSecurity: SSPI, which we refuse */
    bool change_password;
    bool read_only_intent;
    bool oledb;
    bool unknown_collation_handling;
    uint8_t user_type;
    bool has_extension; /* FeatureExt present: answer with FEATUREEXTACK */
    int32_t time_zone_minutes;
    uint32_t lcid;
    struct qr_tds_utf16 host, user, password, application, server, library, language, database;
    struct qr_tds_utf16 attach_file, new_password;
    uint8_t client_id[6];
    size_t sspi_bytes;
    struct qr_tds_feature features[QR_TDS_FEATURES_MAX];
    size_t feature_count;
};

QR_NODISCARD enum qr_status qr_tds_login7_parse(uint8_t *msg, size_t msg_bytes,
                                                struct qr_tds_login7 *ret_login,
                                                struct qr_err *err);
/* Overwrites the passwords inside the message the result was parsed from. */
void qr_tds_login7_wipe(struct qr_tds_login7 *login);

/* NULL if the client did not ask for it. */
const struct qr_tds_feature *qr_tds_login7_feature(const struct qr_tds_login7 *login, uint8_t id);

/* The packet size both will use: the wish held to 512..32767, `fallback` for none. */
uint16_t qr_tds_packet_bytes_negotiate(uint32_t wish, uint16_t fallback);

/* What we answer to a feature: NULL declines it, which a client learns from its absence in
 * FEATUREEXTACK. */
struct qr_tds_feature_answer {
    uint8_t id;
    const char *name;
    const uint8_t *ack; /* data of the acknowledgement; NULL: declined */
    uint8_t ack_bytes;
};
const struct qr_tds_feature_answer *qr_tds_feature_answer(uint8_t id);

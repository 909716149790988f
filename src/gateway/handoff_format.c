/* handoff_format.c - see handoff_int.h: the handoff message, and the address it goes to */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "handoff_int.h"
#include "base/banned.h"

enum handoff_flags {
    FLAG_ADMIN = 1,
    FLAG_ENCRYPTED = 2,
    FLAG_ODBC = 4,
    FLAG_DATABASE_FATAL = 8,
    FLAG_LANGUAGE_FATAL = 16,
    FLAG_USE_NOTICE = 32,
    FLAG_LANGUAGE_NOTICE = 64,
    FLAG_READ_ONLY_INTENT = 128,
    FLAG_OLEDB = 256,
    FLAG_UNKNOWN_COLLATION = 512,
    FLAG_EXTENSION = 1024,
    FLAG_MOVED = 2048,
    FLAG_OWN_USER = 4096,
    FLAG_CHECKED = 8192,
    FLAGS_ALL = 16383,
};

static const struct flag_row {
    uint16_t flag;
    size_t at; /* of a bool of struct qr_tds_login7 */
} flag_rows[] = {
    {FLAG_ODBC, offsetof(struct qr_tds_login7, odbc_defaults)},
    {FLAG_DATABASE_FATAL, offsetof(struct qr_tds_login7, database_fatal)},
    {FLAG_LANGUAGE_FATAL, offsetof(struct qr_tds_login7, language_fatal)},
    {FLAG_USE_NOTICE, offsetof(struct qr_tds_login7, wants_use_notice)},
    {FLAG_LANGUAGE_NOTICE, offsetof(struct qr_tds_login7, wants_language_notice)},
    {FLAG_READ_ONLY_INTENT, offsetof(struct qr_tds_login7, read_only_intent)},
    {FLAG_OLEDB, offsetof(struct qr_tds_login7, oledb)},
    {FLAG_UNKNOWN_COLLATION, offsetof(struct qr_tds_login7, unknown_collation_handling)},
    {FLAG_EXTENSION, offsetof(struct qr_tds_login7, has_extension)},
};
enum { FLAG_ROWS = sizeof flag_rows / sizeof flag_rows[0] };

static const size_t text_rows[] = {
    offsetof(struct qr_login, user),    offsetof(struct qr_login, database),
    offsetof(struct qr_login, host),    offsetof(struct qr_login, application),
    offsetof(struct qr_login, library), offsetof(struct qr_login, language),
    offsetof(struct qr_login, address), offsetof(struct qr_login, local_address),
    offsetof(struct qr_login, sid),     offsetof(struct qr_login, password),
};
enum { TEXT_ROWS = sizeof text_rows / sizeof text_rows[0] };

_Static_assert(64 + QR_TDS_FEATURES_MAX + TEXT_ROWS * (2 + QRI_HANDOFF_TEXT_BYTES_MAX) <=
                   QRI_HANDOFF_FACTS_BYTES_MAX,
               "any login fits");

static uint16_t flags_of(const struct qr_login *login)
{
    unsigned flags =
        (login->is_admin ? FLAG_ADMIN : 0u) | (login->is_encrypted ? FLAG_ENCRYPTED : 0u) |
        (login->is_moved ? FLAG_MOVED : 0u) | (login->is_own_user ? FLAG_OWN_USER : 0u) |
        (login->is_checked ? FLAG_CHECKED : 0u);
    for (size_t i = 0; i < FLAG_ROWS; i++) {
        if (*(const bool *)((const char *)login->login7 + flag_rows[i].at))
            flags |= flag_rows[i].flag;
    }
    return (uint16_t)flags;
}

enum qr_status qri_handoff_encode(const struct qr_login *login, size_t early_bytes,
                                  struct qr_buf *dst, struct qr_err *err)
{
    const struct qr_tds_login7 *login7 = login->login7;
    if (early_bytes > QRI_HANDOFF_EARLY_BYTES_MAX)
        return qr_fail(err, QR_TOO_BIG, "%zu bytes behind a login", early_bytes);
    (void)!qr_buf_reserve(dst, QRI_HANDOFF_FACTS_BYTES_MAX + early_bytes); /* it never moves: a
                                                                              password is in it */
    qr_buf_add32le(dst, QRI_HANDOFF_MAGIC);
    qr_buf_add16le(dst, QRI_HANDOFF_VERSION);
    qr_buf_add16le(dst, flags_of(login));
    qr_buf_add32le(dst, qr_tds_version_to_wire(login7->version));
    qr_buf_add32le(dst, login7->packet_bytes);
    qr_buf_add32le(dst, login7->client_program_version);
    qr_buf_add32le(dst, login7->client_pid);
    qr_buf_add32le(dst, (uint32_t)login7->time_zone_minutes);
    qr_buf_add32le(dst, login7->lcid);
    qr_buf_add16le(dst, login->packet_bytes);
    qr_buf_add8(dst, login7->user_type);
    qr_buf_add8(dst, (uint8_t)login7->feature_count);
    qr_buf_add(dst, login7->client_id, sizeof login7->client_id);
    qr_buf_add16le(dst, login->roles);
    qr_buf_add32le(dst, login->server_id);
    qr_buf_add16le(dst, login->client_port);
    qr_buf_add16le(dst, login->local_port);
    for (size_t i = 0; i < login7->feature_count; i++)
        qr_buf_add8(dst, login7->features[i].id);
    for (size_t i = 0; i < TEXT_ROWS; i++) {
        const struct qr_str *text =
            (const struct qr_str *)(const void *)((const char *)login + text_rows[i]);
        if (text->n > QRI_HANDOFF_TEXT_BYTES_MAX)
            return qr_fail(err, QR_TOO_BIG, "a login's text of %zu bytes", text->n);
        qr_buf_add16le(dst, (uint16_t)text->n);
        qr_buf_addstr(dst, *text);
    }
    qr_buf_add32le(dst, (uint32_t)early_bytes);
    return qr_buf_status(dst, err);
}

static enum qr_status take_head(struct qr_tds_cursor *c, struct qr_login *login,
                                struct qr_tds_login7 *login7, struct qr_err *err)
{
    uint32_t magic = qr_tds_take32(c);
    uint16_t version = qr_tds_take16(c), flags = qr_tds_take16(c);
    if (c->failed || magic != QRI_HANDOFF_MAGIC)
        return qr_fail(err, QR_PROTOCOL, "no handoff message");
    if (version != QRI_HANDOFF_VERSION)
        return qr_fail(err, QR_UNSUPPORTED, "handoff of version %u, not %d", version,
                       QRI_HANDOFF_VERSION);
    if ((flags & ~FLAGS_ALL) != 0)
        return qr_fail(err, QR_PROTOCOL, "handoff with flags %#x", flags);
    login->is_admin = (flags & FLAG_ADMIN) != 0;
    login->is_encrypted = (flags & FLAG_ENCRYPTED) != 0;
    login->is_moved = (flags & FLAG_MOVED) != 0;
    login->is_own_user = (flags & FLAG_OWN_USER) != 0;
    login->is_checked = (flags & FLAG_CHECKED) != 0;
    for (size_t i = 0; i < FLAG_ROWS; i++)
        *(bool *)((char *)login7 + flag_rows[i].at) = (flags & flag_rows[i].flag) != 0;
    login7->wire_version = qr_tds_take32(c);
    login7->version = qr_tds_version_from_wire(login7->wire_version);
    login7->packet_bytes = qr_tds_take32(c);
    login7->client_program_version = qr_tds_take32(c);
    login7->client_pid = qr_tds_take32(c);
    login7->time_zone_minutes = (int32_t)qr_tds_take32(c);
    login7->lcid = qr_tds_take32(c);
    login->packet_bytes = qr_tds_take16(c);
    login7->user_type = qr_tds_take8(c);
    login7->feature_count = qr_tds_take8(c);
    const uint8_t *client_id = qr_tds_take(c, sizeof login7->client_id);
    login->roles = qr_tds_take16(c);
    login->server_id = qr_tds_take32(c);
    login->client_port = qr_tds_take16(c);
    login->local_port = qr_tds_take16(c);
    if (c->failed)
        return qr_fail(err, QR_TRUNCATED, "handoff ends in its head");
    memcpy(login7->client_id, client_id, sizeof login7->client_id);
    if (login7->version == QR_TDS_VERSION_NONE ||
        (login->roles != 0 && (login->is_own_user || !login->is_checked)) ||
        login7->feature_count > QR_TDS_FEATURES_MAX ||
        login->packet_bytes != qr_tds_packet_bytes_negotiate(login->packet_bytes, 1))
        return qr_fail(err, QR_PROTOCOL, "handoff of no login that a front lets in");
    return QR_OK;
}

enum qr_status qri_handoff_decode(const uint8_t *msg, size_t msg_bytes, struct qr_login *ret_login,
                                  struct qr_tds_login7 *ret_login7, struct qr_str *ret_early,
                                  struct qr_err *err)
{
    struct qr_tds_cursor c = qr_tds_cursor(msg, msg_bytes);
    struct qr_login login = {.login7 = ret_login7};
    struct qr_tds_login7 login7 = {0};
    QR_TRY(take_head(&c, &login, &login7, err));
    const uint8_t *features = qr_tds_take(&c, login7.feature_count);
    for (size_t i = 0; i < login7.feature_count && features != NULL; i++)
        login7.features[i].id = features[i];
    for (size_t i = 0; i < TEXT_ROWS; i++) {
        struct qr_str *text = (struct qr_str *)(void *)((char *)&login + text_rows[i]);
        uint16_t bytes = qr_tds_take16(&c);
        if (bytes > QRI_HANDOFF_TEXT_BYTES_MAX)
            return qr_fail(err, QR_TOO_BIG, "handoff with a text of %u bytes", bytes);
        const uint8_t *p = qr_tds_take(&c, bytes);
        *text = p == NULL ? qr_str("") : qr_str_n((const char *)p, bytes);
    }
    bool is_asked = login.password.n > 0;
    if (!c.failed && (login.sid.n > QR_LOGIN_SID_BYTES || (!login.is_checked && !is_asked) ||
                      (is_asked && (login.is_moved || login.is_admin || login.is_own_user)) ||
                      (login.is_admin && (!login.is_checked || login.is_own_user))))
        return qr_fail(err, QR_PROTOCOL, "handoff of nobody who was let in");
    uint32_t early = qr_tds_take32(&c);
    if (c.failed)
        return qr_fail(err, QR_TRUNCATED, "handoff ends in its texts");
    if (early > QRI_HANDOFF_EARLY_BYTES_MAX || early != qr_tds_left(&c))
        return qr_fail(err, QR_PROTOCOL, "handoff with %zu bytes behind, not %u", qr_tds_left(&c),
                       early);
    *ret_early = qr_str_n((const char *)c.p, early);
    *ret_login = login;
    *ret_login7 = login7;
    return QR_OK;
}

enum qr_status qri_handoff_address(const char *text, struct sockaddr_un *ret_address,
                                   struct qr_err *err)
{
    static const char scheme[] = "unix:";
    enum { SCHEME_BYTES = sizeof scheme - 1 };
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t bytes = strnlen(text, QR_ROUTE_ADDRESS_BYTES);
    if (bytes <= SCHEME_BYTES || memcmp(text, scheme, SCHEME_BYTES) != 0)
        return qr_fail(err, QR_INVALID, "'%.*s' is no address of the form unix:PATH", (int)bytes,
                       text);
    bytes -= SCHEME_BYTES;
    if (bytes >= sizeof address.sun_path)
        return qr_fail(err, QR_TOO_BIG, "a socket's path of more than %zu bytes",
                       sizeof address.sun_path - 1);
    memcpy(address.sun_path, text + SCHEME_BYTES, bytes);
    *ret_address = address;
    return QR_OK;
}

bool qri_handoff_peer_is_ours(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.uid == geteuid();
}

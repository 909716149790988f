/* tds/decode.h - types and values that a client sends: parameters, table-valued parameters, bulk
 * rows ([MS-TDS] 2.2.5.4 to 2.2.5.6).
 *
 * Pure; any thread. Input is hostile and may be any bytes. Values come in memory form
 * (codec/value.h), checked to be valid instances of their type; bytes are borrowed from the input
 * where they need no conversion, else made in the arena.
 * Errors: QR_TRUNCATED if the input ends too early (a stream may have more later), QR_PROTOCOL if
 * it breaks the format, QR_INVALID for a value that its type does not have (error 8023 names it),
 * QR_UNSUPPORTED for UDTs, binary XML and encrypted columns, QR_NOMEM. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/status.h"
#include "codec/type.h"
#include "codec/value.h"
#include "tds/defs.h"
#include "tds/wire.h"

enum qr_tds_place { /* TYPE_INFO and values differ a little between them */
                    QR_TDS_IN_PARAM,
                    QR_TDS_IN_BULK, /* text, ntext, image with table name and text pointer */
};

struct qr_tds_wire_type;
typedef enum qr_status qr_tds_decode_fn(const struct qr_tds_wire_type *type, const uint8_t *bytes,
                                        size_t count, struct qr_arena *arena,
                                        struct qr_value *ret_value, struct qr_err *err);
struct qr_tds_wire_type {
    struct qr_type type;
    uint8_t token;
    uint8_t framing;     /* how a value's length is told; private */
    uint8_t fixed_bytes; /* of values without a length; of nullable ones: the only size allowed */
    uint16_t code_page;
    uint32_t bytes_max; /* as stated */
    qr_tds_decode_fn *decode;
};

bool qr_tds_type_known(uint8_t token); /* also one that is refused */
/* Reads a TYPE_INFO. For a table-valued parameter only the token is taken: see tds/rpc.h. */
QR_NODISCARD enum qr_status qr_tds_read_type(struct qr_tds_cursor *c, enum qr_tds_place place,
                                             struct qr_tds_wire_type *ret_type, struct qr_err *err);
/* Reads one value of the type. */
QR_NODISCARD enum qr_status qr_tds_read_value(struct qr_tds_cursor *c,
                                              const struct qr_tds_wire_type *type,
                                              struct qr_arena *arena, struct qr_value *ret_value,
                                              struct qr_err *err);

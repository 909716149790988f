/* test_frame.c - the frame format */
#include "qr_test.h" /* cmocka, after the four headers it needs */
#include <stdlib.h>
#include "base/crc.h"
#include "base/endian.h"
#include "rpc/frame.h"

static const char body_text[] = "what is asked";

static void make(uint8_t *header, struct qr_rpc_frame *frame)
{
    struct iovec iov[2] = {{(void *)(uintptr_t)body_text, 4},
                           {(void *)(uintptr_t)(body_text + 4), sizeof body_text - 5}};
    *frame = (struct qr_rpc_frame){.kind = QR_RPC_CALL,
                                   .method = 0x1234,
                                   .call_id = UINT64_C(0x1122334455667788),
                                   .timeout_us = 1500000};
    qr_rpc_frame_put(frame, iov, 2, header);
}

static void test_a_frame_reads_as_it_was_written(void **state)
{
    (void)state;
    uint8_t header[QR_RPC_HEADER_BYTES];
    struct qr_rpc_frame frame, back;
    make(header, &frame);
    assert_int_equal(qr_rpc_frame_get(header, &back, NULL), QR_OK);
    assert_int_equal(back.kind, QR_RPC_CALL);
    assert_int_equal(back.method, 0x1234);
    assert_true(back.call_id == frame.call_id);
    assert_true(back.timeout_us == 1500000);
    qr_rpc_frame_set_timeout(header, 77);
    assert_int_equal(qr_rpc_frame_get(header, &back, NULL), QR_OK);
    assert_true(back.timeout_us == 77);
    assert_int_equal(back.body_bytes, sizeof body_text - 1);
    assert_int_equal(qr_rpc_frame_check(&back, (const uint8_t *)body_text, NULL), QR_OK);
}

/* Goal: no damage passes. Method: flip every bit of header and body, one at a time. */
static void test_every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t header[QR_RPC_HEADER_BYTES], body[sizeof body_text - 1];
    struct qr_rpc_frame frame, back;
    make(header, &frame);
    memcpy(body, body_text, sizeof body);
    for (size_t bit = 0; bit < sizeof header * 8; bit++) {
        header[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(qr_rpc_frame_get(header, &back, NULL), QR_OK);
        header[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < sizeof body * 8; bit++) {
        body[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(qr_rpc_frame_check(&frame, body, NULL), QR_CORRUPT);
        body[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_what_is_wrong_with_a_header_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at, bytes;
        uint32_t value;
        enum qr_status want;
    } rows[] = {
        /* clang-format off */
        {"not our magic",      0, 1, 'X',                       QR_PROTOCOL   },
        {"another version",    4, 1, 2,                         QR_UNSUPPORTED},
        {"kind 0",             5, 1, 0,                         QR_CORRUPT    },
        {"kind behind last",   5, 1, QR_RPC_PONG + 1,           QR_CORRUPT    },
        {"bytes kept at zero", 22, 1, 1,                        QR_CORRUPT    },
        {"body of 16 MiB + 1", 16, 4, QR_RPC_BODY_BYTES_MAX + 1, QR_TOO_BIG   },
        {"body of 16 MiB",     16, 4, QR_RPC_BODY_BYTES_MAX,    QR_OK         },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t header[QR_RPC_HEADER_BYTES];
        struct qr_rpc_frame frame, back;
        make(header, &frame);
        uint8_t value[4];
        qr_put32le(value, rows[i].value);
        memcpy(header + rows[i].at, value, rows[i].bytes);
        qr_put32le(header + 36, qr_crc32c(0, header, 36)); /* checksums are right */
        if (qr_rpc_frame_get(header, &back, NULL) != rows[i].want)
            fail_msg("%s", rows[i].name);
    }
}

static void test_a_status_of_a_newer_build_becomes_an_internal_error(void **state)
{
    (void)state;
    uint8_t header[QR_RPC_HEADER_BYTES];
    struct qr_rpc_frame frame = {.kind = QR_RPC_REPLY, .status = QR_STATUS_COUNT}, back;
    qr_rpc_frame_put(&frame, NULL, 0, header);
    assert_int_equal(qr_rpc_frame_get(header, &back, NULL), QR_OK);
    assert_int_equal(back.status, QR_BUG);
}

static void test_an_error_keeps_number_severity_and_text(void **state)
{
    (void)state;
    static struct qr_err err, back;
    static uint8_t bytes[QR_RPC_ERROR_BYTES_MAX];
    (void)qr_fail(&err, QR_FENCED, "epoch 7 has taken over");
    size_t n = qr_rpc_error_put(&err, bytes);
    qr_rpc_error_get(QR_FENCED, bytes, n, &back);
    assert_int_equal(back.status, QR_FENCED);
    assert_int_equal(back.number, err.number);
    assert_int_equal(back.severity, err.severity);
    assert_string_equal(back.text, "epoch 7 has taken over");

    memset(err.text, 'x', sizeof err.text - 1);
    err.text[sizeof err.text - 1] = '\0';
    n = qr_rpc_error_put(&err, bytes);
    assert_true(n <= sizeof bytes);
    qr_rpc_error_get(QR_FENCED, bytes, n, &back);
    assert_string_equal(back.text, err.text);
    qr_rpc_error_get(QR_BUSY, bytes, 3, &back); /* a broken body still tells the status */
    assert_int_equal(back.status, QR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_frame_reads_as_it_was_written),
        cmocka_unit_test(test_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_what_is_wrong_with_a_header_is_named),
        cmocka_unit_test(test_a_status_of_a_newer_build_becomes_an_internal_error),
        cmocka_unit_test(test_an_error_keeps_number_severity_and_text),
    };
    return cmocka_run_group_tests_name("rpc/frame", tests, NULL, NULL);
}

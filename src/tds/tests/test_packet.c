/* Goal: what one side packetises the other gets back whole, however the bytes are cut up. */
#include "tds_test.h"
#include "tds/packet.h"

struct sink {
    struct qr_buf bytes;
    int flush_count;
};

static enum qr_status sink_flush(void *ctx, const uint8_t *packets, size_t bytes,
                                 struct qr_err *err)
{
    (void)err;
    struct sink *sink = ctx;
    qr_buf_add(&sink->bytes, packets, bytes);
    sink->flush_count++;
    return QR_OK;
}

static void test_messages_survive_every_size_and_cut(void **state)
{
    (void)state;
    for (size_t payload = 0; payload < 2600; payload += payload < 20 ? 1 : 7) {
        struct sink sink = {.flush_count = 0};
        qr_buf_init(&sink.bytes, 1 << 20);
        struct qr_tds_writer w;
        qr_tds_writer_init(&w, 512, 77, sink_flush, &sink);
        w.flush_bytes = 1024;
        qr_tds_writer_begin(&w, QR_TDS_PACKET_REPLY);
        for (size_t i = 0; i < payload;) {
            size_t n = (i * 31) % 97 + 1;
            n = n > payload - i ? payload - i : n;
            uint8_t *p = qr_tds_writer_reserve(&w, n);
            for (size_t k = 0; k < n; k++)
                p[k] = (uint8_t)((i + k) * 7);
            qr_tds_writer_advance(&w, n);
            qr_tds_writer_pump(&w);
            i += n;
        }
        assert_int_equal(qr_tds_writer_end(&w, false), QR_OK);
        for (size_t step = 1; step < 700; step = step * 3 + 1) {
            struct qr_tds_reader r;
            struct qr_tds_message m;
            qr_tds_reader_init(&r);
            qr_tds_message_init(&m, 1 << 20);
            for (size_t at = 0; at < sink.bytes.len;) {
                size_t n = sink.bytes.len - at < step ? sink.bytes.len - at : step, used = 0;
                assert_false(m.complete);
                assert_int_equal(qr_tds_message_feed(&m, &r, sink.bytes.data + at, n, &used, NULL),
                                 QR_OK);
                assert_int_equal(used, n);
                at += used;
            }
            assert_true(m.complete);
            assert_true(qr_tds_reader_idle(&r));
            assert_int_equal(m.type, QR_TDS_PACKET_REPLY);
            assert_int_equal(m.body.len, payload);
            for (size_t i = 0; i < payload; i++)
                assert_int_equal(m.body.data[i], (uint8_t)(i * 7));
            qr_tds_message_done(&m);
        }
        qr_tds_writer_done(&w);
        qr_buf_done(&sink.bytes);
    }
}

static void test_one_large_token_is_cut_into_full_packets(void **state)
{
    (void)state;
    struct qr_tds_writer w;
    qr_tds_writer_init(&w, 512, 0x1234, NULL, NULL);
    qr_tds_writer_begin(&w, QR_TDS_PACKET_REPLY);
    uint8_t *p = qr_tds_writer_reserve(&w, 504 * 2);
    memset(p, 0xEE, 504 * 2);
    qr_tds_writer_advance(&w, 504 * 2);
    assert_int_equal(qr_tds_writer_end(&w, false), QR_OK);
    assert_int_equal(w.buf.len, 1024);
    assert_bytes(w.buf.data, 9, "04 00 0200 1234 01 00 EE");
    assert_bytes(w.buf.data + 511, 10, "EE 04 01 0200 1234 02 00 EE");
    qr_tds_writer_done(&w);
}

static void test_an_empty_message_is_one_header(void **state)
{
    (void)state;
    struct qr_tds_writer w;
    qr_tds_writer_init(&w, 4096, 51, NULL, NULL);
    qr_tds_writer_begin(&w, QR_TDS_PACKET_ATTENTION);
    assert_int_equal(qr_tds_writer_end(&w, false), QR_OK);
    assert_bytes(w.buf.data, w.buf.len, "06 01 0008 0033 01 00");
    qr_tds_writer_done(&w);
}

static void test_what_is_not_flushed_can_be_taken_back(void **state)
{
    (void)state;
    struct qr_tds_writer w;
    qr_tds_writer_init(&w, 512, 1, NULL, NULL);
    qr_tds_writer_begin(&w, QR_TDS_PACKET_REPLY);
    memset(qr_tds_writer_reserve(&w, 100), 1, 100);
    qr_tds_writer_advance(&w, 100);
    assert_true(qr_tds_writer_abandon(&w));
    memset(qr_tds_writer_reserve(&w, 600), 1, 600);
    qr_tds_writer_advance(&w, 600);
    qr_tds_writer_pump(&w);
    assert_false(qr_tds_writer_abandon(&w));
    qr_tds_writer_done(&w);
}

static enum qr_status failing_flush(void *ctx, const uint8_t *packets, size_t bytes,
                                    struct qr_err *err)
{
    (void)packets;
    (void)bytes;
    ++*(int *)ctx;
    return qr_fail(err, QR_CLOSED, "peer is gone");
}

static void test_a_failed_flush_sticks_and_memory_stays_bounded(void **state)
{
    (void)state;
    int calls = 0;
    struct qr_tds_writer w;
    qr_tds_writer_init(&w, 4096, 1, failing_flush, &calls);
    qr_tds_writer_begin(&w, QR_TDS_PACKET_REPLY);
    for (int i = 0; i < 100000; i++) {
        uint8_t *p = qr_tds_writer_reserve(&w, 1000);
        assert_non_null(p);
        memset(p, 0, 1000);
        qr_tds_writer_advance(&w, 1000);
        qr_tds_writer_pump(&w);
    }
    assert_int_equal(qr_tds_writer_status(&w), QR_CLOSED);
    assert_int_equal(calls, 1);
    assert_true(w.buf.capacity < 100000);
    qr_tds_writer_done(&w);
}

static void test_bad_packets_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        enum qr_status want;
    } rows[] = {
        {"length below the header", "01 01 0007 0000 01 00", QR_PROTOCOL},
        {"length zero", "01 01 0000 0000 01 00", QR_PROTOCOL},
        {"length over 32767", "01 01 8000 0000 01 00", QR_PROTOCOL},
        {"type changes inside a message", "01 00 0009 0000 01 00 AA 03 01 0008 0000 02 00",
         QR_PROTOCOL},
        {"message over its bound",
         "01 00 0010 0000 01 00 0102030405060708 01 01 0009 0000 02 00 09", QR_TOO_BIG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct qr_tds_reader r;
        struct qr_tds_message m;
        qr_tds_reader_init(&r);
        qr_tds_message_init(&m, 8);
        struct hex_bytes in = hex(rows[i].bytes);
        size_t used = 0;
        if (qr_tds_message_feed(&m, &r, in.data, in.n, &used, NULL) != rows[i].want)
            fail_msg("%s", rows[i].name);
        qr_tds_message_done(&m);
    }
}

static void test_an_attention_inside_a_message_takes_it_back(void **state)
{
    (void)state;
    struct hex_bytes in = hex("07 00 000A 0000 01 00 AABB 06 01 0008 0000 01 00");
    for (size_t step = 1; step <= in.n; step++) {
        struct qr_tds_reader r;
        struct qr_tds_message m;
        qr_tds_reader_init(&r);
        qr_tds_message_init(&m, 100);
        for (size_t at = 0, used = 0; at < in.n; at += used) {
            size_t n = in.n - at < step ? in.n - at : step;
            assert_false(m.complete);
            assert_int_equal(qr_tds_message_feed(&m, &r, in.data + at, n, &used, NULL), QR_OK);
        }
        assert_true(m.complete && !m.ignored);
        assert_int_equal(m.type, QR_TDS_PACKET_ATTENTION);
        assert_true(qr_tds_reader_idle(&r));
        qr_tds_message_done(&m);
    }
}

static void test_status_bits_reach_the_message(void **state)
{
    (void)state;
    struct qr_tds_reader r;
    struct qr_tds_message m;
    qr_tds_reader_init(&r);
    qr_tds_message_init(&m, 100);
    struct hex_bytes in =
        hex("01 08 0009 0000 01 00 AA 01 03 0009 0000 02 00 BB 06 01 0008 0000 01 00");
    size_t used = 0, used_attention = 0;
    assert_int_equal(qr_tds_message_feed(&m, &r, in.data, in.n, &used, NULL), QR_OK);
    assert_true(m.complete);
    assert_int_equal(m.status, QR_TDS_STATUS_RESET);
    assert_true(m.ignored);
    assert_int_equal(used, 18);
    qr_tds_message_clear(&m);
    assert_int_equal(
        qr_tds_message_feed(&m, &r, in.data + used, in.n - used, &used_attention, NULL), QR_OK);
    assert_true(m.complete);
    assert_int_equal(m.type, QR_TDS_PACKET_ATTENTION);
    assert_int_equal(m.status, 0);
    assert_false(m.ignored);
    qr_tds_message_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_survive_every_size_and_cut),
        cmocka_unit_test(test_one_large_token_is_cut_into_full_packets),
        cmocka_unit_test(test_an_empty_message_is_one_header),
        cmocka_unit_test(test_what_is_not_flushed_can_be_taken_back),
        cmocka_unit_test(test_a_failed_flush_sticks_and_memory_stays_bounded),
        cmocka_unit_test(test_bad_packets_are_refused),
        cmocka_unit_test(test_an_attention_inside_a_message_takes_it_back),
        cmocka_unit_test(test_status_bits_reach_the_message),
    };
    return cmocka_run_group_tests_name("tds/packet", tests, NULL, NULL);
}

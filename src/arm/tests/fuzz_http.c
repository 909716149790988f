/* fuzz_http.c - any bytes as a request's path, query, token or form: the parsers of our own that
 * face clients who have not said who they are. The first byte chooses. */
#include <assert.h>
#include "../server_int.h"
#include "arm_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct qri_signer *signer(void)
{
    static struct qri_signer *one;
    struct qr_buf pem;
    if (one != NULL)
        return one;
    qr_buf_init(&pem, 65536);
    if (qr_arm_make_key(&pem, NULL) != QR_OK ||
        qri_signer_new(qr_buf_cstr(&pem), &one, NULL) != QR_OK)
        abort();
    qr_buf_done(&pem);
    return one;
}

static void try_line(struct qri_request *r, const char *text)
{
    static const char *const methods[] = {"GET", "PUT", "POST", "nonsense"};
    const char *query = strchr(text, '?');
    r->raw_path =
        qri_copy(r, query == NULL ? qr_str(text) : qr_str_n(text, (size_t)(query - text)));
    r->query = query == NULL ? "" : qri_copy(r, qr_str(query + 1));
    qri_arm_begin(r, methods[(unsigned char)text[0] % 4], "localhost:8443", text);
    assert(r->status < 500);
}

static void try_token(struct qr_str text)
{
    json_t *claims = NULL;
    enum qri_token_verdict verdict =
        qri_token_check(signer(), text, "at+jwt", QRI_AUDIENCE, 1800000000, &claims);
    assert(verdict != QRI_TOKEN_GOOD); /* it cannot guess the signature */
}

static void try_texts(struct qri_request *r, struct qr_str text)
{
    struct qr_str a, b;
    struct qr_buf there, back;
    int64_t ns;
    (void)qri_form_get(&r->arena, text, "grant_type", &a);
    (void)qri_id_parse(r, text, "databases", &a, &b);
    (void)qri_dropped_name_parse(text, &a, &ns);
    if (qri_time_parse(text, &ns))
        assert(ns >= -50400LL * 1000000000);
    qr_buf_init(&there, 1 << 20);
    qr_buf_init(&back, 1 << 20);
    if (qri_base64url_get(text, &there)) { /* one spelling: it comes back as it was */
        qri_base64url_put(&back, there.data, there.len);
        assert(back.len == text.n && (text.n == 0 || memcmp(back.data, text.p, text.n) == 0));
    }
    qr_buf_done(&there);
    qr_buf_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w;
    struct qri_request r;
    if (size == 0 || size > 65536)
        return 0;
    struct qr_str text = qr_str_n((const char *)data + 1, size - 1);
    world_init(&w);
    world_request(&w, &r);
    if (data[0] % 3 == 0)
        try_line(&r, qri_copy(&r, text));
    else if (data[0] % 3 == 1)
        try_token(text);
    else
        try_texts(&r, text);
    world_free(&r);
    return 0;
}

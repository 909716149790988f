/* node_warm.c - see cmd_int.h: the node that serves a Hyperscale database lists its pages, the one
 * that is to take over brings them */
#include <stdlib.h>
#include "base/endian.h"
#include "cmd_int.h"
#include "ctl/warm.h"
#include "base/banned.h"

static enum qr_status enter(struct qri_node *node, const struct qr_rpc_request *request, size_t *at,
                            struct qr_database **ret_db, struct qr_err *err)
{
    struct qr_database_row row;
    QR_TRY(qr_control_row_next(request->body, request->bytes, at, &row, err));
    if (!qr_database_is_hyper(&row))
        return qr_fail(err, QR_INVALID, "only Hyperscale databases have pages elsewhere");
    return qri_node_enter_row(node, &row, ret_db, err);
}

enum qr_status qri_node_hot(struct qri_node *node, struct qr_rpc_request *request,
                            struct qr_err *err)
{
    struct qr_hyper_listed listed = {0};
    struct qr_database *db = NULL;
    struct qr_buf answer;
    size_t at = 0;
    QR_TRY(enter(node, request, &at, &db, err));
    size_t max = request->bytes - at == 4 ? qr_get32le(request->body + at) : 0;
    max = max < QR_WARM_LISTED_MAX ? max : QR_WARM_LISTED_MAX;
    uint32_t *pages = malloc((max + 1) * sizeof *pages);
    enum qr_status status = QR_OK;
    if (request->bytes - at != 4)
        status = qr_fail(err, QR_PROTOCOL, "a call for pages breaks its format");
    else if (pages == NULL)
        status = qr_fail(err, QR_NOMEM, "list of pages");
    else
        qr_hyper_list_pages(qr_database_store(db), pages, max, &listed);
    qri_node_leave(node, db);
    qr_buf_init(&answer, SIZE_MAX / 4);
    if (status == QR_OK)
        qr_warm_list_put(&answer, pages, &listed);
    free(pages);
    if (status == QR_OK)
        status = qr_buf_status(&answer, err);
    if (status == QR_OK)
        qr_rpc_answer_own(request, &answer);
    qr_buf_done(&answer);
    return status;
}

enum qr_status qri_node_warm(struct qri_node *node, struct qr_rpc_request *request,
                             struct qr_err *err)
{
    uint32_t pages[QR_HYPER_WARM_MAX];
    enum qr_warmth as = QR_WARM_COLD;
    struct qr_database *db = NULL;
    size_t at = 0, count = 0, kept = 0;
    QR_TRY(enter(node, request, &at, &db, err));
    enum qr_status status =
        qr_warm_pages_get(request->body + at, request->bytes - at, &as, pages, &count, err);
    if (status == QR_OK)
        status = qr_hyper_warm(qr_database_store(db), pages, count, as, &kept, err);
    qri_node_leave(node, db);
    QR_TRY(status);
    uint8_t answer[4];
    qr_put32le(answer, (uint32_t)kept);
    qr_rpc_answer(request, &(struct iovec){answer, sizeof answer}, 1);
    return QR_OK;
}

/* store/rbpex_look.h - what a node that does not run has in its cache on disk (RBPEX); for tools.
 *
 * Nothing is changed. Input is hostile. What a power cut leaves is counted and is no error: pages
 * that the table has and the file has not are asked from a page server again. */
#pragma once
#include "env/env.h"
#include "page/timeline.h"

struct qr_rbpex_sight {
    struct qr_timeline timeline;
    uint32_t page_bytes, key_id; /* key_id 0: in clear */
    uint64_t slots, pages;       /* that the file has room for; that the table has */
    uint64_t lost;               /* of those: the slot has not that page in that version */
    uint64_t mark_lsn;           /* the table was told of every change up to it */
};
/* Of a directory with the files "rbpex" and "rbpex-table". Reads every page that the table has.
 * QR_CORRUPT: the file of slots is none; QR_TOO_BIG, QR_IO, QR_NOMEM. */
QR_NODISCARD enum qr_status qr_rbpex_look(struct qr_env *env, const char *dir,
                                          struct qr_rbpex_sight *ret_sight, struct qr_err *err);

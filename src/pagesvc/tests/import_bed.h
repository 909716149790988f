/* import_bed.h - a page server in memory with one slice, and IMPORT requests as its listener would
 * hand them over; for the tests of the frames and their fuzz target. */
#pragma once
#include "blob/blob.h"
#include "env/sim.h"
#include "pagesvc/client.h"
#include "pagesvc/pagesvc.h"

enum {
    IMPORT_PAGE_BYTES = 4096,
    IMPORT_ENTRY_BYTES = 8 + IMPORT_PAGE_BYTES,
    IMPORT_PAGES_MAX = 16,
    IMPORT_FRAME_BYTES_MAX = QR_PAGES_IMPORT_HEADER_BYTES + IMPORT_PAGES_MAX * IMPORT_ENTRY_BYTES,
};

struct import_bed {
    struct qr_sim *sim;
    struct qr_blob *blob;
    struct qr_pagesvc *svc;
    struct qr_slice_id id;
    size_t frame_bytes, answer_bytes;
    uint8_t frame[IMPORT_FRAME_BYTES_MAX], answer[16];
};

void import_bed_open(struct import_bed *b);
void import_bed_create(struct import_bed *b, struct qr_lsn start_lsn);
void import_bed_close(struct import_bed *b);
/* Makes the frame for the slice of that number, with pages that tell their numbers; returns the sum
 * of `sum` and them. */
uint32_t import_bed_frame(struct import_bed *b, uint32_t slice,
                          const struct qr_pages_import *import, uint32_t sum);
/* As a request; the answer is in b->answer. */
enum qr_status import_bed_send(struct import_bed *b, const uint8_t *body, size_t bytes);
/* A group of log from there on, as behind the last import. */
void import_bed_log(struct import_bed *b, struct qr_lsn start_lsn);
uint32_t import_bed_layers(struct import_bed *b); /* of the slice */

/* bed.h - a page server with one slice, on storage that can be damaged, full, slow or gone. */
#pragma once
#include "blob/simblob.h"
#include "env/sim.h"
#include "test_ring.h"
#include "world.h"

struct bed {
    struct qr_sim *sim;
    struct qr_blob *store, *blob; /* the directory; what fails in front of it */
    struct qr_pagesvc *svc;
    struct t_ring keys;
    struct world w;
    struct qr_slice_id id;
    bool remote; /* the store's objects are no files here */
    bool compression_off;
    bool keeps_log;         /* the world's log can be read again, */
    uint64_t log_first_lsn; /* from here on */
};
#ifdef QR_TEST_REMOTE
enum { BED_REMOTE = true };
#else
enum { BED_REMOTE = false };
#endif

extern const struct qr_simblob_faults bed_no_faults;
extern const char bed_objects[]; /* the folder of the slice's objects */

/* The service, of the storage that is there. */
void bed_open(struct bed *b, uint64_t open_layer_bytes);
void bed_close(struct bed *b);
/* All of it anew, with a log of so many commits. */
void bed_make(struct bed *b, bool remote, int commits, uint64_t open_layer_bytes);
void bed_free(struct bed *b);
void bed_ingest(struct bed *b);
void bed_work(struct bed *b); /* until there is none */
void bed_work_once(struct bed *b);
void bed_check(struct bed *b);

struct bed_answer {
    struct qr_page_get get; /* first */
    struct qr_buf buf;
    enum qr_status status;
    bool done;
};
void bed_ask(struct bed *b, struct bed_answer *a, uint32_t page, uint64_t since,
             int64_t deadline_ns);
/* How many pages of the last commit are right; every other must be QR_CORRUPT. */
uint32_t bed_count_right(struct bed *b);
/* Removes each file of the folder with `part` in its name; returns how many. */
int bed_remove(struct bed *b, const char *folder, const char *part);
/* Flips a bit at that place of each file with `part` in its name; from its end if negative. */
int bed_flip_at(struct bed *b, const char *folder, const char *part, int64_t at);
/* Flips a bit in the middle of each file of the folder with `part` in its name; returns how many.
 */
int bed_flip(struct bed *b, const char *folder, const char *part, uint64_t shift);

/* btree.h - how many pages SQLite's b-trees have.
 *
 * Leaves are counted by what the pages above them say, so that a table of a million pages costs
 * some thousand reads. Chains of overflow pages hang on leaves: those are looked at of at most
 * QRI_BTREE_SAMPLES leaves, and stand for all, as do entries. What fits in so many leaves is exact.
 */
#pragma once
#include "link.h"

enum { QRI_BTREE_SAMPLES = 64 };

struct qri_btree_size {
    uint64_t leaves, inner, overflow; /* pages; overflow: estimated if the leaves are many */
    uint64_t entries;                 /* the same */
    uint64_t levels;                  /* with that of the leaves */
    uint64_t fragments;               /* runs of leaves whose page numbers follow each other */
    uint64_t backwards;               /* leaves with a smaller page number than the one before */
    /* of the leaves looked at */
    uint64_t sampled, sampled_entries, sampled_payload, sampled_used; /* the last two in bytes */
    uint64_t payload_min, payload_max; /* of an entry, in bytes; 0: there is none */
};

/* About how many leaves: as many as there are if every page had as many children as those on the
 * way down its middle. Reads a page for each level. 0: there is none, or it cannot be read. */
uint64_t qri_btree_leaves_about(struct qri_link *link, const char *name);
/* Of the table or index of that name in the snapshot that the link reads. Changes of a transaction
 * that is open are not in it. QR_NOT_FOUND: there is none. */
QR_NODISCARD enum qr_status qri_btree_size(struct qri_link *link, const char *name,
                                           struct qri_btree_size *ret_size, struct qr_err *err);

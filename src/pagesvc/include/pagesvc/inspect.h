/* pagesvc/inspect.h - manifests and layers looked at from outside, for tools: nothing is served,
 * nothing is changed.
 *
 * Threads: each call on its own; no globals. Input is hostile: whatever it is, it ends in a
 * description, a report of damage or an error. Errors of reading are those of the file. */
#pragma once
#include "pagesvc/pagesvc.h"

enum { QR_LAYER_NAME_BYTES_MAX = 128 };

struct qr_layer_info {
    struct qr_timeline origin; /* whose object it is */
    uint32_t slice_no, page_bytes;
    uint64_t id; /* generation << 32 | number */
    bool image;
    uint8_t compression; /* 0: none */
    uint64_t first_lsn, last_lsn;
    uint32_t first_page, last_page;
    uint64_t bytes, entry_count;
    uint64_t raw_bytes; /* without compression; 0: not known */
    uint64_t lsn_max;   /* a branch reads nothing newer of it; UINT64_MAX: no bound */
};
/* The name of its object; NUL-terminated. */
void qr_layer_object_name(const struct qr_layer_info *layer, char dst[QR_LAYER_NAME_BYTES_MAX]);

struct qr_manifest_info {
    struct qr_slice_id id;
    uint32_t page_bytes;
    bool dropped;
    uint64_t generation, serial, start_lsn, disk_lsn, horizon_lsn;
    struct qr_manifest_pin {
        struct qr_timeline name;
        uint64_t lsn;
        bool branch;
    } * pins;
    struct qr_manifest_lineage {
        struct qr_timeline timeline;
        uint64_t end_lsn; /* log before it is that timeline's */
    } * lineage;
    struct qr_layer_info *layers;  /* those it names, by first LSN, then id */
    struct qr_layer_info *garbage; /* those it named */
    size_t pin_count, lineage_count, layer_count, garbage_count;
};
/* QR_CORRUPT: damaged, or no manifest. `ring` (may be NULL): its tag is verified, too. */
QR_NODISCARD enum qr_status qr_manifest_info_decode(const uint8_t *bytes, size_t count,
                                                    struct qr_keyring *ring,
                                                    struct qr_manifest_info *ret_info,
                                                    struct qr_err *err);
void qr_manifest_info_done(struct qr_manifest_info *info);

/* Each slot may be NULL. */
struct qr_layer_sight {
    struct qr_keyring *keyring; /* NULL: an encrypted layer is QR_DENIED */
    void *ctx;
    /* `part` is a literal: header, footer, index, filter, meta, marks, changes, block, entry. */
    void (*damage)(void *ctx, const char *part, const char *text);
    void (*section)(void *ctx, const char *part, uint64_t offset, uint64_t bytes);
};
/* Reads all of a layer file: every checksum, every entry against index, filter, pages and LSNs, and
 * what the manifest says of it (`want`, may be NULL). QR_OK with damage reported, and in
 * *ret_damage_count; *ret_info is what the header says, as far as it can be read. */
QR_NODISCARD enum qr_status qr_layer_look(struct qr_file *file, const struct qr_layer_info *want,
                                          const struct qr_layer_sight *sight,
                                          struct qr_layer_info *ret_info,
                                          uint64_t *ret_damage_count, struct qr_err *err);

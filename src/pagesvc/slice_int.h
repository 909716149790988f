/* slice_int.h - slices, their manifests and the service around them; see pagesvc_int.h. */
#pragma once
#include "page/compress.h"
#include "pagesvc_int.h"

enum {
    QRI_LAYERS_MAX = 1 << 20,
    QRI_PINS_MAX = 1 << 16,
    QRI_LINEAGE_MAX = 1 << 10,
    QRI_MANIFEST_BYTES_MAX = 256 << 20,
};

/* --- manifest.c --- */

/* Log before end_lsn (and not before the row before it) is in this timeline. */
struct qri_lineage {
    struct qr_timeline timeline;
    uint64_t end_lsn;
};
struct qri_pin {
    struct qr_timeline name; /* the child's timeline for a branch */
    uint64_t lsn, serial;    /* serial: of the manifest that had it first */
    bool branch;
};
struct qri_manifest_layer {
    struct qri_layer_desc desc;
    uint64_t added_serial;
};
struct qri_garbage {
    struct qri_layer_desc desc;
    uint64_t added_serial, removed_serial;
    int64_t removed_wall_ns;
};
struct qri_manifest {
    struct qr_slice_id id;
    uint32_t page_bytes;
    bool dropped;
    uint64_t generation, serial, start_lsn, disk_lsn, horizon_lsn;
    struct qri_lineage *lineage;
    struct qri_manifest_layer *layers; /* any order */
    struct qri_pin *pins;
    struct qri_garbage *garbage;
    size_t lineage_count, layer_count, pin_count, garbage_count;
};
void qri_manifest_done(struct qri_manifest *m);
QR_NODISCARD enum qr_status qri_manifest_copy(const struct qri_manifest *m,
                                              struct qri_manifest *ret_copy, struct qr_err *err);
void qri_manifest_encode(const struct qri_manifest *m, struct qr_buf *buf);
/* Of what qri_manifest_encode wrote: adds the tag. */
QR_NODISCARD enum qr_status qri_manifest_seal(struct qr_pagesvc *svc, const struct qri_manifest *m,
                                              struct qr_buf *buf, struct qr_err *err);
/* The tag of a manifest that has one; whoever changed it without the key is found. */
QR_NODISCARD enum qr_status qri_manifest_verify(struct qr_keyring *ring, const uint8_t *bytes,
                                                size_t count, struct qr_err *err);
/* Hostile input. Does not look at the tag. */
QR_NODISCARD enum qr_status qri_manifest_decode(const uint8_t *bytes, size_t count,
                                                struct qri_manifest *ret_manifest,
                                                struct qr_err *err);
/* Each grows its list by one row, zeroed; NULL if out of memory or over the bound. */
struct qri_manifest_layer *qri_manifest_add_layer(struct qri_manifest *m);
struct qri_pin *qri_manifest_add_pin(struct qri_manifest *m);
struct qri_garbage *qri_manifest_add_garbage(struct qri_manifest *m);
struct qri_lineage *qri_manifest_add_lineage(struct qri_manifest *m);
/* Object names, NUL-terminated. */
enum { QRI_NAME_BYTES_MAX = 128 };
void qri_manifest_name(const struct qr_slice_id *id, char dst[QRI_NAME_BYTES_MAX]);
void qri_manifest_copy_name(const struct qr_slice_id *id, char dst[QRI_NAME_BYTES_MAX]);
void qri_layer_name(const struct qri_layer_desc *desc, char dst[QRI_NAME_BYTES_MAX]);

/* --- slice.c --- */

/* Where entries can be, at one moment; replaced whole, never changed. */
struct qri_source {
    struct qri_mem *mem; /* or */
    struct qri_layer *layer;
    uint64_t lsn_max, last_lsn;
};
struct qri_set {
    _Atomic int refs;
    size_t count;
    struct qri_source sources[]; /* newest last_lsn first; [0] is the open memory layer */
};

struct qri_slice {
    struct qr_pagesvc *svc;
    struct qri_slice *next; /* guarded by svc->mu */
    _Atomic int refs;
    struct qr_slice_id id;
    uint32_t page_bytes, first_page, last_page;
    uint64_t start_lsn; /* of its own log, whose first epoch may name it as the last commit */
    struct qri_lineage *lineage; /* never changes */
    size_t lineage_count;
    /* Nothing before it may be asked for but by pins: raised (with svc->mu) before the manifest's.
     */
    _Atomic uint64_t horizon_lsn;
    int64_t settled_at_ns; /* guarded by svc->mu: until then the horizon stays */

    pthread_mutex_t ingest_mu; /* outermost: one ingest at a time; guards what follows */
    struct qri_mem *open;      /* of the set */
    uint64_t next_lsn, epoch;
    bool must_follow;      /* log was jumped over: the EPOCH record must show that it was void */
    struct qr_buf partial; /* of a record whose rest has not come */
    struct qri_mem_entry **group;
    size_t group_count, group_capacity;
    uint64_t group_bytes;         /* of its records that are in memory */
    struct qri_group_file *spill; /* of the others; NULL: there are none */
    struct qri_change *changes;   /* since the last commit */
    size_t change_count, change_capacity;
    struct qri_meta meta; /* at the visible LSN */

    pthread_mutex_t import_mu; /* before task_mu; guards what follows */
    struct qri_import {
        struct qri_layer_writer *writer; /* NULL: no part is being written */
        struct qri_layer_desc desc;
        uint32_t next_page;
    } import;

    pthread_mutex_t task_mu; /* one flush, merge or collection at a time: who removes layers */
    uint32_t next_layer_no;  /* guarded by task_mu */
    bool parent_released;    /* guarded by task_mu */
    int64_t parent_asked_ns; /* likewise: when its manifest was looked at; 0: never */

    pthread_mutex_t work_mu; /* one change of the manifest at a time; guards what follows */
    struct qri_manifest manifest;
    struct qr_blob_tag tag, copy_tag; /* of the manifest; of its copy: "" if there is none */
    bool copy_known;                  /* is copy_tag what the store has, as far as we know? */
    uint64_t copied_serial;           /* the copy has that much; 0: not written yet */
    bool owns; /* its generation was given to this server: set once, by publishing */

    pthread_mutex_t set_mu; /* who makes a new set from the old one */
    pthread_mutex_t mu;     /* innermost; guards what follows */
    struct qri_set *set;
    uint64_t visible_lsn;
    struct qr_page_get *gets_first, *gets_last;
    uint64_t mend_asked, mend_done; /* for those who met damage: the last who asked, was served */
    bool detached;
    enum qr_status health;
};

struct qr_pagesvc {
    struct qr_env *env;
    struct qr_pagesvc_options options;
    char *dir;
    bool files; /* the store's objects are files here: no copies of our own */
    pthread_mutex_t mu;
    struct qri_slice *slices; /* guarded by mu */
    size_t slice_count;
    struct qri_lease *leases; /* guarded by mu */
    size_t lease_count;
    _Atomic uint64_t page_gets, waiting_gets;
    _Atomic uint64_t fetches; /* a number for the file of each */
    _Atomic uint64_t ingested_bytes, flushed_bytes, image_bytes;
    _Atomic uint64_t merged_bytes[QR_PAGESVC_LEVELS];
    pthread_cond_t wake; /* of the worker; with mu */
    pthread_t worker;
    bool worker_runs, stopping; /* guarded by mu */
};

/* A reference, or NULL. */
struct qri_slice *qri_slice_find(struct qr_pagesvc *svc, const struct qr_slice_id *id);
void qri_slice_unref(struct qri_slice *slice); /* NULL is accepted */
/* Walks the list: the one behind `own_slice` (given up), the first for NULL; NULL at the end. */
struct qri_slice *qri_slice_after(struct qr_pagesvc *svc, struct qri_slice *own_slice);
QR_NODISCARD enum qr_status qri_slice_new(struct qr_pagesvc *svc,
                                          const struct qri_manifest *manifest,
                                          struct qri_slice **ret_slice, struct qr_err *err);
/* Puts it in the list; what is there already wins and is what *slice is then. */
void qri_slice_publish(struct qri_slice **slice);
struct qri_set *qri_set_take(struct qri_slice *slice); /* a reference */
void qri_set_unref(struct qri_set *set);
QR_NODISCARD enum qr_status qri_set_new(const struct qri_source *sources, size_t count,
                                        struct qri_set **ret_set, struct qr_err *err);
/* With set_mu or during setup: swaps in a new set (takes the reference over). */
void qri_set_install(struct qri_slice *slice, struct qri_set *own_set);
/* The newest version at or before `lsn`, appended to dst. */
QR_NODISCARD enum qr_status qri_slice_read(struct qri_slice *slice, uint32_t page_no, uint64_t lsn,
                                           struct qr_buf *dst, uint64_t *ret_version,
                                           struct qr_err *err);
/* Meta at `lsn`, into an empty result. */
QR_NODISCARD enum qr_status qri_slice_meta(struct qri_slice *slice, uint64_t lsn,
                                           struct qri_meta *ret_meta, struct qr_err *err);
/* QR_OK, why it is out of service, or QR_CLOSED once it is detached. */
enum qr_status qri_slice_health(struct qri_slice *slice);
/* New visible LSN: those who wait for it are served. */
void qri_slice_advance(struct qri_slice *slice, uint64_t visible_lsn);
/* Those who need not wait any more. */
void qri_slice_serve_ready(struct qri_slice *slice);

/* --- ingest.c --- */
/* With ingest_mu held: another open memory layer from the visible LSN on, unless it is empty. */
QR_NODISCARD enum qr_status qri_slice_freeze(struct qri_slice *slice, struct qr_err *err);
/* With ingest_mu held, or nobody else knowing the slice; see qr_pagesvc_ingest. */
QR_NODISCARD enum qr_status qri_slice_take_log(struct qri_slice *slice,
                                               const struct qr_timeline *source, uint64_t epoch,
                                               uint64_t first, const uint8_t *bytes, size_t count,
                                               struct qr_err *err);
/* Which timeline's log holds `lsn`, and where that ends (UINT64_MAX: its own). */
void qri_lineage_at(const struct qri_slice *slice, uint64_t lsn, struct qr_timeline *ret_timeline,
                    uint64_t *ret_end);

/* --- import.c --- */
/* Nobody goes on with the part that is being written; with import_mu held. */
void qri_import_abandon(struct qri_slice *slice);

/* --- lease.c --- */
/* How far the horizon may go, `lsn` at most; that is promised from now on. */
uint64_t qri_lease_bound(struct qri_slice *slice, uint64_t lsn);
/* A slice that is served from now on; another process may have given leases. */
void qri_lease_settle(struct qri_slice *slice, bool served_before);
void qri_leases_free(struct qr_pagesvc *svc);

/* --- attach.c --- */
/* Is there a pin at exactly this LSN? */
bool qri_slice_is_pinned(struct qri_slice *slice, uint64_t lsn);
/* A slice object for a manifest that is in the blob store, ready to ingest from `visible` on. What
 * is in the parent's set is not opened again; `shared` are memory layers of the parent. */
QR_NODISCARD enum qr_status
qri_slice_build(struct qr_pagesvc *svc, const struct qri_manifest *manifest,
                const struct qr_blob_tag *tag, const struct qri_set *parent_set,
                const struct qri_source *shared, size_t shared_count, uint64_t visible,
                struct qri_slice **ret_slice, struct qr_err *err);

/* --- remake.c --- */
/* Somebody met damage: a number to wait for in `mend_done`; 0: it is no use. */
uint64_t qri_mend_wanted(struct qri_slice *slice);
/* With task_mu held, if somebody met damage: repairs what can be. */
void qri_mend(struct qri_slice *slice);
/* Of a slice that is not attached yet: makes delta layers again that cannot be opened. What the
 * newest came to is the answer. */
QR_NODISCARD enum qr_status qri_remake_lost(struct qri_slice *slice, struct qr_err *err);

/* --- root.c --- */
/* From the blob store, or its copy there; QR_NOT_FOUND if there is none, QR_CORRUPT if both are
 * damaged. */
QR_NODISCARD enum qr_status qri_manifest_load(struct qr_pagesvc *svc, const struct qr_slice_id *id,
                                              struct qri_manifest *ret_manifest,
                                              struct qr_err *err);
/* The same for who will write it: the copy takes the place of a damaged one (*ret_put_back). */
QR_NODISCARD enum qr_status qri_manifest_restore(struct qr_pagesvc *svc,
                                                 const struct qr_slice_id *id,
                                                 struct qri_manifest *ret_manifest,
                                                 struct qr_blob_tag *ret_tag, bool *ret_put_back,
                                                 struct qr_err *err);
/* QR_CONFLICT if there is one, or a copy of one that is missing. */
QR_NODISCARD enum qr_status qri_manifest_put_new(struct qr_pagesvc *svc,
                                                 const struct qri_manifest *m,
                                                 struct qr_blob_tag *ret_tag, struct qr_err *err);
/* With work_mu held: writes `own_next` (serial + 1) as the manifest by compare-and-set and makes it
 * the slice's; frees it on failure. Its copy may not have been written yet then. */
QR_NODISCARD enum qr_status qri_manifest_swap(struct qri_slice *slice,
                                              struct qri_manifest *own_next, struct qr_err *err);
/* With work_mu held: QR_OK when the copy says what the manifest does (G13). */
QR_NODISCARD enum qr_status qri_manifest_put_copy(struct qri_slice *slice, struct qr_err *err);

/* --- copies.c --- */
/* At the start, while nobody uses them: copies that were half fetched; and all that an earlier
 * version made beside a store whose objects are files here. All of it is in the store: a layer was
 * named only once it was there, and log that is in no named layer comes again. */
QR_NODISCARD enum qr_status qri_copies_clean(struct qr_pagesvc *svc, struct qr_err *err);
/* Those of the slice's own layers that its manifest does not name. */
QR_NODISCARD enum qr_status
qri_copies_drop_unnamed(struct qr_pagesvc *svc, const struct qri_manifest *m, struct qr_err *err);

/* --- flush.c --- */
void qri_layer_path(struct qr_pagesvc *svc, const struct qri_layer_desc *desc,
                    char dst[QRI_LAYER_PATH_BYTES_MAX]);
/* Opens the object's file; or the local copy, fetching it from the blob store if it is missing or
 * damaged. One that is nowhere whole is `lost`. */
QR_NODISCARD enum qr_status qri_layer_bring(struct qr_pagesvc *svc,
                                            const struct qri_layer_desc *desc,
                                            struct qri_layer **ret_layer, struct qr_err *err);
/* The blob store's copy in place of a damaged local one, for all who read the slice. QR_CORRUPT if
 * there is no other copy than the damaged one. */
QR_NODISCARD enum qr_status qri_layer_mend(struct qri_slice *slice, const struct qri_source *source,
                                           struct qr_err *err);
/* Uploads a written layer if it is not an object yet, and opens it. Nobody else knows it yet. */
QR_NODISCARD enum qr_status qri_layer_store(struct qri_slice *slice,
                                            const struct qri_layer_desc *desc,
                                            struct qri_layer **ret_layer, struct qr_err *err);
/* A layer compressed and encrypted as the service's options say. `read_soon`: by merges, and those
 * who ask for pages that changed lately. */
QR_NODISCARD enum qr_status qri_layer_begin(struct qri_slice *slice,
                                            const struct qri_layer_desc *desc, bool read_soon,
                                            struct qri_layer_writer **ret_writer,
                                            struct qr_err *err);
/* With task_mu held: a name for a new layer. */
struct qri_layer_desc qri_layer_new_desc(struct qri_slice *slice, enum qri_layer_kind kind);
/* With set_mu not held: the set without `gone` sources (by memory or layer), with `layer` (or NULL)
 * added. QR_NOT_FOUND if all of those have gone already. */
QR_NODISCARD enum qr_status qri_set_replace(struct qri_slice *slice, const void *const *gone,
                                            size_t gone_count, struct qri_layer *layer,
                                            struct qr_err *err);
/* The object as it is in the store now, if it is whole: then it takes the place of the local copy,
 * which else stays as it is. */
QR_NODISCARD enum qr_status qri_layer_fetch_if(struct qr_pagesvc *svc,
                                               const struct qri_layer_desc *desc,
                                               bool (*reads_well)(struct qri_layer *layer),
                                               struct qri_layer **ret_layer, struct qr_err *err);
/* With task_mu held: the oldest frozen layer as an object that nobody names, up to `end_lsn`; no
 * layer if it begins there or later, and NULL for both if there is none. */
QR_NODISCARD enum qr_status qri_flush_oldest(struct qri_slice *slice, uint64_t end_lsn,
                                             struct qri_mem **ret_mem, struct qri_layer **ret_layer,
                                             struct qr_err *err);
/* With task_mu held: the oldest frozen layer goes to the blob store. */
QR_NODISCARD enum qr_status qri_flush_one(struct qri_slice *slice, bool *ret_did,
                                          struct qr_err *err);
/* --- compact.c, with task_mu held --- */
QR_NODISCARD enum qr_status qri_compact_one(struct qri_slice *slice, bool *ret_did,
                                            struct qr_err *err);
/* Takes layers out of the manifest, puts others in. */
QR_NODISCARD enum qr_status qri_manifest_replace(struct qri_slice *slice, struct qri_layer **gone,
                                                 size_t gone_count,
                                                 const struct qri_layer_desc *added,
                                                 size_t added_count, struct qr_err *err);
/* --- collect.c, with task_mu held --- */
QR_NODISCARD enum qr_status qri_collect_one(struct qri_slice *slice, bool *ret_did,
                                            struct qr_err *err);

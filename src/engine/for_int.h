/* for_int.h - making the text of FOR JSON and FOR XML from rows. One thread. */
#pragma once
#include "base/buf.h"
#include "base/sqlmsg.h"
#include "rowset_int.h"
#include "tsql/plan.h"

enum { QRI_FOR_DEPTH_MAX = 32 };

struct qri_for {
    const struct qr_plan_for *call;
    struct qr_buf out;
    uint64_t row_count;
    struct qr_rowset *before; /* AUTO: the row before, to see which level changed */
    struct qr_value *values_before;
    uint16_t level_max;
    /* PATH: names that are open within the row */
    struct qr_str open[QRI_FOR_DEPTH_MAX];
    size_t open_count;
    bool first[QRI_FOR_DEPTH_MAX + 1]; /* JSON: no comma is due at this depth yet */
    bool tag_open;                     /* XML: the start tag has not got its '>' */
    size_t depth;                      /* XML: elements that are open */
    int tags[QRI_FOR_DEPTH_MAX];       /* EXPLICIT: of `open` */
};

QR_NODISCARD enum qr_status qri_for_begin(struct qri_for *f, const struct qr_plan_for *call,
                                          struct qr_err *err);
/* `arena` serves the row. */
QR_NODISCARD enum qr_status qri_for_row(struct qri_for *f, struct qr_arena *arena,
                                        const struct qr_value *values, struct qr_err *err);
/* The text lives until qri_for_done. */
QR_NODISCARD enum qr_status qri_for_end(struct qri_for *f, struct qr_str *ret_text,
                                        struct qr_err *err);
void qri_for_done(struct qri_for *f);

/* ---- for_json.c, for_xml.c ---- */
QR_NODISCARD enum qr_status qri_json_path_row(struct qri_for *f, struct qr_arena *arena,
                                              const struct qr_value *values, struct qr_err *err);
/* AUTO: `from` is the first level whose values differ from the row before. */
QR_NODISCARD enum qr_status qri_json_auto_row(struct qri_for *f, struct qr_arena *arena,
                                              const struct qr_value *values, uint16_t from,
                                              struct qr_err *err);
void qri_json_begin(struct qri_for *f);
void qri_json_end(struct qri_for *f);
QR_NODISCARD enum qr_status qri_xml_path_row(struct qri_for *f, struct qr_arena *arena,
                                             const struct qr_value *values, struct qr_err *err);
QR_NODISCARD enum qr_status qri_xml_auto_row(struct qri_for *f, struct qr_arena *arena,
                                             const struct qr_value *values, uint16_t from,
                                             struct qr_err *err);
QR_NODISCARD enum qr_status qri_xml_explicit_row(struct qri_for *f, struct qr_arena *arena,
                                                 const struct qr_value *values, struct qr_err *err);
void qri_xml_begin(struct qri_for *f);
void qri_xml_end(struct qri_for *f);
/* Closes what AUTO has open from `level` on. */
void qri_json_close(struct qri_for *f, uint16_t level);
void qri_xml_close(struct qri_for *f, uint16_t level);

/* A value as both forms write it: ISO dates, floats in 16 digits, base64 for bytes. */
QR_NODISCARD enum qr_status qri_for_text(struct qr_arena *arena, const struct qr_type *type,
                                         const struct qr_value *value, struct qr_str *ret_text,
                                         struct qr_err *err);

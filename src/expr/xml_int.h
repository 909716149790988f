/* xml_int.h - shared by the files of xml paths: xml_path.c reads and follows, xml_value.c computes.
 */
#pragma once
#include "expr/xml.h"

/* The node in hand, its place among those that the step before found. */
struct qri_xml_focus {
    struct qr_xml_node *node;
    size_t position, last;
};

struct qri_xml_path {
    struct qr_arena *arena;
    const char *p, *end;
    unsigned depth;
    uint32_t steps; /* taken so far: predicates within predicates multiply */
    struct qr_err *err;
};

enum qri_xml_compare {
    QRI_XML_EQ,
    QRI_XML_NE,
    QRI_XML_LT,
    QRI_XML_LE,
    QRI_XML_GT,
    QRI_XML_GE,
    QRI_XML_COMPARES
};

/* xml_path.c */
QR_NODISCARD enum qr_status qri_xml_expression(struct qri_xml_path *p,
                                               const struct qri_xml_focus *focus,
                                               struct qr_xml_found *ret);
bool qri_xml_accept(struct qri_xml_path *p, const char *s);
bool qri_xml_is_word(struct qr_str s, const char *word);
enum qr_status qri_xml_bad_path(const struct qri_xml_path *p);
enum qr_status qri_xml_refused(const struct qri_xml_path *p, struct qr_str what);

/* xml_value.c */
struct qr_str qri_xml_local_name(struct qr_str name);
QR_NODISCARD enum qr_status qri_xml_text_of(struct qri_xml_path *p, const struct qr_xml_node *node,
                                            struct qr_str *ret);
void qri_xml_set_number(struct qr_xml_found *f, double number);
void qri_xml_set_boolean(struct qr_xml_found *f, bool is_true);
void qri_xml_set_string(struct qr_xml_found *f, struct qr_str s);
bool qri_xml_is_true(const struct qr_xml_found *f);
double qri_xml_number_of(struct qr_str s); /* NaN if it is none */
QR_NODISCARD enum qr_status qri_xml_string_of(struct qri_xml_path *p, const struct qr_xml_found *f,
                                              struct qr_str *ret);
QR_NODISCARD enum qr_status qri_xml_compare(struct qri_xml_path *p, enum qri_xml_compare op,
                                            const struct qr_xml_found *left,
                                            const struct qr_xml_found *right, bool *ret);
/* A function whose name and '(' were read. */
QR_NODISCARD enum qr_status qri_xml_call(struct qri_xml_path *p, const struct qri_xml_focus *focus,
                                         struct qr_str name, struct qr_xml_found *ret);

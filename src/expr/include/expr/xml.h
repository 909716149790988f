/* expr/xml.h - XML text as a tree, and the paths that the methods of the xml type follow.
 *
 * Pure; any thread; all memory from the arena, which outlives what is made. Input is hostile.
 * A document is read anew for each call; a path may take 64 Mi steps. Blanks between tags do not
 * count, as when SQL Server stores a document. Prefixes of names are not looked at: paths match
 * local names. Paths: steps over child, attribute, parent, self and descendants, predicates with
 * comparisons, and, or, positions, and a few functions. FLWOR, constructors and sql:variable() are
 * refused by name.
 *
 * Rows of nodes() are contexts: the chain of elements from the root down to the node, without their
 * other children, behind a mark that no document begins with. Methods begin from the node.
 * Errors: 9400 class for text that is not well-formed, 6335 beyond QR_XML_DEPTH_MAX levels, 2205
 * for a path that cannot be read, QR_UNSUPPORTED, QR_NOMEM. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

enum { QR_XML_DEPTH_MAX = 128 };

enum qr_xml_kind { QR_XML_DOCUMENT, QR_XML_ELEMENT, QR_XML_ATTRIBUTE, QR_XML_TEXT };

struct qr_xml_node {
    enum qr_xml_kind kind;
    struct qr_str name; /* with its prefix; of a processing instruction or comment none is kept */
    struct qr_str text; /* of text and attributes, entities undone */
    struct qr_xml_node *parent, *next, *first, *last;
    struct qr_xml_node *attributes, *last_attribute;
};

/* `ret_context` is the document, or the node that a row of nodes() stands for. */
QR_NODISCARD enum qr_status qr_xml_read(struct qr_arena *arena, struct qr_str text,
                                        struct qr_xml_node **ret_context, struct qr_err *err);
/* The node as XML text; a text's own text, escaped. */
void qr_xml_write(struct qr_buf *out, const struct qr_xml_node *node);
/* As a row of nodes(). */
void qr_xml_write_context(struct qr_buf *out, const struct qr_xml_node *node);
/* All text below it. */
void qr_xml_string(struct qr_buf *out, const struct qr_xml_node *node);

/* What a path finds: nodes in their order, or one value. */
struct qr_xml_found {
    struct qr_xml_node **nodes;
    size_t count, capacity;
    bool is_value;
    enum { QR_XML_STRING, QR_XML_NUMBER, QR_XML_BOOLEAN } value_kind;
    struct qr_str string;
    double number; /* also 0 or 1 of a boolean */
};
QR_NODISCARD enum qr_status qr_xml_path(struct qr_arena *arena, struct qr_xml_node *context,
                                        struct qr_str path, struct qr_xml_found *ret_found,
                                        struct qr_err *err);

/* azure_list.c - see blob/blob.h: Azure Blob Storage; listing
 *
 * A page is XML: EnumerationResults / Blobs / Blob / (Name, Properties / ...), and NextMarker. We
 * read what we know by its path and step over the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "azure_int.h"
#include "base/checked.h"
#include "base/banned.h"

enum { DEPTH_MAX = 16, NAME_MAX_BYTES = 64, PAGE_BYTES_MAX = 64 << 20, VALUE_BYTES_MAX = 4096 };

struct reader {
    const char *at, *end;
    int depth;
    char names[DEPTH_MAX][NAME_MAX_BYTES]; /* the open elements */
    struct qr_buf text;                    /* since the last tag */
    /* the blob that is being read */
    char name[QR_BLOB_NAME_BYTES_MAX + 300];
    bool has_name;
    struct qr_blob_info info;
    struct qri_azure_page *page;
    struct qr_err *err;
};

int64_t qri_azure_wall_ns(const char *date)
{
    int64_t seconds = curl_getdate(date, NULL), ns;
    return seconds < 0 || !qr_mul_i64(seconds, 1000000000, &ns) ? 0 : ns;
}

static enum qr_status broken(struct reader *reader, const char *how)
{
    return qr_fail(reader->err, QR_PROTOCOL, "the blob service's listing %s", how);
}

static bool is_at(const struct reader *reader, const char *parent, const char *name)
{
    return reader->depth >= 2 && strcmp(reader->names[reader->depth - 1], name) == 0 &&
           strcmp(reader->names[reader->depth - 2], parent) == 0;
}

/* &amp; and its like; a character that is none of ours becomes one that no name has. */
static void add_entity(struct reader *reader, const char *entity, size_t bytes)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    char c = '?';
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].name) == bytes && memcmp(known[i].name, entity, bytes) == 0)
            c = known[i].c;
    }
    qr_buf_add8(&reader->text, (uint8_t)c);
}

static enum qr_status read_text(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at != '<') {
        if (reader->text.len >= VALUE_BYTES_MAX)
            return broken(reader, "has a value that is too long");
        if (*reader->at != '&') {
            qr_buf_add8(&reader->text, (uint8_t)*reader->at++);
            continue;
        }
        size_t left = (size_t)(reader->end - reader->at);
        const char *semicolon = memchr(reader->at, ';', left < 12 ? left : 12);
        if (semicolon == NULL)
            return broken(reader, "has an entity without an end");
        add_entity(reader, reader->at + 1, (size_t)(semicolon - reader->at - 1));
        reader->at = semicolon + 1;
    }
    return qr_buf_status(&reader->text, reader->err);
}

static void take_name(struct reader *reader, const char *text)
{
    size_t n = strlen(text);
    reader->has_name = n < sizeof reader->name && n == reader->text.len;
    if (reader->has_name)
        memcpy(reader->name, text, n + 1);
}

/* Our tags are as the ETag header has them, with quotes; the listing may leave those out. */
static void take_tag(struct reader *reader, const char *text)
{
    bool quoted = text[0] == '"';
    snprintf(reader->info.tag.z, sizeof reader->info.tag.z, quoted ? "%.60s" : "\"%.60s\"", text);
}

/* An element ends; its text is complete. */
static enum qr_status end_element(struct reader *reader)
{
    const char *text = qr_buf_cstr(&reader->text);
    if (is_at(reader, "Blob", "Name")) {
        take_name(reader, text);
    } else if (is_at(reader, "Properties", "Content-Length")) {
        reader->info.bytes = strtoull(text, NULL, 10);
    } else if (is_at(reader, "Properties", "Etag")) {
        take_tag(reader, text);
    } else if (is_at(reader, "Properties", "Last-Modified")) {
        reader->info.modified_wall_ns = qri_azure_wall_ns(text);
    } else if (is_at(reader, "EnumerationResults", "NextMarker")) {
        qr_buf_clear(&reader->page->marker);
        qr_buf_addz(&reader->page->marker, text);
        QR_TRY(qr_buf_status(&reader->page->marker, reader->err));
    } else if (is_at(reader, "Blobs", "Blob")) {
        if (reader->has_name)
            QR_TRY(reader->page->each(reader->page->arg, reader->name, &reader->info));
        reader->has_name = false;
        reader->info = (struct qr_blob_info){0};
    }
    reader->depth -= 1;
    qr_buf_clear(&reader->text);
    return QR_OK;
}

static enum qr_status begin_element(struct reader *reader, const char *name, size_t bytes)
{
    if (reader->depth == DEPTH_MAX)
        return broken(reader, "is too deep");
    if (bytes >= NAME_MAX_BYTES)
        return broken(reader, "has an element with too long a name");
    memcpy(reader->names[reader->depth], name, bytes);
    reader->names[reader->depth][bytes] = '\0';
    reader->depth += 1;
    qr_buf_clear(&reader->text);
    return QR_OK;
}

/* At a '<'. */
static enum qr_status read_tag(struct reader *reader)
{
    const char *begin = reader->at + 1;
    const char *close = memchr(begin, '>', (size_t)(reader->end - begin));
    if (close == NULL)
        return broken(reader, "ends within a tag");
    reader->at = close + 1;
    if (begin < close && (*begin == '?' || *begin == '!'))
        return QR_OK; /* a declaration */
    bool ends = begin < close && *begin == '/';
    begin += ends;
    bool empty = !ends && close > begin && close[-1] == '/';
    size_t bytes = 0;
    while (begin + bytes < close - empty && strchr(" \t\r\n", begin[bytes]) == NULL)
        bytes += 1;
    if (bytes == 0)
        return broken(reader, "has a tag without a name");
    if (ends) {
        if (reader->depth == 0 || strlen(reader->names[reader->depth - 1]) != bytes ||
            memcmp(reader->names[reader->depth - 1], begin, bytes) != 0)
            return broken(reader, "closes what is not open");
        return end_element(reader);
    }
    QR_TRY(begin_element(reader, begin, bytes));
    return empty ? end_element(reader) : QR_OK;
}

enum qr_status qri_azure_parse_page(const char *xml, size_t bytes, struct qri_azure_page *page,
                                    struct qr_err *err)
{
    struct reader reader = {.at = xml, .end = xml + bytes, .page = page, .err = err};
    bool any = false;
    qr_buf_init(&reader.text, VALUE_BYTES_MAX + 16);
    enum qr_status status = QR_OK;
    while (status == QR_OK && reader.at < reader.end) {
        status = *reader.at == '<' ? read_tag(&reader) : read_text(&reader);
        any = any || (reader.depth == 1 && strcmp(reader.names[0], "EnumerationResults") == 0);
    }
    if (status == QR_OK && (!any || reader.depth != 0))
        status = broken(&reader, "is not whole");
    qr_buf_done(&reader.text);
    return status;
}

struct listing {
    const char *store_prefix, *wanted;
    size_t store_prefix_bytes;
    qr_blob_list_fn *each;
    void *arg;
    bool go_on;
    char last[QR_BLOB_NAME_BYTES_MAX + 300];
    struct qr_err *err;
};

static enum qr_status tell(void *arg, const char *name, const struct qr_blob_info *info)
{
    struct listing *listing = arg;
    if (!listing->go_on)
        return QR_OK;
    if (strcmp(name, listing->last) <= 0)
        return qr_fail(listing->err, QR_PROTOCOL,
                       "the blob service lists in another order (a hierarchical namespace?)");
    snprintf(listing->last, sizeof listing->last, "%s", name);
    if (strncmp(name, listing->store_prefix, listing->store_prefix_bytes) != 0)
        return qr_fail(listing->err, QR_PROTOCOL, "the blob service lists what was not asked for");
    name += listing->store_prefix_bytes;
    if (qri_blob_is_name(name)) /* others may keep theirs beside ours */
        listing->go_on = listing->each(listing->arg, name, info);
    return QR_OK;
}

static enum qr_status list_page(struct qri_azure *azure, struct listing *listing,
                                struct qri_azure_page *page, struct qr_err *err)
{
    struct qri_azure_request request = {.verb = "GET"};
    struct qr_buf body, marker;
    qr_buf_init(&body, PAGE_BYTES_MAX);
    qr_buf_init(&marker, VALUE_BYTES_MAX + 16);
    qr_buf_add(&marker, page->marker.data, page->marker.len);
    qr_buf_clear(&page->marker);
    qri_azure_param(&request, "restype", "container");
    qri_azure_param(&request, "comp", "list");
    qri_azure_param(&request, "prefix", listing->wanted);
    if (marker.len > 0)
        qri_azure_param(&request, "marker", qr_buf_cstr(&marker));
    char page_objects[16];
    snprintf(page_objects, sizeof page_objects, "%d", azure->page_objects);
    if (azure->page_objects > 0)
        qri_azure_param(&request, "maxresults", page_objects);
    request.into = &body;
    enum qr_status status = qri_azure_run(azure, &request, err);
    if (status == QR_OK)
        status = qri_azure_parse_page(qr_buf_cstr(&body), body.len, page, err);
    if (status == QR_OK && page->marker.len > 0 && page->marker.len == marker.len &&
        memcmp(page->marker.data, marker.data, marker.len) == 0)
        status = qr_fail(err, QR_PROTOCOL, "the blob service's listing does not go on");
    qr_buf_done(&body);
    qr_buf_done(&marker);
    return status;
}

enum qr_status qri_azure_list(struct qr_blob *blob, const char *prefix, qr_blob_list_fn *each,
                              void *arg, struct qr_err *err)
{
    struct qri_azure *azure = (struct qri_azure *)blob;
    struct listing listing = {.store_prefix = azure->prefix,
                              .store_prefix_bytes = strlen(azure->prefix),
                              .each = each,
                              .arg = arg,
                              .go_on = true,
                              .err = err};
    struct qri_azure_page page = {.arg = &listing, .each = tell};
    struct qr_buf wanted;
    qr_buf_init(&wanted, VALUE_BYTES_MAX);
    qr_buf_init(&page.marker, VALUE_BYTES_MAX + 16);
    qr_buf_printf(&wanted, "%s%s", azure->prefix, prefix);
    listing.wanted = qr_buf_cstr(&wanted);
    enum qr_status status = qr_buf_status(&wanted, err);
    do {
        if (status == QR_OK)
            status = list_page(azure, &listing, &page, err);
    } while (status == QR_OK && listing.go_on && page.marker.len > 0);
    qr_buf_done(&wanted);
    qr_buf_done(&page.marker);
    return status;
}

/* model.c - what must be so; see sim.h */
#include <stdlib.h>
#include "base/endian.h"
#include "page/record.h"
#include "sim.h"
#include "base/banned.h"

void model_done(struct model *m)
{
    for (int i = 0; i < m->count; i++)
        free(m->timelines[i].commits);
    for (uint32_t i = 0; i < m->image_count; i++)
        free(m->images[i]);
}

static uint32_t new_image(struct world *w)
{
    struct model *m = &w->model;
    uint8_t *image = calloc(1, PAGE_BYTES);
    if (image == NULL || m->image_count == IMAGES_MAX)
        abort();
    m->images[m->image_count] = image;
    return m->image_count++;
}

int model_new(struct world *w, int parent, const struct commit *base, uint64_t start_lsn)
{
    struct model *m = &w->model;
    if (m->image_count == 0)
        (void)new_image(w); /* 0 is the page that is not there */
    int n = m->count++;
    struct history *h = &m->timelines[n];
    *h = (struct history){.id = {{0x51, (uint8_t)(n + 1)}},
                          .parent = parent,
                          .branch_lsn = parent < 0 ? 0 : base->lsn,
                          .start_lsn = start_lsn,
                          .server = (int)pick(w, SERVERS),
                          .created = true,
                          .commits = calloc(COMMITS_MAX, sizeof(struct commit))};
    if (h->commits == NULL)
        abort();
    h->commits[0] = (struct commit){.lsn = start_lsn};
    if (base != NULL)
        h->commits[0] = *base;
    h->commits[0].fate = REAL;
    h->commits[0].prev = -1;
    h->commits[0].epoch = 0;
    h->horizon = h->log_visible = h->commits[0].lsn;
    h->commit_count = 1;
    return n;
}

struct commit *model_find(struct history *h, uint64_t lsn)
{
    for (int i = h->commit_count - 1; i >= 0; i--)
        if (h->commits[i].lsn == lsn)
            return &h->commits[i];
    return NULL;
}

int model_choose_pages(struct world *w, const struct commit *next, uint32_t pages[PAGES_MAX])
{
    bool chosen[PAGES_MAX + 1] = {false};
    uint32_t db_pages = next->db_pages;
    for (uint64_t n = 1 + pick(w, 4); n > 0; n--) {
        uint32_t page = 1 + (uint32_t)pick(w, PAGES_MAX);
        page = page > db_pages + 1 ? db_pages + 1 : page;
        chosen[page] = true;
        db_pages = page > db_pages ? page : db_pages;
    }
    int count = 0;
    for (uint32_t page = 2; page <= PAGES_MAX; page++)
        if (chosen[page])
            pages[count++] = page;
    if (chosen[1] || db_pages > next->db_pages)
        pages[count++] = 1;
    return count;
}

/* What the store keeps in the header of a database. */
static void set_header(uint8_t *page_1, uint32_t db_pages)
{
    qr_put32be(page_1 + 24, 0);
    qr_put32be(page_1 + 28, db_pages);
    qr_put32be(page_1 + 92, 0);
}

uint32_t model_change_page(struct world *w, struct commit *next, uint32_t page, struct qr_buf *buf)
{
    struct model *m = &w->model;
    uint32_t old = page <= next->db_pages ? next->version[page] : 0, image = new_image(w);
    memcpy(m->images[image], m->images[old], PAGE_BYTES);
    uint64_t bytes = chance(w, 500) ? 1500 : 1 + pick(w, 20);
    for (; bytes > 0; bytes--)
        m->images[image][pick(w, PAGE_BYTES - QR_PAGE_RESERVED_BYTES)] =
            (uint8_t)(1 + pick(w, 255));
    if (page > next->db_pages)
        next->db_pages = page;
    if (page == 1)
        set_header(m->images[image], next->db_pages);
    size_t before = buf->len;
    qr_record_add_page(buf, page, old == 0 ? NULL : m->images[old], m->images[image], PAGE_BYTES);
    next->version[page] = buf->len == before ? old : image;
    return next->version[page];
}

/* --- fates --- */

/* With all that it is built on. */
static void make_real(struct world *w, struct history *h, struct commit *c, const char *who)
{
    for (; c->fate != REAL; c = &h->commits[c->prev]) {
        if (c->fate == VOID) {
            violation(w,
                      "%s was told of the commit at LSN %llx (epoch %d) of timeline %d, which a "
                      "fence had voided",
                      who, (unsigned long long)c->lsn, (int)c->epoch, h->id.id[1]);
            return;
        }
        c->fate = REAL;
        if (c->prev < 0)
            return;
    }
}

void model_real(struct world *w, struct history *h, uint64_t lsn, const char *who)
{
    struct commit *c = model_find(h, lsn);
    if (c == NULL)
        violation(w, "%s was told of LSN %llx of timeline %d, where no commit ends", who,
                  (unsigned long long)lsn, h->id.id[1]);
    else
        make_real(w, h, c, who);
}

void model_acked(struct world *w, struct history *h, uint64_t lsn, uint64_t epoch)
{
    for (int i = 0; i < h->commit_count; i++) {
        struct commit *c = &h->commits[i];
        if (c->epoch != epoch || c->lsn > lsn || c->acked)
            continue;
        c->acked = true;
        w->acks++;
        make_real(w, h, c, "its primary");
    }
}

void model_fenced(struct world *w, struct history *h, uint64_t epoch, uint64_t commit_lsn)
{
    struct commit *last = model_find(h, commit_lsn);
    if (last == NULL || last->epoch >= epoch) {
        violation(w, "the fence of epoch %d of timeline %d names LSN %llx", (int)epoch, h->id.id[1],
                  (unsigned long long)commit_lsn);
        return;
    }
    make_real(w, h, last, "the next primary");
    for (int i = 0; i < h->commit_count; i++) {
        struct commit *c = &h->commits[i];
        if (c->epoch >= epoch || c->fate == VOID)
            continue;
        bool before = false;
        for (const struct commit *p = last; !before; p = &h->commits[p->prev]) {
            before = p == c;
            if (p->prev < 0 || p->lsn < c->lsn)
                break;
        }
        if (before)
            continue;
        if (c->fate == REAL)
            violation(w,
                      "the commit at LSN %llx (epoch %d, %s) of timeline %d is lost: the fence of "
                      "epoch %d names LSN %llx",
                      (unsigned long long)c->lsn, (int)c->epoch,
                      c->acked ? "acknowledged" : "seen by a page server", h->id.id[1], (int)epoch,
                      (unsigned long long)commit_lsn);
        c->fate = VOID;
    }
    if (epoch > h->fenced_epoch)
        h->fenced_epoch = epoch;
}

int model_pick(struct world *w, struct history *h)
{
    for (int tries = 0; tries < 20; tries++) {
        int i = (int)pick(w, (uint64_t)h->commit_count);
        if (chance(w, 3000) && h->commit_count > 10) /* more often the newest ones */
            i = h->commit_count - 1 - (int)pick(w, 10);
        if (h->commits[i].fate == REAL && h->commits[i].lsn >= h->horizon)
            return i;
    }
    return -1;
}

/* --- pages --- */

static void check_meta(struct world *w, const struct history *h, const struct commit *c,
                       enum qr_status status, const uint8_t *bytes, size_t count)
{
    struct qr_pages_meta meta;
    if (status != QR_OK || qr_pages_meta_decode(bytes, count, &meta, NULL) != QR_OK)
        violation(w, "no meta page of timeline %d at LSN %llx: %s", h->id.id[1],
                  (unsigned long long)c->lsn, qr_status_info(status)->name);
    else if (meta.lsn.v != c->lsn || meta.db_pages != c->db_pages || meta.commit_no != c->commit_no)
        violation(
            w,
            "meta page of timeline %d at LSN %llx: LSN %llx, commit %llu of %llu, %u pages of %u",
            h->id.id[1], (unsigned long long)c->lsn, (unsigned long long)meta.lsn.v,
            (unsigned long long)meta.commit_no, (unsigned long long)c->commit_no, meta.db_pages,
            c->db_pages);
}

void model_check_page(struct world *w, const struct history *h, const struct commit *c,
                      uint32_t page, enum qr_status status, uint64_t version, const uint8_t *bytes,
                      size_t count)
{
    w->reads++;
    if (page == 0) {
        check_meta(w, h, c, status, bytes, count);
        return;
    }
    uint32_t image = c->version[page];
    if (image == 0 && status == QR_NOT_FOUND)
        return;
    uint64_t want = w->model.image_lsn[image];
    if (image == 0 || status != QR_OK)
        violation(w, "page %u of timeline %d at LSN %llx: %s, the model has version %llx", page,
                  h->id.id[1], (unsigned long long)c->lsn, qr_status_info(status)->name,
                  (unsigned long long)want);
    else if (version != want)
        violation(w, "page %u of timeline %d at LSN %llx has version %llx, not %llx", page,
                  h->id.id[1], (unsigned long long)c->lsn, (unsigned long long)version,
                  (unsigned long long)want);
    else if (count != PAGE_BYTES || memcmp(bytes, w->model.images[image], PAGE_BYTES) != 0)
        violation(w, "page %u of timeline %d at LSN %llx, version %llx, has other bytes", page,
                  h->id.id[1], (unsigned long long)c->lsn, (unsigned long long)version);
}

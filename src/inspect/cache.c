/* cache.c - a compute node's cache on its disk (RBPEX); see inspect_int.h.
 *
 * Nothing of it is needed, so what a power cut took of it is told and is no damage (V2). */
#include "inspect_int.h"
#include "store/rbpex_look.h"
#include "base/banned.h"

void qri_look_at_cache(struct qri_run *run, const char *dir)
{
    struct qr_rbpex_sight s;
    struct qr_err err;
    qr_err_reset(&err);
    if (!qri_take(run, "cache", qr_rbpex_look(run->env, dir, &s, &err), &err) ||
        !qri_wanted(run, &s.timeline))
        return;
    run->checked_count += s.pages;
    if (run->task == QRI_VERIFY && s.lost == 0)
        return;
    qri_row(&run->out, "cache");
    qri_cell_text(&run->out, "place", run->where);
    qri_cell_timeline(&run->out, "timeline", &s.timeline);
    qri_cell_u64(&run->out, "page_bytes", s.page_bytes);
    qri_cell_u64(&run->out, "key", s.key_id);
    qri_cell_u64(&run->out, "slots", s.slots);
    qri_cell_u64(&run->out, "pages", s.pages);
    qri_cell_u64(&run->out, "pages_lost", s.lost);
    qri_cell_u64(&run->out, "mark_lsn", s.mark_lsn);
    qri_row_end(&run->out);
}

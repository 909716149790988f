/* ddl_grant.c - rows of permissions as GRANT, DENY and REVOKE change them; see ddl_grant_int.h.
 *
 * What is said of the whole takes the place of what was said of its columns. What somebody could
 * give on goes only with what he gave (CASCADE). */
#include "ddl_grant_int.h"
#include "base/sqlmsg.h"
#include "base/banned.h"

/* ---- who gives ---- */

static enum qr_status find_as(struct qri_grant *g)
{
    struct qr_str name = g->ast->as_principal.text;
    const struct qri_principal *p = qri_principal_by_name(*g->s.catalog, name);
    const struct qr_session *session = qri_ddl_session(g->s.ddl);
    if (p == NULL)
        return qr_sql_fail(g->s.err, 15151, "find", "user", qri_z(g->s.arena, name));
    bool may =
        session->is_owner || p->principal_id == qri_access_user(session) ||
        (p->type == 'R' && qr_perm_token_has(&session->context_now->token, p->principal_id)) ||
        qri_ddl_may_principal(g->s.ddl, p, p->type == 'R' ? QR_MAY_ALTER : QR_MAY_IMPERSONATE);
    if (!may)
        return qr_sql_fail(g->s.err, 4618, qri_z(g->s.arena, name));
    g->grantor_id = p->principal_id;
    return QR_OK;
}

enum qr_status qri_grant_begin(struct qri_grant *g)
{
    const struct qri_catalog *c = *g->s.catalog;
    g->rows = qr_arena_array(g->s.arena, c->permission_count, sizeof *g->rows);
    if (g->rows == NULL)
        return qr_fail(g->s.err, QR_NOMEM, "permissions");
    g->count = g->capacity = c->permission_count;
    g->next_id = 1;
    for (size_t i = 0; i < g->count; i++) {
        g->rows[i] = c->permissions[i];
        if (g->rows[i].id >= g->next_id)
            g->next_id = g->rows[i].id + 1;
    }
    return g->ast->as_principal.text.n > 0 ? find_as(g) : QR_OK;
}

static enum qr_status may_not(struct qri_grant *g, const struct qr_perm_token *token,
                              enum qr_perm perm)
{
    static const char *const nouns[QR_KIND_COUNT] = {
        [QR_KIND_OBJECT] = "object", [QR_KIND_SCHEMA] = "schema",
        [QR_KIND_ROLE] = "role",     [QR_KIND_USER] = "user",
        [QR_KIND_TYPE] = "type",     [QR_KIND_APPLICATION_ROLE] = "application role",
    };
    const struct qr_perm_book *book = (*g->s.catalog)->book;
    bool sees = qr_perm_ask(book, token, &g->what, 0, perm) == QR_PERM_ALLOWED ||
                qr_perm_sees(book, token, &g->what);
    if (g->what.kind == QR_KIND_DATABASE || sees)
        return qr_sql_fail(g->s.err, 4613);
    return qr_sql_fail(g->s.err, 15151, "find", nouns[g->what.kind],
                       qri_z(g->s.arena, g->ast->on.parts[g->ast->on.count - 1].text));
}

enum qr_status qri_grant_by(struct qri_grant *g, enum qr_perm perm, uint32_t column_id)
{
    const struct qri_catalog *c = *g->s.catalog;
    const struct qr_session *session = qri_ddl_session(g->s.ddl);
    struct qr_perm_token token = session->context_now->token;
    bool says_as = g->ast->as_principal.text.n > 0;
    if (says_as)
        QR_TRY(qr_perm_token_make(g->s.arena, g->grantor_id, c->members, c->member_count, &token,
                                  g->s.err));
    bool all = token.is_owner || qr_perm_token_has(&token, g->what.owner_id) ||
               qr_perm_token_has(&token, QR_ROLE_SECURITYADMIN) ||
               qr_perm_ask(c->book, &token, &g->what, 0, QR_MAY_CONTROL) == QR_PERM_ALLOWED;
    bool denies = g->ast->action == QR_PERMISSION_DENY; /* for which GRANT OPTION is not enough */
    if (!token.is_owner &&
        ((denies && !all) || !qr_perm_may_grant(c->book, &token, &g->what, column_id, perm)))
        return may_not(g, &token, perm);
    if (says_as)
        return QR_OK;
    g->grantor_id = all ? g->what.owner_id : token.user_id;
    return QR_OK;
}

/* ---- rows ---- */

static struct qri_permission *find_row(struct qri_grant *g, const struct qr_perm_row *want)
{
    for (size_t i = 0; i < g->count; i++) {
        const struct qr_perm_row *row = &g->rows[i].row;
        if (row->on == want->on && row->major_id == want->major_id &&
            row->minor_id == want->minor_id && row->perm == want->perm &&
            row->grantee_id == want->grantee_id && row->grantor_id == want->grantor_id)
            return &g->rows[i];
    }
    return NULL;
}

static enum qr_status drop_row(struct qri_grant *g, struct qri_permission *own)
{
    uint32_t id = own->id;
    *own = g->rows[--g->count];
    return qri_change_drop(&g->s.change, QRI_REC_PERMISSION, id, g->s.err);
}

static enum qr_status put_row(struct qri_grant *g, struct qri_permission *old,
                              const struct qr_perm_row *row)
{
    if (old != NULL) {
        old->row = *row;
        return qri_change_put_permission(&g->s.change, old->id, row, g->s.err);
    }
    void *moved =
        qr_arena_grow(g->s.arena, g->rows, g->count, &g->capacity, g->count + 1, sizeof *g->rows);
    if (moved == NULL)
        return qr_fail(g->s.err, QR_NOMEM, "permissions");
    g->rows = moved;
    g->rows[g->count++] = (struct qri_permission){g->next_id, *row};
    return qri_change_put_permission(&g->s.change, g->next_id++, row, g->s.err);
}

static bool is_of(const struct qr_perm_row *row, const struct qr_perm_row *what)
{
    return row->on == what->on && row->major_id == what->major_id && row->perm == what->perm &&
           (what->minor_id == 0 || row->minor_id == what->minor_id);
}

/* He can still give it on: somebody else let him. */
static bool still_may(const struct qri_grant *g, const struct qr_perm_row *what, uint32_t id)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->rows[i].row.grantee_id == id && g->rows[i].row.state == QR_PERM_GRANT_OPTION &&
            is_of(&g->rows[i].row, what))
            return true;
    return false;
}

/* What `id` gave of it goes, and what those gave. Rows only become fewer, so it ends. */
static enum qr_status take_back(struct qri_grant *g, const struct qr_perm_row *what, uint32_t first)
{
    uint32_t *todo = qr_arena_array(g->s.arena, g->count + 1, sizeof *todo);
    size_t waiting = 0;
    if (todo == NULL)
        return qr_fail(g->s.err, QR_NOMEM, "permissions");
    todo[waiting++] = first;
    while (waiting > 0) {
        uint32_t id = todo[--waiting];
        if (still_may(g, what, id))
            continue;
        for (size_t i = 0; i < g->count;) {
            struct qr_perm_row row = g->rows[i].row;
            if (row.grantor_id != id || !is_of(&row, what)) {
                i++;
                continue;
            }
            QR_TRY(drop_row(g, &g->rows[i])); /* another is at i now */
            if (row.state == QR_PERM_GRANT_OPTION)
                todo[waiting++] = row.grantee_id;
        }
    }
    return QR_OK;
}

/* What was said of the columns. */
static enum qr_status drop_columns(struct qri_grant *g, const struct qr_perm_row *whole)
{
    for (size_t i = 0; i < g->count;) {
        struct qr_perm_row row = g->rows[i].row;
        if (row.minor_id == 0 || row.grantee_id != whole->grantee_id ||
            row.grantor_id != whole->grantor_id || !is_of(&row, whole)) {
            i++;
            continue;
        }
        QR_TRY(drop_row(g, &g->rows[i]));
        if (row.state == QR_PERM_GRANT_OPTION && whole->state != QR_PERM_GRANT_OPTION)
            QR_TRY(take_back(g, &row, row.grantee_id));
    }
    return QR_OK;
}

/* ---- the statement ---- */

/* 4611: what could be given on is taken or denied. */
static bool needs_cascade(const struct qri_grant *g, const struct qr_perm_row *row)
{
    if (g->ast->action == QR_PERMISSION_GRANT || g->ast->cascade)
        return false;
    for (size_t i = 0; i < g->count; i++)
        if (g->rows[i].row.grantee_id == row->grantee_id &&
            g->rows[i].row.grantor_id == row->grantor_id &&
            g->rows[i].row.state == QR_PERM_GRANT_OPTION && is_of(&g->rows[i].row, row))
            return true;
    return false;
}

/* Of a column: by the same grantor to the same grantee. */
static bool is_granted_whole(struct qri_grant *g, const struct qr_perm_row *row)
{
    struct qr_perm_row whole = *row;
    whole.minor_id = 0;
    const struct qri_permission *found = row->minor_id == 0 ? NULL : find_row(g, &whole);
    return found != NULL && found->row.state != QR_PERM_DENY;
}

static enum qr_status revoke_row(struct qri_grant *g, struct qri_permission *old,
                                 struct qr_perm_row *row)
{
    if (g->ast->grant_option) { /* GRANT OPTION FOR: the permission itself stays */
        if (old == NULL || old->row.state != QR_PERM_GRANT_OPTION)
            return QR_OK;
        row->state = QR_PERM_GRANT;
        QR_TRY(put_row(g, old, row));
        return take_back(g, row, row->grantee_id);
    }
    if (is_granted_whole(g, row)) { /* it stays granted but for the column */
        row->state = QR_PERM_REVOKE;
        return put_row(g, old, row);
    }
    bool could_give = old != NULL && old->row.state == QR_PERM_GRANT_OPTION;
    if (old != NULL)
        QR_TRY(drop_row(g, old));
    row->state = QR_PERM_GRANT;
    if (row->minor_id == 0)
        QR_TRY(drop_columns(g, row));
    return could_give ? take_back(g, row, row->grantee_id) : QR_OK;
}

enum qr_status qri_grant_row(struct qri_grant *g, enum qr_perm perm, uint32_t column_id,
                             uint32_t grantee_id)
{
    struct qr_perm_row row = {.on = (uint8_t)qr_perm_class_of(g->what.kind),
                              .state = QR_PERM_DENY,
                              .perm = (uint16_t)perm,
                              .major_id = g->what.id,
                              .minor_id = column_id,
                              .grantee_id = grantee_id,
                              .grantor_id = g->grantor_id};
    struct qri_permission *old = find_row(g, &row);
    if (needs_cascade(g, &row))
        return qr_sql_fail(g->s.err, 4611);
    if (g->ast->action == QR_PERMISSION_REVOKE)
        return revoke_row(g, old, &row);
    bool could_give = old != NULL && old->row.state == QR_PERM_GRANT_OPTION;
    if (g->ast->action == QR_PERMISSION_GRANT)
        row.state = g->ast->grant_option || could_give ? QR_PERM_GRANT_OPTION : QR_PERM_GRANT;
    if (old == NULL || old->row.state != row.state)
        QR_TRY(put_row(g, old, &row));
    if (column_id == 0)
        QR_TRY(drop_columns(g, &row));
    return could_give && row.state == QR_PERM_DENY ? take_back(g, &row, grantee_id) : QR_OK;
}

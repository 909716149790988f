/* ask.c - see perm/perm.h: rows by whom they name, and the decision over them.
 *
 * Rows are sorted by securable and grantee, so that asking costs a binary search for each principal
 * of the token on each of the three levels, however many rows there are. */
#include <stdlib.h>
#include <string.h>
#include "perm_int.h"
#include "base/banned.h"

struct qr_perm_book {
    struct qr_perm_row *rows;  /* by class, major, grantee, minor, permission */
    struct qr_perm_row *shown; /* by class, major, minor, grantee, permission */
    size_t count;
};

/* ---- the book ---- */

static int by_number(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int by_securable(const struct qr_perm_row *x, const struct qr_perm_row *y)
{
    int order = by_number(x->on, y->on);
    return order != 0 ? order : by_number(x->major_id, y->major_id);
}

static int by_grantee(const void *a, const void *b)
{
    const struct qr_perm_row *x = a, *y = b;
    int order = by_securable(x, y);
    order = order != 0 ? order : by_number(x->grantee_id, y->grantee_id);
    order = order != 0 ? order : by_number(x->minor_id, y->minor_id);
    return order != 0 ? order : by_number(x->perm, y->perm);
}

static int by_minor(const void *a, const void *b)
{
    const struct qr_perm_row *x = a, *y = b;
    int order = by_securable(x, y);
    order = order != 0 ? order : by_number(x->minor_id, y->minor_id);
    order = order != 0 ? order : by_number(x->grantee_id, y->grantee_id);
    return order != 0 ? order : by_number(x->perm, y->perm);
}

enum qr_status qr_perm_book_new(struct qr_arena *arena, const struct qr_perm_row *rows,
                                size_t count, struct qr_perm_book **ret_book, struct qr_err *err)
{
    struct qr_perm_book *book = qr_arena_alloc(arena, sizeof *book);
    if (book == NULL)
        return qr_fail(err, QR_NOMEM, "permissions");
    *book = (struct qr_perm_book){.count = count};
    book->rows = qr_arena_array(arena, count, sizeof *book->rows);
    book->shown = qr_arena_array(arena, count, sizeof *book->shown);
    if (book->rows == NULL || book->shown == NULL)
        return qr_fail(err, QR_NOMEM, "permissions");
    if (count > 0) {
        memcpy(book->rows, rows, count * sizeof *rows);
        memcpy(book->shown, rows, count * sizeof *rows);
        qsort(book->rows, count, sizeof *rows, by_grantee);
        qsort(book->shown, count, sizeof *rows, by_minor);
    }
    *ret_book = book;
    return QR_OK;
}

const struct qr_perm_row *qr_perm_book_rows(const struct qr_perm_book *book, size_t *ret_count)
{
    *ret_count = book->count;
    return book->shown;
}

/* The rows of that securable and grantee: [*from, result). */
static size_t find_rows(const struct qr_perm_book *book, enum qr_perm_class on, uint32_t major_id,
                        uint32_t grantee_id, size_t *ret_end)
{
    const struct qr_perm_row want = {
        .on = (uint8_t)on, .major_id = major_id, .grantee_id = grantee_id};
    size_t low = 0, high = book->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_grantee(&book->rows[middle], &want) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < book->count && by_securable(&book->rows[end], &want) == 0 &&
           book->rows[end].grantee_id == grantee_id)
        end++;
    *ret_end = end;
    return low;
}

/* ---- the token ---- */

static int by_id(const void *a, const void *b)
{
    return by_number(*(const uint32_t *)a, *(const uint32_t *)b);
}

bool qr_perm_token_has(const struct qr_perm_token *token, uint32_t principal_id)
{
    if (token->is_owner && principal_id == QR_ROLE_OWNER)
        return true;
    return token->count > 0 &&
           bsearch(&principal_id, token->ids, token->count, sizeof *token->ids, by_id) != NULL;
}

static bool has(const uint32_t *ids, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

enum qr_status qr_perm_token_make(struct qr_arena *arena, uint32_t user_id,
                                  const struct qr_perm_member *members, size_t count,
                                  struct qr_perm_token *ret, struct qr_err *err)
{
    uint32_t *ids = qr_arena_array(arena, count + 2, sizeof *ids); /* each role once at most */
    if (ids == NULL)
        return qr_fail(err, QR_NOMEM, "roles of a user");
    size_t n = 0;
    ids[n++] = QR_PRINCIPAL_PUBLIC;
    if (user_id != QR_PRINCIPAL_PUBLIC)
        ids[n++] = user_id;
    for (size_t at = 0; at < n; at++)
        for (size_t i = 0; i < count; i++)
            if (members[i].member_id == ids[at] && !has(ids, n, members[i].role_id))
                ids[n++] = members[i].role_id;
    qsort(ids, n, sizeof *ids, by_id);
    *ret = (struct qr_perm_token){
        .user_id = user_id, .is_owner = user_id == QR_PRINCIPAL_DBO, .ids = ids, .count = n};
    return QR_OK;
}

/* ---- fixed roles: what they may, and may not, do in the whole database ---- */

struct fixed {
    uint32_t role_id;
    uint16_t perm;
    uint8_t state;
};
static const struct fixed fixed_rows[] = {
    {QR_ROLE_OWNER, QR_MAY_CONTROL, QR_PERM_GRANT_OPTION},
    {QR_ROLE_ACCESSADMIN, QR_MAY_ALTER_ANY_USER, QR_PERM_GRANT},
    {QR_ROLE_ACCESSADMIN, QR_MAY_CREATE_SCHEMA, QR_PERM_GRANT},
    {QR_ROLE_ACCESSADMIN, QR_MAY_CONNECT, QR_PERM_GRANT_OPTION},
    {QR_ROLE_SECURITYADMIN, QR_MAY_ALTER_ANY_APPLICATION_ROLE, QR_PERM_GRANT},
    {QR_ROLE_SECURITYADMIN, QR_MAY_ALTER_ANY_ROLE, QR_PERM_GRANT},
    {QR_ROLE_SECURITYADMIN, QR_MAY_CREATE_SCHEMA, QR_PERM_GRANT},
    {QR_ROLE_SECURITYADMIN, QR_MAY_VIEW_DEFINITION, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_ALTER_ANY_SCHEMA, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_ALTER_ANY_DATABASE_DDL_TRIGGER, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_ALTER_ANY_ASSEMBLY, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_ALTER_ANY_FULLTEXT_CATALOG, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CHECKPOINT, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_DEFAULT, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_FUNCTION, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_PROCEDURE, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_QUEUE, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_RULE, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_SYNONYM, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_TABLE, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_TYPE, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_VIEW, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_CREATE_XML_SCHEMA_COLLECTION, QR_PERM_GRANT},
    {QR_ROLE_DDLADMIN, QR_MAY_REFERENCES, QR_PERM_GRANT},
    {QR_ROLE_BACKUPOPERATOR, QR_MAY_BACKUP_DATABASE, QR_PERM_GRANT},
    {QR_ROLE_BACKUPOPERATOR, QR_MAY_BACKUP_LOG, QR_PERM_GRANT},
    {QR_ROLE_BACKUPOPERATOR, QR_MAY_CHECKPOINT, QR_PERM_GRANT},
    {QR_ROLE_DATAREADER, QR_MAY_SELECT, QR_PERM_GRANT},
    {QR_ROLE_DATAWRITER, QR_MAY_DELETE, QR_PERM_GRANT},
    {QR_ROLE_DATAWRITER, QR_MAY_INSERT, QR_PERM_GRANT},
    {QR_ROLE_DATAWRITER, QR_MAY_UPDATE, QR_PERM_GRANT},
    {QR_ROLE_DENYDATAREADER, QR_MAY_SELECT, QR_PERM_DENY},
    {QR_ROLE_DENYDATAWRITER, QR_MAY_DELETE, QR_PERM_DENY},
    {QR_ROLE_DENYDATAWRITER, QR_MAY_INSERT, QR_PERM_DENY},
    {QR_ROLE_DENYDATAWRITER, QR_MAY_UPDATE, QR_PERM_DENY},
    {QR_ROLE_OF_SERVER + 0, QR_MAY_CONNECT, QR_PERM_GRANT}, /* DatabaseConnector */
    {QR_ROLE_OF_SERVER + 1, QR_MAY_ALTER, QR_PERM_GRANT},   /* DatabaseManager */
    {QR_ROLE_OF_SERVER + 2, QR_MAY_VIEW_DEFINITION, QR_PERM_GRANT},
    {QR_ROLE_OF_SERVER + 4, QR_MAY_VIEW_SECURITY_DEFINITION, QR_PERM_GRANT},
    {QR_ROLE_OF_SERVER + 5, QR_MAY_VIEW_DATABASE_STATE, QR_PERM_GRANT},
    {QR_ROLE_OF_SERVER + 6, QR_MAY_VIEW_DATABASE_STATE, QR_PERM_GRANT},
};

/* ---- the decision ---- */

/* What the rows of a token say. */
struct found {
    bool granted, option, denied;
    bool column_granted, column_denied; /* by rows of the very column */
};

static bool grants(uint8_t state)
{
    return state == QR_PERM_GRANT || state == QR_PERM_GRANT_OPTION;
}

static void count_state(struct found *found, uint8_t state)
{
    found->granted |= grants(state);
    found->option |= state == QR_PERM_GRANT_OPTION;
    found->denied |= state == QR_PERM_DENY;
}

/* Among the rows of one grantee: what `whole` gives was taken back for that column. */
static bool is_taken_back(const struct qr_perm_book *book, size_t from, size_t end,
                          const struct qr_perm_row *whole, uint32_t column_id)
{
    for (size_t i = from; column_id != 0 && i < end; i++) {
        const struct qr_perm_row *row = &book->rows[i];
        if (row->state == QR_PERM_REVOKE && row->minor_id == column_id &&
            row->perm == whole->perm && row->grantor_id == whole->grantor_id)
            return true;
    }
    return false;
}

static void look_at_rows(const struct qr_perm_book *book, const struct qr_perm_token *token,
                         enum qr_perm_class on, uint32_t major_id, uint32_t column_id,
                         const struct qri_perms *perms, struct found *found)
{
    if ((perms->of[0] | perms->of[1]) == 0)
        return;
    for (size_t i = 0; i < token->count; i++) {
        size_t end, from = find_rows(book, on, major_id, token->ids[i], &end);
        for (size_t at = from; at < end; at++) {
            const struct qr_perm_row *row = &book->rows[at];
            if (row->minor_id == 0 && qri_perms_have(perms, row->perm) &&
                !is_taken_back(book, from, end, row, column_id))
                count_state(found, row->state);
        }
    }
}

static void look_at_column(const struct qr_perm_book *book, const struct qr_perm_token *token,
                           uint32_t object_id, uint32_t column_id, enum qr_perm perm,
                           struct found *found)
{
    for (size_t i = 0; i < token->count; i++) {
        size_t end, at = find_rows(book, QR_ON_OBJECT, object_id, token->ids[i], &end);
        for (; at < end; at++) {
            const struct qr_perm_row *row = &book->rows[at];
            if (row->minor_id != column_id || row->perm != perm)
                continue;
            found->column_granted |= grants(row->state);
            found->column_denied |= row->state == QR_PERM_DENY;
            found->option |= row->state == QR_PERM_GRANT_OPTION;
        }
    }
}

static void look_at_fixed_roles(const struct qr_perm_token *token, const struct qri_perms *perms,
                                struct found *found)
{
    if (token->count == 0 || token->ids[token->count - 1] < QR_ROLE_OWNER)
        return;
    for (size_t i = 0; i < sizeof fixed_rows / sizeof fixed_rows[0]; i++)
        if (qri_perms_have(perms, fixed_rows[i].perm) &&
            qr_perm_token_has(token, fixed_rows[i].role_id))
            count_state(found, fixed_rows[i].state);
}

static bool is_owner(const struct qr_perm_token *token, uint32_t owner_id)
{
    return owner_id != QR_PRINCIPAL_PUBLIC && qr_perm_token_has(token, owner_id);
}

static bool owns(const struct qr_perm_token *token, const struct qr_perm_securable *what)
{
    bool in_schema = what->kind == QR_KIND_OBJECT || what->kind == QR_KIND_TYPE;
    return token->is_owner || is_owner(token, what->owner_id) ||
           (in_schema && is_owner(token, what->schema_owner_id));
}

static struct found look(const struct qr_perm_book *book, const struct qr_perm_token *token,
                         const struct qr_perm_securable *what, uint32_t column_id,
                         enum qr_perm perm)
{
    const struct qri_implied *by = qri_implied_by(what->kind, perm);
    struct found found = {0}, whole = {0};
    look_at_rows(book, token, qr_perm_class_of(what->kind), what->id, column_id,
                 &by->at[QRI_LEVEL_SELF], &whole);
    if (column_id != 0)
        look_at_column(book, token, what->id, column_id, perm, &found);
    found.granted = whole.granted | found.column_granted;
    found.option |= whole.option;
    found.denied = found.column_denied | (whole.denied && !found.column_granted);
    if (what->kind == QR_KIND_OBJECT || what->kind == QR_KIND_TYPE)
        look_at_rows(book, token, QR_ON_SCHEMA, what->schema_id, 0, &by->at[QRI_LEVEL_SCHEMA],
                     &found);
    look_at_rows(book, token, QR_ON_DATABASE, 0, 0, &by->at[QRI_LEVEL_DATABASE], &found);
    look_at_fixed_roles(token, &by->at[QRI_LEVEL_DATABASE], &found);
    return found;
}

enum qr_perm_answer qr_perm_ask(const struct qr_perm_book *book, const struct qr_perm_token *token,
                                const struct qr_perm_securable *what, uint32_t column_id,
                                enum qr_perm perm)
{
    if (owns(token, what))
        return QR_PERM_ALLOWED;
    struct found found = look(book, token, what, column_id, perm);
    if (found.denied)
        return QR_PERM_DENIED;
    return found.granted ? QR_PERM_ALLOWED : QR_PERM_NONE;
}

bool qr_perm_any_column(const struct qr_perm_book *book, const struct qr_perm_token *token,
                        const struct qr_perm_securable *what, enum qr_perm perm)
{
    for (size_t i = 0; i < token->count; i++) {
        size_t end, at = find_rows(book, QR_ON_OBJECT, what->id, token->ids[i], &end);
        for (; at < end; at++) {
            const struct qr_perm_row *row = &book->rows[at];
            if (row->minor_id != 0 && row->perm == perm && grants(row->state) &&
                qr_perm_ask(book, token, what, row->minor_id, perm) == QR_PERM_ALLOWED)
                return true;
        }
    }
    return false;
}

bool qr_perm_may_grant(const struct qr_perm_book *book, const struct qr_perm_token *token,
                       const struct qr_perm_securable *what, uint32_t column_id, enum qr_perm perm)
{
    bool manages = what->kind != QR_KIND_USER && qr_perm_token_has(token, QR_ROLE_SECURITYADMIN);
    if (owns(token, what) || manages ||
        qr_perm_ask(book, token, what, 0, QR_MAY_CONTROL) == QR_PERM_ALLOWED)
        return true;
    struct found found = look(book, token, what, column_id, perm);
    return found.option && !found.denied;
}

/* What implies anything of the kind when it is granted on that level. */
static struct qri_perms any_implied(enum qr_perm_kind kind, int level)
{
    struct qri_perms all = {0};
    for (int perm = QR_MAY_NOTHING + 1; perm < QR_MAY_COUNT; perm++) {
        if (!qr_perm_applies(kind, (enum qr_perm)perm))
            continue;
        const struct qri_perms *one = &qri_implied_by(kind, (enum qr_perm)perm)->at[level];
        all.of[0] |= one->of[0];
        all.of[1] |= one->of[1];
    }
    return all;
}

/* Something is granted that could make the securable seen; nothing is, mostly.
 * CONNECT, which everybody has, does not. */
static bool has_grant(const struct qr_perm_book *book, const struct qr_perm_token *token,
                      enum qr_perm_class on, uint32_t major_id, const struct qri_perms *perms)
{
    for (size_t i = 0; i < token->count; i++) {
        size_t end, at = find_rows(book, on, major_id, token->ids[i], &end);
        for (; at < end; at++)
            if (grants(book->rows[at].state) && qri_perms_have(perms, book->rows[at].perm))
                return true;
    }
    return false;
}

static bool may_be_granted(const struct qr_perm_book *book, const struct qr_perm_token *token,
                           const struct qr_perm_securable *what)
{
    bool in_schema = what->kind == QR_KIND_OBJECT || what->kind == QR_KIND_TYPE;
    bool has_fixed_role = token->count > 0 && token->ids[token->count - 1] >= QR_ROLE_OWNER;
    const struct qri_perms on_self = any_implied(what->kind, QRI_LEVEL_SELF);
    if (has_fixed_role || has_grant(book, token, qr_perm_class_of(what->kind), what->id, &on_self))
        return true;
    const struct qri_perms on_schema = any_implied(what->kind, QRI_LEVEL_SCHEMA);
    if (in_schema && has_grant(book, token, QR_ON_SCHEMA, what->schema_id, &on_schema))
        return true;
    const struct qri_perms on_database = any_implied(what->kind, QRI_LEVEL_DATABASE);
    return has_grant(book, token, QR_ON_DATABASE, 0, &on_database);
}

bool qr_perm_sees(const struct qr_perm_book *book, const struct qr_perm_token *token,
                  const struct qr_perm_securable *what)
{
    if (owns(token, what))
        return true;
    if (!may_be_granted(book, token, what))
        return false;
    enum qr_perm_answer defined = qr_perm_ask(book, token, what, 0, QR_MAY_VIEW_DEFINITION);
    if (defined != QR_PERM_NONE)
        return defined == QR_PERM_ALLOWED;
    if (qr_perm_applies(what->kind, QR_MAY_SELECT) && /* most have this one */
        qr_perm_ask(book, token, what, 0, QR_MAY_SELECT) == QR_PERM_ALLOWED)
        return true;
    for (int perm = QR_MAY_NOTHING + 1; perm < QR_MAY_COUNT; perm++) {
        if (!qr_perm_applies(what->kind, (enum qr_perm)perm) || perm == QR_MAY_UNMASK)
            continue; /* UNMASK shows no metadata */
        if (qr_perm_ask(book, token, what, 0, (enum qr_perm)perm) == QR_PERM_ALLOWED)
            return true;
        if (what->kind == QR_KIND_OBJECT && qr_perm_has_columns((enum qr_perm)perm) &&
            qr_perm_any_column(book, token, what, (enum qr_perm)perm))
            return true;
    }
    return false;
}

/* test_names.c - names and codes both ways, and the closed hierarchy. */
#include "qr_test.h"
#include "perm_int.h"
#include "base/banned.h"

static void test_every_permission_is_found_by_its_name_and_its_code(void **state)
{
    (void)state;
    for (int perm = QR_MAY_NOTHING + 1; perm < QR_MAY_COUNT; perm++) {
        const char *name = qr_perm_name((enum qr_perm)perm),
                   *code = qr_perm_code((enum qr_perm)perm);
        assert_int_equal(qr_perm_by_name(qr_str(name)), perm);
        assert_int_equal(strlen(code), 4);
        assert_int_equal(qr_perm_by_code(code), perm);
    }
    assert_int_equal(qr_perm_by_name(qr_str("view Definition")), QR_MAY_VIEW_DEFINITION);
    assert_int_equal(qr_perm_by_name(qr_str("SELECT ")), QR_MAY_NOTHING);
    assert_int_equal(qr_perm_by_name(qr_str("")), QR_MAY_NOTHING);
    assert_int_equal(qr_perm_by_code("XXXX"), QR_MAY_NOTHING);
    assert_string_equal(qr_perm_code(QR_MAY_SELECT), "SL  ");
}

static void test_permissions_belong_to_kinds_of_securables(void **state)
{
    (void)state;
    assert_true(qr_perm_applies(QR_KIND_DATABASE, QR_MAY_CONNECT));
    assert_false(qr_perm_applies(QR_KIND_OBJECT, QR_MAY_CONNECT));
    assert_true(qr_perm_applies(QR_KIND_USER, QR_MAY_IMPERSONATE));
    assert_false(qr_perm_applies(QR_KIND_ROLE, QR_MAY_IMPERSONATE));
    assert_true(qr_perm_applies(QR_KIND_SCHEMA, QR_MAY_CREATE_SEQUENCE));
    assert_false(qr_perm_applies(QR_KIND_TYPE, QR_MAY_SELECT));
    assert_true(qr_perm_has_columns(QR_MAY_REFERENCES));
    assert_false(qr_perm_has_columns(QR_MAY_INSERT));
}

/* Whatever a row of the table names is there and implies it, at the level where it stands. */
static void test_what_covers_a_permission_implies_it(void **state)
{
    (void)state;
    struct qr_perm_builtin row;
    size_t rows = 0;
    for (; qr_perm_builtin(rows, &row); rows++) {
        const struct qri_implied *by = qri_implied_by(row.kind, row.perm);
        enum qri_level own = row.kind == QR_KIND_DATABASE ? QRI_LEVEL_DATABASE : QRI_LEVEL_SELF;
        assert_true(qr_perm_applies(row.kind, row.perm));
        assert_true(qri_perms_have(&by->at[own], QR_MAY_CONTROL));
        assert_true(qri_perms_have(&by->at[QRI_LEVEL_DATABASE], QR_MAY_CONTROL));
        if (row.covering != QR_MAY_NOTHING)
            assert_true(qri_perms_have(&by->at[own], (uint16_t)row.covering));
        if (row.parent_covering == QR_MAY_NOTHING)
            continue;
        assert_true(qr_perm_applies(row.parent, row.parent_covering));
        assert_true(qri_perms_have(
            &by->at[row.parent == QR_KIND_SCHEMA ? QRI_LEVEL_SCHEMA : QRI_LEVEL_DATABASE],
            (uint16_t)row.parent_covering));
    }
    assert_true(rows > 100);
}

static void test_what_does_not_cover_does_not_imply(void **state)
{
    (void)state;
    const struct qri_implied *select = qri_implied_by(QR_KIND_OBJECT, QR_MAY_SELECT);
    assert_false(qri_perms_have(&select->at[QRI_LEVEL_SELF], QR_MAY_ALTER));
    assert_false(qri_perms_have(&select->at[QRI_LEVEL_SCHEMA], QR_MAY_UPDATE));
    assert_false(qri_perms_have(&select->at[QRI_LEVEL_DATABASE], QR_MAY_ALTER_ANY_SCHEMA));
    const struct qri_implied *alter = qri_implied_by(QR_KIND_OBJECT, QR_MAY_ALTER);
    assert_true(qri_perms_have(&alter->at[QRI_LEVEL_DATABASE], QR_MAY_ALTER_ANY_SCHEMA));
    assert_true(qri_perms_have(&alter->at[QRI_LEVEL_DATABASE], QR_MAY_ALTER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_permission_is_found_by_its_name_and_its_code),
        cmocka_unit_test(test_permissions_belong_to_kinds_of_securables),
        cmocka_unit_test(test_what_covers_a_permission_implies_it),
        cmocka_unit_test(test_what_does_not_cover_does_not_imply),
    };
    return cmocka_run_group_tests_name("perm/names", tests, NULL, NULL);
}

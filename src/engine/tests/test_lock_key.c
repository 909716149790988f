/* Goal: what T-SQL calls the same key is locked as the same key, whoever asks. Method: a table and
 * its parent by hand; rows, values alone and foreign keys have to agree. */
#include "qr_test.h"
#include "codec/collation.h"
#include "codec/value.h"
#include "../lock_key.h"

/* t(a nvarchar(20) null, b int null, c float, d datetimeoffset, e varbinary(10)); key (b, a) */
enum { A, B, C, D, E, COLUMNS };
static struct qr_cat_column columns[COLUMNS];
static struct qr_cat_index_column key_columns[] = {{.column_id = B + 1}, {.column_id = A + 1}};
static struct qr_cat_index index_ba = {
    .index_id = 3, .is_unique = true, .columns = key_columns, .column_count = 2, .key_count = 2};
static struct qr_cat_object object = {.object_id = 77,
                                      .columns = columns,
                                      .column_count = COLUMNS,
                                      .indexes = &index_ba,
                                      .index_count = 1};
static uint16_t ba[] = {B, A};
static struct qri_unique unique_ba = {.index = &index_ba, .columns = ba, .count = 2};
static struct qri_table keyed = {.object = &object, .n = COLUMNS, .key = ba, .key_count = 2};

static int setup(void **state)
{
    (void)state;
    columns[A].type = qr_type_sized(QR_TYPE_NVARCHAR, 20);
    columns[A].type.collation = QR_COLLATION_DEFAULT;
    columns[B].type = qr_type_of(QR_TYPE_INT);
    columns[C].type = qr_type_of(QR_TYPE_FLOAT);
    columns[D].type = qr_type_time(QR_TYPE_DATETIMEOFFSET, 7);
    columns[E].type = qr_type_sized(QR_TYPE_VARBINARY, 10);
    for (uint32_t i = 0; i < COLUMNS; i++) {
        columns[i].column_id = i + 1;
        columns[i].nullable = i < C;
    }
    object.storage = QR_STORE_KEYED;
    return 0;
}

static uint64_t hash_of(struct qr_value a, struct qr_value b)
{
    const struct qr_value row[COLUMNS] = {[A] = a, [B] = b};
    return qri_lock_key_of(&keyed, &unique_ba, row).hash;
}

static struct qr_value text(const char *z)
{
    return qr_value_text(z, strlen(z));
}

static void test_equal_under_the_collation_is_equal(void **state)
{
    (void)state;
    struct qr_value one = qr_value_int(1);
    assert_true(hash_of(text("abc"), one) == hash_of(text("ABC  "), one));
    assert_true(hash_of(text("\xC3\xA9"), one) == hash_of(text("\xC3\x89"), one)); /* e acute */
    assert_true(hash_of(text(""), one) == hash_of(text("   "), one));
    assert_false(hash_of(text("abc"), one) == hash_of(text("abd"), one));
    assert_false(hash_of(text("abc"), one) == hash_of(text("abc"), qr_value_int(2)));
}

static void test_nulls_have_their_places(void **state)
{
    (void)state;
    struct qr_value null = qr_value_null();
    assert_true(hash_of(null, null) == hash_of(null, null));
    assert_false(hash_of(null, null) == hash_of(text(""), null));
    assert_false(hash_of(null, qr_value_int(0)) == hash_of(text(""), null));
}

static uint64_t single(uint16_t column, struct qr_value value)
{
    struct qri_unique unique = {.index = &index_ba, .columns = &column, .count = 1};
    struct qr_value row[COLUMNS] = {0};
    row[column] = value;
    return qri_lock_key_of(&keyed, &unique, row).hash;
}

static void test_equal_numbers_instants_and_bytes_are_equal(void **state)
{
    (void)state;
    assert_true(single(C, qr_value_real(0.0)) == single(C, qr_value_real(-0.0)));
    assert_true(single(D, qr_value_wide(qr_dto_pack(99, 60))) ==
                single(D, qr_value_wide(qr_dto_pack(99, -60))));
    assert_true(single(E, qr_value_blob("a\0", 2)) == single(E, qr_value_blob("a", 1)));
    assert_false(single(B, qr_value_int(1)) == single(B, qr_value_int(-1)));
}

static bool same(const struct qr_lock_resource *x, const struct qr_lock_resource *y)
{
    return x->kind == y->kind && x->object == y->object && x->index == y->index &&
           x->hash == y->hash && x->is_rowid == y->is_rowid;
}

static void test_a_row_and_its_key_alone_agree(void **state)
{
    (void)state;
    struct qr_value row[COLUMNS] = {[A] = text("Key"), [B] = qr_value_int(5)};
    struct qr_value values[] = {qr_value_int(5), text("KEY")};
    struct qr_lock_resource x = qri_lock_key_of(&keyed, &unique_ba, row),
                            y = qri_lock_key_of_key(&object, &index_ba, values);
    assert_true(same(&x, &y));
    assert_int_equal(x.kind, QR_LOCK_KEY);
    assert_int_equal(x.object, 77);
    assert_int_equal(x.index, 3);
    x = qri_lock_row_of(&keyed, row, 0);
    y = qri_lock_row_of_key(&object, &index_ba, values);
    assert_true(same(&x, &y));
    assert_int_equal(x.kind, QR_LOCK_ROW);
    assert_int_equal(x.index, 0);
}

static void test_rows_with_a_rowid_are_known_by_it(void **state)
{
    (void)state;
    struct qri_table heap = keyed;
    heap.by_rowid = true;
    struct qr_value row[COLUMNS] = {[B] = qr_value_int(42)};
    object.storage = QR_STORE_HEAP;
    struct qr_lock_resource x = qri_lock_row_of(&heap, row, 42);
    assert_true(x.is_rowid && x.hash == 42 && x.kind == QR_LOCK_ROW);
    object.storage = QR_STORE_ROWID; /* b would be the alias */
    x = qri_lock_row_of(&heap, row, 42);
    struct qr_lock_resource y = qri_lock_row_of_key(&object, &index_ba, &row[B]);
    assert_true(same(&x, &y));
    assert_false(x.is_rowid);
    object.storage = QR_STORE_KEYED;
}

/* The foreign key names its columns in another order than the index of the parent. */
static void test_a_foreign_key_locks_the_key_of_its_parent(void **state)
{
    (void)state;
    uint32_t referenced[] = {A + 1, B + 1};
    uint16_t child_columns[] = {1, 0}; /* child(x int, y nvarchar(9)) */
    struct qr_cat_fk fk = {
        .referenced_index_id = 3, .referenced_columns = referenced, .column_count = 2};
    struct qri_fk_out out = {.fk = &fk, .parent = &object, .columns = child_columns};
    struct qr_value child[] = {qr_value_int(5), text("key")};
    struct qr_value row[COLUMNS] = {[A] = text("Key"), [B] = qr_value_int(5)};
    struct qr_lock_resource x = {0}, y = qri_lock_key_of(&keyed, &unique_ba, row);
    assert_true(qri_lock_parent_key_of(&out, child, &x));
    assert_true(same(&x, &y));
    child[0] = qr_value_null();
    assert_false(qri_lock_parent_key_of(&out, child, &x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_under_the_collation_is_equal),
        cmocka_unit_test(test_nulls_have_their_places),
        cmocka_unit_test(test_equal_numbers_instants_and_bytes_are_equal),
        cmocka_unit_test(test_a_row_and_its_key_alone_agree),
        cmocka_unit_test(test_rows_with_a_rowid_are_known_by_it),
        cmocka_unit_test(test_a_foreign_key_locks_the_key_of_its_parent),
    };
    return cmocka_run_group_tests_name("engine/lock_key", tests, setup, NULL);
}

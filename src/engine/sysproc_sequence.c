/* sysproc_sequence.c - sp_sequence_get_range; see sysproc.h */
#include "sysproc.h"
#include "access_int.h"
#include "counter_int.h"
#include "base/banned.h"

static const char RANGE_TEXT[] =
    "EXEC sys.sp_sequence_get_range @sequence_name, @range_size, @range_first_value OUTPUT, "
    "@range_last_value OUTPUT, @range_cycle_count OUTPUT, @sequence_increment OUTPUT, "
    "@sequence_min_value OUTPUT, @sequence_max_value OUTPUT";
static const char RANGE_PARAMS[] =
    "@sequence_name nvarchar(776) = NULL, @range_size bigint = NULL, @range_first_value "
    "sql_variant = NULL OUTPUT, @range_last_value sql_variant = NULL OUTPUT, @range_cycle_count "
    "int = NULL OUTPUT, @sequence_increment sql_variant = NULL OUTPUT, @sequence_min_value "
    "sql_variant = NULL OUTPUT, @sequence_max_value sql_variant = NULL OUTPUT";

struct range {
    int64_t first, last, cycles;
};

/* The i-th number of a sequence that runs from `from`, and how many there are up to its end. */
static qr_i128 nth(const struct qr_cat_object *seq, int64_t from, qr_i128 i)
{
    return (qr_i128)from + i * seq->sequence_increment;
}

static qr_i128 left_from(const struct qr_cat_object *seq, int64_t from)
{
    int64_t end = seq->sequence_increment > 0 ? seq->sequence_max : seq->sequence_min;
    qr_i128 way = (qr_i128)end - from, step = seq->sequence_increment;
    return way / step < 0 || (way < 0) != (step < 0 && way != 0) ? 0 : way / step + 1;
}

/* All numbers are taken at once, so that nobody gets one between. */
static enum qr_status take_range(struct qr_session *session, const struct qr_cat_object *seq,
                                 int64_t size, struct range *ret, struct qr_err *err)
{
    uint64_t counter = qri_counter_id(seq->object_id, QRI_COUNTER_SEQUENCE);
    int64_t restart = seq->sequence_increment > 0 ? seq->sequence_min : seq->sequence_max;
    int64_t next = 0;
    if (!qri_counter_peek(session, counter, false, &next))
        return qr_fail(err, QR_NOT_FOUND, "no such sequence");
    qr_i128 left = left_from(seq, next);
    if (left < size && !seq->sequence_cycle)
        return qr_sql_fail(err, 11732, qr_arena_str(&session->frame->arena, seq->name).p);
    if (left >= size) {
        QR_TRY(qri_counter_take(session, counter, false, (uint64_t)size, seq->sequence_increment,
                                &ret->first, err));
        ret->last = (int64_t)nth(seq, ret->first, size - 1);
        return QR_OK;
    }
    qr_i128 over = size - left - 1, round = left_from(seq, restart);
    ret->first = left > 0 ? next : restart;
    ret->cycles = (int64_t)(over / round) + 1;
    ret->last = (int64_t)nth(seq, restart, over % round);
    qr_i128 after = nth(seq, ret->last, 1);
    if (after > INT64_MAX || after < INT64_MIN)
        after = restart;
    return qri_counter_set(session, counter, false, (int64_t)after, err);
}

static enum qr_status give(struct qr_session *session, const struct qri_call_arg *arg,
                           const struct qr_type *type, int64_t number, struct qr_err *err)
{
    struct qr_type big = qr_type_of(QR_TYPE_BIGINT);
    struct qr_value value = qr_value_int(number), typed;
    struct qr_eval eval;
    if (arg == NULL || !arg->is_output || arg->out_slot == UINT32_MAX)
        return QR_OK;
    qri_eval_init(&eval, session, session->frame, &session->frame->arena);
    QR_TRY(qr_eval_cast(&eval, &big, &value, type, QR_STYLE_DEFAULT, 0, NULL, NULL, &typed, err));
    return qri_var_assign(session->frame, arg->out_slot, type, &typed, err);
}

static enum qr_status find_sequence(struct qr_session *session, const struct qri_call_arg *arg,
                                    const struct qr_cat_object **ret_seq, struct qr_err *err)
{
    struct qr_arena *arena = &session->frame->arena;
    struct qr_ast_name name;
    if (arg == NULL || arg->value.cell != QR_CELL_TEXT)
        return qr_sql_fail(err, 201, "sp_sequence_get_range", "@sequence_name");
    struct qr_str text = qr_value_bytes(&arg->value);
    const struct qr_cat_object *seq = NULL;
    if (qri_name_parse(arena, text, &name, NULL) != QR_OK ||
        qri_find_object(session, &name, &seq, NULL) != QR_OK || seq == NULL)
        return qr_sql_fail(err, 208, qr_arena_str(arena, text).p);
    if (seq->type != QR_CAT_SEQUENCE)
        return qr_sql_fail(err, 11726, qr_arena_str(arena, text).p);
    *ret_seq = seq;
    return qri_want_object(session, seq, QR_MAY_UPDATE, err);
}

enum qr_status qri_sp_sequence_get_range(struct qr_session *session, struct qri_call_arg *args,
                                         size_t count, int32_t *ret_status, struct qr_err *err)
{
    const struct qr_type whole = qr_type_of(QR_TYPE_INT);
    const struct qr_cat_object *seq = NULL;
    struct range range = {0};
    if (session->frame == NULL) /* by RPC: through one EXEC */
        return qri_call_text(session, qr_str(RANGE_TEXT), qr_str(RANGE_PARAMS), args, count, true,
                             ret_status, err);
    const struct qri_call_arg *first = qri_sysproc_arg(args, count, "@range_first_value", 2);
    const struct qri_call_arg *size = qri_sysproc_arg(args, count, "@range_size", 1);
    QR_TRY(find_sequence(session, qri_sysproc_arg(args, count, "@sequence_name", 0), &seq, err));
    if (size == NULL || first == NULL)
        return qr_sql_fail(err, 201, "sp_sequence_get_range",
                           size == NULL ? "@range_size" : "@range_first_value");
    if (size->value.cell != QR_CELL_INT || size->value.i <= 0)
        return qr_sql_fail(err, 11708, "@range_size");
    QR_TRY(take_range(session, seq, size->value.i, &range, err));
    const struct qr_type *type = &seq->sequence_type;
    QR_TRY(give(session, first, type, range.first, err));
    QR_TRY(
        give(session, qri_sysproc_arg(args, count, "@range_last_value", 3), type, range.last, err));
    QR_TRY(give(session, qri_sysproc_arg(args, count, "@range_cycle_count", 4), &whole,
                range.cycles, err));
    QR_TRY(give(session, qri_sysproc_arg(args, count, "@sequence_increment", 5), type,
                seq->sequence_increment, err));
    QR_TRY(give(session, qri_sysproc_arg(args, count, "@sequence_min_value", 6), type,
                seq->sequence_min, err));
    return give(session, qri_sysproc_arg(args, count, "@sequence_max_value", 7), type,
                seq->sequence_max, err);
}

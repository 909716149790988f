/* agg_int.h - shared by the files of aggregates */
#pragma once
#include "expr/agg.h"
#include "expr_int.h"

struct qri_agg_family {
    const struct qr_agg *aggs;
    size_t count;
};
extern const struct qri_agg_family qri_sum_aggs, qri_stat_aggs, qri_text_aggs, qri_ordered_aggs,
    qri_window_aggs;

/* 8117 naming the aggregate. */
enum qr_status qri_agg_bad_operand(struct qr_expr_builder *b, const struct qr_agg_call *call);

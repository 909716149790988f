/* node_limits.c - see node_int.h: what the databases of a compute node may use */
#include "engine/engine.h"
#include "governor/governor.h"
#include "node_int.h"
#include "base/banned.h"

static struct qr_gov_group_options options_of(const struct qr_database_row *row)
{
    return (struct qr_gov_group_options){
        .database_id = row->id,
        .shown_id = qr_number_of(row->id),
        .pool_key = (uint64_t)row->id + 1,
        .database = row->name,
        .objective = row->objective,
        .pool = row->pool,
    };
}

enum qr_status qri_node_govern(struct qri_node *node, const struct qr_database_row *row,
                               struct hosted *hosted, struct qr_err *err)
{
    struct qr_gov_group_options options = options_of(row);
    if (node->options.governor == NULL)
        return QR_OK;
    if (hosted->group != NULL)
        return qr_gov_group_update(hosted->group, &options, err);
    return qr_gov_group_open(node->options.governor, &options, &hosted->group, err);
}

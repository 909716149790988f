/* op_kinds.c - see ops_int.h: each kind of operation is a row, its steps are a table */
#include "ops_int.h"
#include "base/banned.h"

const struct qri_op_kind qri_op_kinds[QR_OPERATION_KIND_COUNT] = {
    /* clang-format off */
    [QR_OPERATION_CREATE] = {"create", qri_make_begin, true, qri_make_done, {
        {"storage", 10, qri_make_storage,    qri_make_undo, true,  false},
        {"online",  80, qri_make_online,     NULL,          false, false}}},
    [QR_OPERATION_COPY] = {"copy", qri_copy_begin, true, qri_make_done, {
        {"storage", 10, qri_make_storage,    qri_make_undo, true,  false},
        {"online",  90, qri_make_online,     NULL,          false, false}}},
    [QR_OPERATION_RESTORE] = {"restore", qri_copy_begin, true, qri_make_done, {
        {"storage", 10, qri_make_storage,    qri_make_undo, true,  false},
        {"online",  90, qri_make_online,     NULL,          false, false}}},
    [QR_OPERATION_ADD_REPLICA] = {"add-replica", qri_replica_begin, true, qri_make_done, {
        {"primary", 10, qri_replica_primary, qri_make_undo, true,  false},
        {"online",  80, qri_make_online,     NULL,          false, false}}},
    [QR_OPERATION_UPDATE] = {"update", qri_scale_begin, false, qri_tell_done, {
        {"prepare", 10, qri_scale_prepare,   qri_scale_unprepare, true,  false},
        {"record",  50, qri_scale_record,    NULL,                false, false},
        {"switch",  60, qri_scale_switch,    NULL,                false, true },
        {"replace", 80, qri_scale_replace,   NULL,                false, true }}},
    [QR_OPERATION_RENAME] = {"rename", qri_rename_begin, false, qri_tell_done, {
        {"record",  50, qri_rename_record,   NULL,          false, false},
        {"nodes",   70, qri_rename_nodes,    NULL,          false, true }}},
    [QR_OPERATION_DROP] = {"drop", qri_drop_begin, true, qri_tell_done, {
        {"hold",    10, qri_drop_hold,       qri_drop_release, false, false},
        {"mark",    30, qri_drop_mark,       NULL,             false, true },
        {"remove",  50, qri_drop_remove,     NULL,             false, true }}},
    [QR_OPERATION_FAILOVER] = {"failover", qri_failover_begin, false, NULL, {
        {"switch",  20, qri_failover_switch, NULL,          false, false},
        {"ready",   60, qri_failover_ready,  NULL,          false, false}}},
    [QR_OPERATION_GEO_CHANGE] = {"geo-change", qri_geo_begin, true, qri_tell_done, {
        {"drain",   10, qri_geo_drain,       qri_geo_undrain, false, false},
        {"switch",  50, qri_geo_switch,      qri_geo_undrain, false, false},
        {"open",    80, qri_geo_open,        NULL,            false, true }}},
    [QR_OPERATION_VERIFY] = {"verify", qri_copy_begin, true, NULL, {
        {"storage", 10, qri_make_storage,    qri_verify_remove, true,  false},
        {"check",   50, qri_verify_check,    NULL,              true,  false},
        {"remove",  90, qri_verify_remove,   NULL,              false, true }}},
    [QR_OPERATION_MIGRATE] = {"migrate", qri_move_begin, true, qri_move_done, {
        {"copy",    10, qri_move_copy,       qri_move_uncopy, true,  false},
        {"cutover", 85, qri_move_cut,        qri_move_uncut,  false, false},
        {"switch",  90, qri_move_switch,     NULL,            false, false},
        {"open",    95, qri_move_open,       NULL,            false, true }}},
    [QR_OPERATION_REVERSE_MIGRATE] = {"reverse-migrate", qri_move_begin, true, qri_move_done, {
        {"copy",    10, qri_move_copy,       qri_move_uncopy, true,  false},
        {"cutover", 85, qri_move_cut,        qri_move_uncut,  false, false},
        {"switch",  90, qri_move_switch,     NULL,            false, false},
        {"open",    95, qri_move_open,       NULL,            false, true }}},
    [QR_OPERATION_DROP_SERVER] = {"drop-server", qri_drop_server_begin, false, qri_tell_done, {
        {"hold",    5,  qri_drop_server_hold,   qri_drop_server_release, false, false},
        {"mark",    20, qri_drop_server_mark,   NULL,          false, true },
        {"remove",  30, qri_drop_server_remove, NULL,          false, true }}},
    [QR_OPERATION_POOL_CREATE] = {"create-pool", qri_pool_begin, false, NULL, {
        {"record",  50, qri_pool_record,     NULL,          false, false}}},
    [QR_OPERATION_POOL_UPDATE] = {"update-pool", qri_pool_begin, false, NULL, {
        {"record",  50, qri_pool_record,     NULL,          false, false}}},
    [QR_OPERATION_POOL_DROP] = {"drop-pool", qri_pool_drop_begin, false, NULL, {
        {"record",  50, qri_pool_drop_record, NULL,         false, false}}},
    [QR_OPERATION_DROP_GROUP] = {"drop-group", qri_drop_group_begin, false, NULL, {
        {"servers", 5,  qri_drop_group_servers, NULL,       true,  false},
        {"record",  95, qri_drop_group_record,  NULL,       false, false}}},
    /* clang-format on */
};

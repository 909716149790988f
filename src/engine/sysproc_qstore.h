/* sysproc_qstore.h - procedures of Query Store, rows of sysproc.c. */
#pragma once
#include "sysproc.h"

qri_sysproc_fn qri_sp_query_store_flush_db, qri_sp_query_store_remove_query,
    qri_sp_query_store_remove_plan, qri_sp_query_store_reset_exec_stats, qri_sp_query_store_force;

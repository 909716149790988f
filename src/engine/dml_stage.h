/* dml_stage.h - between the dml_*.c files that stage and run. */
#pragma once
#include "dml_int.h"

/* Fills run->changes from the VALUES rows or the staging SELECT. */
QR_NODISCARD enum qr_status qri_stage(struct qri_run *run);
/* The same from rows that INSERT EXEC has collected: pairwise with the inserted columns. */
QR_NODISCARD enum qr_status qri_stage_exec(struct qri_run *run, struct qr_rowset *rows);
/* The only row of an INSERT's VALUES, complete, as the first part of run->row. */
QR_NODISCARD enum qr_status qri_one_row(struct qri_run *run, int64_t *ret_rowid);
/* Runs INSERT's EXEC and collects its result rows, converted to the inserted columns' types. */
QR_NODISCARD enum qr_status qri_collect_exec(struct qri_run *run, struct qr_rowset **ret_rows);

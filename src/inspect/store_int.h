/* store_int.h - between store.c and store_log.c. */
#pragma once
#include "inspect_int.h"
#include "page/datafile.h"

/* The newer of the valid slots; false: there is none, and that is reported. */
bool qri_data_header(struct qri_run *run, struct qr_file *file, struct qr_data_header *ret_header);
/* From where the header says (NULL: from the first segment there is). *ret_end: 0 unless the log is
 * whole. */
void qri_look_at_store_log(struct qri_run *run, const char *dir,
                           const struct qr_data_header *header, uint64_t *ret_end);

/* functions_int.h - between the functions_*.c files. */
#pragma once
#include "link.h"

/* Memory of one function call that SQLite makes. Nested calls (a function runs a statement that
 * calls functions) each have their own; `own` serves the deep ones. */
struct qr_arena *qri_function_begin(struct qr_session *session, struct qr_arena *own);
void qri_function_end(struct qr_session *session, struct qr_arena *arena, struct qr_arena *own);

int qri_sorted_register(struct qri_link *link); /* qaggs */
int qri_for_register(struct qri_link *link);    /* qfor */

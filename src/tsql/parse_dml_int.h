/* parse_dml_int.h - what INSERT, UPDATE, DELETE and MERGE share; see parse_int.h */
#pragma once
#include "parse_int.h"

struct qr_ast_source *qri_p_dml_target(struct qri_parser *p, bool insert);
void qri_p_outputs(struct qri_parser *p, struct qr_ast_outputs *outputs);   /* OUTPUT ..., if any */
void qri_p_column_names(struct qri_parser *p, struct qr_ast_names *names);  /* ( name, ... ) */
void qri_p_set_items(struct qri_parser *p, struct qr_ast_set_items *items); /* after SET */

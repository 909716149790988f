/* parse_ddl_int.h - what the files that read definitions share; see parse_int.h */
#pragma once
#include "parse_int.h"

/* parse_table.c */
void qri_p_table_def(struct qri_parser *p, struct qr_ast_table_def *def); /* ( element, ... ) */
void qri_p_table_element(struct qri_parser *p, struct qr_ast_table_def *def);
struct qr_ast_stmt *qri_p_create_table(struct qri_parser *p); /* at TABLE, as all of these */
/* parse_column.c */
void qri_p_masked(struct qri_parser *p, struct qr_ast_column_def *column); /* after MASKED */
void qri_p_column_def(struct qri_parser *p, struct qr_ast_column_def *column);
/* parse_constraint.c */
bool qri_p_at_constraint(const struct qri_parser *p);
/* `table_level` constraints list their columns. */
void qri_p_constraint(struct qri_parser *p, struct qr_ast_constraint *constraint, bool table_level);
void qri_p_default(struct qri_parser *p, struct qr_ast_constraint *constraint);
void qri_p_key_columns(struct qri_parser *p,
                       struct qr_ast_order *columns); /* ( c [ASC|DESC], ... ) */
void qri_p_index_options(struct qri_parser *p,
                         struct qr_ast_options *options); /* WITH ..., if any */
/* ON filegroup | scheme(column), if any: the scheme */
struct qr_str qri_p_storage(struct qri_parser *p);
/* parse_index.c */
void qri_p_inline_index(struct qri_parser *p, struct qr_ast_index_def *def);
struct qr_ast_stmt *qri_p_create_index(struct qri_parser *p);
struct qr_ast_stmt *qri_p_alter_index(struct qri_parser *p);
struct qr_ast_stmt *qri_p_create_statistics(struct qri_parser *p);
/* parse_alter_table.c */
struct qr_ast_stmt *qri_p_alter_table(struct qri_parser *p);
/* parse_module.c, parse_function.c, parse_trigger.c */
void qri_p_params(struct qri_parser *p, struct qr_ast_params *params);
void qri_p_module_options(struct qri_parser *p,
                          struct qr_ast_options *options); /* WITH ..., if any */
struct qr_str qri_p_external_name(struct qri_parser *p);   /* EXTERNAL NAME a.b.c, if there */
void qri_p_module_body(struct qri_parser *p, struct qr_ast_stmts *body, bool value_returned);
struct qr_ast_stmt *qri_p_view(struct qri_parser *p, enum qr_ast_action action);
struct qr_ast_stmt *qri_p_procedure(struct qri_parser *p, enum qr_ast_action action);
struct qr_ast_stmt *qri_p_function(struct qri_parser *p, enum qr_ast_action action);
struct qr_ast_stmt *qri_p_trigger(struct qri_parser *p, enum qr_ast_action action);
/* parse_object.c */
struct qr_ast_stmt *qri_p_create_schema(struct qri_parser *p);
struct qr_ast_stmt *qri_p_alter_schema(struct qri_parser *p);
struct qr_ast_stmt *qri_p_create_type(struct qri_parser *p);
struct qr_ast_stmt *qri_p_create_sequence(struct qri_parser *p);
struct qr_ast_stmt *qri_p_alter_sequence(struct qri_parser *p);
struct qr_ast_stmt *qri_p_create_synonym(struct qri_parser *p);
struct qr_ast_stmt *qri_p_create_default_rule(struct qri_parser *p);
/* parse_security.c */
struct qr_str qri_p_class(struct qri_parser *p); /* "SCHEMA" of SCHEMA::x, if there */
struct qr_ast_stmt *qri_p_create_principal(struct qri_parser *p);
struct qr_ast_stmt *qri_p_alter_principal(struct qri_parser *p);
struct qr_ast_stmt *qri_p_alter_authorization(struct qri_parser *p);
/* parse_policy.c */
struct qr_ast_stmt *qri_p_create_policy(struct qri_parser *p);
struct qr_ast_stmt *qri_p_alter_policy(struct qri_parser *p);
/* parse_database.c */
struct qr_ast_stmt *qri_p_create_database(struct qri_parser *p);
struct qr_ast_stmt *qri_p_alter_database(struct qri_parser *p);

/* The statement's head begins at the CREATE or ALTER before the current token. */
void *qri_p_ddl_stmt(struct qri_parser *p, size_t bytes, enum qr_ast_stmt_kind kind);

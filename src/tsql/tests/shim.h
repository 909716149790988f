/* shim.h - runs compiled plans on a plain in-memory SQLite, to prove what they mean without the
 * engine. Tables are made from short descriptions; functions that plans call are registered over
 * expr's evaluator; DML is applied row by row after staging. For tests only. */
#pragma once
#include <sqlite3.h>
#include "base/arena.h"
#include "base/buf.h"
#include "expr/eval.h"
#include "tsql/parse.h"
#include "tsql/plan.h"

enum { SHIM_OBJECTS_MAX = 64, SHIM_VARS_MAX = 16 };

struct shim {
    struct qr_arena arena; /* of the catalog */
    struct qr_arena work;  /* of one statement */
    struct qr_catalog catalog;
    struct qr_cat_schema schemas[2];
    const struct qr_cat_object *objects[SHIM_OBJECTS_MAX];
    struct qr_bind_var vars[SHIM_VARS_MAX];
    struct qr_value values[SHIM_VARS_MAX];
    size_t var_count;
    struct qr_bind_env env;
    struct qr_eval_settings settings;
    sqlite3 *db;
    struct qr_err err;   /* of a function that failed inside SQLite */
    struct qr_buf out;   /* rows as text: columns by '|', rows by '\n' */
    bool prefer_direct;  /* run the direct form of UPDATE and DELETE where there is one */
    size_t direct_count; /* how often that was */
    bool print_sql;
    struct qr_buf locks; /* what was locked: "S t " before, "s t(1) " as rows were found */
    const char *busy;    /* first key column's text of a row that is somebody else's: READPAST */
};

void shim_init(struct shim *s);
void shim_done(struct shim *s);
/* "a int pk, b varchar(20) null, c decimal(10,2) default ((1))": words after the type in any order:
 * pk, null, identity, unique, default (text), as (text), persisted. */
void shim_table(struct shim *s, const char *name, const char *columns);
void shim_module(struct shim *s, enum qr_cat_type type, const char *name, const char *params,
                 const char *text);
void shim_var(struct shim *s, const char *name, const char *type, const char *expr);
/* Before the first statement. */
void shim_freeze(struct shim *s);
/* Runs a batch of statements; returns the rows of its SELECTs and OUTPUTs, or "error N". Valid
 * until the next call. */
const char *shim_run(struct shim *s, const char *sql);
/* The SQLite text that a statement becomes. */
const char *shim_text(struct shim *s, const char *sql);

/* shim_lock.c */
void shim_lock_register(struct shim *s);

/* shim_functions.c */
void shim_register(struct shim *s);
enum qr_status shim_bind(struct shim *s, sqlite3_stmt *stmt, const struct qr_plan_sql *sql,
                         const struct qr_value *args);
struct qr_value shim_cell(struct shim *s, sqlite3_value *v, const struct qr_type *type);
void shim_eval_init(struct shim *s, struct qr_eval *eval);

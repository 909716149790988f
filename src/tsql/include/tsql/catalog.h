/* tsql/catalog.h - an immutable picture of one database's metadata, as the binder sees it.
 *
 * Pure data: no I/O, no SQLite. A catalog is built once (catalog_build.c or the engine's loader),
 * then frozen, reference-counted and read by any number of threads without locks. A DDL statement
 * makes a new catalog that shares nothing mutable with the old one.
 *
 * Names: objects are found by (schema_id, name) under the catalog's collation, here without case.
 * In SQLite a table is `t<object_id>`, a column `c<column_id>`, an index `i<object_id>_<index_id>`;
 * no user name ever reaches SQLite ([TSQL.md] 1). System tables and DMVs are objects of the static
 * system catalog, are SQLite virtual tables and carry their SQLite name in `vtab`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/map.h"
#include "base/status.h"
#include "base/str.h"
#include "codec/type.h"

enum {
    QR_SCHEMA_DBO = 1,
    QR_SCHEMA_GUEST = 2,
    QR_SCHEMA_INFORMATION_SCHEMA = 3,
    QR_SCHEMA_SYS = 4,
    QR_SCHEMA_FIRST_USER = 5,
    QR_CAT_COLUMNS_MAX = 1024,   /* SQL Server: 1,024 columns a table */
    QR_CAT_KEY_COLUMNS_MAX = 32, /* 32 key columns an index */
    QR_CAT_NAME_CHARS_MAX = 128,
};
#define QR_EXECUTE_AS_OWNER UINT32_MAX /* of the module, whoever that is */

/* sys.objects.type, two characters; the order has no meaning. */
enum qr_cat_type {
    QR_CAT_TABLE,       /* U  */
    QR_CAT_VIEW,        /* V  */
    QR_CAT_PROC,        /* P  */
    QR_CAT_FN_SCALAR,   /* FN */
    QR_CAT_FN_INLINE,   /* IF */
    QR_CAT_FN_TABLE,    /* TF */
    QR_CAT_TRIGGER,     /* TR */
    QR_CAT_PK,          /* PK */
    QR_CAT_UNIQUE,      /* UQ */
    QR_CAT_FK,          /* F  */
    QR_CAT_CHECK,       /* C  */
    QR_CAT_DEFAULT,     /* D  */
    QR_CAT_SYNONYM,     /* SN */
    QR_CAT_SEQUENCE,    /* SO */
    QR_CAT_TABLE_TYPE,  /* TT */
    QR_CAT_SYSTEM_VIEW, /* V or S, in the system catalog */
    QR_CAT_POLICY,      /* SP */
    QR_CAT_TYPE_COUNT
};

/* How the rows of a table are kept in SQLite ([TSQL.md] 2). */
enum qr_cat_storage {
    QR_STORE_ROWID, /* INTEGER PRIMARY KEY is the one-integer-column clustered key `rowid_column` */
    QR_STORE_KEYED, /* WITHOUT ROWID, PRIMARY KEY = the unique clustered index */
    QR_STORE_HEAP,  /* hidden rowid from a counter; SQLite's own name for it is `rowid` */
    QR_STORE_VTAB,  /* system view: a virtual table named `vtab`, read-only, key is `rowid` */
    QR_STORE_ROWSET, /* table variable, inserted/deleted, TVP: virtual table over our row store */
};

struct qr_cat_column {
    uint32_t column_id; /* 1-based, never reused within its table */
    struct qr_str name;
    struct qr_type type;   /* base type with its collation */
    uint32_t user_type_id; /* 0 = the system type itself; else an alias type's id */
    bool nullable;
    bool is_identity;
    bool is_computed, is_persisted;
    bool is_rowguidcol;
    bool is_sparse;
    bool is_hidden;
    bool identity_not_for_replication;
    int64_t identity_seed, identity_increment;
    struct qr_str default_text; /* T-SQL text of the DEFAULT as stored, e.g. "((0))"; n = 0: none */
    struct qr_str default_name;
    uint32_t default_object_id;
    bool default_is_system_named;
    struct qr_str computed_text; /* T-SQL text of a computed column */
    struct qr_str mask;          /* masking function as it is shown; n = 0: none */
};

struct qr_cat_index_column {
    uint32_t column_id;
    bool is_descending;
    bool is_included; /* not part of the key */
};

struct qr_cat_index {
    uint32_t index_id; /* 1 = clustered, 2.. = others; a heap has no index row 0 here */
    struct qr_str name;
    bool is_unique, is_primary_key, is_unique_constraint, is_clustered, is_disabled;
    bool ignore_dup_key;
    bool is_system_named;
    bool has_null_guard; /* second partial unique index i<obj>_<idx>n holds "one NULL" */
    uint8_t fill_factor;
    uint32_t constraint_object_id;       /* of the PK/UQ object, 0 for a plain index */
    struct qr_str filter_text;           /* T-SQL text, n = 0: none */
    struct qr_cat_index_column *columns; /* key columns first, in key order, then included */
    size_t column_count, key_count;
};

/* What CREATE STATISTICS made; those of indexes are not kept. */
struct qr_cat_stats {
    uint32_t stats_id; /* numbers and names are shared with the table's indexes */
    struct qr_str name, filter_text;
    uint32_t *columns; /* column ids */
    size_t column_count;
    bool no_recompute, is_incremental;
};

enum qr_cat_fk_action { QR_FK_NO_ACTION, QR_FK_CASCADE, QR_FK_SET_NULL, QR_FK_SET_DEFAULT };

struct qr_cat_fk {
    uint32_t object_id; /* of the F object */
    struct qr_str name;
    uint32_t parent_object_id;     /* the referencing table */
    uint32_t referenced_object_id; /* the referenced table */
    uint32_t referenced_index_id;
    uint32_t *parent_columns, *referenced_columns; /* column ids, pairwise */
    size_t column_count;
    enum qr_cat_fk_action on_delete, on_update;
    bool is_disabled, is_not_trusted, is_system_named, not_for_replication;
};

struct qr_cat_check {
    uint32_t object_id;
    struct qr_str name;
    struct qr_str text; /* as stored, e.g. "([a]>(0))" */
    uint32_t column_id; /* 0 = table level */
    bool is_disabled, is_not_trusted, is_system_named, not_for_replication;
};

struct qr_cat_param {
    uint32_t parameter_id; /* 1-based; 0 = return value of a scalar function */
    struct qr_str name;    /* with the @ */
    struct qr_type type;
    uint32_t user_type_id; /* alias or table type */
    bool is_output, is_readonly, has_default, is_nullable;
    struct qr_str default_text; /* T-SQL literal text */
};

/* Of a security policy: a function of the row says whether it is seen, or may be changed so. */
struct qr_cat_predicate {
    uint32_t predicate_id;
    uint32_t target_id;   /* table or view */
    uint32_t function_id; /* as it was when the predicate was made */
    bool is_block;        /* else it filters */
    uint8_t operation;    /* enum qr_policy_operation of tsql/ast_ddl.h */
    struct qr_str text;   /* the call, "([rls].[f]([tenant]))" */
};

/* HISTORY_RETENTION_PERIOD; the numbers are those of sys.tables and on disk. */
enum qr_cat_retention {
    QR_RETENTION_INFINITE = 0,
    QR_RETENTION_DAY = 3,
    QR_RETENTION_WEEK = 4,
    QR_RETENTION_MONTH = 5,
    QR_RETENTION_YEAR = 6,
};

struct qr_cat_object {
    uint32_t object_id; /* > 0; never reused in a database */
    uint32_t schema_id;
    uint32_t parent_object_id; /* of constraints and triggers: their table */
    uint32_t owner_id;         /* a principal's; 0: its schema's owner */
    struct qr_str name;
    enum qr_cat_type type;
    enum qr_cat_storage storage;
    const char *vtab;                   /* QR_STORE_VTAB: SQLite module name, e.g. "sys_objects";
                                           that of tempdb is "tempdb_sys_objects" */
    uint64_t version;                   /* changes whenever anything of this object changes */
    int64_t create_ticks, modify_ticks; /* datetime2 ticks, UTC */

    struct qr_cat_column *columns; /* tables, views (derived at creation), table types, TF */
    size_t column_count;
    uint32_t rowid_column;        /* column id of the rowid alias for QR_STORE_ROWID, else 0 */
    uint32_t identity_column;     /* column id, 0 = none */
    uint32_t rowversion_column;   /* column id, 0 = none */
    struct qr_cat_index *indexes; /* clustered first */
    size_t index_count;
    struct qr_cat_fk *fks; /* where this table is the referencing one */
    size_t fk_count;
    const struct qr_cat_fk **referenced_by; /* foreign keys of others (and own) that point here */
    size_t referenced_by_count;
    struct qr_cat_check *checks;
    size_t check_count;
    const struct qr_cat_object **triggers; /* enabled or not, creation order */
    size_t trigger_count;
    const struct qr_cat_object **policies; /* that have predicates on it, enabled or not */
    size_t policy_count;
    struct qr_cat_stats *stats;
    size_t stats_count;
    uint32_t period_start, period_end; /* column ids of PERIOD FOR SYSTEM_TIME; 0: none */
    uint32_t history_id;               /* system-versioned: where earlier versions of rows go */
    uint32_t history_of;               /* a history table: of which table */
    enum qr_cat_retention retention;   /* system-versioned: unit of ... */
    uint32_t retention_count;
    uint64_t links; /* differs when one of the above lists does, or what it points to */

    struct qr_str text; /* whole CREATE text of a module or view; synonym: base name */
    bool uses_ansi_nulls, uses_quoted_identifier, is_schema_bound, is_disabled, with_check_option;
    bool is_system_named;
    bool is_ms_shipped, is_in_master_only;
    uint32_t execute_as;    /* a principal's; 0: CALLER */
    uint8_t trigger_events; /* bit 0 insert, 1 update, 2 delete */
    bool trigger_instead_of;
    struct qr_cat_param *params; /* procedures and functions */
    size_t param_count;

    /* security policy; `is_disabled` is STATE = OFF */
    struct qr_cat_predicate *predicates; /* by id */
    size_t predicate_count;
    uint32_t next_predicate_id;
    bool not_for_replication;

    /* sequence */
    struct qr_type sequence_type;
    int64_t sequence_start, sequence_increment, sequence_min, sequence_max;
    bool sequence_cycle;
};

struct qr_cat_schema {
    uint32_t schema_id;
    uint32_t principal_id;
    struct qr_str name;
};

/* CREATE TYPE … FROM; table types are objects plus a row here. */
struct qr_cat_usertype {
    uint32_t user_type_id; /* > 256 */
    uint32_t schema_id;
    struct qr_str name;
    struct qr_type type;
    bool nullable;
    uint32_t table_object_id; /* table types: their TT object, else 0 */
    uint32_t owner_id;        /* a principal's; 0: its schema's owner */
};

struct qr_catalog {
    uint64_t version; /* grows with every DDL commit in this database */
    struct qr_str database_name;
    uint32_t database_id;
    uint16_t collation_id; /* of the database: codec/collation.h */
    struct qr_cat_schema *schemas;
    size_t schema_count;
    struct qr_cat_usertype *usertypes;
    size_t usertype_count;
    const struct qr_cat_object **objects; /* by object_id ascending */
    size_t object_count;
    struct qr_map by_name; /* key: schema_id in 8 hexadecimal digits, then the name; fold_case */
    uint32_t next_object_id, next_user_type_id, next_schema_id;
};

const struct qr_cat_schema *qr_cat_schema_find(const struct qr_catalog *cat, struct qr_str name);
const struct qr_cat_schema *qr_cat_schema_by_id(const struct qr_catalog *cat, uint32_t schema_id);
const struct qr_cat_object *qr_cat_find(const struct qr_catalog *cat, uint32_t schema_id,
                                        struct qr_str name);
const struct qr_cat_object *qr_cat_by_id(const struct qr_catalog *cat, uint32_t object_id);
const struct qr_cat_column *qr_cat_column_find(const struct qr_cat_object *obj, struct qr_str name);
const struct qr_cat_column *qr_cat_column_by_id(const struct qr_cat_object *obj,
                                                uint32_t column_id);
/* Who owns it: its own owner, or that of its schema; constraints and triggers are their table's. */
uint32_t qr_cat_owner(const struct qr_catalog *cat, const struct qr_cat_object *obj);
/* GENERATED ALWAYS AS ROW START or END: the engine alone gives it values. */
bool qr_cat_is_period(const struct qr_cat_object *obj, const struct qr_cat_column *column);
size_t qr_cat_column_index(const struct qr_cat_object *obj,
                           uint32_t column_id); /* SIZE_MAX: none */
const struct qr_cat_usertype *qr_cat_usertype_find(const struct qr_catalog *cat, uint32_t schema_id,
                                                   struct qr_str name);
const struct qr_cat_usertype *qr_cat_usertype_by_id(const struct qr_catalog *cat, uint32_t id);
/* How many of the index's leading columns can bound an interval of its keys that is locked; 0: it
 * does not hold all rows, or the values of its first column are not known in every row. */
size_t qr_cat_range_columns(const struct qr_cat_object *obj, const struct qr_cat_index *index);
const struct qr_cat_index *qr_cat_clustered(const struct qr_cat_object *obj); /* NULL for a heap */
const char *qr_cat_type_code(enum qr_cat_type type);                          /* "U ", "V ", … */
const char *qr_cat_type_desc(enum qr_cat_type type); /* "USER_TABLE", … */

/* Completes a catalog whose arrays are filled: sorts objects, links triggers and referenced_by,
 * builds by_name. Arrays come from `arena`, which lives as long as the catalog; the map has memory
 * of its own, so qr_cat_done must follow, also after a failure. */
QR_NODISCARD enum qr_status qr_cat_freeze(struct qr_catalog *cat, struct qr_arena *arena,
                                          struct qr_err *err);
void qr_cat_done(struct qr_catalog *cat);

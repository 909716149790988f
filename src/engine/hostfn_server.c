/* hostfn_server.c - SERVERPROPERTY, DB_NAME, LOGINPROPERTY and what else asks about the
 * server and its databases; see hostfn.h. */
#include "hostfn_int.h"
#include "codec/collation.h"
#include "base/banned.h"

/* ---- databases ---- */

struct find_database {
    struct qr_str name;
    int64_t id;
    struct qr_str found_name;
    struct qr_database_info found; /* its tier and size */
    int64_t found_id;
    struct qr_arena *arena;
};

static enum qr_status look_at(void *ctx, const struct qr_database_info *info)
{
    struct find_database *f = ctx;
    bool match = f->name.p != NULL ? qr_str_ieq(info->name, f->name) : info->database_id == f->id;
    if (match) {
        f->found_id = info->database_id;
        f->found_name = qr_arena_str(f->arena, info->name);
        f->found = (struct qr_database_info){
            .edition = qr_arena_str(f->arena, info->edition),
            .service_objective = qr_arena_str(f->arena, info->service_objective),
            .max_bytes = info->max_bytes,
        };
    }
    return QR_OK;
}

static bool find_database(const struct qri_host_call *h, struct find_database *f)
{
    const struct qr_instance_host *host = &h->session->db->instance->options.host;
    f->arena = h->eval->arena;
    f->found_id = 0;
    return host->each_database(host->ctx, h->session->db->info.server_id, look_at, f) == QR_OK &&
           f->found_id != 0;
}

static enum qr_status db_id(struct qri_host_call *h)
{
    if (h->arg_count == 0)
        return qri_host_int(h, h->session->db->info.database_id);
    struct qr_str name = qri_host_arg_text(h, 0);
    if (qr_str_ieqz(name, "tempdb"))
        return qri_host_int(h, 2);
    struct find_database f = {.name = name};
    return find_database(h, &f) ? qri_host_int(h, f.found_id) : qri_host_null(h);
}

static enum qr_status db_name(struct qri_host_call *h)
{
    if (h->arg_count == 0 || qri_host_arg_int(h, 0) == h->session->db->info.database_id)
        return qri_host_text(h, qri_info(h->session->db)->name);
    if (qri_host_arg_int(h, 0) == 2)
        return qri_host_text(h, qr_str("tempdb"));
    struct find_database f = {.id = qri_host_arg_int(h, 0)};
    return find_database(h, &f) ? qri_host_text(h, f.found_name) : qri_host_null(h);
}

static bool is_known_database(const struct qri_host_call *h, struct qr_str name)
{
    struct find_database f = {.name = name};
    return qr_str_ieq(name, qri_info(h->session->db)->name) || qr_str_ieqz(name, "tempdb") ||
           find_database(h, &f);
}

/* One row is one property: a text, or a number where text is NULL. */
struct property {
    const char *name;
    const char *text;
    int number;
};

static enum qr_status answer(struct qri_host_call *h, const struct property *rows, size_t count,
                             struct qr_str name, bool variant)
{
    name = qr_str_trim(name);
    for (size_t i = 0; i < count; i++) {
        if (!qr_str_ieqz(name, rows[i].name))
            continue;
        if (rows[i].text != NULL)
            return variant ? qri_host_variant_text(h, qr_str(rows[i].text))
                           : qri_host_text(h, qr_str(rows[i].text));
        return variant ? qri_host_variant_int(h, rows[i].number) : qri_host_int(h, rows[i].number);
    }
    return qri_host_null(h);
}

/* What a scale changes while the database is open is asked of control. */
static bool is_of_tier(struct qr_str name)
{
    return qr_str_ieqz(name, "Edition") || qr_str_ieqz(name, "ServiceObjective") ||
           qr_str_ieqz(name, "MaxSizeInBytes");
}

static enum qr_status tier_property(struct qri_host_call *h, struct qr_str name)
{
    struct find_database f = {.name = qri_host_arg_text(h, 0)};
    if (!find_database(h, &f)) /* control cannot be asked just now */
        f.found = *qri_info(h->session->db);
    if (qr_str_ieqz(name, "Edition"))
        return qri_host_variant_text(h, f.found.edition);
    if (qr_str_ieqz(name, "ServiceObjective"))
        return qri_host_variant_text(h, f.found.service_objective);
    struct qr_type type = qr_type_of(QR_TYPE_BIGINT);
    struct qr_value v = qr_value_int((int64_t)f.found.max_bytes);
    return qr_variant_make(h->eval->arena, &type, &v, h->ret_value);
}

static enum qr_status databasepropertyex(struct qri_host_call *h)
{
    static const struct property rows[] = {
        {"Status", "ONLINE", 0},
        {"Updateability", "READ_WRITE", 0},
        {"UserAccess", "MULTI_USER", 0},
        {"Recovery", "FULL", 0},
        {"ComparisonStyle", NULL, 196609},
        {"LCID", NULL, 1033},
        {"SQLSortOrder", NULL, 52},
        {"IsAutoClose", NULL, 0},
        {"IsAutoCreateStatistics", NULL, 1},
        {"IsAutoUpdateStatistics", NULL, 1},
        {"IsAutoShrink", NULL, 0},
        {"IsAnsiNullDefault", NULL, 0},
        {"IsAnsiNullsEnabled", NULL, 0},
        {"IsAnsiPaddingEnabled", NULL, 0},
        {"IsAnsiWarningsEnabled", NULL, 0},
        {"IsArithmeticAbortEnabled", NULL, 0},
        {"IsCloseCursorsOnCommitEnabled", NULL, 0},
        {"IsFulltextEnabled", NULL, 0},
        {"IsInStandBy", NULL, 0},
        {"IsLocalCursorsDefault", NULL, 0},
        {"IsMergePublished", NULL, 0},
        {"IsNullConcat", NULL, 0},
        {"IsNumericRoundAbortEnabled", NULL, 0},
        {"IsParameterizationForced", NULL, 0},
        {"IsQuotedIdentifiersEnabled", NULL, 0},
        {"IsPublished", NULL, 0},
        {"IsRecursiveTriggersEnabled", NULL, 0},
        {"IsSubscribed", NULL, 0},
        {"IsSyncWithBackup", NULL, 0},
        {"IsTornPageDetectionEnabled", NULL, 0},
        {"Version", NULL, 904},
    };
    struct qr_str name = qr_str_trim(qri_host_arg_text(h, 1));
    if (!is_known_database(h, qri_host_arg_text(h, 0)))
        return qri_host_null(h);
    bool ex = h->func == QR_HOST_DATABASEPROPERTYEX;
    if (ex && qr_str_ieqz(name, "Collation"))
        return qri_host_variant_text(h, qr_str(qr_collation_get(QR_COLLATION_DEFAULT)->name));
    if (ex && is_of_tier(name))
        return tier_property(h, name);
    if (ex && qr_str_ieqz(name, "Updateability") && qr_store_is_read_only(h->session->db->store))
        return qri_host_variant_text(h, qr_str("READ_ONLY"));
    return answer(h, rows, sizeof rows / sizeof rows[0], name, ex);
}

static enum qr_status collationproperty(struct qri_host_call *h)
{
    const struct qr_collation *c = qr_collation_find(qr_str_trim(qri_host_arg_text(h, 0)));
    struct qr_str p = qr_str_trim(qri_host_arg_text(h, 1));
    if (c == NULL)
        return qri_host_null(h);
    if (qr_str_ieqz(p, "CodePage"))
        return qri_host_variant_int(h, c->code_page);
    if (qr_str_ieqz(p, "LCID"))
        return qri_host_variant_int(h, c->lcid);
    if (qr_str_ieqz(p, "ComparisonStyle"))
        return qri_host_variant_int(h, c->style);
    if (qr_str_ieqz(p, "Version"))
        return qri_host_variant_int(h, c->version);
    if (qr_str_ieqz(p, "CollationID"))
        return qri_host_variant_int(h, (int64_t)c->id);
    return qri_host_null(h);
}

/* ---- the server ---- */

static enum qr_status serverproperty(struct qri_host_call *h)
{
    static const struct property rows[] = {
        {"BuildClrVersion", "v4.0.30319", 0},
        {"Collation", "SQL_Latin1_General_CP1_CI_AS", 0},
        {"CollationID", NULL, 872468488},
        {"ComparisonStyle", NULL, 196609},
        {"Edition", "SQL Azure", 0},
        {"EditionID", NULL, 1674378470},
        {"EngineEdition", NULL, 5},
        {"FilestreamConfiguredLevel", NULL, 0},
        {"FilestreamEffectiveLevel", NULL, 0},
        {"HadrManagerStatus", NULL, 2},
        {"IsAdvancedAnalyticsInstalled", NULL, 0},
        {"IsClustered", NULL, 0},
        {"IsExternalAuthenticationOnly", NULL, 0},
        {"IsFullTextInstalled", NULL, 0},
        {"IsHadrEnabled", NULL, 0},
        {"IsIntegratedSecurityOnly", NULL, 0},
        {"IsLocalDB", NULL, 0},
        {"IsPolyBaseInstalled", NULL, 0},
        {"IsSingleUser", NULL, 0},
        {"IsTempDbMetadataMemoryOptimized", NULL, 0},
        {"IsXTPSupported", NULL, 0},
        {"LCID", NULL, 1033},
        {"LicenseType", "DISABLED", 0},
        {"ProductLevel", "RTM", 0},
        {"ProductMajorVersion", "12", 0},
        {"ProductMinorVersion", "0", 0},
        {"ProductBuild", "2000", 0},
        {"ProductVersion", "12.0.2000.8", 0},
        {"ResourceVersion", "15.00.2000", 0},
        {"SqlCharSet", NULL, 1},
        {"SqlCharSetName", "iso_1", 0},
        {"SqlSortOrder", NULL, 52},
        {"SqlSortOrderName", "nocase_iso", 0},
    };
    struct qr_str p = qr_str_trim(qri_host_arg_text(h, 0));
    if (qr_str_ieqz(p, "ServerName") || qr_str_ieqz(p, "MachineName"))
        return qri_host_variant_text(h, qr_database_server_name(h->session->db));
    if (qr_str_ieqz(p, "ProcessID"))
        return qri_host_null(h);
    return answer(h, rows, sizeof rows / sizeof rows[0], p, true);
}

static enum qr_status zero(struct qri_host_call *h)
{
    return qri_host_int(h, 0);
}

/* ---- access ---- */

static enum qr_status has_dbaccess(struct qri_host_call *h)
{
    if (!is_known_database(h, qri_host_arg_text(h, 0)))
        return qri_host_null(h);
    bool is_own = qr_str_ieq(qri_host_arg_text(h, 0), qri_info(h->session->db)->name);
    return qri_host_int(h, is_own || (h->session->login.is_admin && h->session->is_owner));
}

static enum qr_status loginproperty(struct qri_host_call *h)
{
    static const struct property rows[] = {
        {"IsLocked", NULL, 0},
        {"IsExpired", NULL, 0},
        {"IsMustChange", NULL, 0},
        {"BadPasswordCount", NULL, 0},
        {"DefaultDatabase", "master", 0},
        {"DefaultLanguage", "us_english", 0},
    };
    if (!qr_str_ieq(qri_host_arg_text(h, 0), h->session->login.login))
        return qri_host_null(h);
    return answer(h, rows, sizeof rows / sizeof rows[0], qri_host_arg_text(h, 1), true);
}

/* ---- files: one data file, one log, one filegroup ---- */

static enum qr_status file_id(struct qri_host_call *h)
{
    struct qr_str name = qri_host_arg_text(h, 0);
    if (qr_str_ieqz(name, "data_0"))
        return qri_host_int(h, 1);
    return qr_str_ieqz(name, "log") ? qri_host_int(h, 2) : qri_host_null(h);
}

static enum qr_status file_name(struct qri_host_call *h)
{
    switch (qri_host_arg_int(h, 0)) {
    case 1:
        return qri_host_text(h, qr_str("data_0"));
    case 2:
        return qri_host_text(h, qr_str("log"));
    default:
        return qri_host_null(h);
    }
}

static enum qr_status fileproperty(struct qri_host_call *h)
{
    struct qr_store_stats stats;
    struct qr_str name = qri_host_arg_text(h, 0), p = qr_str_trim(qri_host_arg_text(h, 1));
    bool data = qr_str_ieqz(name, "data_0"), log = qr_str_ieqz(name, "log");
    if (!data && !log)
        return qri_host_null(h);
    qr_store_get_stats(h->session->db->store, &stats);
    if (qr_str_ieqz(p, "SpaceUsed"))
        return qri_host_int(h, (int64_t)((data ? stats.used_bytes : stats.log_bytes) / 8192));
    if (qr_str_ieqz(p, "IsPrimaryFile"))
        return qri_host_int(h, data);
    if (qr_str_ieqz(p, "IsLogFile"))
        return qri_host_int(h, log);
    return qr_str_ieqz(p, "IsReadOnly") ? qri_host_int(h, 0) : qri_host_null(h);
}

static enum qr_status filegroup_id(struct qri_host_call *h)
{
    return qr_str_ieqz(qri_host_arg_text(h, 0), "PRIMARY") ? qri_host_int(h, 1) : qri_host_null(h);
}

static enum qr_status filegroup_name(struct qri_host_call *h)
{
    return qri_host_arg_int(h, 0) == 1 ? qri_host_text(h, qr_str("PRIMARY")) : qri_host_null(h);
}

static qri_host_fn *const functions[QR_HOST_COUNT] = {
    [QR_HOST_DB_ID] = db_id,
    [QR_HOST_DB_NAME] = db_name,
    [QR_HOST_ORIGINAL_DB_NAME] = db_name,
    [QR_HOST_DATABASEPROPERTYEX] = databasepropertyex,
    [QR_HOST_DATABASEPROPERTY] = databasepropertyex,
    [QR_HOST_COLLATIONPROPERTY] = collationproperty,
    [QR_HOST_SERVERPROPERTY] = serverproperty,
    [QR_HOST_FULLTEXTSERVICEPROPERTY] = zero,
    [QR_HOST_LOGINPROPERTY] = loginproperty,
    [QR_HOST_HAS_DBACCESS] = has_dbaccess,
    [QR_HOST_FILE_ID] = file_id,
    [QR_HOST_FILE_IDEX] = file_id,
    [QR_HOST_FILE_NAME] = file_name,
    [QR_HOST_FILEPROPERTY] = fileproperty,
    [QR_HOST_FILEGROUP_ID] = filegroup_id,
    [QR_HOST_FILEGROUP_NAME] = filegroup_name,
};

qri_host_fn *qri_hostfn_server(enum qr_host_func func)
{
    return functions[func];
}

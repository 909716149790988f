/* arguments.c - see cli_int.h: every option of every command, one row each. Names are az's. */
#include "cli_int.h"
#include "base/banned.h"

static const char *const formats[] = {"json", "jsonc", "table", "tsv", "yaml", "none", NULL};
static const char *const tiers[] = {"GeneralPurpose", "BusinessCritical", "Hyperscale", "Basic",
                                    "Standard",       "Premium",          NULL};
static const char *const models[] = {"Provisioned", "Serverless", NULL};
static const char *const redundancies[] = {"Local", "Zone", "Geo", "GeoZone", NULL};
static const char *const licenses[] = {"LicenseIncluded", "BasePrice", NULL};
static const char *const states[] = {"Enabled", "Disabled", NULL};
static const char *const secondaries[] = {"Geo", "Named", "Standby", NULL};
static const char *const database_states[] = {"All", "Live", "Deleted", NULL};
static const char *const connections[] = {"Default", "Proxy", "Redirect", NULL};
static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const methods[] = {"get", "put", "patch", "post", "delete", "head", NULL};
static const char *const shells[] = {"bash", NULL};

const struct qri_argument qri_arguments[] = {
    /* clang-format off */
    /* of every command */
    {"help",      "--help -h",          NULL,     "Show what the command takes.", QRI_FLAG, NULL, NULL},
    {"output",    "--output -o",        "FORMAT", "How to print.", QRI_CHOICE, NULL, formats},
    {"query",     "--query",            "QUERY",  "A JMESPath query over the answer.", QRI_TEXT, NULL, NULL},
    {"subscription", "--subscription",  "ID",     "The subscription, if not the instance's own.", QRI_TEXT, NULL, NULL},
    {"no-wait",   "--no-wait",          NULL,     "Return when the operation has been started.", QRI_FLAG, NULL, NULL},
    {"yes",       "--yes -y",           NULL,     "Do not ask.", QRI_FLAG, NULL, NULL},
    /* where */
    {"group",     "--resource-group -g", "GROUP", "The resource group [the instance's].", QRI_TEXT, NULL, NULL},
    {"in-group",  "--resource-group -g", "GROUP", "Only those in the group.", QRI_TEXT, NULL, NULL},
    {"server",    "--server -s",        "SERVER", "The logical server [the instance's].", QRI_TEXT, NULL, NULL},
    {"server-name", "--name -n --server -s", "SERVER", "The logical server [the instance's].", QRI_TEXT, NULL, NULL},
    {"new-server", "--name -n",         "SERVER", "The name of the logical server.", QRI_TEXT, NULL, NULL},
    {"db",        "--name -n --database -d", "DATABASE", "The database.", QRI_TEXT, NULL, NULL},
    {"rule",      "--name -n",          "RULE",   "The name of the rule.", QRI_TEXT, NULL, NULL},
    {"group-name", "--name -n --resource-group -g", "GROUP", "The resource group.", QRI_TEXT, NULL, NULL},
    {"location",  "--location -l",      "REGION", "The region.", QRI_TEXT, "location", NULL},
    {"at-location", "--location -l",    "REGION", "The region.", QRI_TEXT, NULL, NULL},
    /* databases */
    {"edition",   "--edition --tier -e", "TIER",  "The service tier.", QRI_CHOICE, NULL, tiers},
    {"family",    "--family -f",        "FAMILY", "The hardware: Gen5.", QRI_TEXT, NULL, NULL},
    {"capacity",  "--capacity -c",      "N",      "vCores, or DTUs.", QRI_INTEGER, NULL, NULL},
    {"objective", "--service-objective --service-level-objective", "SLO", "The service objective: GP_Gen5_2, HS_Gen5_4, S1, ...", QRI_TEXT, NULL, NULL},
    {"model",     "--compute-model",    "MODEL",  "The compute model.", QRI_CHOICE, NULL, models},
    {"max-size",  "--max-size",         "SIZE",   "The largest size of its data: 200GB.", QRI_SIZE, "properties.maxSizeBytes", NULL},
    {"ha-replicas", "--ha-replicas --read-replicas", "N", "High-availability replicas (Hyperscale).", QRI_INTEGER, "properties.highAvailabilityReplicaCount", NULL},
    {"min-capacity", "--min-capacity",  "VCORES", "The least capacity (serverless).", QRI_NUMBER, "properties.minCapacity", NULL},
    {"auto-pause", "--auto-pause-delay", "MINUTES", "Pause after that time of nothing, -1: never (serverless).", QRI_INTEGER, "properties.autoPauseDelay", NULL},
    {"redundancy", "--backup-storage-redundancy --bsr", "KIND", "How backups are kept.", QRI_CHOICE, "properties.requestedBackupStorageRedundancy", redundancies},
    {"license",   "--license-type",     "LICENSE", "The licence.", QRI_CHOICE, "properties.licenseType", licenses},
    {"read-scale", "--read-scale",      "STATE",  "Whether reads may go to a secondary.", QRI_CHOICE, "properties.readScale", states},
    {"zone",      "--zone-redundant -z", "BOOL",  "Whether it is in several zones.", QRI_SWITCH, "properties.zoneRedundant", NULL},
    {"collation", "--collation",        "COLLATION", "Its collation.", QRI_TEXT, "properties.collation", NULL},
    {"elastic-pool", "--elastic-pool",  "POOL",   "The elastic pool that it is in: its name or id.", QRI_TEXT, NULL, NULL},
    {"in-pool",   "--elastic-pool",     "POOL",   "Only those in the elastic pool.", QRI_TEXT, NULL, NULL},
    {"pool",      "--name -n",          "POOL",   "The elastic pool.", QRI_TEXT, NULL, NULL},
    {"op-pool",   "--elastic-pool --name -n", "POOL", "The elastic pool.", QRI_TEXT, NULL, NULL},
    {"pool-capacity", "--capacity --dtu -c", "N", "vCores, or DTUs, of all of it.", QRI_INTEGER, NULL, NULL},
    {"db-max-capacity", "--db-max-capacity --db-dtu-max", "N", "The most that one database gets of it.", QRI_NUMBER, NULL, NULL},
    {"db-min-capacity", "--db-min-capacity --db-dtu-min", "N", "What each database has for sure.", QRI_NUMBER, NULL, NULL},
    {"pool-size", "--max-size --storage", "SIZE",  "The largest size of all of its data: 200GB.", QRI_SIZE, "properties.maxSizeBytes", NULL},
    {"tags",      "--tags",             "NAME=VALUE...", "Tags, in the place of those before.", QRI_PAIRS, "tags", NULL},
    {"dest",      "--dest-name --dest-database", "DATABASE", "The new database.", QRI_TEXT, NULL, NULL},
    {"dest-server", "--dest-server",    "SERVER", "The server of the new database [the same].", QRI_TEXT, NULL, NULL},
    {"dest-group", "--dest-resource-group", "GROUP", "The group of that server [the same].", QRI_TEXT, NULL, NULL},
    {"new-name",  "--new-name",         "DATABASE", "The new name.", QRI_TEXT, NULL, NULL},
    {"time",      "--time -t",          "TIME",   "The point in time, UTC: 2026-05-04T10:11:12Z.", QRI_TIME, "properties.restorePointInTime", NULL},
    {"deleted-time", "--deleted-time",  "TIME",   "A deleted database: when it was deleted.", QRI_TIME, "properties.sourceDatabaseDeletionDate", NULL},
    {"verify",    "--verify",           NULL,     "Only try it: every page, row and index is read, nothing is kept.", QRI_FLAG, "properties.quireVerifyOnly", NULL},
    {"backup-id", "--backup-id",        "ID",     "The id of a long-term backup, as they are listed.", QRI_TEXT, "properties.longTermRetentionBackupResourceId", NULL},
    {"geo-backup-id", "--geo-backup-id", "ID",    "The id of a database's copied backups, as they are listed.", QRI_TEXT, "properties.recoverableDatabaseId", NULL},
    {"backup",    "--name -n",          "BACKUP", "The name of the backup.", QRI_TEXT, NULL, NULL},
    {"ltr-server", "--server -s",       "SERVER", "Only those of the server.", QRI_TEXT, NULL, NULL},
    {"ltr-db",    "--database -d",      "DATABASE", "Only those of the database of that server.", QRI_TEXT, NULL, NULL},
    {"db-state",  "--database-state --state", "STATE", "Only those of such databases [All].", QRI_CHOICE, NULL, database_states},
    {"latest",    "--only-latest-per-database --latest", "BOOL", "Only the latest of each database.", QRI_SWITCH, NULL, NULL},
    {"op",        "--name -n --operation-id", "ID",  "The operation.", QRI_TEXT, NULL, NULL},
    {"op-db",     "--database -d -n",   "DATABASE", "The database.", QRI_TEXT, NULL, NULL},
    {"partner-server", "--partner-server", "SERVER", "The replica's server [the same].", QRI_TEXT, NULL, NULL},
    {"partner-group", "--partner-resource-group", "GROUP", "The group of that server [the same].", QRI_TEXT, NULL, NULL},
    {"partner-db", "--partner-database", "DATABASE", "The replica's name.", QRI_TEXT, NULL, NULL},
    {"secondary", "--secondary-type",   "KIND",   "The kind of replica.", QRI_CHOICE, "properties.secondaryType", secondaries},
    {"retention", "--retention-days",   "DAYS",   "Days for which any point in time can be restored.", QRI_INTEGER, "properties.retentionDays", NULL},
    {"diff-hours", "--diffbackup-hours", "HOURS", "Hours between differential backups.", QRI_INTEGER, "properties.diffBackupIntervalInHours", NULL},
    {"weekly",    "--weekly-retention", "PERIOD", "How long weekly backups are kept: P4W.", QRI_TEXT, "properties.weeklyRetention", NULL},
    {"monthly",   "--monthly-retention", "PERIOD", "How long monthly backups are kept: P12M.", QRI_TEXT, "properties.monthlyRetention", NULL},
    {"yearly",    "--yearly-retention", "PERIOD", "How long yearly backups are kept: P5Y.", QRI_TEXT, "properties.yearlyRetention", NULL},
    {"week",      "--week-of-year",     "N",      "The week of yearly backups.", QRI_INTEGER, "properties.weekOfYear", NULL},
    {"status",    "--status",           "STATE",  "Enabled or Disabled.", QRI_CHOICE, "properties.state", states},
    {"available", "--available -a",     NULL,     "Only what can be chosen.", QRI_FLAG, NULL, NULL},
    /* servers */
    {"admin-user", "--admin-user -u",   "LOGIN",  "The administrator's login.", QRI_TEXT, "properties.administratorLogin", NULL},
    {"admin-password", "--admin-password -p", "PASSWORD", "The administrator's password [QUIRE_ADMIN_PASSWORD].", QRI_TEXT, "properties.administratorLoginPassword", NULL},
    {"tls",       "--minimal-tls-version", "VERSION", "The oldest TLS that logins may have.", QRI_CHOICE, "properties.minimalTlsVersion", tls_versions},
    {"public",    "--enable-public-network -e", "BOOL", "Whether it may be reached from other machines.", QRI_SWITCH, NULL, NULL},
    {"start-ip",  "--start-ip-address", "ADDRESS", "The first IPv4 address.", QRI_TEXT, "properties.startIpAddress", NULL},
    {"end-ip",    "--end-ip-address",   "ADDRESS", "The last one.", QRI_TEXT, "properties.endIpAddress", NULL},
    {"connection", "--connection-type -t", "TYPE", "How clients are connected.", QRI_CHOICE, "properties.connectionType", connections},
    /* the client itself */
    {"endpoint",  "--endpoint",         "URL",    "The instance: https://HOST:PORT.", QRI_TEXT, NULL, NULL},
    {"username",  "--username -u",      "NAME",   "The administrator, or a service principal.", QRI_TEXT, NULL, NULL},
    {"password",  "--password -p",      "SECRET", "The password or secret [QUIRE_PASSWORD].", QRI_TEXT, NULL, NULL},
    {"service",   "--service-principal", NULL,    "The name is that of a service principal.", QRI_FLAG, NULL, NULL},
    {"tenant",    "--tenant",           "TENANT", "Taken for az's sake.", QRI_TEXT, NULL, NULL},
    {"ca",        "--ca",               "FILE",   "The certificate that is trusted: the instance's tls/cert.pem [the system's].", QRI_TEXT, NULL, NULL},
    {"defaults",  "--defaults",         "NAME=VALUE...", "group=GROUP, server=SERVER and connect=HOST,PORT, taken where they are not given.", QRI_PAIRS, NULL, NULL},
    {"method",    "--method -m",        "METHOD", "Of the request [get].", QRI_CHOICE, NULL, methods},
    {"url",       "--url --uri -u",     "URL",    "A path, or a URL of the instance.", QRI_TEXT, NULL, NULL},
    {"body",      "--body -b",          "JSON",   "The request's body.", QRI_TEXT, NULL, NULL},
    /* the prompt: sqlcmd's */
    {"sql-server", "--server -S",       "HOST[,PORT]", "The server [the instance's host, 1433].", QRI_TEXT, NULL, NULL},
    {"sql-db",    "--database -d",      "DATABASE", "The database [master].", QRI_TEXT, NULL, NULL},
    {"sql-user",  "--user -U",          "LOGIN",  "The login [who is logged in].", QRI_TEXT, NULL, NULL},
    {"sql-password", "--password -P",   "PASSWORD", "Its password [QUIRE_PASSWORD].", QRI_TEXT, NULL, NULL},
    {"run",       "--query -Q",         "BATCH",  "Run this and exit.", QRI_TEXT, NULL, NULL},
    {"run-first", "--initial-query -q", "BATCH",  "Run this first.", QRI_TEXT, NULL, NULL},
    {"input",     "--input -i",         "FILE[,FILE...]", "Run these files and exit.", QRI_TEXT, NULL, NULL},
    {"out-file",  "--output -o",        "FILE",   "Where results and errors go.", QRI_TEXT, NULL, NULL},
    {"stop",      "--exit-on-error -b", NULL,     "The first error of severity 11 or more ends it, with exit code 1.", QRI_FLAG, NULL, NULL},
    {"headers",   "--headers -h",       "ROWS",   "Column names again after so many rows; 0: once; -1: never [0].", QRI_INTEGER, NULL, NULL},
    {"separator", "--separator -s",     "TEXT",   "What stands between columns [a blank].", QRI_TEXT, NULL, NULL},
    {"trims",     "--trim -W",          NULL,     "No blanks for the sake of columns.", QRI_FLAG, NULL, NULL},
    {"variables", "--variable -v",      "NAME=VALUE...", "What $(NAME) stands for.", QRI_PAIRS, NULL, NULL},
    {"no-variables", "--no-variables -x", NULL,   "$(NAME) is text like any other.", QRI_FLAG, NULL, NULL},
    {"login-timeout", "--login-timeout -l", "SECONDS", "How long a login may take [30].", QRI_INTEGER, NULL, NULL},
    {"query-timeout", "--query-timeout -t", "SECONDS", "How long a batch may take; 0: as long as it wants [0].", QRI_INTEGER, NULL, NULL},
    {"echo",      "--echo -e",          NULL,     "Print each batch before it runs.", QRI_FLAG, NULL, NULL},
    {"as-sqlcmd", "-I -N",              NULL,     "Taken for sqlcmd's sake: they are always on.", QRI_FLAG, NULL, NULL},
    {"data-dir",  "--data-dir",         "DIR",    "The server's data directory, on its own machine.", QRI_TEXT, NULL, NULL},
    {"shell",     "--shell",            "SHELL",  "The shell [bash].", QRI_CHOICE, NULL, shells},
    {0},
    /* clang-format on */
};

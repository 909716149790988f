/* commands.c - see cli_int.h: every command, one row each; parsing, help, completion and
 * docs/cli.md come from here. The words are az's. */
#include "cli_int.h"
#include "base/banned.h"

#define SUB "/subscriptions/{subscription}"
#define SQL_OF(group)                                                                              \
    "/subscriptions/{subscription}/resourceGroups/" group "/providers/Microsoft.Sql"
#define SQL SQL_OF("{group}")
#define SV SQL "/servers/{server}"
#define SN SQL "/servers/{server-name}"
#define DB SV "/databases/{db}"
#define TO SQL_OF("{dest-group}") "/servers/{dest-server}/databases/{dest}"
#define PARTNER SQL_OF("{partner-group}") "/servers/{partner-server}/databases/{partner-db}"
#define OF "server group "
#define POOL SV "/elasticPools/{pool}"
#define POOL_SKU                                                                                   \
    "edition family pool-capacity db-max-capacity db-min-capacity pool-size license zone tags "
#define POOL_COLUMNS                                                                               \
    "{Name:name, Location:location, State:state, Tier:sku.tier, Sku:sku.name, "                    \
    "Capacity:sku.capacity, MaxSizeBytes:maxSizeBytes, DbMax:perDatabaseSettings.maxCapacity}"
#define SKU                                                                                        \
    "edition family capacity objective model max-size ha-replicas min-capacity auto-pause "        \
    "redundancy license read-scale zone tags elastic-pool "
#define LTR                                                                                        \
    SUB "/providers/Microsoft.Sql/locations/{at-location}/longTermRetentionServers/{server}/"      \
        "longTermRetentionDatabases/{ltr-db}/longTermRetentionBackups"
#define LTR_COLUMNS                                                                                \
    "[].{Server:serverName, Database:databaseName, Taken:backupTime, "                             \
    "Expires:backupExpirationTime, Name:name}"
#define COLUMNS                                                                                    \
    "{Name:name, Location:location, Status:status, Tier:sku.tier, "                                \
    "ServiceObjective:currentServiceObjectiveName, MaxSizeBytes:maxSizeBytes, "                    \
    "HAReplicas:highAvailabilityReplicaCount}"
#define SCALE_COLUMNS                                                                              \
    "{State:state, Policy:policy, Min:minObjective, Max:maxObjective, Current:currentObjective, "  \
    "Up:upPercent, Down:downPercent, DryRun:dryRun, Decided:lastDecision.time, "                   \
    "Reason:lastDecision.reason, Error:lastError}"
#define SERVER_COLUMNS                                                                             \
    "{Name:name, ResourceGroup:resourceGroup, Location:location, State:state, "                    \
    "Administrator:administratorLogin, Host:fullyQualifiedDomainName}"
#define RULE_COLUMNS "{Name:name, StartIpAddress:startIpAddress, EndIpAddress:endIpAddress}"

const struct qri_command qri_commands[] = {
    /* clang-format off */
    {"login", "Log in to an instance. The token is kept in ~/.quire, the password is not.",
     "endpoint username! password service tenant ca", NULL, NULL, NULL, qri_login, NULL,
     "quire login --endpoint https://localhost:8443 --ca DATA/tls/cert.pem -u quireadmin"},
    {"logout", "Forget the token.", "", NULL, NULL, NULL, qri_logout, NULL, NULL},
    {"account show", "Who is logged in where, and the defaults.", "", NULL, NULL, NULL, qri_account_show, NULL, NULL},
    {"configure", "Set the group, the server and the prompt's address that are taken where none is given.",
     "defaults!", NULL, NULL, NULL, qri_configure, NULL, "quire configure --defaults server=server01"},
    {"status", "The instance on one page: servers, databases, what runs on them; with --data-dir its processes and disk.",
     "data-dir", NULL, NULL, NULL, qri_status, NULL, "quire status --data-dir data-dir"},
    {"connect", "A T-SQL prompt, or batches from a file or the command line, as sqlcmd.",
     "sql-server sql-db sql-user sql-password ca run run-first input out-file stop headers separator trims variables no-variables login-timeout query-timeout echo as-sqlcmd",
     NULL, NULL, NULL, qri_connect, NULL, "quire connect -d shop -Q \"SELECT TOP 5 name FROM sys.objects\""},
    {"stress", "Load a server by TDS: batches, clients, think times, ramps, schedules; latencies, errors, the longest gap.",
     "sql-server sql-db sql-user sql-password ca stress-sql stress-input stress-config clients iterations duration think stress-rate ramp schedule "
     "query-timeout login-timeout stop timeline plot",
     NULL, NULL, NULL, qri_stress, NULL, "quire stress -d shop -Q \"SELECT TOP 5 name FROM sys.objects\" --threads 16 --duration 30"},
    {"rest", "Send any request of the API.", "method url! body", NULL, NULL, NULL, qri_rest, NULL,
     "quire rest --url /subscriptions?api-version=2022-12-01"},
    {"completion", "Print the script of bash's completion.", "shell", NULL, NULL, NULL, qri_complete, NULL,
     "quire completion > /etc/bash_completion.d/quire"},

    {"group list", "List resource groups.", "", "GET", SUB "/resourceGroups", NULL, NULL,
     "[].{Name:name, Location:location}", NULL},
    {"group show", "Show a resource group.", "group-name!", "GET", SUB "/resourceGroups/{group-name}", NULL, NULL,
     "{Name:name, Location:location}", NULL},
    {"group create", "Make a resource group.", "group-name! location! tags", "PUT", SUB "/resourceGroups/{group-name}", NULL, NULL,
     "{Name:name, Location:location}", NULL},
    {"group delete", "Delete a resource group and what is in it.", "group-name! yes no-wait", "DELETE", SUB "/resourceGroups/{group-name}",
     qri_prepare_delete, NULL, NULL, NULL},

    {"sql db create", "Make a database.", "db! " OF SKU "collation yes no-wait", "PUT", DB, qri_prepare_create, NULL, COLUMNS,
     "quire sql db create -n shop --edition Hyperscale --service-objective HS_Gen5_2"},
    {"sql db update", "Change a database: its tier, objective, size, replicas.", "db! " OF SKU "relocate no-wait", "PATCH", DB, qri_prepare_update, NULL, COLUMNS,
     "quire sql db update -n shop --service-objective HS_Gen5_4"},
    {"sql db show", "Show a database.", "db! " OF, "GET", DB, NULL, NULL, COLUMNS, NULL},
    {"sql db list", "List the databases of a server, or of an elastic pool.", OF "in-pool", NULL, NULL, NULL, qri_list_databases_of, "[]." COLUMNS,
     "quire sql db list --query \"[?sku.tier=='Hyperscale'].name\" -o tsv"},
    {"sql db list-deleted", "List the databases that were deleted and can be restored.", OF, "GET", SV "/restorableDroppedDatabases", NULL, NULL,
     "[].{Database:databaseName, Deleted:deletionDate, EarliestRestore:earliestRestoreDate, Tier:sku.tier}", NULL},
    {"sql db delete", "Delete a database.", "db! " OF "yes no-wait", "DELETE", DB, qri_prepare_delete, NULL, NULL, NULL},
    {"sql db rename", "Give a database another name.", "db! new-name! " OF, NULL, NULL, NULL, qri_rename, COLUMNS, NULL},
    {"sql db copy", "Copy a database as it is now.", "db! dest! dest-server dest-group " OF SKU "no-wait", "PUT",
     TO, qri_prepare_copy, NULL, COLUMNS, "quire sql db copy -n shop --dest-name shop2"},
    {"sql db restore", "Restore a database, or a deleted one, to a point in time, as a new database.",
     "db! dest! dest-server dest-group time deleted-time verify " OF SKU "no-wait", "PUT", TO, qri_prepare_restore, NULL, COLUMNS,
     "quire sql db restore -n shop --dest-name shop3 --time 2026-05-04T10:11:12Z"},
    {"sql db failover", "Let another node serve the database.", "db! " OF "no-wait", "POST", DB "/failover", NULL, NULL, NULL, NULL},
    {"sql db list-usages", "List what a database uses of its limits.", "db! " OF, "GET", DB "/usages", NULL, NULL,
     "[].{Name:name, Used:currentValue, Limit:limit, Unit:unit}", NULL},
    {"sql db list-editions", "List tiers and their objectives.", "at-location! edition objective available", NULL, NULL, NULL, qri_list_editions,
     "[].supportedServiceLevelObjectives[].{ServiceObjective:name, Tier:sku.tier, Family:sku.family, Capacity:performanceLevel.value, Unit:performanceLevel.unit, Model:computeModel}",
     "quire sql db list-editions -l eastus -o table"},
    {"sql db op list", "List the operations on a database.", "op-db! " OF, "GET", SV "/databases/{op-db}/operations", NULL, NULL,
     "[].{Operation:operationFriendlyName, State:state, Percent:percentComplete, Started:startTime, Name:name, Error:errorDescription}", NULL},
    {"sql db op cancel", "Ask an operation to stop.", "op! op-db! " OF, "POST", SV "/databases/{op-db}/operations/{op}/cancel", NULL, NULL, NULL, NULL},
    {"sql db replica create", "Make a replica of a database.", "db! partner-db partner-server partner-group secondary " OF SKU "no-wait", "PUT",
     PARTNER, qri_prepare_replica, NULL, COLUMNS,
     "quire sql db replica create -n shop --partner-database shop_r --secondary-type Named --service-objective HS_Gen5_2"},
    {"sql db replica list-links", "List the replicas of a database.", "db! " OF, "GET", DB "/replicationLinks", NULL, NULL,
     "[].{Role:role, PartnerServer:partnerServer, PartnerDatabase:partnerDatabase, State:replicationState, Name:name}", NULL},
    {"sql db replica delete-link", "End the replication to a server.", "db! partner-server! " OF "yes", NULL, NULL, NULL, qri_delete_replica, NULL, NULL},
    {"sql db str-policy show", "Show for how long backups are kept.", "db! " OF, "GET", DB "/backupShortTermRetentionPolicies/default", NULL, NULL,
     "{RetentionDays:retentionDays, DiffBackupHours:diffBackupIntervalInHours}", NULL},
    {"sql db str-policy set", "Set for how long backups are kept.", "db! retention! diff-hours " OF "no-wait", "PUT", DB "/backupShortTermRetentionPolicies/default", NULL, NULL,
     "{RetentionDays:retentionDays, DiffBackupHours:diffBackupIntervalInHours}", "quire sql db str-policy set -n shop --retention-days 14"},
    {"sql db ltr-policy show", "Show for how long weekly, monthly and yearly backups are kept.", "db! " OF, "GET", DB "/backupLongTermRetentionPolicies/default", NULL, NULL,
     "{Weekly:weeklyRetention, Monthly:monthlyRetention, Yearly:yearlyRetention, WeekOfYear:weekOfYear}", NULL},
    {"sql db ltr-policy set", "Set for how long weekly, monthly and yearly backups are kept.", "db! weekly monthly yearly week " OF "no-wait", "PUT", DB "/backupLongTermRetentionPolicies/default", NULL, NULL,
     "{Weekly:weeklyRetention, Monthly:monthlyRetention, Yearly:yearlyRetention, WeekOfYear:weekOfYear}", NULL},
    {"sql db ltr-backup list", "List long-term backups.", "at-location! ltr-server ltr-db in-group db-state latest", NULL, NULL, NULL, qri_list_long_backups_of, LTR_COLUMNS,
     "quire sql db ltr-backup list -l eastus -s server01 -d shop -o table"},
    {"sql db ltr-backup show", "Show a long-term backup.", "at-location! server ltr-db! backup!", "GET", LTR "/{backup}", NULL, NULL, NULL, NULL},
    {"sql db ltr-backup delete", "Delete a long-term backup.", "at-location! server ltr-db! backup! yes no-wait", "DELETE", LTR "/{backup}", qri_prepare_delete, NULL, NULL, NULL},
    {"sql db ltr-backup restore", "Restore a long-term backup as a new database.", "backup-id! dest! dest-server dest-group " OF SKU "no-wait", "PUT", TO,
     qri_prepare_long_restore, NULL, COLUMNS, NULL},
    {"sql db geo-backup list", "List databases whose backups are in the second store.", OF, "GET", SV "/recoverableDatabases", NULL, NULL,
     "[].{Name:name, Edition:edition, ServiceObjective:serviceLevelObjective, LastBackup:lastAvailableBackupDate}", NULL},
    {"sql db geo-backup show", "Show what the second store has of a database.", "op-db! " OF, "GET", SV "/recoverableDatabases/{op-db}", NULL, NULL, NULL, NULL},
    {"sql db geo-backup restore", "Restore a database from the second store as a new database.", "geo-backup-id! dest! dest-server dest-group " OF SKU "no-wait", "PUT", TO,
     qri_prepare_geo_restore, NULL, COLUMNS, NULL},
    {"sql db tde show", "Show whether a database is encrypted at rest.", "op-db! " OF, "GET", SV "/databases/{op-db}/transparentDataEncryption/current", NULL, NULL, "{State:state}", NULL},
    {"sql db tde set", "Set whether a database is encrypted at rest.", "op-db! status! " OF, "PUT", SV "/databases/{op-db}/transparentDataEncryption/current", NULL, NULL, "{State:state}", NULL},

    {"autoscale show", "Show how a database is scaled by its load, and the last decision.", "db! " OF, "GET", DB "/quireAutoscale/current", NULL, NULL, SCALE_COLUMNS, NULL},
    {"autoscale set", "Have a database scaled by its load; what is not said stays as it is.",
     "db! status scale-policy scale-min scale-max scale-up scale-down scale-window scale-points scale-warmup scale-cooldown scale-cost scale-horizon scale-metrics scale-dry " OF,
     "PATCH", DB "/quireAutoscale/current", NULL, NULL, SCALE_COLUMNS,
     "quire autoscale set -n shop --status Enabled --policy forecast --max-objective HS_Gen5_16"},
    {"autoscale history", "List what was decided about a database, and from what.", "db! top " OF, NULL, NULL, NULL, qri_list_decisions,
     "[].{InsertedAt:insertedAt, CurrentSLO:currentSLO, RequestedSLO:requestedSLO, Reason:usageInfo.Reason, AvgCpu:usageInfo.AvgCpuPercent, "
     "MovingAvgCpu:usageInfo.MovingAvgCpuPercent, DataPoints:usageInfo.DataPoints, Error:usageInfo.Error}",
     "quire autoscale history -n shop --top 20 -o table"},

    {"sql server create", "Make a logical server.", "new-server! location! admin-user! admin-password tls public tags group no-wait", "PUT",
     SQL "/servers/{new-server}", qri_prepare_server, NULL, SERVER_COLUMNS, NULL},
    {"sql server update", "Change a logical server.", "server-name group admin-password tls public tags no-wait", "PATCH", SN, qri_prepare_server, NULL, SERVER_COLUMNS, NULL},
    {"sql server show", "Show a logical server.", "server-name group", "GET", SN, NULL, NULL, SERVER_COLUMNS, NULL},
    {"sql server list", "List logical servers.", "in-group", NULL, NULL, NULL, qri_list_servers_of, "[]." SERVER_COLUMNS, NULL},
    {"sql server delete", "Delete a logical server and its databases.", "new-server! group yes no-wait", "DELETE", SQL "/servers/{new-server}", qri_prepare_delete, NULL, NULL, NULL},
    {"sql server list-usages", "List what a server uses of its limits.", "server-name group", "GET", SN "/usages", NULL, NULL,
     "[].{Name:name, Used:currentValue, Limit:limit, Unit:unit}", NULL},
    {"sql server firewall-rule create", "Let a range of addresses in.", "rule! start-ip! end-ip! " OF, "PUT", SV "/firewallRules/{rule}", NULL, NULL, RULE_COLUMNS,
     "quire sql server firewall-rule create -n office --start-ip-address 10.0.0.1 --end-ip-address 10.0.0.9"},
    {"sql server firewall-rule update", "Change the range of a rule.", "rule! start-ip! end-ip! " OF, "PUT", SV "/firewallRules/{rule}", NULL, NULL, RULE_COLUMNS, NULL},
    {"sql server firewall-rule show", "Show a rule.", "rule! " OF, "GET", SV "/firewallRules/{rule}", NULL, NULL, RULE_COLUMNS, NULL},
    {"sql server firewall-rule list", "List the rules of a server.", OF, "GET", SV "/firewallRules", NULL, NULL, "[]." RULE_COLUMNS, NULL},
    {"sql server firewall-rule delete", "Delete a rule.", "rule! " OF "yes", "DELETE", SV "/firewallRules/{rule}", NULL, NULL, NULL, NULL},
    {"sql server conn-policy show", "Show how clients are connected.", OF, "GET", SV "/connectionPolicies/default", NULL, NULL, "{ConnectionType:connectionType}", NULL},
    {"sql server conn-policy update", "Change how clients are connected.", "connection! " OF, "PUT", SV "/connectionPolicies/default", NULL, NULL, "{ConnectionType:connectionType}", NULL},
    {"sql elastic-pool create", "Make an elastic pool.", "pool! " OF POOL_SKU "no-wait", "PUT", POOL, qri_prepare_pool, NULL, POOL_COLUMNS,
     "quire sql elastic-pool create -n pool --edition GeneralPurpose --capacity 4 --db-max-capacity 2"},
    {"sql elastic-pool update", "Change an elastic pool.", "pool! " OF POOL_SKU "no-wait", "PATCH", POOL, qri_prepare_pool, NULL, POOL_COLUMNS, NULL},
    {"sql elastic-pool show", "Show an elastic pool.", "pool! " OF, "GET", POOL, NULL, NULL, POOL_COLUMNS, NULL},
    {"sql elastic-pool list", "List the elastic pools of a server.", OF, "GET", SV "/elasticPools", NULL, NULL, "[]." POOL_COLUMNS, NULL},
    {"sql elastic-pool list-dbs", "List the databases in an elastic pool.", "pool! " OF, "GET", POOL "/databases", NULL, NULL, "[]." COLUMNS, NULL},
    {"sql elastic-pool delete", "Delete an elastic pool that is empty.", "pool! " OF "yes no-wait", "DELETE", POOL, NULL, NULL, NULL, NULL},
    {"sql elastic-pool op list", "List the operations on an elastic pool.", "op-pool! " OF, "GET", SV "/elasticPools/{op-pool}/operations", NULL, NULL,
     "[].{Operation:operationFriendlyName, State:state, Percent:percentComplete, Started:startTime, Name:name}", NULL},
    {"sql list-usages", "List what a region uses of its limits.", "at-location!", "GET", SUB "/providers/Microsoft.Sql/locations/{at-location}/usages", NULL, NULL,
     "[].{Name:name, Used:currentValue, Limit:limit, Unit:unit}", NULL},
    {0},
    /* clang-format on */
};

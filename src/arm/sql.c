/* sql.c - the routes of Microsoft.Sql */
#include "resource_int.h"
#include "router_int.h"
#include "base/banned.h"

#define SUB "/subscriptions/{}/providers/Microsoft.Sql"
#define RP "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Sql"
#define SV RP "/servers/{}"
#define DB SV "/databases/{}"
#define LTR "/locations/{}"
#define LTR_SERVER "/longTermRetentionServers/{}"
#define LTR_DATABASE LTR_SERVER "/longTermRetentionDatabases/{}"

const struct qri_route qri_routes_sql[] = {
    /* clang-format off */
    {QRI_GET,    SUB "/servers",                          QRI_READ,  qri_list_servers, true, false},
    {QRI_POST,   SUB "/checkNameAvailability",            QRI_READ,  qri_check_server_name, true, false},
    {QRI_GET,    SUB "/locations/{}/capabilities",        QRI_READ,  qri_capabilities, true, false},
    {QRI_GET,    SUB "/locations/{}/usages",              QRI_READ,  qri_list_location_usages, true, false},
    {QRI_GET,    SUB LTR "/longTermRetentionBackups",  QRI_READ, qri_list_long_backups, true, false},
    {QRI_GET,    SUB LTR LTR_SERVER "/longTermRetentionBackups", QRI_READ, qri_list_long_backups, true, false},
    {QRI_GET,    SUB LTR LTR_DATABASE "/longTermRetentionBackups", QRI_READ, qri_list_long_backups, true, false},
    {QRI_GET,    SUB LTR LTR_DATABASE "/longTermRetentionBackups/{}", QRI_READ, qri_get_long_backup, true, false},
    {QRI_DELETE, SUB LTR LTR_DATABASE "/longTermRetentionBackups/{}", QRI_WRITE_DATABASES, qri_delete_long_backup, true, false},
    {QRI_GET,    RP LTR "/longTermRetentionBackups",  QRI_READ, qri_list_long_backups, true, false},
    {QRI_GET,    RP LTR LTR_SERVER "/longTermRetentionBackups", QRI_READ, qri_list_long_backups, true, false},
    {QRI_GET,    RP LTR LTR_DATABASE "/longTermRetentionBackups", QRI_READ, qri_list_long_backups, true, false},
    {QRI_GET,    RP LTR LTR_DATABASE "/longTermRetentionBackups/{}", QRI_READ, qri_get_long_backup, true, false},
    {QRI_DELETE, RP LTR LTR_DATABASE "/longTermRetentionBackups/{}", QRI_WRITE_DATABASES, qri_delete_long_backup, true, false},
    {QRI_GET,    RP "/servers",                           QRI_READ,  qri_list_group_servers, true, false},
    {QRI_GET,    SV,                                      QRI_READ,  qri_get_server, true, false},
    {QRI_PUT,    SV,                                      QRI_WRITE, qri_put_server, true, false},
    {QRI_PATCH,  SV,                                      QRI_WRITE, qri_patch_server, true, false},
    {QRI_DELETE, SV,                                      QRI_WRITE, qri_delete_server, true, false},
    {QRI_GET,    SV "/firewallRules",                     QRI_READ,  qri_list_rules, true, false},
    {QRI_GET,    SV "/firewallRules/{}",                  QRI_READ,  qri_get_rule, true, false},
    {QRI_PUT,    SV "/firewallRules/{}",                  QRI_WRITE, qri_put_rule, true, false},
    {QRI_DELETE, SV "/firewallRules/{}",                  QRI_WRITE, qri_delete_rule, true, false},
    {QRI_GET,    SV "/usages",                            QRI_READ,  qri_list_server_usages, true, false},
    {QRI_GET,    SV "/connectionPolicies/default",        QRI_READ,  qri_get_connection_policy, true, false},
    {QRI_PUT,    SV "/connectionPolicies/default",        QRI_WRITE, qri_put_connection_policy, true, false},
    {QRI_GET,    SV "/replicationLinks",                  QRI_READ,  qri_list_server_links, true, false},
    {QRI_GET,    SV "/elasticPools",                      QRI_READ,  qri_list_none, true, false},
    {QRI_GET,    SV "/elasticPools/{}",                    QRI_READ,  qri_get_none, true, false},
    {QRI_PUT,    SV "/elasticPools/{}",                    QRI_WRITE, qri_refuse_kind, true, false},
    {QRI_PATCH,  SV "/elasticPools/{}",                    QRI_WRITE, qri_refuse_kind, true, false},
    {QRI_DELETE, SV "/elasticPools/{}",                    QRI_WRITE, qri_delete_none, true, false},
    {QRI_GET,    SV "/failoverGroups",                    QRI_READ,  qri_list_none, true, false},
    {QRI_GET,    SV "/failoverGroups/{}",                  QRI_READ,  qri_get_none, true, false},
    {QRI_PUT,    SV "/failoverGroups/{}",                  QRI_WRITE, qri_refuse_kind, true, false},
    {QRI_PATCH,  SV "/failoverGroups/{}",                  QRI_WRITE, qri_refuse_kind, true, false},
    {QRI_DELETE, SV "/failoverGroups/{}",                  QRI_WRITE, qri_delete_none, true, false},
    {QRI_GET,    SV "/recoverableDatabases",              QRI_READ,  qri_list_recoverable, true, false},
    {QRI_GET,    SV "/recoverableDatabases/{}",           QRI_READ,  qri_get_recoverable, true, false},
    {QRI_GET,    SV "/restorableDroppedDatabases",        QRI_READ,  qri_list_dropped, true, false},
    {QRI_GET,    SV "/restorableDroppedDatabases/{}",     QRI_READ,  qri_get_dropped, true, false},
    {QRI_GET,    SV "/databases",                         QRI_READ,  qri_list_databases, true, false},
    {QRI_GET,    DB,                                      QRI_READ,  qri_get_database, true, false},
    {QRI_PUT,    DB,                                      QRI_WRITE_DATABASES, qri_put_database, true, false},
    {QRI_PATCH,  DB,                                      QRI_WRITE_DATABASES, qri_patch_database, true, false},
    {QRI_DELETE, DB,                                      QRI_WRITE_DATABASES, qri_delete_database, true, false},
    {QRI_POST,   DB "/move",                              QRI_WRITE_DATABASES, qri_move_database, true, false},
    {QRI_POST,   DB "/failover",                          QRI_WRITE_DATABASES, qri_failover_database, true, false},
    {QRI_GET,    DB "/operations",                        QRI_READ,  qri_list_operations, true, false},
    {QRI_POST,   DB "/operations/{}/cancel",              QRI_WRITE_DATABASES, qri_cancel_operation, true, false},
    {QRI_GET,    DB "/providers/Microsoft.Insights/metrics", QRI_READ, qri_list_metrics, true, false},
    {QRI_GET,    DB "/providers/Microsoft.Insights/metricDefinitions", QRI_READ, qri_list_metric_definitions, true, false},
    {QRI_GET,    DB "/replicationLinks",                  QRI_READ,  qri_list_links, true, false},
    {QRI_GET,    DB "/replicationLinks/{}",               QRI_READ,  qri_get_link, true, false},
    {QRI_DELETE, DB "/replicationLinks/{}",               QRI_WRITE_DATABASES, qri_delete_link, true, false},
    {QRI_POST,   DB "/replicationLinks/{}/failover",      QRI_WRITE_DATABASES, qri_delete_link, true, false},
    {QRI_POST,   DB "/replicationLinks/{}/forceFailoverAllowDataLoss", QRI_WRITE_DATABASES, qri_delete_link, true, false},
    {QRI_GET,    DB "/backupShortTermRetentionPolicies/default",   QRI_READ, qri_get_short_policy, true, false},
    {QRI_PUT,    DB "/backupShortTermRetentionPolicies/default",   QRI_WRITE_DATABASES, qri_put_short_policy, true, false},
    {QRI_PATCH,  DB "/backupShortTermRetentionPolicies/default",   QRI_WRITE_DATABASES, qri_put_short_policy, true, false},
    {QRI_GET,    DB "/backupLongTermRetentionPolicies/default",    QRI_READ, qri_get_long_policy, true, false},
    {QRI_PUT,    DB "/backupLongTermRetentionPolicies/default",    QRI_WRITE_DATABASES, qri_put_long_policy, true, false},
    {QRI_GET,    DB "/transparentDataEncryption/current", QRI_READ,  qri_get_encryption, true, false},
    {QRI_PUT,    DB "/transparentDataEncryption/current", QRI_WRITE_DATABASES, qri_put_encryption, true, false},
    {QRI_GET,    RP "/locations/{}/databaseAzureAsyncOperation/{}", QRI_SIGNED_IN, qri_poll_operation, true, false},
    {QRI_GET,    RP "/locations/{}/databaseOperationResults/{}",    QRI_SIGNED_IN, qri_operation_result, true, false},
    {QRI_GET,    RP "/locations/{}/serverAzureAsyncOperation/{}", QRI_SIGNED_IN, qri_poll_operation, true, false},
    {QRI_GET,    RP "/locations/{}/serverOperationResults/{}",    QRI_SIGNED_IN, qri_operation_result, true, false},
    {0},
    /* clang-format on */
};

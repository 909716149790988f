/* options.c - quired's options; docs/options.md is printed from these rows */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd_int.h"
#include "base/banned.h"

enum { LANDING_ZONE_MIB_MIN = 256 }; /* a few segments */

static const struct qr_option rows[] = {
    {"data-dir", "path", QR_OPTION_TEXT, "data-dir", 0, 2048, NULL, "start",
     "directory that holds everything; made if it is not there",
     offsetof(struct qri_settings, data_dir)},
    {"listen", "address", QR_OPTION_TEXT, "127.0.0.1", 0, 64, NULL, "start",
     "numeric IPv4 or IPv6 address to listen on", offsetof(struct qri_settings, listen)},
    {"tds-port", "port", QR_OPTION_INT, "1433", 0, 65535, NULL, "start",
     "port for SQL clients; 0 picks a free one", offsetof(struct qri_settings, tds_port)},
    {"https-port", "port", QR_OPTION_INT, "8443", 0, 65535, NULL, "start",
     "port for management; 0 picks a free one", offsetof(struct qri_settings, https_port)},
    {"server-name", "name", QR_OPTION_TEXT, "", 0, 63, NULL, "start",
     "name of the logical server, server01 if not given at the first start",
     offsetof(struct qri_settings, server_name)},
    {"admin-login", "name", QR_OPTION_TEXT, "", 0, 128, NULL, "start",
     "the server administrator, quireadmin if not given at the first start",
     offsetof(struct qri_settings, admin_login)},
    {"admin-password-file", "path", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "file whose first line is the administrator's password; made by the first start in the data "
     "directory if not given",
     offsetof(struct qri_settings, admin_password_file)},
    {"metrics-token-file", "path", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "file whose first line is a token of 16 bytes or more: who sends it as a bearer token may "
     "read /metrics",
     offsetof(struct qri_settings, metrics_token_file)},
    {"allow-plaintext-login", "", QR_OPTION_BOOL, "false", 0, 0, NULL, "start",
     "accept clients that cannot encrypt their login",
     offsetof(struct qri_settings, allow_plaintext_login)},
    {"workers", "threads", QR_OPTION_INT, "0", 0, 1024, NULL, "start",
     "requests that run at once; 0 means one per processor",
     offsetof(struct qri_settings, workers)},
    {"connections-max", "connections", QR_OPTION_INT, "4096", 1, 30000, NULL, "start",
     "connections that may be open", offsetof(struct qri_settings, connections_max)},
    {"cache-mib", "MiB", QR_OPTION_INT, "256", 8, 1048576, NULL, "start",
     "page cache of each open database; of a Hyperscale database with HS_Gen5_2, with other "
     "objectives in proportion to their memory, up to a quarter of the machine's",
     offsetof(struct qri_settings, cache_mib)},
    {"cache-total-mib", "MiB", QR_OPTION_INT, "0", 0, 1048576, NULL, "start",
     "page caches of all databases that are open in one process, together; 0 means three "
     "eighths of the machine's memory",
     offsetof(struct qri_settings, cache_total_mib)},
    {"rbpex-percent", "%", QR_OPTION_INT, "300", 0, 10000, NULL, "start",
     "pages that the process of a Hyperscale database keeps on its local disk (RBPEX), in percent "
     "of its page cache; 0 means none",
     offsetof(struct qri_settings, rbpex_percent)},
    {"transaction-memory-mib", "MiB", QR_OPTION_INT, "64", 1, 65536, NULL, "start",
     "changed pages that one transaction keeps in memory before it writes them to a temporary "
     "file; "
     "all of a process together may keep four times as much",
     offsetof(struct qri_settings, transaction_memory_mib)},
    {"transaction-max-mib", "MiB", QR_OPTION_INT, "1048576", 1, 1048576, NULL, "start",
     "pages that one transaction may change; who would pass it gets error 40552",
     offsetof(struct qri_settings, transaction_max_mib)},
    {"version-store-max-mib", "MiB", QR_OPTION_INT, "32768", 1, 1048576, NULL, "start",
     "old versions of pages that open snapshots of one database keep, in memory and on disk; "
     "beyond "
     "it, or half of the database's limit of temporary files, the oldest snapshots get error 3966",
     offsetof(struct qri_settings, version_store_max_mib)},
    {"move-grace-ms", "ms", QR_OPTION_INT, "5000", 0, 60000, NULL, "start",
     "what requests and transactions get to end in when the sessions of a database go to another "
     "node; then they are cancelled and rolled back, and the session goes on without",
     offsetof(struct qri_settings, move_grace_ms)},
    {"warm-up-seconds", "s", QR_OPTION_INT, "30", 0, 3600, NULL, "start",
     "for how long at most the new node of a Hyperscale database brings the pages that the old one "
     "uses, which serves meanwhile, before it takes over; 0: it begins with an empty cache",
     offsetof(struct qri_settings, warm_up_seconds)},
    {"node-silence-s", "s", QR_OPTION_INT, "15", 0, 3600, NULL, "start",
     "for how long a process of the service may be there and not answer before it is killed, so "
     "that a replica takes over or it comes back; 0: for ever",
     offsetof(struct qri_settings, node_silence_s)},
    {"gateway-drain-s", "s", QR_OPTION_INT, "3600", 0, 604800, NULL, "start",
     "how long a gateway that has been replaced (quired upgrade) keeps encrypted connections; then "
     "the answer to the next request of each is error 40197",
     offsetof(struct qri_settings, gateway_drain_s)},
    {"query-memory-mib", "MiB", QR_OPTION_INT, "0", 0, 1048576, NULL, "start",
     "table variables and rows that statements keep in memory, of all sessions: beyond half of it "
     "they go to temporary files, and who would pass it all the same gets error 701; 0 means a "
     "quarter of the machine's memory",
     offsetof(struct qri_settings, query_memory_mib)},
    {"governance", "", QR_OPTION_TEXT, "on", 0, 0, "on|off", "start",
     "off: what databases use is counted, and nothing is limited to what their objectives allow "
     "but "
     "sizes; for measurements of the engine alone",
     offsetof(struct qri_settings, governance)},
    {"vcore-cpu", "processors", QR_OPTION_TEXT, "auto", 0, 16, NULL, "start",
     "how much of a processor a vCore is, from 0.000001 to 1; auto: as much as lets the largest "
     "objective in use have three quarters of the machine, and at most one",
     offsetof(struct qri_settings, vcore_cpu)},
    {"cgroups", "", QR_OPTION_TEXT, "auto", 0, 0, "auto|anyway|off", "start",
     "auto: each compute node runs in a control group with limits of CPU time and memory, where "
     "quired's own group is the root of its hierarchy or has been delegated to it; anyway: also "
     "beneath a group that somebody else manages",
     offsetof(struct qri_settings, cgroups)},
    {"auto-pause-minute-ms", "ms", QR_OPTION_INT, "60000", 1, 60000, NULL, "start",
     "how long a minute of an auto-pause delay takes, so that tests need not wait for it",
     offsetof(struct qri_settings, auto_pause_minute_ms)},
    {"resource-sample-seconds", "seconds", QR_OPTION_INT, "15", 1, 15, NULL, "start",
     "between rows of sys.dm_db_resource_stats, and between decisions of the autoscaler; less than "
     "15 is for experiments on a compressed clock",
     offsetof(struct qri_settings, resource_sample_seconds)},
    {"blob", "URL", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "where the log, pages and backups of Hyperscale databases lie for good: file:///DIR or "
     "https://ACCOUNT.blob.HOST/CONTAINER; the directory blob in the data directory if not given",
     offsetof(struct qri_settings, blob)},
    {"blob-credential-file", "path", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "file with `key=BASE64` or `sas=QUERY` for --blob",
     offsetof(struct qri_settings, blob_credential_file)},
    {"region-roots", "NAME=DIR,...", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "where the data of logical servers in regions but eastus lie: an absolute path for each "
     "region; "
     "regions/NAME in the data directory if not given",
     offsetof(struct qri_settings, region_roots)},
    {"geo-blob", "URL", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "a second store, for copies of the backups of databases whose backup storage redundancy is "
     "Geo or "
     "GeoZone; as --blob, and nothing of it is shared with that one",
     offsetof(struct qri_settings, geo_blob)},
    {"geo-blob-credential-file", "path", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "as --blob-credential-file, for --geo-blob",
     offsetof(struct qri_settings, geo_blob_credential_file)},
    {"server-key-file", "path", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "file of the key that wraps the keys that data are encrypted with; made by the first start, "
     "the file server.key in the data directory if not given",
     offsetof(struct qri_settings, server_key_file)},
    {"landing-zone", "", QR_OPTION_TEXT, "file", 0, 0, "file|blob", "start",
     "where commits of Hyperscale databases become durable: in files of the data directory, or in "
     "append objects below landing/ in the store that --blob names; do not change it while there "
     "are Hyperscale databases",
     offsetof(struct qri_settings, landing_zone)},
    {"landing-zone-mib", "MiB", QR_OPTION_INT, "0", 0, 1048576, NULL, "start",
     "how large the landing zone may get, 256 at least; while log comes faster than 64 MiB/s it "
     "is "
     "moved to long-term storage later, by 60 s at most, until half of the zone is in use. 0: a "
     "quarter "
     "of what is free on the disk at the start, between 1024 and 8192; 1024 in a blob store",
     offsetof(struct qri_settings, landing_zone_mib)},
    {"advertise", "HOST[:PORT]", QR_OPTION_TEXT, "", 0, 255, NULL, "start",
     "where other machines reach this one, over TLS: PORT (7433 if not given) and the five behind "
     "it; "
     "without it everything is on one machine",
     offsetof(struct qri_settings, advertise)},
    {"log-at", "HOST[:PORT]", QR_OPTION_TEXT, "", 0, 255, NULL, "start",
     "the log service is on the machine that advertises this, where somebody starts it",
     offsetof(struct qri_settings, log_at)},
    {"page-at", "HOST[:PORT]", QR_OPTION_TEXT, "", 0, 255, NULL, "start",
     "the page server is on the machine that advertises this, where somebody starts it",
     offsetof(struct qri_settings, page_at)},
    {"sample", "", QR_OPTION_BOOL, "false", 0, 0, NULL, "start",
     "make the database mySampleDatabase if it is not there, and print how to connect",
     offsetof(struct qri_settings, sample)},
    {"log-level", "", QR_OPTION_TEXT, "info", 0, 0, "error|warn|info|debug", "start",
     "least severe log lines to write", offsetof(struct qri_settings, log_level)},
    {"config", "path", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "file with lines `name = value`; the command line wins over it",
     offsetof(struct qri_settings, config)},
    {"role", "", QR_OPTION_TEXT, "", 0, 16, NULL, "start",
     "run only this part of a server, as its supervisor starts it: log, page, gateway, api or "
     "compute; "
     "everything if not given",
     offsetof(struct qri_settings, role)},
    {"name", "name", QR_OPTION_TEXT, "", 0, 128, NULL, "start",
     "with --role compute: `shared`, or `hs-` and the id of a Hyperscale database; with --join the "
     "name of a Hyperscale database or a named replica",
     offsetof(struct qri_settings, name)},
    {"replica", "number", QR_OPTION_INT, "0", 0, QR_HA_REPLICAS_MAX, NULL, "start",
     "with --join and --role compute: that HA replica of the database; 0: its first process, which "
     "is the primary if there is no HA replica",
     offsetof(struct qri_settings, replica)},
    {"run-dir", "path", QR_OPTION_TEXT, "", 0, 68, NULL, "start",
     "with --role: the directory of the server's sockets", offsetof(struct qri_settings, run_dir)},
    {"join", "path", QR_OPTION_TEXT, "", 0, 2048, NULL, "start",
     "with --role log, page or compute: run it for a service on another machine, with this file "
     "that "
     "`quire machine add` made there",
     offsetof(struct qri_settings, join)},
    {"cgroup-cpu", "path", QR_OPTION_TEXT, "", 0, 511, NULL, "start",
     "with --role compute: the directory of its control group, whose limit of CPU time it sets; "
     "with --role api: the directory that these are in",
     offsetof(struct qri_settings, cgroup_cpu)},
    {"cgroup-memory", "path", QR_OPTION_TEXT, "", 0, 511, NULL, "start", "the same for memory",
     offsetof(struct qri_settings, cgroup_memory)},
    {"tds-fd", "descriptor", QR_OPTION_INT, "0", 0, 65535, NULL, "start",
     "with --role gateway: the listening socket for SQL clients, if it is bound already",
     offsetof(struct qri_settings, tds_fd)},
    {"https-fd", "descriptor", QR_OPTION_INT, "0", 0, 65535, NULL, "start",
     "with --role api: the same for management", offsetof(struct qri_settings, https_fd)},
    {"version", "", QR_OPTION_BOOL, "false", 0, 0, NULL, "start", "print the version and end",
     offsetof(struct qri_settings, version)},
    {"help", "", QR_OPTION_BOOL, "false", 0, 0, NULL, "start", "print the options and end",
     offsetof(struct qri_settings, help)},
};

const struct qr_options qri_options = {rows, sizeof rows / sizeof rows[0]};

/* Letters, digits and hyphens, as the first label of a host name is made. */
static bool is_server_name(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && (name[i] != '-' || i == 0 || i == n - 1))
            return false;
    return true;
}

/* In `login@server` the name ends at the '@'. */
static bool is_login_name(const char *name)
{
    for (; *name != '\0'; name++)
        if (*name == '@' || *name == '\\' || iscntrl((unsigned char)*name))
            return false;
    return true;
}

/* A part of `text` up to `bytes` is the host: then ":PORT" or nothing follows. */
static bool split(const char *text, size_t *ret_host_bytes, long *ret_port)
{
    size_t host = *text == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");
    size_t n = strlen(text);
    *ret_port = QRI_PORT_DEFAULT;
    *ret_host_bytes = host;
    if (host == n)
        return true;
    if (host == 0 || host > n || text[host] != ':' || n - host - 1 == 0 || n - host - 1 > 5 ||
        strspn(text + host + 1, "0123456789") != n - host - 1)
        return false;
    *ret_port = strtol(text + host + 1, NULL, 10);
    return *ret_port > 0 && *ret_port <= 65535 - QRI_PORT_COUNT + 1;
}

enum qr_status qri_machine_address(const char *option, const char *text, unsigned port,
                                   char dst[QR_CONTROL_PLACE_BYTES], struct qr_err *err)
{
    size_t host_bytes;
    long first;
    if (*text == '\0' || strpbrk(text, " \t\r\n/") != NULL || !split(text, &host_bytes, &first))
        return qr_fail(err, QR_INVALID, "--%s: '%s' is no HOST or HOST:PORT ([HOST]:PORT of IPv6)",
                       option, text);
    snprintf(dst, QR_CONTROL_PLACE_BYTES, "tcp:%.*s:%ld", (int)host_bytes, text,
             first + (long)port);
    return QR_OK;
}

enum qr_status qri_vcore_ppm(const char *text, uint32_t *ret_ppm, struct qr_err *err)
{
    char *end = NULL;
    double share = strtod(text, &end);
    if (strcmp(text, "auto") == 0)
        share = 0;
    else if (end == text || *end != '\0' || !(share >= 1e-6 && share <= 1))
        return qr_fail(err, QR_INVALID, "--vcore-cpu: '%s' is neither auto nor from 0.000001 to 1",
                       text);
    *ret_ppm = (uint32_t)(share * 1e6 + 0.5);
    return QR_OK;
}

/* Of machines there is more than one, or nothing is said of any. */
static enum qr_status check_machines(const struct qri_settings *settings, struct qr_err *err)
{
    const struct {
        const char *name, *value;
    } places[] = {{"advertise", settings->advertise},
                  {"log-at", settings->log_at},
                  {"page-at", settings->page_at}};
    char address[QR_CONTROL_PLACE_BYTES];
    bool away = *settings->log_at != '\0' || *settings->page_at != '\0';
    bool joins = *settings->join != '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (*places[i].value != '\0')
            QR_TRY(qri_machine_address(places[i].name, places[i].value, 0, address, err));
    if ((away || joins) && *settings->advertise == '\0')
        return qr_fail(err, QR_INVALID, "--advertise: other machines have to reach this one");
    if (away && *settings->blob == '\0')
        return qr_fail(err, QR_INVALID,
                       "--blob: machines need a blob store that all of them reach");
    if (joins && (away || *settings->run_dir != '\0'))
        return qr_fail(err, QR_INVALID,
                       "--log-at, --page-at and --run-dir are of the service, not of who joins it");
    if (joins && strcmp(settings->role, "log") != 0 && strcmp(settings->role, "page") != 0 &&
        strcmp(settings->role, "compute") != 0)
        return qr_fail(err, QR_UNSUPPORTED,
                       "--join: only --role log, page and compute run on another machine");
    return QR_OK;
}

/* What only a role has, and what a role must have. */
static enum qr_status check_role(const struct qri_settings *settings, struct qr_err *err)
{
    static const char *const roles[] = {"log", "page", "gateway", "api", "compute"};
    uint32_t id;
    bool known = *settings->role == '\0';
    if (known && (*settings->name != '\0' || *settings->run_dir != '\0' || settings->tds_fd != 0 ||
                  settings->https_fd != 0))
        return qr_fail(err, QR_INVALID,
                       "--name, --run-dir, --tds-fd and --https-fd go with --role only");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        known |= strcmp(settings->role, roles[i]) == 0;
    if (!known)
        return qr_fail(err, QR_INVALID, "--role: it is one of log, page, gateway, api, compute");
    if (*settings->role != '\0' && *settings->run_dir == '\0' && *settings->join == '\0')
        return qr_fail(err, QR_INVALID, "--run-dir: a role needs it");
    bool is_compute = strcmp(settings->role, "compute") == 0;
    bool is_node = *settings->join != '\0'
                       ? *settings->name != '\0' && strcmp(settings->name, QR_NODE_SHARED) != 0
                       : strcmp(settings->name, QR_NODE_SHARED) == 0 ||
                             qr_place_database_of(settings->name, &id);
    if (settings->replica != 0 && (!is_compute || *settings->join == '\0'))
        return qr_fail(err, QR_INVALID, "--replica goes with --join and --role compute only");
    if (is_compute ? !is_node : *settings->name != '\0')
        return qr_fail(err, QR_INVALID, "--name: a compute node is 'shared' or 'hs-' and a number");
    return QR_OK;
}

enum qr_status qri_settings_check(const struct qri_settings *settings, struct qr_err *err)
{
    struct in_addr in;
    struct in6_addr in6;
    if (*settings->data_dir == '\0')
        return qr_fail(err, QR_INVALID, "--data-dir: it is empty");
    if (inet_pton(AF_INET, settings->listen, &in) != 1 &&
        inet_pton(AF_INET6, settings->listen, &in6) != 1)
        return qr_fail(err, QR_INVALID, "--listen: '%s' is no numeric IPv4 or IPv6 address",
                       settings->listen);
    if (!is_server_name(settings->server_name))
        return qr_fail(err, QR_INVALID,
                       "--server-name: '%s' has other characters than letters, digits and hyphens, "
                       "or a hyphen at an end",
                       settings->server_name);
    if (!is_login_name(settings->admin_login))
        return qr_fail(err, QR_INVALID, "--admin-login: '%s' holds a character that no login has",
                       settings->admin_login);
    if (settings->landing_zone_mib != 0 && settings->landing_zone_mib < LANDING_ZONE_MIB_MIN)
        return qr_fail(err, QR_INVALID, "--landing-zone-mib: 0, or at least %d",
                       LANDING_ZONE_MIB_MIN);
    uint32_t ppm;
    QR_TRY(qri_vcore_ppm(settings->vcore_cpu, &ppm, err));
    QR_TRY(check_role(settings, err));
    return check_machines(settings, err);
}

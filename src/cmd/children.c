/* children.c - see supervisor_int.h: what the supervisor starts its children with */
#include <stdio.h>
#include <string.h>
#include "supervisor_int.h"
#include "base/banned.h"

static void add_text(struct qri_child_spec *spec, const char *option, const char *value)
{
    spec->overflows |= spec->count + 2 > QR_SUPER_ARGS_MAX - 1;
    if (spec->overflows)
        return;
    spec->texts[spec->count++] = option;
    spec->texts[spec->count++] = value;
}

static void add_number(struct qri_child_spec *spec, const char *option, int64_t value)
{
    spec->overflows |= spec->number_count == sizeof spec->numbers / sizeof spec->numbers[0];
    if (spec->overflows)
        return;
    char *dst = spec->numbers[spec->number_count++];
    snprintf(dst, sizeof spec->numbers[0], "%lld", (long long)value);
    add_text(spec, option, dst);
}

static const char *role_of(const char *name)
{
    static const char *const roles[] = {QR_ROLE_NAME_LOG, QR_ROLE_NAME_PAGE, QR_ROLE_NAME_GATEWAY,
                                        QR_ROLE_NAME_API};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(name, roles[i]) == 0)
            return roles[i];
    return QR_ROLE_NAME_COMPUTE;
}

/* Every role gets the same; each uses what it needs. */
static void add_settings(const struct supervisor *s, struct qri_child_spec *spec)
{
    const struct qri_settings *settings = s->settings;
    add_text(spec, "--data-dir", s->dir.path);
    add_text(spec, "--run-dir", s->run_dir);
    add_text(spec, "--log-level", settings->log_level);
    add_text(spec, "--server-name", qr_registry_first_name(s->registry));
    add_text(spec, "--admin-login", qr_registry_first_login(s->registry));
    add_text(spec, "--blob", settings->blob);
    add_text(spec, "--blob-credential-file", settings->blob_credential_file);
    add_text(spec, "--region-roots", settings->region_roots);
    add_text(spec, "--geo-blob", settings->geo_blob);
    add_text(spec, "--geo-blob-credential-file", settings->geo_blob_credential_file);
    add_text(spec, "--landing-zone", settings->landing_zone);
    add_text(spec, "--server-key-file", settings->server_key_file);
    add_text(spec, "--listen", settings->listen);
    add_text(spec, "--advertise", settings->advertise);
    add_text(spec, "--log-at", settings->log_at);
    add_text(spec, "--page-at", settings->page_at);
    add_text(spec, "--governance", settings->governance);
    add_text(spec, "--vcore-cpu", settings->vcore_cpu);
    add_text(spec, "--metrics-token-file", settings->metrics_token_file);
    add_number(spec, "--move-grace-ms", settings->move_grace_ms);
    add_number(spec, "--workers", settings->workers);
    add_number(spec, "--connections-max", settings->connections_max);
    add_number(spec, "--cache-mib", settings->cache_mib);
    /* earlier programs that take over again do not know these */
    if (settings->cache_total_mib != 0)
        add_number(spec, "--cache-total-mib", settings->cache_total_mib);
    if (settings->landing_zone_mib != 0)
        add_number(spec, "--landing-zone-mib", settings->landing_zone_mib);
    add_number(spec, "--query-memory-mib", settings->query_memory_mib);
    add_number(spec, "--rbpex-percent", settings->rbpex_percent);
    add_number(spec, "--transaction-memory-mib", settings->transaction_memory_mib);
    add_number(spec, "--transaction-max-mib", settings->transaction_max_mib);
    add_number(spec, "--version-store-max-mib", settings->version_store_max_mib);
    add_number(spec, "--resource-sample-seconds", settings->resource_sample_seconds);
}

static void add_socket(struct qri_child_spec *spec, const char *option, int fd)
{
    add_number(spec, option, fd);
    spec->child.fds[spec->child.fd_count++] = fd;
}

/* A compute node gets a group of its own, and the API is told where they are. */
static void add_groups(const struct supervisor *s, struct qri_child_spec *spec, bool is_compute)
{
    static const char *const options[QR_CGROUP_PARTS] = {"--cgroup-cpu", "--cgroup-memory"};
    struct qr_super_child *child = &spec->child;
    struct qr_err err = {0};
    size_t count = 0;
    if (s->cgroups == NULL)
        return;
    if (is_compute && qr_cgroups_make(s->cgroups, child->name, spec->groups, &err) != QR_OK) {
        QR_LOG(&s->log, QR_WARN, "cgroup_not_made", QR_F("name", child->name),
               QR_F("reason", &err.text[0]));
        return;
    }
    for (int i = 0; i < QR_CGROUP_PARTS; i++) {
        const char *all = "", *dir = spec->groups[i];
        bool holds = qr_cgroups_hold(s->cgroups, (enum qr_cgroup_part)i, &all);
        if (!holds || (is_compute && *dir == '\0'))
            continue;
        add_text(spec, options[i], is_compute ? dir : all);
        if (is_compute && (count == 0 || strcmp(child->groups[0], dir) != 0))
            child->groups[count++] = dir;
    }
}

enum qr_status qri_child_spec(const struct supervisor *s, const char *name, const char *program,
                              struct qri_child_spec *ret_spec, struct qr_err *err)
{
    struct qri_child_spec *spec = ret_spec;
    const char *role = role_of(name);
    *spec = (struct qri_child_spec){.child = {.name = name, .path = program}};
    spec->texts[spec->count++] = "quired";
    add_text(spec, "--role", role);
    add_settings(s, spec);
    if (strcmp(role, QR_ROLE_NAME_API) == 0) {
        add_socket(spec, "--https-fd", s->https_fd);
        add_groups(s, spec, false);
    }
    if (strcmp(role, QR_ROLE_NAME_GATEWAY) == 0) {
        add_socket(spec, "--tds-fd", s->tds_fd);
        add_number(spec, "--gateway-drain-s", s->settings->gateway_drain_s);
        if (s->settings->allow_plaintext_login)
            spec->texts[spec->count++] = "--allow-plaintext-login";
    }
    if (strcmp(role, QR_ROLE_NAME_COMPUTE) == 0) {
        add_text(spec, "--name", name);
        add_groups(s, spec, true);
        spec->child.may_rest = strcmp(name, QR_NODE_SHARED) != 0; /* nobody uses its database */
    }
    spec->texts[spec->count] = NULL;
    if (spec->overflows)
        return qr_fail(err, QR_BUG, "start '%s': too many arguments", name);
    spec->child.argv = (char *const *)(uintptr_t)spec->texts;
    return QR_OK;
}

enum qr_status qri_child_want(void *ctx, const char *name, struct qr_err *err)
{
    struct supervisor *s = ctx;
    struct qri_child_spec spec;
    if ((s->machines.log_away && strcmp(name, QR_ROLE_NAME_LOG) == 0) ||
        (s->machines.page_away && strcmp(name, QR_ROLE_NAME_PAGE) == 0))
        return QR_OK; /* somebody starts it there */
    pthread_mutex_lock(&s->program_mu);
    enum qr_status status = qri_child_spec(s, name, s->program, &spec, err);
    if (status == QR_OK)
        status = qr_super_start(s->super, &spec.child, err);
    pthread_mutex_unlock(&s->program_mu);
    return status;
}

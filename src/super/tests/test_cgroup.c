/* Goal: control groups are made where they may be, of both versions, and nothing of them is left;
 * where not, the reason is told. Method: a directory that has the files that the kernel would make,
 * and the two lists that say where it is. What the kernel does with them tests/integration shows.
 */
#include "qr_test.h"
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "super/cgroup.h"

struct machine {
    char dir[64], mounts[128], own[128];
};

static void put(const char *text, const char *format, ...)
{
    char path[512];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *get(const char *format, ...)
{
    static char text[256];
    char path[512];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void make(const char *format, ...)
{
    char path[512];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    assert_int_equal(mkdir(path, 0755), 0);
}

static bool is_there(const char *format, ...)
{
    char path[512];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    return access(path, F_OK) == 0;
}

static int setup(void **state)
{
    struct machine *m = calloc(1, sizeof *m);
    memcpy(m->dir, "/tmp/qr_test_cgroup_XXXXXX", 27);
    if (mkdtemp(m->dir) == NULL)
        return 1;
    snprintf(m->mounts, sizeof m->mounts, "%s/mountinfo", m->dir);
    snprintf(m->own, sizeof m->own, "%s/own", m->dir);
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    struct machine *m = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", m->dir);
    int status = system(command);
    free(m);
    return status;
}

/* Version 1, processor time and memory mounted apart, the one with what a container sees of it. */
static void mount_v1(const struct machine *m, const char *cpu_own)
{
    char text[1024];
    snprintf(text, sizeof text,
             "30 1 0:1 / / rw - tmpfs none rw\n"
             "31 30 0:2 / %s/cpu rw,relatime shared:9 - cgroup cgroup rw,cpuacct,cpu\n"
             "32 30 0:3 /box %s/mem\\040ory rw - cgroup cgroup rw,memory\n",
             m->dir, m->dir);
    put(text, "%s", m->mounts);
    snprintf(text, sizeof text, "9:memory:/box\n8:cpuacct,cpu:%s\n1:name=systemd:/x\n0::/\n",
             cpu_own);
    put(text, "%s", m->own);
    make("%s/cpu", m->dir);
    make("%s/mem ory", m->dir);
}

static struct qr_cgroups *opened(const struct machine *m, bool anyway)
{
    struct qr_cgroups *c = NULL;
    struct qr_cgroups_options options = {
        .id = "7", .mountinfo = m->mounts, .own = m->own, .anyway = anyway, .pid = 4711};
    assert_int_equal(qr_cgroups_open(&options, &c, NULL), QR_OK);
    return c;
}

static void test_version_1_has_a_tree_for_each_part(void **state)
{
    const struct machine *m = *state;
    const char *text = NULL;
    char dirs[QR_CGROUP_PARTS][QR_CGROUP_PATH_BYTES];
    mount_v1(m, "/");
    make("%s/cpu/quire-7", m->dir); /* of a start that was killed */
    make("%s/cpu/quire-7/hs-1", m->dir);
    struct qr_cgroups *c = opened(m, false);
    assert_true(qr_cgroups_hold(c, QR_CGROUP_CPU, &text));
    assert_true(qr_cgroups_hold(c, QR_CGROUP_MEMORY, &text));
    assert_false(is_there("%s/cpu/quire-7/hs-1", m->dir));
    assert_int_equal(qr_cgroups_make(c, "shared", dirs, NULL), QR_OK);
    assert_int_equal(qr_cgroups_make(c, "shared", dirs, NULL), QR_OK); /* it starts again */
    assert_true(is_there("%s/mem ory/quire-7/shared", m->dir));
    assert_true(is_there("%s", dirs[QR_CGROUP_CPU]));

    const char *files[] = {"cgroup.procs", "cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us"};
    for (size_t i = 0; i < 4; i++)
        put("", "%s/%s", dirs[QR_CGROUP_CPU], files[i]);
    put("", "%s/memory.limit_in_bytes", dirs[QR_CGROUP_MEMORY]);
    const char *both[] = {dirs[0], dirs[1]};
    struct qr_cgroup_limits limits = {
        .cpu_ppm = 1300000, .cpu_weight = 200, .memory_bytes = 1 << 30};
    assert_int_equal(qr_cgroup_set(both, &limits, NULL), QR_OK);
    assert_int_equal(qr_cgroup_enter(dirs[QR_CGROUP_CPU], 42, NULL), QR_OK);
    assert_string_equal(get("%s/cpu.cfs_quota_us", dirs[QR_CGROUP_CPU]), "130000");
    assert_string_equal(get("%s/cpu.cfs_period_us", dirs[QR_CGROUP_CPU]), "100000");
    assert_string_equal(get("%s/cpu.shares", dirs[QR_CGROUP_CPU]), "2048");
    assert_string_equal(get("%s/cgroup.procs", dirs[QR_CGROUP_CPU]), "42");
    assert_string_equal(get("%s/memory.limit_in_bytes", dirs[QR_CGROUP_MEMORY]), "1073741824");
    for (size_t i = 0; i < 4; i++)
        put("", "%s/%s", dirs[QR_CGROUP_CPU], files[i]);
    put("", "%s/memory.limit_in_bytes", dirs[QR_CGROUP_MEMORY]);
    limits = (struct qr_cgroup_limits){.cpu_weight = 100};
    assert_int_equal(qr_cgroup_set(both, &limits, NULL), QR_OK);
    assert_string_equal(get("%s/cpu.cfs_quota_us", dirs[QR_CGROUP_CPU]), "-1");
    assert_string_equal(get("%s/memory.limit_in_bytes", dirs[QR_CGROUP_MEMORY]), "-1");
    qr_cgroups_close(c);
}

static void test_nothing_is_left_at_the_end(void **state)
{
    const struct machine *m = *state;
    char dirs[QR_CGROUP_PARTS][QR_CGROUP_PATH_BYTES];
    mount_v1(m, "/");
    struct qr_cgroups *c = opened(m, false);
    assert_int_equal(qr_cgroups_make(c, "shared", dirs, NULL), QR_OK);
    assert_int_equal(qr_cgroups_make(c, "hs-5", dirs, NULL), QR_OK);
    qr_cgroups_remove(c, "hs-5");
    qr_cgroups_remove(c, "hs-6");
    assert_false(is_there("%s/cpu/quire-7/hs-5", m->dir));
    qr_cgroups_close(c);
    assert_false(is_there("%s/cpu/quire-7", m->dir));
    assert_false(is_there("%s/mem ory/quire-7", m->dir));
}

static void test_a_group_of_somebody_else_is_left_alone(void **state)
{
    const struct machine *m = *state;
    const char *text = NULL;
    mount_v1(m, "/service");
    make("%s/cpu/service", m->dir);
    struct qr_cgroups *c = opened(m, false);
    if (geteuid() == 0) { /* else the directory is ours */
        assert_false(qr_cgroups_hold(c, QR_CGROUP_CPU, &text));
        assert_non_null(strstr(text, "not delegated"));
        assert_false(is_there("%s/cpu/service/quire-7", m->dir));
    }
    assert_true(qr_cgroups_hold(c, QR_CGROUP_MEMORY, &text)); /* each for itself */
    qr_cgroups_close(c);
    c = opened(m, true);
    assert_true(qr_cgroups_hold(c, QR_CGROUP_CPU, &text));
    assert_true(is_there("%s/cpu/service/quire-7", m->dir));
    qr_cgroups_close(c);
}

/* Version 2, as in a container: its root. */
static void mount_v2(const struct machine *m, const char *controllers)
{
    char text[512];
    snprintf(text, sizeof text, "35 30 0:3 /box %s/cgroup rw - cgroup2 cgroup rw,nsdelegate\n",
             m->dir);
    put(text, "%s", m->mounts);
    put("0::/box\n", "%s", m->own);
    make("%s/cgroup", m->dir);
    put(controllers, "%s/cgroup/cgroup.controllers", m->dir);
    put("", "%s/cgroup/cgroup.subtree_control", m->dir);
    make("%s/cgroup/quire-7", m->dir); /* with what the kernel puts there */
    put("", "%s/cgroup/quire-7/cgroup.subtree_control", m->dir);
}

static void test_version_2_has_one_tree_for_the_parts_that_there_are(void **state)
{
    const struct machine *m = *state;
    const char *text = NULL;
    char dirs[QR_CGROUP_PARTS][QR_CGROUP_PATH_BYTES];
    mount_v2(m, "cpuset cpu io pids\n");
    put("", "%s/cgroup/quire-7/cpu.weight", m->dir);
    struct qr_cgroups *c = opened(m, false);
    assert_true(qr_cgroups_hold(c, QR_CGROUP_CPU, &text));
    long weight = strtol(get("%s/cgroup/quire-7/cpu.weight", m->dir), NULL, 10),
         threads = 2 * sysconf(_SC_NPROCESSORS_ONLN); /* as many are busy as make it full */
    assert_int_equal(weight, threads < 100 ? threads * 100 : 10000);
    assert_false(qr_cgroups_hold(c, QR_CGROUP_MEMORY, &text));
    assert_non_null(strstr(text, "does not have this controller"));
    assert_string_equal(get("%s/cgroup/cgroup.subtree_control", m->dir), "+cpu");
    assert_int_equal(qr_cgroups_make(c, "shared", dirs, NULL), QR_OK);
    assert_string_equal(dirs[QR_CGROUP_MEMORY], "");
    put("cpu\n", "%s/cgroup.controllers", dirs[QR_CGROUP_CPU]);
    put("", "%s/cpu.max", dirs[QR_CGROUP_CPU]);
    put("", "%s/cpu.weight", dirs[QR_CGROUP_CPU]);
    const char *both[] = {dirs[0], dirs[1]};
    struct qr_cgroup_limits limits = {.cpu_ppm = 250000, .cpu_weight = 20000};
    assert_int_equal(qr_cgroup_set(both, &limits, NULL), QR_OK);
    assert_string_equal(get("%s/cpu.max", dirs[QR_CGROUP_CPU]), "25000 100000");
    assert_string_equal(get("%s/cpu.weight", dirs[QR_CGROUP_CPU]), "10000");
    assert_int_not_equal(qr_cgroups_make(c, "main", dirs, NULL), QR_OK); /* that name is ours */
    qr_cgroups_close(c);
    assert_string_equal(get("%s/cgroup/cgroup.subtree_control", m->dir), "-cpu"); /* as before */
}

static void test_a_machine_without_groups_is_no_error(void **state)
{
    const struct machine *m = *state;
    const char *text = NULL;
    char dirs[QR_CGROUP_PARTS][QR_CGROUP_PATH_BYTES];
    put("", "%s", m->mounts);
    put("0::/\nodd\n:\n", "%s", m->own);
    struct qr_cgroups *c = opened(m, true);
    assert_false(qr_cgroups_hold(c, QR_CGROUP_CPU, &text));
    assert_string_equal(text, "no hierarchy of control groups is mounted");
    assert_int_equal(qr_cgroups_make(c, "shared", dirs, NULL), QR_OK);
    assert_string_equal(dirs[QR_CGROUP_CPU], "");
    qr_cgroups_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_version_1_has_a_tree_for_each_part, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_left_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_group_of_somebody_else_is_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_version_2_has_one_tree_for_the_parts_that_there_are,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_machine_without_groups_is_no_error, setup, teardown),
    };
    return cmocka_run_group_tests_name("super/cgroup", tests, NULL, NULL);
}

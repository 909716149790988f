/* fuzz_inspect.c - any bytes as a file that is looked at. The first byte says as what: alone, as a
 * journal's segment or table, as a database's file, as an object. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "env/sim.h"
#include "inspect/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct qr_env *env, const char *path, const uint8_t *data, size_t size)
{
    assert(qr_env_replace_file(env, path, data, size, NULL) == QR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"/d/file", "/d/timelines", "/d/journal.0000000000000001",
                                        "/d/data", "/d/log.0000000000000001"};
    static const char *const tasks[] = {"inspect", "verify", "dump-log"};
    if (size < 1)
        return 0;
    struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 1});
    struct qr_env *env = qr_sim_env(sim);
    assert(qr_env_make_dir(env, "/d", NULL) == QR_OK);
    const char *path = paths[data[0] % 5];
    put(env, path, data + 1, size - 1);
    if (data[0] % 5 == 3) /* a database has both */
        put(env, paths[4], data + 1, size - 1);
    FILE *out = fopen("/dev/null", "w");
    assert(out != NULL);
    for (size_t i = 0; i < 3; i++) {
        const char *words[] = {tasks[i], data[0] % 5 == 0 ? path : "/d", "--timeline",
                               "01000000000000000000000000000000"};
        (void)qr_inspect_run(env, 4, words, out, out);
    }
    fclose(out);
    qr_sim_free(sim);
    return 0;
}

/* fuzz_keys.c - any bytes as a wrapped key and as a server key file. */
#include <assert.h>
#include "crypt/server_key.h"
#include "env/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct qr_sim *sim;
    static struct qr_server_key *key;
    struct qr_server_key *parsed = NULL;
    struct qr_data_key got;
    enum qr_status status = QR_OK;
    if (sim == NULL) {
        sim = qr_sim_new(&(struct qr_sim_options){.seed = 1});
        status = qr_server_key_open(qr_sim_env(sim), "server.key", true, &key, NULL);
        assert(status == QR_OK);
    }
    status = qr_data_key_unwrap(key, data, size, NULL, &got, NULL);
    assert(status != QR_OK || got.id != 0);
    if (size > 4096)
        return 0;
    status = qr_env_replace_file(qr_sim_env(sim), "other", data, size, NULL);
    assert(status == QR_OK);
    if (qr_server_key_open(qr_sim_env(sim), "other", false, &parsed, NULL) == QR_OK)
        qr_server_key_close(parsed);
    return 0;
}

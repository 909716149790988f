/* test_ring.h - a server key and a key ring, for the tests of those who encrypt. */
#pragma once
#include "crypt/keyring.h"
#include "env/sim.h"

struct t_ring {
    struct qr_server_key *key;
    struct qr_keyring *ring;
};

static inline void t_ring_close(struct t_ring *r)
{
    qr_keyring_free(r->ring);
    qr_server_key_close(r->key);
    *r = (struct t_ring){.ring = NULL};
}

QR_NODISCARD static inline enum qr_status t_ring_open_at(struct t_ring *r, struct qr_env *env,
                                                         const char *path, struct qr_blob *blob)
{
    enum qr_status status = qr_server_key_open(env, path, true, &r->key, NULL);
    if (status == QR_OK)
        status = qr_keyring_new(env, r->key, blob, &r->ring, NULL);
    if (status != QR_OK)
        t_ring_close(r);
    return status;
}

QR_NODISCARD static inline enum qr_status t_ring_open(struct t_ring *r, struct qr_env *env,
                                                      struct qr_blob *blob)
{
    return t_ring_open_at(r, env, "/server.key", blob);
}

/* One for the whole program, on no disk of the test's. With QR_TEST_KEYS only: else NULL. */
static inline const struct qr_server_key *t_server_key(void)
{
    static struct qr_server_key *key;
#ifdef QR_TEST_KEYS
    if (key == NULL) { /* it needs its disk only while it is opened */
        struct qr_sim *sim = qr_sim_new(&(struct qr_sim_options){.seed = 77});
        if (qr_server_key_open(qr_sim_env(sim), "/server.key", true, &key, NULL) != QR_OK)
            __builtin_trap();
        qr_sim_free(sim);
    }
#endif
    return key;
}

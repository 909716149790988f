/* bench_crypt.c - what sealing costs: `bench_crypt` prints MB/s and time by size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "crypt/cipher.h"
#include "env/env.h"
#include "base/banned.h"

enum { BYTES_TOTAL = 512 << 20 };

int main(void)
{
    static const size_t sizes[] = {512, 8160, 32 << 10, 256 << 10, 1 << 20};
    struct qr_env *env = qr_env_real();
    struct qr_data_key data_key = {.id = 1};
    uint8_t salt[QR_SALT_BYTES] = {0}, tag[QR_TAG_BYTES], *bytes = calloc(1, 1 << 20);
    struct qr_cipher_key keys[2];
    if (bytes == NULL)
        return 1;
    qr_cipher_derive(&keys[0], &data_key, "bench", "", 0, salt);
    qr_cipher_derive(&keys[1], &data_key, "bench 2", "", 0, salt);
    static const char *const names[] = {"gcm seal", "gcm seal, other key each time", "xts seal"};
    for (size_t way = 0; way < 3; way++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            uint64_t rounds = BYTES_TOTAL / sizes[i] / (sizes[i] < 4096 ? 8 : 1);
            int64_t start = qr_env_mono_ns(env);
            for (uint64_t r = 0; r < rounds; r++) {
                const struct qr_cipher_key *key = &keys[way == 1 ? r % 2 : 0];
                enum qr_status status =
                    way == 2 ? qr_xts_seal(key, r, 1, bytes, bytes, sizes[i], NULL)
                             : qr_gcm_seal(key, r, 0, "head", 4, bytes, sizes[i], tag, NULL);
                if (status != QR_OK)
                    return 1;
            }
            double ns = (double)(qr_env_mono_ns(env) - start);
            printf("%-30s %8zu bytes: %7.0f MB/s %9.0f ns\n", names[way], sizes[i],
                   (double)(rounds * sizes[i]) * 1e3 / ns, ns / (double)rounds);
        }
    free(bytes);
    return 0;
}

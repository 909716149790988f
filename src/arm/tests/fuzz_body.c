/* fuzz_body.c - any bytes as the body of a database's PUT or PATCH: it is a wish or it is refused
 * with a 4xx, and nothing in between. The first byte chooses what is there already. */
#include <assert.h>
#include "arm_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const objectives[] = {"", "GP_Gen5_2", "HS_Gen5_2", "GP_S_Gen5_2", "S1"};
    static const struct qri_place place = {.group = "g",
                                           .group_location = "eastus",
                                           .server = "server01",
                                           .location = "eastus",
                                           .server_id = "/subscriptions/x"};
    struct world w;
    struct qri_request r;
    struct qri_database_change change;
    struct qr_resource_database now = {.row = {.id = 5, .state = QR_DATABASE_ONLINE}};
    if (size == 0)
        return 0;
    const char *objective = objectives[data[0] % 5];
    const struct qr_slo *slo = qr_slo_find(qr_str(objective));
    world_init(&w);
    world_request(&w, &r);
    if (slo != NULL) {
        memcpy(now.requested_objective, objective, strlen(objective) + 1);
        memcpy(now.requested_edition, slo->edition, strlen(slo->edition) + 1);
    }
    r.json = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(r.json)) {
        bool taken =
            qri_database_change(&r, &place, qr_str("d"), slo == NULL ? NULL : &now, &change);
        assert(taken ? r.status == 0 : r.status >= 400 && r.status < 500 && r.status != 429);
    }
    world_free(&r);
    return 0;
}

/* arm/host.h - whom the management API asks: it keeps nothing itself.
 *
 * Threads: any, several at once; calls block. Texts are borrowed for the call unless said. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"
#include "base/status.h"
#include "rpc/rpc.h"

struct qr_arm_host {
    /* Control's short calls, and its operations. */
    struct qr_rpc_peer *control, *operate;
    const char *server_name; /* of the first logical server */
};

/* registry_int.h - what registry.c gives to its sister files */
#pragma once
#include "ctl/registry.h"

struct qr_meta *qri_registry_meta(const struct qr_registry *registry);

/* registry_bed.h - a metadata file of its own for each test, and the registry in it. */
#pragma once
#include "qr_test.h"
#include <stdlib.h>
#include <unistd.h>
#include "ctl/meta.h"
#include "ctl/registry.h"

struct fixture {
    char dir[64], path[80];
    struct qr_meta *meta;
    struct qr_registry *registry;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    memcpy(f->dir, "/tmp/qr_test_ctl_XXXXXX", 24);
    if (mkdtemp(f->dir) == NULL)
        return 1;
    snprintf(f->path, sizeof f->path, "%s/meta.db", f->dir);
    *state = f;
    return qr_meta_open(f->path, &f->meta, NULL) != QR_OK;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    qr_registry_close(f->registry);
    qr_meta_close(f->meta);
    unlink(f->path);
    rmdir(f->dir);
    free(f);
    return 0;
}

static inline void reopen(struct fixture *f)
{
    qr_registry_close(f->registry);
    qr_meta_close(f->meta);
    f->registry = NULL;
    assert_int_equal(qr_meta_open(f->path, &f->meta, NULL), QR_OK);
}

static inline void assert_value(struct fixture *f, const char *key, const char *want,
                                uint64_t version)
{
    struct qr_buf buf;
    uint64_t have = 0;
    qr_buf_init(&buf, 1000);
    assert_int_equal(qr_meta_get(f->meta, qr_str(key), &buf, &have, NULL), QR_OK);
    assert_string_equal(qr_buf_cstr(&buf), want);
    assert_int_equal(have, version);
    qr_buf_done(&buf);
}

static inline void open_registry(struct fixture *f)
{
    assert_int_equal(qr_registry_open(f->meta, qr_env_real(), &f->registry, NULL), QR_OK);
}

/* With its first server. */
static inline void open_served(struct fixture *f)
{
    open_registry(f);
    if (!qr_registry_has_server(f->registry))
        assert_int_equal(qr_registry_make_server(f->registry, qr_str("server01"),
                                                 qr_str("quireadmin"), qr_str("$h"), NULL, NULL,
                                                 NULL),
                         QR_OK);
}

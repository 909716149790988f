/* datadir_path.c - see cmd_int.h; quire has no more of a data directory than this */
#include <stdio.h>
#include "cmd_int.h"
#include "base/banned.h"

const char *qri_datadir_path(const struct qri_datadir *dir, struct qr_arena *arena,
                             const char *folder, const char *name)
{
    return qr_arena_printf(arena, "%s/%s%s%s", dir->path, folder, name == NULL ? "" : "/",
                           name == NULL ? "" : name);
}

enum qr_status qri_datadir_socket(const char *data_dir, const char *name, char *dst,
                                  size_t dst_bytes, struct qr_err *err)
{
    enum { PATH_BYTES = 4096 };
    char path[PATH_BYTES + 32];
    struct qr_buf note;
    snprintf(path, sizeof path, "%s/run-elsewhere", data_dir);
    qr_buf_init(&note, PATH_BYTES);
    bool elsewhere = qr_env_read_file(qr_env_real(), path, &note, NULL) == QR_OK;
    int n = snprintf(dst, dst_bytes, "unix:%s%s/%s.sock", elsewhere ? qr_buf_cstr(&note) : data_dir,
                     elsewhere ? "" : "/run", name);
    qr_buf_done(&note);
    return n > 0 && (size_t)n < dst_bytes ? QR_OK
                                          : qr_fail(err, QR_TOO_BIG, "the data directory's path");
}

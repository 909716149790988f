/* datadir_path.c - see cmd_int.h; quire has no more of a data directory than this */
#include "cmd_int.h"
#include "base/banned.h"

const char *qri_datadir_path(const struct qri_datadir *dir, struct qr_arena *arena,
                             const char *folder, const char *name)
{
    return qr_arena_printf(arena, "%s/%s%s%s", dir->path, folder, name == NULL ? "" : "/",
                           name == NULL ? "" : name);
}

/* regions.c - see cmd_int.h: where the data of each region are. The first region's are in the data
 * directory itself; another one has a root, with databases/ and blob/ in it. */
#include <string.h>
#include "base/region.h"
#include "cmd_int.h"
#include "ctl/place.h"
#include "base/banned.h"

/* The value of NAME in "NAME=DIR,NAME=DIR". */
static struct qr_str find_root(const char *roots, const char *name)
{
    struct qr_str found = {NULL, 0};
    for (const char *at = roots == NULL ? "" : roots; *at != '\0';) {
        size_t n = strcspn(at, ","), of_name = strcspn(at, "=,");
        if (of_name < n && qr_str_ieqz(qr_str_n(at, of_name), name))
            found = qr_str_n(at + of_name + 1, n - of_name - 1);
        at += n;
        at += *at == ',';
    }
    return found;
}

const char *qri_region_root(const struct qri_datadir *dir, struct qr_arena *arena, uint32_t region)
{
    const char *name = qr_place_region_name(region);
    if (region == 0 || name == NULL)
        return dir->path;
    struct qr_str root = find_root(dir->region_roots, name);
    return root.n > 0 ? qr_arena_printf(arena, "%.*s", (int)root.n, root.p)
                      : qr_arena_printf(arena, "%s/regions/%s", dir->path, name);
}

const char *qri_database_path(const struct qri_datadir *dir, struct qr_arena *arena,
                              const char *name)
{
    uint32_t region = 0;
    (void)qr_region_of(qr_str(name), &region);
    const char *root = qri_region_root(dir, arena, region);
    return root == NULL ? NULL : qr_arena_printf(arena, "%s/databases/%s", root, name);
}

/* One that every machine reaches has the regions in it; files are below the region's root. */
const char *qri_region_blob(const struct qri_datadir *dir, struct qr_arena *arena, const char *blob,
                            uint32_t region)
{
    bool is_remote = *blob != '\0' && strncmp(blob, "file:", 5) != 0;
    const char *name = qr_place_region_name(region), *root;
    if (region == 0 && *blob != '\0')
        return blob;
    if (is_remote && name != NULL)
        return qr_arena_printf(arena, "%s%sregions/%s", blob,
                               blob[strlen(blob) - 1] == '/' ? "" : "/", name);
    root = qri_region_root(dir, arena, region);
    return root == NULL ? NULL : qr_arena_printf(arena, "file://%s/blob", root);
}

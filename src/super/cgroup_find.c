/* cgroup_find.c - see cgroup_int.h: where the group of this process is */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cgroup_int.h"
#include "base/banned.h"

/* Is it in the list that commas separate? */
static bool is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (; *list != '\0'; list += strcspn(list, ",") + (list[strcspn(list, ",")] == ','))
        if (strcspn(list, ",") == n && memcmp(list, name, n) == 0)
            return true;
    return false;
}

/* A line is NUMBER:CONTROLLERS:PATH; of version 2 `0::PATH`. The path goes to `dst`. */
static bool find_own(const char *file, const char *controller, char dst[QR_CGROUP_PATH_BYTES])
{
    FILE *f = fopen(file, "re");
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    while (f != NULL && !found && getline(&line, &capacity, f) >= 0) {
        char *rest = line;
        const char *number = strsep(&rest, ":"), *list = strsep(&rest, ":");
        if (list == NULL || rest == NULL)
            continue;
        rest[strcspn(rest, "\n")] = '\0';
        found = controller == NULL ? strcmp(number, "0") == 0 && *list == '\0'
                                   : is_listed(list, controller);
        found = found && snprintf(dst, QR_CGROUP_PATH_BYTES, "%s", rest) < QR_CGROUP_PATH_BYTES;
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return found;
}

/* The kernel writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at != '\0'; to++) {
        bool octal = at[0] == '\\' && strspn(at + 1, "01234567") >= 3;
        *to = (char)(octal ? (at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0') : *at);
        at += octal ? 4 : 1;
    }
    *to = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS ... - TYPE SOURCE OPTIONS. A later mount hides an
 * earlier one only at the same place, and each is good, so the first is taken. */
static bool is_mount_of(char *line, const char *controller, char **ret_root, char **ret_point)
{
    char *fields[5], *rest = line;
    for (int i = 0; i < 5; i++)
        if ((fields[i] = strsep(&rest, " ")) == NULL)
            return false;
    char *dash = rest == NULL ? NULL : strstr(rest, " - ");
    if (dash == NULL)
        return false;
    rest = dash + 3;
    const char *type = strsep(&rest, " "), *source = strsep(&rest, " ");
    if (source == NULL || rest == NULL ||
        strcmp(type, controller == NULL ? "cgroup2" : "cgroup") != 0)
        return false;
    rest[strcspn(rest, "\n")] = '\0';
    *ret_root = fields[3];
    *ret_point = fields[4];
    unescape(*ret_root);
    unescape(*ret_point);
    return controller == NULL || is_listed(rest, controller);
}

bool qri_cgroup_find(const char *mountinfo, const char *own, const char *controller,
                     struct qri_cgroup_place *ret_place)
{
    char path[QR_CGROUP_PATH_BYTES], *line = NULL, *root = NULL, *point = NULL;
    if (!find_own(own, controller, path))
        return false;
    FILE *f = fopen(mountinfo, "re");
    size_t capacity = 0;
    bool found = false;
    while (f != NULL && !found && getline(&line, &capacity, f) >= 0) {
        if (!is_mount_of(line, controller, &root, &point))
            continue;
        size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
        if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
            continue; /* what is mounted there does not hold our group */
        const char *below = path + n + (path[n] == '/');
        ret_place->is_root = *below == '\0';
        found = qri_cgroup_join(ret_place->dir, point, below);
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return found;
}

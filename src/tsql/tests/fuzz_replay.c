/* fuzz_replay.c - gives every file of the folders named to the fuzz target, without a fuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES_MAX = 1 << 20 };

static int replay(const char *folder)
{
    DIR *dir = opendir(folder);
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    int count = 0;
    if (dir == NULL || data == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *f = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (f == NULL)
            continue;
        size_t n = fread(data, 1, INPUT_BYTES_MAX, f);
        fclose(f);
        LLVMFuzzerTestOneInput(data, n);
        count++;
    }
    closedir(dir);
    free(data);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}

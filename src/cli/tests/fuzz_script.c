/* fuzz_script.c - any lines as a script: batches come or words, and it ends. (`:r` reads files:
 * left out.) */
#include <assert.h>
#include <stdlib.h>
#include "../script.h"

struct lines {
    const char *at;
    char *line;
};

static const char *next_line(void *ctx, int number)
{
    struct lines *l = ctx;
    (void)number;
    free(l->line);
    l->line = NULL;
    if (*l->at == '\0')
        return NULL;
    size_t n = strcspn(l->at, "\n");
    l->line = strndup(l->at, n);
    l->at += n + (l->at[n] == '\n');
    if (strcasestr(l->line, ":r") != NULL)
        l->line[0] = '\0';
    return l->line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qri_script script;
    char *text = strndup((const char *)data, size);
    struct lines lines = {.at = text};
    FILE *out = fopen("/dev/null", "we");
    if (out == NULL || text == NULL)
        abort();
    qri_script_init(&script, next_line, &lines, out);
    for (bool goes_on = true; goes_on;) {
        enum qri_script_event event = QRI_SCRIPT_BATCH;
        struct qr_err err = {0};
        enum qr_status status = qri_script_next(&script, &event, &err);
        assert(status == QR_OK || *err.text != '\0');
        goes_on = status != QR_OK || event == QRI_SCRIPT_BATCH;
    }
    qri_script_done(&script);
    fclose(out);
    free(lines.line);
    free(text);
    return 0;
}

/* line.c - see line.h: libedit. */
#include "line.h"
#include <editline/readline.h>
#include <string.h>
#include <sys/stat.h>
#include "base/banned.h"

enum { LINES_MAX = 1000 };

void qri_line_begin(const char *path)
{
    rl_readline_name = "quire";
    using_history();
    stifle_history(LINES_MAX);
    (void)read_history(path);
}

static int is_secret(const char *line)
{
    return strcasestr(line, "password") != NULL || strcasestr(line, "secret") != NULL;
}

char *qri_line_read(const char *prompt)
{
    char *line = readline(prompt);
    if (line != NULL && line[strspn(line, " \t")] != '\0' && !is_secret(line))
        (void)add_history(line);
    return line;
}

void qri_line_end(const char *path)
{
    (void)write_history(path);
    (void)chmod(path, 0600);
}

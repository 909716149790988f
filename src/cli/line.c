/* line.c - see line.h: libedit. */
#include "line.h"
#include <editline/readline.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include "base/banned.h"

enum { LINES_MAX = 1000 };

/* libedit prints the prompt and takes the terminal out of its line mode after that: the end of the
 * input, typed in between, would be lost. It puts back what it found in the beginning. */
static void leave_line_mode(void)
{
    struct termios mode;
    if (tcgetattr(STDIN_FILENO, &mode) != 0)
        return;
    mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
}

void qri_line_begin(const char *path)
{
    (void)rl_initialize(); /* remembers how the terminal is */
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
    leave_line_mode();
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

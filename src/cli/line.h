/* line.h - lines that are typed on a terminal, with a history.
 *
 * One thread, one terminal. Lines that have to do with passwords are not remembered. */
#pragma once

/* `path`: the file of the history; it is the owner's alone. */
void qri_line_begin(const char *path);
/* NULL: the end of the input. The caller frees it. */
char *qri_line_read(const char *prompt);
void qri_line_end(const char *path);

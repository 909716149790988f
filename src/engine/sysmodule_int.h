/* sysmodule_int.h - system procedures and functions that are written in T-SQL: parsed and run as
 * any other, in the database of whoever calls them. */
#pragma once

struct qri_sysmodule {
    const char *name; /* in schema sys */
    const char *text; /* CREATE PROCEDURE sys.name … */
};
extern const struct qri_sysmodule qri_sysmodules[];          /* sysmodule.c; ended by name NULL */
extern const struct qri_sysmodule qri_sysmodules_security[]; /* sysmodule_security.c; likewise */
/* CREATE FUNCTION sys.name(@a int, …) RETURNS TABLE …; types without blanks in them. */
extern const struct qri_sysmodule qri_sysfunctions[]; /* sysfunction.c; likewise */

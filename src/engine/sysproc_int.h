/* sysproc_int.h - system procedures that are written in T-SQL: parsed and run as any procedure, in
 * the database of whoever calls them. */
#pragma once

struct qri_sysproc {
    const char *name; /* in schema sys */
    const char *text; /* CREATE PROCEDURE sys.name … */
};
extern const struct qri_sysproc qri_sysprocs[]; /* sysproc.c; ended by name NULL */

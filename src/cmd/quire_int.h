/* quire_int.h - the commands of quire that have a file of their own; each returns the exit code. */
#pragma once

/* What follows `quire db`. */
/* quire_key.c */
int qri_quire_key(int argc, char **argv);
int qri_quire_db(int argc, char **argv);
/* What follows `quire autoscale`. */
int qri_quire_autoscale(int argc, char **argv);
/* What follows `quire machine`. */
int qri_quire_machine(int argc, char **argv);

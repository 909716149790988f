/* hint_int.h - table hints, as bits of a source: bind_hint.c */
#pragma once

/* Table hints that mean something here. */
enum qri_hint {
    QRI_HINT_NOLOCK = 1 << 0,
    QRI_HINT_READCOMMITTED = 1 << 1,
    QRI_HINT_READCOMMITTEDLOCK = 1 << 2,
    QRI_HINT_REPEATABLEREAD = 1 << 3,
    QRI_HINT_SERIALIZABLE = 1 << 4, /* and HOLDLOCK */
    QRI_HINT_SNAPSHOT = 1 << 5,
    QRI_HINT_ROWLOCK = 1 << 6,
    QRI_HINT_PAGLOCK = 1 << 7,
    QRI_HINT_TABLOCK = 1 << 8,
    QRI_HINT_TABLOCKX = 1 << 9,
    QRI_HINT_UPDLOCK = 1 << 10,
    QRI_HINT_XLOCK = 1 << 11,
    QRI_HINT_READPAST = 1 << 12,
    QRI_HINT_NOWAIT = 1 << 13,
};

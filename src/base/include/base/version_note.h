/* base/version_note.h - the ELF note that tells a program's version to who looks at its file, or at
 * a process that runs it: the name "quire", this type, the version with a zero behind it. */
#pragma once

enum { QR_VERSION_NOTE = 0x51725665 }; /* "QrVe" */
#define QR_VERSION_NOTE_NAME "quire"
#define QR_VERSION_NOTE_SECTION ".note.quire.version"

/* status_version.c - see status_int.h: the version of a program, from an ELF note that quired has
 * (cmd/quired.c). It is there in a process whose file is gone, too, and nothing is run for it. */
#include <elf.h>
#include <string.h>
#include "base/version_note.h"
#include "status_int.h"
#include "base/banned.h"

enum { NOTE_ALIGN = 4, HEADERS_MAX = 64 };

static size_t padded(size_t bytes)
{
    return (bytes + NOTE_ALIGN - 1) / NOTE_ALIGN * NOTE_ALIGN;
}

/* In the notes of one segment. Its numbers are anybody's. */
static struct qr_str version_in(const uint8_t *notes, size_t count)
{
    for (size_t at = 0; count - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr head;
        memcpy(&head, notes + at, sizeof head);
        at += sizeof head;
        size_t left = count - at, name = padded(head.n_namesz);
        if (name > left || padded(head.n_descsz) > left - name)
            break;
        const char *text = (const char *)notes + at + name;
        bool is_ours = head.n_type == QR_VERSION_NOTE &&
                       head.n_namesz == sizeof QR_VERSION_NOTE_NAME &&
                       memcmp(notes + at, QR_VERSION_NOTE_NAME, sizeof QR_VERSION_NOTE_NAME) == 0;
        if (is_ours)
            return qr_str_n(text, strnlen(text, head.n_descsz));
        at += name + padded(head.n_descsz);
    }
    return (struct qr_str){0};
}

struct qr_str qri_version_of_elf(const uint8_t *bytes, size_t count)
{
    Elf64_Ehdr elf;
    struct qr_str version = {0};
    if (count < sizeof elf)
        return version;
    memcpy(&elf, bytes, sizeof elf);
    if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
        elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum > HEADERS_MAX || elf.e_phoff > count ||
        elf.e_phnum > (count - elf.e_phoff) / sizeof(Elf64_Phdr))
        return version;
    for (size_t i = 0; i < elf.e_phnum && version.n == 0; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + elf.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_NOTE && segment.p_offset <= count &&
            segment.p_filesz <= count - segment.p_offset)
            version = version_in(bytes + segment.p_offset, segment.p_filesz);
    }
    return version;
}

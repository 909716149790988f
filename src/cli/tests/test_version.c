/* Goal: the version of a program is found in its ELF notes, and any other bytes have none. */
#include "qr_test.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include "../status_int.h"
#include "base/version_note.h"

struct note {
    Elf64_Nhdr head;
    char name[8];
    char text[8];
};

struct image {
    Elf64_Ehdr elf;
    Elf64_Phdr segments[3];
    struct note foreign, ours;
};

static struct image image_of(void)
{
    struct image image = {
        .elf = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64},
                .e_phoff = offsetof(struct image, segments),
                .e_phentsize = sizeof(Elf64_Phdr),
                .e_phnum = 3},
        .segments = {{.p_type = PT_LOAD, .p_filesz = 1 << 20},
                     {.p_type = PT_NOTE, .p_offset = 1 << 30, .p_filesz = 16},
                     {.p_type = PT_NOTE,
                      .p_offset = offsetof(struct image, foreign),
                      .p_filesz = 2 * sizeof(struct note)}},
        .foreign = {{5, 7, QR_VERSION_NOTE}, "other", "9.9.9"},
        .ours = {{sizeof QR_VERSION_NOTE_NAME, 6, QR_VERSION_NOTE}, "quire", "1.2.3"},
    };
    return image;
}

static struct qr_str version_of(const struct image *image, size_t bytes)
{
    static char text[16];
    uint8_t *exact = malloc(bytes == 0 ? 1 : bytes); /* so that reading behind it is seen */
    memcpy(exact, image, bytes);
    struct qr_str version = qri_version_of_elf(exact, bytes);
    assert_true(version.n < sizeof text);
    if (version.n > 0)
        memcpy(text, version.p, version.n);
    free(exact);
    return qr_str_n(text, version.n);
}

static void test_the_note_is_found_behind_others(void **state)
{
    (void)state;
    struct image image = image_of();
    struct qr_str version = version_of(&image, sizeof image);
    assert_int_equal(version.n, 5);
    assert_memory_equal(version.p, "1.2.3", 5);
}

static void test_what_is_cut_off_or_foreign_has_none(void **state)
{
    (void)state;
    struct image image = image_of();
    for (size_t bytes = 0; bytes < sizeof image; bytes++)
        assert_int_equal(version_of(&image, bytes).n, 0);
    image.elf.e_ident[EI_CLASS] = ELFCLASS32;
    assert_int_equal(version_of(&image, sizeof image).n, 0);
    image = image_of();
    image.ours.head.n_type += 1;
    assert_int_equal(version_of(&image, sizeof image).n, 0);
}

/* Every 32 bits of it are something else, one after the other. */
static void test_no_number_leads_outside(void **state)
{
    (void)state;
    static const uint32_t values[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
    for (size_t at = 0; at + 4 <= sizeof(struct image); at += 4) {
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            struct image image = image_of();
            memcpy((char *)&image + at, &values[i], 4);
            assert_true(version_of(&image, sizeof image).n <= sizeof image.ours.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_note_is_found_behind_others),
        cmocka_unit_test(test_what_is_cut_off_or_foreign_has_none),
        cmocka_unit_test(test_no_number_leads_outside),
    };
    return cmocka_run_group_tests_name("cli/version", tests, NULL, NULL);
}

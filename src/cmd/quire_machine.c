/* quire_machine.c - `quire machine add`: the file with which another machine joins a service. Made
 * from the data directory alone; the server may run or not. */
#include "quire_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "env/env.h"
#include "machine_file.h"
#include "rpc/identity.h"
#include "base/banned.h"

enum { PATH_BYTES = 4096, EXIT_USAGE = 2 };

struct machine_words {
    const char *data_dir, *name, *role, *output;
};

static const struct {
    const char *word;
    size_t offset;
} word_rows[] = {
    {"--data-dir", offsetof(struct machine_words, data_dir)},
    {"--name", offsetof(struct machine_words, name)},
    {"--role", offsetof(struct machine_words, role)},
    {"--output", offsetof(struct machine_words, output)},
};

static int usage(void)
{
    fprintf(stderr,
            "usage: quire machine add --name MACHINE --role ROLE[,ROLE]... --output FILE "
            "[--data-dir DIR]\n"
            "ROLE is log, page or compute. DIR is the data directory [data-dir] of a server that "
            "was started with --advertise. "
            "FILE is for\n`quired --role ... --join FILE` on that machine: it holds a key, so keep "
            "it secret.\n");
    return EXIT_USAGE;
}

static bool take_words(int argc, char **argv, struct machine_words *words)
{
    *words = (struct machine_words){.data_dir = "data-dir"};
    for (int i = 0; i < argc; i++) {
        size_t k = 0, count = sizeof word_rows / sizeof word_rows[0];
        while (k < count && strcmp(argv[i], word_rows[k].word) != 0)
            k++;
        if (k == count || i + 1 == argc) {
            fprintf(stderr, "quire: '%s' %s\n", argv[i],
                    k == count ? "is not known here" : "needs a value");
            return false;
        }
        *(const char **)(void *)((char *)words + word_rows[k].offset) = argv[++i];
    }
    return words->name != NULL && words->role != NULL && words->output != NULL;
}

/* "log,page" into the words of an identity. */
static bool take_roles(const char *text, struct qr_identity *identity)
{
    static const char *const known[] = {"log", "page", "compute"};
    size_t count = sizeof known / sizeof known[0], used = 0;
    for (const char *at = text;;) {
        size_t n = strcspn(at, ","), i = 0;
        while (i < count && (strlen(known[i]) != n || memcmp(known[i], at, n) != 0))
            i++;
        if (i == count || used + n + 2 > sizeof identity->roles)
            return false;
        used += (size_t)snprintf(identity->roles + used, sizeof identity->roles - used, "%s%s",
                                 used == 0 ? "" : " ", known[i]);
        if (at[n] == '\0')
            return true;
        at += n + 1;
    }
}

static enum qr_status read_of_machines(const char *data_dir, const char *name, struct qr_buf *text,
                                       struct qr_err *err)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/machines/%s", data_dir, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return qr_fail(err, QR_TOO_BIG, "the data directory's path");
    enum qr_status status = qr_env_read_file(qr_env_real(), path, text, err);
    if (status == QR_NOT_FOUND)
        return qr_fail(err, status, "'%s' is not there: start the server with --advertise once",
                       path);
    return status;
}

static enum qr_status make(const struct machine_words *words, const struct qr_identity *identity,
                           struct qr_buf *self, struct qr_buf *ca, struct qr_buf *file,
                           int64_t *ret_until_ns, struct qr_err *err)
{
    struct qr_identity made;
    if (access(words->output, F_OK) == 0)
        return qr_fail(err, QR_EXISTS, "'%s' is there already", words->output);
    QR_TRY(read_of_machines(words->data_dir, "self.pem", self, err));
    QR_TRY(read_of_machines(words->data_dir, "ca.pem", ca, err));
    const char *note = qr_buf_cstr(self);
    if (strncmp(note, QRI_CONTROL_NOTE, sizeof QRI_CONTROL_NOTE - 1) != 0)
        return qr_fail(err, QR_CORRUPT, "machines/self.pem does not say where control is");
    qr_buf_add(file, note, strcspn(note, "\n"));
    qr_buf_add(file, "\n", 1);
    QR_TRY(
        qr_identity_issue(qr_env_real(), qr_buf_cstr(ca), identity, QRI_IDENTITY_DAYS, file, err));
    QR_TRY(qr_identity_read(qr_buf_cstr(file), &made, ret_until_ns, err));
    return qr_env_replace_file(qr_env_real(), words->output, file->data, file->len, err);
}

int qri_quire_machine(int argc, char **argv)
{
    struct machine_words words;
    struct qr_identity identity = {0};
    struct qr_buf self, ca, file;
    struct qr_err err = {0};
    int64_t until_ns = 0;
    if (argc < 1 || strcmp(argv[0], "add") != 0 || !take_words(argc - 1, argv + 1, &words))
        return usage();
    if (!take_roles(words.role, &identity)) {
        fprintf(stderr, "quire: --role: log, page and compute run on another machine, not '%s'\n",
                words.role);
        return EXIT_USAGE;
    }
    if (strlen(words.name) < sizeof identity.name)
        snprintf(identity.name, sizeof identity.name, "%s", words.name);
    umask(077);
    qr_buf_init(&self, QR_IDENTITY_PEM_BYTES_MAX);
    qr_buf_init(&ca, QR_IDENTITY_PEM_BYTES_MAX);
    qr_buf_init(&file, QR_IDENTITY_PEM_BYTES_MAX);
    enum qr_status status = make(&words, &identity, &self, &ca, &file, &until_ns, &err);
    qr_buf_done(&self);
    qr_buf_done(&ca);
    qr_buf_done(&file);
    if (status != QR_OK) {
        fprintf(stderr, "quire: %s\n", err.text);
        return EXIT_FAILURE;
    }
    time_t until = (time_t)(until_ns / 1000000000);
    struct tm tm;
    char day[16] = "";
    if (gmtime_r(&until, &tm) != NULL)
        strftime(day, sizeof day, "%Y-%m-%d", &tm);
    printf("%s: machine '%s' may run %s until %s\n", words.output, identity.name, words.role, day);
    return EXIT_SUCCESS;
}

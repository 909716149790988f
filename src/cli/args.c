/* args.c - see cli_int.h: the words of a command line, by the tables. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cli_int.h"
#include "base/banned.h"

enum { NEAR_MAX = 3, WORD_BYTES_MAX = 64 };

/* ---- the tables ---- */

const struct qri_argument *qri_argument_find(const char *key)
{
    for (const struct qri_argument *row = qri_arguments; row->key != NULL; row++)
        if (strcmp(row->key, key) == 0)
            return row;
    return NULL;
}

struct qr_str qri_word_next(const char **at)
{
    const char *start = *at + strspn(*at, " ");
    size_t n = strcspn(start, " ");
    *at = start + n;
    return qr_str_n(start, n);
}

static const struct qri_argument *find_key(struct qr_str word)
{
    if (word.n > 0 && word.p[word.n - 1] == '!')
        word.n--;
    for (const struct qri_argument *row = qri_arguments; row->key != NULL; row++)
        if (qr_str_eq(word, qr_str(row->key)))
            return row;
    return NULL;
}

bool qri_command_has(const struct qri_command *command, const char *key)
{
    struct qr_str word;
    for (const char *at = command->takes; (word = qri_word_next(&at)).n > 0;)
        if (find_key(word) == qri_argument_find(key))
            return true;
    return false;
}

const char *qri_common_keys(const struct qri_command *command)
{
    return qri_command_has(command, "headers")      ? "help"
           : qri_command_has(command, "stress-sql") ? "help output"
                                                    : "help output query subscription";
}

static bool has_name(const struct qri_argument *row, struct qr_str name)
{
    struct qr_str word;
    for (const char *at = row->names; (word = qri_word_next(&at)).n > 0;)
        if (qr_str_eq(word, name))
            return true;
    return false;
}

/* Those of the command come first: its -o is not that of all others. */
static const struct qri_argument *find_option(const struct qri_command *command, struct qr_str name)
{
    const char *lists[] = {command->takes, qri_common_keys(command)};
    struct qr_str word;
    for (size_t i = 0; i < 2; i++)
        for (const char *at = lists[i]; (word = qri_word_next(&at)).n > 0;)
            if (has_name(find_key(word), name))
                return find_key(word);
    return NULL;
}

/* ---- near words ---- */

static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_BYTES_MAX + 1], n = strlen(b);
    if (n > WORD_BYTES_MAX || strlen(a) > WORD_BYTES_MAX)
        return WORD_BYTES_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[n];
}

const char *qri_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    size_t least = NEAR_MAX + 1;
    for (; *words != NULL; words++) {
        size_t d = distance(word, *words);
        if (d < least && d < strlen(*words)) {
            least = d;
            best = *words;
        }
    }
    return best;
}

/* ---- values ---- */

static enum qr_status check_size(struct qri_cli *cli, const char **text)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0}, {"B", 0}, {"kB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}};
    char *end = NULL;
    long long value = strtoll(*text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (end == *text || value < -1 || strcmp(end, units[i].unit) != 0)
            continue;
        if (value > (INT64_MAX >> units[i].shift))
            return QR_INVALID;
        *text = qr_arena_printf(&cli->arena, "%lld",
                                value < 0 ? value : value * (1LL << units[i].shift));
        return *text == NULL ? QR_NOMEM : QR_OK;
    }
    return QR_INVALID;
}

/* `2026-05-04T10:11:12Z`; a blank for the T, a fraction, no Z: all are UTC. */
static enum qr_status check_time(struct qri_cli *cli, const char **text)
{
    static const char form[] = "0000-00-00T00:00:00";
    const char *c = *text;
    for (const char *f = form; *f != '\0'; f++, c++) {
        bool fits = *f == '0' ? *c >= '0' && *c <= '9' : *c == *f || (*f == 'T' && *c == ' ');
        if (!fits)
            return QR_INVALID;
    }
    if (*c == '.')
        c += 1 + strspn(c + 1, "0123456789");
    if (strcmp(c, "") != 0 && strcmp(c, "Z") != 0 && strcmp(c, "+00:00") != 0)
        return QR_INVALID;
    char *copy = qr_arena_printf(&cli->arena, "%.*sZ", (int)(c - *text), *text);
    if (copy == NULL)
        return QR_NOMEM;
    copy[10] = 'T';
    *text = copy;
    return QR_OK;
}

static enum qr_status check_choice(const struct qri_argument *row, const char **text)
{
    for (const char *const *choice = row->choices; *choice != NULL; choice++)
        if (qr_str_ieqz(qr_str(*text), *choice)) {
            *text = *choice;
            return QR_OK;
        }
    return QR_INVALID;
}

static enum qr_status check_number(const struct qri_argument *row, const char *text)
{
    char *end = NULL;
    double value = row->kind == QRI_NUMBER ? strtod(text, &end) : (double)strtoll(text, &end, 10);
    return *text != '\0' && *end == '\0' && isfinite(value) && strlen(text) < 19 ? QR_OK
                                                                                 : QR_INVALID;
}

static const char *wanted(struct qri_cli *cli, const struct qri_argument *row)
{
    static const char *const words[] = {
        [QRI_TEXT] = "some text",   [QRI_INTEGER] = "a whole number",
        [QRI_NUMBER] = "a number",  [QRI_SIZE] = "a size, such as 200GB",
        [QRI_FLAG] = "no value",    [QRI_SWITCH] = "true or false",
        [QRI_PAIRS] = "name=value", [QRI_TIME] = "a time, such as 2026-05-04T10:11:12Z",
    };
    const char *text = "one of";
    if (row->kind != QRI_CHOICE)
        return words[row->kind];
    for (const char *const *choice = row->choices; text != NULL && *choice != NULL; choice++)
        text = qr_arena_printf(&cli->arena, "%s%s %s", text, choice == row->choices ? "" : ",",
                               *choice);
    return text == NULL ? "another" : text;
}

static enum qr_status fail_value(struct qri_cli *cli, const struct qri_argument *row,
                                 const char *text, struct qr_err *err)
{
    const char *names = row->names;
    struct qr_str name = qri_word_next(&names);
    const char *near = row->choices == NULL ? NULL : qri_nearest(text, row->choices);
    qr_fail(err, QR_INVALID, "%.*s: '%.200s' is not %s", (int)name.n, name.p, text,
            wanted(cli, row));
    if (near != NULL) {
        struct qr_err whole = *err;
        qr_fail(err, QR_INVALID, "%s; is it '%s'?", whole.text, near);
    }
    return QR_INVALID;
}

enum qr_status qri_args_check(struct qri_cli *cli, const struct qri_argument *row,
                              const char **text, struct qr_err *err)
{
    static const char *const truths[] = {"true", "false", "yes", "no", "1", "0", NULL};
    enum qr_status status = QR_OK;
    switch (row->kind) {
    case QRI_TEXT:
    case QRI_FLAG:
    case QRI_PAIRS:
        break;
    case QRI_INTEGER:
    case QRI_NUMBER:
        status = check_number(row, *text);
        break;
    case QRI_SIZE:
        status = check_size(cli, text);
        break;
    case QRI_CHOICE:
        status = check_choice(row, text);
        break;
    case QRI_SWITCH:
        status = check_choice(&(struct qri_argument){.choices = truths}, text);
        break;
    case QRI_TIME:
        status = check_time(cli, text);
        break;
    }
    return status == QR_OK ? QR_OK : fail_value(cli, row, *text, err);
}

/* ---- the command ---- */

/* The first words of the line; *ret_count of them are the command's. */
static const struct qri_command *find_command(int argc, char **argv, int *ret_count)
{
    for (const struct qri_command *row = qri_commands; row->words != NULL; row++) {
        const char *at = row->words;
        struct qr_str word;
        int i = 0;
        while ((word = qri_word_next(&at)).n > 0 && i < argc && qr_str_eq(word, qr_str(argv[i])))
            i++;
        if (word.n == 0) {
            *ret_count = i;
            return row;
        }
    }
    return NULL;
}

/* `sql db` is the beginning of some commands. */
static bool is_group(const char *words)
{
    size_t n = strlen(words);
    for (const struct qri_command *row = qri_commands; row->words != NULL; row++)
        if (n == 0 || (strncmp(row->words, words, n) == 0 && row->words[n] == ' '))
            return true;
    return false;
}

static enum qr_status fail_command(struct qri_cli *cli, const char *words, struct qr_err *err)
{
    const char *names[QRI_ARGUMENTS_MAX];
    size_t count = 0;
    (void)cli;
    for (const struct qri_command *row = qri_commands; row->words != NULL; row++)
        names[count++] = row->words;
    names[count] = NULL;
    const char *near = qri_nearest(words, names);
    return qr_fail(err, QR_INVALID, "there is no command '%.200s'%s%s%s", words,
                   near == NULL ? "; see quire --help" : "; is it '", near == NULL ? "" : near,
                   near == NULL ? "" : "'?");
}

static enum qr_status fail_option(struct qri_cli *cli, const char *option, struct qr_err *err)
{
    const char *names[QRI_ARGUMENTS_MAX * 3];
    const char *lists[] = {cli->command->takes, qri_common_keys(cli->command)};
    size_t count = 0;
    struct qr_str word, name;
    for (size_t i = 0; i < 2; i++)
        for (const char *at = lists[i]; (word = qri_word_next(&at)).n > 0;) {
            const char *all = find_key(word)->names;
            while ((name = qri_word_next(&all)).n > 0)
                if (name.n > 2 && count + 1 < sizeof names / sizeof names[0])
                    names[count++] = qr_arena_dup(&cli->arena, name.p, name.n);
        }
    names[count] = NULL;
    const char *near = qri_nearest(option, names);
    return qr_fail(err, QR_INVALID, "'%.200s' is no option of 'quire %s'%s%s%s", option,
                   cli->command->words, near == NULL ? "" : "; is it '", near == NULL ? "" : near,
                   near == NULL ? "" : "'?");
}

/* ---- options ---- */

struct words {
    int argc, at;
    char **argv;
};

static bool is_option(struct qri_cli *cli, const char *word)
{
    return word[0] == '-' && word[1] != '\0' &&
           find_option(cli->command, qr_str_n(word, strcspn(word, "="))) != NULL;
}

static enum qr_status take_pairs(struct qri_cli *cli, struct words *w, const char *first,
                                 const struct qri_argument *row, const char **ret_text,
                                 struct qr_err *err)
{
    const char *all = "";
    for (const char *pair = first;;) {
        if (pair == NULL) {
            if (w->at == w->argc || is_option(cli, w->argv[w->at]))
                break;
            pair = w->argv[w->at++];
        }
        if (*pair != '\0' && (strchr(pair, '=') == NULL || *pair == '='))
            return fail_value(cli, row, pair, err);
        all = qr_arena_printf(&cli->arena, "%s%s\n", all, pair);
        if (all == NULL)
            return qr_fail(err, QR_NOMEM, "arguments");
        pair = NULL;
    }
    *ret_text = all;
    return QR_OK;
}

static enum qr_status take_value(struct qri_cli *cli, struct words *w,
                                 const struct qri_argument *row, const char *attached,
                                 struct qr_err *err)
{
    const char **value = &cli->values[row - qri_arguments], *text = attached;
    bool next_is_value = w->at < w->argc && !is_option(cli, w->argv[w->at]);
    if (row->kind == QRI_FLAG) {
        if (attached != NULL)
            return fail_value(cli, row, attached, err);
        *value = "true";
        return QR_OK;
    }
    if (row->kind == QRI_PAIRS)
        return take_pairs(cli, w, attached, row, value, err);
    if (text == NULL && row->kind == QRI_SWITCH && !next_is_value)
        text = "true";
    else if (text == NULL && next_is_value)
        text = w->argv[w->at++];
    if (text == NULL)
        return qr_fail(err, QR_INVALID, "%s needs a value: %s", w->argv[w->at - 1],
                       wanted(cli, row));
    QR_TRY(qri_args_check(cli, row, &text, err));
    *value = text;
    return QR_OK;
}

/* --name value, --name=value, -n value, -nvalue */
static enum qr_status take_option(struct qri_cli *cli, struct words *w, struct qr_err *err)
{
    const char *word = w->argv[w->at++], *attached = NULL;
    if (word[0] != '-' || word[1] == '\0')
        return qr_fail(err, QR_INVALID, "'%.200s' stands alone: an option like --name is missing",
                       word);
    size_t n = word[1] == '-' ? strcspn(word, "=") : strlen(word);
    if (word[n] == '=')
        attached = word + n + 1;
    const struct qri_argument *row = find_option(cli->command, qr_str_n(word, n));
    if (row == NULL && word[1] != '-' && n > 2) {
        row = find_option(cli->command, qr_str_n(word, 2));
        attached = word + 2 + (word[2] == '=');
        if (row != NULL && row->kind == QRI_FLAG)
            row = NULL;
    }
    if (row == NULL)
        return fail_option(cli, word, err);
    return take_value(cli, w, row, attached, err);
}

static enum qr_status check_needed(const struct qri_cli *cli, struct qr_err *err)
{
    struct qr_str word;
    for (const char *at = cli->command->takes; (word = qri_word_next(&at)).n > 0;) {
        const struct qri_argument *row = find_key(word);
        const char *names = row->names;
        struct qr_str name = qri_word_next(&names);
        if (word.p[word.n - 1] == '!' && cli->values[row - qri_arguments] == NULL)
            return qr_fail(err, QR_INVALID, "%.*s is missing: %s", (int)name.n, name.p, row->help);
    }
    return QR_OK;
}

enum qr_status qri_args_parse(struct qri_cli *cli, int argc, char **argv, bool *ret_help,
                              struct qr_err *err)
{
    struct words w = {.argc = argc, .argv = argv};
    const char *words = "";
    cli->command = find_command(argc, argv, &w.at);
    if (cli->command == NULL) {
        bool help = false;
        for (; w.at < argc && argv[w.at][0] != '-'; w.at++)
            words = qr_arena_printf(&cli->arena, "%s%s%s", words, *words == '\0' ? "" : " ",
                                    argv[w.at]);
        for (int i = w.at; i < argc; i++)
            help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
        if (words == NULL)
            return qr_fail(err, QR_NOMEM, "arguments");
        if (!is_group(words))
            return fail_command(cli, words, err);
        cli->group_of_help = words;
        *ret_help = true;
        return help ? QR_OK : QR_INVALID;
    }
    while (w.at < argc)
        QR_TRY(take_option(cli, &w, err));
    *ret_help = qri_arg_given(cli, "help");
    return *ret_help ? QR_OK : check_needed(cli, err);
}

/* ---- what was given ---- */

const char *qri_arg(const struct qri_cli *cli, const char *key)
{
    return cli->values[qri_argument_find(key) - qri_arguments];
}

bool qri_arg_given(const struct qri_cli *cli, const char *key)
{
    return qri_arg(cli, key) != NULL;
}

int64_t qri_arg_integer(const struct qri_cli *cli, const char *key)
{
    const char *text = qri_arg(cli, key);
    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

bool qri_arg_true(const struct qri_cli *cli, const char *key)
{
    const char *text = qri_arg(cli, key);
    return text != NULL && strchr("ty1", *text) != NULL;
}

/* test_args.c - the tables agree with themselves, and lines are read by them. */
#include <stdlib.h>
#include "qr_test.h"
#include "../cli_int.h"

enum { ARENA_BYTES = 1024 * 1024, WORDS_MAX = 32 };

static struct qri_cli cli;

static enum qr_status parse(const char *line, bool *ret_help, struct qr_err *err)
{
    char *argv[WORDS_MAX];
    int argc = 0;
    qr_arena_done(&cli.arena);
    cli = (struct qri_cli){.out = stdout};
    qr_arena_init(&cli.arena, ARENA_BYTES);
    char *text = qr_arena_dup(&cli.arena, line, strlen(line));
    for (char *at = text; *at != '\0';) { /* '_' stands for a blank in a word */
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at == ' ')
            *at++ = '\0';
    }
    *ret_help = false;
    return qri_args_parse(&cli, argc, argv, ret_help, err);
}

static void test_every_row_names_arguments_that_are_there(void **state)
{
    (void)state;
    for (const struct qri_command *row = qri_commands; row->words != NULL; row++) {
        struct qr_str word;
        assert_true((row->method == NULL) != (row->run == NULL));
        for (const char *at = row->takes; (word = qri_word_next(&at)).n > 0;) {
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)(word.n - (word.p[word.n - 1] == '!')), word.p);
            if (qri_argument_find(key) == NULL)
                fail_msg("%s: there is no argument '%s'", row->words, key);
        }
        for (const char *at = row->path; at != NULL && (at = strchr(at, '{')) != NULL; at++) {
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)strcspn(at + 1, "}"), at + 1);
            if (strcmp(key, "subscription") != 0 && !qri_command_has(row, key))
                fail_msg("%s: does not take '%s' of its path", row->words, key);
        }
        struct qr_err err = {0};
        const struct qri_query *query;
        if (row->table != NULL && qri_query_parse(&cli.arena, row->table, &query, &err) != QR_OK)
            fail_msg("%s: %s", row->words, err.text);
    }
}

static void test_no_command_has_two_options_of_one_name(void **state)
{
    (void)state;
    for (const struct qri_command *row = qri_commands; row->words != NULL; row++) {
        const char *seen[128];
        size_t count = 0;
        struct qr_str word, name;
        for (const char *at = row->takes; (word = qri_word_next(&at)).n > 0;) {
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)(word.n - (word.p[word.n - 1] == '!')), word.p);
            const char *names = qri_argument_find(key)->names;
            while ((name = qri_word_next(&names)).n > 0) {
                for (size_t i = 0; i < count; i++)
                    if (strlen(seen[i]) >= name.n && strncmp(seen[i], name.p, name.n) == 0 &&
                        strcspn(seen[i], " ") == name.n && name.n > 2)
                        fail_msg("%s: two options are %.*s", row->words, (int)name.n, name.p);
                seen[count++] = name.p;
            }
        }
    }
}

static void test_values_are_read_in_every_form(void **state)
{
    (void)state;
    bool help;
    struct qr_err err = {0};
    assert_int_equal(parse("sql db create -n shop -g=g --server=s -eHyperscale --max-size 200GB "
                           "--zone-redundant --tags a=b c=d= --ha-replicas 0 -otable",
                           &help, &err),
                     QR_OK);
    assert_string_equal(cli.command->words, "sql db create");
    assert_string_equal(qri_arg(&cli, "db"), "shop");
    assert_string_equal(qri_arg(&cli, "group"), "g");
    assert_string_equal(qri_arg(&cli, "server"), "s");
    assert_string_equal(qri_arg(&cli, "edition"), "Hyperscale");
    assert_string_equal(qri_arg(&cli, "max-size"), "214748364800");
    assert_string_equal(qri_arg(&cli, "tags"), "a=b\nc=d=\n");
    assert_true(qri_arg_true(&cli, "zone"));
    assert_int_equal(qri_format_of(&cli), QRI_TABLE);
    assert_int_equal(parse("sql db update -n shop -z false --edition generalpurpose", &help, &err),
                     QR_OK);
    assert_false(qri_arg_true(&cli, "zone"));
    assert_string_equal(qri_arg(&cli, "edition"), "GeneralPurpose");
    assert_int_equal(
        parse("sql db restore -n a --dest-name b --time 2026-05-04T10:11:12", &help, &err), QR_OK);
    assert_string_equal(qri_arg(&cli, "time"), "2026-05-04T10:11:12Z");
    assert_int_equal(parse("sql db op cancel -d shop -n id", &help, &err), QR_OK);
    assert_string_equal(qri_arg(&cli, "op"), "id");
    assert_string_equal(qri_arg(&cli, "op-db"), "shop");
}

static void test_what_is_wrong_is_named_with_what_is_near(void **state)
{
    (void)state;
    static const struct {
        const char *line, *want;
    } rows[] = {
        {"sql db creat -n x", "there is no command 'sql db creat'; is it 'sql db create'?"},
        {"frobnicate", "there is no command 'frobnicate'; see quire --help"},
        {"sql db create", "--name is missing: The database."},
        {"sql db create -n", "-n needs a value: some text"},
        {"sql db create -n -g", "-n needs a value: some text"},
        {"sql db create -n x --editon Hyperscale",
         "'--editon' is no option of 'quire sql db create'; is it '--edition'?"},
        {"sql db create -n x --edition Hyperscael",
         "--edition: 'Hyperscael' is not one of GeneralPurpose, BusinessCritical, Hyperscale, "
         "Basic, "
         "Standard, Premium; is it 'Hyperscale'?"},
        {"sql db create -n x -c two", "--capacity: 'two' is not a whole number"},
        {"sql db create -n x -c 99999999999999999999",
         "--capacity: '99999999999999999999' is not a whole number"},
        {"sql db create -n x --max-size 1PB", "--max-size: '1PB' is not a size, such as 200GB"},
        {"sql db create -n x --max-size 9999999999TB",
         "--max-size: '9999999999TB' is not a size, such as 200GB"},
        {"sql db create -n x --min-capacity nan", "--min-capacity: 'nan' is not a number"},
        {"sql db create -n x --tags a", "--tags: 'a' is not name=value"},
        {"sql db create -n x --no-wait=1", "--no-wait: '1' is not no value"},
        {"sql db create x", "'x' stands alone: an option like --name is missing"},
        {"sql db restore -n a --dest-name b --time yesterday",
         "--time: 'yesterday' is not a time, such as 2026-05-04T10:11:12Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool help;
        struct qr_err err = {0};
        assert_int_equal(parse(rows[i].line, &help, &err), QR_INVALID);
        assert_false(help);
        assert_string_equal(err.text, rows[i].want);
    }
}

static void test_help_is_there_for_commands_and_groups(void **state)
{
    (void)state;
    bool help;
    struct qr_err err = {0};
    assert_int_equal(parse("--help", &help, &err), QR_OK);
    assert_true(help);
    assert_int_equal(parse("sql db --help", &help, &err), QR_OK);
    assert_true(help);
    assert_string_equal(cli.group_of_help, "sql db");
    assert_int_equal(parse("sql db", &help, &err), QR_INVALID); /* shown, and an error */
    assert_true(help);
    assert_int_equal(parse("sql db create --help", &help, &err), QR_OK);
    assert_true(help);
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    qri_print_help(&cli, out);
    fclose(out);
    assert_non_null(strstr(text, "--service-objective"));
    assert_non_null(strstr(text, "--output -o FORMAT"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_names_arguments_that_are_there),
        cmocka_unit_test(test_no_command_has_two_options_of_one_name),
        cmocka_unit_test(test_values_are_read_in_every_form),
        cmocka_unit_test(test_what_is_wrong_is_named_with_what_is_near),
        cmocka_unit_test(test_help_is_there_for_commands_and_groups),
    };
    qr_arena_init(&cli.arena, ARENA_BYTES);
    int failed = cmocka_run_group_tests_name("cli/args", tests, NULL, NULL);
    qr_arena_done(&cli.arena);
    return failed;
}

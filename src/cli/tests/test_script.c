/* test_script.c - lines to batches. */
#include <stdlib.h>
#include <unistd.h>
#include "qr_test.h"
#include "../script.h"

struct lines {
    const char *at;
    char line[256];
};

static const char *next_line(void *ctx, int number)
{
    struct lines *l = ctx;
    assert_true(number > 0);
    if (*l->at == '\0')
        return NULL;
    size_t n = strcspn(l->at, "\n");
    snprintf(l->line, sizeof l->line, "%.*s", (int)n, l->at);
    l->at += n + (l->at[n] == '\n');
    return l->line;
}

/* Everything that comes of the text: batches as "<N:text>", errors as "!words!", the end as "." and
 * what is left, quit as "q". */
static void check(const char *text, const char *want)
{
    struct lines lines = {.at = text};
    struct qri_script script;
    char got[4096] = "", *listed = NULL;
    size_t listed_bytes = 0, n = 0;
    FILE *out = open_memstream(&listed, &listed_bytes);
    qri_script_init(&script, next_line, &lines, out);
    for (bool goes_on = true; goes_on;) {
        enum qri_script_event event;
        struct qr_err err = {0};
        if (qri_script_next(&script, &event, &err) != QR_OK) {
            n += (size_t)snprintf(got + n, sizeof got - n, "!%s!", err.text);
            continue;
        }
        const char *batch = qr_buf_cstr(&script.batch);
        goes_on = event == QRI_SCRIPT_BATCH;
        if (event == QRI_SCRIPT_BATCH)
            n += (size_t)snprintf(got + n, sizeof got - n, "<%u:%s>", script.times, batch);
        else
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%s",
                                  event == QRI_SCRIPT_QUIT ? "q" : ".",
                                  event == QRI_SCRIPT_QUIT ? "" : batch);
    }
    qri_script_done(&script);
    fclose(out);
    if (strcmp(got, want) != 0)
        fail_msg("%s gives\n%s, not\n%s", text, got, want);
    free(listed);
}

static void test_go_ends_a_batch_and_says_how_often_it_runs(void **state)
{
    (void)state;
    check("select 1\nGO\nselect 2\n  go  3 \nselect 3", "<1:select 1\n><3:select 2\n>.select 3\n");
    check("GO\n\nGO\nselect 1\ngo -- done\n", "<1:select 1\n>.");
    check("select 1\ngo 0\nselect 2\ngo", "<1:select 2\n>.");
    check("select 1\ngo x\ngo", "!GO takes a number up to 1000000!<1:select 1\n>.");
    check("select 1\ngo -1\ngo 9999999\n",
          "!GO takes a number up to 1000000!!GO takes a number up to 1000000!.select 1\n");
    check("gone\ngo_on\nselect go\n", ".gone\ngo_on\nselect go\n");
}

static void test_go_and_commands_inside_strings_and_comments_are_text(void **state)
{
    (void)state;
    check("print 'a\nGO\n:quit\nit''s\n'\nGO", "<1:print 'a\nGO\n:quit\nit''s\n'\n>.");
    check("/* a\nGO /* b */\nGO\n*/ select 1\nGO", "<1:/* a\nGO /* b */\nGO\n*/ select 1\n>.");
    check("select 1 -- it's\nGO", "<1:select 1 -- it's\n>.");
    check("select [a'b] as \"x'y\"\nGO", "<1:select [a'b] as \"x'y\"\n>.");
    check("select [a]]\nGO\n]\nGO", "<1:select [a]]\nGO\n]\n>.");
    check("select '--', 1\nGO", "<1:select '--', 1\n>.");
}

static void test_variables_are_put_in_and_must_be_set(void **state)
{
    (void)state;
    check(":setvar t dbo.x\n:setvar n \"two words\"\nselect '$(N)' from $(t)\ngo",
          "<1:select 'two words' from dbo.x\n>.");
    check("select $(qri_not_set)\nselect 1\ngo",
          "!the variable 'qri_not_set' is not set!<1:select 1\n>.");
    check(":setvar a 1\n:setvar a 22\n:setvar a 3\nselect $(a)\ngo", "<1:select 3\n>.");
    check(":setvar a 1\n:setvar a\nselect $(a)\n", "!the variable 'a' is not set!.");
    check("select '$(', $(a b), $x, '$()' -- $(\ngo",
          "<1:select '$(', $(a b), $x, '$()' -- $(\n>.");
    check("/* $(nope)\n*/\ngo", "<1:/* $(nope)\n*/\n>.");
    check(":setvar q \"'\"\nprint $(q)a\ngo\n$(q)\ngo", "<1:print 'a\ngo\n'\n>.");
    check(":setvar\n:setvar 1+1 2\n",
          "!:setvar needs a name and a value!!:setvar needs a name and a value!.");
}

static void test_commands(void **state)
{
    (void)state;
    check("select 1\n:reset\nselect 2\ngo\n:quit\nselect 3", "<1:select 2\n>q");
    check("select 1\nexit\n", "q");
    check(":frob x\n:r\n:r /nonexistent\n:on error\n",
          "!':frob' is no command here: see :help!!:r needs the name of a file!"
          "!'/nonexistent': No such file or directory!"
          "!:on takes 'error exit' or 'error ignore'!.");
    check(":on error exit\n:help\n:listvar\nselect 1\n:list\ngo", "<1:select 1\n>.");
    check("label:\nselect geography::Parse('x')\ngo",
          "<1:label:\nselect geography::Parse('x')\n>.");
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_a_file_stands_in_the_place_of_lines(void **state)
{
    (void)state;
    char text[256], inner[] = "/tmp/quire-script-XXXXXX";
    int fd = mkstemp(inner);
    assert_true(fd >= 0);
    close(fd);
    write_file(inner, "\xef\xbb\xbfselect 2\r\ngo\r\nselect 3");
    snprintf(text, sizeof text, ":r \"%s\"\nselect 4\ngo", inner);
    check(text, "<1:select 2\n><1:select 3\nselect 4\n>.");
    snprintf(text, sizeof text, ":r %s\n", inner); /* itself, for ever */
    write_file(inner, text);
    snprintf(text, sizeof text, "select 1\n:r %s", inner);
    char want[512];
    snprintf(want, sizeof want, "!'%s': files name files too deeply!.select 1\n", inner);
    check(text, want);
    unlink(inner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_go_ends_a_batch_and_says_how_often_it_runs),
        cmocka_unit_test(test_go_and_commands_inside_strings_and_comments_are_text),
        cmocka_unit_test(test_variables_are_put_in_and_must_be_set),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_a_file_stands_in_the_place_of_lines),
    };
    return cmocka_run_group_tests_name("cli/script", tests, NULL, NULL);
}

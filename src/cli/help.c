/* help.c - see cli_int.h, cli/cli.h: what the tables say, for people and for bash. */
#include <string.h>
#include "cli_int.h"
#include "base/banned.h"

enum { NAMES_WIDTH = 38 };

static struct qr_str first_name(const struct qri_argument *row)
{
    const char *at = row->names;
    return qri_word_next(&at);
}

static const struct qri_argument *row_of(struct qr_str word, bool *ret_needed)
{
    char key[64] = "";
    *ret_needed = word.p[word.n - 1] == '!';
    snprintf(key, sizeof key, "%.*s", (int)(word.n - *ret_needed), word.p);
    return qri_argument_find(key);
}

static void print_choices(const struct qri_argument *row, FILE *out)
{
    for (const char *const *c = row->choices; c != NULL && *c != NULL; c++)
        fprintf(out, "%s%s", c == row->choices ? " " : ", ", *c);
    if (row->choices != NULL)
        fputs(".", out);
}

static void print_argument(const struct qri_argument *row, bool needed, FILE *out)
{
    char names[128];
    int n = snprintf(names, sizeof names, "%s%s%s", row->names, row->meta == NULL ? "" : " ",
                     row->meta == NULL ? "" : row->meta);
    fprintf(out, "  %-*s %s", NAMES_WIDTH, names, n > NAMES_WIDTH ? "\n" : "");
    if (n > NAMES_WIDTH)
        fprintf(out, "  %*s ", NAMES_WIDTH, "");
    fprintf(out, "%s%s", needed ? "Needed. " : "", row->help);
    print_choices(row, out);
    fputs("\n", out);
}

static void print_list(const char *takes, bool needed_ones, FILE *out)
{
    struct qr_str word;
    bool needed;
    for (const char *at = takes; (word = qri_word_next(&at)).n > 0;) {
        const struct qri_argument *row = row_of(word, &needed);
        if (needed == needed_ones)
            print_argument(row, needed, out);
    }
}

static void print_command(const struct qri_command *command, FILE *out)
{
    fprintf(out, "quire %s: %s\n\nOptions:\n", command->words, command->help);
    print_list(command->takes, true, out);
    print_list(command->takes, false, out);
    print_list(qri_common_keys(command), false, out);
    if (command->example != NULL)
        fprintf(out, "\nExample:\n  %s\n", command->example);
}

void qri_print_help(const struct qri_cli *cli, FILE *out)
{
    if (cli->command != NULL) {
        print_command(cli->command, out);
        return;
    }
    const char *group = cli->group_of_help == NULL ? "" : cli->group_of_help;
    size_t n = strlen(group);
    fprintf(out, "usage: quire%s%s COMMAND [--option value]...\n\nCommands:\n", n == 0 ? "" : " ",
            group);
    for (const struct qri_command *row = qri_commands; row->words != NULL; row++)
        if (n == 0 || (strncmp(row->words, group, n) == 0 && row->words[n] == ' '))
            fprintf(out, "  %-34s %s\n", row->words, row->help);
    if (n == 0)
        fputs("\nOf this machine's data directory, without a login:\n"
              "  storage inspect|verify|dump-log    Look at storage while the server is stopped.\n"
              "  machine add                        Let another machine join the service.\n"
              "  key rotate|id                      Change the server key.\n"
              "  db                                 Copies, restores and operations by the "
              "server's socket.\n"
              "\nquire COMMAND --help shows what a command takes; quire version, which version "
              "this is.\n",
              out);
}

/* ---- docs/cli.md ---- */

static const char docs_head[] =
    "# The command line: `quire`\n\n"
    "`quire` manages an instance by the same HTTPS API as `az`, with az's words, from any "
    "machine,\n"
    "and `quire connect` talks T-SQL to it. This page is printed from the rows of\n"
    "`src/cli/commands.c` and `src/cli/arguments.c` by `print_cli_docs`; a test holds them "
    "together.\n\n"
    "```sh\n"
    "quire login --endpoint https://localhost:8443 --ca DATA/tls/cert.pem -u quireadmin\n"
    "quire sql db create -n shop --edition Hyperscale --service-objective HS_Gen5_2\n"
    "quire sql db list -o table\n"
    "quire sql db update -n shop --service-objective HS_Gen5_4\n"
    "quire sql db op list -d shop -o table\n"
    "```\n\n"
    "## Logging in\n\n"
    "`quire login` keeps what it got in `~/.quire` (`QUIRE_HOME` names another place; folder 0700, "
    "files 0600):\n"
    "the endpoint, the certificate given by `--ca`, and tokens. The password is asked for on a "
    "terminal, or\n"
    "comes from `QUIRE_PASSWORD` or `-p`; it is not kept. An administrator's token renews itself "
    "for two\n"
    "weeks. That of a service principal (`--service-principal`) is good for an hour and is renewed "
    "when\n"
    "`QUIRE_PASSWORD` is set. Without `--ca` the certificate must be one that the system trusts; "
    "there is no\n"
    "way to leave it unchecked. Group and server need not be named: those of the instance are "
    "taken (if it has\n"
    "several servers, `quire configure --defaults server=NAME`).\n\n"
    "## Output\n\n"
    "`-o json` (the default), `jsonc` (with colours), `table`, `tsv`, `yaml`, `none`. Members of "
    "`properties`\n"
    "stand beside the others, as in az. `--query` is [JMESPath](https://jmespath.org): names, "
    "indexes, slices,\n"
    "`*` projections, flattening, filters, comparisons, `&&`, `||`, `!`, pipes, multiselect lists "
    "and hashes,\n"
    "literals, and the functions abs, avg, ceil, contains, ends_with, floor, join, keys, length, "
    "map, max,\n"
    "max_by, merge, min, min_by, not_null, reverse, sort, sort_by, starts_with, sum, to_array, "
    "to_number,\n"
    "to_string, type, values. Strings are ordered too, so that times can be compared. A table "
    "without a\n"
    "query shows chosen columns; one with a query, those of the query.\n\n"
    "What takes long is waited for, with a progress bar if standard error is a terminal; "
    "`--no-wait` returns\n"
    "at once, and an operation goes on when its command is interrupted.\n\n"
    "## Exit codes\n\n"
    "| code | meaning |\n|---|---|\n"
    "| 0 | done |\n"
    "| 1 | refused by the service, or it went wrong there: standard error has `code: message` |\n"
    "| 2 | the command line is wrong |\n"
    "| 3 | what is named is not there |\n"
    "| 4 | nobody is logged in, the secret is wrong, or he may not do that |\n"
    "| 5 | no answer, or no certificate that is trusted |\n\n"
    "## The prompt\n\n"
    "`quire connect` reads T-SQL from a terminal, from standard input, from files (`-i`) or from "
    "the\n"
    "command line (`-Q`), and prints results as sqlcmd does; options that sqlcmd has, too, mean "
    "the\n"
    "same. On a terminal it has a history (`~/.quire/history`, without lines about passwords), "
    "and\n"
    "Ctrl-C cancels the batch under way. The server's certificate is checked against `--ca`, the "
    "one\n"
    "of the login, or the system's.\n\n"
    "| line | meaning |\n|---|---|\n"
    "| `GO [N]` | run the batch so far, N times |\n"
    "| `:r FILE` | read lines from a file |\n"
    "| `:setvar NAME [VALUE]` | what `$(NAME)` stands for; variables of the environment count, too "
    "|\n"
    "| `:listvar`, `:list`, `:reset`, `:help` | show variables, show or forget the batch, show "
    "commands |\n"
    "| `:on error exit`, `:on error ignore` | whether an error ends it (`-b`) |\n"
    "| `:quit`, `:exit`, `quit`, `exit` | end, without the batch so far |\n\n"
    "They count where no string and no comment is open. Exit codes are sqlcmd's: 0; 1 if the "
    "login\n"
    "fails, the connection breaks, a file or a variable is missing, or, with `-b`, a batch has an "
    "error\n"
    "of severity 11 or more; 2 if the command line is wrong.\n\n"
    "## Options of every command\n\n";

static void print_docs_argument(struct qr_str word, FILE *out)
{
    bool needed;
    const struct qri_argument *row = row_of(word, &needed);
    struct qr_str name;
    fputs("| ", out);
    for (const char *at = row->names; (name = qri_word_next(&at)).n > 0;)
        fprintf(out, "`%.*s` ", (int)name.n, name.p);
    if (row->meta != NULL)
        fprintf(out, "%s ", row->meta);
    fprintf(out, "| %s%s", needed ? "needed; " : "", row->help);
    print_choices(row, out);
    fputs(" |\n", out);
}

static void print_docs_table(const char *takes, FILE *out)
{
    struct qr_str word;
    if (*takes == '\0')
        return;
    fputs("| option | meaning |\n|---|---|\n", out);
    for (const char *at = takes; (word = qri_word_next(&at)).n > 0;)
        print_docs_argument(word, out);
    fputs("\n", out);
}

void qr_cli_print_docs(FILE *out)
{
    fputs(docs_head, out);
    print_docs_table("output query subscription help", out);
    fputs("## Commands\n\n", out);
    for (const struct qri_command *row = qri_commands; row->words != NULL; row++) {
        fprintf(out, "### quire %s\n\n%s\n\n", row->words, row->help);
        if (row->example != NULL)
            fprintf(out, "```sh\n%s\n```\n\n", row->example);
        print_docs_table(row->takes, out);
    }
}

/* ---- completion ---- */

static void print_words(const struct qri_command *command, FILE *out)
{
    struct qr_str word, name;
    bool needed;
    const char *lists[] = {command->takes, qri_common_keys(command)};
    for (size_t i = 0; i < 2; i++)
        for (const char *at = lists[i]; (word = qri_word_next(&at)).n > 0;) {
            const char *names = row_of(word, &needed)->names;
            while ((name = qri_word_next(&names)).n > 0)
                if (name.n > 2)
                    fprintf(out, " %.*s", (int)name.n, name.p);
        }
}

/* Of each option that has choices: they are the same in all commands. */
static void print_choices_cases(FILE *out)
{
    for (const struct qri_argument *row = qri_arguments; row->key != NULL; row++) {
        if (row->choices == NULL || qri_argument_find(row->key) != row)
            continue;
        struct qr_str name = first_name(row);
        fprintf(out, "    %.*s) COMPREPLY=($(compgen -W \"", (int)name.n, name.p);
        for (const char *const *c = row->choices; *c != NULL; c++)
            fprintf(out, "%s%s", c == row->choices ? "" : " ", *c);
        fputs("\" -- \"$word\")); return ;;\n", out);
    }
}

void qr_cli_print_completion(FILE *out)
{
    fputs("# bash completion of quire; printed by `quire completion`\n"
          "_quire() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} line= i\n"
          "    case $before in\n",
          out);
    print_choices_cases(out);
    fputs("    esac\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        [[ ${COMP_WORDS[i]} == -* ]] && break\n"
          "        line+=\"${line:+ }${COMP_WORDS[i]}\"\n"
          "    done\n"
          "    local commands=(\n",
          out);
    for (const struct qri_command *row = qri_commands; row->words != NULL; row++)
        fprintf(out, "        \"%s\"\n", row->words);
    fputs("    )\n"
          "    case $line in\n",
          out);
    for (const struct qri_command *row = qri_commands; row->words != NULL; row++) {
        fprintf(out, "    \"%s\") COMPREPLY=($(compgen -W \"", row->words);
        print_words(row, out);
        fputs("\" -- \"$word\")); return ;;\n", out);
    }
    fputs("    esac\n"
          "    local command next=\n"
          "    for command in \"${commands[@]}\"; do\n"
          "        [[ -z $line || $command == \"$line \"* ]] || continue\n"
          "        command=${command#\"$line\"}\n"
          "        command=${command# }\n"
          "        next+=\" ${command%% *}\"\n"
          "    done\n"
          "    COMPREPLY=($(compgen -W \"$next\" -- \"$word\"))\n"
          "}\n"
          "complete -F _quire quire\n",
          out);
}

enum qr_status qri_complete(struct qri_cli *cli, struct qr_err *err)
{
    (void)err;
    qr_cli_print_completion(cli->out);
    return QR_OK;
}

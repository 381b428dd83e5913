/* SPDX-License-Identifier: Apache-2.0
 *
 * Where it begins: reads the command line and runs the command. What a node is
 * made of is in cnode.c.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "admin/call.h"
#include "admin/help.h"
#include "admin/operate.h"
#include "admin/reference.h"
#include "admin/signals.h"
#include "base/hash.h"
#include "base/metric.h"
#include "cnode.h"
#include "term/atom.h"

/* Some start programs without the three standard files. Their numbers must not
 * become those of sockets: what is printed would go there. */
static void open_standard_files(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

static void seed_hash(void)
{
    uint64_t key[2] = {0, 0};

    CHECK(getrandom(key, sizeof(key), 0) == (ssize_t)sizeof(key));
    hash_seed(key[0], key[1]);
}

/* Writes all of the text; the exit code. */
static int print(FILE *file, struct buf *text, int code)
{
    size_t size = buf_size(text);
    size_t written = fwrite(buf_data(text), 1, size, file);

    buf_fini(text);
    return written == size && fflush(file) == 0 ? code : EXIT_CODE_FAILED;
}

static int run_help(const struct cli *cli)
{
    const char *topic = cli->args.count == 0 ? NULL : cli->args.items[0];
    const char *nearest = NULL;
    enum cli_command command;
    struct buf text;

    buf_init(&text, 0);
    if (topic == NULL) {
        help_put_overview(&text);
    } else if (strcmp(topic, "configuration") == 0) {
        reference_put_text(&text);
    } else if (strcmp(topic, "schema") == 0) {
        reference_put_schema(&text);
    } else {
        command = cli_find_command(topic, &nearest);
        if (command == CLI_COMMAND_COUNT) {
            buf_printf(&text, "cnode: there is no help for %s%s%s%s\n", topic,
                       nearest == NULL ? "" : ", did you mean ",
                       nearest == NULL ? "" : nearest,
                       nearest == NULL ? "" : "?");
            return print(stderr, &text, EXIT_CODE_USAGE);
        }
        help_put_command(&text, command);
    }
    return print(stdout, &text, EXIT_CODE_OK);
}

static int run(const struct cli *cli)
{
    struct buf text;

    buf_init(&text, 0);
    if (cli->wants_help) {
        if (cli->has_command) {
            help_put_command(&text, cli->command);
        } else {
            help_put_overview(&text);
        }
        return print(stdout, &text, EXIT_CODE_OK);
    }
    switch (cli->command) {
    case CLI_START:
        return cnode_start(cli);
    case CLI_CHECK:
        return cnode_check(cli);
    case CLI_CALL:
        atom_init();
        return call_run(cli);
    case CLI_VERSION:
        help_put_version(&text);
        return print(stdout, &text, EXIT_CODE_OK);
    case CLI_HELP:
    case CLI_COMMAND_COUNT:
        break;
    default:
        atom_init();
        return operate_run(cli);
    }
    return run_help(cli);
}

int main(int argc, char **argv)
{
    struct cli cli;
    int code = EXIT_CODE_USAGE;

    open_standard_files();
    signals_ignore_pipe();
    seed_hash();
    if (argc < 2) {
        cli = (struct cli){.command = CLI_HELP};
        help_put_overview(&cli.errors);
        code = print(stderr, &cli.errors, EXIT_CODE_USAGE);
    } else if (cli_parse(&cli, argc, (const char *const *)argv) == 0) {
        code = run(&cli);
    } else {
        code = print(stderr, &cli.errors, EXIT_CODE_USAGE);
    }
    cli_fini(&cli);
    atom_fini();
    metric_fini();
    return code;
}

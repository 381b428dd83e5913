/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: one table of commands and one of options, from which it is
 * read and the help texts are made. Pure; the strings stay those of argv.
 *
 * Options may stand before or after other arguments, as `--name x` or
 * `--name=x`; `--` ends them. Of an option given twice the last counts, but
 * --join and --set add up. A minus before a digit starts a number, not an
 * option.
 */
#ifndef CNODE_ADMIN_CLI_H
#define CNODE_ADMIN_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum cli_command {
    CLI_START,
    CLI_CHECK,
    CLI_CALL,
    CLI_STATUS,
    CLI_POOLS,
    CLI_WORKERS,
    CLI_COUNT,
    CLI_PEERS,
    CLI_HEALTH,
    CLI_DEADLETTERS,
    CLI_LOCK,
    CLI_RELEASE,
    CLI_ONLINE,
    CLI_OFFLINE,
    CLI_GET,
    CLI_SET,
    CLI_VERSION,
    CLI_HELP,
    CLI_COMMAND_COUNT
};

struct cli_list {
    const char **items;
    size_t count;
};

struct cli {
    bool has_command; /* else only --help was given, and command is CLI_HELP */
    enum cli_command command;
    bool wants_help; /* --help: show the help of the command instead */

    const char *config, *name, *cookie, *cookie_file, *timeout, *at, *limit;
    const char *tls_cert, *tls_key, *tls_ca; /* all of these or NULL */
    bool is_hidden, wants_json, wants_rebuild;
    struct cli_list join, set;
    struct cli_list args; /* what is not an option, after the command */

    struct buf errors; /* one line for people when cli_parse() fails */
};

enum { CLI_USAGES = 2 };

struct cli_command_info {
    const char *name;
    const char *usages[CLI_USAGES]; /* what stands behind it; NULL: no more */
    unsigned least, most;           /* number of arguments */
    const char *summary;
};

enum cli_kind { CLI_TEXT, CLI_FLAG, CLI_LIST };

struct cli_option {
    const char *name;  /* without the dashes */
    const char *value; /* what stands behind it; NULL for flags */
    enum cli_kind kind;
    unsigned commands; /* BIT(enum cli_command) of those that take it */
    size_t offset;     /* in struct cli */
    const char *doc;
};

extern const struct cli_command_info cli_commands[CLI_COMMAND_COUNT];
extern const struct cli_option cli_options[];
extern const size_t cli_option_count;

/* 0, or CNODE_EINVALID with the reason in `errors`. cli_fini() is due in both
 * cases. */
MUST_USE int cli_parse(struct cli *cli, int argc, const char *const *argv);
void cli_fini(struct cli *cli);

/* The command with that name, or CLI_COMMAND_COUNT and the nearest name in
 * *nearest (NULL: none is near). */
enum cli_command cli_find_command(const char *name, const char **nearest);

#endif

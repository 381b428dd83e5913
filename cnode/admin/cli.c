/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads argv once from left to right. Every option name means the same for all
 * commands, so that an option can be read before the command is known; whether
 * the command takes it is asked at the end.
 *
 * The first mistake ends the reading: a second one is often its consequence.
 */
#include "admin/cli.h"

#include <string.h>

#include "base/config.h"
#include "base/mem.h"
#include <cnode/error.h>

#define FOR_NODE (BIT(CLI_START) | BIT(CLI_CHECK))
#define FOR_CALL (FOR_OPERATORS | BIT(CLI_CALL))
#define FOR_OPERATORS                                                          \
    (BIT(CLI_STATUS) | BIT(CLI_POOLS) | BIT(CLI_WORKERS) | BIT(CLI_COUNT) |    \
     BIT(CLI_PEERS) | BIT(CLI_HEALTH) | BIT(CLI_DEADLETTERS) | BIT(CLI_LOCK) | \
     BIT(CLI_RELEASE) | BIT(CLI_ONLINE) | BIT(CLI_OFFLINE) | BIT(CLI_GET) |    \
     BIT(CLI_SET))
#define FOR_ROWS (BIT(CLI_WORKERS) | BIT(CLI_DEADLETTERS))
#define FOR_ALL  (BIT(CLI_COMMAND_COUNT) - 1)

const struct cli_command_info cli_commands[CLI_COMMAND_COUNT] = {
    [CLI_START] = {"start",
                   {"--config FILE [OPTION]..."},
                   0,
                   0,
                   "run a node in the foreground"},
    [CLI_CHECK] = {"check",
                   {"--config FILE [OPTION]..."},
                   0,
                   0,
                   "look for mistakes in a configuration"},
    [CLI_CALL] = {"call",
                  {"NODE POOL ID TERM [OPTION]...",
                   "NODE SERVICE TERM [OPTION]..."},
                  3,
                  4,
                  "call a worker or a registered process"},
    [CLI_STATUS] = {"status", {"NODE"}, 1, 1, "how a node does"},
    [CLI_POOLS] = {"pools", {"NODE [POOL]"}, 1, 2, "its pools, or one of them"},
    [CLI_WORKERS] = {"workers", {"NODE POOL"}, 2, 2, "workers of a pool"},
    [CLI_COUNT] =
        {"count", {"NODE POOL"}, 2, 2, "workers by supervisor and segment"},
    [CLI_PEERS] = {"peers", {"NODE"}, 1, 1, "nodes that it is connected to"},
    [CLI_HEALTH] = {"health", {"NODE"}, 1, 1, "its health report"},
    [CLI_DEADLETTERS] =
        {"deadletters", {"NODE"}, 1, 1, "messages that could not be delivered"},
    [CLI_LOCK] = {"lock",
                  {"NODE [POOL]"},
                  1,
                  2,
                  "place no new workers in a pool, or on the node"},
    [CLI_RELEASE] = {"release", {"NODE [POOL]"}, 1, 2, "undo lock"},
    [CLI_ONLINE] = {"online",
                    {"NODE [POOL]"},
                    1,
                    2,
                    "let a pool, or all pools, start workers"},
    [CLI_OFFLINE] = {"offline",
                     {"NODE [POOL]"},
                     1,
                     2,
                     "end the workers of a pool, or of all, start no new ones"},
    [CLI_GET] = {"get",
                 {"NODE POOL"},
                 2,
                 2,
                 "what of a pool can be changed while it runs"},
    [CLI_SET] = {"set",
                 {"NODE POOL KEY VALUE"},
                 4,
                 4,
                 "change a key of a pool while it runs"},
    [CLI_VERSION] = {"version", {""}, 0, 0, "print the version"},
    [CLI_HELP] = {"help",
                  {"[COMMAND]", "configuration | schema"},
                  0,
                  1,
                  "explain a command, or every key of the configuration"},
};

#define FIELD(name) offsetof(struct cli, name)

const struct cli_option cli_options[] = {
    {"config", "FILE", CLI_TEXT, FOR_NODE | FOR_CALL, FIELD(config),
     "the configuration, a JSON file; of it, commands that ask a node take "
     "cookie_file, epmd_port and tls"},
    {"name", "NAME", CLI_TEXT, FOR_NODE, FIELD(name),
     "full name of the node, such as c1@127.0.0.1"},
    {"cookie", "COOKIE", CLI_TEXT, FOR_NODE | FOR_CALL, FIELD(cookie),
     "shared secret of the cluster; others on this machine can see it in the "
     "list of processes, a file is safer"},
    {"cookie-file", "FILE", CLI_TEXT, FOR_NODE | FOR_CALL, FIELD(cookie_file),
     "file that holds the cookie (default: ~/.erlang.cookie)"},
    {"hidden", NULL, CLI_FLAG, FOR_NODE, FIELD(is_hidden),
     "connect as a hidden node: not part of nodes() on the others"},
    {"join", "NODE", CLI_LIST, FOR_NODE, FIELD(join),
     "stay connected to that node; may be repeated"},
    {"set", "PATH=JSON", CLI_LIST, FOR_NODE, FIELD(set),
     "replace one value of the configuration; may be repeated"},
    {"tls-cert", "FILE", CLI_TEXT, FOR_CALL, FIELD(tls_cert),
     "speak TLS and show this certificate (PEM)"},
    {"tls-key", "FILE", CLI_TEXT, FOR_CALL, FIELD(tls_key),
     "its private key (PEM; default: in the same file)"},
    {"tls-ca", "FILE", CLI_TEXT, FOR_CALL, FIELD(tls_ca),
     "speak TLS with nodes whose certificate these CAs have signed (PEM)"},
    {"timeout", "TIME", CLI_TEXT, FOR_CALL, FIELD(timeout),
     "give up after that time, such as 500ms (default: 5s)"},
    {"at", "HOST:PORT", CLI_TEXT, FOR_CALL, FIELD(at),
     "where that node listens; epmd is not asked"},
    {"json", NULL, CLI_FLAG, FOR_OPERATORS, FIELD(wants_json),
     "print JSON, on one line"},
    {"limit", "N", CLI_TEXT, FOR_ROWS, FIELD(limit),
     "so many rows, or all (default: 100)"},
    {"rebuild", NULL, CLI_FLAG, BIT(CLI_HEALTH), FIELD(wants_rebuild),
     "count anew, ask every worker supervisor"},
    {"help", NULL, CLI_FLAG, FOR_ALL, FIELD(wants_help), "explain the command"},
};

const size_t cli_option_count = ARRAY_LEN(cli_options);

/* What is known while reading. */
struct reading {
    struct cli *cli;
    const char *const *argv;
    int argc, at;
    unsigned seen; /* BIT(index in cli_options) */
};

static int read_argument(struct reading *r, const char *text);
static int read_option(struct reading *r, const char *text);
static int take_option(struct reading *r, size_t index, const char *value);
static int check_command(struct reading *r);

static int fail(struct cli *cli, const char *what, const char *text)
{
    buf_printf(&cli->errors, "cnode: %s%s", what, text);
    return CNODE_EINVALID;
}

static void suggest(struct cli *cli, const char *before, const char *name)
{
    if (name != NULL) {
        buf_printf(&cli->errors, ", did you mean %s%s?", before, name);
    }
}

/* Ends the line; says where to read on. */
static int finish(struct reading *r, int rc)
{
    if (rc == 0) {
        return 0;
    }
    if (r->cli->has_command) {
        buf_printf(&r->cli->errors, " (see cnode help %s)\n",
                   cli_commands[r->cli->command].name);
    } else {
        buf_printf(&r->cli->errors, " (see cnode help)\n");
    }
    return rc;
}

int cli_parse(struct cli *cli, int argc, const char *const *argv)
{
    struct reading r = {.cli = cli, .argv = argv, .argc = argc, .at = 1};
    bool only_arguments = false;
    int rc = 0;

    *cli = (struct cli){.command = CLI_HELP};
    buf_init(&cli->errors, 0);
    while (rc == 0 && r.at < argc) {
        const char *text = argv[r.at++];
        bool is_number = text[0] == '-' && text[1] >= '0' && text[1] <= '9';

        if (!only_arguments && strcmp(text, "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && text[0] == '-' && text[1] != '\0' &&
                   !is_number) {
            rc = read_option(&r, text);
        } else {
            rc = read_argument(&r, text);
        }
    }
    return finish(&r, rc == 0 ? check_command(&r) : rc);
}

static void list_add(struct cli_list *list, const char *item)
{
    list->items =
        mem_realloc(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count++] = item;
}

enum cli_command cli_find_command(const char *name, const char **nearest)
{
    const char *names[CLI_COMMAND_COUNT];

    for (int i = 0; i < CLI_COMMAND_COUNT; i++) {
        names[i] = cli_commands[i].name;
        if (strcmp(names[i], name) == 0) {
            return (enum cli_command)i;
        }
    }
    *nearest = config_nearest(name, names, CLI_COMMAND_COUNT);
    return CLI_COMMAND_COUNT;
}

/* The first argument is the command. */
static int read_argument(struct reading *r, const char *text)
{
    const char *nearest = NULL;
    enum cli_command command;

    if (r->cli->has_command) {
        list_add(&r->cli->args, text);
        return 0;
    }
    command = cli_find_command(text, &nearest);
    if (command == CLI_COMMAND_COUNT) {
        (void)fail(r->cli, "unknown command ", text);
        suggest(r->cli, "", nearest);
        return CNODE_EINVALID;
    }
    r->cli->command = command;
    r->cli->has_command = true;
    return 0;
}

static int unknown_option(struct reading *r, const char *text)
{
    const char *names[ARRAY_LEN(cli_options)];

    for (size_t i = 0; i < ARRAY_LEN(cli_options); i++) {
        names[i] = cli_options[i].name;
    }
    (void)fail(r->cli, "unknown option ", text);
    if (strncmp(text, "--", 2) == 0) {
        char name[32];
        size_t len = strcspn(text + 2, "=");
        if (len < sizeof(name)) {
            memcpy(name, text + 2, len);
            name[len] = '\0';
            suggest(r->cli, "--",
                    config_nearest(name, names, ARRAY_LEN(names)));
        }
    }
    return CNODE_EINVALID;
}

static int read_option(struct reading *r, const char *text)
{
    const char *equals = strchr(text, '=');

    if (strcmp(text, "-h") == 0) {
        r->cli->wants_help = true;
        return 0;
    }
    if (strcmp(text, "--version") == 0) { /* what people try first */
        return r->cli->has_command ? unknown_option(r, text)
                                   : read_argument(r, "version");
    }
    for (size_t i = 0; i < ARRAY_LEN(cli_options); i++) {
        size_t len = strlen(cli_options[i].name);
        if (strncmp(text, "--", 2) == 0 &&
            strncmp(text + 2, cli_options[i].name, len) == 0 &&
            (text[2 + len] == '\0' || text + 2 + len == equals)) {
            return take_option(r, i, equals == NULL ? NULL : equals + 1);
        }
    }
    return unknown_option(r, text);
}

/* `value`: what stood behind the equals sign, NULL when there was none. */
static int take_option(struct reading *r, size_t index, const char *value)
{
    const struct cli_option *option = &cli_options[index];
    char *field = (char *)r->cli + option->offset;

    r->seen |= BIT(index);
    if (option->kind == CLI_FLAG) {
        if (value != NULL) {
            buf_printf(&r->cli->errors, "cnode: --%s takes no value",
                       option->name);
            return CNODE_EINVALID;
        }
        *(bool *)(void *)field = true;
        return 0;
    }
    if (value == NULL && r->at < r->argc) {
        value = r->argv[r->at++];
    }
    if (value == NULL || value[0] == '\0') {
        buf_printf(&r->cli->errors, "cnode: --%s needs a value: --%s %s",
                   option->name, option->name, option->value);
        return CNODE_EINVALID;
    }
    if (option->kind == CLI_LIST) {
        list_add((struct cli_list *)(void *)field, value);
    } else {
        *(const char **)(void *)field = value;
    }
    return 0;
}

static int wrong_count(struct cli *cli, const struct cli_command_info *info)
{
    if (info->most == 0) {
        buf_printf(&cli->errors, "cnode: %s takes options only, got \"%s\"",
                   info->name, cli->args.items[0]);
    } else if (info->most == info->least) {
        buf_printf(&cli->errors, "cnode: %s takes %u argument%s, got %zu",
                   info->name, info->most, info->most == 1 ? "" : "s",
                   cli->args.count);
    } else {
        buf_printf(&cli->errors, "cnode: %s takes %u to %u arguments, got %zu",
                   info->name, info->least, info->most, cli->args.count);
    }
    return CNODE_EINVALID;
}

/* Whether what was read fits the command. */
static int check_command(struct reading *r)
{
    struct cli *cli = r->cli;
    const struct cli_command_info *info = &cli_commands[cli->command];

    if (cli->wants_help) {
        return 0;
    }
    if (!cli->has_command) {
        return fail(cli, "which command?", "");
    }
    for (size_t i = 0; i < ARRAY_LEN(cli_options); i++) {
        if ((r->seen & BIT(i)) != 0 &&
            (cli_options[i].commands & BIT(cli->command)) == 0) {
            buf_printf(&cli->errors, "cnode: %s does not take --%s", info->name,
                       cli_options[i].name);
            return CNODE_EINVALID;
        }
    }
    if (cli->args.count < info->least || cli->args.count > info->most) {
        return wrong_count(cli, info);
    }
    if (cli->cookie != NULL && cli->cookie_file != NULL) {
        return fail(cli, "--cookie and --cookie-file exclude each other", "");
    }
    if ((FOR_NODE & BIT(cli->command)) != 0 && cli->config == NULL) {
        return fail(cli, info->name, ": --config FILE is missing");
    }
    return 0;
}

void cli_fini(struct cli *cli)
{
    mem_free(cli->join.items);
    mem_free(cli->set.items);
    mem_free(cli->args.items);
    buf_fini(&cli->errors);
}

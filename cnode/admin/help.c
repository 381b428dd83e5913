/* SPDX-License-Identifier: Apache-2.0
 *
 * Synopsis and options come from the tables of cli.c, so that they cannot
 * disagree with what is accepted; prose and examples are here.
 */
#include "admin/help.h"

#include <string.h>

#include <cnode/cnode.h>

#include "storage/store_backend.h"

enum { WIDTH = 79, OPTION_COLUMN = 24 };

#define EXIT_LINES                                                             \
    "\n"                                                                       \
    "Exit code: 0 done, 1 no answer, or an error; 2 a mistake in the\n"        \
    "arguments.\n"

static const char *const about[CLI_COMMAND_COUNT] = {
    [CLI_START] =
        "Runs a node in the foreground until SIGTERM, SIGINT or SIGHUP. When\n"
        "it listens and is registered at epmd, one line is printed:\n"
        "\n"
        "  ready name=c1@127.0.0.1 port=41234 creation=1795169571\n"
        "    pools=Elixir.Demo.Counters behaviours=counter,echo,kv\n"
        "\n"
        "(as one line, separated by single spaces). Everything else is logged\n"
        "on stderr. The signal lets terminate callbacks run for at most\n"
        "node.stop_timeout; a second one ends the program at once.\n"
        "\n"
        "The cookie is the first of: --cookie, the variable CNODE_COOKIE, the\n"
        "file of --cookie-file (or node.cookie_file), ~/.erlang.cookie. A\n"
        "cookie file that others can access is refused, as on a BEAM.\n"
        "\n"
        "ERL_EPMD_PORT says where epmd is, unless node.epmd_port does. epmd "
        "is\n"
        "started when there is none.\n"
        "\n"
        "Exit code: 0 stopped by a signal, 1 failure (name or port in use),\n"
        "2 mistake in the options, the configuration or the cookie.\n",
    [CLI_CHECK] =
        "Reads the configuration as `start` would, loads its behaviours, and\n"
        "starts nothing. Prints `ok`, or every mistake on stderr with file,\n"
        "line, JSON path and what was expected.\n"
        "\n"
        "Exit code: 0 no mistake, 2 mistakes.\n",
    [CLI_CALL] =
        "Joins the cluster as a short-lived hidden node, calls, prints the\n"
        "reply as an Erlang term. With ID: the worker ID of POOL, which is\n"
        "started if it does not run. Without: the process registered as\n"
        "SERVICE, on this kind of node or on a BEAM.\n"
        "\n"
        "ID and TERM are Erlang terms: 123, increment, {add, 5}, [1, 2],\n"
        "#{a => 1}, 'Elixir.Foo', \"text\" (a binary here), <<1, 2>>. Quote\n"
        "them for the shell.\n"
        "\n"
        "Exit code: 0 a reply came, whatever it says; 1 none did; 2 a\n"
        "mistake in the arguments.\n",
    [CLI_STATUS] =
        "Asks the node's process cnode_admin: version, time since the start,\n"
        "peers, pools, workers, memory, messages handled and "
        "lost.\n" EXIT_LINES,
    [CLI_POOLS] =
        "A line for each pool, or all that is known of POOL. STATUS is what\n"
        "the other nodes see: online, offline, or {locked,online}: nothing\n"
        "new is placed there, as it is locked or full. CONDITION comes from\n"
        "failures per minute. TARGET is low/target/high.\n" EXIT_LINES,
    [CLI_WORKERS] =
        "A line for each worker, as many as --limit says. QUEUE: messages "
        "that\n"
        "wait for it. IDLE: time since the last one. A worker that lives all\n"
        "the while is shown once, whatever starts and ends "
        "meanwhile.\n" EXIT_LINES,
    [CLI_COUNT] = "Counts without touching a worker.\n" EXIT_LINES,
    [CLI_PEERS] =
        "A line for each node that it is connected to, or wants to be (JOIN).\n"
        "IN and OUT: bytes of this connection. FAILURES: dials in a "
        "row.\n" EXIT_LINES,
    [CLI_HEALTH] = "The health report of the node as a table; with --json as\n"
                   "AdvancedPool has it.\n" EXIT_LINES,
    [CLI_DEADLETTERS] =
        "The newest messages for workers that could not be delivered, and\n"
        "why. The node keeps limits.dead_letters of them and counts "
        "all.\n" EXIT_LINES,
    [CLI_LOCK] =
        "Workers that are there live on and answer; new ones are placed on\n"
        "other nodes. Without POOL: all pools of the node.\n" EXIT_LINES,
    [CLI_RELEASE] =
        "New workers may be placed there again. A lock of the node and one of\n"
        "a pool are released each by its own.\n" EXIT_LINES,
    [CLI_ONLINE] =
        "Undoes offline. Without POOL: all pools of the node.\n" EXIT_LINES,
    [CLI_OFFLINE] =
        "Ends the workers, some at a time, with terminate and what they\n"
        "persist; who asks for one goes to another node, or gets {error,\n"
        "unavailable}. Without POOL: all pools of the node.\n" EXIT_LINES,
    [CLI_GET] =
        "Prints keys and values of POOL that `set` can change.\n" EXIT_LINES,
    [CLI_SET] =
        "KEY is a key of the configuration below pools.POOL, VALUE is JSON, "
        "or\n"
        "a text that needs no quotes. The change is made at once and is gone\n"
        "when the node ends: the configuration stays as it is.\n" EXIT_LINES,
    [CLI_VERSION] =
        "Prints the name and version of this program, and which stores it\n"
        "has.\n",
    [CLI_HELP] =
        "`cnode help configuration` lists every key of the configuration with\n"
        "its type, range and default; `cnode help schema` is the same for\n"
        "editors, as JSON Schema.\n",
};

static const char *const examples[CLI_COMMAND_COUNT] = {
    [CLI_START] = "  cnode start --config demo.json --cookie-file ./cookie\n"
                  "  cnode start --config demo.json --name c2@127.0.0.1 \\\n"
                  "      --join first@127.0.0.1 --set log.level='\"debug\"'\n"
                  "  cnode start --config demo.json --set node.port=9100\n",
    [CLI_CHECK] = "  cnode check --config demo.json\n",
    [CLI_CALL] =
        "  cnode call c1@127.0.0.1 Elixir.Demo.Counters 123 increment\n"
        "  cnode call c1@127.0.0.1 Elixir.Demo.Counters 123 '{add, 5}'\n"
        "  cnode call c1@127.0.0.1 echo '{hello, \"world\"}' --timeout 500ms\n",
    [CLI_STATUS] = "  cnode status c1@127.0.0.1\n"
                   "  cnode status c1@127.0.0.1 --json | jq .workers\n",
    [CLI_POOLS] = "  cnode pools c1@127.0.0.1\n"
                  "  cnode pools c1@127.0.0.1 Elixir.Demo.Counters\n",
    [CLI_WORKERS] =
        "  cnode workers c1@127.0.0.1 Elixir.Demo.Counters --limit 20\n"
        "  cnode workers c1@127.0.0.1 Elixir.Demo.Counters --limit all "
        "--json\n",
    [CLI_LOCK] = "  cnode lock c1@127.0.0.1\n"
                 "  cnode lock c1@127.0.0.1 Elixir.Demo.Counters\n",
    [CLI_SET] =
        "  cnode set c1@127.0.0.1 Elixir.Demo.Counters worker.max 5000\n"
        "  cnode set c1@127.0.0.1 Elixir.Demo.Counters worker.idle_timeout "
        "5m\n",
    [CLI_HELP] = "  cnode help start\n"
                 "  cnode help configuration\n",
};

static void put(struct buf *out, const char *text)
{
    buf_put(out, text, strlen(text));
}

static void put_spaces(struct buf *out, size_t count)
{
    buf_printf(out, "%*s", (int)count, "");
}

void help_put_wrapped(struct buf *out, const char *text, size_t column,
                      size_t indent, size_t width)
{
    bool is_first = true; /* word of its line */

    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (!is_first && column + 1 + len > width) {
            put(out, "\n");
            put_spaces(out, indent);
            column = indent;
            is_first = true;
        }
        if (!is_first) {
            put(out, " ");
            column++;
        }
        buf_put(out, text, len);
        column += len;
        is_first = false;
        text += len;
        text += strspn(text, " ");
    }
    put(out, "\n");
}

const char *cnode_version(void)
{
    return CNODE_VERSION;
}

void help_put_version(struct buf *out)
{
    buf_printf(out, "cnode %s\nstores: %s\n", cnode_version(),
               store_backend_names());
}

void help_put_overview(struct buf *out)
{
    put(out, "cnode: a node of an Erlang or Elixir cluster that hosts "
             "supervised workers\nwritten in C.\n\n");
    for (int i = 0; i < CLI_COMMAND_COUNT; i++) {
        const struct cli_command_info *info = &cli_commands[i];
        buf_printf(out, "  cnode %-12s %s\n", info->name, info->summary);
    }
    put(out,
        "\n`cnode help COMMAND` explains one and has examples;\n"
        "`cnode help configuration` lists every key of the configuration.\n"
        "Results are on stdout, everything else is on stderr.\n"
        "Exit code: 0 done, 1 failure, 2 wrong usage or configuration.\n");
}

static void put_option(struct buf *out, const struct cli_option *option)
{
    size_t start = buf_size(out);
    size_t column;

    buf_printf(out, "  --%s%s%s", option->name,
               option->value == NULL ? "" : " ",
               option->value == NULL ? "" : option->value);
    column = buf_size(out) - start;
    if (column < OPTION_COLUMN) {
        put_spaces(out, OPTION_COLUMN - column);
        column = OPTION_COLUMN;
    }
    help_put_wrapped(out, option->doc, column, OPTION_COLUMN, WIDTH);
}

void help_put_command(struct buf *out, enum cli_command command)
{
    const struct cli_command_info *info = &cli_commands[command];

    buf_printf(out, "cnode %s: %s\n\n", info->name, info->summary);
    for (size_t i = 0; i < CLI_USAGES && info->usages[i] != NULL; i++) {
        buf_printf(out, "  cnode %s%s%s\n", info->name,
                   info->usages[i][0] == '\0' ? "" : " ", info->usages[i]);
    }
    buf_printf(out, "\n%s\nOptions:\n", about[command]);
    for (size_t i = 0; i < cli_option_count; i++) {
        if ((cli_options[i].commands & BIT(command)) != 0) {
            put_option(out, &cli_options[i]);
        }
    }
    if (examples[command] != NULL) {
        buf_printf(out, "\nExamples:\n%s", examples[command]);
    }
}

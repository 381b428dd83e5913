/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of keys, and the few rules that a table cannot say. The text of each
 * key ends up in `cnode help configuration`, in docs/configuration.md and in
 * docs/config.schema.json.
 */
#include "admin/settings.h"

#include <arpa/inet.h>
#include <sched.h>
#include <string.h>

#include "admin/reach_settings.h"
#include "base/log.h"
#include "base/mem.h"
#include "dist/handshake.h"
#include <cnode/error.h>

#define US  UINT64_C(1000) /* in nanoseconds */
#define MS  (1000 * US)
#define SEC (1000 * MS)

enum { AUTO_SCHEDULERS_MAX = 16 };

/* --- the keys */

#define KEY(type_, field) .name = #field, .offset = offsetof(type_, field)
#define KEY_AS(name_, type_, field)                                            \
    .name = (name_), .offset = offsetof(type_, field)
#define TOP     struct settings_top
#define NODE    struct settings_node
#define RUNTIME struct settings_runtime
#define LOGGING struct settings_log

static const struct config_key top_keys[] = {
    {KEY_AS("$schema", TOP, schema), .type = CONFIG_STRING,
     .doc = "where editors find config.schema.json; not read"},
    {KEY(TOP, node), .type = CONFIG_OBJECT,
     .doc = "the node's place in the cluster"},
    {KEY(TOP, runtime), .type = CONFIG_OBJECT, .doc = "how callbacks are run"},
    {KEY(TOP, limits), .type = CONFIG_OBJECT,
     .doc = "limits on what comes from outside"},
    {KEY(TOP, log), .type = CONFIG_OBJECT, .doc = "lines on stderr"},
    {KEY(TOP, pg), .type = CONFIG_OBJECT, .doc = "process groups: OTP's pg"},
    {KEY(TOP, syn), .type = CONFIG_OBJECT,
     .doc = "names and groups of the cluster: syn"},
    {KEY(TOP, behaviours), .type = CONFIG_ARRAY,
     .doc = "shared objects to load behaviours from, relative to this file; "
            "those that ship need no entry"},
    {KEY(TOP, pools), .type = CONFIG_OBJECT,
     .doc = "pools of workers by their registered name, such as "
            "Elixir.MyPool"},
    {KEY(TOP, stores), .type = CONFIG_OBJECT,
     .doc = "where the state of workers is kept, by a name of your choice"},
    {KEY(TOP, cluster), .type = CONFIG_OBJECT,
     .doc = "part in an AdvancedPool cluster: managers and what others host"},
    {KEY(TOP, services), .type = CONFIG_OBJECT,
     .doc = "single workers by their registered name"},
    {KEY(TOP, spawn), .type = CONFIG_OBJECT,
     .doc = "what other nodes may spawn here: {\"module:function\": "
            "\"behaviour\"}; each starts a worker with the arguments, which "
            "is not started again"},
};

static const char *const global_modes[] = {"minimal", "full", NULL};
static const char *const link_profiles[] = {"latency", "throughput", "off",
                                            NULL};

static const char *const auto_connects[] = {"always", "once", "never", NULL};

static const struct config_key node_keys[] = {
    {KEY(NODE, name), .type = CONFIG_STRING,
     .doc = "full name, such as c1@127.0.0.1; required here or as --name"},
    {KEY(NODE, cookie_file), .type = CONFIG_STRING,
     .doc = "file that holds the cookie, relative to this file; by default "
            "~/.erlang.cookie. --cookie and CNODE_COOKIE go first"},
    {KEY(NODE, cookies), .type = CONFIG_OBJECT,
     .doc = "other cookies for some nodes: {\"node@host\": \"cookie\"}"},
    {KEY(NODE, join), .type = CONFIG_ARRAY,
     .doc = "nodes to stay connected to; dialled again for ever. Its own name "
            "is skipped, so that all nodes may have the same list"},
    {KEY(NODE, hidden), .type = CONFIG_BOOL, .doc = "connect as a hidden node"},
    {KEY(NODE, global), .type = CONFIG_ENUM, .choices = global_modes,
     .doc = "part in OTP's global: minimal: none, but nobody waits for it; "
            "full: a member of its names, locks and partition rule"},
    {KEY(NODE, mesh), .type = CONFIG_BOOL,
     .doc = "connect to every visible node that a connected one sees; a hidden "
            "node never does"},
    {KEY(NODE, listen), .type = CONFIG_STRING, .doc = "address to listen on"},
    {KEY(NODE, port), .type = CONFIG_UINT, .most = 65535,
     .doc = "port to listen on; 0 takes any"},
    {KEY(NODE, epmd), .type = CONFIG_BOOL,
     .doc = "register at epmd and ask it where others listen; false: neither, "
            "the creation is random"},
    {KEY(NODE, epmd_port), .type = CONFIG_UINT, .least = 1, .most = 65535,
     .doc = "port of epmd; by default ERL_EPMD_PORT, else 4369"},
    {KEY(NODE, start_epmd), .type = CONFIG_BOOL,
     .doc = "start epmd when there is none, as erl does"},
    {KEY_AS("static", NODE, static_map), .type = CONFIG_OBJECT,
     .doc = "where nodes listen, looked at before epmd is asked: "
            "{\"node@host\": \"host:port\"}"},
    {KEY(NODE, peer_port), .type = CONFIG_UINT, .most = 65535,
     .doc = "every other node that is not in node.static listens on this port, "
            "epmd is not asked; as BEAM nodes with -erl_epmd_port do; 0 no"},
    {KEY(NODE, allow), .type = CONFIG_ARRAY,
     .doc = "the nodes, or all nodes of a host, that may connect and that are "
            "dialled, as net_kernel:allow/1; by default all with the cookie"},
    {KEY(NODE, auto_connect), .type = CONFIG_ENUM, .choices = auto_connects,
     .doc = "whether sending to a node that is not connected dials it, as "
            "dist_auto_connect: always; once: not any more after it was lost; "
            "never. Nodes of node.join are dialled in any case"},
    {KEY(NODE, tls), .type = CONFIG_OBJECT,
     .doc = "speak TLS with all nodes, as erl -proto_dist inet_tls does; "
            "without it plain TCP"},
    {KEY_AS("ticktime", NODE, ticktime_ns), .type = CONFIG_DURATION,
     .least = SEC, .most = 86400 * SEC,
     .doc = "a peer that is silent for that long is down; as net_ticktime, "
            "the same on all nodes"},
    {KEY_AS("setup_time", NODE, setup_ns), .type = CONFIG_DURATION,
     .least = 100 * MS, .most = 120 * SEC,
     .doc = "most time for each step of connecting; as net_setuptime"},
    {KEY(NODE, link_profile), .type = CONFIG_ENUM, .choices = link_profiles,
     .doc = "how the other end of a connection is tuned when it comes up"},
    {KEY_AS("stop_timeout", NODE, stop_ns), .type = CONFIG_DURATION,
     .most = 3600 * SEC,
     .doc = "most time for terminate callbacks when the node stops"},
};

static const struct config_key runtime_keys[] = {
    {KEY(RUNTIME, schedulers), .type = CONFIG_ANY,
     .wanted = "1..64 or \"auto\"",
     .doc = "threads that run callbacks, each with its share of the workers; "
            "by default auto: half of the cores, at least 1, at most 16"},
    {KEY_AS("busy_poll", RUNTIME, busy_poll_ns), .type = CONFIG_DURATION,
     .most = 10 * MS,
     .doc = "keep polling that long after traffic before sleeping; 0s never"},
    {KEY_AS("callback_budget", RUNTIME, callback_budget_ns),
     .type = CONFIG_DURATION, .most = 3600 * SEC,
     .doc = "a callback that takes longer is reported by name; 0s never"},
    {KEY_AS("callback_limit", RUNTIME, callback_limit_ns),
     .type = CONFIG_DURATION, .most = 86400 * SEC,
     .doc = "a callback that takes longer ends the node, so that whoever "
            "supervises it starts it again; 0s never"},
};

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"logfmt", "json", NULL};

static const struct config_key log_keys[] = {
    {KEY(LOGGING, level), .type = CONFIG_ENUM, .choices = levels,
     .doc = "least level that is written"},
    {KEY(LOGGING, format), .type = CONFIG_ENUM, .choices = formats,
     .doc = "form of a line"},
};

static const struct settings_node node_defaults = {
    .listen = "0.0.0.0",
    .epmd = true,
    .start_epmd = true,
    .mesh = true,
    .auto_connect = AUTO_CONNECT_ALWAYS,
    .ticktime_ns = 60 * SEC,
    .setup_ns = 7 * SEC,
    .stop_ns = 5 * SEC,
    .link_profile = LINK_PROFILE_LATENCY,
};

static const struct settings_runtime runtime_defaults = {
    .busy_poll_ns = 50 * US,
    .callback_budget_ns = 100 * MS,
    .callback_limit_ns = 60 * SEC,
};

static const struct settings_log log_defaults = {
    .level = LOG_LEVEL_INFO,
    .format = LOG_FORMAT_LOGFMT,
};

static const struct settings_top top_defaults;

/* limits.def as keys and as defaults. */
static const struct config_key limit_keys[] = {
#define LIMIT(name_, def, least_, most_, unit, counter, answer)                \
    {KEY(struct limits, name_),                                                \
     .type = __builtin_strcmp(unit, "bytes") == 0 ? CONFIG_SIZE : CONFIG_UINT, \
     .least = (least_), .most = (most_),                                       \
     .doc = answer "; counted in `" #counter "`"},
#include "base/limits.def"
#undef LIMIT
};

static const struct limits limit_defaults = {
#define LIMIT(name, def, least, most, unit, counter, answer) .name = (def),
#include "base/limits.def"
#undef LIMIT
};

#define SECTION(path_, keys_, defaults_, target_, doc_)                        \
    ((struct settings_section){.path = (path_),                                \
                               .doc = (doc_),                                  \
                               .keys = (keys_),                                \
                               .count = ARRAY_LEN(keys_),                      \
                               .defaults = &(defaults_),                       \
                               .target = &(target_)})

void settings_sections(struct settings *settings,
                       struct settings_section out[SETTINGS_SECTION_COUNT])
{
    out[0] = SECTION("", top_keys, top_defaults, settings->top,
                     "The file is one JSON object.");
    out[1] = SECTION("node", node_keys, node_defaults, settings->node,
                     "The node's place in the cluster.");
    out[2] = (struct settings_section){
        .path = "node.tls",
        .doc = "TLS between nodes. The files are read when the node starts.",
        .keys = tls_settings_keys,
        .count = tls_settings_key_count,
        .defaults = &tls_settings_defaults,
        .target = &settings->tls};
    out[3] = SECTION("runtime", runtime_keys, runtime_defaults,
                     settings->runtime, "How callbacks are run.");
    out[4] = SECTION("limits", limit_keys, limit_defaults, settings->limits,
                     "Limits on what comes from outside, and what happens "
                     "when one is reached.");
    out[5] = SECTION("log", log_keys, log_defaults, settings->log,
                     "Lines on stderr.");
    out[6] = (struct settings_section){.path = "pg",
                                       .doc = "Process groups, as of OTP's pg.",
                                       .keys = pg_settings_keys,
                                       .count = pg_settings_key_count,
                                       .defaults = &pg_settings_defaults,
                                       .target = &settings->pg};
    out[7] = (struct settings_section){
        .path = "syn",
        .doc = "Names and groups shared with other nodes, as of syn.",
        .keys = syn_settings_keys,
        .count = syn_settings_key_count,
        .defaults = &syn_settings_defaults,
        .target = &settings->syn};
}

/* --- reading */

static void read_tables(struct settings *settings);
static void apply_options(struct settings *settings, const struct cli *cli);
static void check_name(struct settings *settings, const struct cli *cli);
static void check_listen(struct settings *settings);
static void check_join(struct settings *settings, const struct cli *cli);
static void check_cookies(struct settings *settings);
static void check_epmd(struct settings *settings);
static void check_schedulers(struct settings *settings);

static void settings_init(struct settings *settings)
{
    *settings = (struct settings){
        .node = node_defaults,
        .tls = tls_settings_defaults,
        .runtime = runtime_defaults,
        .log = log_defaults,
        .limits = limit_defaults,
    };
}

static void settings_read(struct settings *settings, const struct cli *cli)
{
    for (size_t i = 0; i < cli->set.count; i++) {
        int rc = config_set(&settings->config, cli->set.items[i]);
        (void)rc; /* counted in error_count */
    }
    read_tables(settings);
    apply_options(settings, cli);
    check_name(settings, cli);
    check_listen(settings);
    check_join(settings, cli);
    check_cookies(settings);
    check_epmd(settings);
    reach_settings_check(settings);
    check_schedulers(settings);
    scope_settings_check(&settings->pg, &settings->syn, &settings->config);
    if (settings->node.tls != NULL) {
        tls_settings_check(&settings->tls, &settings->config);
    }
}

int settings_load(struct settings *settings, const struct cli *cli)
{
    int rc;

    settings_init(settings);
    rc = config_open(&settings->config, cli->config);
    if (rc == 0) {
        settings_read(settings, cli);
    }
    return rc;
}

int settings_parse(struct settings *settings, const struct cli *cli,
                   const char *text)
{
    int rc;

    settings_init(settings);
    rc = config_parse(&settings->config, cli->config, text);
    if (rc == 0) {
        settings_read(settings, cli);
    }
    return rc;
}

static void read_tables(struct settings *settings)
{
    struct settings_section sections[SETTINGS_SECTION_COUNT];
    struct settings_top *top = &settings->top;

    settings_sections(settings, sections);
    for (size_t i = 0; i < SETTINGS_SECTION_COUNT; i++) {
        const struct settings_section *section = &sections[i];
        json_t *objects[] = {settings->config.root,
                             top->node,
                             settings->node.tls,
                             top->runtime,
                             top->limits,
                             top->log,
                             top->pg,
                             top->syn};
        if (objects[i] != NULL) {
            config_read(&settings->config, section->path, objects[i],
                        section->keys, section->count, section->target);
        }
    }
}

/* A mistake in an option: it has no place in the file. */
static void option_error(struct settings *settings, const char *option,
                         const char *expected, const char *got)
{
    buf_printf(&settings->config.errors, "--%s: expected %s, got \"%s\"\n",
               option, expected, got);
    settings->config.error_count++;
}

static void apply_options(struct settings *settings, const struct cli *cli)
{
    struct settings_node *node = &settings->node;

    if (cli->name != NULL) {
        node->name = cli->name;
    }
    node->hidden = node->hidden || cli->is_hidden;
    if (cli->cookie_file != NULL) { /* relative to where the user is */
        node->cookie_file = cli->cookie_file;
    } else if (node->cookie_file != NULL) {
        settings->cookie_path =
            config_file(&settings->config, node->cookie_file);
        node->cookie_file = settings->cookie_path;
    }
}

static const char wanted_name[] = "a full node name such as \"c1@127.0.0.1\"";

static void check_name(struct settings *settings, const struct cli *cli)
{
    const char *name = settings->node.name;

    if (name == NULL && cli->command == CLI_CALL) {
        return; /* no node of that name is started */
    }
    if (name == NULL) {
        config_error(&settings->config, "node.name",
                     "missing, expected %s (or give --name)", wanted_name);
    } else if (!node_name_is_valid(name)) {
        if (cli->name != NULL) {
            option_error(settings, "name", wanted_name, name);
        } else {
            config_error(&settings->config, "node.name",
                         "expected %s, got \"%s\"", wanted_name, name);
        }
    }
}

static void check_listen(struct settings *settings)
{
    struct in6_addr address;
    const char *host = settings->node.listen;

    if (inet_pton(AF_INET, host, &address) != 1 &&
        inet_pton(AF_INET6, host, &address) != 1) {
        config_error(&settings->config, "node.listen",
                     "expected an IP address such as \"0.0.0.0\", got \"%s\"",
                     host);
    }
}

static bool is_joined(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->join.count; i++) {
        if (strcmp(settings->join.items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_join(struct settings *settings, const char *name)
{
    struct cli_list *join = &settings->join;

    if (settings->node.name != NULL && strcmp(settings->node.name, name) == 0) {
        return; /* one file for all nodes may name every one of them */
    }
    if (is_joined(settings, name)) {
        return; /* an option may repeat the file */
    }
    join->items =
        mem_realloc(join->items, (join->count + 1) * sizeof(*join->items));
    join->items[join->count++] = name;
}

static void check_join(struct settings *settings, const struct cli *cli)
{
    json_t *element;
    size_t i;

    json_array_foreach(settings->node.join, i, element)
    {
        const char *name = json_string_value(element);
        char *path = config_index("node.join", i);
        if (name != NULL && is_joined(settings, name)) {
            config_error(&settings->config, path,
                         "expected each node once, got \"%s\" again", name);
        } else if (name != NULL && node_name_is_valid(name)) {
            add_join(settings, name);
        } else if (name != NULL) {
            config_error(&settings->config, path, "expected %s, got \"%s\"",
                         wanted_name, name);
        } else {
            config_error(&settings->config, path, "expected %s", wanted_name);
        }
        mem_free(path);
    }
    for (i = 0; i < cli->join.count; i++) {
        if (node_name_is_valid(cli->join.items[i])) {
            add_join(settings, cli->join.items[i]);
        } else {
            option_error(settings, "join", wanted_name, cli->join.items[i]);
        }
    }
}

static bool is_cookie(const char *text)
{
    size_t len = text == NULL ? 0 : strlen(text);

    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return len > 0 && len <= COOKIE_MAX;
}

/* The message leaves out what was there: it is a secret. */
static void check_cookies(struct settings *settings)
{
    const char *name;
    json_t *cookie;

    json_object_foreach(settings->node.cookies, name, cookie)
    {
        char *path = config_join("node.cookies", name);
        if (!node_name_is_valid(name)) {
            config_error(&settings->config, path, "expected %s as the key",
                         wanted_name);
        }
        if (!is_cookie(json_string_value(cookie))) {
            config_error(&settings->config, path,
                         "expected a cookie: 1..%d characters of printable "
                         "ASCII",
                         COOKIE_MAX);
        }
        mem_free(path);
    }
}

static void check_epmd(struct settings *settings)
{
    const char *mistake = epmd_env_mistake();

    if (mistake != NULL && settings->node.epmd_port == 0) {
        buf_printf(&settings->config.errors,
                   "ERL_EPMD_PORT: expected a port 1..65535, got \"%s\"\n",
                   mistake);
        settings->config.error_count++;
    }
}

static void check_schedulers(struct settings *settings)
{
    const json_t *asked = settings->runtime.schedulers;
    const char *text = json_string_value(asked);

    if (asked == NULL || (text != NULL && strcmp(text, "auto") == 0) ||
        (json_is_integer(asked) && json_integer_value(asked) >= 1 &&
         json_integer_value(asked) <= SCHEDULERS_MAX)) {
        return;
    }
    config_error(&settings->config, "runtime.schedulers",
                 "expected 1..%d or \"auto\"", SCHEDULERS_MAX);
}

/* One channel does not scale over schedulers, and the BEAM on the same machine
 * needs cores: so half of those that this process may use. */
static uint32_t schedulers_wanted(const struct settings *settings)
{
    uint32_t half, most = AUTO_SCHEDULERS_MAX;
    cpu_set_t cores;

    if (json_is_integer(settings->runtime.schedulers)) {
        return (uint32_t)json_integer_value(settings->runtime.schedulers);
    }
    if (sched_getaffinity(0, sizeof(cores), &cores) != 0) {
        return 1; /* more cores than fit the set: no machine we know */
    }
    half = (uint32_t)CPU_COUNT(&cores) / 2;
    return half < 1 ? 1 : half > most ? most : half;
}

void settings_fini(struct settings *settings)
{
    scope_settings_fini(&settings->pg, &settings->syn);
    mem_free(settings->join.items);
    mem_free(settings->cookie_path);
    config_fini(&settings->config);
}

/* --- handing on */

int settings_open_tls(struct settings *settings, struct tls_context **context)
{
    *context = NULL;
    return settings->node.tls == NULL
               ? 0
               : tls_settings_open(&settings->tls, &settings->config, context);
}

void settings_node_config(const struct settings *settings, const char *cookie,
                          struct node_config *out)
{
    const struct settings_node *node = &settings->node;
    const struct settings_runtime *runtime = &settings->runtime;

    *out = (struct node_config){
        .name = node->name,
        .cookie = cookie,
        .hidden = node->hidden,
        .listen_host = node->listen,
        .listen_port = (uint16_t)node->port,
        .epmd_port = node->epmd_port == 0 ? epmd_port_from_env()
                                          : (uint16_t)node->epmd_port,
        .without_epmd = !node->epmd,
        .start_epmd = node->start_epmd,
        .peer_port = (uint16_t)node->peer_port,
        .auto_connect = (enum auto_connect)node->auto_connect,
        .setup_ms = node->setup_ns / MS,
        .ticktime_ms = node->ticktime_ns / MS,
        .busy_poll_ns = runtime->busy_poll_ns,
        .callback_budget_ns = runtime->callback_budget_ns,
        .callback_limit_ns = runtime->callback_limit_ns,
        .link_profile = (enum link_profile)node->link_profile,
        .schedulers = schedulers_wanted(settings),
    };
}

void settings_cluster_config(const struct settings *settings,
                             struct cluster_config *out)
{
    *out = (struct cluster_config){
        .pg_scopes = settings->pg.names.items,
        .pg_scope_count = settings->pg.names.count,
        .mesh = settings->node.mesh,
        .global = (enum global_mode)settings->node.global,
    };
}

void settings_syn_config(const struct settings *settings,
                         struct syn_config *out)
{
    *out = (struct syn_config){
        .scopes = settings->syn.names.items,
        .scope_count = settings->syn.names.count,
        .is_strict = settings->syn.strict_mode,
    };
}

const char *settings_cookie_for(const struct settings *settings,
                                const char *node)
{
    return json_string_value(json_object_get(settings->node.cookies, node));
}

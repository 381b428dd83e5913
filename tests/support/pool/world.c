/* SPDX-License-Identifier: Apache-2.0
 *
 * See world.h.
 */
#include "support/pool/world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "term/text.h"

static struct stores *next_stores;

void world_use_stores(struct stores *stores)
{
    next_stores = stores;
}

static void ignore_log(const char *line, size_t len, void *user)
{
    (void)line, (void)len, (void)user;
}

/* The behaviour "script" is in no table: its error is let pass, and here it is
 * put in place. */
static void use_script(struct world *world)
{
    for (size_t i = 0; i < world->settings.count; i++) {
        struct pool_config *pool = &world->settings.pools[i];

        if (pool->behaviour == NULL) {
            pool->behaviour = &script_behaviour;
        }
    }
}

static void read_config(struct world *world, const char *json)
{
    char *text = mem_strdup(json);

    for (char *p = text; *p != '\0'; p++) {
        if (*p == '\'') {
            *p = '"';
        }
    }
    CHECK(config_parse(&world->config, "world.json", text) == 0);
    pool_settings_read(&world->settings, &world->config, NULL,
                       json_object_get(world->config.root, "pools"),
                       json_object_get(world->config.root, "services"),
                       json_object_get(world->config.root, "spawn"));
    use_script(world);
    mem_free(text);
}

uint32_t world_schedulers(void)
{
    const char *text = getenv("CNODE_TEST_SCHEDULERS");

    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 1;
}

static void start_syn(struct world *world)
{
    static const char *const scopes[] = {"s"};
    const struct syn_config config = {.scopes = scopes, .scope_count = 1};

    CHECK(syn_start(&world->syn, &world->node, &config) == 0);
    world->has_syn = true;
    pools_use_syn(&world->pools, &world->syn);
}

static void prepare(struct world *world, const char *json, bool with_syn)
{
    memset(world, 0, sizeof(*world));
    script_reset();
    fake_node_open_with(&world->node, world_schedulers());
    log_capture(ignore_log, NULL);
    for (uint32_t i = 0; i < world->node.count; i++) {
        node_loop(world->node.all[i])->is_stale = false;
    }
    buf_init(&world->text, 0);
    read_config(world, json);
    pools_init(&world->pools, &world->node);
    pools_use_stores(&world->pools, next_stores);
    next_stores = NULL;
    if (with_syn) {
        start_syn(world);
    }
    CHECK(pools_start(&world->pools, &world->settings) == 0);
}

void world_prepare(struct world *world, const char *json)
{
    prepare(world, json, false);
}

void world_begin(struct world *world)
{
    fake_peer_open(&world->peer, &world->node, "p1@there");
    world->caller = (struct pid){
        .node = atom_intern("p1@there", 8), .id = 5, .creation = 3};
    world_advance(world, 0);
    (void)world_got(world); /* what a peer gets at nodeup */
}

void world_open(struct world *world, const char *json)
{
    world_prepare(world, json);
    world_begin(world);
}

static void meet(struct world *world, const char *process, uint32_t id)
{
    struct pid scope = world->caller;
    struct buf message;

    scope.id = id;
    buf_init(&message, 0);
    term_format(&message, "{'3.0', ack_sync, ~p, []}", scope);
    world_feed(world, &message, "{6, ~p, '', ~a}", world->caller, process);
}

static void join(struct world *world, const char *registry, const char *groups)
{
    syn_nodeup(&world->syn, world->peer.peer);
    meet(world, registry, 6);
    meet(world, groups, 7);
    world_advance(world, 0);
    (void)fake_peer_got(&world->peer);
}

void world_use_syn(struct world *world)
{
    start_syn(world);
    join(world, "syn_registry_s", "syn_pg_s");
}

void world_open_in_syn(struct world *world, const char *json)
{
    prepare(world, json, true);
    world_begin(world);
    join(world, "syn_registry_P.Registry", "syn_pg_P.Registry");
}

void world_close(struct world *world)
{
    (void)world_got(world);
    if (world->has_syn && world->peer.peer != NULL) {
        syn_nodedown(&world->syn, world->peer.peer);
    }
    fake_peer_close(&world->peer);
    if (!world->pools.is_stopping) {
        pools_stop(&world->pools, 60000, NULL, NULL);
    }
    world_advance(world, 1);
    if (world->pools.stores != NULL) {
        stores_close(world->pools.stores);
        world_advance(world, 1);
    }
    if (world->has_syn) {
        syn_stop(&world->syn);
        world_advance(world, 0);
    }
    pools_fini(&world->pools);
    if (world->has_syn) {
        syn_fini(&world->syn);
    }
    pool_settings_fini(&world->settings);
    config_fini(&world->config);
    buf_fini(&world->text);
    fake_node_close(&world->node);
    log_capture(NULL, NULL);
}

static uint64_t next_timer(struct world *world)
{
    uint64_t next = UINT64_MAX;

    for (uint32_t i = 0; i < world->node.count; i++) {
        uint64_t one = wheel_next(&node_loop(world->node.all[i])->wheel);

        next = one < next ? one : next;
    }
    return next;
}

void world_turn(struct world *world, uint64_t ms)
{
    for (uint32_t i = 0; i < world->node.count; i++) {
        struct loop *loop = node_loop(world->node.all[i]);

        loop->now_ms += ms;
        loop->now_ns += ms * 1000000;
        (void)wheel_advance(&loop->wheel, loop->now_ms);
    }
    fake_node_settle(&world->node);
}

void world_advance(struct world *world, uint64_t ms)
{
    uint32_t more = world->node.count == 1 ? 1 : 8;

    do { /* in steps, so that what a timer starts is on time as well */
        uint64_t step = next_timer(world);

        step = step < ms ? step : ms;
        ms -= step;
        world_turn(world, step);
    } while (ms > 0);
    while (more-- > 0) { /* what one scheduler told another */
        world_turn(world, 0);
    }
}

/* --- what the caller sends */

void world_feed(struct world *world, struct buf *payload, const char *control,
                ...)
{
    struct buf frame;
    size_t used;
    va_list args;

    buf_init(&frame, 0);
    buf_put_u32(&frame, 0);
    buf_put(&frame, "\x83\x44\x00", 3);
    va_start(args, control);
    term_vformat(&frame, control, args);
    va_end(args);
    if (payload != NULL) {
        CHECK(buf_error(payload) == 0);
        buf_put(&frame, buf_data(payload), buf_size(payload));
        buf_fini(payload);
    }
    CHECK(buf_error(&frame) == 0);
    set_u32(buf_data(&frame), (uint32_t)(buf_size(&frame) - 4));
    CHECK(channel_feed(&world->peer.channel, buf_data(&frame), buf_size(&frame),
                       &used, NULL) == 0);
    buf_fini(&frame);
}

static struct ref next_ref(struct world *world)
{
    return (struct ref){.node = world->caller.node,
                        .creation = world->caller.creation,
                        .len = 3,
                        .words = {++world->calls, 0, 0}};
}

static void put_text(struct buf *buf, const char *text)
{
    const char *what = "";
    size_t where = 0;
    int rc = term_parse(buf, text, strlen(text), true, &where, &what);

    if (rc != 0) {
        fprintf(stderr, "%s\n%*s expected %s\n", text, (int)where, "^", what);
    }
    CHECK(rc == 0);
}

static void put_call(struct world *world, struct buf *buf, struct ref *ref,
                     const char *request)
{
    buf_init(buf, 0);
    term_put_tuple(buf, 3);
    term_format(buf, "'$gen_call'");
    term_format(buf, "{~p, [alias | ~r]}", world->caller, ref);
    put_text(buf, request);
}

const char *world_call(struct world *world, const char *name,
                       const char *request)
{
    struct ref ref = next_ref(world);
    struct buf buf;

    put_call(world, &buf, &ref, request);
    world_feed(world, &buf, "{6, ~p, '', ~a}", world->caller, name);
    return world_got(world);
}

const char *world_call_pid(struct world *world, struct pid pid,
                           const char *request)
{
    struct ref ref = next_ref(world);
    struct buf buf;

    put_call(world, &buf, &ref, request);
    world_feed(world, &buf, "{22, ~p, ~p}", world->caller, pid);
    return world_got(world);
}

const char *world_monitored_call(struct world *world, const char *name,
                                 const char *request)
{
    struct ref ref = next_ref(world);
    struct buf buf;

    world_feed(world, NULL, "{19, ~p, ~a, ~r}", world->caller, name, &ref);
    put_call(world, &buf, &ref, request);
    world_feed(world, &buf, "{6, ~p, '', ~a}", world->caller, name);
    return world_got(world);
}

const char *world_envelope(const char *id, const char *spawn, const char *call)
{
    static char text[4096];

    snprintf(text, sizeof(text),
             "{msg_envelope, nil, call, {ref, 'P.Worker', %s}, "
             "{settings, nil, %s, nil, nil, nil, 5000}, {s, %s, ctx, nil}}",
             id, spawn, call);
    return text;
}

const char *world_ask(struct world *world, const char *id, const char *call)
{
    return world_call(world, "P", world_envelope(id, "true", call));
}

static void put_cast(struct buf *buf, const char *request)
{
    buf_init(buf, 0);
    term_put_tuple(buf, 2);
    term_format(buf, "'$gen_cast'");
    put_text(buf, request);
}

void world_cast(struct world *world, const char *name, const char *request)
{
    struct buf buf;

    put_cast(&buf, request);
    world_feed(world, &buf, "{6, ~p, '', ~a}", world->caller, name);
    fake_node_settle(&world->node);
}

void world_cast_pid(struct world *world, struct pid pid, const char *request)
{
    struct buf buf;

    put_cast(&buf, request);
    world_feed(world, &buf, "{22, ~p, ~p}", world->caller, pid);
    fake_node_settle(&world->node);
}

void world_send_pid(struct world *world, struct pid pid, const char *message)
{
    struct buf buf;

    buf_init(&buf, 0);
    put_text(&buf, message);
    world_feed(world, &buf, "{22, ~p, ~p}", world->caller, pid);
    fake_node_settle(&world->node);
}

const char *world_callf(struct world *world, struct pid pid, const char *format,
                        ...)
{
    struct ref ref = next_ref(world);
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    term_put_tuple(&buf, 3);
    term_format(&buf, "'$gen_call'");
    term_format(&buf, "{~p, [alias | ~r]}", world->caller, &ref);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    world_feed(world, &buf, "{22, ~p, ~p}", world->caller, pid);
    return world_got(world);
}

const char *world_sendf(struct world *world, struct pid pid, const char *format,
                        ...)
{
    struct buf buf;
    va_list args;

    buf_init(&buf, 0);
    va_start(args, format);
    term_vformat(&buf, format, args);
    va_end(args);
    world_feed(world, &buf, "{22, ~p, ~p}", world->caller, pid);
    return world_got(world);
}

void world_exit(struct world *world, struct pid pid, const char *reason)
{
    struct buf buf;

    buf_init(&buf, 0);
    put_text(&buf, reason);
    world_feed(world, &buf, "{26, ~p, ~p}", world->caller, pid);
    fake_node_settle(&world->node);
}

void world_monitor(struct world *world, struct pid pid)
{
    struct ref ref = next_ref(world);

    world_feed(world, NULL, "{19, ~p, ~p, ~r}", world->caller, pid, &ref);
    fake_node_settle(&world->node);
}

/* --- what it gets */

static void put_line(struct buf *out, const char *line, size_t len)
{
    static const char reply[] = "payload={[alias|";
    static const char down[] = "reason=";
    const char *at = memmem(line, len, reply, sizeof(reply) - 1);
    const char *end = line + len;

    if (buf_size(out) > 0) {
        buf_put_u8(out, '\n');
    }
    if (strncmp(line, "alias_send", 10) == 0 && at != NULL) {
        at = memmem(at, (size_t)(end - at), "],", 2) + 2;
        buf_put(out, at, (size_t)(end - 1 - at)); /* less the last } */
        return;
    }
    at = memmem(line, len, down, sizeof(down) - 1);
    if (strncmp(line, "monitor_exit", 12) == 0 && at != NULL) {
        at += sizeof(down) - 1;
        buf_printf(out, "down: %.*s", (int)(end - at), at);
        return;
    }
    buf_put(out, line, len);
}

const char *world_got(struct world *world)
{
    const char *line = fake_peer_got(&world->peer);

    buf_clear(&world->text);
    while (*line != '\0') {
        size_t len = strcspn(line, "\n");

        put_line(&world->text, line, len);
        line += len + (line[len] == '\n');
    }
    buf_put_u8(&world->text, 0);
    return (const char *)buf_data(&world->text);
}

/* --- looking inside */

struct pool *world_pool(struct world *world)
{
    struct pool *pool = pools_find(&world->pools, atom_find("P", 1));

    return pool != NULL ? pool : world->pools.pools[0];
}

struct segment *world_segment(struct world *world, uint32_t index)
{
    struct pool *head = world_pool(world);

    return pool_segment(head->parts[index % head->part_count], index);
}

uint32_t world_workers(struct world *world)
{
    return (uint32_t)roll_workers(world_pool(world)->roll);
}

struct cnode_worker *world_worker(struct world *world, int64_t id)
{
    struct pool *pool = world_pool(world);
    struct worker_key key;
    struct buf buf, scratch;
    struct cnode_worker *w;

    buf_init(&buf, 0);
    buf_init(&scratch, 0);
    term_put_int(&buf, id);
    CHECK(worker_key_make(&key, term_at(buf_data(&buf), buf_size(&buf)),
                          &scratch) == 0);
    w = worker_table_get(
        &world_segment(world, pool_segment_index(pool, &key))->table, &key);
    buf_fini(&buf);
    buf_fini(&scratch);
    return w;
}

struct pid world_pid(struct world *world, int64_t id)
{
    struct cnode_worker *w = world_worker(world, id);

    CHECK(w != NULL && worker_is_up(w));
    return node_pid(&world->node, &w->process);
}

struct pid world_pid_of(struct world *world, const struct process *process)
{
    return node_pid(&world->node, process);
}

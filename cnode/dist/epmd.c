/* SPDX-License-Identifier: Apache-2.0
 *
 * Our registration at epmd. One exchange, then the connection is held open in
 * silence: epmd knows us as long as it lasts.
 *
 *   ASKING -> REGISTERED -> WAITING -> ASKING ...   lost and renewed for ever
 *     |\-> WAITING -> ASKING ...                    while epmd is starting
 *      \-> GIVEN_UP                                 the first time failed
 *   any -> CLOSING -> (closed event, freed)
 *
 * The first registration is somebody's question and fails loudly. Once it is
 * there, the loss of epmd harms nobody who is connected, so it is renewed
 * quietly, and the creation that epmd gives then is ignored: ours stands in
 * every pid we handed out.
 */
#include "dist/epmd.h"

#include <arpa/inet.h>
#include <cnode/error.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "base/trace.h"
#include "dist/epmd_dialog.h"
#include "dist/epmd_program.h"
#include "dist/handshake.h"

enum {
    EPMD_PORT = 4369,
    REPLY_MS = 10000, /* connect and reply */
    DAEMON_MS = 5000, /* for epmd to come up after we started it */
    DAEMON_RETRY_MS = 50,
    RENEW_FIRST_MS = 250, /* epmd is often back at once; doubled each time */
    RENEW_MS = 2000,
};

enum epmd_state {
    EPMD_ASKING,
    EPMD_REGISTERED,
    EPMD_WAITING,
    EPMD_GIVEN_UP,
    EPMD_CLOSING
};

static const uint32_t epmd_moves[] = {
    [EPMD_ASKING] = BIT(EPMD_REGISTERED) | BIT(EPMD_WAITING) |
                    BIT(EPMD_GIVEN_UP) | BIT(EPMD_CLOSING),
    [EPMD_REGISTERED] = BIT(EPMD_WAITING) | BIT(EPMD_CLOSING),
    [EPMD_WAITING] = BIT(EPMD_ASKING) | BIT(EPMD_CLOSING),
    [EPMD_GIVEN_UP] = BIT(EPMD_CLOSING),
    [EPMD_CLOSING] = 0,
};

struct epmd_client {
    enum epmd_state state;
    struct loop *loop;
    const struct epmd_events *events;
    void *owner;

    uint16_t epmd_port, port;
    char *alive;

    struct epmd_dialog dialog;
    struct timer timer; /* ASKING: deadline; WAITING: next try; CLOSING: end */
    bool reported;      /* the registered event has run */
    uint64_t renew_ms;  /* until the next try */
    int lost_reason;    /* 0 while registered */

    /* starting epmd */
    bool may_start;
    bool is_running;   /* the handle `daemon` is open */
    uint64_t up_by_ms; /* when epmd must be there; 0: not started */
    uv_process_t daemon;
};

/* In the order of time. */
static void epmd_ask(struct epmd_client *client);
static void on_replied(struct epmd_dialog *dialog);
static void epmd_registered(struct epmd_client *client, uint32_t creation);
static void on_dialog_closed(struct epmd_dialog *dialog, int reason);
static void epmd_lost(struct epmd_client *client, int reason);
static void epmd_first_failed(struct epmd_client *client, int reason);
static int epmd_start_daemon(struct epmd_client *client);
static void on_daemon_exit(uv_process_t *process, int64_t status, int signal);
static void epmd_wait(struct epmd_client *client, uint64_t delay_ms);
static void on_timer(struct timer *timer);
static void epmd_end_if_quiet(struct epmd_client *client);
static void epmd_end(struct epmd_client *client);

static const struct epmd_dialog_events dialog_events = {
    .replied = on_replied,
    .closed = on_dialog_closed,
};

static void epmd_move(struct epmd_client *client, enum epmd_state to)
{
    CHECK(epmd_moves[client->state] & BIT(to));
    TRACE("epmd_move", client->state, to);
    client->state = to;
}

/* 0: it is no port. */
static uint16_t port_of(const char *text)
{
    char *end;
    unsigned long port;

    if (*text < '0' || *text > '9') {
        return 0;
    }
    port = strtoul(text, &end, 10);
    return *end == '\0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static const char *port_variable(void)
{
    /* Nobody sets it. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    return getenv("ERL_EPMD_PORT");
}

uint16_t epmd_port_from_env(void)
{
    const char *text = port_variable();
    uint16_t port = text == NULL ? 0 : port_of(text);

    return port != 0 ? port : EPMD_PORT;
}

const char *epmd_env_mistake(void)
{
    const char *text = port_variable();

    return text == NULL || *text == '\0' || port_of(text) != 0 ? NULL : text;
}

int epmd_open(struct epmd_client **out, struct loop *loop, uint16_t epmd_port,
              const char *alive, uint16_t port, bool start_daemon,
              const struct epmd_events *events, void *owner)
{
    struct epmd_client *client;

    if (*alive == '\0' || strlen(alive) > NODE_NAME_MAX || epmd_port == 0) {
        return CNODE_EINVALID;
    }
    client = mem_zalloc(sizeof(*client));
    client->loop = loop;
    client->events = events;
    client->owner = owner;
    client->epmd_port = epmd_port;
    client->port = port;
    client->alive = mem_strdup(alive);
    client->may_start = start_daemon;
    timer_init(&client->timer, on_timer);
    epmd_dialog_init(&client->dialog, &dialog_events);
    client->state = EPMD_ASKING;
    epmd_ask(client);
    *out = client;
    return 0;
}

static void epmd_ask(struct epmd_client *client)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(client->epmd_port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK), /* epmd takes no other */
    };

    epmd_put_alive(&client->dialog.request, client->alive, client->port);
    epmd_dialog_open(&client->dialog, client->loop,
                     (const struct sockaddr *)&address);
    loop_timer_start(client->loop, &client->timer, REPLY_MS);
}

static void on_replied(struct epmd_dialog *dialog)
{
    struct epmd_client *client =
        CONTAINER_OF(dialog, struct epmd_client, dialog);
    uint32_t creation = 0;
    int rc;

    if (client->state != EPMD_ASKING) {
        dialog->reply_size = 0; /* epmd has nothing to say to us any more */
        return;
    }
    rc = epmd_get_alive(dialog->reply, dialog->reply_size, &creation);
    if (rc < 0) {
        epmd_dialog_close(dialog, rc);
    } else if (rc > 0) {
        dialog->reply_size = 0;
        epmd_registered(client, creation);
    }
}

static void epmd_registered(struct epmd_client *client, uint32_t creation)
{
    loop_timer_stop(client->loop, &client->timer);
    epmd_move(client, EPMD_REGISTERED);
    client->renew_ms = RENEW_FIRST_MS;
    client->lost_reason = 0;
    if (!client->reported) {
        client->reported = true;
        client->events->registered(client->owner, 0, creation);
    } else {
        METRIC_INC(epmd_reconnects);
        client->events->renewed(client->owner);
    }
}

static void on_dialog_closed(struct epmd_dialog *dialog, int reason)
{
    struct epmd_client *client =
        CONTAINER_OF(dialog, struct epmd_client, dialog);

    if (client->state == EPMD_CLOSING) {
        epmd_end_if_quiet(client);
    } else if (client->reported) {
        epmd_lost(client, reason);
    } else {
        epmd_first_failed(client, reason);
    }
}

static void epmd_lost(struct epmd_client *client, int reason)
{
    uint64_t delay_ms = client->renew_ms;

    client->renew_ms = delay_ms < RENEW_MS / 2 ? delay_ms * 2 : RENEW_MS;
    epmd_wait(client, delay_ms);
    if (reason != client->lost_reason) {
        client->lost_reason = reason;
        client->events->lost(client->owner, reason);
    }
}

/* Nobody listens: starts epmd, once, and tries again for a while. */
static void epmd_first_failed(struct epmd_client *client, int reason)
{
    int rc = reason;

    if (reason == UV_ECONNREFUSED && client->may_start) {
        rc = client->up_by_ms == 0 ? epmd_start_daemon(client) : 0;
        if (rc == 0 && loop_now_ms(client->loop) < client->up_by_ms) {
            epmd_wait(client, DAEMON_RETRY_MS);
            return;
        }
        rc = rc == 0 ? reason : rc;
    }
    loop_timer_stop(client->loop, &client->timer);
    epmd_move(client, EPMD_GIVEN_UP);
    client->reported = true;
    client->events->registered(client->owner, rc, 0);
}

static int epmd_start_daemon(struct epmd_client *client)
{
    char port[8];
    /* Nobody sets it. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    char *path = epmd_program_find(getenv("PATH"));
    char *args[] = {"epmd", "-daemon", "-port", port, NULL};
    uv_process_options_t options = {
        .exit_cb = on_daemon_exit,
        .file = path,
        .args = args, /* no stdio: all three are /dev/null */
    };
    int rc;

    if (path == NULL) {
        return UV_ENOENT;
    }
    (void)snprintf(port, sizeof(port), "%u", client->epmd_port);
    client->up_by_ms = loop_now_ms(client->loop) + DAEMON_MS;
    rc = uv_spawn(&client->loop->uv, &client->daemon, &options);
    client->is_running = true;
    client->daemon.data = client;
    if (rc < 0) {
        on_daemon_exit(&client->daemon, 0, 0); /* open even so */
    }
    mem_free(path);
    return rc;
}

static void on_daemon_closed(uv_handle_t *handle)
{
    struct epmd_client *client = handle->data;

    client->is_running = false;
    epmd_end_if_quiet(client);
}

/* The program ends as soon as its child, the daemon, is on its own. */
static void on_daemon_exit(uv_process_t *process, int64_t status, int signal)
{
    (void)status;
    (void)signal;
    uv_close((uv_handle_t *)process, on_daemon_closed);
}

static void epmd_wait(struct epmd_client *client, uint64_t delay_ms)
{
    epmd_move(client, EPMD_WAITING);
    loop_timer_start(client->loop, &client->timer, delay_ms);
}

static void on_timer(struct timer *timer)
{
    struct epmd_client *client = CONTAINER_OF(timer, struct epmd_client, timer);

    switch (client->state) {
    case EPMD_ASKING:
        epmd_dialog_close(&client->dialog, CNODE_TIMEOUT);
        break;
    case EPMD_WAITING:
        epmd_move(client, EPMD_ASKING);
        epmd_ask(client);
        break;
    case EPMD_CLOSING:
        epmd_end(client);
        break;
    case EPMD_REGISTERED:
    case EPMD_GIVEN_UP:
    default:
        CHECK(!timer_is_active(timer)); /* none is started in these states */
    }
}

void epmd_close(struct epmd_client *client)
{
    if (client->state == EPMD_CLOSING) {
        return;
    }
    epmd_move(client, EPMD_CLOSING);
    loop_timer_stop(client->loop, &client->timer);
    epmd_dialog_close(&client->dialog, CNODE_CANCELED);
    if (client->is_running && !uv_is_closing((uv_handle_t *)&client->daemon)) {
        /* It has no use any more; its exit event closes the handle. */
        (void)uv_process_kill(&client->daemon, SIGKILL);
    }
    epmd_end_if_quiet(client);
}

/* The end comes through the timer, never inside epmd_close(). */
static void epmd_end_if_quiet(struct epmd_client *client)
{
    if (client->state == EPMD_CLOSING && !client->is_running &&
        epmd_dialog_is_closed(&client->dialog)) {
        loop_timer_start(client->loop, &client->timer, 0);
    }
}

static void epmd_end(struct epmd_client *client)
{
    if (!client->reported) {
        client->reported = true;
        client->events->registered(client->owner, CNODE_CANCELED, 0);
    }
    client->events->closed(client->owner);
    epmd_dialog_fini(&client->dialog);
    mem_free(client->alive);
    mem_free(client);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * See nodes.h.
 */
#include "support/node/nodes.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "dist/epmd_program.h"
#include "support/child_reaper.h"
#include "support/dist/real_epmd.h"
#include "support/random.h"
#include "support/raw_socket.h"

struct nodes nodes;

static uint16_t epmd_port; /* 0: there is none */

/* --- turns */

void nodes_turn(void)
{
    int who = nodes.is_uneven ? (int)random_below(&nodes.random, 3)
                              : 2; /* one of them, or both */

    if (who != 1) {
        live_node_turn(&nodes.a);
    }
    if (who != 0) {
        live_node_turn(&nodes.b);
    }
    if (nodes.impostor.fd > 0) {
        impostor_poll(&nodes.impostor);
    }
    if (nodes.second.fd > 0) {
        impostor_poll(&nodes.second);
    }
}

void nodes_run_ms(uint64_t ms)
{
    uint64_t end_ns = uv_hrtime() + ms * 1000000;

    while (uv_hrtime() < end_ns) {
        nodes_turn();
    }
}

/* --- for cmocka */

static void on_log_line(const char *line, size_t len, void *user)
{
    (void)user;
    nodes.refusals += memmem(line, len, "handshake_failed", 16) != NULL;
}

static bool epmd_answers(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(epmd_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, (struct sockaddr *)&address, sizeof(address));

    raw_close(fd);
    return rc == 0;
}

static void epmd_start(const char *program)
{
    epmd_port = raw_free_port();
    (void)real_epmd_start(program, epmd_port);
    while (!epmd_answers()) {
        (void)usleep(1000);
    }
}

int nodes_group_setup(void **state)
{
    char *program = epmd_program_find(getenv("PATH"));

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    hash_seed(1, 2);
    atom_init();
    child_reaper_start();
    if (program != NULL) {
        epmd_start(program);
        mem_free(program);
    }
    return 0;
}

int nodes_group_teardown(void **state)
{
    (void)state;
    child_reaper_kill_all();
    return 0;
}

void nodes_rename(void)
{
    static unsigned number;

    number++;
    (void)snprintf(A, sizeof(nodes.names[0]), "a%u@127.0.0.1", number);
    (void)snprintf(B, sizeof(nodes.names[0]), "b%u@127.0.0.1", number);
    live_node_init(&nodes.a, A, epmd_port);
    live_node_init(&nodes.b, B, epmd_port);
}

int nodes_setup(void **state)
{
    (void)state;
    memset(&nodes, 0, sizeof(nodes));
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    log_capture(on_log_line, NULL);
    nodes_rename();
    return 0;
}

int nodes_teardown(void **state)
{
    (void)state;
    live_node_close(&nodes.a);
    live_node_close(&nodes.b);
    if (nodes.impostor.fd != 0) {
        impostor_close(&nodes.impostor);
    }
    if (nodes.second.fd != 0) {
        impostor_close(&nodes.second);
    }
    log_capture(NULL, NULL);
    return 0;
}

void need_epmd(void)
{
    if (epmd_port == 0) {
        skip();
    }
}

/* --- the two of them */

void nodes_open(void)
{
    need_epmd();
    live_node_open(&nodes.a);
    live_node_open(&nodes.b);
}

bool nodes_are_up(void)
{
    return live_node_peer(&nodes.a, B) != NULL &&
           live_node_peer(&nodes.b, A) != NULL;
}

bool nodes_are_idle(void)
{
    return nodes.a.node.peers.attempt_count == 0 &&
           nodes.b.node.peers.attempt_count == 0;
}

atom_t atom_of(const char *name)
{
    return atom_intern(name, strlen(name));
}

void nodes_connect(struct live_node *from, const char *to)
{
    (void)peers_connect(&from->node.peers, atom_of(to));
}

void nodes_send(struct live_node *from, const char *to, const char *text)
{
    struct dest sink = dest_name(atom_of("sink"), atom_of(to));

    term_format(node_scratch(&from->node), text);
    (void)route_send(&from->node, node_pid(&from->node, &from->sink), &sink,
                     node_scratch_payload(&from->node));
}

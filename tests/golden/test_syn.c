/* SPDX-License-Identifier: Apache-2.0
 *
 * What real syn says (syn-*.txt, made by record_syn.sh): read, and written
 * again to the same bytes. tests/beam/cnode_syn_replay_tests.erl plays the same
 * with a whole node.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registry/syn_wire.h"
#include "support/term/terms.h"
#include "term/build.h"

/* Names of nodes are in the table as soon as they are connected. */
static void intern_nodes(void)
{
    static const char *const names[] = {"a@127.0.0.1", "b@127.0.0.1"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        assert_int_not_equal(atom_intern(names[i], strlen(names[i])),
                             ATOM_NONE);
    }
}

static void put_list(struct buf *buf, const struct syn_message *message)
{
    struct cnode_list list, counted;
    struct cnode_term entry;
    struct syn_claim claim;
    uint32_t count = 0;

    assert_true(cnode_list(message->list, &list));
    counted = list;
    while (cnode_list_next(&counted, &entry)) {
        count++;
    }
    syn_put_ack_sync(buf, message->peer, count);
    while (cnode_list_next(&list, &entry)) {
        assert_true(syn_claim_parse(entry, &claim));
        syn_put_claim(buf, &claim);
    }
    term_put_nil(buf);
}

static void again_message(enum syn_kind kind, struct cnode_term term,
                          struct buf *buf)
{
    struct syn_message message;

    assert_int_equal(syn_message_parse(kind, term, &message), 0);
    switch (message.what) {
    case SYN_DISCOVER:
        syn_put_discover(buf, message.peer);
        break;
    case SYN_ACK_SYNC:
        put_list(buf, &message);
        break;
    case SYN_ADD:
        syn_put_add(buf, kind, &message.claim, message.reason);
        break;
    case SYN_REMOVE:
        syn_put_remove(buf, kind, &message.claim, message.reason);
        break;
    }
}

static void again_request(enum syn_kind kind, struct cnode_term term,
                          struct buf *buf)
{
    struct syn_request request;

    assert_int_equal(syn_request_parse(kind, term, &request), 0);
    syn_put_request(buf, kind, &request);
}

/* False: it is about something else. */
static bool check_line(char *line)
{
    char *save = NULL, *what = strtok_r(line, "\t\n", &save);
    bool is_request = strcmp(what, "request") == 0;
    struct buf bytes, again;
    enum syn_kind kind;
    const char *hex;

    if (!is_request && strcmp(what, "message") != 0) {
        return false;
    }
    (void)strtok_r(NULL, "\t\n", &save); /* who says it */
    kind = strcmp(strtok_r(NULL, "\t\n", &save), "pg") == 0 ? SYN_GROUPS
                                                            : SYN_REGISTRY;
    hex = strtok_r(NULL, "\t\n", &save);
    bytes = bytes_of_hex(hex);
    buf_init(&again, 0);
    if (is_request) {
        again_request(kind, term_in(&bytes), &again);
    } else {
        again_message(kind, term_in(&bytes), &again);
    }
    assert_hex(&again, hex);
    buf_fini(&bytes);
    buf_fini(&again);
    return true;
}

static void check_file(const char *version)
{
    char path[512], *line = NULL;
    size_t cap = 0, lines = 0;
    FILE *file;

    snprintf(path, sizeof(path), TEST_DIR "/golden/syn-%s.txt", version);
    file = fopen(path, "r");
    assert_non_null(file);
    while (getline(&line, &cap, file) > 0) {
        lines += check_line(line);
    }
    free(line);
    fclose(file);
    assert_true(lines > 40);
}

static void what_syn_says_is_read_and_written_again(void **state)
{
    (void)state;
    intern_nodes();
    check_file("3.3.0");
    check_file("3.4.1");
    check_file("807efaf");
}

static int set_up(void **state)
{
    (void)state;
    atom_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    atom_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_syn_says_is_read_and_written_again),
    };
    return cmocka_run_group_tests_name("syn", tests, set_up, tear_down);
}

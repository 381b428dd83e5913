/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dist/flags.h"
#include "node/registered.h"
#include "support/node/fake_peer.h"
#include "support/node/recorder.h"
#include "term/build.h"
#include "term/text.h"

struct fixture {
    struct node node;
    struct recorder a, b; /* on the first scheduler and the second */
    struct buf ends;      /* what was told */
};

static void on_ended(void *owner, struct pid pid, struct cnode_term reason)
{
    struct fixture *f = owner;

    (void)pid;
    term_print(&f->ends, reason, 100);
    buf_put_u8(&f->ends, '\n');
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    buf_init(&f.ends, 0);
    fake_node_open_with(&f.node, 2);
    recorder_open(&f.a, &f.node);
    recorder_open(&f.b, f.node.all[1]);
    registered_init(&f.node, on_ended, &f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    recorder_close(&f->a);
    recorder_close(&f->b);
    fake_node_close(&f->node);
    buf_fini(&f->ends);
    return 0;
}

static const char *ends(struct fixture *f)
{
    fake_node_settle(&f->node);
    buf_put_u8(&f->ends, 0);
    return (const char *)buf_data(&f->ends);
}

static void end(struct recorder *recorder, atom_t reason)
{
    recorder->ended = true;
    node_exit(recorder->node, &recorder->process, atom_term(reason));
}

static void the_end_of_a_marked_process_is_told(void **state)
{
    struct fixture *f = *state;

    registered_mark(&f->a.process);
    registered_mark(&f->b.process);
    end(&f->b, A_kill);
    end(&f->a, A_shutdown);
    assert_string_equal(ends(f), "kill\nshutdown\n");
}

static void of_others_nobody_hears(void **state)
{
    struct fixture *f = *state;

    end(&f->b, A_kill);
    end(&f->a, A_shutdown);
    assert_string_equal(ends(f), "");
}

static void an_end_is_told_without_memory_for_its_reason(void **state)
{
    struct fixture *f = *state;

    registered_mark(&f->a.process);
    mem_fail_after(1);
    end(&f->a, A_shutdown);
    mem_fail_after(0);
    assert_string_equal(ends(f), "system_limit\n");
}

/* --- is it there? */

static void on_answer(struct node *home, void *arg, bool is_alive)
{
    int *answer = arg;

    *answer = home == NULL ? -1 : is_alive;
}

static int ask(struct fixture *f, struct pid pid)
{
    int answer = -2;

    registered_ask(&f->node, pid, on_answer, &answer);
    fake_node_settle(&f->node);
    return answer;
}

static void a_living_process_is_marked(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, recorder_pid(&f->a)), 1);
    assert_int_equal(ask(f, recorder_pid(&f->b)), 1);
    end(&f->b, A_kill);
    end(&f->a, A_shutdown);
    assert_string_equal(ends(f), "kill\nshutdown\n");
}

static void a_dead_pid_is_not_alive(void **state)
{
    struct fixture *f = *state;
    struct pid a = recorder_pid(&f->a), b = recorder_pid(&f->b);

    end(&f->a, A_kill);
    end(&f->b, A_kill);
    assert_int_equal(ask(f, a), 0);
    assert_int_equal(ask(f, b), 0);
}

static void
a_pid_of_an_earlier_life_or_of_no_scheduler_is_not_alive(void **state)
{
    struct fixture *f = *state;
    struct pid pid = recorder_pid(&f->b);

    pid.creation--;
    assert_int_equal(ask(f, pid), 0);
    assert_int_equal(ask(f, node_any_pid(&f->node, 60)), 0);
}

static void who_asks_at_the_end_of_the_node_is_told_to_clean_up(void **state)
{
    struct fixture *f = *state;
    static int answer;
    struct recorder *b = &f->b;

    answer = -2;
    registered_ask(&f->node, recorder_pid(b), on_answer, &answer);
    recorder_close(&f->a);
    recorder_close(b);
    node_close(&f->node);
    while (!f->node.is_closed) {
        loop_turn(node_loop(&f->node), 10);
    }
    node_fini(&f->node);
    assert_int_equal(answer, -1);
    assert_int_equal(setup(state), 0);
}

/* --- messages that are held on to */

struct keeper {
    struct process process;
    struct node *node;
    struct block *block;
    struct cnode_term term;
    const uint8_t *was_at;
};

static void on_message(struct process *process, const struct signal *signal)
{
    struct keeper *keeper = CONTAINER_OF(process, struct keeper, process);

    keeper->term = signal->term;
    keeper->was_at = signal->term.at;
    block_unref(keeper->block);
    keeper->block = node_keep(keeper->node, &keeper->term);
}

static const struct process_class keeper_class = {.name = "keeper",
                                                  .message = on_message};

static void keeper_open(struct keeper *keeper, struct node *node)
{
    *keeper = (struct keeper){.node = node};
    assert_int_equal(node_spawn(node, &keeper->process, &keeper_class), 0);
}

static void keeper_close(struct keeper *keeper)
{
    block_unref(keeper->block);
    node_exit(keeper->node, &keeper->process, atom_term(A_normal));
}

static bool has_bytes(const struct keeper *keeper, char byte, size_t count)
{
    const char *bytes;
    size_t len, same = 0;

    if (!cnode_get_bytes(keeper->term, &bytes, &len) || len != count) {
        return false;
    }
    while (same < len && bytes[same] == byte) {
        same++;
    }
    return same == len;
}

/* What comes in fragments, as from a peer. */
static void send_large(struct fake_peer *peer, struct pid to, char byte,
                       size_t count)
{
    static char bytes[300000];
    struct channel_vec vecs[CHANNEL_VECS];
    struct channel out;
    struct buf term, wire;
    size_t used;
    int n;

    memset(bytes, byte, count);
    buf_init(&term, 0);
    buf_init(&wire, 0);
    term_put_binary(&term, bytes, count);
    channel_init(&out, peer->channel.flags, NULL, NULL);
    control_put_send(channel_begin(&out), out.flags, PID_NONE, to);
    assert_int_equal(
        channel_end(&out, PID_NONE,
                    (struct payload){buf_data(&term), buf_size(&term), NULL}),
        0);
    while ((n = channel_gather(&out, vecs, CHANNEL_VECS)) > 0) {
        for (int i = 0; i < n; i++) {
            buf_put(&wire, vecs[i].bytes, vecs[i].size);
        }
        channel_landed(&out);
    }
    assert_int_equal(channel_feed(&peer->channel, buf_data(&wire),
                                  buf_size(&wire), &used, NULL),
                     0);
    channel_fini(&out);
    buf_fini(&term);
    buf_fini(&wire);
}

static void a_message_in_fragments_is_kept_where_it_is(void **state)
{
    struct fixture *f = *state;
    struct fake_peer peer;
    struct keeper keeper;

    fake_peer_open(&peer, &f->node, "p1@127.0.0.1");
    keeper_open(&keeper, &f->node);
    send_large(&peer, node_pid(&f->node, &keeper.process), 'x', 300000);
    assert_ptr_equal(keeper.term.at, keeper.was_at);
    send_large(&peer, recorder_pid(&f->a), 'y', 300000);
    assert_true(has_bytes(&keeper, 'x', 300000));
    keeper_close(&keeper);
    fake_peer_close(&peer);
}

static void a_message_that_waited_is_kept_where_it_is(void **state)
{
    struct fixture *f = *state;
    struct keeper keepers[2];

    for (unsigned i = 0; i < 2; i++) { /* by the outbox, and by the door */
        struct keeper *keeper = &keepers[i];
        struct buf *buf = node_scratch(&f->node);
        struct dest dest;

        keeper_open(keeper, f->node.all[i]);
        dest = dest_pid(node_pid(keeper->node, &keeper->process));
        term_put_binary(buf, "zzz", 3);
        assert_int_equal(route_send(&f->node, PID_NONE, &dest,
                                    node_scratch_payload(&f->node)),
                         0);
    }
    fake_node_settle(&f->node);
    for (unsigned i = 0; i < 2; i++) {
        assert_ptr_equal(keepers[i].term.at, keepers[i].was_at);
        assert_true(has_bytes(&keepers[i], 'z', 3));
        keeper_close(&keepers[i]);
    }
}

static void a_small_message_of_a_peer_is_copied(void **state)
{
    struct fixture *f = *state;
    struct fake_peer peer;
    struct keeper keeper;

    fake_peer_open(&peer, &f->node, "p1@127.0.0.1");
    keeper_open(&keeper, &f->node);
    fake_peer_send(&peer, "<<\"xx\">>", "{2, '', ~p}",
                   node_pid(&f->node, &keeper.process));
    assert_ptr_not_equal(keeper.term.at, keeper.was_at);
    assert_true(has_bytes(&keeper, 'x', 2));
    keeper_close(&keeper);
    fake_peer_close(&peer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_end_of_a_marked_process_is_told),
        TEST(of_others_nobody_hears),
        TEST(an_end_is_told_without_memory_for_its_reason),
        TEST(a_living_process_is_marked),
        TEST(a_dead_pid_is_not_alive),
        TEST(a_pid_of_an_earlier_life_or_of_no_scheduler_is_not_alive),
        TEST(who_asks_at_the_end_of_the_node_is_told_to_clean_up),
        TEST(a_message_in_fragments_is_kept_where_it_is),
        TEST(a_message_that_waited_is_kept_where_it_is),
        TEST(a_small_message_of_a_peer_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "support/node/recorder.h"

#include "node/gen.h"
#include "support/node/fake_peer.h"
#include "term/text.h"

static void on_message(struct process *process, const struct signal *signal)
{
    struct recorder *recorder = CONTAINER_OF(process, struct recorder, process);
    struct gen_message message;

    gen_parse(signal->term, &message);
    if (message.kind == GEN_CALL) {
        (void)gen_reply(recorder->node, process, &message.from, "{ok, ~t}",
                        message.body);
        return;
    }
    if (buf_size(&recorder->seen) > 0) {
        buf_put_u8(&recorder->seen, '\n');
    }
    term_print(&recorder->seen, message.body, 0);
}

static void on_exit_signal(struct process *process, struct cnode_term reason)
{
    struct recorder *recorder = CONTAINER_OF(process, struct recorder, process);

    recorder->ended = true;
    node_exit(recorder->node, process, reason);
}

static const struct process_class recorder_class = {
    .name = "recorder", .message = on_message, .exit = on_exit_signal};

void recorder_open(struct recorder *recorder, struct node *node)
{
    recorder->node = node;
    recorder->ended = false;
    buf_init(&recorder->seen, 0);
    CHECK(node_spawn(node, &recorder->process, &recorder_class) == 0);
}

void recorder_close(struct recorder *recorder)
{
    if (!recorder->ended) {
        recorder->ended = true;
        node_exit(recorder->node, &recorder->process, atom_term(A_normal));
    }
    buf_fini(&recorder->seen);
}

const char *recorder_seen(struct recorder *recorder)
{
    fake_node_settle(recorder->node->all[0]);
    buf_put_u8(&recorder->seen, 0);
    buf_truncate(&recorder->seen, buf_size(&recorder->seen) - 1);
    return (const char *)buf_data(&recorder->seen);
}

struct pid recorder_pid(const struct recorder *recorder)
{
    return node_pid(recorder->node, &recorder->process);
}

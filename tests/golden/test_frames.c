/* SPDX-License-Identifier: Apache-2.0
 *
 * Replays what real BEAMs said (frames_otp*.txt, made by
 * scripts/record_frames.py). The handshake must come out byte for byte as the
 * recording peer's did; every frame must be read as what its operation says,
 * and written again it must be the same bytes, where the form is one we send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "dist/channel.h"
#include "dist/flags.h"
#include "dist/handshake.h"

/* A connection of a recording, as far as it is replayed. */
struct replay {
    char self[NODE_NAME_MAX + 1];
    char cookie[COOKIE_MAX + 1];
    uint64_t flags;
    uint32_t creation, challenge;
    bool beam_dials, is_begun;

    struct handshake handshake;
    struct channel channel; /* fed, and used to write again */
    unsigned handshakes, frames, signals, rewritten;
    size_t largest;
    struct control control; /* kind and presence of the last signal only */
    struct buf again;       /* the last signal written again */
    bool is_again;
};

static struct replay replay;

/* --- lines */

static struct buf bytes_of(const char *hex)
{
    struct buf buf;

    buf_init(&buf, 0);
    while (*hex != '\0' && *hex != '\n') {
        unsigned byte, times = 1;
        int n = 0;

        if (*hex == ' ') {
            hex++;
            continue;
        }
        assert_int_equal(sscanf(hex, "%2x%n", &byte, &n), 1);
        hex += n;
        if (*hex == '*') {
            assert_int_equal(sscanf(hex, "*%u%n", &times, &n), 1);
            hex += n;
        }
        while (times-- > 0) {
            buf_put_u8(&buf, (uint8_t)byte);
        }
    }
    return buf;
}

/* --- handshake */

static enum handshake_status on_named(void *owner, const char *name,
                                      uint64_t flags, uint32_t creation)
{
    (void)owner;
    (void)flags;
    assert_string_equal(name, "beam@127.0.0.1");
    assert_true(creation > 3);
    return HANDSHAKE_OK;
}

static void on_replace(void *owner)
{
    (void)owner;
    fail_msg("nothing is replaced");
}

static const char *on_cookie(void *owner, const char *name)
{
    (void)owner;
    (void)name;
    return replay.cookie;
}

static const struct handshake_events handshake_events = {
    .named = on_named, .replace = on_replace, .cookie = on_cookie};

static void begin_handshake(void)
{
    handshake_init(&replay.handshake, &handshake_events, NULL, replay.self,
                   replay.flags, replay.creation, replay.challenge);
    if (replay.beam_dials) {
        handshake_accept(&replay.handshake);
    } else {
        assert_int_equal(handshake_dial(&replay.handshake, "beam@127.0.0.1"),
                         0);
    }
    replay.is_begun = true;
}

static void replay_handshake(char direction, const char *hex)
{
    struct handshake *h = &replay.handshake;
    struct buf packet = bytes_of(hex);
    size_t size = buf_size(&packet), used;

    if (!replay.is_begun) {
        begin_handshake();
    }
    replay.handshakes++;
    if (direction == '>') {
        assert_int_equal(handshake_feed(h, buf_data(&packet), size, &used), 0);
        assert_int_equal(used, size);
    } else {
        assert_true(buf_size(&h->out) >= size);
        assert_memory_equal(buf_data(&h->out), buf_data(&packet), size);
        buf_consume(&h->out, size);
    }
    buf_fini(&packet);
}

/* --- frames */

static struct pid pid_of(struct cnode_term term)
{
    struct pid pid = PID_NONE;

    (void)term_get_pid(term, &pid);
    return pid;
}

static atom_t atom_of(struct cnode_term term)
{
    const char *text;
    size_t len;

    return cnode_get_atom(term, &text, &len) ? atom_intern(text, len)
                                             : ATOM_NONE;
}

/* The same signal as we would send it. False when we never send that kind. */
static bool put_again(struct buf *buf, uint64_t peer, const struct control *c,
                      bool *has_payload)
{
    struct ref ref = {0};

    (void)term_get_ref(c->ref, &ref);
    *has_payload = c->has_payload;
    switch (c->kind) {
    case CONTROL_SEND:
        control_put_send_term(buf, peer, pid_of(c->from), c->to);
        return true;
    case CONTROL_REG_SEND:
        control_put_reg_send(buf, pid_of(c->from), atom_of(c->to));
        return true;
    case CONTROL_ALIAS_SEND:
        control_put_alias_send(buf, peer, pid_of(c->from), c->ref);
        return true;
    case CONTROL_LINK:
        control_put_link(buf, pid_of(c->from), pid_of(c->to));
        return true;
    case CONTROL_UNLINK:
        control_put_unlink(buf, c->id, pid_of(c->from), pid_of(c->to));
        return true;
    case CONTROL_UNLINK_ACK:
        control_put_unlink_ack(buf, c->id, pid_of(c->from), c->to);
        return true;
    case CONTROL_MONITOR:
        control_put_monitor(buf, pid_of(c->from), pid_of(c->to), atom_of(c->to),
                            &ref);
        return true;
    case CONTROL_DEMONITOR:
        control_put_demonitor(buf, pid_of(c->from), pid_of(c->to),
                              atom_of(c->to), &ref);
        return true;
    case CONTROL_EXIT:
        *has_payload =
            control_put_exit(buf, peer, pid_of(c->from), c->to, c->reason);
        return true;
    case CONTROL_EXIT2:
        *has_payload =
            control_put_exit2(buf, peer, pid_of(c->from), c->to, c->reason);
        return true;
    case CONTROL_MONITOR_EXIT:
        *has_payload = control_put_monitor_exit(buf, peer, c->from, c->to,
                                                c->ref, c->reason);
        return true;
    case CONTROL_SPAWN_REPLY:
        control_put_spawn_reply(buf, c->ref, c->to, c->flags, pid_of(c->result),
                                atom_of(c->result));
        return true;
    default:
        return false;
    }
}

static void write_again(const struct control *control)
{
    struct channel *channel = &replay.channel;
    struct channel_vec vecs[CHANNEL_VECS];
    struct payload payload = {0};
    bool has_payload;
    int n;

    buf_clear(&replay.again);
    replay.is_again = put_again(channel_begin(channel), channel->flags, control,
                                &has_payload);
    if (!replay.is_again) {
        channel_abort(channel);
        return;
    }
    assert_int_equal(has_payload, control->has_payload);
    if (has_payload) {
        payload.bytes = control->payload.at;
        payload.size = cnode_term_size(control->payload);
    }
    assert_int_equal(channel_end(channel, PID_NONE, payload), 0);
    while ((n = channel_gather(channel, vecs, CHANNEL_VECS)) > 0) {
        for (int i = 0; i < n; i++) {
            buf_put(&replay.again, vecs[i].bytes, vecs[i].size);
        }
        channel_landed(channel);
    }
}

static void on_signal(void *owner, const struct control *control)
{
    (void)owner;
    replay.signals++;
    replay.control = *control;
    if (control->has_payload) {
        size_t size = cnode_term_size(control->payload);

        replay.largest = size > replay.largest ? size : replay.largest;
    }
    write_again(control);
}

static void on_over_limit(void *owner, const struct control *control,
                          const uint8_t *start, size_t size)
{
    (void)owner;
    (void)control;
    (void)start;
    (void)size;
    fail_msg("nothing is over a limit");
}

static const struct channel_events channel_events = {
    .signal = on_signal, .over_limit = on_over_limit};

/* What an operation is, and whether we send it in that very form. */
static enum control_kind kind_of(int op, bool *is_ours)
{
    static const struct {
        enum control_kind kind;
        bool is_ours;
    } rows[] = {
        [1] = {CONTROL_LINK, true},
        [2] = {CONTROL_SEND, true},
        [3] = {CONTROL_EXIT, true},
        [6] = {CONTROL_REG_SEND, true},
        [7] = {CONTROL_GROUP_LEADER, false},
        [8] = {CONTROL_EXIT2, true},
        [12] = {CONTROL_SEND, false},
        [13] = {CONTROL_EXIT, false},
        [16] = {CONTROL_REG_SEND, false},
        [18] = {CONTROL_EXIT2, false},
        [19] = {CONTROL_MONITOR, true},
        [20] = {CONTROL_DEMONITOR, true},
        [21] = {CONTROL_MONITOR_EXIT, true},
        [22] = {CONTROL_SEND, true},
        [23] = {CONTROL_SEND, false},
        [24] = {CONTROL_EXIT, true},
        [25] = {CONTROL_EXIT, false},
        [26] = {CONTROL_EXIT2, true},
        [27] = {CONTROL_EXIT2, false},
        [28] = {CONTROL_MONITOR_EXIT, true},
        [29] = {CONTROL_SPAWN_REQUEST, false},
        [31] = {CONTROL_SPAWN_REPLY, true},
        [33] = {CONTROL_ALIAS_SEND, true},
        [34] = {CONTROL_ALIAS_SEND, false},
        [35] = {CONTROL_UNLINK, true},
        [36] = {CONTROL_UNLINK_ACK, true},
        [37] = {CONTROL_ALIAS_SEND, true},
    };

    assert_in_range(op, 1, ARRAY_LEN(rows) - 1);
    *is_ours = rows[op].is_ours;
    return rows[op].kind;
}

static bool is_fragment(const struct buf *frame)
{
    const uint8_t *at = buf_data(frame);

    return at[4] == 131 && (at[5] == 69 || at[5] == 70);
}

/* {37, Flags, From, To, Token}: we write it without the token. After the length
 * and `131, 68, 0` stand the tag of a tuple and its arity. */
static bool has_token(int op, const struct buf *frame)
{
    return op == 37 && buf_data(frame)[8] > 4;
}

static void replay_frame(const char *operation, const char *hex)
{
    static int first_op; /* of the fragments under way */
    struct buf frame = bytes_of(hex);
    unsigned before = replay.signals;
    size_t used;
    bool is_ours;
    int op;

    if (replay.frames == 0) {
        assert_int_equal(replay.handshake.state, HANDSHAKE_DONE);
        assert_int_equal(buf_size(&replay.handshake.out), 0);
        assert_int_equal(dist_flags_missing(replay.handshake.peer_flags), 0);
        channel_init(&replay.channel,
                     replay.flags & replay.handshake.peer_flags,
                     &channel_events, NULL);
    }
    replay.frames++;
    assert_int_equal(channel_feed(&replay.channel, buf_data(&frame),
                                  buf_size(&frame), &used, NULL),
                     0);
    assert_int_equal(used, buf_size(&frame));
    op = strcmp(operation, "next") == 0 ? first_op : atoi(operation);
    first_op = op;
    if (strcmp(operation, "tick") != 0 && replay.signals > before) {
        assert_int_equal(replay.signals, before + 1);
        assert_int_equal(replay.control.kind, kind_of(op, &is_ours));
        if (is_ours && !is_fragment(&frame) && !has_token(op, &frame)) {
            assert_true(replay.is_again);
            assert_int_equal(buf_size(&replay.again), buf_size(&frame));
            assert_memory_equal(buf_data(&replay.again), buf_data(&frame),
                                buf_size(&frame));
            replay.rewritten++;
        }
    }
    buf_fini(&frame);
}

static void end_connection(void)
{
    assert_int_equal(replay.handshakes, 5);
    assert_true(replay.signals >= 30);
    assert_true(replay.rewritten >= 25);
    assert_true(replay.largest >= 200005);
    assert_int_equal(replay.channel.assembler.held_bytes, 0);
    assert_int_equal(replay.channel.queued_bytes, 0);
    handshake_fini(&replay.handshake);
    channel_fini(&replay.channel);
    buf_fini(&replay.again);
    memset(&replay, 0, sizeof(replay));
}

/* --- the file */

static void replay_line(char *line)
{
    char word[16], direction;
    int n = 0;

    if (sscanf(line, "connection %*s %15s", word) == 1) {
        replay.beam_dials = strcmp(word, "dials") == 0;
    } else if (sscanf(line, "handshake %c %n", &direction, &n) == 1) {
        replay_handshake(direction, line + n);
    } else if (sscanf(line, "frame %15s %n", word, &n) == 1) {
        replay_frame(word, line + n);
    } else if (strcmp(line, "end\n") == 0) {
        end_connection();
    } else {
        assert_true(line[0] == '#' ||
                    sscanf(line, "peer %255s", replay.self) == 1 ||
                    sscanf(line, "cookie %255s", replay.cookie) == 1 ||
                    sscanf(line, "flags %" SCNx64, &replay.flags) == 1 ||
                    sscanf(line, "creation %u", &replay.creation) == 1 ||
                    sscanf(line, "challenge %u", &replay.challenge) == 1);
    }
}

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;

    assert_non_null(file);
    atom_init();
    hash_seed(1, 2);
    assert_true(atom_intern("beam@127.0.0.1", 14) != ATOM_NONE);
    assert_true(atom_intern("peer@127.0.0.2", 14) != ATOM_NONE);
    memset(&replay, 0, sizeof(replay));
    while (getline(&line, &cap, file) >= 0) {
        replay_line(line);
    }
    assert_false(replay.is_begun); /* every connection has its end */
    free(line);
    fclose(file);
}

static void otp_25_is_understood_and_written_alike(void **state)
{
    (void)state;
    replay_file(TEST_DIR "/golden/frames_otp25.txt");
}

static void otp_27_is_understood_and_written_alike(void **state)
{
    (void)state;
    replay_file(TEST_DIR "/golden/frames_otp27.txt");
}

static void otp_29_is_understood_and_written_alike(void **state)
{
    (void)state;
    replay_file(TEST_DIR "/golden/frames_otp29.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(otp_25_is_understood_and_written_alike),
        cmocka_unit_test(otp_27_is_understood_and_written_alike),
        cmocka_unit_test(otp_29_is_understood_and_written_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

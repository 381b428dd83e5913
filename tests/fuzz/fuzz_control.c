/* SPDX-License-Identifier: Apache-2.0
 *
 * One control tuple and perhaps a payload. What is accepted is written again by
 * its kind, and what was written must be read as the same kind.
 */
#include <stddef.h>
#include <stdint.h>

#include "dist/control.h"
#include "dist/flags.h"
#include "term/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_is_pid(struct cnode_term term)
{
    CHECK(cnode_type(term) == CNODE_TYPE_PID);
}

/* Which fields each kind promises. */
static void check_shape(const struct control *c)
{
    switch (c->kind) {
    case CONTROL_LINK: /* to any term, as a BEAM reads it */
        check_is_pid(c->from);
        CHECK(!term_is_none(c->to));
        break;
    case CONTROL_SEND:
    case CONTROL_EXIT:
    case CONTROL_UNLINK_OLD:
    case CONTROL_GROUP_LEADER:
        check_is_pid(c->to);
        break;
    case CONTROL_EXIT2:
        check_is_pid(c->from);
        CHECK(term_is_none(c->to) != term_is_none(c->ref));
        break;
    case CONTROL_UNLINK:
    case CONTROL_UNLINK_ACK:
        CHECK(c->id != 0 || c->kind == CONTROL_UNLINK_ACK);
        check_is_pid(c->from);
        check_is_pid(c->to);
        break;
    case CONTROL_REG_SEND:
        CHECK(cnode_type(c->to) == CNODE_TYPE_ATOM);
        check_is_pid(c->from);
        break;
    case CONTROL_ALIAS_SEND: /* from any term */
        CHECK(cnode_type(c->ref) == CNODE_TYPE_REF);
        break;
    case CONTROL_MONITOR:
    case CONTROL_DEMONITOR:
    case CONTROL_SPAWN_REQUEST:
        check_is_pid(c->from);
        CHECK(cnode_type(c->ref) == CNODE_TYPE_REF);
        break;
    case CONTROL_MONITOR_EXIT:
    case CONTROL_SPAWN_REPLY:
        check_is_pid(c->to);
        CHECK(cnode_type(c->ref) == CNODE_TYPE_REF);
        break;
    case CONTROL_KIND_COUNT:
    default:
        CHECK(false);
    }
}

/* Our answer to it, in old and modern form, is a control tuple too. */
static void check_answer(const struct control *c, uint64_t peer)
{
    struct pid self = {A_node, 1, 2, 3};
    struct control again;
    struct buf buf;
    size_t size;

    buf_init(&buf, 0);
    if (c->kind == CONTROL_MONITOR) {
        bool as_payload = control_put_monitor_exit(&buf, peer, c->to, c->from,
                                                   c->ref, c->from);
        CHECK(as_payload == ((peer & DIST_EXIT_PAYLOAD) != 0));
    } else if (c->kind == CONTROL_ALIAS_SEND) {
        control_put_alias_send(&buf, peer, self, c->ref);
    } else if (c->kind == CONTROL_UNLINK) {
        control_put_unlink_ack(&buf, c->id, self, c->from);
    } else if (c->kind == CONTROL_LINK) {
        bool as_payload = control_put_exit(&buf, peer, self, c->from, c->to);
        CHECK(as_payload == ((peer & DIST_EXIT_PAYLOAD) != 0));
    } else if (c->kind == CONTROL_SPAWN_REQUEST) {
        control_put_spawn_reply(&buf, c->ref, c->from, 0, PID_NONE, A_notsup);
    }
    if (buf_size(&buf) > 0) {
        CHECK(buf_error(&buf) == 0);
        CHECK(term_validate(buf_data(&buf), buf_size(&buf), 1000, &size) == 0);
        CHECK(size == buf_size(&buf));
        CHECK(control_decode(term_at(buf_data(&buf), size), &again) == 0);
    }
    buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control control;
    size_t tuple_size, payload_size;
    int rc;

    atom_init();
    if (term_validate(data, size, 1000, &tuple_size) != 0) {
        return 0;
    }
    rc = control_decode(term_at(data, tuple_size), &control);
    if (rc != 0) {
        CHECK(rc == CNODE_PROTOCOL || rc == CNODE_UNHANDLED);
        return 0;
    }
    CHECK(control_name(control.kind) != NULL);
    check_shape(&control);
    if (control.has_payload &&
        term_validate(data + tuple_size, size - tuple_size, 1000,
                      &payload_size) == 0) {
        control_set_payload(&control, term_at(data + tuple_size, payload_size));
        CHECK(!term_is_none(control.payload));
    }
    check_answer(&control, 0);
    check_answer(&control, DIST_EXIT_PAYLOAD | DIST_ALTACT_SIG);
    return 0;
}

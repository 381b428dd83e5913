/* SPDX-License-Identifier: Apache-2.0
 *
 * Control tuples are read by the layouts of control.def: the operation selects
 * a line, each letter of it checks one element and says where it goes. Only
 * ALTACT_SIG_SEND (37, OTP 28) is read by hand: its flags say what its last
 * element is. Whatever does not fit its line is a broken peer; an operation
 * that has no line may be one of a later OTP and is not.
 */
#include "dist/control.h"

#include <stddef.h>

#include "dist/flags.h"

enum {
    OP_LINK = 1,
    OP_SEND = 2,
    OP_EXIT = 3,
    OP_REG_SEND = 6,
    OP_GROUP_LEADER = 7,
    OP_EXIT2 = 8,
    OP_MONITOR = 19,
    OP_DEMONITOR = 20,
    OP_MONITOR_EXIT = 21,
    OP_SEND_SENDER = 22,
    OP_PAYLOAD_EXIT = 24,
    OP_PAYLOAD_EXIT2 = 26,
    OP_PAYLOAD_MONITOR_EXIT = 28,
    OP_SPAWN_REQUEST = 29,
    OP_SPAWN_REPLY = 31,
    OP_ALIAS_SEND = 33,
    OP_UNLINK = 35,
    OP_UNLINK_ACK = 36,
    OP_ALTACT_SIG_SEND = 37,
};

enum {
    ALTACT_PRIORITY = 1,
    ALTACT_ALIAS = 4,
    ALTACT_NAME = 8,
    ALTACT_EXIT = 16,
};

struct layout {
    const char *fields; /* NULL: no such operation */
    uint32_t arity;
    enum control_kind kind;
    bool has_payload;
};

static const struct layout layouts[] = {
#define CONTROL_OP(op, kind_, payload, fields_)                                \
    [op] = {(fields_), sizeof(fields_), CONTROL_##kind_, (payload) != 0},
#include "dist/control.def"
#undef CONTROL_OP
};

/* Where the terms of a letter go, and which types they may have: a set of bits.
 * Letters of other things are not here. */
struct field {
    uint16_t types;
    uint16_t at;
};

#define ONLY(type)   (1u << CNODE_TYPE_##type)
#define EITHER(a, b) (ONLY(a) | ONLY(b))
#define ANY          UINT16_MAX
#define INTO(member) offsetof(struct control, member)

static const struct field fields[UINT8_MAX + 1] = {
    ['f'] = {ONLY(PID), INTO(from)},
    ['F'] = {EITHER(PID, ATOM), INTO(from)},
    ['s'] = {ANY, INTO(from)},
    ['t'] = {ONLY(PID), INTO(to)},
    ['l'] = {ANY, INTO(to)},
    ['T'] = {EITHER(PID, ATOM), INTO(to)},
    ['n'] = {ONLY(ATOM), INTO(to)},
    ['r'] = {ONLY(REF), INTO(ref)},
    ['a'] = {ONLY(PID), INTO(leader)},
    ['o'] = {ANY, INTO(opts)},
    ['x'] = {EITHER(PID, ATOM), INTO(result)},
    ['R'] = {ANY, INTO(reason)},
};

static int read_altact(struct cnode_term flags, struct control *control);
/* --- reading one element */

/* {Module, Function, Arity} */
static bool is_mfa(struct cnode_term term)
{
    struct cnode_term mfa[3];

    return term_get_tuple(term, 3, mfa) &&
           cnode_type(mfa[0]) == CNODE_TYPE_ATOM &&
           cnode_type(mfa[1]) == CNODE_TYPE_ATOM &&
           cnode_type(mfa[2]) == CNODE_TYPE_INT;
}

static bool read_flags(struct cnode_term term, uint32_t *flags)
{
    uint64_t bits;

    if (!cnode_get_uint(term, &bits)) {
        return false;
    }
    *flags = (uint32_t)bits;
    return true;
}

__attribute__((noinline)) static bool
read_other(char letter, struct cnode_term term, struct control *control)
{
    switch (letter) {
    case 'm':
        control->mfa = term;
        return is_mfa(term);
    case 'g':
        return read_flags(term, &control->flags);
    case 'i':
        return cnode_get_uint(term, &control->id) && control->id != 0;
    case 'j':
        return cnode_get_uint(term, &control->id);
    default:
        return true; /* '_' */
    }
}

/* One element; the letters are those of control.def. */
static inline bool read_field(char letter, struct cnode_term term,
                              struct control *control)
{
    const struct field *field = &fields[(uint8_t)letter];

    if (field->types == 0) {
        return read_other(letter, term, control);
    }
    memcpy((char *)control + field->at, &term, sizeof(term));
    return (field->types >> term_type(term) & 1) != 0;
}

/* --- reading */

int control_decode(struct cnode_term tuple, struct control *control)
{
    struct cnode_term element;
    uint32_t arity;
    uint64_t op;

    *control = (struct control){0};
    if (!cnode_get_tuple(tuple, &arity, &element) || arity == 0) {
        return CNODE_PROTOCOL;
    }
    if (!cnode_get_uint(element, &op)) {
        return cnode_type(element) == CNODE_TYPE_INT ? CNODE_UNHANDLED
                                                     : CNODE_PROTOCOL;
    }
    if (op == OP_ALTACT_SIG_SEND) {
        return arity < 4 ? CNODE_PROTOCOL
                         : read_altact(cnode_next(element), control);
    }
    if (op >= ARRAY_LEN(layouts) || layouts[op].fields == NULL) {
        return CNODE_UNHANDLED;
    }

    const struct layout *layout = &layouts[op];
    if (layout->arity != arity) {
        return CNODE_PROTOCOL;
    }
    control->kind = layout->kind;
    control->has_payload = layout->has_payload;
    for (const char *field = layout->fields; *field != '\0'; field++) {
        element.at = term_skip(element.at);
        if (!read_field(*field, element, control)) {
            return CNODE_PROTOCOL;
        }
    }
    return 0;
}

/* The low bits of an integer of any size; unknown bits above them are ignored.
 * (SMALL_BIG has a byte of length, LARGE_BIG four, then the sign; the magnitude
 * follows, lowest byte first.) */
static bool read_low_bits(struct cnode_term term, uint64_t *bits)
{
    if (cnode_get_uint(term, bits)) {
        return true;
    }
    if (cnode_type(term) != CNODE_TYPE_INT) {
        return false;
    }
    switch (term.at[0]) {
    case 110:
        *bits = term.at[1] > 0 ? term.at[3] : 0;
        return term.at[2] == 0;
    case 111:
        *bits = get_u32(term.at + 1) > 0 ? term.at[6] : 0;
        return term.at[5] == 0;
    default:
        return false; /* negative */
    }
}

/* {37, Flags, From, To, [Token, ...]}: an alias send, or a plain signal with
 * priority. Later elements are allowed to appear. */
static int read_altact(struct cnode_term flags, struct control *control)
{
    struct cnode_term from = cnode_next(flags);
    struct cnode_term to = cnode_next(from);
    uint64_t bits;
    char to_field = 't';

    if (!read_low_bits(flags, &bits)) {
        return CNODE_PROTOCOL;
    }
    control->kind = CONTROL_SEND;
    if ((bits & ALTACT_ALIAS) != 0) {
        control->kind = CONTROL_ALIAS_SEND;
        to_field = 'r';
    } else if ((bits & ALTACT_NAME) != 0) {
        control->kind = CONTROL_REG_SEND;
        to_field = 'n';
    }
    if ((bits & ALTACT_EXIT) != 0) {
        control->kind = CONTROL_EXIT2;
    }
    control->has_payload = true;
    control->is_priority = (bits & ALTACT_PRIORITY) != 0;
    return read_field('f', from, control) && read_field(to_field, to, control)
               ? 0
               : CNODE_PROTOCOL;
}

void control_set_payload(struct control *control, struct cnode_term payload)
{
    control->payload = payload;
    if (control->kind == CONTROL_EXIT || control->kind == CONTROL_EXIT2 ||
        control->kind == CONTROL_MONITOR_EXIT) {
        control->reason = payload;
    }
}

const char *control_name(enum control_kind kind)
{
    static const char *const names[CONTROL_KIND_COUNT] = {
        [CONTROL_LINK] = "link",
        [CONTROL_SEND] = "send",
        [CONTROL_REG_SEND] = "reg_send",
        [CONTROL_ALIAS_SEND] = "alias_send",
        [CONTROL_EXIT] = "exit",
        [CONTROL_EXIT2] = "exit2",
        [CONTROL_UNLINK_OLD] = "unlink_old",
        [CONTROL_UNLINK] = "unlink",
        [CONTROL_UNLINK_ACK] = "unlink_ack",
        [CONTROL_GROUP_LEADER] = "group_leader",
        [CONTROL_MONITOR] = "monitor",
        [CONTROL_DEMONITOR] = "demonitor",
        [CONTROL_MONITOR_EXIT] = "monitor_exit",
        [CONTROL_SPAWN_REQUEST] = "spawn_request",
        [CONTROL_SPAWN_REPLY] = "spawn_reply",
    };

    return (unsigned)kind < CONTROL_KIND_COUNT ? names[kind] : "unknown";
}

/* --- writing */

static void put_head(struct buf *buf, uint32_t arity, int op)
{
    term_put_tuple(buf, arity);
    term_put_int(buf, op);
}

static void put_pid_or_name(struct buf *buf, struct pid pid, atom_t name)
{
    if (pid_is_none(pid)) {
        term_put_atom(buf, name);
    } else {
        term_put_pid(buf, pid);
    }
}

/* {22, From, or {2, '', of a send; To follows. */
static void put_send_head(struct buf *buf, uint64_t peer, struct pid from)
{
    if ((peer & DIST_SEND_SENDER) != 0 && !pid_is_none(from)) {
        put_head(buf, 3, OP_SEND_SENDER);
        term_put_pid(buf, from);
    } else {
        put_head(buf, 3, OP_SEND);
        term_put_atom(buf, A_empty);
    }
}

void control_put_send(struct buf *buf, uint64_t peer, struct pid from,
                      struct pid to)
{
    put_send_head(buf, peer, from);
    term_put_pid(buf, to);
}

void control_put_send_term(struct buf *buf, uint64_t peer, struct pid from,
                           struct cnode_term to)
{
    put_send_head(buf, peer, from);
    term_put_copy(buf, to);
}

void control_put_reg_send(struct buf *buf, struct pid from, atom_t name)
{
    put_head(buf, 4, OP_REG_SEND);
    term_put_pid(buf, from); /* a BEAM insists on a pid here */
    term_put_atom(buf, A_empty);
    term_put_atom(buf, name);
}

void control_put_alias_send(struct buf *buf, uint64_t peer, struct pid from,
                            struct cnode_term alias)
{
    if ((peer & DIST_ALTACT_SIG) != 0) {
        put_head(buf, 4, OP_ALTACT_SIG_SEND);
        term_put_int(buf, ALTACT_ALIAS);
    } else {
        put_head(buf, 3, OP_ALIAS_SEND);
    }
    term_put_pid(buf, from);
    term_put_copy(buf, alias);
}

void control_put_alias_exit(struct buf *buf, struct pid from,
                            const struct ref *alias)
{
    put_head(buf, 4, OP_ALTACT_SIG_SEND);
    term_put_int(buf, ALTACT_ALIAS | ALTACT_EXIT);
    term_put_pid(buf, from);
    term_put_ref(buf, alias);
}

void control_put_link(struct buf *buf, struct pid from, struct pid to)
{
    put_head(buf, 3, OP_LINK);
    term_put_pid(buf, from);
    term_put_pid(buf, to);
}

void control_put_unlink(struct buf *buf, uint64_t id, struct pid from,
                        struct pid to)
{
    DCHECK(id != 0);
    put_head(buf, 4, OP_UNLINK);
    term_put_uint(buf, id);
    term_put_pid(buf, from);
    term_put_pid(buf, to);
}

void control_put_unlink_ack(struct buf *buf, uint64_t id, struct pid from,
                            struct cnode_term to)
{
    put_head(buf, 4, OP_UNLINK_ACK);
    term_put_uint(buf, id);
    term_put_pid(buf, from);
    term_put_copy(buf, to);
}

static void put_watch(struct buf *buf, int op, struct pid from, struct pid to,
                      atom_t to_name, const struct ref *ref)
{
    put_head(buf, 4, op);
    term_put_pid(buf, from);
    put_pid_or_name(buf, to, to_name);
    term_put_ref(buf, ref);
}

void control_put_monitor(struct buf *buf, struct pid from, struct pid to,
                         atom_t to_name, const struct ref *ref)
{
    put_watch(buf, OP_MONITOR, from, to, to_name, ref);
}

void control_put_demonitor(struct buf *buf, struct pid from, struct pid to,
                           atom_t to_name, const struct ref *ref)
{
    put_watch(buf, OP_DEMONITOR, from, to, to_name, ref);
}

/* {PlainOp, From, To, Reason} or {PayloadOp, From, To}. */
static bool put_exit(struct buf *buf, uint64_t peer, int plain_op,
                     int payload_op, struct pid from, struct cnode_term to,
                     struct cnode_term reason)
{
    bool as_payload = (peer & DIST_EXIT_PAYLOAD) != 0;

    put_head(buf, as_payload ? 3 : 4, as_payload ? payload_op : plain_op);
    term_put_pid(buf, from);
    term_put_copy(buf, to);
    if (!as_payload) {
        term_put_copy(buf, reason);
    }
    return as_payload;
}

bool control_put_exit(struct buf *buf, uint64_t peer, struct pid from,
                      struct cnode_term to, struct cnode_term reason)
{
    return put_exit(buf, peer, OP_EXIT, OP_PAYLOAD_EXIT, from, to, reason);
}

bool control_put_exit2(struct buf *buf, uint64_t peer, struct pid from,
                       struct cnode_term to, struct cnode_term reason)
{
    return put_exit(buf, peer, OP_EXIT2, OP_PAYLOAD_EXIT2, from, to, reason);
}

bool control_put_monitor_exit(struct buf *buf, uint64_t peer,
                              struct cnode_term watched, struct cnode_term to,
                              struct cnode_term ref, struct cnode_term reason)
{
    bool as_payload = (peer & DIST_EXIT_PAYLOAD) != 0;

    put_head(buf, as_payload ? 4 : 5,
             as_payload ? OP_PAYLOAD_MONITOR_EXIT : OP_MONITOR_EXIT);
    term_put_copy(buf, watched);
    term_put_copy(buf, to);
    term_put_copy(buf, ref);
    if (!as_payload) {
        term_put_copy(buf, reason);
    }
    return as_payload;
}

void control_put_group_leader(struct buf *buf, struct pid leader,
                              struct pid member)
{
    put_head(buf, 3, OP_GROUP_LEADER);
    term_put_pid(buf, leader);
    term_put_pid(buf, member);
}

void control_put_spawn_request(struct buf *buf, const struct ref *request,
                               struct pid from, struct pid leader,
                               struct cnode_term mfa, struct cnode_term opts)
{
    put_head(buf, 6, OP_SPAWN_REQUEST);
    term_put_ref(buf, request);
    term_put_pid(buf, from);
    term_put_pid(buf, leader);
    term_put_copy(buf, mfa);
    term_put_copy(buf, opts);
}

void control_put_spawn_reply(struct buf *buf, struct cnode_term request,
                             struct cnode_term to, uint32_t flags,
                             struct pid pid, atom_t error)
{
    put_head(buf, 5, OP_SPAWN_REPLY);
    term_put_copy(buf, request);
    term_put_copy(buf, to);
    term_put_uint(buf, flags);
    put_pid_or_name(buf, pid, error);
}

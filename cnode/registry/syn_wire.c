/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_wire.h. Terms were validated when they came in: here only types and
 * arities are looked at. A message of syn is known by its name, which is looked
 * up by kind and arity, so that {'3.0', sync_join, ...} is no message of a
 * registry.
 */
#include "registry/syn_wire.h"

#include <string.h>

#include "term/build.h"
#include "term/utf8.h"

enum { SYN_ARITY_MAX = 7 };

/* --- what both kinds of processes say, and how one kind calls it */

struct syn_words {
    atom_t add, remove;         /* messages */
    atom_t ask_add, ask_remove; /* calls */
    const char *process, *by_name, *by_pid;
};

static const struct syn_words words[] = {
    [SYN_REGISTRY] = {A_sync_register, A_sync_unregister,
                      A_register_or_update_on_node, A_unregister_on_node,
                      "syn_registry_", "syn_registry_by_name_",
                      "syn_registry_by_pid_"},
    [SYN_GROUPS] = {A_sync_join, A_sync_leave, A_join_or_update_on_node,
                    A_leave_on_node, "syn_pg_", "syn_pg_by_name_",
                    "syn_pg_by_pid_"},
};

/* The elements of a tuple that begins with '3.0' and a name; the arity, or 0
 * when it is none. */
static uint32_t open_message(struct cnode_term term, atom_t *name,
                             struct cnode_term elements[SYN_ARITY_MAX])
{
    struct cnode_term at;
    uint32_t arity;

    if (!cnode_get_tuple(term, &arity, &at) || arity < 2 ||
        arity > SYN_ARITY_MAX || !term_is_atom(at, A_syn_version)) {
        return 0;
    }
    elements[0] = at;
    for (uint32_t i = 1; i < arity; i++) {
        elements[i] = cnode_next(elements[i - 1]); /* the last may be huge */
    }
    *name = term_atom(elements[1]);
    return arity;
}

/* A pid of a node that we know: of all others nobody is a member. */
static bool get_pid(struct cnode_term term, struct pid *pid)
{
    return term_get_pid(term, pid) && pid->node != ATOM_NONE;
}

/* --- read */

int syn_message_parse(enum syn_kind kind, struct cnode_term term,
                      struct syn_message *message)
{
    struct cnode_term e[SYN_ARITY_MAX];
    atom_t name;
    uint32_t arity = open_message(term, &name, e);
    bool is_right;

    *message = (struct syn_message){0};
    if (arity == 7 && name == words[kind].add) {
        message->what = SYN_ADD;
        message->claim.name = e[2];
        message->claim.meta = e[4];
        message->reason = e[6];
        is_right = get_pid(e[3], &message->claim.pid) &&
                   cnode_get_int(e[5], &message->claim.time);
    } else if (arity == 6 && name == words[kind].remove) {
        message->what = SYN_REMOVE;
        message->claim.name = e[2];
        message->claim.meta = e[4];
        message->reason = e[5];
        is_right = get_pid(e[3], &message->claim.pid);
    } else if (arity == 3 && name == A_discover) {
        message->what = SYN_DISCOVER;
        is_right = get_pid(e[2], &message->peer);
    } else if (arity == 4 && name == A_ack_sync) {
        message->what = SYN_ACK_SYNC;
        message->list = e[3];
        is_right = get_pid(e[2], &message->peer);
    } else {
        return CNODE_UNHANDLED;
    }
    return is_right ? 0 : CNODE_EINVALID;
}

int syn_request_parse(enum syn_kind kind, struct cnode_term term,
                      struct syn_request *request)
{
    struct cnode_term e[SYN_ARITY_MAX];
    atom_t name;
    uint32_t arity = open_message(term, &name, e);

    *request = (struct syn_request){0};
    if (arity == 2 && name == A_subcluster_nodes) {
        request->ask = SYN_ASK_NODES;
        return 0;
    }
    if (arity == 6 && name == words[kind].ask_add) {
        request->ask = SYN_ASK_ADD;
        request->claim.meta = e[5];
    } else if (arity == 5 && name == words[kind].ask_remove) {
        request->ask = SYN_ASK_REMOVE;
    } else {
        return CNODE_UNHANDLED;
    }
    request->requester = term_atom(e[2]);
    request->claim.name = e[3];
    return term_type(e[2]) == CNODE_TYPE_ATOM &&
                   get_pid(e[4], &request->claim.pid)
               ? 0
               : CNODE_EINVALID;
}

bool syn_claim_parse(struct cnode_term term, struct syn_claim *claim)
{
    struct cnode_term e[4];

    if (!term_get_tuple(term, 4, e)) {
        return false;
    }
    claim->name = e[0];
    claim->meta = e[2];
    return get_pid(e[1], &claim->pid) && cnode_get_int(e[3], &claim->time);
}

/* --- written */

static void open_put(struct buf *buf, uint32_t arity, atom_t name)
{
    term_put_tuple(buf, arity);
    term_put_atom(buf, A_syn_version);
    term_put_atom(buf, name);
}

void syn_put_discover(struct buf *buf, struct pid self)
{
    open_put(buf, 3, A_discover);
    term_put_pid(buf, self);
}

size_t syn_put_ack_sync(struct buf *buf, struct pid self, uint32_t count)
{
    size_t place;

    open_put(buf, 4, A_ack_sync);
    term_put_pid(buf, self);
    place = buf_size(buf) + 1; /* behind the tag */
    term_put_list(buf, count);
    return place;
}

void syn_put_claim(struct buf *buf, const struct syn_claim *claim)
{
    term_put_tuple(buf, 4);
    term_put_copy(buf, claim->name);
    term_put_pid(buf, claim->pid);
    term_put_copy(buf, claim->meta);
    term_put_int(buf, claim->time);
}

void syn_put_add(struct buf *buf, enum syn_kind kind,
                 const struct syn_claim *claim, struct cnode_term reason)
{
    open_put(buf, 7, words[kind].add);
    term_put_copy(buf, claim->name);
    term_put_pid(buf, claim->pid);
    term_put_copy(buf, claim->meta);
    term_put_int(buf, claim->time);
    term_put_copy(buf, reason);
}

void syn_put_remove(struct buf *buf, enum syn_kind kind,
                    const struct syn_claim *claim, struct cnode_term reason)
{
    open_put(buf, 6, words[kind].remove);
    term_put_copy(buf, claim->name);
    term_put_pid(buf, claim->pid);
    term_put_copy(buf, claim->meta);
    term_put_copy(buf, reason);
}

void syn_put_request(struct buf *buf, enum syn_kind kind,
                     const struct syn_request *request)
{
    switch (request->ask) {
    case SYN_ASK_ADD:
        open_put(buf, 6, words[kind].ask_add);
        break;
    case SYN_ASK_REMOVE:
        open_put(buf, 5, words[kind].ask_remove);
        break;
    case SYN_ASK_NODES:
        open_put(buf, 2, A_subcluster_nodes);
        return;
    }
    term_put_atom(buf, request->requester);
    term_put_copy(buf, request->claim.name);
    term_put_pid(buf, request->claim.pid);
    if (request->ask == SYN_ASK_ADD) {
        term_put_copy(buf, request->claim.meta);
    }
}

/* --- names */

/* The atom of prefix and scope. */
static int make_name(atom_t *name, const char *prefix, const char *scope,
                     size_t len)
{
    char text[32 + ATOM_MAX_BYTES];
    size_t before = strlen(prefix);

    memcpy(text, prefix, before);
    memcpy(text + before, scope, len);
    if (utf8_count(text, before + len) > ATOM_MAX_CHARS) {
        return CNODE_LIMIT;
    }
    *name = atom_intern(text, before + len);
    return *name == ATOM_NONE ? CNODE_LIMIT : 0;
}

static bool is_latin1(const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    uint32_t point;

    while (at < end) {
        at += utf8_get(at, end, &point); /* an atom's text is valid */
        if (point > 255) {
            return false;
        }
    }
    return true;
}

int syn_names_make(struct syn_names *names, enum syn_kind kind, atom_t scope)
{
    const char *text = atom_text(scope);
    size_t len = atom_len(scope);
    int rc;

    if (scope == ATOM_NONE || !is_latin1(text, len)) {
        return CNODE_EINVALID;
    }
    /* The longest first: nothing is interned for a scope that is too long. */
    rc = make_name(&names->by_name, words[kind].by_name, text, len);
    if (rc == 0) {
        rc = make_name(&names->by_pid, words[kind].by_pid, text, len);
    }
    if (rc == 0) {
        rc = make_name(&names->process, words[kind].process, text, len);
    }
    return rc;
}

/* --- order */

static int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_atoms(atom_t a, atom_t b)
{
    size_t a_len = atom_len(a), b_len = atom_len(b);
    size_t both = a_len < b_len ? a_len : b_len;
    int order = memcmp(atom_text(a), atom_text(b), both);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

int syn_pid_compare(struct pid a, struct pid b)
{
    int order = compare_u32(a.serial, b.serial);

    if (order == 0) {
        order = compare_u32(a.id, b.id);
    }
    if (order == 0) {
        order = compare_atoms(a.node, b.node);
    }
    return order != 0 ? order : compare_u32(a.creation, b.creation);
}

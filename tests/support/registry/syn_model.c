/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_model.h.
 */
#include "support/registry/syn_model.h"

#include "base/check.h"
#include "term/build.h"

const struct syn_model_rules syn_model_3_3_0 = {.is_ordered = false},
                             syn_model_3_4_1 = {.is_ordered = true,
                                                .loser_tells = true,
                                                .greater_pid = true},
                             syn_model_head = {.is_ordered = true,
                                               .loser_tells = true,
                                               .greater_pid = true,
                                               .list_is_all = true};

static void save(struct syn_model *m, const struct syn_model_entry *theirs);

void syn_model_init(struct syn_model *m, enum syn_kind kind,
                    const struct syn_model_rules *rules, struct pid self,
                    const struct syn_model_events *events, void *owner)
{
    *m = (struct syn_model){.kind = kind,
                            .rules = *rules,
                            .self = self,
                            .events = events,
                            .owner = owner};
    buf_init(&m->out, 0);
    CHECK(syn_names_make(&m->names, kind, atom_intern("s", 1)) == 0);
}

void syn_model_fini(struct syn_model *m)
{
    buf_fini(&m->out);
}

/* --- the table */

static bool is_local(const struct syn_model *m, struct pid pid)
{
    return pid.node == m->self.node;
}

static struct syn_model_entry *find(struct syn_model *m, int64_t name,
                                    struct pid pid)
{
    for (unsigned i = 0; i < m->count; i++) {
        if (m->entries[i].name == name &&
            (m->kind == SYN_REGISTRY || pid_equal(m->entries[i].pid, pid))) {
            return &m->entries[i];
        }
    }
    return NULL;
}

static void put(struct syn_model *m, const struct syn_model_entry *entry)
{
    struct syn_model_entry *old = find(m, entry->name, entry->pid);

    if (old == NULL) {
        CHECK(m->count < SYN_MODEL_ENTRIES);
        old = &m->entries[m->count++];
    }
    *old = *entry;
}

static void drop(struct syn_model *m, struct syn_model_entry *entry)
{
    *entry = m->entries[--m->count];
}

static void purge(struct syn_model *m, atom_t node)
{
    for (unsigned i = m->count; i-- > 0;) {
        if (m->entries[i].pid.node == node) {
            drop(m, &m->entries[i]);
        }
    }
}

static unsigned find_member(const struct syn_model *m, atom_t node)
{
    unsigned i = 0;

    while (i < m->member_count && m->members[i].node != node) {
        i++;
    }
    return i;
}

/* --- what it says */

static int64_t int_of(struct cnode_term term)
{
    int64_t value;

    CHECK(cnode_get_int(term, &value));
    return value;
}

static struct syn_model_entry entry_of(const struct syn_claim *claim)
{
    return (struct syn_model_entry){.name = int_of(claim->name),
                                    .meta = int_of(claim->meta),
                                    .time = claim->time,
                                    .pid = claim->pid};
}

static struct cnode_term out(const struct syn_model *m)
{
    return term_at(buf_data(&m->out), buf_size(&m->out));
}

static struct syn_claim claim_of(const struct syn_model_entry *entry)
{
    return (struct syn_claim){.name = term_small_int((uint8_t)entry->name),
                              .meta = term_small_int((uint8_t)entry->meta),
                              .time = entry->time,
                              .pid = entry->pid};
}

static void tell(struct syn_model *m, const struct syn_model_entry *entry,
                 bool is_added, atom_t reason, atom_t except)
{
    struct syn_claim claim = claim_of(entry);

    buf_clear(&m->out);
    if (is_added) {
        syn_put_add(&m->out, m->kind, &claim, atom_term(reason));
    } else {
        syn_put_remove(&m->out, m->kind, &claim, atom_term(reason));
    }
    for (unsigned i = 0; i < m->member_count; i++) {
        if (m->members[i].node != except) {
            m->events->send(m->owner, SYN_WAY_SENDER, m->members[i].node,
                            out(m));
        }
    }
}

static void send_list(struct syn_model *m, atom_t node)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < m->count; i++) {
        count += is_local(m, m->entries[i].pid);
    }
    buf_clear(&m->out);
    (void)syn_put_ack_sync(&m->out, m->self, count);
    for (unsigned i = 0; i < m->count; i++) {
        struct syn_claim claim = claim_of(&m->entries[i]);

        if (is_local(m, claim.pid)) {
            syn_put_claim(&m->out, &claim);
        }
    }
    term_put_nil(&m->out);
    m->events->send(m->owner,
                    m->rules.is_ordered ? SYN_WAY_SENDER : SYN_WAY_SCOPE, node,
                    out(m));
}

/* --- members */

void syn_model_discover(struct syn_model *m, enum syn_model_way way,
                        atom_t node)
{
    buf_clear(&m->out);
    syn_put_discover(&m->out, m->self);
    m->events->send(m->owner, way, node, out(m));
}

void syn_model_restart(struct syn_model *m, struct pid self)
{
    m->self = self;
    m->member_count = 0;
    for (unsigned i = m->count; i-- > 0;) {
        if (!is_local(m, m->entries[i].pid) ||
            !m->events->is_alive(m->owner, m->entries[i].pid)) {
            drop(m, &m->entries[i]);
        }
    }
}

static bool is_new(const struct syn_model *m, struct pid scope)
{
    return find_member(m, scope.node) == m->member_count;
}

static void add_member(struct syn_model *m, struct pid scope)
{
    CHECK(m->member_count < SYN_MODEL_NODES);
    m->members[m->member_count++] = scope;
    m->events->monitor(m->owner, scope);
}

void syn_model_down(struct syn_model *m, struct pid scope)
{
    unsigned i = find_member(m, scope.node);

    if (i < m->member_count && pid_equal(m->members[i], scope)) {
        m->members[i] = m->members[--m->member_count];
        purge(m, scope.node);
    }
}

static bool is_listed(struct cnode_term data, const struct syn_model *m,
                      const struct syn_model_entry *entry)
{
    struct cnode_list list;
    struct cnode_term term;
    struct syn_claim claim;

    CHECK(cnode_list(data, &list));
    while (cnode_list_next(&list, &term)) {
        CHECK(syn_claim_parse(term, &claim));
        if (int_of(claim.name) == entry->name &&
            (m->kind == SYN_REGISTRY || pid_equal(claim.pid, entry->pid))) {
            return true;
        }
    }
    return false;
}

static void on_list(struct syn_model *m, struct pid scope,
                    struct cnode_term data)
{
    struct cnode_list list;
    struct cnode_term term;
    struct syn_claim claim;

    CHECK(cnode_list(data, &list));
    for (unsigned i = m->count; m->rules.list_is_all && i-- > 0;) {
        if (m->entries[i].pid.node == scope.node &&
            !is_listed(data, m, &m->entries[i])) {
            drop(m, &m->entries[i]);
        }
    }
    while (cnode_list_next(&list, &term)) {
        struct syn_model_entry theirs;

        CHECK(syn_claim_parse(term, &claim));
        theirs = entry_of(&claim);
        save(m, &theirs);
    }
    if (is_new(m, scope)) {
        send_list(m, scope.node);
        add_member(m, scope);
    }
}

/* --- claims */

static void conflict(struct syn_model *m, const struct syn_model_entry *theirs)
{
    struct syn_model_entry *old = find(m, theirs->name, theirs->pid);
    struct syn_model_entry ours = *old;
    bool is_theirs = m->is_judged ? syn_pid_compare(theirs->pid, ours.pid) < 0
                     : theirs->time != ours.time
                         ? theirs->time > ours.time
                         : m->rules.greater_pid &&
                               syn_pid_compare(theirs->pid, ours.pid) > 0;

    if (!is_theirs) {
        old->time = m->events->now(m->owner);
        tell(m, old, true, A_syn_conflict_resolution, ATOM_NONE);
        return;
    }
    put(m, theirs);
    if (!m->is_judged) {
        m->events->kill(m->owner, ours.pid, ours.name);
    }
    if (m->rules.loser_tells) {
        tell(m, &ours, false, A_syn_conflict_resolution, ATOM_NONE);
    }
}

static void save(struct syn_model *m, const struct syn_model_entry *theirs)
{
    struct syn_model_entry *old = find(m, theirs->name, theirs->pid);

    if (m->kind == SYN_GROUPS) {
        if (old == NULL || theirs->time > old->time) {
            put(m, theirs);
        }
    } else if (old != NULL && !pid_equal(old->pid, theirs->pid) &&
               is_local(m, old->pid)) {
        conflict(m, theirs);
    } else if (old == NULL || pid_equal(old->pid, theirs->pid) ||
               old->time < theirs->time) {
        put(m, theirs);
    }
}

static void on_remove(struct syn_model *m, const struct syn_claim *claim)
{
    struct syn_model_entry *old = find(m, int_of(claim->name), claim->pid);

    if (old != NULL && pid_equal(old->pid, claim->pid)) {
        drop(m, old);
    }
}

void syn_model_message(struct syn_model *m, struct cnode_term message)
{
    struct syn_message parsed;
    struct syn_model_entry theirs;

    CHECK(syn_message_parse(m->kind, message, &parsed) == 0);
    if ((parsed.what == SYN_DISCOVER || parsed.what == SYN_ACK_SYNC) &&
        !m->events->is_alive(m->owner, parsed.peer)) {
        return; /* real syn goes on: see test_syn.c */
    }
    switch (parsed.what) {
    case SYN_DISCOVER:
        send_list(m, parsed.peer.node);
        if (is_new(m, parsed.peer)) {
            add_member(m, parsed.peer);
        }
        break;
    case SYN_ACK_SYNC:
        on_list(m, parsed.peer, parsed.list);
        break;
    case SYN_ADD:
        if (!is_new(m, parsed.claim.pid)) {
            theirs = entry_of(&parsed.claim);
            save(m, &theirs);
        }
        break;
    case SYN_REMOVE:
        on_remove(m, &parsed.claim);
        break;
    }
}

/* --- its own processes */

void syn_model_ended(struct syn_model *m, struct pid pid)
{
    for (unsigned i = m->count; i-- > 0;) {
        struct syn_model_entry entry = m->entries[i];

        if (pid_equal(entry.pid, pid)) {
            drop(m, &m->entries[i]);
            tell(m, &entry, false, A_killed, ATOM_NONE);
        }
    }
}

static void request_add(struct syn_model *m, const struct syn_request *request,
                        struct buf *answer)
{
    struct syn_model_entry entry = entry_of(&request->claim);
    struct syn_model_entry *old = find(m, entry.name, entry.pid);

    CHECK(is_local(m, entry.pid)); /* is_process_alive/1 of another's: badarg */
    if (!m->events->is_alive(m->owner, entry.pid)) {
        term_format(answer, "{error, not_alive}");
    } else if (old != NULL && !pid_equal(old->pid, entry.pid)) {
        term_format(answer, "{error, taken}");
    } else if (old != NULL && old->meta == entry.meta) {
        term_format(answer, "{noop, ~i}", entry.meta);
    } else {
        entry.time = m->events->now(m->owner);
        if (old != NULL && entry.time <= old->time) {
            entry.time = old->time + 1; /* in nanoseconds it is later */
        }
        put(m, &entry);
        tell(m, &entry, true, A_normal, request->requester);
        term_format(answer, "{ok, {on_process_registered, x, ~i, ~i, ~A, ~A}}",
                    entry.meta, entry.time, m->names.by_name, m->names.by_pid);
    }
}

void syn_model_request(struct syn_model *m, const struct syn_request *request,
                       struct buf *answer)
{
    struct syn_model_entry *old, entry;

    if (request->ask == SYN_ASK_ADD) {
        request_add(m, request, answer);
        return;
    }
    old = find(m, int_of(request->claim.name), request->claim.pid);
    if (old == NULL || !pid_equal(old->pid, request->claim.pid)) {
        term_format(answer, "{error, undefined}");
        return;
    }
    entry = *old;
    drop(m, old);
    tell(m, &entry, false, A_normal, request->requester);
    term_format(answer, "{ok, ~A}", m->names.by_pid);
}

void syn_model_answered(struct syn_model *m, const struct syn_request *request,
                        struct cnode_term answer)
{
    struct syn_model_entry entry = {.name = int_of(request->claim.name),
                                    .pid = request->claim.pid};
    const struct syn_model_entry *old;
    atom_t by_name, by_pid;

    if (term_match(answer, "{ok, {_, _, ~i, ~i, ~A, ~A}}", &entry.meta,
                   &entry.time, &by_name, &by_pid)) {
        CHECK(by_name == m->names.by_name && by_pid == m->names.by_pid);
        old = find(m, entry.name, entry.pid);
        if (old != NULL && is_local(m, old->pid)) {
            save(m, &entry); /* real syn puts it over its own */
        } else {
            put(m, &entry);
        }
    } else if (term_match(answer, "{ok, _}")) {
        on_remove(m, &request->claim);
    } else {
        CHECK(term_match(answer, "{noop, _}") ||
              term_match(answer, "{error, _}"));
    }
}

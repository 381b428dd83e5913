/* SPDX-License-Identifier: Apache-2.0
 *
 * See syn_publish.h.
 */
#include "registry/syn_publish.h"

#include <cnode/error.h>

#include "term/build.h"

/* A large message is copied once for all, not for each. */
static int payload_of(struct cnode_term message, struct payload *payload)
{
    size_t size = cnode_term_size(message);

    *payload = (struct payload){.bytes = message.at, .size = size};
    if (size > CHANNEL_FRAGMENT_BYTES) {
        payload->block = block_copy(message.at, size);
        if (payload->block == NULL) {
            return CNODE_NOMEM;
        }
        payload->bytes = payload->block->bytes;
    }
    return 0;
}

int syn_publish(struct syn *syn, struct syn_table *groups,
                struct cnode_term group, bool only_local, struct pid from,
                struct cnode_term message, uint32_t *count)
{
    struct syn_group *members = syn_table_group(groups, group);
    const struct syn_entry *member = NULL;
    struct payload payload;
    int rc;

    *count = 0;
    if (members == NULL) {
        return 0;
    }
    rc = payload_of(message, &payload);
    if (rc != 0) {
        return rc;
    }
    while ((member = syn_group_next(members, member, only_local)) != NULL) {
        struct dest dest = dest_pid(member->pid);

        (void)route_send(syn->node, from, &dest, payload); /* as `!` */
        ++*count;
    }
    block_unref(payload.block);
    return 0;
}

void syn_put_members(struct syn_table *groups, struct cnode_term group,
                     bool only_local, struct buf *buf)
{
    struct syn_group *members = syn_table_group(groups, group);
    const struct syn_entry *member = NULL;

    if (members != NULL) {
        term_put_list(buf, syn_group_count(members, only_local));
        while ((member = syn_group_next(members, member, only_local)) != NULL) {
            term_format(buf, "{~p, ~t}", member->pid, syn_entry_meta(member));
        }
    }
    term_put_nil(buf);
}

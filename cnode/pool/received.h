/* SPDX-License-Identifier: Apache-2.0
 *
 * A message taken apart: whether it is a call, and the envelope if it is one.
 * The pool supervisor takes it apart to find the worker; when it passes the
 * message on at once, the worker finds it done.
 */
#ifndef CNODE_POOL_RECEIVED_H
#define CNODE_POOL_RECEIVED_H

#include "node/gen.h"
#include "pool/envelope.h"

struct received {
    const uint8_t *at; /* of which message this is; NULL: none */
    struct gen_message gen;
    bool is_envelope;
    struct envelope envelope;
};

/* Takes the message apart unless that is done. */
static inline struct received *received_get(struct received *received,
                                            struct cnode_term message)
{
    if (received->at != message.at) {
        received->at = message.at;
        gen_parse(message, &received->gen);
        gen_parse_multi_call(&received->gen);
        received->is_envelope =
            envelope_parse(received->gen.body, &received->envelope);
    }
    return received;
}

/* The message is handled: its bytes go. */
static inline void received_forget(struct received *received)
{
    received->at = NULL;
}

#endif

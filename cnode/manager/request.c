/* SPDX-License-Identifier: Apache-2.0
 *
 * See request.h.
 */
#include "manager/request.h"

#include "pool/envelope.h"

/* What a request is in: the call itself, and its options. */
struct inner {
    struct cnode_term call, options;
};

static void open_record(struct cnode_term message, struct inner *inner)
{
    struct cnode_term parts[4];

    *inner = (struct inner){.call = message, .options = atom_term(A_nil)};
    if (term_get_tuple(message, 4, parts) && term_is_atom(parts[0], A_s)) {
        inner->call = parts[1];
        inner->options = parts[3];
    }
}

static void parse_health_report(const struct inner *inner,
                                struct cnode_term subscriber,
                                struct cnode_term options, struct request *out)
{
    out->kind = REQUEST_HEALTH_REPORT;
    if (!term_get_pid(subscriber, &out->subscriber) ||
        out->subscriber.node == ATOM_NONE) {
        out->subscriber = PID_NONE;
    }
    out->rebuild = envelope_option(inner->options, "rebuild", false) ||
                   envelope_option(options, "rebuild", false);
}

static void parse_call(const struct inner *inner, struct request *out)
{
    struct cnode_term call = inner->call;
    struct cnode_term parts[3];

    if (term_is_atom(call, A_configuration)) {
        out->kind = REQUEST_CONFIGURATION;
    } else if (term_is_atom(call, A_heart_beat)) {
        out->kind = REQUEST_HEART_BEAT;
    } else if (term_is_atom(call, A_health_report)) {
        parse_health_report(inner, TERM_NONE, atom_term(A_nil), out);
    } else if (term_get_tuple(call, 2, parts)) {
        if (term_is_atom(parts[0], A_health_report)) {
            parse_health_report(inner, parts[1], atom_term(A_nil), out);
        } else if (term_is_atom(parts[0], A_update_health_report)) {
            out->kind = REQUEST_UPDATE_HEALTH_REPORT;
        }
    } else if (term_get_tuple(call, 3, parts) &&
               term_is_atom(parts[0], A_health_report)) {
        parse_health_report(inner, parts[1], parts[2], out);
    }
}

void request_parse(struct cnode_term body, struct request *out)
{
    struct envelope envelope;
    struct inner inner;

    *out = (struct request){.kind = REQUEST_OTHER, .message = body};
    if (envelope_parse(body, &envelope)) {
        out->message = envelope.message;
        out->recipient = envelope.has_ref ? envelope.id : TERM_NONE;
    }
    open_record(out->message, &inner);
    parse_call(&inner, out);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * See envelope.h.
 */
#include "pool/envelope.h"

enum { ENVELOPE_ARITY = 6, SETTINGS_ARITY = 7 };

/* Places in {settings, Safe, Spawn, Task, Ack, Sticky, Timeout}. */
enum setting {
    SETTING_SAFE = 1,
    SETTING_SPAWN,
    SETTING_TASK,
    SETTING_ACK,
    SETTING_STICKY,
    SETTING_TIMEOUT
};

bool envelope_parse_ref(struct cnode_term recipient, struct cnode_term *module,
                        struct cnode_term *id)
{
    struct cnode_term parts[4];

    if (term_get_tuple(recipient, 4, parts) && term_is_atom(parts[0], A_link)) {
        recipient = parts[3];
    }
    if (!term_get_tuple(recipient, 3, parts) ||
        !term_is_atom(parts[0], A_ref) ||
        cnode_type(parts[1]) != CNODE_TYPE_ATOM) {
        return false;
    }
    *module = parts[1];
    *id = parts[2];
    return true;
}

static struct cnode_term setting_of(struct cnode_term settings,
                                    enum setting setting)
{
    struct cnode_term parts[SETTINGS_ARITY];

    return term_get_tuple(settings, SETTINGS_ARITY, parts) &&
                   term_is_atom(parts[0], A_settings)
               ? parts[setting]
               : TERM_NONE;
}

static bool is_true(struct cnode_term settings, enum setting setting)
{
    return term_is_atom(setting_of(settings, setting), A_true);
}

bool envelope_is_safe(const struct envelope *envelope)
{
    return is_true(envelope->settings, SETTING_SAFE);
}

bool envelope_wants_ack(const struct envelope *envelope)
{
    return is_true(envelope->settings, SETTING_ACK);
}

bool envelope_timeout(const struct envelope *envelope, uint64_t *ms)
{
    return cnode_get_uint(setting_of(envelope->settings, SETTING_TIMEOUT), ms);
}

bool envelope_parse(struct cnode_term term, struct envelope *envelope)
{
    struct cnode_term parts[ENVELOPE_ARITY], inner[4];

    if (!term_get_tuple(term, ENVELOPE_ARITY, parts) ||
        !term_is_atom(parts[0], A_msg_envelope)) {
        return false;
    }
    *envelope = (struct envelope){
        .spawn = is_true(parts[4], SETTING_SPAWN),
        .identifier = parts[1],
        .settings = parts[4],
        .message = parts[5],
        .call = parts[5],
        .context = atom_term(A_undefined),
        .options = atom_term(A_undefined),
    };
    envelope->has_ref =
        envelope_parse_ref(parts[3], &envelope->module, &envelope->id);
    if (term_get_tuple(parts[5], 4, inner) && term_is_atom(inner[0], A_s)) {
        envelope->call = inner[1];
        envelope->context = inner[2];
        envelope->options = inner[3];
    }
    return true;
}

static bool find_option(struct cnode_term options, const char *name,
                        struct cnode_term *value)
{
    struct cnode_term item, pair[2];
    struct cnode_list list;

    if (cnode_map_get(options, name, value)) {
        return true;
    }
    if (!cnode_list(options, &list)) {
        return false;
    }
    while (cnode_list_next(&list, &item)) {
        if (term_get_tuple(item, 2, pair) && cnode_is_atom(pair[0], name)) {
            *value = pair[1];
            return true;
        }
    }
    return false;
}

bool envelope_option(struct cnode_term options, const char *name,
                     bool otherwise)
{
    struct cnode_term value;
    bool result = otherwise;

    if (find_option(options, name, &value)) {
        (void)cnode_get_bool(value, &result);
    }
    return result;
}

/* true, or a health. */
static bool read_sticky(struct cnode_term value, double *at_least)
{
    int64_t whole;

    *at_least = -1;
    if (term_is_none(value)) {
        return false;
    }
    if (cnode_get_int(value, &whole)) {
        *at_least = (double)whole;
        return true;
    }
    return term_is_atom(value, A_true) || cnode_get_float(value, at_least);
}

bool envelope_is_sticky(const struct envelope *envelope, double *at_least)
{
    struct cnode_term value;

    if (find_option(envelope->options, "sticky", &value) &&
        read_sticky(value, at_least)) {
        return true;
    }
    return read_sticky(setting_of(envelope->settings, SETTING_STICKY),
                       at_least);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "support/node/wire_lines.h"

#include "term/text.h"

static void put_field(struct buf *lines, const char *key,
                      struct cnode_term term)
{
    if (!term_is_none(term)) {
        buf_printf(lines, " %s=", key);
        term_print(lines, term, 0);
    }
}

void wire_line(struct buf *lines, const struct control *control)
{
    buf_printf(lines, "%s%s", buf_size(lines) > 0 ? "\n" : "",
               control_name(control->kind));
    put_field(lines, "from", control->from);
    put_field(lines, "to", control->to);
    put_field(lines, "ref", control->ref);
    if (control->id != 0) {
        buf_printf(lines, " id=%llu", (unsigned long long)control->id);
    }
    if (control->flags != 0) {
        buf_printf(lines, " flags=%u", control->flags);
    }
    put_field(lines, "leader", control->leader);
    put_field(lines, "mfa", control->mfa);
    put_field(lines, "opts", control->opts);
    put_field(lines, "result", control->result);
    put_field(lines, "reason", control->reason);
    if (term_is_none(control->reason)) {
        put_field(lines, "payload", control->payload);
    }
}

void wire_frame(struct buf *frame, const char *payload, const char *control,
                va_list args)
{
    size_t start = buf_size(frame);

    buf_put_u32(frame, 0);
    buf_put(frame, "\x83\x44\x00", 3);
    term_vformat(frame, control, args);
    if (payload != NULL) {
        term_format(frame, payload);
    }
    CHECK(buf_error(frame) == 0);
    set_u32(buf_data(frame) + start, (uint32_t)(buf_size(frame) - start - 4));
}

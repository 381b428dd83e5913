/* SPDX-License-Identifier: Apache-2.0
 *
 * See etop_row.h.
 */
#include "cluster/etop_row.h"

#include <string.h>

#include "node/process_info.h"
#include "term/build.h"
#include "term/text.h"
#include "term/utf8.h"

enum { LABEL_CHARS = 60 };

static void put_label_text(const struct process *process, struct buf *buf)
{
    struct buf label, text;

    buf_init(&label, 0);
    buf_init(&text, 0);
    process->class->put_label(process, &label);
    if (buf_error(&label) == 0) {
        term_print(&text, term_at(buf_data(&label), buf_size(&label)),
                   LABEL_CHARS);
    }
    if (utf8_count(buf_data(&text), buf_size(&text)) >= 0) {
        term_put_chars(buf, (const char *)buf_data(&text), buf_size(&text));
    } else { /* cut within a character */
        term_format(buf, "\"...\"");
    }
    buf_fini(&label);
    buf_fini(&text);
}

static void put_name(struct node *here, const struct process *process,
                     const struct process_about *about, bool text,
                     struct buf *buf)
{
    atom_t name = names_of(here, process);

    if (name != ATOM_NONE) {
        term_put_atom(buf, name);
    } else if (text && process->class->put_label != NULL) {
        put_label_text(process, buf);
    } else if (text && about->module == A_cnode) {
        term_put_chars(buf, process->class->name, strlen(process->class->name));
    } else {
        process_put_initial_call(about, buf);
    }
}

void etop_row_put(struct node *here, const struct process *process, bool text,
                  struct buf *buf)
{
    struct process_about about = process_about(process);

    term_put_tuple(buf, 8);
    term_put_atom(buf, A_etop_proc_info);
    term_put_pid(buf, node_pid(here, process));
    term_put_uint(buf, process_bytes(process, &about));
    term_put_uint(buf, process_handled(process));
    put_name(here, process, &about, text, buf);
    term_put_int(buf, 0); /* run time: measured by tracing only */
    term_format(buf, "{gen_server, loop, 7}");
    term_put_uint(buf, process->mailbox.count);
}

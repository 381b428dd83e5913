/* SPDX-License-Identifier: Apache-2.0
 *
 * See term_json.h. Iterative: terms come from other nodes.
 */
#include "admin/term_json.h"

#include <string.h>

#include "base/check.h"
#include "term/build.h"
#include "term/text.h"
#include "term/utf8.h"

enum { DEPTH_MOST = 64 };

/* A container whose elements are still to come. */
struct frame {
    json_t *into;
    bool is_list;
    struct cnode_list list;
    struct cnode_term next; /* of a tuple or map */
    uint32_t left;
};

struct stack {
    struct frame frames[DEPTH_MOST];
    unsigned depth;
};

/* --- what is no container */

static json_t *text_of(struct cnode_term term)
{
    const char *text;
    size_t len;
    struct buf buf;
    json_t *value;

    if ((cnode_get_atom(term, &text, &len) ||
         cnode_get_bytes(term, &text, &len)) &&
        utf8_count(text, len) >= 0) {
        return json_stringn(text, len);
    }
    buf_init(&buf, 0);
    term_print(&buf, term, 0);
    value = json_stringn((const char *)buf_data(&buf), buf_size(&buf));
    buf_fini(&buf);
    return value;
}

static json_t *leaf(struct cnode_term term)
{
    int64_t integer;
    double real;
    bool truth;

    if (cnode_get_int(term, &integer)) {
        return json_integer(integer);
    }
    if (cnode_type(term) == CNODE_TYPE_FLOAT && cnode_get_float(term, &real)) {
        return json_real(real);
    }
    if (cnode_get_bool(term, &truth)) {
        return json_boolean(truth);
    }
    if (cnode_is_atom(term, "nil") || cnode_is_atom(term, "undefined")) {
        return json_null();
    }
    return text_of(term);
}

/* --- containers */

static struct frame *push(struct stack *stack, json_t *into)
{
    struct frame *frame = &stack->frames[stack->depth++];

    *frame = (struct frame){.into = into};
    return frame;
}

/* The value; a container is empty, and on the stack to be filled. */
static json_t *begin(struct stack *stack, struct cnode_term term)
{
    struct cnode_term first;
    struct cnode_list list;
    struct frame *frame;
    uint32_t count;

    if (stack->depth == DEPTH_MOST) {
        return text_of(term);
    }
    if (cnode_get_map(term, &count, &first)) {
        frame = push(stack, json_object());
    } else if (cnode_get_tuple(term, &count, &first)) {
        frame = push(stack, json_array());
    } else if (cnode_list(term, &list)) {
        frame = push(stack, json_array());
        frame->is_list = true;
        frame->list = list;
        return frame->into;
    } else {
        return leaf(term);
    }
    frame->left = count;
    frame->next = first;
    return frame->into;
}

static void set(json_t *object, struct cnode_term key, json_t *value)
{
    json_t *text = text_of(key);

    (void)json_object_set_new(
        object, text != NULL ? json_string_value(text) : "", value);
    json_decref(text);
}

/* One more element. False: there is none. */
static bool fill(struct stack *stack, struct frame *frame)
{
    struct cnode_term element = frame->next, key = TERM_NONE;

    if (frame->is_list) {
        if (!cnode_list_next(&frame->list, &element)) {
            return false;
        }
        (void)json_array_append_new(frame->into, begin(stack, element));
        return true;
    }
    if (frame->left == 0) {
        return false;
    }
    frame->left--;
    if (json_is_object(frame->into)) {
        key = element;
        element = cnode_next(key);
    }
    frame->next = cnode_next(element);
    if (json_is_object(frame->into)) {
        set(frame->into, key, begin(stack, element));
    } else {
        (void)json_array_append_new(frame->into, begin(stack, element));
    }
    return true;
}

json_t *term_json(struct cnode_term term)
{
    struct stack stack = {.depth = 0};
    json_t *value = begin(&stack, term);

    while (stack.depth > 0) {
        unsigned top = stack.depth - 1;

        if (!fill(&stack, &stack.frames[top])) {
            stack.depth = top;
        }
    }
    return value;
}

/* --- back: what people write on a command line, so no deeper than one object
 */

static void put_scalar(struct buf *buf, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_INTEGER:
        term_put_int(buf, json_integer_value(value));
        break;
    case JSON_REAL:
        term_put_float(buf, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        term_put_atom(buf, json_is_true(value) ? A_true : A_false);
        break;
    case JSON_STRING:
        term_put_binary(buf, json_string_value(value),
                        json_string_length(value));
        break;
    default:
        term_format(buf, "nil");
        break;
    }
}

void term_put_json(struct buf *buf, const json_t *value)
{
    json_t *object = (json_t *)(uintptr_t)value, *element;
    const char *key;

    if (!json_is_object(value)) {
        put_scalar(buf, value);
        return;
    }
    term_put_map(buf, (uint32_t)json_object_size(value));
    json_object_foreach(object, key, element)
    {
        term_put_binary(buf, key, strlen(key));
        put_scalar(buf, element);
    }
}

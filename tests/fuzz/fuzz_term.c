/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a term, and as text: the validator says the same in one go and
 * in slices; what it lets through is read, printed, matched, made canonical and
 * read again without a read outside (the sanitizer watches) or a contradiction
 * (which aborts).
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "term/build.h"
#include "term/canonical.h"
#include "term/growing.h"
#include "term/map_keys.h"
#include "term/records.h"
#include "term/text.h"
#include "term/validate.h"

enum { DEPTH = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes arrive seven by seven, and each step may check two terms. */
static int validate_slowly(const uint8_t *data, size_t len, size_t *size)
{
    struct validator v;
    size_t there = 0;
    int rc;

    validator_init(&v, DEPTH);
    do {
        size_t before = v.at;
        rc = validator_step(&v, data, there, 2);
        if (rc == 0 && v.at == before) {
            if (there == len) {
                rc = CNODE_TRUNCATED;
            }
            there = len - there < 7 ? len : there + 7;
        }
    } while (rc == 0);
    *size = v.at;
    validator_fini(&v);
    if (rc == 1 && v.has_maps) {
        return term_check_keys(data, *size);
    }
    return rc == 1 ? 0 : rc;
}

/* The same as a term that comes in fragments. */
static int validate_growing(const uint8_t *data, size_t len, size_t *size)
{
    struct growing growing;
    size_t there = 0;
    int rc;

    growing_init(&growing, DEPTH);
    while ((rc = growing_step(&growing, data, there)) == 0 && there < len) {
        there = len - there < 11 ? len : there + 11;
    }
    *size = growing_size(&growing);
    growing_fini(&growing);
    return rc == 1 ? 0 : rc == 0 ? CNODE_TRUNCATED : rc;
}

static void read_all(struct cnode_term term)
{
    struct cnode_term element, first;
    struct cnode_list list;
    struct pid pid;
    struct ref ref;
    const char *text;
    double number;
    int64_t i;
    size_t len;
    uint32_t n;

    (void)cnode_get_int(term, &i);
    (void)cnode_get_float(term, &number);
    (void)cnode_get_atom(term, &text, &len);
    (void)cnode_get_bytes(term, &text, &len);
    (void)cnode_map_get(term, "key", &element);
    (void)term_atom(term);
    (void)term_get_pid(term, &pid);
    (void)term_get_ref(term, &ref);
    (void)term_get_node(term, &text, &len);
    (void)term_get_cons(term, &element, &first);
    if (cnode_get_tuple(term, &n, &element)) {
        for (; n > 0; n--) {
            (void)cnode_type(element);
            element = cnode_next(element);
        }
    }
    if (cnode_list(term, &list)) {
        while (cnode_list_next(&list, &element)) {
            (void)cnode_get_int(element, &i);
        }
    }
    (void)cnode_match(term, "{~t, [~t | ~t], ~i}", &first, &element, &first,
                      &i);
    (void)cnode_match(term, "[~i, {a} | ~t]", &i, &element);
    (void)cnode_match(term, "{'$gen_call', {~t, _}, ~a}", &first, &text, &len);
}

static void make_canonical(struct cnode_term term)
{
    struct buf once, twice;
    size_t size;

    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (term_put_canonical(&once, term) == 0) {
        struct cnode_term form = term_at(buf_data(&once), buf_size(&once));
        CHECK(term_validate(form.at, buf_size(&once), UINT32_MAX, &size) == 0);
        CHECK(size == buf_size(&once));
        CHECK(term_is_canonical(term) == term_same_bytes(term, form) ||
              !term_is_canonical(term)); /* it may not see that deep */
        CHECK(term_put_canonical(&twice, form) == 0);
        CHECK(
            term_same_bytes(form, term_at(buf_data(&twice), buf_size(&twice))));
    }
    buf_fini(&once);
    buf_fini(&twice);
}

static void make_older(struct cnode_term term)
{
    struct buf older;

    buf_init(&older, 0);
    if (term_put_without_records(&older, term) == 0) {
        struct cnode_term made = term_at(buf_data(&older), buf_size(&older));
        CHECK(!term_has_records(made));
        CHECK(cnode_term_size(made) == buf_size(&older));
        CHECK(term_has_records(term) || term_same_bytes(term, made));
    } else {
        CHECK(term_has_records(term));
    }
    buf_fini(&older);
}

static void print(struct cnode_term term)
{
    struct buf text, again;
    size_t where;
    const char *what;

    buf_init(&text, 0);
    buf_init(&again, 0);
    term_print(&text, term, 50);
    CHECK(buf_size(&text) <= 53);
    buf_clear(&text);
    term_print(&text, term, 0);
    /* identifiers have no syntax, so it may fail; it may not misread */
    (void)!term_parse(&again, (const char *)buf_data(&text), buf_size(&text),
                      false, &where, &what);
    buf_fini(&text);
    buf_fini(&again);
}

static void as_bytes(const uint8_t *data, size_t len)
{
    size_t size, slow_size;
    int rc = term_validate(data, len, DEPTH, &size);
    int growing_rc = validate_growing(data, len, &slow_size);

    /* In pieces a key that is there twice is found before what comes later. */
    CHECK(growing_rc == rc || (rc < 0 && growing_rc == CNODE_MALFORMED));
    CHECK(rc != 0 || size == slow_size);
    CHECK(validate_slowly(data, len, &slow_size) == rc);
    if (rc == 0) {
        struct cnode_term term = term_at(data, len);
        CHECK(size == slow_size);
        CHECK(size <= len);
        CHECK(cnode_term_size(term) == size);
        read_all(term);
        make_canonical(term);
        make_older(term);
        print(term);
    }
}

static void as_text(const char *text, size_t len)
{
    const char *what = NULL;
    struct buf buf;
    size_t where = 0, size;

    if (len > 4096) {
        return; /* long integers cost the square of their digits */
    }
    buf_init(&buf, 0);
    if (term_parse(&buf, text, len, len % 2 == 0, &where, &what) == 0) {
        CHECK(term_validate(buf_data(&buf), buf_size(&buf), UINT32_MAX,
                            &size) == 0);
        CHECK(size == buf_size(&buf));
        make_canonical(term_at(buf_data(&buf), size));
        print(term_at(buf_data(&buf), size));
    } else {
        CHECK(where <= len && what != NULL && buf_size(&buf) == 0);
    }
    buf_fini(&buf);
}

/* A pattern without directives, against itself as a term. */
static void as_pattern(const char *text, size_t len)
{
    char *pattern;
    struct buf buf;
    size_t where;
    const char *what;

    if (len > 4096 || memchr(text, '~', len) != NULL ||
        memchr(text, '\0', len) != NULL) {
        return;
    }
    pattern = mem_alloc(len + 1);
    memcpy(pattern, text, len);
    pattern[len] = '\0';
    buf_init(&buf, 0);
    if (term_parse(&buf, text, len, false, &where, &what) != 0) {
        term_put_nil(&buf);
    }
    (void)cnode_match(term_at(buf_data(&buf), buf_size(&buf)), pattern);
    buf_fini(&buf);
    mem_free(pattern);
}

static void no_log(const char *line, size_t len, void *user)
{
    (void)line;
    (void)len;
    (void)user;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    log_capture(no_log, NULL);
    atom_init();
    as_bytes(data, size);
    as_text((const char *)data, size);
    as_pattern((const char *)data, size);
    return 0;
}

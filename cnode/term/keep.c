/* SPDX-License-Identifier: Apache-2.0
 *
 * Terms that outlive the message they came in, and terms that plugins build:
 * the public face of term/build.h and term/canonical.h.
 */
#include <string.h>

#include <cnode/term.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "term/build.h"
#include "term/canonical.h"
#include "term/validate.h"

/* -- kept ------------------------------------------------------------------ */

struct cnode_kept {
    size_t size;
    uint8_t bytes[];
};

static struct cnode_kept *kept_new(const uint8_t *bytes, size_t size)
{
    struct cnode_kept *kept = mem_try(sizeof(*kept) + size);

    if (kept != NULL) {
        kept->size = size;
        memcpy(kept->bytes, bytes, size);
    }
    return kept;
}

struct cnode_kept *cnode_term_copy(struct cnode_term term)
{
    return term_is_none(term) ? NULL : kept_new(term.at, cnode_term_size(term));
}

struct cnode_kept *cnode_term_canonical(struct cnode_term term)
{
    struct cnode_kept *kept = NULL;
    struct buf buf;

    if (term_is_none(term) || term_is_canonical(term)) {
        return cnode_term_copy(term);
    }
    buf_init(&buf, 0);
    if (term_put_canonical(&buf, term) == 0) {
        kept = kept_new(buf_data(&buf), buf_size(&buf));
    }
    buf_fini(&buf);
    return kept;
}

struct cnode_term cnode_kept_term(const struct cnode_kept *kept)
{
    return kept == NULL ? TERM_NONE : term_at(kept->bytes, kept->size);
}

void cnode_term_free(struct cnode_kept *kept)
{
    mem_free(kept);
}

/* -- built ----------------------------------------------------------------- */

/* The same memory as a buffer, and back. */
static struct buf to_buf(const struct cnode_build *build)
{
    return (struct buf){
        .data = build->data,
        .len = build->len,
        .cap = build->cap,
        .error = build->error,
    };
}

static void from_buf(struct cnode_build *build, const struct buf *buf)
{
    *build = (struct cnode_build){
        .data = buf->data,
        .len = buf->len,
        .cap = buf->cap,
        .error = buf->error,
    };
}

void cnode_build_init(struct cnode_build *build)
{
    *build = (struct cnode_build){.data = NULL};
}

void cnode_build_fini(struct cnode_build *build)
{
    mem_free(build->data);
    cnode_build_init(build);
}

void cnode_build_add(struct cnode_build *build, const char *format, ...)
{
    struct buf buf = to_buf(build);
    va_list args;

    va_start(args, format);
    term_vformat_all(&buf, format, args);
    va_end(args);
    from_buf(build, &buf);
}

void cnode_build_tuple(struct cnode_build *build, uint32_t n)
{
    struct buf buf = to_buf(build);

    term_put_tuple(&buf, n);
    from_buf(build, &buf);
}

void cnode_build_list(struct cnode_build *build, uint32_t n)
{
    struct buf buf = to_buf(build);

    term_put_list(&buf, n);
    from_buf(build, &buf);
}

void cnode_build_map(struct cnode_build *build, uint32_t n)
{
    struct buf buf = to_buf(build);

    term_put_map(&buf, n);
    from_buf(build, &buf);
}

struct cnode_term cnode_build_term(const struct cnode_build *build)
{
    size_t size;
    int rc;

    if (build->error != 0 || build->len == 0) {
        return TERM_NONE;
    }
    rc = term_validate(build->data, build->len, (uint32_t)limits.term_depth,
                       &size);
    return rc == 0 && size == build->len ? term_at(build->data, build->len)
                                         : TERM_NONE;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Erlang terms, read in place and written from a format.
 *
 * A struct cnode_term is a view: two pointers into bytes in external term
 * format that were validated when they came in. It is passed by value, costs
 * nothing, and is dead when the callback it was given to returns; keep one with
 * cnode_term_copy().
 *
 * Reading functions return bool: false when the term has another type or does
 * not fit; the out-parameter is then untouched.
 *
 * Formats look like Erlang terms with ~ directives:
 *
 *     ~i  int64_t             ~u  uint64_t          ~f  double
 *     ~a  atom: const char *  ~s  binary from a const char * (NUL terminated)
 *     ~b  binary: const void *, size_t
 *     ~t  any term: struct cnode_term
 *
 *     cnode_reply(w, "{ok, #{count => ~i, name => ~b}}", n, name, name_len);
 *
 * and in patterns the same letters take pointers (int64_t *, uint64_t *,
 * double *; ~a and ~b: const char ** and size_t *; ~t: struct cnode_term *).
 * ~b matches binaries, ~a atoms, neither NUL terminated; `_` matches anything.
 * [] matches the empty list, [~i, ~i] a list of two, [~t | _] any list that is
 * not empty. Since a view cannot start in the middle of a list, another tail
 * than _ matches only behind the last element, as in [alias | ~t]: walk lists
 * with cnode_list(). Patterns for maps are not supported: use cnode_map_get().
 * Integers in patterns are those that fit int64_t or uint64_t.
 *
 * Atoms are written as in Erlang, quoted when they need it ('$gen_call', 'Up');
 * names of Elixir modules do not (Elixir.MyPool). "text" is a list of
 * characters, <<"text">> and <<"Grüß"/utf8>> are binaries.
 *
 * What no BEAM takes is refused where it is written (CNODE_EINVALID): a map
 * that has a key twice, a float that is not finite, an atom of more than 255
 * characters. Containers nest at most limits.term_depth deep (1000000), in
 * large maps are at most limits.map_pairs pairs (1000000).
 */
#ifndef CNODE_TERM_H
#define CNODE_TERM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cnode/error.h>

struct cnode_term {
    const uint8_t *at;  /* the tag byte */
    const uint8_t *end; /* end of the bytes that hold the term (or beyond it) */
};

enum cnode_type {
    CNODE_TYPE_NONE, /* no term: at == NULL */
    CNODE_TYPE_INT,  /* of any size */
    CNODE_TYPE_FLOAT,
    CNODE_TYPE_ATOM,
    CNODE_TYPE_TUPLE,
    CNODE_TYPE_NIL,
    CNODE_TYPE_LIST, /* not empty; also strings, which are lists of bytes */
    CNODE_TYPE_BINARY,
    CNODE_TYPE_BITSTRING,
    CNODE_TYPE_MAP,
    CNODE_TYPE_PID,
    CNODE_TYPE_PORT,
    CNODE_TYPE_REF,
    CNODE_TYPE_FUN,    /* both kinds */
    CNODE_TYPE_RECORD, /* native record, OTP 29 */
};

CNODE_API enum cnode_type cnode_type(struct cnode_term term);

CNODE_API bool cnode_is_atom(struct cnode_term term, const char *name);
CNODE_API bool cnode_get_int(struct cnode_term term, int64_t *value);
CNODE_API bool cnode_get_uint(struct cnode_term term, uint64_t *value);
CNODE_API bool cnode_get_float(struct cnode_term term, double *value);
/* The UTF-8 text of an atom; not NUL terminated. */
CNODE_API bool cnode_get_atom(struct cnode_term term, const char **text,
                              size_t *len);
/* The bytes of a binary, in place. */
CNODE_API bool cnode_get_bytes(struct cnode_term term, const char **bytes,
                               size_t *len);
CNODE_API bool cnode_get_bool(struct cnode_term term, bool *value);

/* Number of elements; `first` may be NULL. Elements are walked with
 * cnode_next(). */
CNODE_API bool cnode_get_tuple(struct cnode_term term, uint32_t *arity,
                               struct cnode_term *first);
CNODE_API bool cnode_get_map(struct cnode_term term, uint32_t *pairs,
                             struct cnode_term *first_key);
CNODE_API bool cnode_map_get(struct cnode_term term, const char *atom_key,
                             struct cnode_term *value);
/* The term that follows this one in its container. Behind the last byte of all
 * it is no term: at == NULL. */
CNODE_API struct cnode_term cnode_next(struct cnode_term term);

/* Walks any proper list, strings included:
 *
 *     struct cnode_list list;
 *     struct cnode_term element;
 *     if (cnode_list(term, &list)) {
 *         while (cnode_list_next(&list, &element)) { ... }
 *     }
 *
 * false when the term is not a proper list. */
struct cnode_list {
    struct cnode_term next;
    uint32_t left;
    bool is_string;
};
CNODE_API bool cnode_list(struct cnode_term term, struct cnode_list *list);
CNODE_API bool cnode_list_next(struct cnode_list *list,
                               struct cnode_term *element);

/* Bytes of the encoded term (no version byte). */
CNODE_API size_t cnode_term_size(struct cnode_term term);

/* Matches against a pattern; nothing is stored unless all of it matches. A
 * pattern that is itself wrong never matches and is logged as an error. */
CNODE_API bool cnode_match(struct cnode_term term, const char *pattern, ...);

/* A term to keep: a copy of the bytes in one allocation. NULL when there is not
 * enough memory. Free with cnode_term_free() (NULL is fine). */
struct cnode_kept;
CNODE_API struct cnode_kept *cnode_term_copy(struct cnode_term term);
CNODE_API struct cnode_term cnode_kept_term(const struct cnode_kept *kept);
CNODE_API void cnode_term_free(struct cnode_kept *kept);

/* The same value has one canonical form: after cnode_term_canonical() two equal
 * terms (=:=) have equal bytes, so that memcmp and any hash of bytes serve for
 * keys. NULL when there is not enough memory. */
CNODE_API struct cnode_kept *cnode_term_canonical(struct cnode_term term);

/* A term built piece by piece. Errors are sticky and show up at the end. */
struct cnode_build {
    uint8_t *data;
    size_t len, cap;
    int error;
};
CNODE_API void cnode_build_init(struct cnode_build *build);
CNODE_API void cnode_build_fini(struct cnode_build *build);
/* Appends one term (or several, separated by commas). */
CNODE_API void cnode_build_add(struct cnode_build *build, const char *format,
                               ...);
/* Opens a container; exactly that many elements (map: pairs) must follow. A
 * list is ended by one more term, its tail: usually "[]". n = 0 for a list
 * writes nothing: add "[]" alone. */
CNODE_API void cnode_build_tuple(struct cnode_build *build, uint32_t n);
CNODE_API void cnode_build_list(struct cnode_build *build, uint32_t n);
CNODE_API void cnode_build_map(struct cnode_build *build, uint32_t n);
/* The finished term: valid until the next change. at == NULL after an error,
 * when what was built is not exactly one term, has a map with a key twice, or
 * is beyond a limit (depth, see above). */
CNODE_API struct cnode_term cnode_build_term(const struct cnode_build *build);

#endif

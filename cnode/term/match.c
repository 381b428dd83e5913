/* SPDX-License-Identifier: Apache-2.0
 *
 * The matcher walks pattern and term side by side: both name the same things in
 * the same order, so that two cursors and a small stack of open containers are
 * enough. What directives ask for is kept until all of the pattern matched.
 *
 * Lists need care: one may be 107 (a string of bytes) or 108, and the tail of a
 * 108 may be a further list. A LEVEL_STRING serves its bytes as small integers;
 * at the end of a 108 its tail is entered when the pattern wants more elements.
 */
#include "term/match.h"

#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "term/lex.h"
#include "term/tag.h"
#include "term/utf8.h"

enum match_result { WRONG = -1, NO = 0, YES = 1, OPENED = 2 };

enum level_kind {
    LEVEL_TUPLE,
    LEVEL_LIST,
    LEVEL_STRING, /* `next` is behind it already */
    LEVEL_TAIL,   /* behind the | of a pattern, a term of the wire */
    LEVEL_REST,   /* the same, but `next` is behind it already */
};

struct match_level {
    enum level_kind kind;
    uint32_t left;        /* elements the term still has */
    const uint8_t *bytes; /* LEVEL_STRING: the next one */
};

struct capture {
    void *out;
    size_t *out_len; /* ~a ~b */
    size_t len;
    size_t size; /* of the value */
    union {
        int64_t i;
        uint64_t u;
        double f;
        const char *text;
        struct cnode_term term;
        atom_t atom;
        struct pid pid;
        struct ref ref;
    } value;
};

struct matcher {
    const char *at, *end;  /* of the pattern */
    struct cnode_term now; /* the term to match next */
    const uint8_t *next;   /* what follows on the wire */
    va_list args;
    unsigned depth, captured;
    struct match_level levels[MATCH_MAX_DEPTH];
    struct capture captures[MATCH_MAX_DIRECTIVES];
};

static enum match_result match_all(struct matcher *m);
static enum match_result match_term(struct matcher *m);
static enum match_result after_term(struct matcher *m);
static enum match_result match_scalar(struct matcher *m, char c);

bool term_vmatch(struct cnode_term term, const char *pattern, va_list args)
{
    struct matcher m;
    enum match_result result;

    if (term_is_none(term)) {
        return false;
    }
    m.at = pattern;
    m.end = pattern + strlen(pattern);
    m.now = term;
    m.next = term.at;
    m.depth = m.captured = 0;
    va_copy(m.args, args);
    result = match_all(&m);
    va_end(m.args);
    if (result == WRONG) {
        LOG_ERROR("wrong_pattern", F_STR("pattern", pattern),
                  F_INT("offset", m.at - pattern));
    }
    if (result != YES) {
        return false;
    }
    for (unsigned i = 0; i < m.captured; i++) {
        struct capture *capture = &m.captures[i];
        memcpy(capture->out, &capture->value, capture->size);
        if (capture->out_len != NULL) {
            *capture->out_len = capture->len;
        }
    }
    return true;
}

bool term_match(struct cnode_term term, const char *pattern, ...)
{
    va_list args;
    bool matched;

    va_start(args, pattern);
    matched = term_vmatch(term, pattern, args);
    va_end(args);
    return matched;
}

bool cnode_match(struct cnode_term term, const char *pattern, ...)
{
    va_list args;
    bool matched;

    va_start(args, pattern);
    matched = term_vmatch(term, pattern, args);
    va_end(args);
    return matched;
}

static char peek(struct matcher *m)
{
    m->at = lex_space(m->at, m->end);
    return (char)(m->at < m->end ? *m->at : '\0');
}

static enum match_result match_all(struct matcher *m)
{
    enum match_result result;

    for (;;) {
        result = match_term(m);
        while (result == YES) {
            if (m->depth == 0) {
                return peek(m) == '\0' ? YES : WRONG;
            }
            result = after_term(m);
        }
        if (result != OPENED) {
            return result;
        }
    }
}

/* -- containers ------------------------------------------------------------ */

static struct match_level *open_level(struct matcher *m, enum level_kind kind,
                                      uint32_t left)
{
    struct match_level *level;

    if (m->depth == MATCH_MAX_DEPTH) {
        return NULL;
    }
    level = &m->levels[m->depth++];
    level->kind = kind;
    level->left = left;
    return level;
}

/* A whole term was matched: what follows is behind it. */
static enum match_result advance(struct matcher *m)
{
    if (m->depth > 0) {
        enum level_kind kind = m->levels[m->depth - 1].kind;
        if (kind != LEVEL_STRING && kind != LEVEL_REST) {
            m->next = term_skip(m->now.at);
        }
    }
    return YES;
}

/* Makes a level stand at the front of a 107 or 108. */
static bool enter_list(struct matcher *m, struct match_level *level,
                       const uint8_t *at)
{
    if (*at == TAG_STRING) {
        level->kind = LEVEL_STRING;
        level->left = get_u16(at + 1);
        level->bytes = at + 3;
        m->next = level->bytes + level->left;
        return true;
    }
    if (*at == TAG_LIST) {
        level->kind = LEVEL_LIST;
        level->left = get_u32(at + 1);
        m->next = at + 5;
        return true;
    }
    return false;
}

/* The pattern has another element: OPENED if the term has one too. */
static enum match_result next_element(struct matcher *m,
                                      struct match_level *level)
{
    if (level->left == 0 &&
        (level->kind != LEVEL_LIST || !enter_list(m, level, m->next))) {
        return NO;
    }
    level->left--;
    if (level->kind == LEVEL_STRING) {
        m->now = term_small_int(*level->bytes++);
    } else {
        m->now.at = m->next;
    }
    return OPENED;
}

static enum match_result open_tuple(struct matcher *m)
{
    struct match_level *level;
    uint32_t arity;

    if (!cnode_get_tuple(m->now, &arity, NULL)) {
        return NO;
    }
    m->at++;
    if (peek(m) == '}') {
        m->at++;
        return arity == 0 ? advance(m) : NO;
    }
    level = open_level(m, LEVEL_TUPLE, arity);
    if (level == NULL) {
        return WRONG;
    }
    m->next = m->now.at + (*m->now.at == TAG_TUPLE8 ? 2 : 5);
    return next_element(m, level);
}

static enum match_result open_list(struct matcher *m)
{
    struct match_level *level;

    m->at++;
    if (peek(m) == ']') {
        m->at++;
        return *m->now.at == TAG_NIL ? advance(m) : NO;
    }
    level = open_level(m, LEVEL_LIST, 0);
    if (level == NULL) {
        return WRONG;
    }
    return enter_list(m, level, m->now.at) ? next_element(m, level) : NO;
}

/* Behind a "|". What is left of a list is no term of its own unless all its
 * elements were matched: only _ can stand for it. */
static enum match_result enter_tail(struct matcher *m,
                                    struct match_level *level)
{
    if (level->left == 0 && level->kind == LEVEL_LIST) {
        m->now.at = m->next;
        level->kind = LEVEL_TAIL;
        return OPENED;
    }
    if (level->left == 0) {
        m->now = term_nil();
        level->kind = LEVEL_REST;
        return OPENED;
    }
    if (peek(m) != '_') {
        return NO;
    }
    m->at++;
    if (level->kind == LEVEL_LIST) {
        for (; level->left > 0; level->left--) {
            m->next = term_skip(m->next);
        }
        m->next = term_skip(m->next); /* its tail */
    }
    level->kind = LEVEL_REST;
    return YES;
}

static enum match_result close_tuple(struct matcher *m,
                                     const struct match_level *level)
{
    if (level->kind != LEVEL_TUPLE) {
        return WRONG;
    }
    m->depth--;
    return level->left == 0 ? YES : NO;
}

static enum match_result close_list(struct matcher *m,
                                    const struct match_level *level)
{
    m->depth--;
    switch (level->kind) {
    case LEVEL_TUPLE:
        return WRONG;
    case LEVEL_LIST:
        return level->left == 0 && *m->next++ == TAG_NIL ? YES : NO;
    case LEVEL_STRING:
        return level->left == 0 ? YES : NO;
    default:
        return YES;
    }
}

static enum match_result after_term(struct matcher *m)
{
    struct match_level *level = &m->levels[m->depth - 1];
    char c = peek(m);

    m->at++;
    switch (c) {
    case ',':
        return level->kind <= LEVEL_STRING ? next_element(m, level) : WRONG;
    case '|':
        return level->kind == LEVEL_LIST || level->kind == LEVEL_STRING
                   ? enter_tail(m, level)
                   : WRONG;
    case '}':
        return close_tuple(m, level);
    case ']':
        return close_list(m, level);
    default:
        m->at--;
        return WRONG;
    }
}

static enum match_result match_term(struct matcher *m)
{
    char c = peek(m);
    enum match_result result;

    switch (c) {
    case '{':
        return open_tuple(m);
    case '[':
        return open_list(m);
    default:
        result = match_scalar(m, c);
        return result == YES ? advance(m) : result;
    }
}

/* -- directives ------------------------------------------------------------ */

/* Reads `now` as what the letter asks for; false when it is something else. */
static bool read_value(struct cnode_term now, char letter,
                       struct capture *capture)
{
    switch (letter) {
    case 'i':
        capture->size = sizeof(int64_t);
        return cnode_get_int(now, &capture->value.i);
    case 'u':
        capture->size = sizeof(uint64_t);
        return cnode_get_uint(now, &capture->value.u);
    case 'f':
        capture->size = sizeof(double);
        return cnode_get_float(now, &capture->value.f);
    case 'a':
        capture->size = sizeof(const char *);
        return cnode_get_atom(now, &capture->value.text, &capture->len);
    case 'b':
        capture->size = sizeof(const char *);
        return cnode_get_bytes(now, &capture->value.text, &capture->len);
    case 't':
        capture->size = sizeof(struct cnode_term);
        capture->value.term = now;
        return true;
    case 'A':
        capture->size = sizeof(atom_t);
        capture->value.atom = term_atom(now);
        return cnode_type(now) == CNODE_TYPE_ATOM;
    case 'p':
        capture->size = sizeof(struct pid);
        return term_get_pid(now, &capture->value.pid);
    default:
        capture->size = sizeof(struct ref);
        return term_get_ref(now, &capture->value.ref);
    }
}

static enum match_result match_directive(struct matcher *m)
{
    struct capture *capture = &m->captures[m->captured];
    char letter = (char)(m->end - m->at > 1 ? m->at[1] : '\0');

    if (m->captured == MATCH_MAX_DIRECTIVES || letter == '\0' ||
        strchr("iufabtApr", letter) == NULL) {
        return WRONG;
    }
    m->at += 2;
    m->captured++;
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): by term_vmatch */
    capture->out = va_arg(m->args, void *);
    capture->out_len = NULL;
    if (letter == 'a' || letter == 'b') {
        capture->out_len = va_arg(m->args, size_t *);
    }
    return read_value(m->now, letter, capture) ? YES : NO;
}

/* -- literals -------------------------------------------------------------- */

static enum match_result match_word(struct matcher *m)
{
    const char *word = m->at;
    size_t len;

    m->at = lex_word(word, m->end);
    len = (size_t)(m->at - word);
    if (len == 1 && *word == '_') {
        return YES;
    }
    if (len == 0 || lex_is_variable(word, len)) {
        m->at = word;
        return WRONG;
    }
    return term_has_text(m->now, word, len) ? YES : NO;
}

static enum match_result match_quoted_atom(struct matcher *m)
{
    uint8_t text[ATOM_MAX_BYTES + UTF8_MAX_BYTES];
    size_t len = 0;

    m->at++;
    while (m->at < m->end && *m->at != '\'') {
        uint32_t point;
        size_t n = lex_char(m->at, m->end, &point);
        if (n == 0 || len > ATOM_MAX_BYTES) {
            return WRONG;
        }
        m->at += n;
        len += utf8_put(text + len, point);
    }
    if (m->at == m->end) {
        return WRONG;
    }
    m->at++;
    return term_has_text(m->now, (const char *)text, len) ? YES : NO;
}

static enum match_result match_number(struct matcher *m)
{
    struct lex_number number;
    const char *what;
    const char *end = lex_number(m->at, m->end, &number, &what);
    struct term_big big;
    uint64_t magnitude = 0;
    double value;

    if (end == NULL || number.kind == LEX_BIG) {
        return WRONG; /* patterns go up to 64 bits */
    }
    m->at = end;
    if (number.kind == LEX_FLOAT) {
        return cnode_get_float(m->now, &value) && value == number.value ? YES
                                                                        : NO;
    }
    if (!term_get_big(m->now, &big) || big.len > 8) {
        return NO;
    }
    for (size_t i = big.len; i > 0; i--) {
        magnitude = magnitude << 8 | big.bytes[i - 1];
    }
    return magnitude == number.magnitude &&
                   big.is_negative == (number.is_negative && magnitude > 0)
               ? YES
               : NO;
}

/* "text": a list of its characters. */
static enum match_result match_string(struct matcher *m)
{
    struct cnode_list list;
    struct cnode_term element;
    bool is_equal = cnode_list(m->now, &list);

    for (m->at++; m->at < m->end && *m->at != '"';) {
        uint32_t point;
        int64_t value;
        size_t n = lex_char(m->at, m->end, &point);
        if (n == 0) {
            return WRONG;
        }
        m->at += n;
        is_equal = is_equal && cnode_list_next(&list, &element) &&
                   cnode_get_int(element, &value) && value == point;
    }
    if (m->at == m->end) {
        return WRONG;
    }
    m->at++;
    return is_equal && !cnode_list_next(&list, &element) ? YES : NO;
}

/* The characters between the quotes from `at` are these bytes. */
static bool is_text(const char *at, const char *end, bool is_utf8,
                    const char *bytes, size_t len)
{
    uint8_t encoded[UTF8_MAX_BYTES];
    uint32_t point;
    size_t used = 0;

    while (at < end) {
        size_t n;
        at += lex_char(at, end, &point);
        n = is_utf8 ? utf8_put(encoded, point) : 1;
        if (!is_utf8) {
            encoded[0] = (uint8_t)point;
        }
        if (len - used < n || memcmp(bytes + used, encoded, n) != 0) {
            return false;
        }
        used += n;
    }
    return used == len;
}

/* <<>>, <<"text">> or <<"text"/utf8>>. */
static enum match_result match_binary(struct matcher *m)
{
    const char *from, *to, *bytes = NULL;
    bool is_utf8;
    uint32_t point;
    size_t len = 0;
    bool is_binary = cnode_get_bytes(m->now, &bytes, &len);

    if (m->end - m->at < 4 || m->at[1] != '<') {
        return WRONG;
    }
    m->at += 2;
    if (*m->at == '>' && m->at[1] == '>') {
        m->at += 2;
        return is_binary && len == 0 ? YES : NO;
    }
    if (*m->at != '"') {
        return WRONG;
    }
    from = to = m->at + 1;
    while (to < m->end && *to != '"') {
        size_t n = lex_char(to, m->end, &point);
        if (n == 0) {
            return WRONG;
        }
        to += n;
    }
    m->at = to < m->end ? to + 1 : to;
    is_utf8 = m->end - m->at > 5 && memcmp(m->at, "/utf8", 5) == 0;
    m->at += is_utf8 ? 5 : 0;
    if (m->end - m->at < 2 || memcmp(m->at, ">>", 2) != 0) {
        return WRONG;
    }
    m->at += 2;
    return is_binary && is_text(from, to, is_utf8, bytes, len) ? YES : NO;
}

static enum match_result match_scalar(struct matcher *m, char c)
{
    switch (c) {
    case '~':
        return match_directive(m);
    case '\'':
        return match_quoted_atom(m);
    case '"':
        return match_string(m);
    case '<':
        return match_binary(m);
    case '-':
    case '+':
    case '$':
        return match_number(m);
    default:
        return lex_is_word_start(c)   ? match_word(m)
               : c >= '0' && c <= '9' ? match_number(m)
                                      : WRONG;
    }
}

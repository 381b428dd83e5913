/* SPDX-License-Identifier: Apache-2.0
 *
 * See dead_letters.h. A row is written once, when the letter comes:
 *
 *     #{at => Ms, pool => Pool, ref => {ref, Module, Id} | nil,
 *       kind => call | cast | info, reason => Reason, message => Text}
 */
#include "pool/dead_letters.h"

#include <string.h>

#include "base/mem.h"
#include "term/build.h"
#include "term/text.h"

void dead_letters_init(struct dead_letters *letters, uint32_t most)
{
    *letters = (struct dead_letters){.most = most};
}

void dead_letters_fini(struct dead_letters *letters)
{
    for (uint32_t i = 0; letters->ring != NULL && i < letters->most; i++) {
        mem_free(letters->ring[i]);
    }
    mem_free(letters->ring);
    *letters = (struct dead_letters){.most = letters->most};
}

/* --- a row */

static void put_text(struct buf *row, struct cnode_term term, size_t most)
{
    struct buf text;

    buf_init(&text, 0);
    term_print(&text, term, most);
    term_put_binary(row, buf_data(&text), buf_size(&text));
    buf_fini(&text);
}

/* The term itself unless it is large. */
static void put_term(struct buf *row, struct cnode_term term)
{
    if (term_is_none(term)) {
        term_format(row, "nil");
    } else if (cnode_term_size(term) <= DEAD_LETTER_TERM) {
        term_put_copy(row, term);
    } else {
        put_text(row, term, DEAD_LETTER_TERM);
    }
}

static void put_ref(struct buf *row, const struct dead_letter_facts *facts)
{
    if (term_is_none(facts->id)) {
        term_format(row, "nil");
        return;
    }
    term_put_tuple(row, 3);
    term_put_atom(row, A_ref);
    term_put_atom(row, facts->module);
    put_term(row, facts->id);
}

static void put_row(struct buf *row, const struct dead_letter_facts *facts)
{
    static const char *const kinds[] = {
        [GEN_INFO] = "info", [GEN_CALL] = "call", [GEN_CAST] = "cast"};

    term_put_map(row, 6);
    term_format(row, "at");
    term_put_uint(row, facts->at_ms);
    term_format(row, "pool");
    term_put_atom(row, facts->pool);
    term_format(row, "ref");
    put_ref(row, facts);
    term_format(row, "kind");
    term_format(row, "~a", kinds[facts->kind]);
    term_format(row, "reason");
    put_term(row, facts->reason);
    term_format(row, "message");
    put_text(row, facts->message, DEAD_LETTER_MESSAGE);
}

/* --- the ring */

static struct dead_letter *letter_new(const struct dead_letter_facts *facts)
{
    struct dead_letter *letter = NULL;
    struct buf row;

    buf_init(&row, 0);
    put_row(&row, facts);
    if (buf_error(&row) == 0) {
        letter = mem_try(sizeof(*letter) + buf_size(&row));
    }
    if (letter != NULL) {
        letter->at_ms = facts->at_ms;
        letter->size = (uint32_t)buf_size(&row);
        memcpy(letter->bytes, buf_data(&row), buf_size(&row));
    }
    buf_fini(&row);
    return letter;
}

bool dead_letters_add(struct dead_letters *letters,
                      const struct dead_letter_facts *facts)
{
    struct dead_letter *letter;
    bool has_room = letters->count < letters->most;

    letters->total++;
    if (letters->most == 0) {
        return false;
    }
    if (letters->ring == NULL) {
        letters->ring =
            mem_zalloc(letters->most * sizeof(struct dead_letter *));
    }
    letter = letter_new(facts);
    if (letter == NULL) {
        return false;
    }
    mem_free(letters->ring[letters->next]);
    letters->ring[letters->next] = letter;
    letters->next = (letters->next + 1) % letters->most;
    letters->count += has_room;
    return has_room;
}

const struct dead_letter *dead_letters_at(const struct dead_letters *letters,
                                          uint32_t number)
{
    uint32_t most = letters->most;

    return number < letters->count
               ? letters->ring[(letters->next + most - 1 - number) % most]
               : NULL;
}

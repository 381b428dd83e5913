/* SPDX-License-Identifier: Apache-2.0
 *
 * Terms as each OTP release encodes them (scripts/gen_golden.escript): decoded
 * to what its shell prints, encoded again to the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ei.h>

#include "support/term/terms.h"
#include "term/build.h"
#include "term/canonical.h"
#include "term/validate.h"

struct vector {
    bool is_wire; /* else an old encoding */
    struct buf bytes;
    const char *text; /* NULL when it differs from run to run */
};

/* Calls `check` for each line of the file of a release. */
static void each_vector(const char *release,
                        void (*check)(const struct vector *vector))
{
    char path[512], *line = NULL;
    size_t cap = 0, lines = 0;
    FILE *file;

    snprintf(path, sizeof(path), TEST_DIR "/golden/terms-%s.txt", release);
    file = fopen(path, "r");
    assert_non_null(file);
    while (getline(&line, &cap, file) > 0) {
        struct vector vector;
        char *save = NULL, *kind = strtok_r(line, "\t\n", &save);
        char *hex = strtok_r(NULL, "\t\n", &save);
        char *text = strtok_r(NULL, "\t\n", &save);
        if (*kind == '#') {
            continue;
        }
        assert_non_null(text);
        vector.is_wire = strcmp(kind, "wire") == 0;
        vector.bytes = bytes_of_hex(hex);
        vector.text = strcmp(text, "-") == 0 ? NULL : text;
        check(&vector);
        buf_fini(&vector.bytes);
        lines++;
    }
    free(line);
    fclose(file);
    assert_true(lines > 200);
}

static void for_all_releases(void (*check)(const struct vector *vector))
{
    each_vector("25", check);
    each_vector("27", check);
    each_vector("29", check);
}

static void check_valid(const struct vector *vector)
{
    size_t size, len = buf_size(&vector->bytes);
    uint8_t *exact = malloc(len);

    memcpy(exact, buf_data(&vector->bytes), len);
    assert_int_equal(term_validate(exact, len, 100, &size), 0);
    assert_int_equal(size, len);
    assert_int_equal(cnode_term_size(term_at(exact, len)), len);
    free(exact);
}

static void what_otp_encodes_is_valid(void **state)
{
    (void)state;
    for_all_releases(check_valid);
}

static void check_text(const struct vector *vector)
{
    if (vector->text != NULL) {
        assert_term_text(term_in(&vector->bytes), vector->text);
    }
}

static void what_otp_encodes_prints_as_in_its_shell(void **state)
{
    (void)state;
    for_all_releases(check_text);
}

/* The shell's text, read by us, is what OTP sends. */
static void check_parse(const struct vector *vector)
{
    struct buf parsed, canonical;

    if (vector->text == NULL) {
        return;
    }
    if (strncmp(vector->text, "fun ", 4) == 0) {
        return;
    }
    parsed = bytes_of_text(vector->text);
    buf_init(&canonical, 0);
    assert_int_equal(term_put_canonical(&canonical, term_in(&vector->bytes)),
                     0);
    if (vector->is_wire) {
        assert_true(term_same_bytes(term_in(&parsed), term_in(&vector->bytes)));
    }
    assert_true(term_same_bytes(term_in(&parsed), term_in(&canonical)));
    buf_fini(&parsed);
    buf_fini(&canonical);
}

static void text_of_the_shell_becomes_the_bytes_of_otp(void **state)
{
    (void)state;
    for_all_releases(check_parse);
}

static bool is_map_of_many(struct cnode_term term)
{
    uint32_t pairs;

    return cnode_get_map(term, &pairs, NULL) && pairs > 1;
}

static void check_canonical(const struct vector *vector)
{
    struct cnode_term term = term_in(&vector->bytes);
    struct buf canonical;

    if (!vector->is_wire || is_map_of_many(term)) {
        return;
    }
    buf_init(&canonical, 0);
    assert_int_equal(term_put_canonical(&canonical, term), 0);
    if (*term.at != 89 && !term_same_bytes(term_in(&canonical), term)) {
        fail_msg("%s is changed", vector->text);
    }
    buf_fini(&canonical);
}

static void
what_otp_sends_is_canonical_maps_and_old_ports_excepted(void **state)
{
    (void)state;
    for_all_releases(check_canonical);
}

static void check_rebuilt(const struct vector *vector)
{
    struct cnode_term term = term_in(&vector->bytes);
    struct pid pid;
    struct ref ref;
    struct buf out;

    buf_init(&out, 0);
    if (vector->is_wire && term_get_pid(term, &pid)) {
        term_put_pid(&out, pid);
        assert_true(term_same_bytes(term_in(&out), term));
    } else if (vector->is_wire && term_get_ref(term, &ref)) {
        term_put_ref(&out, &ref);
        assert_true(term_same_bytes(term_in(&out), term));
    }
    buf_fini(&out);
}

static void identifiers_are_rebuilt_to_the_same_bytes(void **state)
{
    (void)state;
    for_all_releases(check_rebuilt);
}

/* ei before OTP 29 does not know native records. */
static void check_ei(const struct vector *vector)
{
    int index = 0;

    if (buf_data(&vector->bytes)[0] == 67) {
        return;
    }
    assert_int_equal(
        ei_skip_term((const char *)buf_data(&vector->bytes), &index), 0);
    assert_int_equal(index, buf_size(&vector->bytes));
}

static void ei_sees_terms_of_the_same_size(void **state)
{
    (void)state;
    for_all_releases(check_ei);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_otp_encodes_is_valid),
        cmocka_unit_test(what_otp_encodes_prints_as_in_its_shell),
        cmocka_unit_test(text_of_the_shell_becomes_the_bytes_of_otp),
        cmocka_unit_test(
            what_otp_sends_is_canonical_maps_and_old_ports_excepted),
        cmocka_unit_test(identifiers_are_rebuilt_to_the_same_bytes),
        cmocka_unit_test(ei_sees_terms_of_the_same_size),
    };

    atom_init();
    if (atom_intern("nonode@nohost", 13) == ATOM_NONE) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

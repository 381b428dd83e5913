/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of operators without the network: arguments, requests, and how
 * answers are shown, also those that nobody should trust.
 */
#include "admin/operate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/table.h"
#include "admin/term_json.h"
#include "base/mem.h"
#include "term/build.h"
#include "term/text.h"
#include <cnode/error.h>

static struct operation op;
static struct cli cli;
static struct buf out, error, terms[4];
static const char *words[4];
static char shown[8192];

static int setup(void **state)
{
    (void)state;
    memset(&op, 0, sizeof(op));
    memset(&cli, 0, sizeof(cli));
    buf_init(&out, 0);
    buf_init(&error, 0);
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        buf_init(&terms[i], 0);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    operate_fini(&op);
    buf_fini(&out);
    buf_fini(&error);
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        buf_fini(&terms[i]);
    }
    return 0;
}

static const char *text_of(struct buf *buf)
{
    (void)snprintf(shown, sizeof(shown), "%.*s", (int)buf_size(buf),
                   (const char *)buf_data(buf));
    buf_clear(buf);
    return shown;
}

static int read_words(enum cli_command command, const char *pool,
                      const char *path, const char *value)
{
    operate_fini(&op);
    words[0] = "c1@127.0.0.1";
    words[1] = pool;
    words[2] = path;
    words[3] = value;
    cli.command = command;
    cli.args = (struct cli_list){words, pool == NULL   ? 1u
                                        : path == NULL ? 2u
                                                       : 4u};
    return operate_read(&op, &cli, &error);
}

static const char *request(enum cli_command command, const char *pool,
                           const char *path, const char *value)
{
    assert_int_equal(read_words(command, pool, path, value), 0);
    buf_clear(&terms[0]);
    operate_put_request(&op, &terms[0]);
    assert_int_equal(buf_error(&terms[0]), 0);
    term_print(&out, term_at(buf_data(&terms[0]), buf_size(&terms[0])), 0);
    return text_of(&out);
}

static struct cnode_term term(size_t number, const char *text)
{
    const char *expected;
    size_t where;

    buf_clear(&terms[number]);
    assert_int_equal(
        term_parse(&terms[number], text, strlen(text), true, &where, &expected),
        0);
    return term_at(buf_data(&terms[number]), buf_size(&terms[number]));
}

/* What is printed of one answer; errors behind "2: ". */
static const char *answer(const char *text)
{
    struct cnode_term one = term(0, text);
    int code = operate_show(&op, &one, 1, &out, &error);

    assert_int_equal(code,
                     buf_size(&error) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED);
    return text_of(buf_size(&error) == 0 ? &out : &error);
}

/* --- requests */

static void each_command_is_one_request(void **state)
{
    (void)state;
    assert_string_equal(request(CLI_STATUS, NULL, NULL, NULL), "status");
    assert_string_equal(request(CLI_PEERS, NULL, NULL, NULL), "peers");
    assert_string_equal(request(CLI_POOLS, NULL, NULL, NULL), "pools");
    assert_string_equal(request(CLI_POOLS, "Elixir.P", NULL, NULL),
                        "{pool,'Elixir.P'}");
    assert_string_equal(request(CLI_COUNT, "p", NULL, NULL), "{count,p}");
    assert_string_equal(request(CLI_LOCK, NULL, NULL, NULL), "lock");
    assert_string_equal(request(CLI_RELEASE, "p", NULL, NULL), "{release,p}");
    assert_string_equal(request(CLI_OFFLINE, "p", NULL, NULL), "{offline,p}");
    assert_string_equal(request(CLI_HEALTH, NULL, NULL, NULL), "health_text");
    cli.wants_rebuild = cli.wants_json = true;
    assert_string_equal(request(CLI_HEALTH, NULL, NULL, NULL),
                        "{health,#{rebuild => true}}");
}

static void a_value_is_json_or_a_text(void **state)
{
    (void)state;
    assert_string_equal(request(CLI_SET, "p", "worker.max", "5000"),
                        "{set,p,<<\"worker.max\">>,5000}");
    assert_string_equal(request(CLI_SET, "p", "worker.max", "null"),
                        "{set,p,<<\"worker.max\">>,nil}");
    assert_string_equal(request(CLI_SET, "p", "worker.idle_timeout", "15m"),
                        "{set,p,<<\"worker.idle_timeout\">>,<<\"15m\">>}");
    assert_string_equal(request(CLI_SET, "p", "worker.target", "{\"low\": 1}"),
                        "{set,p,<<\"worker.target\">>,#{<<\"low\">> => 1}}");
}

static void pages_are_asked_for_until_there_are_enough_rows(void **state)
{
    const char *page = "{ok, #{workers => [a, b, c], next => <<1>>, total => "
                       "9}}";

    (void)state;
    cli.limit = "5";
    assert_string_equal(request(CLI_WORKERS, "p", NULL, NULL),
                        "{workers,p,#{limit => 5}}");
    assert_int_equal(operate_rows(&op, term(1, page)), 3);
    assert_true(operate_has_next(&op, term(1, page), 3));
    buf_clear(&terms[0]);
    operate_put_request(&op, &terms[0]);
    term_print(&out, term_at(buf_data(&terms[0]), buf_size(&terms[0])), 0);
    assert_string_equal(text_of(&out),
                        "{workers,p,#{limit => 2,'after' => <<1>>}}");
    assert_false(operate_has_next(&op, term(1, page), 5));
    assert_false(operate_has_next(
        &op, term(1, "{ok, #{workers => [], next => nil}}"), 3));
    assert_false(operate_has_next(&op, term(1, "{error, x}"), 3));
    cli.limit = "all";
    assert_string_equal(request(CLI_WORKERS, "p", NULL, NULL),
                        "{workers,p,#{limit => 1000}}");
}

static void mistakes_in_arguments_are_told(void **state)
{
    (void)state;
    cli.limit = "0";
    assert_int_equal(read_words(CLI_WORKERS, "p", NULL, NULL), CNODE_EINVALID);
    assert_string_equal(text_of(&error), "cnode: --limit: expected a number of "
                                         "1 and more, or all, got 0\n");
    cli.limit = "12x";
    assert_int_equal(read_words(CLI_WORKERS, "p", NULL, NULL), CNODE_EINVALID);
    buf_clear(&error);
    cli.limit = NULL;
    cli.timeout = "x";
    assert_int_equal(read_words(CLI_STATUS, NULL, NULL, NULL), CNODE_EINVALID);
    assert_non_null(strstr(text_of(&error), "--timeout"));
}

/* --- answers */

static void rows_are_a_table(void **state)
{
    (void)state;
    assert_int_equal(read_words(CLI_WORKERS, "p", NULL, NULL), 0);
    assert_string_equal(
        answer("{ok, #{workers => [#{ref => {ref, m, {a, 1}}, pid => nil, "
               "status => restarting, segment => 3, queue => 12, idle_ms => "
               "61500}, #{ref => {ref, m, <<\"x\">>}}], next => nil, total => "
               "7}}"),
        "ID     PID  STATUS      SUPERVISOR  SEGMENT  QUEUE   IDLE\n"
        "{a,1}  -    restarting  -                 3     12  1m01s\n"
        "x      -    -           -                 -      -      -\n"
        "2 of 7 workers\n");
}

static void counts_leave_out_what_is_empty(void **state)
{
    (void)state;
    assert_int_equal(read_words(CLI_COUNT, "p", NULL, NULL), 0);
    assert_string_equal(
        answer("{ok, #{total => 3, supervisors => [{s, 0}], segments => [{0, "
               "3}, {1, 0}, {2, 0}]}}"),
        "total  3\nsupervisor s  0\nsegment 0  3\n"
        "2 segments without a worker\n");
}

static void programs_get_json(void **state)
{
    (void)state;
    cli.wants_json = true;
    assert_int_equal(read_words(CLI_POOLS, NULL, NULL, NULL), 0);
    assert_string_equal(
        answer("{ok, [#{pool => 'Elixir.P', max => nil, health => 7.5, ok => "
               "true, big => 123456789012345678901234567890, t => {1, [2]}, "
               "{k} => <<\"v\">>, raw => <<255>>}]}"),
        "[{\"pool\":\"Elixir.P\",\"max\":null,\"health\":7.5,\"ok\":true,"
        "\"big\":\"123456789012345678901234567890\",\"t\":[1,[2]],"
        "\"{k}\":\"v\",\"raw\":\"<<255>>\"}]\n");
    assert_string_equal(answer("ok"), "\"ok\"\n");
}

static void pages_are_joined_for_programs(void **state)
{
    struct cnode_term pages[2];

    (void)state;
    cli.wants_json = true;
    assert_int_equal(read_words(CLI_WORKERS, "p", NULL, NULL), 0);
    pages[0] = term(0, "{ok, #{workers => [1], next => <<\"a\">>}}");
    pages[1] = term(1, "{ok, #{workers => [2, 3], next => nil}}");
    assert_int_equal(operate_show(&op, pages, 2, &out, &error), EXIT_CODE_OK);
    assert_string_equal(text_of(&out), "{\"workers\":[1,2,3],\"next\":null}\n");
}

static void errors_are_one_line(void **state)
{
    (void)state;
    assert_int_equal(read_words(CLI_COUNT, "Demo", NULL, NULL), 0);
    assert_string_equal(answer("{error, unknown_pool}"),
                        "cnode: c1@127.0.0.1: it has no pool Demo (a module "
                        "of Elixir is written Elixir.Demo)\n");
    assert_string_equal(answer("{error, {unknown_request, x}}"),
                        "cnode: c1@127.0.0.1: it does not know this request "
                        "(another version?)\n");
    assert_string_equal(answer("{error, already_locked}"),
                        "cnode: c1@127.0.0.1: already_locked\n");
    assert_string_equal(answer("[what]"),
                        "cnode: c1@127.0.0.1: it answers [what]\n");
}

/* Whoever answers may be anybody. */
static void answers_of_another_form_do_no_harm(void **state)
{
    static const char *const odd[] = {
        "{ok, x}",
        "{ok, []}",
        "{ok, [1|2]}",
        "{ok, #{workers => x, total => -1, letters => [[]]}}",
        "{ok, #{workers => [x, {}, #{ref => {ref}, queue => <<>>}]}}",
        "{ok, #{total => [], supervisors => [{1}, x], segments => #{}}}",
        "{ok, <<27, 91, 50, 74, 10, 155, 127>>}",
    };
    const int commands[] = {CLI_STATUS, CLI_POOLS,       CLI_WORKERS,
                            CLI_COUNT,  CLI_PEERS,       CLI_HEALTH,
                            CLI_LOCK,   CLI_DEADLETTERS, CLI_GET};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        for (size_t k = 0; k < ARRAY_LEN(odd); k++) {
            enum cli_command command = (enum cli_command)commands[i];

            cli.wants_json = false;
            assert_int_equal(read_words(command, "p", NULL, NULL), 0);
            assert_null(strchr(answer(odd[k]), 27));
            cli.wants_json = true;
            assert_null(strchr(answer(odd[k]), 27));
        }
    }
}

static void what_nests_too_deep_is_a_text(void **state)
{
    char deep[401];
    json_t *value;

    (void)state;
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    deep[400] = '\0';
    value = term_json(term(0, deep));
    assert_true(json_is_array(value));
    json_decref(value);
}

static void cells_are_for_people(void **state)
{
    static const struct column columns[] = {
        {"bytes", "b", CELL_BYTES},  {"more", "m", CELL_BYTES},
        {"date", "d", CELL_DATE},    {"time", "t", CELL_MS},
        {"long", "l", CELL_MS},      {"health", "h", CELL_NUMBER},
        {"window", "w", CELL_WINDOW}};

    (void)state;
    table_put_pairs(&out, columns, ARRAY_LEN(columns),
                    term(0, "#{b => 1023, m => 1610612736, d => 1795167285123, "
                            "t => 1500, l => 180000000, h => 7.98765, "
                            "w => {1, 2, 3}}"));
    assert_string_equal(text_of(&out), "bytes   1023 B\n"
                                       "more    1.5 GiB\n"
                                       "date    2026-11-20T09:34:45.123Z\n"
                                       "time    1.5s\n"
                                       "long    2d02h\n"
                                       "health  7.99\n"
                                       "window  1/2/3\n");
}

static int start(void **state)
{
    (void)state;
    atom_init();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_command_is_one_request),
        TEST(a_value_is_json_or_a_text),
        TEST(pages_are_asked_for_until_there_are_enough_rows),
        TEST(mistakes_in_arguments_are_told),
        TEST(rows_are_a_table),
        TEST(counts_leave_out_what_is_empty),
        TEST(programs_get_json),
        TEST(pages_are_joined_for_programs),
        TEST(errors_are_one_line),
        TEST(answers_of_another_form_do_no_harm),
        TEST(what_nests_too_deep_is_a_text),
        TEST(cells_are_for_people),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/functions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>

#include "support/node/fake_peer.h"
#include "support/node/recorder.h"
#include "term/text.h"

enum { SCHEDULERS = 3 };

struct fixture {
    struct node node;
    struct functions functions;
    struct fake_peer peer;
    struct recorder all[SCHEDULERS]; /* one on each scheduler */
    struct buf args, text;
    unsigned done;
};

static bool has_module(void *owner, atom_t module, bool *is_supervisor)
{
    (void)owner;
    *is_supervisor = true;
    return module == A_WorkerSupervisor;
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fake_node_open_with(&f.node, SCHEDULERS);
    f.node.has_module = has_module;
    functions_init(&f.functions, &f.node);
    fake_peer_open(&f.peer, &f.node, "p1@there");
    for (uint32_t i = 0; i < SCHEDULERS; i++) {
        recorder_open(&f.all[i], f.node.all[i]);
    }
    buf_init(&f.args, 0);
    buf_init(&f.text, 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    buf_fini(&f->args);
    buf_fini(&f->text);
    for (uint32_t i = 0; i < SCHEDULERS; i++) {
        recorder_close(&f->all[i]);
    }
    fake_peer_close(&f->peer);
    fake_node_close(&f->node);
    return 0;
}

static void on_done(void *owner, const struct function_result *result)
{
    static const char *const classes[] = {
        [FUNCTION_RETURN] = "",
        [FUNCTION_ERROR] = "error:",
        [FUNCTION_EXIT] = "exit:",
        [FUNCTION_THROW] = "throw:",
    };
    struct fixture *f = owner;

    f->done++;
    if (result != NULL) {
        buf_printf(&f->text, "%s", classes[result->class]);
        term_print(&f->text, result->term, 0);
    }
}

static struct cnode_term atom_of(struct buf *buf, const char *name)
{
    buf_clear(buf);
    term_put_atom_text(buf, name, strlen(name));
    return term_at(buf_data(buf), buf_size(buf));
}

/* What Module:Name gives: its text, with the class in front unless it returned;
 * "undef". Arguments as Erlang text; ~p is the recorder of that number. */
static const char *call_of(struct fixture *f, const char *module,
                           const char *name, const char *args, unsigned which)
{
    struct buf m, n;
    bool is_known;

    buf_init(&m, 0);
    buf_init(&n, 0);
    buf_clear(&f->args);
    buf_clear(&f->text);
    term_format(&f->args, args, recorder_pid(&f->all[which]),
                recorder_pid(&f->all[which]));
    assert_int_equal(buf_error(&f->args), 0);
    f->done = 0;
    is_known = functions_call(
        &f->functions, atom_of(&m, module), atom_of(&n, name),
        term_at(buf_data(&f->args), buf_size(&f->args)), on_done, f);
    buf_fini(&m);
    buf_fini(&n);
    fake_node_settle(&f->node);
    assert_int_equal(f->done, is_known);
    buf_put_u8(&f->text, 0);
    return is_known ? (const char *)buf_data(&f->text) : "undef";
}

static const char *call(struct fixture *f, const char *module, const char *name,
                        const char *args)
{
    return call_of(f, module, name, args, 0);
}

static void what_is_not_in_the_list_is_undef(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(call(f, "erlang", "halt", "[]"), "undef");
    assert_string_equal(call(f, "os", "cmd", "[\"id\"]"), "undef");
    assert_string_equal(call(f, "erlang", "node", "[1]"), "undef");
    assert_string_equal(call(f, "lists", "module_info", "[]"), "undef");
    assert_string_equal(call(f, "observer_backend", "procs_info", "[~p]"),
                        "undef"); /* to be spawned only */
}

static void node_and_nodes(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(call(f, "erlang", "node", "[]"), "n1@here");
    assert_string_equal(call(f, "erlang", "nodes", "[]"), "[p1@there]");
    assert_string_equal(call(f, "erlang", "nodes", "[hidden]"), "[]");
    assert_string_equal(call(f, "erlang", "nodes", "[[this, connected]]"),
                        "[n1@here,p1@there]");
    assert_string_equal(call(f, "erlang", "nodes", "[some]"), "error:badarg");
    assert_string_equal(call(f, "erlang", "nodes", "[[this | x]]"),
                        "error:badarg");
}

static void names_of_all_schedulers(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(names_register(f->node.all[2], A_rex, &f->all[2].process),
                     0);
    assert_string_equal(call(f, "erlang", "registered", "[]"), "[rex]");
    assert_string_equal(call(f, "erlang", "whereis", "[rex]"), "<n1@here.1.2>");
    assert_string_equal(call(f, "erlang", "whereis", "[user]"), "undefined");
    assert_string_equal(call(f, "erlang", "whereis", "['never heard of it']"),
                        "undefined");
    assert_string_equal(call(f, "erlang", "whereis", "[1]"), "error:badarg");
}

static void processes_are_those_of_all_schedulers(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(call(f, "erlang", "processes", "[]"),
                        "[<n1@here.1.0>,<n1@here.1.1>,<n1@here.1.2>]");
    assert_string_equal(call(f, "erlang", "system_info", "[process_count]"),
                        "3");
    assert_string_equal(call(f, "erlang", "system_info", "[schedulers]"), "3");
}

static void a_process_is_asked_on_its_scheduler(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < SCHEDULERS; i++) {
        assert_string_equal(
            call_of(f, "erlang", "process_info", "[~p, message_queue_len]", i),
            "{message_queue_len,0}");
        assert_string_equal(call_of(f, "erlang", "is_process_alive", "[~p]", i),
                            "true");
        assert_non_null(strstr(call_of(f, "sys", "get_status", "[~p, 200]", i),
                               "{status,<n1@here.1."));
        assert_string_equal(call_of(f, "sys", "get_state", "[~p]", i),
                            "recorder");
        assert_string_equal(
            call_of(f, "proc_lib", "translate_initial_call", "[~p]", i),
            "{cnode,init,1}");
    }
    assert_string_equal(call(f, "erlang", "process_info", "[~p, colour]"),
                        "error:badarg");
    assert_string_equal(call(f, "erlang", "process_info", "[x, status]"),
                        "error:badarg");
}

static void a_dead_process_is_undefined(void **state)
{
    struct fixture *f = *state;
    struct recorder *last = &f->all[2];
    struct pid pid = recorder_pid(last);

    node_exit(last->node, &last->process, atom_term(A_normal));
    last->ended = true;
    (void)pid;
    assert_string_equal(call_of(f, "erlang", "process_info", "[~p, status]", 2),
                        "undefined");
    assert_string_equal(call_of(f, "erlang", "is_process_alive", "[~p]", 2),
                        "false");
    assert_string_equal(call_of(f, "sys", "get_status", "[~p]", 2),
                        "exit:{noproc,{sys,get_status,[<n1@here.1.2>]}}");
    assert_string_equal(call(f, "sys", "get_state", "[nobody]"),
                        "exit:{noproc,{sys,get_state,[nobody]}}");
}

static void a_process_of_another_node_is_badarg(void **state)
{
    struct fixture *f = *state;
    struct pid pid = {.node = atom_find("p1@there", 8), .id = 5, .creation = 3};
    struct buf m, n;

    buf_init(&m, 0);
    buf_init(&n, 0);
    buf_clear(&f->text);
    term_format(&f->args, "[~p]", pid);
    assert_true(functions_call(
        &f->functions, atom_of(&m, "erlang"), atom_of(&n, "process_info"),
        term_at(buf_data(&f->args), buf_size(&f->args)), on_done, f));
    fake_node_settle(&f->node);
    buf_put_u8(&f->text, 0);
    assert_string_equal((const char *)buf_data(&f->text), "error:badarg");
    buf_fini(&m);
    buf_fini(&n);
}

static void memory_and_statistics_have_their_shapes(void **state)
{
    struct fixture *f = *state;

    assert_memory_equal(call(f, "erlang", "memory", "[]"), "[{total,", 8);
    assert_memory_equal(call(f, "erlang", "memory", "[[ets, binary]]"),
                        "[{ets,0},{binary,0}]", 20);
    assert_string_equal(call(f, "erlang", "memory", "[ets]"), "0");
    assert_string_equal(call(f, "erlang", "memory", "[[ets, x]]"),
                        "error:badarg");
    assert_string_equal(call(f, "erlang", "statistics", "[run_queue]"), "0");
    assert_string_equal(call(f, "erlang", "statistics", "[run_queue_lengths]"),
                        "[0,0,0]");
    assert_memory_equal(call(f, "erlang", "statistics", "[io]"), "{{input,", 8);
    assert_memory_equal(
        call(f, "erlang", "statistics", "[scheduler_wall_time]"), "[{1,", 4);
    assert_string_equal(call(f, "erlang", "statistics", "[x]"), "error:badarg");
}

/* The second call gives what was handled since the first. */
static void reductions_count_messages_since_last_time(void **state)
{
    struct fixture *f = *state;
    const char *text;

    (void)call(f, "erlang", "statistics", "[reductions]");
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        fake_peer_send(&f->peer, "hello", "{22, ~p, ~p}",
                       (struct pid){.node = f->peer.peer->name, .creation = 3},
                       recorder_pid(&f->all[i]));
    }
    fake_node_settle(&f->node);
    text = call(f, "erlang", "statistics", "[reductions]");
    assert_non_null(strstr(text, ",3}"));
}

/* Each row of the table of system_info gives one term. */
static void system_info_has_every_item(void **state)
{
    static const char *const items[] = {
        "[alloc_util_allocators]",
        "[allocator]",
        "[atom_count]",
        "[atom_limit]",
        "[c_compiler_used]",
        "[compat_rel]",
        "[creation]",
        "[dirty_cpu_schedulers]",
        "[dist_buf_busy_limit]",
        "[end_time]",
        "[ets_limit]",
        "[kernel_poll]",
        "[logical_processors]",
        "[logical_processors_available]",
        "[logical_processors_online]",
        "[machine]",
        "[multi_scheduling]",
        "[otp_release]",
        "[process_limit]",
        "[scheduler_bindings]",
        "[start_time]",
        "[system_architecture]",
        "[system_version]",
        "[version]",
        "[wordsize]",
        "[{wordsize, internal}]",
        "[{allocator_sizes, [libc_malloc]}]",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        const char *text = call(f, "erlang", "system_info", items[i]);

        assert_true(strlen(text) > 0);
        assert_null(strstr(text, "error:"));
    }
    assert_string_equal(
        call(f, "erlang", "system_info", "[scheduler_bindings]"),
        "{unbound,unbound,unbound}");
    assert_string_equal(call(f, "erlang", "system_info", "[colour]"),
                        "error:badarg");
    assert_string_equal(call(f, "erlang", "system_info", "[{wordsize, x}]"),
                        "error:badarg");
}

static void modules_say_what_they_have(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(call(f, "rex", "module_info", "[attributes]"),
                        "[{behaviour,[gen_server]}]");
    assert_string_equal(call(f, "Elixir.Noizu.AdvancedPool.WorkerSupervisor",
                             "module_info", "[attributes]"),
                        "[{behaviour,[supervisor]}]");
    assert_non_null(strstr(call(f, "proc_lib", "module_info", "[exports]"),
                           "{translate_initial_call,1}"));
    assert_non_null(
        strstr(call(f, "proc_lib", "module_info", "[]"), "{module,proc_lib}"));
    assert_string_equal(call(f, "proc_lib", "module_info", "[x]"),
                        "error:badarg");
    assert_string_equal(call(f, "proc_lib", "module_info", "[x, y]"), "undef");
    assert_string_equal(
        call(f, "erlang", "function_exported", "[erlang, node, 0]"), "true");
    assert_string_equal(call(f, "erlang", "function_exported",
                             "[observer_backend, procs_info, 1]"),
                        "true");
    assert_string_equal(
        call(f, "erlang", "function_exported", "[erlang, halt, 0]"), "false");
    assert_string_equal(
        call(f, "erlang", "function_exported", "[erlang, halt, -1]"),
        "error:badarg");
    assert_string_equal(call(f, "code", "ensure_loaded", "[observer_backend]"),
                        "{module,observer_backend}");
    assert_string_equal(call(f, "code", "ensure_loaded", "[rb]"),
                        "{error,nofile}");
}

static void what_observer_asks_for(void **state)
{
    struct fixture *f = *state;
    const char *info = call(f, "observer_backend", "sys_info", "[]");

    assert_memory_equal(info, "[{uptime,", 9);
    assert_non_null(strstr(info, "{process_count,3}"));
    assert_non_null(strstr(info, "{total,"));
    assert_string_equal(
        call(f, "observer_backend", "get_table_list", "[ets, []]"), "[]");
    assert_string_equal(
        call(f, "observer_backend", "get_table_list", "[mnesia, []]"),
        "throw:{error,\"Mnesia is not running on: n1@here\"}");
    assert_string_equal(
        call(f, "observer_backend", "get_table_list", "[x, []]"),
        "error:badarg");
}

/* Each function of the list is named in docs/protocol.md. */
static void every_function_is_documented(void **state)
{
    FILE *file = fopen(TEST_DIR "/../docs/protocol.md", "r");
    static char text[1 << 17];
    char name[128];
    size_t size;

    (void)state;
    assert_non_null(file);
    size = fread(text, 1, sizeof(text) - 1, file);
    text[size] = 0;
    (void)fclose(file);
    for (size_t i = 0; i < function_count; i++) {
        const struct function *function = &function_table[i];

        (void)snprintf(name, sizeof(name), "`%s:%s/%u`", function->module,
                       function->name, function->arity);
        if (strstr(text, name) == NULL) {
            fail_msg("docs/protocol.md does not say %s", name);
        }
    }
}

/* Whoever waits is told nothing, but freed. */
static void the_end_of_the_node_ends_calls(void **state)
{
    struct fixture *f = *state;
    struct buf m, n;

    buf_init(&m, 0);
    buf_init(&n, 0);
    term_format(&f->args, "[~p]", recorder_pid(&f->all[2]));
    assert_true(functions_call(
        &f->functions, atom_of(&m, "erlang"), atom_of(&n, "process_info"),
        term_at(buf_data(&f->args), buf_size(&f->args)), on_done, f));
    assert_int_equal(f->done, 0); /* it is on its way */
    buf_fini(&m);
    buf_fini(&n);
} /* closing the node runs it with NULL: nothing leaks */

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_in_the_list_is_undef),
        TEST(node_and_nodes),
        TEST(names_of_all_schedulers),
        TEST(processes_are_those_of_all_schedulers),
        TEST(a_process_is_asked_on_its_scheduler),
        TEST(a_dead_process_is_undefined),
        TEST(a_process_of_another_node_is_badarg),
        TEST(memory_and_statistics_have_their_shapes),
        TEST(reductions_count_messages_since_last_time),
        TEST(system_info_has_every_item),
        TEST(modules_say_what_they_have),
        TEST(what_observer_asks_for),
        TEST(every_function_is_documented),
        TEST(the_end_of_the_node_ends_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

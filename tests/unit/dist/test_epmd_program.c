/* SPDX-License-Identifier: Apache-2.0 */
#include "dist/epmd_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

struct fixture {
    char dir[64], file[80], search[256];
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    *state = f;
    strcpy(f->dir, "/tmp/test_epmd_program_XXXXXX");
    if (mkdtemp(f->dir) == NULL) {
        return -1;
    }
    (void)snprintf(f->file, sizeof(f->file), "%s/epmd", f->dir);
    (void)snprintf(f->search, sizeof(f->search),
                   ":/no/such/folder::%s:/usr/bin", f->dir);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)unlink(f->file);
    (void)rmdir(f->file);
    (void)rmdir(f->dir);
    mem_free(f);
    return 0;
}

static void make_file(const char *path, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void first_program_of_the_search_path_is_taken(void **state)
{
    struct fixture *f = *state;
    char *path;

    make_file(f->file, 0755);
    path = epmd_program_find(f->search);
    assert_non_null(path);
    assert_string_equal(path, f->file);
    mem_free(path);
}

static void file_that_is_not_executable_is_passed_over(void **state)
{
    struct fixture *f = *state;
    char *path;

    make_file(f->file, 0644);
    path = epmd_program_find(f->search);
    assert_true(path == NULL || strcmp(path, f->file) != 0);
    mem_free(path);
}

static void folder_of_that_name_is_passed_over(void **state)
{
    struct fixture *f = *state;
    char *path;

    assert_int_equal(mkdir(f->file, 0755), 0);
    path = epmd_program_find(f->search);
    assert_true(path == NULL || strcmp(path, f->file) != 0);
    mem_free(path);
}

static void without_a_search_path_only_an_installed_erlang_counts(void **state)
{
    char *path = epmd_program_find(NULL);

    (void)state;
    if (path != NULL) {
        assert_non_null(strstr(path, "erlang"));
    }
    mem_free(path);
    path = epmd_program_find("");
    if (path != NULL) {
        assert_non_null(strstr(path, "erlang"));
    }
    mem_free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_program_of_the_search_path_is_taken),
        TEST(file_that_is_not_executable_is_passed_over),
        TEST(folder_of_that_name_is_passed_over),
        TEST(without_a_search_path_only_an_installed_erlang_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

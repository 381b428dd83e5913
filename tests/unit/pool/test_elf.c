/* SPDX-License-Identifier: Apache-2.0
 *
 * A shared object cut short anywhere is refused before it is mapped.
 */
#include "pool/elf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "pool/plugin.h"

static char whole[] = TEST_BEHAVIOUR_DIR "/counter.so";

/* The first `size` bytes of a file, in a file of their own. */
static void copy_start(const char *from, char path[32], size_t size)
{
    int in = open(from, O_RDONLY);
    uint8_t *bytes = malloc(size + 1); /* size may be 0 */
    int out;

    (void)snprintf(path, 32, "/tmp/cnode-test-XXXXXX");
    out = mkstemp(path);
    assert_true(in >= 0 && out >= 0);
    assert_int_equal(read(in, bytes, size), (ssize_t)size);
    assert_int_equal(write(out, bytes, size), (ssize_t)size);
    free(bytes);
    close(in);
    close(out);
}

static void a_whole_file_passes(void **state)
{
    struct buf why;

    (void)state;
    buf_init(&why, 0);
    assert_int_equal(elf_check(whole, &why), 0);
    assert_int_equal(elf_check("/nowhere.so", &why), 0);
    assert_int_equal(elf_check("/", &why), 0);
    assert_int_equal(elf_check("/dev/null", &why), 0);
    assert_int_equal(buf_size(&why), 0);
    buf_fini(&why);
}

static void a_file_cut_short_is_refused(void **state)
{
    static const size_t sizes[] = {0, 10, 64, 100, 300, 4096, 5000, 12000};
    struct stat status;

    (void)state;
    assert_int_equal(stat(whole, &status), 0);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct behaviours none = {0};
        struct buf why;
        char path[32];

        assert_true(sizes[i] < (size_t)status.st_size);
        buf_init(&why, 0);
        copy_start(whole, path, sizes[i]);
        if (sizes[i] >= 64) {
            assert_int_equal(elf_check(path, &why), CNODE_PLUGIN);
        }
        buf_clear(&why);
        assert_int_equal(behaviours_load(&none, path, &why), CNODE_PLUGIN);
        buf_put_u8(&why, 0);
        assert_non_null(strstr((char *)buf_data(&why), path));
        assert_int_equal(unlink(path), 0);
        buf_fini(&why);
        behaviours_fini(&none);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_passes),
        cmocka_unit_test(a_file_cut_short_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

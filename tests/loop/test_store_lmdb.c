/* SPDX-License-Identifier: Apache-2.0
 *
 * A store in a folder: what it holds after it was closed, filled up, locked,
 * cut short.
 */
#include "storage/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <cnode/error.h>

#include "storage/store_backend.h"

struct folder {
    const struct store_backend *backend;
    char path[64], file[96], lock[96], mdb_lock[96];
    struct store *store;
};

struct wait {
    struct store_op op;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool is_done;
};

static int setup(void **state)
{
    static struct folder folder;

    folder = (struct folder){.backend = store_backend_find("lmdb")};
    if (folder.backend == NULL) {
        printf("left out: this build has no LMDB\n");
    }
    (void)snprintf(folder.path, sizeof(folder.path), "/tmp/cnode-lmdb-XXXXXX");
    *state = &folder;
    if (mkdtemp(folder.path) == NULL) {
        return -1;
    }
    (void)snprintf(folder.file, sizeof(folder.file), "%s/data.mdb",
                   folder.path);
    (void)snprintf(folder.lock, sizeof(folder.lock), "%s/cnode.lock",
                   folder.path);
    (void)snprintf(folder.mdb_lock, sizeof(folder.mdb_lock), "%s/lock.mdb",
                   folder.path);
    return 0;
}

static int teardown(void **state)
{
    struct folder *folder = *state;

    store_close(folder->store);
    unlink(folder->file);
    unlink(folder->lock);
    unlink(folder->mdb_lock);
    return rmdir(folder->path);
}

static int open_store(struct folder *folder, struct store **store,
                      struct buf *why)
{
    struct store_config config = {.name = "test",
                                  .path = folder->path,
                                  .max_bytes = 1 << 20,
                                  .sync = true,
                                  .queue = 1000};

    return store_open(store, folder->backend, &config, why);
}

static void open_again(struct folder *folder)
{
    struct buf why;

    buf_init(&why, 0);
    store_close(folder->store);
    folder->store = NULL;
    assert_int_equal(open_store(folder, &folder->store, &why), 0);
    buf_fini(&why);
}

static void on_done(struct store_op *op)
{
    struct wait *wait = CONTAINER_OF(op, struct wait, op);

    pthread_mutex_lock(&wait->lock);
    wait->is_done = true;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->lock);
}

/* One operation; what it found is in `found`. */
static int run(struct folder *folder, enum store_kind kind, const char *key,
               const void *value, size_t size, struct buf *found)
{
    struct wait wait = {.is_done = false};
    int rc;

    pthread_mutex_init(&wait.lock, NULL);
    pthread_cond_init(&wait.cond, NULL);
    store_op_init(&wait.op, kind, on_done);
    buf_put(&wait.op.key, key, strlen(key));
    if (kind == STORE_PUT) {
        buf_put(store_op_value(&wait.op), value, size);
    }
    assert_int_equal(store_submit(folder->store, &wait.op), 0);
    pthread_mutex_lock(&wait.lock);
    while (!wait.is_done) {
        pthread_cond_wait(&wait.cond, &wait.lock);
    }
    pthread_mutex_unlock(&wait.lock);
    rc = wait.op.rc;
    if (found != NULL) {
        buf_put(found, buf_data(&wait.op.value), buf_size(&wait.op.value));
    }
    store_op_fini(&wait.op);
    return rc;
}

static void assert_value(struct folder *folder, const char *key,
                         const char *value)
{
    struct buf found;

    buf_init(&found, 0);
    assert_int_equal(run(folder, STORE_GET, key, NULL, 0, &found), 0);
    assert_int_equal(buf_size(&found), strlen(value));
    assert_memory_equal(buf_data(&found), value, strlen(value));
    buf_fini(&found);
}

/* --- tests */

static void values_outlive_it(void **state)
{
    static char key[4000];
    struct folder *folder = *state;

    if (folder->backend == NULL) {
        return;
    }
    memset(key, 'k', sizeof(key) - 1);
    open_again(folder);
    assert_int_equal(run(folder, STORE_PUT, "a", "one", 3, NULL), 0);
    assert_int_equal(run(folder, STORE_PUT, "b", "two", 3, NULL), 0);
    assert_int_equal(run(folder, STORE_PUT, key, "long", 4, NULL), 0);
    assert_int_equal(run(folder, STORE_DELETE, "b", NULL, 0, NULL), 0);
    assert_int_equal(run(folder, STORE_DELETE, "c", NULL, 0, NULL), 0);
    open_again(folder);
    assert_value(folder, "a", "one");
    assert_value(folder, key, "long");
    assert_int_equal(run(folder, STORE_GET, "b", NULL, 0, NULL),
                     CNODE_NOT_FOUND);
}

static void full_is_an_error_and_goes_away(void **state)
{
    static char bytes[300000];
    struct folder *folder = *state;
    char key[] = "a";

    if (folder->backend == NULL) {
        return;
    }
    open_again(folder);
    assert_int_equal(run(folder, STORE_PUT, "first", "v", 1, NULL), 0);
    while (run(folder, STORE_PUT, key, bytes, sizeof(bytes), NULL) == 0) {
        assert_true(key[0]++ < 'f');
    }
    assert_int_equal(run(folder, STORE_PUT, key, bytes, sizeof(bytes), NULL),
                     CNODE_STORE_FULL);
    assert_true(store_is_failing(folder->store));
    assert_value(folder, "first", "v");
    assert_int_equal(run(folder, STORE_DELETE, "a", NULL, 0, NULL), 0);
    assert_int_equal(run(folder, STORE_PUT, "small", "w", 1, NULL), 0);
    assert_false(store_is_failing(folder->store));
    open_again(folder);
    assert_value(folder, "small", "w");
}

/* As far as a process can have a full disk of its own. */
static void a_full_disk_is_an_error_and_goes_away(void **state)
{
    static char bytes[100000];
    struct folder *folder = *state;
    struct rlimit before, small;
    char key[] = "a";

    if (folder->backend == NULL) {
        return;
    }
    open_again(folder);
    assert_int_equal(run(folder, STORE_PUT, "first", "v", 1, NULL), 0);
    assert_ptr_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 300000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    while (run(folder, STORE_PUT, key, bytes, sizeof(bytes), NULL) == 0) {
        assert_true(key[0]++ < 'f');
    }
    assert_int_equal(run(folder, STORE_PUT, key, bytes, sizeof(bytes), NULL),
                     CNODE_STORE_FULL);
    assert_value(folder, "first", "v");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(run(folder, STORE_PUT, key, bytes, sizeof(bytes), NULL),
                     0);
    open_again(folder);
    assert_value(folder, "first", "v");
}

static void one_at_a_time(void **state)
{
    struct folder *folder = *state;
    struct store *other = NULL;
    struct buf why;

    if (folder->backend == NULL) {
        return;
    }
    buf_init(&why, 0);
    open_again(folder);
    assert_int_equal(open_store(folder, &other, &why), CNODE_STORE_LOCKED);
    buf_put_u8(&why, 0);
    assert_non_null(strstr((char *)buf_data(&why), "another node"));
    buf_fini(&why);
}

static void a_file_that_was_cut_is_refused(void **state)
{
    struct folder *folder = *state;
    struct store *other = NULL;
    struct buf why;

    if (folder->backend == NULL) {
        return;
    }
    open_again(folder);
    assert_int_equal(run(folder, STORE_PUT, "a", "one", 3, NULL), 0);
    store_close(folder->store);
    folder->store = NULL;
    assert_int_equal(truncate(folder->file, 8192), 0);
    buf_init(&why, 0);
    assert_int_equal(open_store(folder, &other, &why), CNODE_STORE_CORRUPT);
    buf_fini(&why);
}

static void a_folder_that_cannot_be_is_refused(void **state)
{
    struct folder *folder = *state;
    struct store_config config = {.name = "test",
                                  .path = "/dev/null/store",
                                  .max_bytes = 1 << 20,
                                  .queue = 1000};
    struct store *store = NULL;
    struct buf why;

    if (folder->backend == NULL) {
        return;
    }
    buf_init(&why, 0);
    assert_int_equal(store_open(&store, folder->backend, &config, &why),
                     CNODE_STORE_FAILED);
    assert_true(buf_size(&why) > 0);
    buf_fini(&why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_outlive_it),
        TEST(full_is_an_error_and_goes_away),
        TEST(a_full_disk_is_an_error_and_goes_away),
        TEST(one_at_a_time),
        TEST(a_file_that_was_cut_is_refused),
        TEST(a_folder_that_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

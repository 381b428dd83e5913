/* SPDX-License-Identifier: Apache-2.0
 *
 * See fake_store.h.
 */
#include "support/storage/fake_store.h"

#include <string.h>

#include <cnode/error.h>

struct fake_store fake_store;

void fake_store_init(void)
{
    memset(&fake_store, 0, sizeof(fake_store));
    pthread_mutex_init(&fake_store.lock, NULL);
    pthread_cond_init(&fake_store.changed, NULL);
    for (size_t i = 0; i < FAKE_STORE_VALUES; i++) {
        buf_init(&fake_store.values[i].key, 0);
        buf_init(&fake_store.values[i].value, 0);
    }
}

void fake_store_fini(void)
{
    for (size_t i = 0; i < FAKE_STORE_VALUES; i++) {
        buf_fini(&fake_store.values[i].key);
        buf_fini(&fake_store.values[i].value);
    }
    pthread_cond_destroy(&fake_store.changed);
    pthread_mutex_destroy(&fake_store.lock);
}

struct store *fake_store_open(uint64_t queue)
{
    struct store_config config = {.name = "fake", .queue = queue};
    struct store *store = NULL;
    struct buf why;

    buf_init(&why, 0);
    CHECK(store_open(&store, &fake_store_backend, &config, &why) == 0);
    buf_fini(&why);
    return store;
}

void fake_store_set(bool *flag, bool value)
{
    pthread_mutex_lock(&fake_store.lock);
    *flag = value;
    pthread_cond_broadcast(&fake_store.changed);
    pthread_mutex_unlock(&fake_store.lock);
}

void fake_store_wait_for_run(void)
{
    pthread_mutex_lock(&fake_store.lock);
    while (!fake_store.is_waiting) {
        pthread_cond_wait(&fake_store.changed, &fake_store.lock);
    }
    pthread_mutex_unlock(&fake_store.lock);
}

struct buf *fake_store_value(uint8_t byte)
{
    struct buf *found = NULL;

    for (size_t i = 0; i < FAKE_STORE_VALUES; i++) {
        struct fake_value *one = &fake_store.values[i];

        if (buf_size(&one->key) > 0 &&
            memchr(buf_data(&one->key), byte, buf_size(&one->key)) != NULL) {
            CHECK(found == NULL);
            found = &one->value;
        }
    }
    CHECK(found != NULL);
    return found;
}

/* --- the backend */

static int fake_open(void **handle, const struct store_config *config,
                     struct buf *why)
{
    (void)config;
    (void)why;
    *handle = &fake_store;
    return 0;
}

static void fake_close(void *handle)
{
    (void)handle;
}

static int find_error(const struct store_op *op, size_t count)
{
    for (; fake_store.room != 0 && count > 0; count--, op = op->next) {
        if (op->kind == STORE_PUT && buf_size(&op->value) > fake_store.room) {
            return CNODE_STORE_FULL;
        }
    }
    return 0;
}

/* The place of a key, or a free one. */
static struct fake_value *place_of(const struct buf *key)
{
    struct fake_value *free = NULL;

    for (size_t i = 0; i < FAKE_STORE_VALUES; i++) {
        struct fake_value *one = &fake_store.values[i];

        if (buf_size(&one->key) == buf_size(key) &&
            memcmp(buf_data(&one->key), buf_data(key), buf_size(key)) == 0) {
            return one;
        }
        if (buf_size(&one->key) == 0) {
            free = one;
        }
    }
    CHECK(free != NULL);
    return free;
}

static void apply(struct store_op *op)
{
    struct fake_value *place;

    op->rc = 0;
    if (op->kind == STORE_FLUSH) {
        return;
    }
    place = place_of(store_op_key(op));
    if (op->kind == STORE_GET) {
        buf_clear(&op->value);
        buf_put(&op->value, buf_data(&place->value), buf_size(&place->value));
        op->rc = buf_size(&place->key) == 0 ? CNODE_NOT_FOUND : 0;
        return;
    }
    buf_clear(&place->key);
    buf_clear(&place->value);
    if (op->kind == STORE_PUT) {
        buf_put(&place->key, buf_data(store_op_key(op)),
                buf_size(store_op_key(op)));
        buf_put(&place->value, buf_data(&op->value), buf_size(&op->value));
    }
}

static int fake_run(void *handle, struct store_op *op, size_t count)
{
    int rc;

    (void)handle;
    pthread_mutex_lock(&fake_store.lock);
    while (fake_store.is_shut) {
        fake_store.is_waiting = true;
        pthread_cond_broadcast(&fake_store.changed);
        pthread_cond_wait(&fake_store.changed, &fake_store.lock);
    }
    fake_store.is_waiting = false;
    rc = fake_store.is_gone ? CNODE_STORE_UNREACHABLE : find_error(op, count);
    if (rc == 0 && fake_store.runs < FAKE_STORE_RUNS) {
        fake_store.sizes[fake_store.runs++] = count;
    }
    for (; rc == 0 && count > 0; count--, op = op->next) {
        apply(op);
    }
    pthread_mutex_unlock(&fake_store.lock);
    return rc;
}

const struct store_backend fake_store_backend = {
    .name = "fake", .open = fake_open, .close = fake_close, .run = fake_run};

/* SPDX-License-Identifier: Apache-2.0
 *
 * See watchdog.h. The thread sleeps for a fraction of the shortest of its two
 * times; a callback it finds running with the same number as before has run at
 * least since it was first seen.
 */
#include "runtime/watchdog.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <cnode/error.h>

enum { LOOKS_PER_BUDGET = 4, LONGEST_NAP_MS = 250, WATCHES_MAX = 64 };

struct sight {
    uint64_t runs;     /* of the callback seen; even: none */
    uint64_t since_ns; /* when it was first seen */
    bool reported;
};

struct watchdog {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping; /* under lock */
    struct watch *watches[WATCHES_MAX];
    struct sight sights[WATCHES_MAX];
    unsigned count;
    uint64_t budget_ns, limit_ns, nap_ns;
    watchdog_fn report;
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void report_to_log(const char *what, uint32_t slot, uint32_t serial,
                          uint64_t ms, bool fatal)
{
    char pid[32]; /* as the shell of this node would print it */

    (void)snprintf(pid, sizeof(pid), "<0.%" PRIu32 ".%" PRIu32 ">", slot,
                   serial);
    if (fatal) {
        LOG_ERROR("callback_over_limit", F_STR("process", what),
                  F_STR("pid", pid), F_UINT("ms", ms));
    } else {
        LOG_WARN("callback_slow", F_STR("process", what), F_STR("pid", pid),
                 F_UINT("ms", ms));
    }
}

static void look(struct watchdog *dog, unsigned i, uint64_t now)
{
    struct watch *watch = dog->watches[i];
    struct sight *sight = &dog->sights[i];
    uint64_t runs = atomic_load_explicit(&watch->runs, memory_order_relaxed);
    uint64_t pid, ran_ns;
    const char *what;
    bool fatal;

    if (runs != sight->runs) {
        *sight = (struct sight){.runs = runs, .since_ns = now};
        return;
    }
    if ((runs & 1) == 0) {
        return;
    }
    ran_ns = now - sight->since_ns;
    fatal = dog->limit_ns != 0 && ran_ns >= dog->limit_ns;
    if (!fatal &&
        (sight->reported || dog->budget_ns == 0 || ran_ns < dog->budget_ns)) {
        return;
    }
    /* acquire: pairs with watch_begin() */
    what = atomic_load_explicit(&watch->what, memory_order_acquire);
    pid = atomic_load_explicit(&watch->pid, memory_order_relaxed);
    sight->reported = true;
    METRIC_INC(callbacks_slow);
    dog->report(what != NULL ? what : "?", (uint32_t)(pid >> 32), (uint32_t)pid,
                ran_ns / 1000000, fatal);
    if (fatal) {
        abort();
    }
}

static void *watchdog_main(void *arg)
{
    struct watchdog *dog = arg;

    pthread_mutex_lock(&dog->lock);
    while (!dog->stopping) {
        uint64_t until = now_ns() + dog->nap_ns;
        struct timespec ts = {.tv_sec = (time_t)(until / 1000000000u),
                              .tv_nsec = (long)(until % 1000000000u)};

        pthread_cond_timedwait(&dog->wake, &dog->lock, &ts);
        for (unsigned i = 0; i < dog->count && !dog->stopping; i++) {
            look(dog, i, now_ns());
        }
    }
    pthread_mutex_unlock(&dog->lock);
    return NULL;
}

int watchdog_start(struct watchdog **watchdog, struct watch *const *watches,
                   unsigned count, uint64_t budget_ns, uint64_t limit_ns,
                   watchdog_fn report)
{
    uint64_t shortest = budget_ns;
    pthread_condattr_t attr;
    struct watchdog *dog;
    int rc;

    *watchdog = NULL;
    if (budget_ns == 0 && limit_ns == 0) {
        return 0;
    }
    CHECK(count <= WATCHES_MAX);
    dog = mem_zalloc(sizeof(*dog));
    for (unsigned i = 0; i < count; i++) {
        dog->watches[i] = watches[i];
    }
    if (shortest == 0 || (limit_ns != 0 && limit_ns < shortest)) {
        shortest = limit_ns;
    }
    dog->count = count;
    dog->budget_ns = budget_ns;
    dog->limit_ns = limit_ns;
    dog->nap_ns = shortest / LOOKS_PER_BUDGET + 1;
    if (dog->nap_ns > LONGEST_NAP_MS * UINT64_C(1000000)) {
        dog->nap_ns = LONGEST_NAP_MS * UINT64_C(1000000);
    }
    dog->report = report != NULL ? report : report_to_log;
    pthread_mutex_init(&dog->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&dog->wake, &attr);
    pthread_condattr_destroy(&attr);
    rc = pthread_create(&dog->thread, NULL, watchdog_main, dog);
    if (rc != 0) {
        pthread_cond_destroy(&dog->wake);
        pthread_mutex_destroy(&dog->lock);
        mem_free(dog);
        return -rc;
    }
    *watchdog = dog;
    return 0;
}

void watchdog_stop(struct watchdog *dog)
{
    if (dog == NULL) {
        return;
    }
    pthread_mutex_lock(&dog->lock);
    dog->stopping = true;
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->lock);
    pthread_join(dog->thread, NULL);
    pthread_cond_destroy(&dog->wake);
    pthread_mutex_destroy(&dog->lock);
    mem_free(dog);
}

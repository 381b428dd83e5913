/* SPDX-License-Identifier: Apache-2.0
 *
 * Assertions for our own bugs. Nothing that a peer, plugin, file or user sends
 * may reach a failing CHECK: that is an error code instead.
 */
#ifndef CNODE_BASE_CHECK_H
#define CNODE_BASE_CHECK_H

#include <stddef.h> /* offsetof */
#include <stdint.h>

#define MUST_USE     __attribute__((warn_unused_result))
#define BIT(n)       (UINT32_C(1) << (n))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that holds `member`, given a pointer to the member. */
#define CONTAINER_OF(ptr, type, member)                                        \
    ((type *)((char *)(ptr)-offsetof(type, member)))

/* Stays on in release. Prints what failed and the trace ring, then aborts. */
#define CHECK(cond)                                                            \
    do {                                                                       \
        if (__builtin_expect(!(cond), 0)) {                                    \
            check_failed(#cond, __FILE__, __LINE__);                           \
        }                                                                      \
    } while (0)

/* Debug builds only (CNODE_DEBUG): checks too costly for the hot path. */
#ifdef CNODE_DEBUG
#define DCHECK(cond) CHECK(cond)
#else
#define DCHECK(cond)                                                           \
    do {                                                                       \
        (void)sizeof(cond);                                                    \
    } while (0)
#endif

__attribute__((noreturn, cold)) void check_failed(const char *what,
                                                  const char *file, int line);

#endif

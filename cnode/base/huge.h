/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that is read at random and is large: from the system in pages of 2 MiB
 * where it has them (Linux: transparent huge pages, when they are not turned
 * off), so that a read costs one miss instead of two. Any thread.
 */
#ifndef CNODE_BASE_HUGE_H
#define CNODE_BASE_HUGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

enum { HUGE_BYTES = 2 << 20 };

/* Zero filled, as it is used. Less than HUGE_BYTES is from malloc, more is
 * aligned to them. NULL when there is not enough memory. */
MUST_USE void *huge_try_zalloc(size_t size);
void huge_free(void *memory, size_t size); /* as it was wanted */

/* HUGE_BYTES, aligned to them, not zeroed. `ready` wants one huge page, which a
 * thread of its own has made ready, since to have it from the system takes from
 * 0.1 to 30 ms; nobody waits for it: when there is none yet, or without
 * `ready`, it is of ordinary pages that are there as they are used. NULL when
 * there is not enough memory. */
MUST_USE void *huge_try_chunk(bool ready);
/* One of ordinary pages is in use for good: the system may make it one page. */
void huge_settle_chunk(void *chunk);
void huge_free_chunk(void *chunk);

size_t huge_mapped(void); /* bytes that all of this has now, but malloc's */

#endif

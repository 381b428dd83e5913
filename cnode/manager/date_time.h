/* SPDX-License-Identifier: Apache-2.0
 *
 * A point in time as Elixir's DateTime, in UTC. Pure.
 */
#ifndef CNODE_MANAGER_DATE_TIME_H
#define CNODE_MANAGER_DATE_TIME_H

#include "base/buf.h"

/* Microseconds since 1970. */
int64_t date_time_now(void);
/* Appends the struct, or nil for 0. */
void date_time_put(struct buf *buf, int64_t us);
/* 2026-11-21T20:15:00.123456Z, or nothing for 0. */
enum { DATE_TIME_TEXT = 40 };
void date_time_text(int64_t us, char text[DATE_TIME_TEXT]);

#endif

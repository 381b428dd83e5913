/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations and sizes as people write them: "50us", "15m", "64MiB", "1GB".
 * Pure, any thread.
 */
#ifndef CNODE_BASE_UNITS_H
#define CNODE_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* ns us ms s m h d; a number alone is refused. 0 or CNODE_EINVALID. */
MUST_USE int parse_duration(const char *text, uint64_t *ns);
/* B KB MB GB (1000) KiB MiB GiB (1024); a plain number is bytes. */
MUST_USE int parse_size(const char *text, uint64_t *bytes);

/* The shortest exact text of a value, for messages. */
enum { UNITS_TEXT = 32 };
void format_duration(uint64_t ns, char out[UNITS_TEXT]);
void format_size(uint64_t bytes, char out[UNITS_TEXT]);

#endif

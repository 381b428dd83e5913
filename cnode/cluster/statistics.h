/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of erlang:statistics/1 and memory/0, for who sends them unasked.
 */
#ifndef CNODE_CLUSTER_STATISTICS_H
#define CNODE_CLUSTER_STATISTICS_H

#include "cluster/functions.h"

/* [{1, Active, Total}, ...], one for each scheduler. */
void statistics_put_wall_time(const struct functions *functions,
                              const struct tally *tally, struct buf *buf);
/* {{input, Bytes}, {output, Bytes}} */
void statistics_put_io(struct buf *buf);
/* {io_input, Bytes} and {io_output, Bytes}: two elements of a list. */
void statistics_put_io_bytes(struct buf *buf);
/* [{total, Bytes}, ...]: the nine of memory/0. */
void statistics_put_memory(struct buf *buf);
/* Its elements; returns how many. */
uint32_t statistics_put_memory_pairs(struct buf *buf);
/* Since the start. */
uint64_t statistics_wall_ms(const struct functions *functions);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What process_info and sys tell about workers and their supervisors: the
 * process_class callbacks describe, put_label and put_state of each.
 */
#ifndef CNODE_POOL_ABOUT_H
#define CNODE_POOL_ABOUT_H

#include "runtime/process.h"

/* The label is {Id, Pool}: the Id first, as tools cut it; the state what the
 * behaviour dumps, or a map that says what there is. */
void about_worker(const struct process *process, struct process_about *about);
void about_worker_label(const struct process *process, struct buf *buf);
int about_worker_state(struct process *process, struct buf *buf);

void about_segment(const struct process *process, struct process_about *about);
void about_segment_label(const struct process *process, struct buf *buf);
int about_segment_state(struct process *process, struct buf *buf);

void about_face(const struct process *process, struct process_about *about);
void about_face_label(const struct process *process, struct buf *buf);
int about_face_state(struct process *process, struct buf *buf);

void about_pool(const struct process *process, struct process_about *about);
void about_pool_label(const struct process *process, struct buf *buf);
int about_pool_state(struct process *process, struct buf *buf);

#endif

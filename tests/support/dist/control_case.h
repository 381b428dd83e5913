/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of control messages share: two processes, a reference, a name,
 * and the buffer for the tuple under test.
 */
#ifndef CNODE_TEST_SUPPORT_DIST_CONTROL_CASE_H
#define CNODE_TEST_SUPPORT_DIST_CONTROL_CASE_H

#include "dist/control.h"

struct control_case {
    struct pid ours, theirs;
    struct ref ref; /* theirs */
    atom_t name;    /* some_name */
    struct buf bytes;
};

extern struct control_case it;

/* For cmocka. */
int control_case_setup(void **state);
int control_case_teardown(void **state);

/* The term in it.bytes, which is valid. */
struct cnode_term it_written(void);

void assert_is_pid(struct cnode_term term, struct pid expected);
void assert_is_ref(struct cnode_term term); /* it.ref */

#endif

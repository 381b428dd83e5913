/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of code that starts daemons: everything that descends from this
 * process becomes its child when its parent is gone, and can be ended.
 */
#ifndef CNODE_SUPPORT_CHILD_REAPER_H
#define CNODE_SUPPORT_CHILD_REAPER_H

/* From now on orphaned descendants are children of this process. A test that
 * hangs is ended after 60 s, with its children, before ctest kills it alone.
 * Call it at the start of each test. */
void child_reaper_start(void);

/* Kills and reaps all children, and their orphans in turn; stops the clock. */
void child_reaper_kill_all(void);

#endif

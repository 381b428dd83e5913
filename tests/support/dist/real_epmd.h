/* SPDX-License-Identifier: Apache-2.0
 *
 * The real epmd, for tests that need one of their own.
 */
#ifndef CNODE_TEST_SUPPORT_DIST_REAL_EPMD_H
#define CNODE_TEST_SUPPORT_DIST_REAL_EPMD_H

#include <stdint.h>
#include <sys/types.h>

/* Runs it in the foreground, silent, as a child of ours; see child_reaper.h. */
pid_t real_epmd_start(const char *program, uint16_t port);

#endif

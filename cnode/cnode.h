/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: `cnode start` and `cnode check`.
 */
#ifndef CNODE_CNODE_H
#define CNODE_CNODE_H

#include "admin/cli.h"

/* Both return the exit code. */
int cnode_start(const struct cli *cli);
int cnode_check(const struct cli *cli);

#endif

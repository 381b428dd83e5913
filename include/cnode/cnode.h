/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything public, and the version.
 */
#ifndef CNODE_CNODE_H
#define CNODE_CNODE_H

#include <cnode/behaviour.h>
#include <cnode/error.h>
#include <cnode/term.h>

#define CNODE_VERSION "0.1.0"

CNODE_API const char *cnode_version(void);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a shared object is all there. dlopen() believes its headers: of a
 * file that was cut short (a copy that failed) it maps pages that do not exist,
 * and the process ends with SIGBUS.
 */
#ifndef CNODE_POOL_ELF_H
#define CNODE_POOL_ELF_H

#include "base/buf.h"

/* 0, also for what is no 64-bit little-endian ELF file or cannot be read:
 * dlopen() says what is wrong with that. CNODE_PLUGIN, and a text for people
 * appended to `why`. */
MUST_USE int elf_check(const char *path, struct buf *why);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Freed memory that stays ours: AddressSanitizer reports whoever touches it
 * between POISON and UNPOISON. Without it, nothing.
 */
#ifndef CNODE_BASE_POISON_H
#define CNODE_BASE_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define POISON_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ASAN 1
#endif
#endif

#ifdef POISON_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(at, size)   ASAN_POISON_MEMORY_REGION(at, size)
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define POISON(at, size)   ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Error codes. A function that can fail returns 0, or one of these (negative).
 */
#ifndef CNODE_ERROR_H
#define CNODE_ERROR_H

#include <cnode/export.h>

enum cnode_error {
#define CNODE_ERROR(name, number, atom, text) CNODE_##name = (number),
#include <cnode/error.def>
#undef CNODE_ERROR
};

/* The text for people of any code of ours or of libuv. Never NULL, static. */
CNODE_API const char *cnode_strerror(int error);

/* The Erlang atom of any code, e.g. "noproc"; "error" when it has none. */
CNODE_API const char *cnode_error_atom(int error);

#endif

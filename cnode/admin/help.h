/* SPDX-License-Identifier: Apache-2.0
 *
 * What `cnode help` and `cnode version` say, at most 80 columns wide.
 */
#ifndef CNODE_ADMIN_HELP_H
#define CNODE_ADMIN_HELP_H

#include "admin/cli.h"

/* `cnode version`. */
void help_put_version(struct buf *out);
/* Overview of all commands. */
void help_put_overview(struct buf *out);
/* One command: synopsis, options (from cli_options), examples. */
void help_put_command(struct buf *out, enum cli_command command);

/* Appends `text` in lines of at most `width` columns: the first starts at
 * column `column`, the others are indented by `indent`. Ends with \n. */
void help_put_wrapped(struct buf *out, const char *text, size_t column,
                      size_t indent, size_t width);

#endif

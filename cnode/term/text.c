/* SPDX-License-Identifier: Apache-2.0
 *
 * Terms from a command line: term/reader.h without directives.
 */
#include "term/text.h"

#include <cnode/error.h>

#include "term/reader.h"

int term_parse(struct buf *buf, const char *text, size_t len,
               bool strings_are_binaries, size_t *where, const char **what)
{
    struct reader reader;
    int rc;

    reader_init(&reader, buf, text, len);
    reader.strings_are_binaries = strings_are_binaries;
    rc = reader_run(&reader);
    if (rc != 0) {
        *where = (size_t)(reader.at - text);
        *what = reader.what != NULL ? reader.what : cnode_strerror(rc);
    }
    reader_fini(&reader);
    return rc;
}

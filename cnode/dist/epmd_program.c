/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the epmd program: PATH first, as a shell would, then the folders of an
 * installed Erlang, which packages do not always put into PATH.
 */
#include "dist/epmd_program.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static const char *const places[] = {
    "/usr/lib/erlang/bin/epmd",
    "/usr/lib/erlang/erts-*/bin/epmd",
    "/usr/local/lib/erlang/bin/epmd",
    "/usr/local/lib/erlang/erts-*/bin/epmd",
    "/usr/lib64/erlang/erts-*/bin/epmd",
    "/opt/erlang/erts-*/bin/epmd",
};

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           access(path, X_OK) == 0;
}

static char *find_in_search(const char *search)
{
    const char *at = search;

    while (*at != '\0') {
        size_t len = strcspn(at, ":");
        size_t size = len + sizeof("/epmd");
        char *path = mem_alloc(size);

        (void)snprintf(path, size, "%.*s/epmd", (int)len, at);
        if (len > 0 && is_program(path)) {
            return path;
        }
        mem_free(path);
        at += len;
        at += *at == ':';
    }
    return NULL;
}

static char *find_in_places(const char *pattern)
{
    glob_t found;
    char *path = NULL;

    /* No ~ in the pattern. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && path == NULL; i++) {
            if (is_program(found.gl_pathv[i])) {
                path = mem_strdup(found.gl_pathv[i]);
            }
        }
    }
    globfree(&found);
    return path;
}

char *epmd_program_find(const char *search)
{
    char *path = search != NULL ? find_in_search(search) : NULL;

    for (size_t i = 0; i < ARRAY_LEN(places) && path == NULL; i++) {
        path = find_in_places(places[i]);
    }
    return path;
}

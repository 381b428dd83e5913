/* SPDX-License-Identifier: Apache-2.0
 *
 * A cookie file is taken under the conditions a BEAM has: a regular file that
 * nobody but its owner can access, and one line of printable ASCII in it.
 */
#include "admin/cookie.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include <cnode/error.h>

static int read_cookie_file(const char *path, bool by_default,
                            char cookie[COOKIE_MAX + 1], struct buf *error);

struct cookie_sources cookie_sources(const char *option, const char *file)
{
    return (struct cookie_sources){
        .option = option,
        .environment = getenv("CNODE_COOKIE"), /* NOLINT: no threads yet */
        .file = file,
        .home = getenv("HOME"), /* NOLINT: the same */
    };
}

bool cookie_is_by_default(const struct cookie_sources *sources)
{
    return sources->option == NULL && sources->environment == NULL &&
           sources->file == NULL;
}

/* The rule for its characters, wherever it comes from. */
static int take(const char *text, size_t len, const char *from,
                char cookie[COOKIE_MAX + 1], struct buf *error)
{
    if (len == 0) {
        buf_printf(error, "%s: the cookie is empty", from);
        return CNODE_COOKIE;
    }
    if (len > COOKIE_MAX) {
        buf_printf(error, "%s: expected a cookie of at most %d characters",
                   from, COOKIE_MAX);
        return CNODE_COOKIE;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            buf_printf(error,
                       "%s: expected one line of printable ASCII, character "
                       "%zu is none",
                       from, i + 1);
            return CNODE_COOKIE;
        }
    }
    memcpy(cookie, text, len);
    cookie[len] = '\0';
    return 0;
}

static int read_cookie(const struct cookie_sources *sources,
                       char cookie[COOKIE_MAX + 1], struct buf *error)
{
    char *path;
    size_t size;
    int rc;

    if (sources->option != NULL) {
        return take(sources->option, strlen(sources->option), "--cookie",
                    cookie, error);
    }
    if (sources->environment != NULL) {
        return take(sources->environment, strlen(sources->environment),
                    "CNODE_COOKIE", cookie, error);
    }
    if (sources->file != NULL) {
        return read_cookie_file(sources->file, false, cookie, error);
    }
    if (sources->home == NULL) {
        buf_printf(error, "no cookie: give --cookie-file FILE, or set "
                          "CNODE_COOKIE (HOME is not set either)");
        return CNODE_COOKIE;
    }
    size = strlen(sources->home) + sizeof("/.erlang.cookie");
    path = mem_alloc(size);
    (void)snprintf(path, size, "%s/.erlang.cookie", sources->home);
    rc = read_cookie_file(path, true, cookie, error);
    mem_free(path);
    return rc;
}

int cookie_read(const struct cookie_sources *sources,
                char cookie[COOKIE_MAX + 1], struct buf *error)
{
    int rc;

    buf_printf(error, "cnode: ");
    rc = read_cookie(sources, cookie, error);
    if (rc == 0) {
        buf_clear(error);
    } else {
        buf_printf(error, "\n");
    }
    return rc;
}

static int check_file(int fd, const char *path, struct buf *error)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        buf_printf(error, "cookie file %s: expected a regular file", path);
        return CNODE_COOKIE;
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        buf_printf(error,
                   "cookie file %s: others can access it (mode %04o), as on a "
                   "BEAM only its owner may: chmod 400 %s",
                   path, (unsigned)(st.st_mode & 07777), path);
        return CNODE_COOKIE;
    }
    return 0;
}

static int read_cookie_file(const char *path, bool by_default,
                            char cookie[COOKIE_MAX + 1], struct buf *error)
{
    char text[COOKIE_MAX + 3]; /* one too many, to notice */
    ssize_t n;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc;

    if (fd < 0) {
        buf_printf(error, "cookie file %s: %s%s", path, cnode_strerror(-errno),
                   by_default ? "; give --cookie-file FILE, or set CNODE_COOKIE"
                              : "");
        return CNODE_COOKIE;
    }
    rc = check_file(fd, path, error);
    while (rc == 0 && len < sizeof(text)) {
        n = read(fd, text + len, sizeof(text) - len);
        if (n < 0) {
            buf_printf(error, "cookie file %s: %s", path,
                       cnode_strerror(-errno));
            rc = CNODE_COOKIE;
        }
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    close(fd);
    if (rc == 0) {
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
            len--;
        }
        rc = take(text, len, path, cookie, error);
    }
    explicit_bzero(text, sizeof(text));
    return rc;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts and atoms of error codes: ours from error.def, and those of libuv. The
 * latter are negated errno values, plus a few numbers of libuv's own; all texts
 * are static, which uv_strerror() does not promise for unknown codes.
 */
#include <cnode/error.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <uv/errno.h> /* numbers only */

struct error_info {
    int code;
    const char *atom, *text;
};

/* Names of Erlang's inet and file modules, and texts that libc lacks. */
static const struct error_info system_errors[] = {
    {UV__EOF, "closed", "end of file"},
    {UV__UNKNOWN, "error", "unknown error"},
    {UV__EAI_ADDRFAMILY, "eafnosupport", "address family not supported"},
    {UV__EAI_AGAIN, "try_again", "name look-up failed for now"},
    {UV__EAI_BADFLAGS, "einval", "bad flags of a name look-up"},
    {UV__EAI_BADHINTS, "einval", "bad hints of a name look-up"},
    {UV__EAI_CANCELED, "canceled", "name look-up canceled"},
    {UV__EAI_FAIL, "nxdomain", "name look-up failed"},
    {UV__EAI_FAMILY, "eafnosupport", "address family not supported"},
    {UV__EAI_MEMORY, "enomem", "out of memory"},
    {UV__EAI_NODATA, "nxdomain", "host has no address"},
    {UV__EAI_NONAME, "nxdomain", "unknown host or service"},
    {UV__EAI_OVERFLOW, "einval", "name too long for a look-up"},
    {UV__EAI_PROTOCOL, "eprotonosupport", "unknown protocol of a look-up"},
    {UV__EAI_SERVICE, "einval", "service not available for that socket"},
    {UV__EAI_SOCKTYPE, "einval", "socket type not supported"},
    {-EACCES, "eacces", NULL},
    {-EADDRINUSE, "eaddrinuse", NULL},
    {-EADDRNOTAVAIL, "eaddrnotavail", NULL},
    {-EAGAIN, "eagain", NULL},
    {-EBADF, "ebadf", NULL},
    {-EBUSY, "ebusy", NULL},
    {-ECANCELED, "canceled", NULL},
    {-ECONNABORTED, "econnaborted", NULL},
    {-ECONNREFUSED, "econnrefused", NULL},
    {-ECONNRESET, "econnreset", NULL},
    {-EEXIST, "eexist", NULL},
    {-EHOSTUNREACH, "ehostunreach", NULL},
    {-EINTR, "eintr", NULL},
    {-EINVAL, "einval", NULL},
    {-EIO, "eio", NULL},
    {-EISDIR, "eisdir", NULL},
    {-EMFILE, "emfile", NULL},
    {-ENETUNREACH, "enetunreach", NULL},
    {-ENFILE, "enfile", NULL},
    {-ENOBUFS, "enobufs", NULL},
    {-ENOENT, "enoent", NULL},
    {-ENOMEM, "enomem", NULL},
    {-ENOSPC, "enospc", NULL},
    {-ENOTCONN, "enotconn", NULL},
    {-ENOTDIR, "enotdir", NULL},
    {-ENOTSUP, "enotsup", NULL},
    {-EPERM, "eperm", NULL},
    {-EPIPE, "epipe", NULL},
    {-EROFS, "erofs", NULL},
    {-ETIMEDOUT, "etimedout", NULL},
};

static const struct error_info own_errors[] = {
#define CNODE_ERROR(name, number, atom, text) {(number), (atom), (text)},
#include <cnode/error.def>
#undef CNODE_ERROR
};

static const struct error_info *find(const struct error_info *infos,
                                     size_t count, int code)
{
    for (size_t i = 0; i < count; i++) {
        if (infos[i].code == code) {
            return &infos[i];
        }
    }
    return NULL;
}

static const struct error_info *error_find(int code)
{
    if (code <= -10001) {
        return find(own_errors, sizeof(own_errors) / sizeof(own_errors[0]),
                    code);
    }
    return find(system_errors, sizeof(system_errors) / sizeof(system_errors[0]),
                code);
}

const char *cnode_strerror(int error)
{
    const struct error_info *info = error_find(error);
    const char *text = NULL;

    if (error == 0) {
        return "success";
    }
    if (info != NULL && info->text != NULL) {
        return info->text;
    }
    if (error < 0 && error > -10000) {
        text = strerrordesc_np(-error);
    }
    return text != NULL ? text : "unknown error";
}

const char *cnode_error_atom(int error)
{
    const struct error_info *info = error_find(error);

    if (error == 0) {
        return "ok";
    }
    return info != NULL ? info->atom : "error";
}

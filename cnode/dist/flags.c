/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of flags.def summed up three ways: what we offer, what the digest
 * bit of a peer stands for, what a peer must have.
 *
 * OTP 25 and later may say MANDATORY_25_DIGEST for the whole set that 25 made
 * mandatory; BEAMs up to 29 send both. V4_NC and UNLINK_ID became mandatory in
 * 26, every release we talk to has them, and what we write relies on them.
 */
#include "dist/flags.h"

#define MANDATORY_25                                                           \
    (DIST_EXTENDED_REFERENCES | DIST_FUN_TAGS | DIST_NEW_FUN_TAGS |            \
     DIST_EXTENDED_PIDS_PORTS | DIST_EXPORT_PTR_TAG | DIST_BIT_BINARIES |      \
     DIST_NEW_FLOATS | DIST_UTF8_ATOMS | DIST_MAP_TAG | DIST_BIG_CREATION |    \
     DIST_HANDSHAKE_23)

#define MANDATORY_26 (MANDATORY_25 | DIST_V4_NC | DIST_UNLINK_ID)

uint64_t dist_flags_offered(bool hidden)
{
    uint64_t flags = 0;

#define DIST_FLAG(name, bits, send) flags |= (send) ? UINT64_C(bits) : 0;
#include "dist/flags.def"
#undef DIST_FLAG
    return hidden ? flags : flags | DIST_PUBLISHED;
}

uint64_t dist_flags_expand(uint64_t flags)
{
    return (flags & DIST_MANDATORY_25_DIGEST) != 0 ? flags | MANDATORY_25
                                                   : flags;
}

uint64_t dist_flags_missing(uint64_t expanded)
{
    return MANDATORY_26 & ~expanded;
}

void dist_flags_put_names(struct buf *buf, uint64_t flags)
{
    static const struct {
        const char *name;
        uint64_t bits;
    } all[] = {
#define DIST_FLAG(name, bits, send) {#name, UINT64_C(bits)},
#include "dist/flags.def"
#undef DIST_FLAG
    };
    const char *space = "";

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if ((flags & all[i].bits) != 0) {
            buf_printf(buf, "%s%s", space, all[i].name);
            space = " ";
        }
    }
}

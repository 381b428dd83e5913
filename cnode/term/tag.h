/* SPDX-License-Identifier: Apache-2.0
 *
 * Tags of the external term format, named after what they hold. Old ones a BEAM
 * still accepts but does not send are marked.
 */
#ifndef CNODE_TERM_TAG_H
#define CNODE_TERM_TAG_H

enum term_tag {
    TAG_RECORD = 67, /* native record, OTP 29 */
    TAG_DOUBLE = 70,
    TAG_BITSTRING = 77,
    TAG_PID = 88,
    TAG_PORT_32 = 89, /* old */
    TAG_REF = 90,
    TAG_INT8 = 97, /* unsigned */
    TAG_INT32 = 98,
    TAG_FLOAT_TEXT = 99,   /* old */
    TAG_ATOM_LATIN1 = 100, /* old */
    TAG_REF_OLD = 101,     /* old: one word */
    TAG_PORT_OLD = 102,    /* old */
    TAG_PID_OLD = 103,     /* old */
    TAG_TUPLE8 = 104,
    TAG_TUPLE32 = 105,
    TAG_NIL = 106,
    TAG_STRING = 107, /* list of bytes */
    TAG_LIST = 108,
    TAG_BINARY = 109,
    TAG_BIG8 = 110,
    TAG_BIG32 = 111,
    TAG_FUN = 112,
    TAG_EXPORT = 113,
    TAG_REF_CREATION8 = 114, /* old */
    TAG_ATOM_LATIN1_8 = 115, /* old */
    TAG_MAP = 116,
    TAG_ATOM16 = 118,
    TAG_ATOM8 = 119,
    TAG_PORT = 120,
};

/* A fun: tag, Size:32, Arity:8, Uniq:128, Index:32, NumFree:32, then module,
 * old index, old uniq, pid and the free variables. Size counts from itself. */
enum { FUN_HEAD_BYTES = 30, FUN_FREE_AT = 26 };
/* A float as text: 31 bytes, filled up with NUL. */
enum { FLOAT_TEXT_BYTES = 31 };

#endif

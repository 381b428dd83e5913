/* SPDX-License-Identifier: Apache-2.0
 *
 * What all TLS connections of this node share: certificate, key, the CAs that
 * it trusts, versions. Files are read here, once; a node that is to use others
 * is started again. After that read only, so any thread may use it.
 */
#ifndef CNODE_DIST_TLS_CONTEXT_H
#define CNODE_DIST_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum tls_verify {
    TLS_VERIFY_BOTH,   /* whoever connects shows a certificate too */
    TLS_VERIFY_SERVER, /* only the node that is dialled does */
    TLS_VERIFY_NONE,   /* encrypted, but to anybody */
};

enum { TLS_1_2 = 1, TLS_1_3 = 2 };

struct tls_options {
    const char *cert; /* PEM, chain included; NULL: only dials, anonymously */
    const char *key;  /* PEM; NULL: in `cert` too */
    const char *ca;   /* PEM, any number; NULL with TLS_VERIFY_NONE only */
    unsigned versions;
    enum tls_verify verify;
    bool match_name; /* a certificate must be for the host of the node name */
};

struct tls_context {
    struct ssl_ctx_st *ssl;
    struct tls_options options; /* the strings are not kept */
    uint64_t rekey_records;     /* new keys after as many of ours (TLS 1.3) */
};

/* What is wrong with the options, for people. */
struct tls_mistake {
    const char *field; /* "cert", "key", "ca" */
    char text[512];    /* names the file */
};

/* 0, or CNODE_CONFIG with `mistake` filled in. */
MUST_USE int tls_context_new(struct tls_context **context,
                             const struct tls_options *options,
                             struct tls_mistake *mistake);
void tls_context_free(struct tls_context *context); /* NULL is fine */

/* What others will not like about our own certificate when we are `host`: true
 * and a line for people, or false. */
bool tls_context_has_flaw(const struct tls_context *context, const char *host,
                          char *text, size_t size);

/* A host that our own certificate is for, with a dot in it or without: one that
 * a node without a fixed name may take. False: there is none. */
bool tls_context_own_host(const struct tls_context *context, bool with_dot,
                          char *host, size_t size);

#endif

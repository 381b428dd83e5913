/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates for tests, made when they are asked for, in a folder that goes
 * with the program.
 */
#ifndef CNODE_TEST_SUPPORT_DIST_CERTS_H
#define CNODE_TEST_SUPPORT_DIST_CERTS_H

#include "dist/tls_context.h"

struct cert_spec {
    const char *name;
    const char *ca;    /* name of who signs it; NULL: "ca" */
    const char *hosts; /* subjectAltName such as "DNS:a,IP:10.0.0.1" */
    const char *usage; /* extendedKeyUsage; NULL: both */
    int days;          /* until it ends; negative: it has; 0: 30 */
    bool is_early;     /* it begins tomorrow */
};

/* Makes NAME.pem and NAME.key, and the CA if it is not there yet. */
void cert_make(const struct cert_spec *spec);
/* A CA alone. */
void cert_make_ca(const char *name);

/* A path in the folder, valid for as long as the program; "ca.pem". */
const char *cert_path(const char *file);
/* Writes a file there. */
const char *cert_write(const char *file, const char *text);

/* A certificate for localhost and 127.0.0.1 that `ca` signed. */
struct tls_options cert_options(void);
/* The context with NAME.pem and NAME.key, and the CA of that name (NULL: none).
 */
struct tls_context *cert_context(const char *name, const char *ca,
                                 unsigned versions);

#endif

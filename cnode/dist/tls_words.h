/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates and failures of TLS in words for people: what is wrong and what
 * would be right. Pure.
 */
#ifndef CNODE_DIST_TLS_WORDS_H
#define CNODE_DIST_TLS_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct x509_st;

/* Is it for that host: a name, or an IP address? */
bool tls_cert_is_for(struct x509_st *cert, const char *host);
bool tls_host_is_address(const char *host);

/* Calls `each` for each host it is for, addresses as text, until it returns
 * false. */
void tls_cert_each_host(struct x509_st *cert,
                        bool (*each)(void *owner, const char *host),
                        void *owner);

/* Why OpenSSL's X509_verify_cert() does not accept it: `error` is X509_V_ERR_*.
 * `host`: the one it should be for, or NULL. */
void tls_words_verify(char *text, size_t size, struct x509_st *cert, long error,
                      const char *host);

/* Why the peer gave us an alert. */
void tls_words_alert(char *text, size_t size, int alert);

/* The oldest error in OpenSSL's queue, which is emptied. */
void tls_words_library(char *text, size_t size);

#endif

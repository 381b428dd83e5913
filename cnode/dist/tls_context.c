/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the files in the order in which they are named and stops at the first
 * mistake. Tickets and the session cache are off: connections between nodes are
 * few and long, and each is to prove itself.
 */
#include "dist/tls_context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "dist/tls_words.h"

/* Far below what AES-GCM allows for one key (RFC 8446, 5.5). */
static const uint64_t rekey_records = UINT64_C(1) << 23;

enum { REASON_TEXT = 128 };

static int use_versions(struct tls_context *context);
static int use_cert(struct tls_context *context, struct tls_mistake *mistake);
static int use_key(struct tls_context *context, struct tls_mistake *mistake);
static int use_ca(struct tls_context *context, struct tls_mistake *mistake);
static int on_password(char *buf, int size, int is_writing, void *asked);

int tls_context_new(struct tls_context **out, const struct tls_options *options,
                    struct tls_mistake *mistake)
{
    struct tls_context *context = mem_zalloc(sizeof(*context));
    int rc;

    context->options = *options;
    context->rekey_records = rekey_records;
    context->ssl = SSL_CTX_new(TLS_method());
    CHECK(context->ssl != NULL);
    rc = use_versions(context);
    if (rc == 0 && options->cert != NULL) {
        rc = use_cert(context, mistake);
    }
    if (rc == 0 && options->cert != NULL) {
        rc = use_key(context, mistake);
    }
    if (rc == 0 && options->verify != TLS_VERIFY_NONE) {
        rc = use_ca(context, mistake);
    }
    context->options.cert = context->options.key = context->options.ca = NULL;
    ERR_clear_error();
    if (rc != 0) {
        tls_context_free(context);
        return rc;
    }
    *out = context;
    return 0;
}

void tls_context_free(struct tls_context *context)
{
    if (context != NULL) {
        SSL_CTX_free(context->ssl);
        mem_free(context);
    }
}

static int use_versions(struct tls_context *context)
{
    unsigned versions = context->options.versions;
    SSL_CTX *ssl = context->ssl;

    CHECK((versions & (TLS_1_2 | TLS_1_3)) != 0);
    (void)SSL_CTX_set_min_proto_version(
        ssl, (versions & TLS_1_2) != 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
    (void)SSL_CTX_set_max_proto_version(
        ssl, (versions & TLS_1_3) != 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_num_tickets(ssl, 0);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS);
    return 0;
}

/* --- files */

__attribute__((format(printf, 3, 4))) static int
mistaken(struct tls_mistake *mistake, const char *field, const char *format,
         ...)
{
    va_list args;

    mistake->field = field;
    va_start(args, format);
    (void)vsnprintf(mistake->text, sizeof(mistake->text), format, args);
    va_end(args);
    return CNODE_CONFIG;
}

/* OpenSSL's own word for a missing file is long-winded. */
static int check_readable(struct tls_mistake *mistake, const char *field,
                          const char *file)
{
    FILE *handle = fopen(file, "re");

    if (handle == NULL) {
        return mistaken(mistake, field, "cannot read %s: %s", file,
                        strerror(errno));
    }
    (void)fclose(handle);
    return 0;
}

/* What is wrong with a file that could be read. */
static int unusable(struct tls_mistake *mistake, const char *field,
                    const char *file, const char *wanted)
{
    char reason[REASON_TEXT];

    tls_words_library(reason, sizeof(reason));
    return mistaken(mistake, field, "no usable %s in %s: %s", wanted, file,
                    reason);
}

static int use_cert(struct tls_context *context, struct tls_mistake *mistake)
{
    const char *file = context->options.cert;
    int rc = check_readable(mistake, "cert", file);

    if (rc == 0 &&
        SSL_CTX_use_certificate_chain_file(context->ssl, file) != 1) {
        rc = unusable(mistake, "cert", file, "certificate (PEM)");
    }
    return rc;
}

static int use_key(struct tls_context *context, struct tls_mistake *mistake)
{
    const char *file = context->options.key;
    const char *field = file == NULL ? "cert" : "key";
    bool is_locked = false;
    int rc;

    file = file == NULL ? context->options.cert : file;
    rc = check_readable(mistake, field, file);
    if (rc != 0) {
        return rc;
    }
    SSL_CTX_set_default_passwd_cb(context->ssl, on_password);
    SSL_CTX_set_default_passwd_cb_userdata(context->ssl, &is_locked);
    if (SSL_CTX_use_PrivateKey_file(context->ssl, file, SSL_FILETYPE_PEM) ==
        1) {
        rc = 0;
    } else if (is_locked) {
        rc = mistaken(mistake, field,
                      "the key in %s is locked by a password, and nobody could "
                      "type it when the node starts again: write it without "
                      "one (openssl pkey -in LOCKED -out FILE) and guard the "
                      "file",
                      file);
    } else if (ERR_GET_REASON(ERR_peek_last_error()) ==
               X509_R_KEY_VALUES_MISMATCH) {
        rc = mistaken(mistake, field,
                      "the key in %s does not belong to the certificate in %s",
                      file, context->options.cert);
    } else {
        rc = unusable(mistake, field, file, "private key (PEM)");
    }
    SSL_CTX_set_default_passwd_cb(context->ssl, NULL);
    SSL_CTX_set_default_passwd_cb_userdata(context->ssl, NULL);
    return rc;
}

static int on_password(char *buf, int size, int is_writing, void *asked)
{
    (void)buf, (void)size, (void)is_writing;
    *(bool *)asked = true;
    return -1;
}

static int use_ca(struct tls_context *context, struct tls_mistake *mistake)
{
    const char *file = context->options.ca;
    int rc;

    if (file == NULL) {
        return mistaken(mistake, "ca",
                        "missing: the file with the certificates of the CAs "
                        "that sign those of the nodes");
    }
    rc = check_readable(mistake, "ca", file);
    if (rc == 0 && SSL_CTX_load_verify_file(context->ssl, file) != 1) {
        rc = unusable(mistake, "ca", file, "certificate of a CA (PEM)");
    }
    return rc;
}

/* --- our own certificate */

bool tls_context_has_flaw(const struct tls_context *context, const char *host,
                          char *text, size_t size)
{
    X509 *cert = SSL_CTX_get0_certificate(context->ssl);
    long error = X509_V_OK;

    if (cert == NULL) {
        return false;
    }
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0) {
        error = X509_V_ERR_CERT_HAS_EXPIRED;
    } else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0) {
        error = X509_V_ERR_CERT_NOT_YET_VALID;
    } else if (X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0) != 1 ||
               X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0) != 1) {
        error = X509_V_ERR_INVALID_PURPOSE;
    } else if (!tls_cert_is_for(cert, host)) {
        error = X509_V_ERR_HOSTNAME_MISMATCH;
    }
    if (error != X509_V_OK) {
        tls_words_verify(text, size, cert, error, host);
    }
    return error != X509_V_OK;
}

struct search {
    bool with_dot, is_found;
    char *host;
    size_t size;
};

static bool take_host(void *owner, const char *host)
{
    struct search *search = owner;

    if (strchr(host, '*') == NULL && strchr(host, ':') == NULL &&
        (strchr(host, '.') != NULL) == search->with_dot &&
        strlen(host) < search->size) {
        memcpy(search->host, host, strlen(host) + 1);
        search->is_found = true;
    }
    return !search->is_found;
}

bool tls_context_own_host(const struct tls_context *context, bool with_dot,
                          char *host, size_t size)
{
    struct search search = {.with_dot = with_dot, .host = host, .size = size};
    X509 *cert = SSL_CTX_get0_certificate(context->ssl);

    if (cert != NULL) {
        tls_cert_each_host(cert, take_host, &search);
    }
    return search.is_found;
}

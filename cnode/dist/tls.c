/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL does the protocol; below it are two callbacks that read what was fed
 * and append to `out`, in place of a socket. The library keeps what belongs to
 * a record that has not come whole, so what was fed is always used up.
 *
 * The first reason of a failure is kept: a certificate is judged in a callback,
 * and the library's own error follows from it.
 */
#include "dist/tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cnode/error.h>

#include "base/mem.h"
#include "base/trace.h"
#include "dist/tls_words.h"

/* unexpected_message: a peer that knows TLS by its first bytes is told. */
static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, SSL_AD_UNEXPECTED_MESSAGE};

enum {
    FIRST_HANDSHAKE = 22, /* content types that a peer may begin with */
    FIRST_ALERT = 21,
};

static const uint32_t tls_moves[] = {
    [TLS_HANDSHAKE] = BIT(TLS_UP) | BIT(TLS_FAILED),
    [TLS_UP] = BIT(TLS_FAILED),
    [TLS_FAILED] = 0,
};

static int on_verify(int is_fine, X509_STORE_CTX *store);
static int on_bio_read(BIO *bio, char *room, size_t size, size_t *taken);
static int on_bio_write(BIO *bio, const char *bytes, size_t size, size_t *used);
static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer);

static void tls_move(struct tls *tls, enum tls_state to)
{
    CHECK(tls_moves[tls->state] & BIT(to));
    TRACE("tls_move", tls->state, to);
    tls->state = to;
}

/* --- the library's idea of a socket */

static pthread_once_t bio_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    bio_method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cnode");
    CHECK(bio_method != NULL);
    (void)BIO_meth_set_read_ex(bio_method, on_bio_read);
    (void)BIO_meth_set_write_ex(bio_method, on_bio_write);
    (void)BIO_meth_set_ctrl(bio_method, on_bio_ctrl);
}

static int on_bio_read(BIO *bio, char *room, size_t size, size_t *taken)
{
    struct tls *tls = BIO_get_data(bio);
    size_t n = size < tls->in_size ? size : tls->in_size;

    BIO_clear_retry_flags(bio);
    *taken = n;
    if (n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(room, tls->in, n);
    tls->in += n;
    tls->in_size -= n;
    return 1;
}

static int on_bio_write(BIO *bio, const char *bytes, size_t size, size_t *used)
{
    struct tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_put(&tls->out, bytes, size);
    *used = size;
    return buf_error(&tls->out) == 0;
}

static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* --- open */

static struct tls *tls_new(const struct tls_context *context)
{
    struct tls *tls = mem_zalloc(sizeof(*tls));
    BIO *bio;

    (void)pthread_once(&bio_once, make_bio_method);
    tls->context = context;
    buf_init(&tls->out, TLS_OUT_MAX);
    tls->ssl = SSL_new(context->ssl);
    bio = BIO_new(bio_method);
    CHECK(tls->ssl != NULL && bio != NULL);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    (void)SSL_set_app_data(tls->ssl, tls);
    return tls;
}

/* The certificate must be for the host that is dialled. SNI is for names only
 * (RFC 6066, 3). */
static void expect_host(struct tls *tls)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);

    if (!tls_host_is_address(tls->host)) {
        (void)SSL_set_tlsext_host_name(tls->ssl, tls->host);
    }
    if (!tls->context->options.match_name) {
        return;
    }
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (tls_host_is_address(tls->host)) {
        CHECK(X509_VERIFY_PARAM_set1_ip_asc(param, tls->host) == 1);
    } else {
        CHECK(X509_VERIFY_PARAM_set1_host(param, tls->host, 0) == 1);
    }
}

struct tls *tls_dial(const struct tls_context *context, const char *host)
{
    struct tls *tls = tls_new(context);
    bool verifies = context->options.verify != TLS_VERIFY_NONE;

    tls->is_dialler = true;
    (void)snprintf(tls->host, sizeof(tls->host), "%s", host);
    SSL_set_verify(tls->ssl, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                   verifies ? on_verify : NULL);
    expect_host(tls);
    SSL_set_connect_state(tls->ssl);
    (void)SSL_do_handshake(tls->ssl); /* says hello, then wants to read */
    ERR_clear_error();
    return tls;
}

struct tls *tls_accept(const struct tls_context *context)
{
    struct tls *tls = tls_new(context);
    bool verifies = context->options.verify == TLS_VERIFY_BOTH;

    SSL_set_verify(tls->ssl,
                   verifies ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                            : SSL_VERIFY_NONE,
                   verifies ? on_verify : NULL);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_free(tls->ssl);
    buf_fini(&tls->out);
    if (tls->record != NULL) {
        OPENSSL_cleanse(tls->record, TLS_RECORD_BYTES);
    }
    mem_free(tls->record);
    mem_free(tls);
}

/* --- failing */

static int tls_fail(struct tls *tls, int error)
{
    if (tls->state != TLS_FAILED) {
        tls_move(tls, TLS_FAILED);
        tls->error = error;
    }
    ERR_clear_error();
    return tls->error;
}

/* Asked for each certificate of a chain that is not fine. */
static int on_verify(int is_fine, X509_STORE_CTX *store)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);

    if (!is_fine && tls->error == 0) {
        tls->error = CNODE_TLS_CERTIFICATE;
        if (cert != NULL) {
            tls_words_verify(tls->why, sizeof(tls->why), cert,
                             X509_STORE_CTX_get_error(store), tls->host);
        }
    }
    return is_fine;
}

/* What an error of the library is to us. */
static int library_error(struct tls *tls)
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error);

    if (buf_error(&tls->out) != 0) {
        return buf_error(&tls->out);
    }
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET &&
        reason < SSL_AD_REASON_OFFSET + 256) {
        tls_words_alert(tls->why, sizeof(tls->why),
                        reason - SSL_AD_REASON_OFFSET);
        return CNODE_TLS_REFUSED;
    }
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        (void)snprintf(tls->why, sizeof(tls->why),
                       "the peer has shown no certificate: it needs one that "
                       "a CA of node.tls.ca has signed");
        return CNODE_TLS_CERTIFICATE;
    }
    if (reason == SSL_R_UNSUPPORTED_PROTOCOL ||
        reason == SSL_R_NO_SHARED_CIPHER) {
        (void)snprintf(tls->why, sizeof(tls->why),
                       "no TLS version or cipher in common "
                       "(node.tls.versions)");
        return CNODE_TLS;
    }
    tls_words_library(tls->why, sizeof(tls->why));
    return CNODE_TLS;
}

/* After a call of the library that did not succeed: 0 when it only needs more
 * from the peer. */
static int tls_judge(struct tls *tls, int result)
{
    int error = SSL_get_error(tls->ssl, result);

    if (error == SSL_ERROR_WANT_READ) {
        return 0;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        return tls_fail(tls, CNODE_CLOSED);
    }
    return tls_fail(tls, tls->error != 0 ? tls->error : library_error(tls));
}

static void explain_plain(struct tls *tls)
{
    (void)snprintf(tls->why, sizeof(tls->why),
                   "%s: is it a plain node? A BEAM needs -proto_dist inet_tls",
                   tls->has_heard ? "what it said is not TLS"
                                  : "no answer in TLS");
}

/* --- in */

void tls_feed(struct tls *tls, const uint8_t *bytes, size_t size)
{
    DCHECK(tls->in_size == 0);
    if (!tls->has_heard && size > 0) {
        tls->has_heard = true;
        if (bytes[0] != FIRST_HANDSHAKE && bytes[0] != FIRST_ALERT) {
            (void)tls_fail(tls, CNODE_TLS_MISSING);
            explain_plain(tls);
            buf_clear(&tls->out);
            buf_put(&tls->out, alert, sizeof(alert));
        }
    }
    tls->in = bytes;
    tls->in_size = size;
}

/* 0: done, or it needs more bytes. */
static int tls_shake(struct tls *tls)
{
    int result = SSL_do_handshake(tls->ssl);

    if (result != 1) {
        return tls_judge(tls, result);
    }
    tls_move(tls, TLS_UP);
    return 0;
}

int tls_take(struct tls *tls, uint8_t *room, size_t size, size_t *taken)
{
    int rc = tls->state == TLS_FAILED ? tls->error : 0;
    int result = 1;

    *taken = 0;
    ERR_clear_error();
    if (tls->state == TLS_HANDSHAKE) {
        rc = tls_shake(tls);
    }
    while (tls->state == TLS_UP && result == 1 && *taken < size) {
        size_t n = 0;

        result = SSL_read_ex(tls->ssl, room + *taken, size - *taken, &n);
        *taken += n;
        if (result != 1) {
            rc = tls_judge(tls, result);
        }
    }
    if (rc != 0) {
        tls->in_size = 0;
    }
    /* What came before the end is given first; the end is told next. */
    return *taken > 0 ? 0 : rc;
}

/* --- out */

/* One record. 0; 1: not now, the peer renegotiates; or an error. */
static int tls_seal(struct tls *tls, const uint8_t *bytes, size_t size)
{
    size_t before = buf_size(&tls->out), used = 0;
    int result, rc;

    if (tls->state != TLS_UP) {
        return tls->state == TLS_FAILED ? tls->error : 1;
    }
    if (++tls->records >= tls->context->rekey_records &&
        SSL_version(tls->ssl) == TLS1_3_VERSION) {
        tls->records = 0; /* told to the peer with this record */
        (void)SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    }
    ERR_clear_error();
    result = SSL_write_ex(tls->ssl, bytes, size, &used);
    if (result != 1) {
        rc = tls_judge(tls, result);
        return rc == 0 ? 1 : rc;
    }
    DCHECK(used == size);
    tls->overhead = buf_size(&tls->out) - before - size;
    return 0;
}

/* Full records are sealed from where they lie. */
int tls_put(struct tls *tls, const uint8_t *bytes, size_t size, size_t *used)
{
    int rc = 0;

    *used = 0;
    while (rc == 0 && *used < size) {
        size_t rest = size - *used, n = TLS_RECORD_BYTES - tls->record_size;

        if (n == 0) {
            rc = tls_end_record(tls);
        } else if (n == TLS_RECORD_BYTES && rest >= n) {
            rc = tls_seal(tls, bytes + *used, n);
            *used += rc == 0 ? n : 0;
        } else {
            if (tls->record == NULL) {
                tls->record = mem_alloc(TLS_RECORD_BYTES);
            }
            n = n < rest ? n : rest;
            memcpy(tls->record + tls->record_size, bytes + *used, n);
            tls->record_size += n;
            *used += n;
        }
    }
    return rc < 0 ? rc : 0;
}

int tls_end_record(struct tls *tls)
{
    int rc;

    if (tls->record_size == 0) {
        return 0;
    }
    rc = tls_seal(tls, tls->record, tls->record_size);
    if (rc == 0) {
        tls->record_size = 0;
    }
    return rc;
}

void tls_close(struct tls *tls)
{
    if (tls->state == TLS_UP) {
        (void)SSL_shutdown(tls->ssl);
        ERR_clear_error();
    }
}

/* --- who is it */

void tls_trust(struct tls *tls)
{
    (void)SSL_set_options(tls->ssl, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
}

int tls_check_name(struct tls *tls, const char *node)
{
    const char *host = strchr(node, '@');
    X509 *cert;

    if (!tls->context->options.match_name ||
        tls->context->options.verify != TLS_VERIFY_BOTH || tls->is_dialler) {
        return 0;
    }
    cert = SSL_get0_peer_certificate(tls->ssl);
    if (host != NULL && cert != NULL && tls_cert_is_for(cert, host + 1)) {
        return 0;
    }
    if (host != NULL && cert != NULL) {
        tls_words_verify(tls->why, sizeof(tls->why), cert,
                         X509_V_ERR_HOSTNAME_MISMATCH, host + 1);
    }
    tls->error = CNODE_TLS_CERTIFICATE;
    return tls->error;
}

int tls_end_reason(struct tls *tls, int reason)
{
    if (tls->state != TLS_HANDSHAKE || tls->error != 0 ||
        (reason != CNODE_CLOSED && reason != CNODE_TIMEOUT &&
         reason != -ECONNRESET)) {
        return reason;
    }
    if (tls->is_dialler && !tls->has_heard) {
        explain_plain(tls);
        return CNODE_TLS_MISSING;
    }
    if (tls->has_heard && reason != CNODE_TIMEOUT) {
        (void)snprintf(tls->why, sizeof(tls->why),
                       "it left in the middle of the TLS handshake: its log "
                       "may say why");
        return CNODE_TLS;
    }
    return reason;
}

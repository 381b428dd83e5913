/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in certificates come from outside: only printable ASCII of them gets
 * into a text, and texts are cut to their size.
 */
#include "dist/tls_words.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"

enum { NAME_TEXT = 128, HOSTS_TEXT = 200, DATE_TEXT = 40, HOST_TEXT = 256 };

/* A text of limited size that is appended to. */
struct words {
    char *at;
    size_t room;
};

static struct words words_of(char *text, size_t size)
{
    text[0] = '\0';
    return (struct words){.at = text, .room = size};
}

__attribute__((format(printf, 2, 3))) static void put(struct words *words,
                                                      const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(words->at, words->room, format, args);
    va_end(args);
    if (n > 0) {
        size_t used = (size_t)n < words->room ? (size_t)n : words->room - 1;
        words->at += used;
        words->room -= used;
    }
}

static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

/* --- hosts */

bool tls_host_is_address(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 ||
           inet_pton(AF_INET6, host, &address) == 1;
}

bool tls_cert_is_for(struct x509_st *cert, const char *host)
{
    if (tls_host_is_address(host)) {
        return X509_check_ip_asc(cert, host, 0) == 1;
    }
    return X509_check_host(cert, host, strlen(host),
                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

static bool host_of(const GENERAL_NAME *name, char host[HOST_TEXT])
{
    const ASN1_STRING *value = name->d.ia5;
    const unsigned char *bytes;
    int len;

    if (name->type != GEN_DNS && name->type != GEN_IPADD) {
        return false;
    }
    bytes = ASN1_STRING_get0_data(value);
    len = ASN1_STRING_length(value);
    if (name->type == GEN_IPADD) {
        return (len == 4 || len == 16) &&
               inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, host,
                         HOST_TEXT) != NULL;
    }
    (void)snprintf(host, HOST_TEXT, "%.*s", len, (const char *)bytes);
    make_printable(host);
    return host[0] != '\0';
}

void tls_cert_each_host(struct x509_st *cert,
                        bool (*each)(void *owner, const char *host),
                        void *owner)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    char host[HOST_TEXT];

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        if (host_of(sk_GENERAL_NAME_value(names, i), host) &&
            !each(owner, host)) {
            break;
        }
    }
    GENERAL_NAMES_free(names);
}

/* --- certificates */

static void name_text(const X509_NAME *name, char text[NAME_TEXT])
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    long len;

    text[0] = '\0';
    if (bio != NULL && name != NULL &&
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(bio, &bytes);
        (void)snprintf(text, NAME_TEXT, "%.*s", (int)len, bytes);
        make_printable(text);
    }
    BIO_free(bio);
}

static void date_text(const ASN1_TIME *time, char text[DATE_TEXT])
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1 ||
        strftime(text, DATE_TEXT, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0) {
        (void)snprintf(text, DATE_TEXT, "an unreadable date");
    }
}

static bool put_host(void *owner, const char *host)
{
    struct words *words = owner;
    size_t before = words->room;

    put(words, "%s, ", host);
    return words->room < before && words->room > 1;
}

static void put_wrong_host(struct words *words, X509 *cert, const char *host)
{
    char hosts[HOSTS_TEXT];
    struct words list = words_of(hosts, sizeof(hosts));
    const char *kind = tls_host_is_address(host) ? "iPAddress" : "dNSName";

    tls_cert_each_host(cert, put_host, &list);
    if (list.at > hosts + 1) {
        list.at[-2] = '\0';
    }
    put(words, "is for %s and not for %s: its subjectAltName needs the %s %s",
        hosts[0] == '\0' ? "no host" : hosts, host, kind, host);
}

static void put_bad_time(struct words *words, const X509 *cert, bool is_over)
{
    char date[DATE_TEXT];

    date_text(is_over ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert),
              date);
    put(words, "%s %s: %s, or the clock of this machine is wrong",
        is_over ? "has expired on" : "is not valid before", date,
        is_over ? "it must be renewed" : "it is used too early");
}

static bool is_untrusted(long error)
{
    return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           error == X509_V_ERR_CERT_SIGNATURE_FAILURE;
}

static void put_verify(struct words *words, X509 *cert, long error,
                       const char *host)
{
    char issuer[NAME_TEXT];

    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        put_bad_time(words, cert, error == X509_V_ERR_CERT_HAS_EXPIRED);
        return;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        put_wrong_host(words, cert, host == NULL ? "this node" : host);
        return;
    case X509_V_ERR_INVALID_PURPOSE:
        put(words, "is not made for this: its extendedKeyUsage needs both "
                   "serverAuth and clientAuth");
        return;
    default:
        break;
    }
    if (is_untrusted(error)) {
        name_text(X509_get_issuer_name(cert), issuer);
        put(words,
            "was signed by %s, which is not (or not with that key) among the "
            "CAs that are trusted",
            issuer);
        return;
    }
    put(words, "is not accepted: %s", X509_verify_cert_error_string(error));
}

void tls_words_verify(char *text, size_t size, struct x509_st *cert, long error,
                      const char *host)
{
    struct words words = words_of(text, size);
    char name[NAME_TEXT];

    name_text(X509_get_subject_name(cert), name);
    put(&words, "the certificate of %s ", name);
    put_verify(&words, cert, error, host);
}

/* --- alerts and the library */

static const struct {
    int alert;
    const char *text;
} alerts[] = {
    {SSL_AD_CLOSE_NOTIFY, "it closed the connection"},
    {SSL_AD_CERTIFICATE_EXPIRED, "our certificate has expired, says the peer"},
    {SSL_AD_CERTIFICATE_REVOKED, "our certificate is revoked, says the peer"},
    {SSL_AD_UNKNOWN_CA,
     "the peer does not know the CA that signed our certificate: its "
     "cacertfile must hold it"},
    {SSL_AD_BAD_CERTIFICATE, "the peer does not accept our certificate"},
    {SSL_AD_UNSUPPORTED_CERTIFICATE,
     "our certificate is of a kind the peer does not accept: its "
     "extendedKeyUsage needs both serverAuth and clientAuth"},
    {SSL_AD_CERTIFICATE_UNKNOWN, "the peer does not accept our certificate"},
    {SSL_AD_CERTIFICATE_REQUIRED,
     "the peer demands a certificate and we have shown none"},
    {SSL_AD_PROTOCOL_VERSION,
     "the peer speaks none of our TLS versions (node.tls.versions)"},
    {SSL_AD_INSUFFICIENT_SECURITY,
     "the peer finds our ciphers or keys too weak"},
    {SSL_AD_HANDSHAKE_FAILURE,
     "handshake_failure: no cipher in common, or our certificate is not for "
     "the host in our node name, or we have shown none"},
};

void tls_words_alert(char *text, size_t size, int alert)
{
    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (alerts[i].alert == alert) {
            (void)snprintf(text, size, "%s", alerts[i].text);
            return;
        }
    }
    (void)snprintf(text, size, "alert %d: %s", alert,
                   SSL_alert_desc_string_long(alert));
}

void tls_words_library(char *text, size_t size)
{
    unsigned long error = ERR_get_error();
    const char *reason = ERR_reason_error_string(error);

    if (ERR_SYSTEM_ERROR(error)) {
        reason = strerror((int)ERR_GET_REASON(error));
    }
    (void)snprintf(text, size, "%s",
                   reason == NULL ? "no reason given" : reason);
    ERR_clear_error();
}

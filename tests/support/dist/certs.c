/* SPDX-License-Identifier: Apache-2.0
 *
 * See certs.h.
 */
#include "support/dist/certs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

enum { DAY_S = 86400, PATHS = 64 };

static char folder[256];
static char *paths[PATHS];
static unsigned path_count;

/* --- the folder */

static void remove_folder(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    (void)rmdir(folder);
    for (unsigned i = 0; i < path_count; i++) {
        mem_free(paths[i]);
    }
}

static void make_folder(void)
{
    const char *tmp = getenv("TMPDIR");

    if (folder[0] != '\0') {
        return;
    }
    (void)snprintf(folder, sizeof(folder), "%s/cnode_certs.XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    CHECK(mkdtemp(folder) != NULL);
    CHECK(atexit(remove_folder) == 0);
}

const char *cert_path(const char *file)
{
    char path[512];

    make_folder();
    (void)snprintf(path, sizeof(path), "%s/%s", folder, file);
    for (unsigned i = 0; i < path_count; i++) {
        if (strcmp(paths[i], path) == 0) {
            return paths[i];
        }
    }
    CHECK(path_count < PATHS);
    paths[path_count] = mem_strdup(path);
    return paths[path_count++];
}

static FILE *open_file(const char *name, const char *ending, const char *mode)
{
    char file[128];
    FILE *handle;

    (void)snprintf(file, sizeof(file), "%s%s", name, ending);
    handle = fopen(cert_path(file), mode);
    CHECK(handle != NULL);
    return handle;
}

const char *cert_write(const char *file, const char *text)
{
    FILE *handle = open_file(file, "", "w");

    CHECK(fputs(text, handle) >= 0 && fclose(handle) == 0);
    return cert_path(file);
}

/* --- certificates */

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    CHECK(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static X509 *new_cert(const char *name, EVP_PKEY *key, long from, long until)
{
    static long serial = 1;
    X509 *cert = X509_new();
    X509_NAME *subject;

    CHECK(cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1);
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++) == 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(cert), from) != NULL);
    CHECK(X509_gmtime_adj(X509_getm_notAfter(cert), until) != NULL);
    CHECK(X509_set_pubkey(cert, key) == 1);
    subject = X509_get_subject_name(cert);
    CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                     (const unsigned char *)name, -1, -1,
                                     0) == 1);
    return cert;
}

static void store(const char *name, X509 *cert, EVP_PKEY *key)
{
    FILE *file = open_file(name, ".pem", "w");

    CHECK(PEM_write_X509(file, cert) == 1 && fclose(file) == 0);
    file = open_file(name, ".key", "w");
    CHECK(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
          fclose(file) == 0);
}

void cert_make_ca(const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = new_cert(name, key, -60, 30L * DAY_S);

    CHECK(X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1);
    add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
    CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
    store(name, cert, key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void load_ca(const char *name, X509 **cert, EVP_PKEY **key)
{
    char file[128];
    FILE *handle;

    (void)snprintf(file, sizeof(file), "%s.pem", name);
    if (access(cert_path(file), R_OK) != 0) {
        cert_make_ca(name);
    }
    handle = open_file(name, ".pem", "r");
    *cert = PEM_read_X509(handle, NULL, NULL, NULL);
    (void)fclose(handle);
    handle = open_file(name, ".key", "r");
    *key = PEM_read_PrivateKey(handle, NULL, NULL, NULL);
    (void)fclose(handle);
    CHECK(*cert != NULL && *key != NULL);
}

void cert_make(const struct cert_spec *spec)
{
    long from = spec->is_early ? DAY_S : spec->days < 0 ? -100L * DAY_S : -60;
    long until = (spec->days == 0 ? 30L : spec->days) * DAY_S;
    const char *usage =
        spec->usage == NULL ? "serverAuth,clientAuth" : spec->usage;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *ca_key;
    X509 *cert = new_cert(spec->name, key, from, until), *ca;

    load_ca(spec->ca == NULL ? "ca" : spec->ca, &ca, &ca_key);
    CHECK(X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1);
    if (spec->hosts != NULL) {
        add_extension(cert, NID_subject_alt_name, spec->hosts);
    }
    add_extension(cert, NID_ext_key_usage, usage);
    CHECK(X509_sign(cert, ca_key, EVP_sha256()) > 0);
    store(spec->name, cert, key);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
}

/* --- contexts */

static const char *path_of(const char *name, const char *ending)
{
    char file[128];

    (void)snprintf(file, sizeof(file), "%s%s", name, ending);
    return cert_path(file);
}

struct tls_options cert_options(void)
{
    if (access(cert_path("node.pem"), R_OK) != 0) {
        cert_make(&(struct cert_spec){.name = "node",
                                      .hosts = "DNS:localhost,IP:127.0.0.1"});
    }
    return (struct tls_options){.cert = cert_path("node.pem"),
                                .key = cert_path("node.key"),
                                .ca = cert_path("ca.pem"),
                                .versions = TLS_1_2 | TLS_1_3,
                                .match_name = true};
}

struct tls_context *cert_context(const char *name, const char *ca,
                                 unsigned versions)
{
    struct tls_options options = cert_options();
    struct tls_context *context = NULL;
    struct tls_mistake mistake;

    options.versions = versions;
    options.cert = name == NULL ? NULL : path_of(name, ".pem");
    options.key = name == NULL ? NULL : path_of(name, ".key");
    options.ca = ca == NULL ? NULL : path_of(ca, ".pem");
    options.verify = ca == NULL ? TLS_VERIFY_NONE : TLS_VERIFY_BOTH;
    CHECK(tls_context_new(&context, &options, &mistake) == 0);
    return context;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that cannot be used, and what is said about our own certificate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <cnode/error.h>
#include <openssl/pem.h>

#include "support/dist/certs.h"

/* The first mistake in some options; "" when there is none. */
static const char *mistake_in(const struct tls_options *options)
{
    static struct tls_mistake mistake;
    static char text[600];
    struct tls_context *context = NULL;
    int rc = tls_context_new(&context, options, &mistake);

    if (rc == 0) {
        tls_context_free(context);
        return "";
    }
    assert_int_equal(rc, CNODE_CONFIG);
    assert_null(context);
    (void)snprintf(text, sizeof(text), "%s: %s", mistake.field, mistake.text);
    return text;
}

static void assert_says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        fail_msg("no \"%s\" in: %s", words, text);
    }
}

static void good_files_are_taken(void **state)
{
    struct tls_options options = cert_options();

    (void)state;
    assert_string_equal(mistake_in(&options), "");
    options.cert = options.key = NULL; /* only dials */
    assert_string_equal(mistake_in(&options), "");
    options.ca = NULL;
    options.verify = TLS_VERIFY_NONE;
    assert_string_equal(mistake_in(&options), "");
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct tls_options options = cert_options();

    (void)state;
    options.cert = "/nowhere/cert.pem";
    assert_string_equal(mistake_in(&options),
                        "cert: cannot read /nowhere/cert.pem: No such file or "
                        "directory");
    options = cert_options();
    options.key = "/nowhere/key.pem";
    assert_says(mistake_in(&options), "key: cannot read /nowhere/key.pem: No");
    options = cert_options();
    options.ca = "/nowhere/ca.pem";
    assert_says(mistake_in(&options), "ca: cannot read /nowhere/ca.pem: No");
    options.ca = "/";
    assert_says(mistake_in(&options), "ca: no usable certificate of a CA");
    options.ca = NULL;
    assert_says(mistake_in(&options), "ca: missing: ");
}

static void a_file_of_something_else_is_told_apart(void **state)
{
    struct tls_options options = cert_options();
    const char *text = cert_write("text", "not PEM at all\n");
    const char *broken =
        cert_write("broken", "-----BEGIN CERTIFICATE-----\n"
                             "AAAA\n-----END CERTIFICATE-----\n");

    (void)state;
    options.cert = text;
    assert_says(mistake_in(&options), "cert: no usable certificate (PEM) in ");
    assert_says(mistake_in(&options), "/text: no start line");
    options.cert = broken;
    assert_says(mistake_in(&options), "cert: no usable certificate (PEM) in ");
    options = cert_options();
    options.key = text;
    assert_says(mistake_in(&options), "key: no usable private key (PEM) in ");
    options.key = NULL; /* then it should stand in cert */
    assert_says(mistake_in(&options), "cert: no usable private key (PEM) in ");
    options = cert_options();
    options.ca = text;
    assert_says(mistake_in(&options), "ca: no usable certificate of a CA");
}

static void a_key_of_another_certificate_is_told(void **state)
{
    struct tls_options options = cert_options();

    (void)state;
    options.key = cert_path("ca.key");
    assert_says(mistake_in(&options), "key: the key in ");
    assert_says(mistake_in(&options), "does not belong to the certificate in ");
}

static void a_locked_key_is_refused_with_the_way_out(void **state)
{
    struct tls_options options = cert_options();
    FILE *in = fopen(cert_path("node.key"), "r");
    FILE *out = fopen(cert_path("locked.key"), "w");
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);

    (void)state;
    assert_int_equal(PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(),
                                          (const unsigned char *)"secret", 6,
                                          NULL, NULL),
                     1);
    (void)fclose(in);
    (void)fclose(out);
    EVP_PKEY_free(key);
    options.key = cert_path("locked.key");
    assert_says(mistake_in(&options), "is locked by a password");
    assert_says(mistake_in(&options), "openssl pkey -in LOCKED -out FILE");
}

static void key_and_certificate_may_share_a_file(void **state)
{
    struct tls_options options = cert_options();
    const char *names[] = {"node.key", "node.pem"};
    FILE *out = fopen(cert_path("shared.pem"), "w");
    char line[256];

    (void)state;
    for (int i = 0; i < 2; i++) {
        FILE *in = fopen(cert_path(names[i]), "r");
        while (fgets(line, sizeof(line), in) != NULL) {
            assert_true(fputs(line, out) >= 0);
        }
        (void)fclose(in);
    }
    (void)fclose(out);
    options.cert = cert_path("shared.pem");
    options.key = NULL;
    assert_string_equal(mistake_in(&options), "");
}

/* --- our own certificate */

static void flaw(const struct cert_spec *spec, const char *host,
                 const char *words)
{
    struct tls_context *context;
    char text[512] = "";

    (void)cert_options();
    cert_make(spec);
    context = cert_context(spec->name, "ca", TLS_1_3);
    assert_int_equal(tls_context_has_flaw(context, host, text, sizeof(text)),
                     words[0] != '\0');
    assert_says(text, words);
    tls_context_free(context);
}

static void what_others_will_refuse_is_known_at_the_start(void **state)
{
    (void)state;
    flaw(&(struct cert_spec){.name = "fine", .hosts = "DNS:a.example"},
         "a.example", "");
    flaw(&(struct cert_spec){.name = "fine", .hosts = "DNS:a.example"},
         "b.example",
         "the certificate of CN=fine is for a.example and not for b.example");
    flaw(&(struct cert_spec){.name = "old",
                             .hosts = "DNS:a.example",
                             .days = -2},
         "a.example", "has expired");
    flaw(&(struct cert_spec){.name = "new",
                             .hosts = "DNS:a.example",
                             .is_early = true},
         "a.example", "not valid before");
    flaw(&(struct cert_spec){.name = "half",
                             .hosts = "DNS:a.example",
                             .usage = "serverAuth"},
         "a.example", "extendedKeyUsage");
}

static void a_node_without_a_name_takes_a_host_of_its_certificate(void **state)
{
    struct tls_context *context;
    char host[64];

    (void)state;
    (void)cert_options();
    cert_make(&(struct cert_spec){
        .name = "many",
        .hosts = "DNS:*.a.example,DNS:short,DNS:b.example,IP:127.0.0.1"});
    context = cert_context("many", "ca", TLS_1_3);
    assert_true(tls_context_own_host(context, true, host, sizeof(host)));
    assert_string_equal(host, "b.example");
    assert_true(tls_context_own_host(context, false, host, sizeof(host)));
    assert_string_equal(host, "short");
    tls_context_free(context);
    context = cert_context(NULL, "ca", TLS_1_3);
    assert_false(tls_context_own_host(context, true, host, sizeof(host)));
    tls_context_free(context);
}

/* Names in certificates are up to whoever made them. */
static void odd_names_are_cut_and_made_printable(void **state)
{
    char hosts[2048] = "DNS:";
    char name[65];

    (void)state;
    memset(hosts + 4, 'x', 1000);
    memset(name, '\t', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memcpy(name, "odd", 3);
    flaw(&(struct cert_spec){.name = name, .hosts = hosts}, "a.example",
         "is for xxxx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_are_taken),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(a_file_of_something_else_is_told_apart),
        cmocka_unit_test(a_key_of_another_certificate_is_told),
        cmocka_unit_test(a_locked_key_is_refused_with_the_way_out),
        cmocka_unit_test(key_and_certificate_may_share_a_file),
        cmocka_unit_test(what_others_will_refuse_is_known_at_the_start),
        cmocka_unit_test(a_node_without_a_name_takes_a_host_of_its_certificate),
        cmocka_unit_test(odd_names_are_cut_and_made_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

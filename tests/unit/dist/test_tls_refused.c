/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates that are not accepted: each end says why in words that name the
 * certificate and what would be right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/dist/certs.h"
#include "support/dist/tls_pair.h"

static struct tls_pair pair;
static struct tls_context *good_context, *bad_context;

/* The good one dials or accepts `bad`, in each version. */
static void meet(const char *bad, const char *ca, unsigned version,
                 bool is_bad_acceptor, const char *host)
{
    (void)cert_options();
    good_context = cert_context("node", "ca", version);
    bad_context = cert_context(bad, ca, version);
    if (is_bad_acceptor) {
        tls_pair_open(&pair, good_context, bad_context, host);
    } else {
        tls_pair_open(&pair, bad_context, good_context, host);
    }
    tls_pair_run(&pair);
}

static void part(void)
{
    tls_pair_close(&pair);
    tls_context_free(bad_context);
    tls_context_free(good_context);
}

static void refuses(const struct cert_spec *spec, bool is_bad_acceptor,
                    const char *words)
{
    static const unsigned versions[] = {TLS_1_2, TLS_1_3};

    cert_make(spec);
    for (int i = 0; i < 2; i++) {
        struct tls_end *good, *bad;

        meet(spec->name, "ca", versions[i], is_bad_acceptor, "localhost");
        good = is_bad_acceptor ? &pair.dialler : &pair.acceptor;
        bad = is_bad_acceptor ? &pair.acceptor : &pair.dialler;
        assert_int_equal(good->rc, CNODE_TLS_CERTIFICATE);
        if (strstr(good->tls->why, words) == NULL ||
            strstr(good->tls->why, spec->name) == NULL) {
            fail_msg("no \"%s\" of %s in: %s", words, spec->name,
                     good->tls->why);
        }
        assert_int_equal(bad->rc, CNODE_TLS_REFUSED);
        assert_string_not_equal(bad->tls->why, "");
        part();
    }
}

static void both_ends_refuse(const struct cert_spec *spec, const char *words)
{
    refuses(spec, true, words);
    refuses(spec, false, words);
}

static void of_another_ca(void **state)
{
    (void)state;
    both_ends_refuse(&(struct cert_spec){.name = "foreign",
                                         .ca = "other_ca",
                                         .hosts = "DNS:localhost"},
                     "was signed by CN=other_ca, which is not");
}

/* A CA of the same name with another key. */
static void of_a_forged_ca(void **state)
{
    struct tls_context *good, *bad;

    (void)state;
    (void)cert_options();
    good = cert_context("node", "ca", TLS_1_3);
    cert_make_ca("ca"); /* in its place; `good` has read the true one */
    cert_make(&(struct cert_spec){.name = "forged", .hosts = "DNS:localhost"});
    bad = cert_context("forged", "ca", TLS_1_3);
    tls_pair_open(&pair, good, bad, "localhost");
    tls_pair_run(&pair);
    assert_int_equal(pair.dialler.rc, CNODE_TLS_CERTIFICATE);
    assert_non_null(strstr(pair.dialler.tls->why, "not with that key"));
    tls_pair_close(&pair);
    tls_context_free(good);
    tls_context_free(bad);
    cert_make(&(struct cert_spec){.name = "node",
                                  .hosts = "DNS:localhost,IP:127.0.0.1"});
}

static void expired(void **state)
{
    (void)state;
    both_ends_refuse(&(struct cert_spec){.name = "late",
                                         .hosts = "DNS:localhost",
                                         .days = -1},
                     "has expired on ");
}

static void not_valid_yet(void **state)
{
    (void)state;
    both_ends_refuse(&(struct cert_spec){.name = "early",
                                         .hosts = "DNS:localhost",
                                         .is_early = true},
                     "is not valid before ");
}

static void made_for_something_else(void **state)
{
    (void)state;
    refuses(&(struct cert_spec){.name = "client_only",
                                .hosts = "DNS:localhost",
                                .usage = "clientAuth"},
            true, "needs both serverAuth and clientAuth");
    refuses(&(struct cert_spec){.name = "server_only",
                                .hosts = "DNS:localhost",
                                .usage = "serverAuth"},
            false, "needs both serverAuth and clientAuth");
}

static void for_another_host(void **state)
{
    (void)state;
    refuses(&(struct cert_spec){.name = "elsewhere",
                                .hosts = "DNS:a.example,IP:10.0.0.9"},
            true,
            "is for a.example, 10.0.0.9 and not for localhost: its "
            "subjectAltName needs the dNSName localhost");
    meet("elsewhere", "ca", TLS_1_3, true, "127.0.0.1");
    assert_int_equal(pair.dialler.rc, CNODE_TLS_CERTIFICATE);
    assert_non_null(strstr(pair.dialler.tls->why, "iPAddress 127.0.0.1"));
    part();
    meet("elsewhere", "ca", TLS_1_3, true, "10.0.0.9");
    assert_int_equal(pair.dialler.rc, 0);
    part();
}

static void for_another_host_than_the_claimed_one(void **state)
{
    (void)state;
    cert_make(&(struct cert_spec){
        .name = "hosts", .hosts = "DNS:a.example,DNS:*.b.example,IP:::1"});
    meet("hosts", "ca", TLS_1_3, false, "localhost");
    assert_int_equal(pair.acceptor.rc, 0);
    assert_int_equal(tls_check_name(pair.acceptor.tls, "n@a.example"), 0);
    assert_int_equal(tls_check_name(pair.acceptor.tls, "n@x.b.example"), 0);
    assert_int_equal(tls_check_name(pair.acceptor.tls, "n@::1"), 0);
    assert_int_equal(tls_check_name(pair.acceptor.tls, "n@b.example"),
                     CNODE_TLS_CERTIFICATE);
    assert_non_null(strstr(pair.acceptor.tls->why, "dNSName b.example"));
    assert_int_equal(tls_check_name(pair.acceptor.tls, "n@a"),
                     CNODE_TLS_CERTIFICATE);
    assert_int_equal(tls_check_name(pair.acceptor.tls, "n@x.y.b.example"),
                     CNODE_TLS_CERTIFICATE);
    assert_int_equal(tls_check_name(pair.acceptor.tls, "n@127.0.0.1"),
                     CNODE_TLS_CERTIFICATE);
    part();
}

static void none_shown(void **state)
{
    (void)state;
    for (unsigned version = TLS_1_2; version <= TLS_1_3; version++) {
        struct tls_context *node, *anonymous;

        (void)cert_options();
        node = cert_context("node", "ca", version);
        anonymous = cert_context(NULL, "ca", version);
        tls_pair_open(&pair, anonymous, node, "localhost");
        tls_pair_run(&pair);
        assert_int_equal(pair.acceptor.rc, CNODE_TLS_CERTIFICATE);
        assert_non_null(strstr(pair.acceptor.tls->why, "no certificate"));
        assert_int_equal(pair.dialler.rc, CNODE_TLS_REFUSED);
        tls_pair_close(&pair);

        node->options.verify = TLS_VERIFY_SERVER;
        tls_pair_open(&pair, anonymous, node, "localhost");
        tls_pair_run(&pair);
        assert_int_equal(pair.acceptor.rc | pair.dialler.rc, 0);
        assert_int_equal(tls_check_name(pair.acceptor.tls, "n@a"), 0);
        tls_pair_close(&pair);
        tls_context_free(node);
        tls_context_free(anonymous);
    }
}

static void not_when_nothing_is_verified(void **state)
{
    struct tls_context *node, *careless;

    (void)state;
    (void)cert_options();
    cert_make(&(struct cert_spec){.name = "foreign", .ca = "other_ca"});
    node = cert_context("foreign", "other_ca", TLS_1_3);
    careless = cert_context("node", NULL, TLS_1_3);
    node->options.verify = TLS_VERIFY_SERVER;
    tls_pair_open(&pair, careless, node, "localhost");
    tls_pair_run(&pair);
    assert_int_equal(pair.acceptor.rc | pair.dialler.rc, 0);
    assert_int_equal(pair.dialler.tls->error, 0);
    tls_pair_close(&pair);
    tls_context_free(node);
    tls_context_free(careless);
}

static void not_of_another_host_when_hosts_do_not_matter(void **state)
{
    struct tls_context *node, *other;

    (void)state;
    (void)cert_options();
    cert_make(&(struct cert_spec){.name = "anyhost", .hosts = "DNS:a.example"});
    node = cert_context("node", "ca", TLS_1_3);
    other = cert_context("anyhost", "ca", TLS_1_3);
    node->options.match_name = false;
    tls_pair_open(&pair, node, other, "localhost");
    tls_pair_run(&pair);
    assert_int_equal(pair.acceptor.rc | pair.dialler.rc, 0);
    tls_pair_close(&pair);
    tls_context_free(node);
    tls_context_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_another_ca),
        cmocka_unit_test(of_a_forged_ca),
        cmocka_unit_test(expired),
        cmocka_unit_test(not_valid_yet),
        cmocka_unit_test(made_for_something_else),
        cmocka_unit_test(for_another_host),
        cmocka_unit_test(for_another_host_than_the_claimed_one),
        cmocka_unit_test(none_shown),
        cmocka_unit_test(not_when_nothing_is_verified),
        cmocka_unit_test(not_of_another_host_when_hosts_do_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

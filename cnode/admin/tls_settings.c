/* SPDX-License-Identifier: Apache-2.0
 *
 * See tls_settings.h.
 */
#include "admin/tls_settings.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char *const verify_choices[] = {"both", "server", "none", NULL};

#define KEY(field)                                                             \
    .name = #field, .offset = offsetof(struct settings_tls, field)

const struct config_key tls_settings_keys[] = {
    {KEY(cert), .type = CONFIG_STRING, .required = true,
     .doc = "this node's certificate (PEM), those of intermediate CAs behind "
            "it. Its subjectAltName holds the host of the node's name, its "
            "extendedKeyUsage, if any, serverAuth and clientAuth"},
    {KEY(key), .type = CONFIG_STRING,
     .doc = "its private key (PEM, without a password); by default in cert "
            "too"},
    {KEY(ca), .type = CONFIG_STRING,
     .doc = "certificates of the CAs (PEM) that sign those of the nodes; "
            "required unless verify is \"none\""},
    {KEY(versions), .type = CONFIG_ARRAY, .wanted = "[\"1.2\", \"1.3\"]",
     .doc = "versions of TLS; by default both"},
    {KEY(verify), .type = CONFIG_ENUM, .choices = verify_choices,
     .doc = "who must show a certificate that a CA has signed: both ends, only "
            "the one that is dialled, or nobody"},
    {KEY(match_name), .type = CONFIG_BOOL,
     .doc = "a node's certificate must also be for the host of its name"},
};
const size_t tls_settings_key_count = ARRAY_LEN(tls_settings_keys);

const struct settings_tls tls_settings_defaults = {
    .verify = TLS_VERIFY_BOTH,
    .match_name = true,
};

/* 0: no version of that name. */
static unsigned version_of(const char *text)
{
    if (text != NULL && strcmp(text, "1.2") == 0) {
        return TLS_1_2;
    }
    return text != NULL && strcmp(text, "1.3") == 0 ? TLS_1_3 : 0;
}

static unsigned versions_of(const struct settings_tls *tls)
{
    unsigned versions = 0;
    json_t *element;
    size_t i;

    json_array_foreach(tls->versions, i, element)
    {
        versions |= version_of(json_string_value(element));
    }
    return tls->versions == NULL ? TLS_1_2 | TLS_1_3 : versions;
}

void tls_settings_check(const struct settings_tls *tls, struct config *config)
{
    json_t *element;
    size_t i;

    json_array_foreach(tls->versions, i, element)
    {
        if (version_of(json_string_value(element)) == 0) {
            char *path = config_index("node.tls.versions", i);
            config_error(config, path, "expected \"1.2\" or \"1.3\"");
            mem_free(path);
        }
    }
    if (tls->versions != NULL && json_array_size(tls->versions) == 0) {
        config_error(config, "node.tls.versions",
                     "expected \"1.2\", \"1.3\" or both, got none");
    }
    if (tls->ca == NULL && tls->verify != TLS_VERIFY_NONE) {
        config_error(config, "node.tls.ca",
                     "missing: the file with the certificates of the CAs that "
                     "sign those of the nodes");
    }
}

static char *file_of(const struct config *config, const char *name)
{
    return name == NULL ? NULL : config_file(config, name);
}

int tls_settings_open(const struct settings_tls *tls, struct config *config,
                      struct tls_context **context)
{
    char *cert = file_of(config, tls->cert);
    char *key = file_of(config, tls->key);
    char *ca = file_of(config, tls->ca);
    struct tls_options options = {
        .cert = cert,
        .key = key,
        .ca = ca,
        .versions = versions_of(tls),
        .verify = (enum tls_verify)tls->verify,
        .match_name = tls->match_name,
    };
    struct tls_mistake mistake;
    int rc = tls_context_new(context, &options, &mistake);

    if (rc != 0) {
        char *path = config_join("node.tls", mistake.field);
        config_error(config, path, "%s", mistake.text);
        mem_free(path);
    }
    mem_free(cert);
    mem_free(key);
    mem_free(ca);
    return rc;
}

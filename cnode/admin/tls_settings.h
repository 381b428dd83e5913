/* SPDX-License-Identifier: Apache-2.0
 *
 * node.tls of the configuration, and the same as options of `cnode call`.
 */
#ifndef CNODE_ADMIN_TLS_SETTINGS_H
#define CNODE_ADMIN_TLS_SETTINGS_H

#include "base/config.h"
#include "dist/tls_context.h"

struct settings_tls {
    const char *cert, *key, *ca; /* as in the file */
    json_t *versions;
    int verify; /* enum tls_verify */
    bool match_name;
};

extern const struct config_key tls_settings_keys[];
extern const size_t tls_settings_key_count;
extern const struct settings_tls tls_settings_defaults;

/* What the table cannot say; mistakes go to `config`. */
void tls_settings_check(const struct settings_tls *tls, struct config *config);

/* Reads the files. 0 and a context to be freed, or CNODE_CONFIG and one more
 * mistake in `config`. Only after a check that found nothing. */
MUST_USE int tls_settings_open(const struct settings_tls *tls,
                               struct config *config,
                               struct tls_context **context);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * pg and syn of the configuration: the scopes that the node takes part in from
 * its start.
 */
#ifndef CNODE_ADMIN_SCOPE_SETTINGS_H
#define CNODE_ADMIN_SCOPE_SETTINGS_H

#include "admin/cli.h"
#include "base/config.h"

struct settings_pg {
    json_t *scopes;        /* NULL: the default */
    struct cli_list names; /* the same, checked */
};

struct settings_syn {
    json_t *scopes; /* NULL: none */
    bool strict_mode;
    struct cli_list names;
};

extern const struct config_key pg_settings_keys[], syn_settings_keys[];
extern const size_t pg_settings_key_count, syn_settings_key_count;
extern const struct settings_pg pg_settings_defaults;
extern const struct settings_syn syn_settings_defaults;

/* What the tables cannot say; fills in the names. Mistakes go to `config`. */
void scope_settings_check(struct settings_pg *pg, struct settings_syn *syn,
                          struct config *config);
void scope_settings_fini(struct settings_pg *pg, struct settings_syn *syn);

#endif

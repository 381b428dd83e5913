/* SPDX-License-Identifier: Apache-2.0
 *
 * Which nodes we talk to and where they listen: the rules of node.allow,
 * node.static and node.epmd, and what the node layer asks of them later.
 */
#ifndef CNODE_ADMIN_REACH_SETTINGS_H
#define CNODE_ADMIN_REACH_SETTINGS_H

#include "admin/settings.h"

/* Adds the mistakes to config.errors; after node.join was read. */
void reach_settings_check(struct settings *settings);

/* As node_config.is_allowed and node_config.address_for want them. */
bool reach_settings_is_allowed(const struct settings *settings,
                               const char *node);
bool reach_settings_address(const struct settings *settings, const char *node,
                            struct node_address *address);

#endif

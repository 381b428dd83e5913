/* SPDX-License-Identifier: Apache-2.0
 *
 * See reach_settings.h. An entry of node.allow is a full name, or a host, which
 * stands for every node there.
 */
#include "admin/reach_settings.h"

#include <string.h>

#include "base/mem.h"
#include "dist/address.h"
#include "dist/handshake.h"

static void check_allow(struct settings *settings);
static void check_joined_are_allowed(struct settings *settings);
static void check_static(struct settings *settings);
static void check_epmd(struct settings *settings);

void reach_settings_check(struct settings *settings)
{
    check_allow(settings);
    check_joined_are_allowed(settings);
    check_static(settings);
    check_epmd(settings);
}

static bool is_host(const char *text)
{
    return *text != '\0' && strlen(text) <= NODE_NAME_MAX &&
           strpbrk(text, "@ \t\n") == NULL;
}

static void check_allow(struct settings *settings)
{
    json_t *element;
    size_t i;

    json_array_foreach(settings->node.allow, i, element)
    {
        const char *text = json_string_value(element);
        char *path = config_index("node.allow", i);

        if (text == NULL || (!node_name_is_valid(text) && !is_host(text))) {
            config_error(&settings->config, path,
                         "expected a node such as \"c1@127.0.0.1\" or a host");
        }
        mem_free(path);
    }
}

/* Nobody means to keep dialling whom he forbids. */
static void check_joined_are_allowed(struct settings *settings)
{
    for (size_t i = 0; i < settings->join.count; i++) {
        if (!reach_settings_is_allowed(settings, settings->join.items[i])) {
            config_error(&settings->config, "node.allow",
                         "expected \"%s\" to be in it, as node.join or --join "
                         "has it",
                         settings->join.items[i]);
        }
    }
}

static void check_static(struct settings *settings)
{
    struct node_address address;
    const char *name;
    json_t *value;

    json_object_foreach(settings->node.static_map, name, value)
    {
        const char *text = json_string_value(value);
        char *path = config_join("node.static", name);

        if (!node_name_is_valid(name)) {
            config_error(&settings->config, path,
                         "expected a full node name such as \"c1@127.0.0.1\" "
                         "as the key");
        }
        if (text == NULL ||
            !address_split(text, address.host, sizeof(address.host),
                           &address.port)) {
            config_error(&settings->config, path,
                         "expected host:port such as \"10.0.0.5:9100\" or "
                         "\"[fe80::1]:9100\"");
        }
        mem_free(path);
    }
}

/* Without epmd nobody could be found, and nobody finds us at a port that the
 * system chooses. */
static void check_epmd(struct settings *settings)
{
    const struct settings_node *node = &settings->node;

    if (node->epmd || node->port != 0 || node->peer_port != 0 ||
        json_object_size(node->static_map) > 0) {
        return;
    }
    config_error(&settings->config, "node.epmd",
                 "expected node.port, so that others find this node without "
                 "epmd, or node.static or node.peer_port, so that it finds "
                 "them");
}

/* --- asked later */

bool reach_settings_is_allowed(const struct settings *settings,
                               const char *node)
{
    const char *at = strchr(node, '@');
    json_t *element;
    size_t i;

    if (settings->node.allow == NULL) {
        return true;
    }
    json_array_foreach(settings->node.allow, i, element)
    {
        const char *text = json_string_value(element);

        if (text != NULL && (strcmp(text, node) == 0 ||
                             (at != NULL && strcmp(text, at + 1) == 0))) {
            return true;
        }
    }
    return false;
}

bool reach_settings_address(const struct settings *settings, const char *node,
                            struct node_address *address)
{
    const char *text =
        json_string_value(json_object_get(settings->node.static_map, node));

    return text != NULL && address_split(text, address->host,
                                         sizeof(address->host), &address->port);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration as anybody may write it: the first line (if it holds a '=')
 * is a --set option, the rest the file. Whatever comes, there is a tree or a
 * message, and reading it ends.
 */
#include "base/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include <cnode/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
    const char *name;
    bool hidden;
    uint64_t max, timeout, size;
    int registry;
    json_t *node, *join, *any;
};

static const char *const registries[] = {"syn", "none", NULL};

#define AT(field) offsetof(struct target, field)

static const struct config_key keys[] = {
    {.name = "name", .type = CONFIG_STRING, .offset = AT(name)},
    {.name = "hidden", .type = CONFIG_BOOL, .offset = AT(hidden)},
    {.name = "max",
     .type = CONFIG_UINT,
     .offset = AT(max),
     .least = 1,
     .most = 100,
     .or_null = true},
    {.name = "timeout", .type = CONFIG_DURATION, .offset = AT(timeout)},
    {.name = "size", .type = CONFIG_SIZE, .offset = AT(size), .most = 1 << 20},
    {.name = "registry",
     .type = CONFIG_ENUM,
     .offset = AT(registry),
     .choices = registries},
    {.name = "node", .type = CONFIG_OBJECT, .offset = AT(node)},
    {.name = "join", .type = CONFIG_ARRAY, .offset = AT(join)},
    {.name = "any", .type = CONFIG_ANY, .offset = AT(any), .required = true},
};

/* Every member of an object is found again by its path. */
static void check_paths(struct config *config, const char *parent,
                        json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        char *path = config_join(parent, name);
        CHECK(config_line(config->text, path) >=
              config_line(config->text, parent));
        mem_free(path);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1);
    char *file = text, *end;
    struct target target = {.name = NULL};
    struct config config;
    int rc;

    memcpy(text, data, size);
    text[size] = '\0';
    end = strchr(text, '\n');
    if (end != NULL && memchr(text, '=', (size_t)(end - text)) != NULL) {
        *end = '\0';
        file = end + 1;
    }
    rc = config_parse(&config, "fuzz.json", file);
    CHECK(rc == 0 || config.error_count == 1);
    if (rc == 0) {
        check_paths(&config, "", config.root);
        if (file != text) {
            rc = config_set(&config, text);
            CHECK(rc == 0 || config.error_count == 1);
        }
        config_read(&config, "", config.root, keys, ARRAY_LEN(keys), &target);
        config_read(&config, "node", target.node, keys, ARRAY_LEN(keys),
                    &target);
    }
    (void)config_line(file, text); /* any text, any path */
    CHECK(config.error_count == 0 || buf_size(&config.errors) > 0);
    CHECK(buf_error(&config.errors) == 0);
    config_fini(&config);
    mem_free(text);
    return 0;
}

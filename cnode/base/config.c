/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration: open (or parse), put the --set options in place, read each
 * object against its table, look at error_count, fini.
 *
 * Reading goes on after a mistake, so that a user sees all of them at once.
 * Each becomes one line made in report(); text that came from the file is
 * stripped of control characters there.
 */
#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include <cnode/error.h>

enum {
    FILE_BYTES_MAX = 16 * 1024 * 1024,
    READ_BYTES = 16384,
    ERRORS_SHOWN = 100,
    SET_DEPTH_MAX = 32, /* segments in the path of --set */
};

static int parse(struct config *config, struct buf *file);

/* --- mistakes ------------------------------------------------------------ */

/* One line "place: path: message". */
static void report(struct config *config, const char *place, const char *path,
                   const char *message)
{
    struct buf *errors = &config->errors;
    size_t start = buf_size(errors);

    config->error_count++;
    if (config->error_count > ERRORS_SHOWN) {
        if (config->error_count == ERRORS_SHOWN + 1) {
            buf_printf(errors, "%s: further mistakes are not shown\n",
                       config->path);
        }
        return;
    }
    buf_printf(errors, "%s: %s%s%s", place, path, path[0] == '\0' ? "" : ": ",
               message);
    for (; start < buf_size(errors); start++) {
        uint8_t *c = buf_data(errors) + start;
        if (*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    buf_put_u8(errors, '\n');
}

/* Whether --set has put this value, or one that holds it, in place. */
static bool is_set(const struct config *config, const char *path)
{
    size_t size = buf_size(&config->set);
    size_t len;

    for (size_t at = 0; at < size; at += len + 1) {
        const char *set = (const char *)buf_data(&config->set) + at;
        len = strlen(set);
        if (strncmp(set, path, len) == 0 &&
            (path[len] == '\0' || path[len] == '.' || path[len] == '[')) {
            return true;
        }
    }
    return false;
}

void config_error(struct config *config, const char *path, const char *format,
                  ...)
{
    char message[512], place[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (is_set(config, path)) {
        (void)snprintf(place, sizeof(place), "--set");
    } else if (config->text == NULL || config->error_count >= ERRORS_SHOWN) {
        (void)snprintf(place, sizeof(place), "%s", config->path);
    } else {
        (void)snprintf(place, sizeof(place), "%s:%u", config->path,
                       config_line(config->text, path));
    }
    report(config, place, path, message);
}

/* --- opening ------------------------------------------------------------- */

static void config_init(struct config *config, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t dir_len = slash == NULL ? 0 : (size_t)(slash - path);

    *config = (struct config){.path = mem_strdup(path)};
    if (slash == NULL) {
        config->dir = mem_strdup(".");
    } else if (dir_len == 0) {
        config->dir = mem_strdup("/");
    } else {
        config->dir = mem_strdup(path);
        config->dir[dir_len] = '\0';
    }
    buf_init(&config->errors, 0);
    buf_init(&config->set, 0);
}

/* Appends the whole file, or more than FILE_BYTES_MAX of it. 0, a negated errno
 * or CNODE_NOMEM. */
static int read_file(const char *path, struct buf *file)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd < 0) {
        return -errno;
    }
    do {
        uint8_t *room = buf_reserve(file, READ_BYTES);
        if (room == NULL) {
            close(fd);
            return buf_error(file);
        }
        n = read(fd, room, READ_BYTES);
        if (n > 0) {
            buf_commit(file, (size_t)n);
        }
    } while ((n > 0 && buf_size(file) <= FILE_BYTES_MAX) ||
             (n < 0 && errno == EINTR));
    n = n < 0 ? -errno : 0;
    close(fd);
    return (int)n;
}

int config_open(struct config *config, const char *path)
{
    char message[256];
    struct buf file;
    int rc;

    config_init(config, path);
    buf_init(&file, 0);
    rc = read_file(path, &file);
    if (rc == 0) {
        rc = parse(config, &file);
    } else {
        (void)snprintf(message, sizeof(message), "cannot be read: %s",
                       cnode_strerror(rc));
        report(config, path, "", message);
        rc = CNODE_CONFIG;
    }
    buf_fini(&file);
    return rc;
}

int config_parse(struct config *config, const char *path, const char *text)
{
    struct buf copy;
    int rc;

    config_init(config, path);
    buf_init(&copy, 0);
    buf_put(&copy, text, strlen(text));
    rc = parse(config, &copy);
    buf_fini(&copy);
    return rc;
}

/* What jansson found, in words about the file. */
static const char *syntax_mistake(const char *text, const json_error_t *error)
{
    if (text[strspn(text, " \t\r\n")] == '\0') {
        return "expected an object, the file is empty";
    }
    if (json_error_code(error) == json_error_null_character ||
        json_error_code(error) == json_error_null_byte_in_key) {
        return "the character \\u0000 is not allowed";
    }
    if (strncmp(error->text, "'[' or '{' expected", 19) == 0) {
        return "expected an object";
    }
    return error->text;
}

/* Keeps the text and makes the tree. */
static int parse(struct config *config, struct buf *file)
{
    size_t size = buf_size(file);
    json_error_t error;
    char place[512];

    buf_put_u8(file, 0);
    if (buf_error(file) != 0 || size > FILE_BYTES_MAX) {
        report(config, config->path, "", "larger than 16 MiB");
        return CNODE_CONFIG;
    }
    config->text = (char *)buf_data(file);
    buf_init(file, 0); /* the text is ours now */
    config->root =
        json_loadb(config->text, size, JSON_REJECT_DUPLICATES, &error);
    if (config->root == NULL) {
        (void)snprintf(place, sizeof(place), "%s:%d:%d", config->path,
                       error.line, error.column > 0 ? error.column : 1);
        report(config, place, "", syntax_mistake(config->text, &error));
        return CNODE_CONFIG;
    }
    if (!json_is_object(config->root)) {
        config_error(config, "", "expected an object");
        return CNODE_CONFIG;
    }
    return 0;
}

void config_fini(struct config *config)
{
    json_decref(config->root);
    mem_free(config->path);
    mem_free(config->dir);
    mem_free(config->text);
    buf_fini(&config->errors);
    buf_fini(&config->set);
    *config = (struct config){.root = NULL};
}

/* --- --set --------------------------------------------------------------- */

/* The value in JSON or, when it is none, as a string. NULL: not even UTF-8. */
static json_t *set_value(const char *text)
{
    json_t *value =
        json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    return value != NULL ? value : json_string(text);
}

/* A way into the tree. */
struct set_walk {
    struct config_path path;
    json_t *node;
    json_t *parent;  /* of the first child that was made; NULL: none was */
    char *made;      /* its key */
    size_t made_len; /* of the path to it */
};

/* Goes to the child of a segment; a missing object or array is made. False:
 * there is none. */
static bool set_descend(struct set_walk *walk, struct config_segment *segment,
                        const char *path)
{
    bool is_index_next = !walk->path.is_key_next && walk->path.at[0] == '[';
    json_t *parent = walk->node;

    if (segment->key == NULL) {
        walk->node = json_array_get(parent, segment->index);
        return walk->node != NULL;
    }
    walk->node = json_object_get(parent, segment->key);
    if (walk->node != NULL || !json_is_object(parent)) {
        return walk->node != NULL;
    }
    walk->node = is_index_next ? json_array() : json_object();
    if (json_object_set_new(parent, segment->key, walk->node) != 0) {
        return false;
    }
    if (walk->parent == NULL) {
        walk->parent = parent;
        walk->made = segment->key;
        segment->key = NULL; /* taken */
        walk->made_len =
            (size_t)(walk->path.at - path) - (walk->path.is_key_next ? 1 : 0);
    }
    return true;
}

/* False when the node has no such place; the one behind the last element of an
 * array counts. Takes the value either way. */
static bool set_store(json_t *node, const struct config_segment *segment,
                      json_t *value)
{
    if (segment->key != NULL) {
        return json_object_set_new(node, segment->key, value) == 0;
    }
    return (segment->index == json_array_size(node)
                ? json_array_append_new(node, value)
                : json_array_set_new(node, segment->index, value)) == 0;
}

/* Stores the value at the end of the way. NULL, or what is wrong. */
static const char *set_walk(struct set_walk *walk, const char *path,
                            json_t *value)
{
    static const char nowhere[] =
        "there is no object or array element to hold that";
    struct config_segment segment;
    bool is_there = true;

    for (unsigned depth = 0; config_path_next(&walk->path, &segment); depth++) {
        if (walk->path.is_end) {
            is_there = set_store(walk->node, &segment, value);
            mem_free(segment.key);
            return is_there ? NULL : nowhere;
        }
        is_there = depth < SET_DEPTH_MAX && set_descend(walk, &segment, path);
        mem_free(segment.key);
        if (!is_there) {
            break;
        }
    }
    json_decref(value);
    return is_there ? "expected a path such as node.name or node.join[0]"
                    : nowhere;
}

/* Stores the value at `path` and notes the first place that changed; nothing
 * does when something is wrong. */
static const char *set_path(struct config *config, const char *path,
                            json_t *value)
{
    struct set_walk walk = {.node = config->root};
    const char *wrong;

    config_path_init(&walk.path, path);
    wrong = set_walk(&walk, path, value);
    if (wrong == NULL) {
        buf_put(&config->set, path,
                walk.parent != NULL ? walk.made_len : strlen(path));
        buf_put_u8(&config->set, 0);
    } else if (walk.parent != NULL) {
        (void)json_object_del(walk.parent, walk.made);
    }
    mem_free(walk.made);
    return wrong;
}

int config_set(struct config *config, const char *assignment)
{
    const char *equals = assignment;
    const char *wrong;
    json_t *value;
    char *path;

    if (config->root == NULL) {
        return CNODE_CONFIG; /* reported already */
    }
    while (*equals != '\0' && *equals != '=') {
        equals += equals[0] == '\\' && equals[1] != '\0' ? 2 : 1;
    }
    if (*equals != '=' || equals == assignment) {
        report(config, "--set", assignment, "expected path=value");
        return CNODE_CONFIG;
    }
    path = mem_strdup(assignment);
    path[equals - assignment] = '\0';
    value = set_value(equals + 1);
    wrong = value == NULL ? "expected UTF-8" : set_path(config, path, value);
    if (wrong != NULL) {
        report(config, "--set", path, wrong);
    }
    mem_free(path);
    return wrong == NULL ? 0 : CNODE_CONFIG;
}

char *config_file(const struct config *config, const char *name)
{
    size_t size = strlen(config->dir) + strlen(name) + 2;
    char *file;

    if (name[0] == '/') {
        return mem_strdup(name);
    }
    file = mem_alloc(size);
    (void)snprintf(file, size, "%s/%s", config->dir, name);
    return file;
}

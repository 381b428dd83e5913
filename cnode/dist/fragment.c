/* SPDX-License-Identifier: Apache-2.0
 *
 * An assembly is found by its sequence, gets each part appended, and leaves the
 * map when its last part (number 1) came.
 *
 * Nothing is allocated because a peer says how much will come: the bytes of an
 * assembly grow by doubling as parts arrive. What all assemblies hold is
 * counted and bounded, and so is their number. One that grows too large gives
 * its bytes back but stays in the map, so that the parts still to come are
 * recognised.
 */
#include "dist/fragment.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include <cnode/error.h>

enum { TRIM_BYTES = 16 * 1024 * 1024 };

static int assembly_append(struct assembler *assembler,
                           struct assembly *assembly, const uint8_t *bytes,
                           size_t size);
static void assembly_check(struct assembly *assembly);
static void assembly_cut(struct assembler *assembler,
                         struct assembly *assembly);

static bool assembly_has_sequence(const void *item, const void *key)
{
    const struct assembly *assembly = item;
    const uint64_t *sequence = key;

    return assembly->sequence == *sequence;
}

void assembler_init(struct assembler *assembler)
{
    map_init(&assembler->by_sequence, assembly_has_sequence);
    assembler->held_bytes = 0;
}

void assembler_fini(struct assembler *assembler)
{
    bool was_large = assembler->held_bytes > TRIM_BYTES;
    struct assembly *assembly;

    MAP_EACH(assembly, &assembler->by_sequence) {
        assembly_free(assembly);
    }
    map_fini(&assembler->by_sequence);
    assembler->held_bytes = 0;
    if (was_large) {
        mem_trim(); /* nobody may need as much for years */
    }
}

int assembler_first(struct assembler *assembler, uint64_t sequence,
                    uint64_t count, const uint8_t *control, size_t control_size,
                    const uint8_t *part, size_t part_size,
                    struct assembly **done)
{
    uint64_t hash = hash_u64(sequence);
    struct assembly *assembly;
    int rc;

    *done = NULL;
    if (count == 0 ||
        map_get(&assembler->by_sequence, hash, &sequence) != NULL) {
        return CNODE_PROTOCOL;
    }
    if (assembler->by_sequence.count >= limits.partial_sequences) {
        METRIC_INC(partials_over_limit);
        return CNODE_TOO_LARGE;
    }

    assembly = mem_zalloc(sizeof(*assembly));
    assembly->sequence = sequence;
    assembly->next = count - 1;
    assembly->control_size = control_size;
    assembly->over_limit = control_size == 0;
    buf_init(&assembly->bytes, 0);
    growing_init(&assembly->payload, (uint32_t)limits.term_depth);
    map_add(&assembler->by_sequence, hash, assembly);

    rc = assembly_append(assembler, assembly, control, control_size);
    if (rc == 0) {
        rc = assembly_append(assembler, assembly, part, part_size);
    }
    assembly_check(assembly);
    if (rc == 0 && count == 1) {
        *done = map_remove(&assembler->by_sequence, hash, &sequence);
        assembler->held_bytes -= buf_size(&assembly->bytes);
    }
    return rc;
}

int assembler_next(struct assembler *assembler, uint64_t sequence,
                   uint64_t number, const uint8_t *part, size_t part_size,
                   struct assembly **done)
{
    uint64_t hash = hash_u64(sequence);
    struct assembly *assembly =
        map_get(&assembler->by_sequence, hash, &sequence);
    int rc;

    *done = NULL;
    if (assembly == NULL || number == 0 || number != assembly->next) {
        return CNODE_PROTOCOL;
    }
    rc = assembly_append(assembler, assembly, part, part_size);
    if (rc != 0) {
        return rc;
    }
    assembly_check(assembly);
    assembly->next--;
    if (assembly->next == 0) {
        *done = map_remove(&assembler->by_sequence, hash, &sequence);
        assembler->held_bytes -= buf_size(&assembly->bytes);
    }
    return 0;
}

/* Adds bytes, or swallows them when the message is, or becomes, too large. */
static int assembly_append(struct assembler *assembler,
                           struct assembly *assembly, const uint8_t *bytes,
                           size_t size)
{
    size_t have = buf_size(&assembly->bytes);

    if (assembly->over_limit) {
        return 0;
    }
    if (have > limits.message_bytes || size > limits.message_bytes - have) {
        size_t start = assembly->control_size + ASSEMBLY_START_BYTES;

        assembly->over_limit = true;
        if (have >= start) {
            assembly_cut(assembler, assembly);
            return 0;
        }
        size = size < start - have ? size : start - have;
    }
    if (assembler->held_bytes + size > limits.partial_bytes) {
        METRIC_INC(partials_over_limit);
        return CNODE_TOO_LARGE;
    }
    buf_put(&assembly->bytes, bytes, size);
    if (buf_error(&assembly->bytes) != 0) {
        assembly->over_limit = true;
        assembly_cut(assembler, assembly);
        return 0;
    }
    assembler->held_bytes += size;
    return 0;
}

/* What it finds is remembered; the owner asks when all is there. */
static void assembly_check(struct assembly *assembly)
{
    size_t skip = assembly->control_size;

    if (!assembly->over_limit) {
        int rc =
            growing_step(&assembly->payload, buf_data(&assembly->bytes) + skip,
                         buf_size(&assembly->bytes) - skip);
        (void)rc;
    }
}

/* Keeps the control tuple and the first bytes of the payload only. */
static void assembly_cut(struct assembler *assembler, struct assembly *assembly)
{
    struct buf start;
    size_t have = buf_size(&assembly->bytes);
    size_t keep = assembly->control_size + ASSEMBLY_START_BYTES;

    keep = have < keep ? have : keep;
    buf_init(&start, 0);
    buf_put(&start, buf_data(&assembly->bytes), keep);
    if (buf_size(&start) < assembly->control_size) {
        assembly->control_size = 0; /* not even memory for that */
    }
    assembler->held_bytes -= have - buf_size(&start);
    buf_fini(&assembly->bytes);
    assembly->bytes = start;
}

void assembly_free(struct assembly *assembly)
{
    if (assembly != NULL) {
        buf_fini(&assembly->bytes);
        growing_fini(&assembly->payload);
        mem_free(assembly);
    }
}

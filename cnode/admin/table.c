/* SPDX-License-Identifier: Apache-2.0
 *
 * See table.h.
 */
#include "admin/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "term/text.h"
#include "term/utf8.h"

enum {
    CELL_SHOWN = 200, /* bytes of a term */
    GAP = 2,          /* between columns */
    COLUMNS_MOST = 32,
};

/* --- one cell */

static bool is_harmless(uint32_t point, bool lines)
{
    return (point >= 0x20 && point < 0x7f) || point >= 0xa0 ||
           (lines && point == '\n');
}

void table_put_safe(struct buf *out, const char *text, size_t len, bool lines)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    uint32_t point = 0;

    while (at < end) {
        size_t used = utf8_get(at, end, &point);

        if (used > 0 && is_harmless(point, lines)) {
            buf_put(out, at, used);
        } else {
            buf_put_u8(out, '?');
        }
        at += used > 0 ? used : 1;
    }
}

void table_put_term(struct buf *out, struct cnode_term term)
{
    const char *text;
    size_t len;
    struct buf printed;

    if (cnode_get_atom(term, &text, &len) ||
        (cnode_get_bytes(term, &text, &len) && utf8_count(text, len) >= 0)) {
        table_put_safe(out, text, len < CELL_SHOWN ? len : CELL_SHOWN, false);
        return;
    }
    buf_init(&printed, 0);
    term_print(&printed, term, CELL_SHOWN);
    table_put_safe(out, (const char *)buf_data(&printed), buf_size(&printed),
                   false);
    buf_fini(&printed);
}

static void put_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    buf_printf(out, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void put_ms(struct buf *out, uint64_t ms)
{
    uint64_t s = ms / 1000;

    if (s == 0) {
        buf_printf(out, "%" PRIu64 "ms", ms);
    } else if (s < 60) {
        buf_printf(out, "%" PRIu64 ".%" PRIu64 "s", s, ms % 1000 / 100);
    } else if (s < 3600) {
        buf_printf(out, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
    } else if (s < 86400) {
        buf_printf(out, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s % 3600 / 60);
    } else {
        buf_printf(out, "%" PRIu64 "d%02" PRIu64 "h", s / 86400,
                   s % 86400 / 3600);
    }
}

static void put_date(struct buf *out, uint64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];

    if (gmtime_r(&s, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        buf_printf(out, "%" PRIu64, ms);
        return;
    }
    buf_printf(out, "%s.%03uZ", text, (unsigned)(ms % 1000));
}

static void put_parts(struct buf *out, struct cnode_term term)
{
    struct cnode_term parts[3];

    if (!term_get_tuple(term, 3, parts)) {
        table_put_term(out, term);
        return;
    }
    for (int i = 0; i < 3; i++) {
        buf_printf(out, "%s", i == 0 ? "" : "/");
        table_put_term(out, parts[i]);
    }
}

static void put_list(struct buf *out, struct cnode_term term)
{
    struct cnode_term element;
    struct cnode_list list;
    bool is_first = true;

    if (!cnode_list(term, &list) || list.left == 0) {
        buf_printf(out, "-");
        return;
    }
    while (cnode_list_next(&list, &element)) {
        buf_printf(out, "%s", is_first ? "" : ", ");
        table_put_term(out, element);
        is_first = false;
    }
}

static void put_id(struct buf *out, struct cnode_term term)
{
    struct cnode_term parts[3];

    table_put_term(out, term_get_tuple(term, 3, parts) &&
                                term_is_atom(parts[0], A_ref)
                            ? parts[2]
                            : term);
}

static void put_cell(struct buf *out, enum cell_kind kind,
                     struct cnode_term term)
{
    uint64_t number;
    double real;

    if (kind == CELL_NUMBER && cnode_type(term) == CNODE_TYPE_FLOAT &&
        cnode_get_float(term, &real)) {
        buf_printf(out, "%.2f", real);
    } else if (kind == CELL_BYTES && cnode_get_uint(term, &number)) {
        put_bytes(out, number);
    } else if (kind == CELL_MS && cnode_get_uint(term, &number)) {
        put_ms(out, number);
    } else if (kind == CELL_DATE && cnode_get_uint(term, &number)) {
        put_date(out, number);
    } else if (kind == CELL_WINDOW) {
        put_parts(out, term);
    } else if (kind == CELL_ID) {
        put_id(out, term);
    } else if (kind == CELL_LIST) {
        put_list(out, term);
    } else {
        table_put_term(out, term);
    }
}

static void put_value(struct buf *out, const struct column *column,
                      struct cnode_term map)
{
    struct cnode_term value;

    if (!cnode_map_get(map, column->key, &value) ||
        cnode_is_atom(value, "nil")) {
        buf_printf(out, "-");
    } else {
        put_cell(out, column->kind, value);
    }
}

/* --- a table */

void table_init(struct table *table, const struct column *columns, size_t count)
{
    CHECK(count <= COLUMNS_MOST);
    *table = (struct table){.columns = columns, .count = count};
    buf_init(&table->cells, 0);
}

void table_fini(struct table *table)
{
    buf_fini(&table->cells);
    mem_free(table->ends);
}

static void end_cell(struct table *table)
{
    if (table->cell_count == table->cell_cap) {
        table->cell_cap = table->cell_cap == 0 ? 64 : table->cell_cap * 2;
        table->ends =
            mem_realloc(table->ends, table->cell_cap * sizeof(*table->ends));
    }
    table->ends[table->cell_count++] = buf_size(&table->cells);
}

void table_add(struct table *table, struct cnode_term map)
{
    for (size_t i = 0; i < table->count; i++) {
        put_value(&table->cells, &table->columns[i], map);
        end_cell(table);
    }
}

struct cell {
    const char *text;
    size_t len;
    size_t width;
};

static struct cell cell_at(const struct table *table, size_t number)
{
    size_t start = number == 0 ? 0 : table->ends[number - 1];
    struct cell cell = {.text = (const char *)buf_data(&table->cells) + start,
                        .len = table->ends[number] - start};
    long width = utf8_count(cell.text, cell.len);

    cell.width = width < 0 ? cell.len : (size_t)width;
    return cell;
}

/* No spaces at the end of a line. */
static void put_aligned(struct buf *out, const struct cell *cell, size_t width,
                        bool to_the_right, bool is_last)
{
    int pad = (int)(width - cell->width);

    if (to_the_right) {
        buf_printf(out, "%*s", pad, "");
    }
    buf_put(out, cell->text, cell->len);
    if (is_last) {
        buf_printf(out, "\n");
    } else {
        buf_printf(out, "%*s", GAP + (to_the_right ? 0 : pad), "");
    }
}

static bool is_right(const struct column *column)
{
    return column->kind == CELL_NUMBER || column->kind == CELL_BYTES ||
           column->kind == CELL_MS;
}

static void measure(const struct table *table, size_t widths[COLUMNS_MOST])
{
    for (size_t i = 0; i < table->count; i++) {
        widths[i] = strlen(table->columns[i].title);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        struct cell cell = cell_at(table, i);
        size_t *width = &widths[i % table->count];

        *width = cell.width > *width ? cell.width : *width;
    }
}

void table_put(const struct table *table, struct buf *out)
{
    size_t widths[COLUMNS_MOST];

    measure(table, widths);
    for (size_t i = 0; i < table->count; i++) {
        const struct column *column = &table->columns[i];
        struct cell title = {.text = column->title,
                             .len = strlen(column->title),
                             .width = strlen(column->title)};

        put_aligned(out, &title, widths[i], is_right(column),
                    i + 1 == table->count);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->count;
        struct cell cell = cell_at(table, i);

        put_aligned(out, &cell, widths[column],
                    is_right(&table->columns[column]),
                    column + 1 == table->count);
    }
}

/* --- pairs */

void table_put_pairs(struct buf *out, const struct column *columns,
                     size_t count, struct cnode_term map)
{
    size_t width = 0;

    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(columns[i].title);

        width = len > width ? len : width;
    }
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%-*s", (int)width + GAP, columns[i].title);
        put_value(out, &columns[i], map);
        buf_printf(out, "\n");
    }
}

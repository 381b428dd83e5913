/* SPDX-License-Identifier: Apache-2.0
 *
 * See date_time.h.
 */
#include "manager/date_time.h"

#include <stdio.h>
#include <time.h>

#include "term/build.h"

enum { US = 1000000 };

int64_t date_time_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * US + now.tv_nsec / 1000;
}

static struct tm parts_of(int64_t us)
{
    time_t seconds = us / US;
    struct tm parts = {0};

    (void)gmtime_r(&seconds, &parts);
    return parts;
}

void date_time_put(struct buf *buf, int64_t us)
{
    struct tm at = parts_of(us);

    if (us == 0) {
        term_put_atom(buf, A_nil);
        return;
    }
    term_format(buf,
                "#{'__struct__' => ~A, calendar => ~A, year => ~i, month => "
                "~i, day => ~i, hour => ~i, minute => ~i, second => ~i, "
                "microsecond => {~i, 6}, time_zone => ~s, zone_abbr => ~s, "
                "utc_offset => 0, std_offset => 0}",
                A_DateTime, A_CalendarISO, (int64_t)at.tm_year + 1900,
                (int64_t)at.tm_mon + 1, (int64_t)at.tm_mday,
                (int64_t)at.tm_hour, (int64_t)at.tm_min, (int64_t)at.tm_sec,
                us % US, "Etc/UTC", "UTC");
}

void date_time_text(int64_t us, char text[DATE_TIME_TEXT])
{
    struct tm at = parts_of(us);
    size_t len;

    text[0] = '\0';
    if (us != 0) {
        len = strftime(text, DATE_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &at);
        (void)snprintf(text + len, DATE_TIME_TEXT - len, ".%06dZ",
                       (int)(us % US));
    }
}

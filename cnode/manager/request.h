/* SPDX-License-Identifier: Apache-2.0
 *
 * What AdvancedPool asks of the manager of a node or of the cluster, taken
 * apart: in an envelope, as its inner record {s, Call, Context, Options}, or
 * bare. Pure.
 *
 *     configuration
 *     {health_report, Subscriber | nil}         options: rebuild
 *     {health_report, Subscriber | nil, Options}
 *     {update_health_report, Report}            a cast
 *     heart_beat                                a message
 */
#ifndef CNODE_MANAGER_REQUEST_H
#define CNODE_MANAGER_REQUEST_H

#include "term/view.h"

enum request_kind {
    REQUEST_OTHER,
    REQUEST_CONFIGURATION,
    REQUEST_HEALTH_REPORT,
    REQUEST_UPDATE_HEALTH_REPORT,
    REQUEST_HEART_BEAT,
};

struct request {
    enum request_kind kind;
    struct cnode_term message;   /* {s, ...}, or whatever it is */
    struct cnode_term recipient; /* Id of the ref it is for; TERM_NONE */
    struct pid subscriber;       /* PID_NONE: nobody */
    bool rebuild;
};

void request_parse(struct cnode_term body, struct request *out);

#endif

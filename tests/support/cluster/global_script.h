/* SPDX-License-Identifier: Apache-2.0
 *
 * One member of global, n1@here, and what a test lets the nodes p1@there and
 * p2@there say to it: by hand, message by message, on virtual time.
 */
#ifndef CNODE_SUPPORT_GLOBAL_SCRIPT_H
#define CNODE_SUPPORT_GLOBAL_SCRIPT_H

#include "cluster/global.h"

enum { SCRIPT_ASKED = 16 };

struct global_script {
    struct global global;
    uint64_t now;
    struct buf said;    /* a line for everything it does, but for monitors */
    atom_t peer, peer2; /* p1@there, p2@there */
    struct pid his_locker, his_process, our_process;
    uint32_t monitors;                            /* there are */
    struct ref newest[GLOBAL_ROLES];              /* monitor of each */
    struct ref asked[GLOBAL_ROLES][SCRIPT_ASKED]; /* calls that wait */
    unsigned asked_count[GLOBAL_ROLES];
    uint64_t requests, clash;
};

void global_script_open(struct global_script *s);
void global_script_close(struct global_script *s);

/* What it did since the last time, such as
 *     server {global_name_server,p1@there} ! junk
 *     reply true
 *     dial p2@there
 * separated by \n. */
const char *script_said(struct global_script *s);

/* A message of p1's server to ours; Erlang text with directives. What
 * global_message() gives. */
int script_hear(struct global_script *s, const char *format, ...);
/* A call to the server by a process. */
void script_call(struct global_script *s, struct pid by, const char *format,
                 ...);
/* All calls that the locker or registrar waits for are answered so. */
void script_answer(struct global_script *s, enum global_role role,
                   const char *answer);
/* The process of the newest monitor of one of the three has ended. */
int script_down(struct global_script *s, enum global_role role);
void script_resolved(struct global_script *s, const char *format, ...);

/* p1 says init_connect with the tag -7; ours is the first, 1. */
void script_init_connect(struct global_script *s);
/* Then its locker locks, and ours does. */
void script_lock_both(struct global_script *s);
/* p1 is up and known, nothing is locked, nothing was said. */
void script_join(struct global_script *s);

/* A name of a process, by our registrar under the lock. */
void script_name(struct global_script *s, const char *name, struct pid pid);
struct pid script_whereis(struct global_script *s, const char *name);
/* Of our process. */
int script_request(struct global_script *s, enum global_op op,
                   const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * A behaviour that writes down what is asked of it and does what it is told:
 *
 *     {reply, T}        answers T                 silent      answers nothing
 *     {pair, K, L}      answers #{K => 1, L => 2}
 *     {stop, R}         stops, no answer          {reply_stop, T, R}
 *     fail              returns CNODE_EINVALID    later       keeps the caller
 *     {answer, T}       answers the kept caller, then ok
 *     {timer, Ms, T}    starts a timer            {watch, Dest}  monitors
 *     {send, Dest, T}  {cast, Dest, T}            sends
 *     {memory, N}  raise_error  raise_warning     counted
 *     {syn, Scope, Name, Meta}                    registers itself
 *     who              {Self, Id, Ref, Context}
 *     keep_state       answers what cnode_persist() is answered
 *     forget_state     the same of cnode_persist_delete()
 *
 * Casts and messages of these act the same where that makes sense.
 */
#ifndef CNODE_SUPPORT_SCRIPT_H
#define CNODE_SUPPORT_SCRIPT_H

#include <cnode/behaviour.h>

extern const struct cnode_behaviour script_behaviour;

/* What was called since the last look, separated by spaces:
 * "init(1) load(1) call(1,foo) terminate(1,shutdown)". */
const char *script_log(void);

extern struct script_knobs {
    int fail_inits;    /* that many next inits fail with CNODE_REFUSED */
    bool stop_in_init; /* with reason {why, init} */
    int fail_loads;
    int fail_restores;
    unsigned terminate_ms; /* terminate keeps the thread busy that long */
    int waits;             /* that many terminates ask for cnode_wait() */
    int wait_rc;           /* what that returned */
    bool notes_context;    /* of init: "init(1,Args,Context)" */
    bool own_answers;      /* fetch, ping, ... answer by themselves */
    int verdict;           /* resolve_conflict: what it returns; 0: the rule */
} script_knobs;
void script_reset(void);

#endif

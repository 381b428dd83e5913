/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs when a function of functions.def is called: see struct function.
 */
#ifndef CNODE_CLUSTER_FUNCTIONS_RUN_H
#define CNODE_CLUSTER_FUNCTIONS_RUN_H

#include "cluster/functions.h"

/* functions_node.c */
int function_node(struct function_run *run);
int function_nodes(struct function_run *run);
int function_nodes_of(struct function_run *run);
int function_true(struct function_run *run);
int function_empty_list(struct function_run *run);
int function_zero(struct function_run *run);
int function_localhost(struct function_run *run);
int function_whereis(struct function_run *run);
int function_registered(struct function_run *run);
int function_exported(struct function_run *run);
int function_ensure_loaded(struct function_run *run);
int function_all_loaded(struct function_run *run);

/* functions_process.c */
int function_processes(struct function_run *run);
int function_process_info(struct function_run *run);
int function_process_info_of(struct function_run *run);
int function_is_process_alive(struct function_run *run);
int function_initial_call(struct function_run *run);
int function_label(struct function_run *run);
int function_get_state(struct function_run *run);
int function_get_status(struct function_run *run);

/* system_info.c */
int function_system_info(struct function_run *run);
/* Appends what function_system_info() gives for that atom. */
void system_info_put(struct function_run *run, const char *item);

/* statistics.c */
int function_statistics(struct function_run *run);
int function_memory(struct function_run *run);
int function_memory_of(struct function_run *run);

/* observer.c, appmon.c */
int function_vsn(struct function_run *run);
int function_sys_info(struct function_run *run);
int function_socket_info(struct function_run *run);
int function_ttb_init_node(struct function_run *run);
int function_table_list(struct function_run *run);
int function_start_appmon(struct function_run *run);
/* trace_relay.c */
int function_port_control(struct function_run *run);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What is visible outside the executable, and compiler attributes.
 */
#ifndef CNODE_EXPORT_H
#define CNODE_EXPORT_H

#ifdef __cplusplus
#define CNODE_API extern "C" __attribute__((visibility("default")))
#else
#define CNODE_API __attribute__((visibility("default")))
#endif

#endif

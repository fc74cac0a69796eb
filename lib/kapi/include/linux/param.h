/* SPDX-License-Identifier: GPL-2.0 */
/* Clock ticks. */
#ifndef KAPI_LINUX_PARAM_H
#define KAPI_LINUX_PARAM_H

#define HZ	250

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* CRC-32C. */
#ifndef KAPI_LINUX_CRC32C_H
#define KAPI_LINUX_CRC32C_H

#include <linux/types.h>

/* The bare step: state in, state out, no inversion. */
u32 crc32c(u32 crc, const void *p, unsigned int bytes);
#define crc32c_le(c, p, n)	crc32c(c, p, n)

#endif

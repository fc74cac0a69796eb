/* SPDX-License-Identifier: GPL-2.0 */
/* CRC-64, ECMA-182, most significant bit first. */
#ifndef KAPI_LINUX_CRC64_H
#define KAPI_LINUX_CRC64_H

#include <linux/types.h>

u64 crc64_be(u64 crc, const void *p, size_t bytes);

#endif

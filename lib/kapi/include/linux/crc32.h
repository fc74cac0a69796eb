/* SPDX-License-Identifier: GPL-2.0 */
/* CRC-32 and the concatenation of CRC-32C. */
#ifndef KAPI_LINUX_CRC32_H
#define KAPI_LINUX_CRC32_H

#include <linux/types.h>

u32 __attribute_const__ __crc32c_le_shift(u32 crc, size_t bytes);
u32 __crc32c_le(u32 crc, unsigned char const *p, size_t bytes);
u32 crc32_le(u32 crc, unsigned char const *p, size_t bytes);

/* CRC of a concatenation: crc1 fed @len2 zero bytes, plus crc2. */
static inline u32 __crc32c_le_combine(u32 crc1, u32 crc2, size_t len2)
{
	return __crc32c_le_shift(crc1, len2) ^ crc2;
}

#endif

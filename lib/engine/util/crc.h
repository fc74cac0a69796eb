/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ENGINE_UTIL_CRC_H
#define ENGINE_UTIL_CRC_H

#include <linux/types.h>

/*
 * Moving a raw CRC register over zero bytes in logarithmic time, for joining
 * checksums of neighbours (docs/format/20-checksums-encryption.md, section 3).
 */
u32 bce_crc32c_zeros(u32 reg, u64 bytes);
u64 bce_crc64_zeros(u64 reg, u64 bytes);

#endif

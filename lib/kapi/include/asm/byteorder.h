/* SPDX-License-Identifier: GPL-2.0 */
/* Byte order conversion. */
#ifndef KAPI_ASM_BYTEORDER_H
#define KAPI_ASM_BYTEORDER_H

#include <linux/types.h>
#include_next <asm/byteorder.h>

#define cpu_to_le16		__cpu_to_le16
#define cpu_to_le32		__cpu_to_le32
#define cpu_to_le64		__cpu_to_le64
#define le16_to_cpu		__le16_to_cpu
#define le32_to_cpu		__le32_to_cpu
#define le64_to_cpu		__le64_to_cpu
#define cpu_to_be16		__cpu_to_be16
#define cpu_to_be32		__cpu_to_be32
#define cpu_to_be64		__cpu_to_be64
#define be16_to_cpu		__be16_to_cpu
#define be32_to_cpu		__be32_to_cpu
#define be64_to_cpu		__be64_to_cpu
#define cpu_to_le16p		__cpu_to_le16p
#define cpu_to_le32p		__cpu_to_le32p
#define cpu_to_le64p		__cpu_to_le64p
#define le16_to_cpup		__le16_to_cpup
#define le32_to_cpup		__le32_to_cpup
#define le64_to_cpup		__le64_to_cpup
#define le16_to_cpus		__le16_to_cpus
#define le32_to_cpus		__le32_to_cpus
#define le64_to_cpus		__le64_to_cpus

#define KAPI_LE_ADD(bits) \
static inline void le##bits##_add_cpu(__le##bits *v, u##bits n) \
{ \
	*v = cpu_to_le##bits(le##bits##_to_cpu(*v) + n); \
}
KAPI_LE_ADD(16)
KAPI_LE_ADD(32)
KAPI_LE_ADD(64)
#undef KAPI_LE_ADD

static inline void le32_to_cpu_array(u32 *buf, unsigned int words)
{
	for (; words; words--, buf++)
		*buf = __le32_to_cpu((__force __le32)*buf);
}

static inline void cpu_to_le32_array(u32 *buf, unsigned int words)
{
	for (; words; words--, buf++)
		*buf = (__force u32)__cpu_to_le32(*buf);
}

#endif

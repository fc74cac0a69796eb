/* SPDX-License-Identifier: GPL-2.0 */
/* Loads and stores of any alignment. */
#ifndef KAPI_LINUX_UNALIGNED_H
#define KAPI_LINUX_UNALIGNED_H

#include <asm/byteorder.h>
#include <linux/types.h>
#include <string.h>

#define get_unaligned(p) ({ \
	__typeof__(*(p)) __gu_v; \
	memcpy(&__gu_v, (p), sizeof(__gu_v)); \
	__gu_v; \
})

#define put_unaligned(v, p) do { \
	__typeof__(*(p)) __pu_v = (v); \
	memcpy((p), &__pu_v, sizeof(__pu_v)); \
} while (0)

#define KAPI_UNALIGNED(order, bits) \
static inline u##bits get_unaligned_##order##bits(const void *p) \
{ \
	__##order##bits v; \
\
	memcpy(&v, p, sizeof(v)); \
	return order##bits##_to_cpu(v); \
} \
static inline void put_unaligned_##order##bits(u##bits val, void *p) \
{ \
	__##order##bits v = cpu_to_##order##bits(val); \
\
	memcpy(p, &v, sizeof(v)); \
}
KAPI_UNALIGNED(le, 16)
KAPI_UNALIGNED(le, 32)
KAPI_UNALIGNED(le, 64)
KAPI_UNALIGNED(be, 16)
KAPI_UNALIGNED(be, 32)
KAPI_UNALIGNED(be, 64)
#undef KAPI_UNALIGNED

#endif

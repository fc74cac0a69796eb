/* SPDX-License-Identifier: GPL-2.0 */
/* Jenkins lookup3 hash. */
#ifndef KAPI_LINUX_JHASH_H
#define KAPI_LINUX_JHASH_H

#include <linux/types.h>

#define JHASH_INITVAL	0xdeadbeef

u32 jhash(const void *key, u32 length_bytes, u32 initval);
/* Same value as jhash() over the words on a little-endian machine. */
u32 jhash2(const u32 *key, u32 words, u32 initval);
u32 jhash_3words(u32 a, u32 b, u32 c, u32 initval);
u32 jhash_2words(u32 a, u32 b, u32 initval);
u32 jhash_1word(u32 a, u32 initval);

#endif

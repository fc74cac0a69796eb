// SPDX-License-Identifier: GPL-2.0
/*
 * CRC-32C (Castagnoli, bit-reflected) at the speed of the processor's instruction.
 *
 * The crc32 instruction of x86 works in general registers, so unlike SIMD code it
 * needs no permission from the kernel. It takes three cycles but one can be
 * started every cycle, hence a single chain of them runs at a third of what the
 * processor can do. Large buffers are therefore cut into three equal streams,
 * checksummed side by side and joined:
 *
 *	|---- a ----|---- b ----|---- c ----|
 *	crc(abc) = zeros(zeros(crc(a), len) ^ crc(b), len) ^ crc(c)
 *
 * where zeros(r, n) moves register r over n zero bytes. That is a linear map on
 * 32 bits; for the two stream lengths in use it is tabulated per nibble (512
 * bytes each), so joining costs sixteen loads from one or two cache lines.
 *
 * The processor is asked by CPUID directly: User-Mode Linux is compiled for x86
 * too but keeps no feature words, and user space has none. Other processors use
 * the kernel's crc32c().
 */
#include "engine/util/csum.h"

#include <linux/compiler.h>
#include <linux/crc32c.h>
#include <linux/minmax.h>

#include "engine/util/crc.h"
#include "kc/kc.h"

#define CRC32C_POLY_REFLECTED	0x82f63b78U

/* polynomial x^8 and x^0 in reflected order: bit 31 is x^0 */
#define CRC32C_X8		(1U << 23)
#define CRC32C_X0		(1U << 31)

static u32 poly_mul(u32 a, u32 b)
{
	u32 product = 0;
	u32 bit;

	for (bit = CRC32C_X0; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = (b >> 1) ^ (b & 1 ? CRC32C_POLY_REFLECTED : 0);
	}
	return product;
}

u32 bce_crc32c_zeros(u32 reg, u64 bytes)
{
	u32 power = CRC32C_X8;

	for (; bytes; bytes >>= 1) {
		if (bytes & 1)
			reg = poly_mul(reg, power);
		power = poly_mul(power, power);
	}
	return reg;
}

/* callers may hand in more than the kernel's unsigned int */
static u32 crc32c_portable(u32 reg, const u8 *p, size_t bytes)
{
	while (bytes) {
		unsigned int part = min_t(size_t, bytes, 1U << 30);

		reg = crc32c(reg, p, part);
		p += part;
		bytes -= part;
	}
	return reg;
}

#ifdef __x86_64__

#define STREAM_LONG_BYTES	2048
#define STREAM_SHORT_BYTES	256

#define N1(b0, b1, b2, b3, n)							\
	(((n) & 1 ? (b0) : 0) ^ ((n) & 2 ? (b1) : 0) ^				\
	 ((n) & 4 ? (b2) : 0) ^ ((n) & 8 ? (b3) : 0))
#define NIBBLE(b0, b1, b2, b3) {						\
	N1(b0, b1, b2, b3, 0), N1(b0, b1, b2, b3, 1),				\
	N1(b0, b1, b2, b3, 2), N1(b0, b1, b2, b3, 3),				\
	N1(b0, b1, b2, b3, 4), N1(b0, b1, b2, b3, 5),				\
	N1(b0, b1, b2, b3, 6), N1(b0, b1, b2, b3, 7),				\
	N1(b0, b1, b2, b3, 8), N1(b0, b1, b2, b3, 9),				\
	N1(b0, b1, b2, b3, 10), N1(b0, b1, b2, b3, 11),				\
	N1(b0, b1, b2, b3, 12), N1(b0, b1, b2, b3, 13),				\
	N1(b0, b1, b2, b3, 14), N1(b0, b1, b2, b3, 15),				\
}

/* zeros(1 << bit, length) for each bit; the test recomputes what they lead to */
static const u32 zeros_short[8][16] = {
	NIBBLE(0xdcb17aa4, 0xbc8e83b9, 0x7cf17183, 0xf9e2e306),
	NIBBLE(0xf629b0fd, 0xe9bf170b, 0xd69258e7, 0xa8c8c73f),
	NIBBLE(0x547df88f, 0xa8fbf11e, 0x541b94cd, 0xa837299a),
	NIBBLE(0x558225c5, 0xab044b8a, 0x53e4e1e5, 0xa7c9c3ca),
	NIBBLE(0x4a7ff165, 0x94ffe2ca, 0x2c13b365, 0x582766ca),
	NIBBLE(0xb04ecd94, 0x6571edd9, 0xcae3dbb2, 0x902bc195),
	NIBBLE(0x25bbf5db, 0x4b77ebb6, 0x96efd76c, 0x2833d829),
	NIBBLE(0x5067b052, 0xa0cf60a4, 0x4472b7b9, 0x88e56f72),
};

static const u32 zeros_long[8][16] = {
	NIBBLE(0xf7506984, 0xeb4ca5f9, 0xd3753d03, 0xa3060cf7),
	NIBBLE(0x43e06f1f, 0x87c0de3e, 0x0a6dca8d, 0x14db951a),
	NIBBLE(0x29b72a34, 0x536e5468, 0xa6dca8d0, 0x48552751),
	NIBBLE(0x90aa4ea2, 0x24b8ebb5, 0x4971d76a, 0x92e3aed4),
	NIBBLE(0x202b2b59, 0x405656b2, 0x80acad64, 0x04b52c39),
	NIBBLE(0x096a5872, 0x12d4b0e4, 0x25a961c8, 0x4b52c390),
	NIBBLE(0x96a58720, 0x28a778b1, 0x514ef162, 0xa29de2c4),
	NIBBLE(0x40d7b379, 0x81af66f2, 0x06b2bb15, 0x0d65762a),
};

static u32 zeros_by_table(u32 reg, const u32 table[8][16])
{
	u32 sum = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		sum ^= table[i][(reg >> (4 * i)) & 15];
	return sum;
}

static __always_inline u64 step_word(u64 reg, const u8 *p)
{
	asm("crc32q %1, %0" : "+r" (reg) : "r" (get_unaligned_le64(p)));
	return reg;
}

static __always_inline u32 step_byte(u32 reg, u8 byte)
{
	asm("crc32b %1, %0" : "+r" (reg) : "rm" (byte));
	return reg;
}

static __always_inline u32 three_streams(u32 reg, const u8 *p, size_t stream_bytes,
					 const u32 zeros[8][16])
{
	u64 a = reg, b = 0, c = 0;
	const u8 *end = p + stream_bytes;

	for (; p < end; p += 8) {
		a = step_word(a, p);
		b = step_word(b, p + stream_bytes);
		c = step_word(c, p + 2 * stream_bytes);
	}
	return zeros_by_table(zeros_by_table(a, zeros) ^ b, zeros) ^ c;
}

static u32 crc32c_instruction(u32 reg, const u8 *p, size_t bytes)
{
	u64 wide;

	for (; bytes >= 3 * STREAM_LONG_BYTES; bytes -= 3 * STREAM_LONG_BYTES) {
		reg = three_streams(reg, p, STREAM_LONG_BYTES, zeros_long);
		p += 3 * STREAM_LONG_BYTES;
	}
	for (; bytes >= 3 * STREAM_SHORT_BYTES; bytes -= 3 * STREAM_SHORT_BYTES) {
		reg = three_streams(reg, p, STREAM_SHORT_BYTES, zeros_short);
		p += 3 * STREAM_SHORT_BYTES;
	}
	for (wide = reg; bytes >= 8; bytes -= 8, p += 8)
		wide = step_word(wide, p);
	for (reg = wide; bytes; bytes--, p++)
		reg = step_byte(reg, *p);
	return reg;
}

/* SSE4.2 brought the instruction: CPUID leaf 1, ecx bit 20 */
static bool cpu_has_crc32(void)
{
	static int known;	/* 0 not asked yet, 1 absent, 2 present; any CPU may answer */
	int answer = READ_ONCE(known);

	if (!answer) {
		u32 eax = 1, ebx, ecx = 0, edx;

		asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "+c" (ecx), "=d" (edx));
		answer = ecx & (1U << 20) ? 2 : 1;
		WRITE_ONCE(known, answer);
	}
	return answer == 2;
}

u32 bce_crc32c(u32 reg, const void *p, size_t bytes)
{
	if (likely(cpu_has_crc32()))
		return crc32c_instruction(reg, p, bytes);
	return crc32c_portable(reg, p, bytes);
}

#else

u32 bce_crc32c(u32 reg, const void *p, size_t bytes)
{
	return crc32c_portable(reg, p, bytes);
}

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * CRC-64 of ECMA-182, most significant bit first: the format's crc64.
 *
 * Eight bytes are taken per step ("slicing by eight"): table k holds what a byte
 * contributes when k more bytes of the same word follow it, so the eight lookups
 * of a word do not wait for each other. Words still do, so large buffers are cut
 * into three streams that run side by side and are joined as in crc32c.c. The
 * kernel's crc64_be() takes one byte per step and waits for each lookup; data may
 * be checksummed with this, so it should not cost more than it must.
 *
 * Entries of a table are sums of its entries for single bits, so the source lists
 * only those and the preprocessor the rest.
 */
#include "engine/util/csum.h"

#include "engine/util/crc.h"
#include "kc/kc.h"

#define CRC64_POLY	0x42f0e1eba9ea3693ULL
#define CRC64_X8	(1ULL << 8)

static u64 poly_mul(u64 a, u64 b)
{
	u64 product = 0;
	int bit;

	for (bit = 63; bit >= 0; bit--) {
		product = (product << 1) ^ (product >> 63 ? CRC64_POLY : 0);
		if (a >> bit & 1)
			product ^= b;
	}
	return product;
}

u64 bce_crc64_zeros(u64 reg, u64 bytes)
{
	u64 power = CRC64_X8;

	for (; bytes; bytes >>= 1) {
		if (bytes & 1)
			reg = poly_mul(reg, power);
		power = poly_mul(power, power);
	}
	return reg;
}

#define E1(b0, b1, b2, b3, b4, b5, b6, b7, n)					\
	(((n) & 0x01 ? (b0) : 0) ^ ((n) & 0x02 ? (b1) : 0) ^			\
	 ((n) & 0x04 ? (b2) : 0) ^ ((n) & 0x08 ? (b3) : 0) ^			\
	 ((n) & 0x10 ? (b4) : 0) ^ ((n) & 0x20 ? (b5) : 0) ^			\
	 ((n) & 0x40 ? (b6) : 0) ^ ((n) & 0x80 ? (b7) : 0))
#define E4(b0, b1, b2, b3, b4, b5, b6, b7, n)					\
	E1(b0, b1, b2, b3, b4, b5, b6, b7, (n)),				\
	E1(b0, b1, b2, b3, b4, b5, b6, b7, (n) + 1),				\
	E1(b0, b1, b2, b3, b4, b5, b6, b7, (n) + 2),				\
	E1(b0, b1, b2, b3, b4, b5, b6, b7, (n) + 3)
#define E16(b0, b1, b2, b3, b4, b5, b6, b7, n)					\
	E4(b0, b1, b2, b3, b4, b5, b6, b7, (n)),				\
	E4(b0, b1, b2, b3, b4, b5, b6, b7, (n) + 4),				\
	E4(b0, b1, b2, b3, b4, b5, b6, b7, (n) + 8),				\
	E4(b0, b1, b2, b3, b4, b5, b6, b7, (n) + 12)
#define E64(b0, b1, b2, b3, b4, b5, b6, b7, n)					\
	E16(b0, b1, b2, b3, b4, b5, b6, b7, (n)),				\
	E16(b0, b1, b2, b3, b4, b5, b6, b7, (n) + 16),				\
	E16(b0, b1, b2, b3, b4, b5, b6, b7, (n) + 32),				\
	E16(b0, b1, b2, b3, b4, b5, b6, b7, (n) + 48)
#define TABLE(b0, b1, b2, b3, b4, b5, b6, b7) {					\
	E64(b0##ULL, b1##ULL, b2##ULL, b3##ULL, b4##ULL, b5##ULL, b6##ULL, b7##ULL, 0),		\
	E64(b0##ULL, b1##ULL, b2##ULL, b3##ULL, b4##ULL, b5##ULL, b6##ULL, b7##ULL, 64),	\
	E64(b0##ULL, b1##ULL, b2##ULL, b3##ULL, b4##ULL, b5##ULL, b6##ULL, b7##ULL, 128),	\
	E64(b0##ULL, b1##ULL, b2##ULL, b3##ULL, b4##ULL, b5##ULL, b6##ULL, b7##ULL, 192),	\
}

/* [k][byte]: the byte, shifted in, and then k zero bytes */
static const u64 slices[8][256] = {
	[0] = TABLE(0x42f0e1eba9ea3693, 0x85e1c3d753d46d26,
		    0x493366450e42ecdf, 0x9266cc8a1c85d9be,
		    0x663d78ff90e185ef, 0xcc7af1ff21c30bde,
		    0xda050215ea6c212f, 0xf6fae5c07d3274cd),
	[1] = TABLE(0xaf052a6b538edf09, 0x1cfab53d0ef78881,
		    0x39f56a7a1def1102, 0x73ead4f43bde2204,
		    0xe7d5a9e877bc4408, 0x8d5bb23b4692be83,
		    0x5847859d24cf4b95, 0xb08f0b3a499e972a),
	[2] = TABLE(0x23eef79f3ad718c7, 0x47ddef3e75ae318e,
		    0x8fbbde7ceb5c631c, 0x5d875d127f52f0ab,
		    0xbb0eba24fea5e156, 0x34ed95a254a1f43f,
		    0x69db2b44a943e87e, 0xd3b656895287d0fc),
	[3] = TABLE(0xe59c4cf90ce5976b, 0x89c87819b0211845,
		    0x516011d8c9a80619, 0xa2c023b193500c32,
		    0x0770a6888f4a2ef7, 0x0ee14d111e945dee,
		    0x1dc29a223d28bbdc, 0x3b8534447a5177b8),
	[4] = TABLE(0x770a6888f4a2ef70, 0xee14d111e945dee0,
		    0x9ed943c87b618b53, 0x7f42667b5f292035,
		    0xfe84ccf6be52406a, 0xbff97806d54eb647,
		    0x3d0211e603775a1d, 0x7a0423cc06eeb43a),
	[5] = TABLE(0xf40847980ddd6874, 0xaae06edbb250e67b,
		    0x17303c5ccd4bfa65, 0x2e6078b99a97f4ca,
		    0x5cc0f173352fe994, 0xb981e2e66a5fd328,
		    0x31f324277d5590c3, 0x63e6484efaab2186),
	[6] = TABLE(0xc7cc909df556430c, 0xcd69c0d04346b08b,
		    0xd823604b2f675785, 0xf2b6217df7249999,
		    0xa79ca31047a305a1, 0x0dc9a7cb26ac3dd1,
		    0x1b934f964d587ba2, 0x37269f2c9ab0f744),
	[7] = TABLE(0x6e4d3e593561ee88, 0xdc9a7cb26ac3dd10,
		    0xfbc4188f7c6d8cb3, 0xb578d0f551312ff5,
		    0x280140010b886979, 0x500280021710d2f2,
		    0xa00500042e21a5e4, 0x02fae1e3f5a97d5b),
};

#define STREAM_BYTES	256

#define N1(b0, b1, b2, b3, n)							\
	(((n) & 1 ? (b0) : 0) ^ ((n) & 2 ? (b1) : 0) ^				\
	 ((n) & 4 ? (b2) : 0) ^ ((n) & 8 ? (b3) : 0))
#define N16(b0, b1, b2, b3) {							\
	N1(b0, b1, b2, b3, 0), N1(b0, b1, b2, b3, 1),				\
	N1(b0, b1, b2, b3, 2), N1(b0, b1, b2, b3, 3),				\
	N1(b0, b1, b2, b3, 4), N1(b0, b1, b2, b3, 5),				\
	N1(b0, b1, b2, b3, 6), N1(b0, b1, b2, b3, 7),				\
	N1(b0, b1, b2, b3, 8), N1(b0, b1, b2, b3, 9),				\
	N1(b0, b1, b2, b3, 10), N1(b0, b1, b2, b3, 11),				\
	N1(b0, b1, b2, b3, 12), N1(b0, b1, b2, b3, 13),				\
	N1(b0, b1, b2, b3, 14), N1(b0, b1, b2, b3, 15),				\
}
#define NIBBLE(b0, b1, b2, b3)	N16(b0##ULL, b1##ULL, b2##ULL, b3##ULL)

/* a register of one set bit, moved over STREAM_BYTES zero bytes, for each bit */
static const u64 zeros_stream[16][16] = {
	NIBBLE(0x7f52691a60ddc70d, 0xfea4d234c1bb8e1a,
	       0xbfb945822a9d2aa7, 0x3d826aeffcd063dd),
	NIBBLE(0x7b04d5dff9a0c7ba, 0xf609abbff3418f74,
	       0xaee3b6944f69287b, 0x1f378cc337386665),
	NIBBLE(0x3e6f19866e70ccca, 0x7cde330cdce19994,
	       0xf9bc6619b9c33328, 0xb1882dd8da6c50c3),
	NIBBLE(0x21e0ba5a1d329715, 0x43c174b43a652e2a,
	       0x8782e96874ca5c54, 0x4df5333b407e8e3b),
	NIBBLE(0x9bea667680fd1c76, 0x75242d06a8100e7f,
	       0xea485a0d50201cfe, 0x966055f109aa0f6f),
	NIBBLE(0x6e304a09babe284d, 0xdc609413757c509a,
	       0xfa31c9cd431297a7, 0xb69372712fcf19dd),
	NIBBLE(0x2fd60509f6740529, 0x5fac0a13ece80a52,
	       0xbf581427d9d014a4, 0x3c40c9a41a4a1fdb),
	NIBBLE(0x7881934834943fb6, 0xf103269069287f6c,
	       0xa0f6accb7bbac84b, 0x031db87d5e9fa605),
	NIBBLE(0x063b70fabd3f4c0a, 0x0c76e1f57a7e9814,
	       0x18edc3eaf4fd3028, 0x31db87d5e9fa6050),
	NIBBLE(0x63b70fabd3f4c0a0, 0xc76e1f57a7e98140,
	       0xcc2cdf44e6393413, 0xdaa95f6265985eb5),
	NIBBLE(0xf7a25f2f62da8bf9, 0xadb45fb56c5f2161,
	       0x19985e8171547451, 0x3330bd02e2a8e8a2),
	NIBBLE(0x66617a05c551d144, 0xccc2f40b8aa3a288,
	       0xdb7509fcbcad7383, 0xf41af212d0b0d195),
	NIBBLE(0xaac505ce088b95b9, 0x177aea77b8fd1de1,
	       0x2ef5d4ef71fa3bc2, 0x5deba9dee3f47784),
	NIBBLE(0xbbd753bdc7e8ef08, 0x355e4690263be883,
	       0x6abc8d204c77d106, 0xd5791a4098efa20c),
	NIBBLE(0xe802d56a9835728b, 0x92f54b3e9980d385,
	       0x671a77969aeb9199, 0xce34ef2d35d72332),
	NIBBLE(0xde993fb1c24470f7, 0xffc29e882d62d77d,
	       0xbd75dcfbf32f9869, 0x381b581c4fb50641),
};

static u64 zeros_by_table(u64 reg)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < 16; i++)
		sum ^= zeros_stream[i][reg >> (4 * i) & 15];
	return sum;
}

static __always_inline u64 step_word(u64 reg, const u8 *p)
{
	reg ^= get_unaligned_be64(p);
	return slices[7][reg >> 56] ^
	       slices[6][reg >> 48 & 255] ^
	       slices[5][reg >> 40 & 255] ^
	       slices[4][reg >> 32 & 255] ^
	       slices[3][reg >> 24 & 255] ^
	       slices[2][reg >> 16 & 255] ^
	       slices[1][reg >> 8 & 255] ^
	       slices[0][reg & 255];
}

static u64 three_streams(u64 reg, const u8 *p)
{
	u64 a = reg, b = 0, c = 0;
	const u8 *end = p + STREAM_BYTES;

	for (; p < end; p += 8) {
		a = step_word(a, p);
		b = step_word(b, p + STREAM_BYTES);
		c = step_word(c, p + 2 * STREAM_BYTES);
	}
	return zeros_by_table(zeros_by_table(a) ^ b) ^ c;
}

u64 bce_crc64(u64 reg, const void *data, size_t bytes)
{
	const u8 *p = data;

	for (; bytes >= 3 * STREAM_BYTES; bytes -= 3 * STREAM_BYTES, p += 3 * STREAM_BYTES)
		reg = three_streams(reg, p);
	for (; bytes >= 8; bytes -= 8, p += 8)
		reg = step_word(reg, p);
	for (; bytes; bytes--, p++)
		reg = (reg << 8) ^ slices[0][(reg >> 56) ^ *p];
	return reg;
}

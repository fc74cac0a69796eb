// SPDX-License-Identifier: GPL-2.0
/* Strings, numbers in strings, UUIDs, random bytes. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <linux/bug.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/string_helpers.h>
#include <linux/uuid.h>

ssize_t strscpy(char *dst, const char *src, size_t count)
{
	size_t len;

	if (!count)
		return -E2BIG;
	len = strnlen(src, count);
	if (len == count) {
		memcpy(dst, src, count - 1);
		dst[count - 1] = '\0';
		return -E2BIG;
	}
	memcpy(dst, src, len + 1);
	return len;
}

ssize_t strscpy_pad(char *dst, const char *src, size_t count)
{
	ssize_t len = strscpy(dst, src, count);

	if (len >= 0)
		memset(dst + len, 0, count - len);
	return len;
}

char *kmemdup_nul(const char *s, size_t len, gfp_t gfp)
{
	char *copy = kmalloc(len + 1, gfp);

	if (copy) {
		memcpy(copy, s, len);
		copy[len] = '\0';
	}
	return copy;
}

char *kstrdup(const char *s, gfp_t gfp)
{
	return s ? kmemdup_nul(s, strlen(s), gfp) : NULL;
}

char *kstrndup(const char *s, size_t max, gfp_t gfp)
{
	return s ? kmemdup_nul(s, strnlen(s, max), gfp) : NULL;
}

void *kmemdup(const void *src, size_t bytes, gfp_t gfp)
{
	void *copy = kmalloc(bytes, gfp);

	return copy ? memcpy(copy, src, bytes) : NULL;
}

void *kvmemdup(const void *src, size_t bytes, gfp_t gfp)
{
	void *copy = kvmalloc(bytes, gfp);

	return copy ? memcpy(copy, src, bytes) : NULL;
}

void *memchr_inv(const void *start, int c, size_t bytes)
{
	const u8 *p = start;

	for (; bytes; bytes--, p++)
		if (*p != (u8)c)
			return (void *)p;
	return NULL;
}

void memzero_explicit(void *p, size_t bytes)
{
	explicit_bzero(p, bytes);
}

char *skip_spaces(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return (char *)s;
}

char *strim(char *s)
{
	size_t len = strlen(s);

	while (len && isspace((unsigned char)s[len - 1]))
		s[--len] = '\0';
	return skip_spaces(s);
}

char *strreplace(char *s, char old, char new)
{
	for (char *p = s; *p; p++)
		if (*p == old)
			*p = new;
	return s;
}

char *strnchr(const char *s, size_t count, int c)
{
	for (; count && *s; count--, s++)
		if (*s == (char)c)
			return (char *)s;
	return NULL;
}

char *strnstr(const char *s, const char *find, size_t len)
{
	return memmem(s, strnlen(s, len), find, strlen(find));
}

/* Equal but for one newline at the end. */
bool sysfs_streq(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return true;
	return (!*a && !strcmp(b, "\n")) || (!*b && !strcmp(a, "\n"));
}

int match_string(const char * const *array, size_t n, const char *s)
{
	for (size_t i = 0; i < n && array[i]; i++)
		if (!strcmp(array[i], s))
			return i;
	return -EINVAL;
}

int __sysfs_match_string(const char * const *array, size_t n, const char *s)
{
	for (size_t i = 0; i < n && array[i]; i++)
		if (sysfs_streq(array[i], s))
			return i;
	return -EINVAL;
}

int string_get_size(u64 blocks, u64 block_bytes, const enum string_size_units units, char *buf,
		    int len)
{
	static const char * const names[2][7] = {
		{ "B", "kB", "MB", "GB", "TB", "PB", "EB" },
		{ "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" },
	};
	unsigned __int128 bytes = (unsigned __int128)blocks * block_bytes;
	unsigned int step = units == STRING_UNITS_10 ? 1000 : 1024, i = 0;
	unsigned int rest = 0;

	for (; bytes >= step && i < 6; i++) {
		rest = bytes % step;
		bytes /= step;
	}
	if (i && bytes < 100)
		return scnprintf(buf, len, "%llu.%0*u %s", (unsigned long long)bytes,
				 bytes < 10 ? 2 : 1, rest * (bytes < 10 ? 100 : 10) / step,
				 names[units][i]);
	return scnprintf(buf, len, "%llu %s", (unsigned long long)bytes, names[units][i]);
}

unsigned long int_sqrt(unsigned long x)
{
	unsigned long root = 0, bit = 1UL << (8 * sizeof(x) - 2);

	for (; bit; bit >>= 2) {
		bool fits = x >= root + bit;

		x -= fits ? root + bit : 0;
		root = (root >> 1) + (fits ? bit : 0);
	}
	return root;
}

/* ---- numbers ---- */

static int parse_magnitude(const char *s, unsigned int base, unsigned long long *res)
{
	char *end;

	if (*s == '+')
		s++;
	if (!isxdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	*res = strtoull(s, &end, base);
	if (end == s)
		return -EINVAL;
	if (*end == '\n')
		end++;
	if (*end)
		return -EINVAL;
	return errno == ERANGE ? -ERANGE : 0;
}

int kstrtoull(const char *s, unsigned int base, unsigned long long *res)
{
	return parse_magnitude(s, base, res);
}

int kstrtoll(const char *s, unsigned int base, long long *res)
{
	bool minus = *s == '-';
	unsigned long long n;
	int error = parse_magnitude(s + minus, base, &n);

	if (error)
		return error;
	if (minus && s[1] == '+')
		return -EINVAL;
	if (n > (unsigned long long)LLONG_MAX + minus)
		return -ERANGE;
	*res = minus ? -n : n;
	return 0;
}

#define KSTRTO(name, type, wide_name, wide) \
int name(const char *s, unsigned int base, type *res) \
{ \
	wide n; \
	int error = wide_name(s, base, &n); \
\
	if (error) \
		return error; \
	if (n != (wide)(type)n) \
		return -ERANGE; \
	*res = n; \
	return 0; \
}
KSTRTO(kstrtoul, unsigned long, kstrtoull, unsigned long long)
KSTRTO(kstrtol, long, kstrtoll, long long)
KSTRTO(kstrtouint, unsigned int, kstrtoull, unsigned long long)
KSTRTO(kstrtoint, int, kstrtoll, long long)
KSTRTO(kstrtou16, u16, kstrtoull, unsigned long long)
KSTRTO(kstrtou8, u8, kstrtoull, unsigned long long)

int kstrtobool(const char *s, bool *res)
{
	char c = tolower((unsigned char)s[0]), d = c ? tolower((unsigned char)s[1]) : 0;

	if (c == 'y' || c == 't' || c == '1' || (c == 'o' && d == 'n'))
		*res = true;
	else if (c == 'n' || c == 'f' || c == '0' || (c == 'o' && d == 'f'))
		*res = false;
	else
		return -EINVAL;
	return 0;
}

/* ---- random bytes and UUIDs ---- */

void get_random_bytes(void *buf, size_t bytes)
{
	u8 *p = buf;

	while (bytes) {
		ssize_t n = getrandom(p, bytes, 0);

		BUG_ON(n < 0 && errno != EINTR);
		if (n > 0) {
			p += n;
			bytes -= n;
		}
	}
}

u32 get_random_u32(void)
{
	u32 n;

	get_random_bytes(&n, sizeof(n));
	return n;
}

u64 get_random_u64(void)
{
	u64 n;

	get_random_bytes(&n, sizeof(n));
	return n;
}

/* Numbers that would favour the small answers are drawn again. */
u32 get_random_u32_below(u32 ceil)
{
	u64 product;

	BUG_ON(!ceil);
	do {
		product = (u64)get_random_u32() * ceil;
	} while ((u32)product < -ceil % ceil);
	return product >> 32;
}

u32 get_random_u32_inclusive(u32 floor, u32 ceil)
{
	return floor == 0 && ceil == U32_MAX ? get_random_u32()
					      : floor + get_random_u32_below(ceil - floor + 1);
}

const uuid_t uuid_null;
const guid_t guid_null;

void generate_random_uuid(unsigned char uuid[16])
{
	get_random_bytes(uuid, 16);
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

void uuid_gen(uuid_t *u)
{
	generate_random_uuid(u->b);
}

bool uuid_is_valid(const char *text)
{
	for (int i = 0; i < UUID_STRING_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

int uuid_parse(const char *text, uuid_t *u)
{
	char hex[3] = "";
	int n = 0;

	if (!uuid_is_valid(text))
		return -EINVAL;
	for (int i = 0; i < UUID_STRING_LEN; i++) {
		if (text[i] == '-')
			continue;
		memcpy(hex, text + i++, 2);
		u->b[n++] = strtoul(hex, NULL, 16);
	}
	return 0;
}

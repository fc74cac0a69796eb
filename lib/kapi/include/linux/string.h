/* SPDX-License-Identifier: GPL-2.0 */
/* Strings and memory. */
#ifndef KAPI_LINUX_STRING_H
#define KAPI_LINUX_STRING_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <string.h>
#include <strings.h>

/* Length copied, or -E2BIG when cut; always terminated unless @count is 0. */
ssize_t strscpy(char *dst, const char *src, size_t count);
ssize_t strscpy_pad(char *dst, const char *src, size_t count);
char *kstrdup(const char *s, gfp_t gfp);
char *kstrndup(const char *s, size_t max, gfp_t gfp);
void *kmemdup(const void *src, size_t bytes, gfp_t gfp);
void *kvmemdup(const void *src, size_t bytes, gfp_t gfp);
char *kmemdup_nul(const char *s, size_t len, gfp_t gfp);
/* First byte that differs from @c, NULL when none does. */
void *memchr_inv(const void *p, int c, size_t bytes);
char *strim(char *s);
char *skip_spaces(const char *s);
char *strreplace(char *s, char old, char new);
bool sysfs_streq(const char *a, const char *b);
int match_string(const char * const *array, size_t n, const char *s);
int __sysfs_match_string(const char * const *array, size_t n, const char *s);
#define sysfs_match_string(a, s) __sysfs_match_string(a, sizeof(a) / sizeof((a)[0]), s)
void memzero_explicit(void *p, size_t bytes);
char *strnchr(const char *s, size_t count, int c);
char *strnstr(const char *s, const char *find, size_t len);

static inline bool strstarts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static inline size_t str_has_prefix(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(s, prefix, len) == 0 ? len : 0;
}

static inline const char *kbasename(const char *path)
{
	const char *tail = strrchr(path, '/');

	return tail ? tail + 1 : path;
}

static inline void memset64(u64 *p, u64 v, size_t n)
{
	while (n--)
		*p++ = v;
}

static inline bool mem_is_zero(const void *p, size_t bytes)
{
	return !memchr_inv(p, 0, bytes);
}

#define memcpy_flushcache(d, s, n)	memcpy(d, s, n)
#define unsafe_memcpy(d, s, n, why)	memcpy(d, s, n)
#define memset_after(obj, v, m) \
	memset((u8 *)(obj) + offsetofend(__typeof__(*(obj)), m), v, \
	       sizeof(*(obj)) - offsetofend(__typeof__(*(obj)), m))
#define memset_startat(obj, v, m) \
	memset((u8 *)(obj) + offsetof(__typeof__(*(obj)), m), v, \
	       sizeof(*(obj)) - offsetof(__typeof__(*(obj)), m))

#endif

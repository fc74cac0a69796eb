/* SPDX-License-Identifier: GPL-2.0 */
/* BUG() aborts; WARN() prints, and kapi_warn_count() counts. */
#ifndef KAPI_LINUX_BUG_H
#define KAPI_LINUX_BUG_H

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/types.h>

void __noreturn kapi_bug(const char *file, int line, const char *func, const char *what);
void kapi_warn(const char *file, int line, const char *func, const char *what);
void __printf(4, 5) kapi_warn_fmt(const char *file, int line, const char *func,
				  const char *fmt, ...);

#define BUG()		kapi_bug(__FILE__, __LINE__, __func__, "BUG()")
#define BUG_ON(c) do { \
	if (unlikely(c)) \
		kapi_bug(__FILE__, __LINE__, __func__, #c); \
} while (0)

#define WARN_ON(c) ({ \
	bool __wo_c = !!(c); \
	if (unlikely(__wo_c)) \
		kapi_warn(__FILE__, __LINE__, __func__, #c); \
	unlikely(__wo_c); \
})
#define WARN(c, fmt...) ({ \
	bool __wo_c = !!(c); \
	if (unlikely(__wo_c)) \
		kapi_warn_fmt(__FILE__, __LINE__, __func__, fmt); \
	unlikely(__wo_c); \
})
#define __kapi_once(x...) ({ \
	static bool __on_done; \
	if (!__atomic_exchange_n(&__on_done, true, __ATOMIC_RELAXED)) { \
		x; \
	} \
})
#define WARN_ON_ONCE(c) ({ \
	bool __wn_c = !!(c); \
	if (unlikely(__wn_c)) \
		__kapi_once(kapi_warn(__FILE__, __LINE__, __func__, #c)); \
	unlikely(__wn_c); \
})
#define WARN_ONCE(c, fmt...) ({ \
	bool __wn_c = !!(c); \
	if (unlikely(__wn_c)) \
		__kapi_once(kapi_warn_fmt(__FILE__, __LINE__, __func__, fmt)); \
	unlikely(__wn_c); \
})

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Type checks. */
#ifndef KAPI_LINUX_TYPECHECK_H
#define KAPI_LINUX_TYPECHECK_H

#define typecheck(type, x) ({ \
	type __tc_a; \
	__typeof__(x) __tc_b; \
	(void)(&__tc_a == &__tc_b); \
	1; \
})

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Comparing secrets. */
#ifndef KAPI_CRYPTO_ALGAPI_H
#define KAPI_CRYPTO_ALGAPI_H

#include <linux/types.h>

/* 0 when equal; its time does not depend on where they differ. */
unsigned long crypto_memneq(const void *a, const void *b, size_t bytes);

#endif

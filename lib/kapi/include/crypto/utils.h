/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: crypto/algapi.h. */
#ifndef KAPI_CRYPTO_UTILS_H
#define KAPI_CRYPTO_UTILS_H

#include <crypto/algapi.h>

#endif

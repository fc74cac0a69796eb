/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel name whose declarations live in: crypto/sha2.h. */
#ifndef KAPI_CRYPTO_SHA256_BASE_H
#define KAPI_CRYPTO_SHA256_BASE_H

#include <crypto/sha2.h>

#endif

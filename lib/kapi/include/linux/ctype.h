/* SPDX-License-Identifier: GPL-2.0 */
/* Characters. */
#ifndef KAPI_LINUX_CTYPE_H
#define KAPI_LINUX_CTYPE_H

#include <ctype.h>

#endif

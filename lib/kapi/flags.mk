# SPDX-License-Identifier: GPL-2.0
# Flags that lib/kapi asks of everything compiled over it.
KAPI_CPPFLAGS :=
KAPI_CFLAGS :=
KAPI_LIBS := -lurcu-memb -lurcu-common

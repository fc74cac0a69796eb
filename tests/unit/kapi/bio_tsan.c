// SPDX-License-Identifier: GPL-2.0
/* The same tests in a program built with TSan, which finds unordered accesses. */
#include "bio_test.c"

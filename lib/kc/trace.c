// SPDX-License-Identifier: GPL-2.0
/* The tracepoints that kc/trace.h declares. */
#define CREATE_TRACE_POINTS
#include "kc/trace.h"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# file-access.sh on Debian's own kernels: two processors, large folios, older ways of splicing. One golden set, since
# emulation is slow.
# vehicle: qemu-6.1 qemu-6.12
# golden: compressed
. "$TOP/tests/vm/file-access.sh"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/vm/stock.sh at length: NFS, sets in bad health.
# vehicle: qemu-6.1 qemu-6.12
# images: golden/fresh-1dev new:64M new:128M golden/snapshots golden/tiered golden/compressed new:256M golden/fresh-uninit golden/degraded golden/degraded/disk2-stale.img golden/replicas2 golden/small-tree golden/fresh-uninit new:256M
# options: --timeout 3600
export MORE=1
exec "$TOP/tests/vm/stock.sh"

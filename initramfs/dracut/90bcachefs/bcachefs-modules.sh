#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Before udev starts, so that its rule can assemble.
modprobe -q dm-bcache
modprobe -q bcachefs

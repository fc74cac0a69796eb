# SPDX-License-Identifier: GPL-2.0
#
# Debian packages that building and testing need, by the names of Debian 12 and 13. "make deps" installs those missing.

DEPS_BUILD := build-essential bc bison flex pkg-config python3 kmod cpio xz-utils zstd patch libelf-dev libssl-dev \
	linux-headers-amd64
DEPS_LIBS := libblkid-dev libdevmapper-dev libjson-c-dev libkeyutils-dev liblz4-dev libsodium-dev libudev-dev \
	liburcu-dev libxxhash-dev libzstd-dev zlib1g-dev
DEPS_CHECK := groff udev quota clang libclang-rt-dev libcmocka-dev liblmdb-dev libsqlite3-dev sparse attr acl keyutils fio dmsetup e2fsprogs xfsprogs \
	btrfs-progs git rsync stress-ng dbench fsmark
DEPS_VEHICLES := debhelper dh-dkms dpkg-dev ca-certificates debian-archive-keyring fakeroot mmdebstrap qemu-system-x86 squashfs-tools-ng uidmap

DEPS := $(DEPS_BUILD) $(DEPS_LIBS) $(DEPS_CHECK) $(DEPS_VEHICLES)

.PHONY: deps
deps:
	$(quiet)mk/install-deps $(DEPS)

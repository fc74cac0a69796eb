#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The Debian packages: built, installed into a small Debian, used, upgraded over themselves, removed and purged; files are where
# they belong, the initramfs is made anew and has our parts, the units are known, nothing is left.
# vehicle: qemu-6.12
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/host.sh"
if [ -z "${LONG:-}" ]; then
	skip "packages" "with make check-boot"
	finish
fi
WORK=$(mktemp -d "${TMPDIR:-/tmp}/packages.XXXXXX")
trap 'in_namespace rm -rf "$WORK"' EXIT
ROOT=$WORK/root

in_root() {
	in_namespace chroot "$ROOT" "$@" >"$WORK/out" 2>&1 || { tail -n 20 "$WORK/out" | sed 's/^/# /'; return 1; }
}

built() {
	make -s -C "$TOP" deb O="$O" >"$WORK/out" 2>&1 || { tail -n 20 "$WORK/out" | sed 's/^/# /'; return 1; }
}

there() {
	local file
	for file; do
		in_root sh -c "test -e $file" || { echo "# no $file"; return 1; }
	done
}

# without packages: everything goes below DESTDIR
installed_below() {
	local file
	make -s -C "$TOP" install O="$O" KDIR="$DEBIAN/build" PREFIX=/usr DESTDIR="$1" >"$WORK/out" 2>&1 ||
		{ tail -n 20 "$WORK/out" | sed 's/^/# /'; return 1; }
	for file in usr/sbin/bcachectl usr/sbin/mount.bcachefs usr/lib/udev/rules.d/64-bcachefs-set.rules \
		usr/lib/systemd/system/bcache-assemble@.service usr/lib/systemd/system-generators/bcachefs-generator \
		usr/share/initramfs-tools/hooks/bcachefs usr/lib/dracut/modules.d/90bcachefs/module-setup.sh \
		usr/share/man/man7/bcachefs-boot.7 usr/share/man/man8/bcachectl-daemon.8 \
		"lib/modules/$RELEASE/updates/dm-bcache.ko" "lib/modules/$RELEASE/updates/bcachefs.ko"; do
		test -e "$1/$file" || { echo "# no $file"; return 1; }
	done
}

prepared() {
	local modules=$ROOT/lib/modules/$RELEASE
	mkdir "$ROOT"
	tar -C "$ROOT" -xf "$BOOT_ROOT/root.tar" --exclude='./dev/*' &&
		mkdir -p "$modules" "$ROOT/debs" && cp -r "$DEBIAN/modules/." "$modules/" &&
		mkdir -p "$modules/updates" && cp "$O/modules/$RELEASE"/*.ko "$modules/updates/" &&
		cp "$DEBIAN/build/.config" "$ROOT/boot/config-$RELEASE" && : >"$ROOT/boot/vmlinuz-$RELEASE" &&
		depmod -b "$ROOT" "$RELEASE" && cp "$O"/deb/*.deb "$ROOT/debs/" || return
	rm -f "$ROOT"/debs/*dbgsym*
	sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=gzip/' "$ROOT/etc/initramfs-tools/initramfs.conf"
	in_root update-initramfs -c -k "$RELEASE"
}

initramfs_has() {
	in_root sh -c "lsinitramfs /boot/initrd.img-$RELEASE" && grep -qE "$1" "$WORK/out"
}

DEBIAN=$("$VM_DIR/make-debian" --kernel "$KERNEL")
RELEASE=$(cat "$DEBIAN/release")
BOOT_ROOT=$("$VM_DIR/make-boot-root")
try "make install honours DESTDIR" installed_below "$WORK/dest"
[ -n "${DEBS_BUILT:-}" ] || try "packages are built" built
try "a small Debian" prepared
refuse "whose initramfs knows no sets" initramfs_has bcachectl
try "bcachectl is installed" in_root sh -c "dpkg -i /debs/bcachectl_*.deb"
try "  runs" in_root bcachectl --help
try "  is where mount(8) looks" there /sbin/mount.bcachefs
try "  with rules and units" there /lib/udev/rules.d/64-bcachefs-set.rules '/lib/systemd/system/bcache-assemble@.service' \
	/lib/systemd/system-generators/bcachefs-generator /usr/lib/dracut/modules.d/90bcachefs/module-setup.sh
try "  and the daemon enabled" there /etc/systemd/system/multi-user.target.wants/bcachectl-daemon.service
try "  its group is there" in_root getent group bcachefs
try "the initramfs is made anew" initramfs_has 'sbin/bcachectl$'
try "  with the modules before the kernel's own" initramfs_has 'updates/bcachefs.ko'
try "the units are well-formed there" in_root systemd-analyze verify --man=no /lib/systemd/system/bcachectl-daemon.service \
	'/lib/systemd/system/bcache-assemble@.service'
try "documentation is installed" in_root sh -c "dpkg -i /debs/bcachectl-doc_*.deb"
try "the modules' sources are" in_root sh -c "dpkg --force-depends --unpack /debs/bcachefs-modules-dkms_*.deb"
try "  whole" there '/usr/src/bcachefs-modules-*/Kbuild' '/usr/src/bcachefs-modules-*/dkms.conf'
in_root dpkg --force-all --purge bcachefs-modules-dkms
try "the same again, as an upgrade" in_root sh -c "dpkg -i /debs/bcachectl_*.deb"
try "removed" in_root dpkg --remove bcachectl
refuse "  from the initramfs, too" initramfs_has bcachectl
try "purged" in_root dpkg --purge bcachectl bcachectl-doc
refuse "  with its group" in_root getent group bcachefs
try "nothing is left" same "$(find "$ROOT" -xdev \( -name '*bcachectl*' -o -name '*bcache-*' \) ! -path '*/debs/*' ! -path '*/var/log/*' ! -path '*/updates/*')" ""
finish

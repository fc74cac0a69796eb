#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The Debian packages as their users have them: installed by apt into a Debian with a kernel, headers, compiler and DKMS of its
# own, upgraded, booted with the initramfs that came of it and a set in fstab, then removed and purged by apt on the running
# machine. Debian 12 with its 6.1, Debian 13 with its 6.12; packages are built in the one that this machine is not, too.
# vehicle: qemu-6.1 qemu-6.12
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/host.sh"
if [ -z "${LONG:-}" ]; then
	skip "packages on a machine" "with make check-boot"
	finish
fi
BOOT_SECONDS=${BOOT_SECONDS:-900}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/packages.XXXXXX")
QEMU=
trap '[ -z "$QEMU" ] || kill -KILL "$QEMU" 2>/dev/null; in_namespace rm -rf "$WORK"' EXIT
export PATH=$O:$PATH
ROOT=$WORK/root
case $KERNEL in
6.1) CODENAME=bookworm ;;
6.12) CODENAME=trixie ;;
esac

# a shell command there; DKMS wants processes and devices. The mounts end with it
in_root() {
	in_namespace unshare --mount --pid --fork bash -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
		DEBIAN_FRONTEND=noninteractive exec chroot "$0" /bin/bash -c "$1"' "$ROOT" "$1" >"$WORK/out" 2>&1 ||
		{ tail -n 20 "$WORK/out" | sed 's/^/# /'; return 1; }
}

out_says() {
	grep -qE -- "$1" "$WORK/out" || { tail -n 20 "$WORK/out" | sed 's/^/# /'; return 1; }
}

built_here() {
	make -s -C "$TOP" deb O="$O" >"$WORK/out" 2>&1 || { tail -n 20 "$WORK/out" | sed 's/^/# /'; return 1; }
	cp "$O"/deb/*.deb "$ROOT/debs/"
}

built_there() {
	mkdir -p "$ROOT/build/bcachectl" &&
		(cd "$TOP" && git ls-files -z --cached --others --exclude-standard | tar -c --null -T -) |
		tar -x -C "$ROOT/build/bcachectl" &&
		in_root "cd /build/bcachectl && dpkg-buildpackage --build=binary --no-sign -j2" &&
		mv "$ROOT"/build/*.deb "$ROOT/debs/" && rm -r "$ROOT/build"
}

built() {
	if [ "$CODENAME" = "$(. /etc/os-release && echo "$VERSION_CODENAME")" ]; then
		built_here
	else
		built_there
	fi
	rm -f "$ROOT"/debs/*dbgsym*
	ls "$ROOT"/debs/bcachectl_*.deb >/dev/null
}

# the same packages, of a later version
later() {
	local deb dir=$WORK/later
	for deb in "$ROOT"/debs/bcachectl_*.deb "$ROOT"/debs/bcachefs-modules-dkms_*.deb; do
		dpkg-deb --raw-extract "$deb" "$dir" && sed -i 's/^Version: .*/&+later/' "$dir/DEBIAN/control" &&
			dpkg-deb --root-owner-group --build "$dir" "$ROOT/debs/later-$(basename "$deb")" >/dev/null || return
		rm -r "$dir"
	done
}

unpacked() {
	mkdir "$ROOT" && tar -C "$ROOT" -xf "$PACKAGE_ROOT/root.tar" --exclude='./dev/*' && mkdir "$ROOT/debs" "$ROOT/results" || return
	sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=gzip/' "$ROOT/etc/initramfs-tools/initramfs.conf"
	printf 'virtio_pci\nvirtio_blk\next4\n' >>"$ROOT/etc/initramfs-tools/modules"
	echo RESUME=none >"$ROOT/etc/initramfs-tools/conf.d/resume"
	RELEASE=$(basename "$(echo "$ROOT"/lib/modules/*)")
}

installed() {
	in_root "apt-get install -y --no-install-recommends $*"
}

dkms_built() {
	in_root "dkms status" && out_says "^bcachefs-modules/[^,]*, ${RELEASE//+/\\+}, x86_64: installed"
}

ours_wins() {
	in_root "modinfo -k $RELEASE -F filename bcachefs" && out_says '/updates/dkms/bcachefs\.ko'
}

initramfs_has() {
	in_root "lsinitramfs /boot/initrd.img-$RELEASE" && grep -qE "$1" "$WORK/out"
}

set_made() {
	bcachectl format -q -L tank --replicas=2 --size 64M "$WORK/tank.0" --size 64M "$WORK/tank.1" && echo "hello tank" >"$WORK/hello" &&
		bcachectl put "$WORK/tank.0:$WORK/tank.1" "$WORK/hello" /hello
}

# What runs when the machine is up; its words go to the console.
machine_ready() {
	echo "UUID=$(set_uuid "$WORK/tank.0") /mnt/tank bcachefs nofail,x-systemd.device-timeout=300 0 0" >"$ROOT/etc/fstab"
	mkdir "$ROOT/mnt/tank"
	cp "$TOP/tests/vm/in-guest-packages" "$ROOT/results/guest"
	cat >"$ROOT/etc/systemd/system/guest.service" <<-END
		[Unit]
		After=basic.target mnt-tank.mount
		[Service]
		Type=oneshot
		ExecStart=/bin/bash /results/guest
		StandardOutput=file:/dev/ttyS0
		StandardError=journal
		TimeoutStartSec=infinity
		[Install]
		WantedBy=multi-user.target
	END
	# it would hang up the console
	ln -s /dev/null "$ROOT/etc/systemd/system/serial-getty@ttyS0.service"
	mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants"
	ln -s ../guest.service "$ROOT/etc/systemd/system/multi-user.target.wants/"
	cp "$ROOT/boot/vmlinuz-$RELEASE" "$WORK/vmlinuz" && cp "$ROOT/boot/initrd.img-$RELEASE" "$WORK/initrd" &&
		in_namespace mke2fs -q -F -t ext4 -O ^has_journal -d "$ROOT" "$WORK/disk" 4G >/dev/null
}

boot() {
	qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -m 1024 -nodefaults -no-reboot -display none \
		-serial "file:$WORK/console" -device virtio-rng-pci -kernel "$WORK/vmlinuz" -initrd "$WORK/initrd" \
		-append "console=ttyS0 root=/dev/vda rw panic=-1 net.ifnames=0 no_timer_check mitigations=off quiet" \
		-drive "if=virtio,format=raw,cache=unsafe,file=$WORK/disk" -drive "if=virtio,format=raw,file=$WORK/tank.0" \
		-drive "if=virtio,format=raw,file=$WORK/tank.1" </dev/null >/dev/null 2>&1 &
	QEMU=$!
	local deadline=$((SECONDS + BOOT_SECONDS))
	while kill -0 $QEMU 2>/dev/null && [ $SECONDS -lt $deadline ]; do
		sleep 1
	done
	kill -KILL $QEMU 2>/dev/null
	wait $QEMU 2>/dev/null
	QEMU=
	tr -d '\r' <"$WORK/console" | sed -nE '/^((not )?ok|#) /p' | tee "$WORK/said"
	! grep -q '^not ok' "$WORK/said" || FAILED=1
	tr -d '\r' <"$WORK/console" | grep -q '^done$' || { tail -n 30 "$WORK/console" | sed 's/^/# /'; return 1; }
}

PACKAGE_ROOT=$("$VM_DIR/make-package-root" $CODENAME)
try "a Debian ($CODENAME) with DKMS" unpacked
try "packages are built" built
try "installed by apt" installed "/debs/bcachectl_*.deb /debs/bcachefs-modules-dkms_*.deb"
try "  DKMS has built the modules for its kernel" dkms_built
try "  they win over the kernel's own" ours_wins
try "  the initramfs has the tool" initramfs_has 'sbin/bcachectl$'
try "  and the modules" initramfs_has 'updates/dkms/bcachefs\.ko'
try "a later version is made" later
try "upgraded by apt" installed "/debs/later-*.deb"
try "  is what is installed" eval 'in_root "dpkg-query -W bcachectl bcachefs-modules-dkms" && same "$(grep -c +later "$WORK/out")" 2'
try "  DKMS has built the modules anew" dkms_built
try "  they are in the initramfs" initramfs_has 'updates/dkms/bcachefs\.ko'
try "a set is made" set_made
try "the machine's disk is made" machine_ready
try "it boots, and is taken apart" boot
try "the set is whole" eval 'bcachectl fsck -n "$WORK/tank.0" "$WORK/tank.1" >"$WORK/out"'
finish

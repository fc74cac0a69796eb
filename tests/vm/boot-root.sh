#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The root file system on a tiered set with two copies of everything: initramfs images made by initramfs-tools and by dracut
# with our hooks, on Debian's kernel: those of Debian 12 with 6.1, those of Debian 13 with 6.12. All members there; one missing; encrypted, with the passphrase typed at the console.
# What boots is a small program that looks at its root and turns the machine off.
# vehicle: qemu-6.1 qemu-6.12
# runs: host
. "$TOP/tests/vm/lib.sh"
. "$TOP/tests/vm/host.sh"
if [ "$KERNEL" = 6.1 ] && [ -z "${LONG:-}" ]; then
	skip "kernel 6.1" "with make check-boot"
	finish
fi
export PATH=$O:$PATH
case $KERNEL in
6.1) CODENAME=bookworm ;;
6.12) CODENAME=trixie ;;
esac
BOOT_SECONDS=${BOOT_SECONDS:-240}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/bootroot.XXXXXX")
QEMU=
trap '[ -z "$QEMU" ] || kill -KILL "$QEMU" 2>/dev/null; in_namespace rm -rf "$WORK"' EXIT

# ---- the system that makes the initramfs: tool, rules, units, hooks and modules where packages would put them ----

install_into() {
	local root=$1 modules=$1/lib/modules/$RELEASE
	tar -C "$root" -xf "$BOOT_ROOT/root.tar" --exclude='./dev/*' &&
		cp "$O/bcachectl" "$root/usr/sbin/" &&
		cp "$TOP"/udev/*.rules "$root/usr/lib/udev/rules.d/" &&
		cp "$TOP"/systemd/*.service "$TOP"/systemd/*.timer "$root/usr/lib/systemd/system/" &&
		cp "$TOP/systemd/bcachefs-generator" "$root/usr/lib/systemd/system-generators/" &&
		cp -r "$TOP/initramfs/initramfs-tools/." "$root/usr/share/initramfs-tools/" &&
		cp -r "$TOP/initramfs/dracut/90bcachefs" "$root/usr/lib/dracut/modules.d/" &&
		mkdir -p "$modules" && cp -r "$DEBIAN/modules/." "$modules/" &&
		mkdir -p "$modules/updates" && cp "$O/modules/$RELEASE"/*.ko "$modules/updates/" &&
		strip --strip-debug "$modules/updates"/*.ko &&
		cp "$DEBIAN/build/.config" "$root/boot/config-$RELEASE" &&
		depmod -b "$root" "$RELEASE" || return
	sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=gzip/' "$root/etc/initramfs-tools/initramfs.conf"
	echo RESUME=none >"$root/etc/initramfs-tools/conf.d/resume"
	printf 'virtio_pci\nvirtio_blk\n' >>"$root/etc/initramfs-tools/modules"
}

make_initramfs() {
	in_namespace chroot "$WORK/root" mkinitramfs -o /initrd.initramfs-tools "$RELEASE" 2>"$WORK/err" &&
		test -s "$WORK/root/initrd.initramfs-tools" || { sed 's/^/# /' "$WORK/err"; return 1; }
}

make_dracut() {
	in_namespace chroot "$WORK/root" dracut --quiet --no-hostonly --no-hostonly-cmdline --gzip --kver "$RELEASE" \
		--modules "base bash udev-rules kernel-modules dm rootfs-block fs-lib bcachefs" \
		--drivers "virtio_pci virtio_blk dm-bcache bcachefs" /initrd.dracut 2>"$WORK/err" &&
		test -s "$WORK/root/initrd.dracut" || { sed 's/^/# /' "$WORK/err"; return 1; }
}

# ---- the root ----

# what runs there: it says what its root is, whether its files are right, and turns the machine off
make_tree() {
	local tree=$WORK/tree dir
	for dir in bin sbin etc proc sys dev run tmp; do
		mkdir -p "$tree/$dir"
	done
	cp "$DEBIAN/initrd/bin/busybox" "$tree/bin/"
	ln -s busybox "$tree/bin/sh"
	mkdir "$tree/data"
	for dir in {1..20}; do
		head -c $((dir * 7000)) /dev/urandom >"$tree/data/$dir"
	done
	(cd "$tree" && sha256sum data/*) >"$tree/etc/sums"
	cat >"$tree/sbin/init" <<-'END'
		#!/bin/busybox sh
		export PATH=/bin
		b=/bin/busybox
		$b mount -t proc proc /proc
		echo "ROOT $($b grep ' / ' /proc/mounts | $b tail -n 1)"
		cd / && $b sha256sum -c -s /etc/sums && echo "FILES right"
		echo "RECORDS $($b ls /run/bcachectl | $b grep -c -)"
		$b sleep 1
		echo o >/proc/sysrq-trigger
		$b sleep 60
	END
	chmod +x "$tree/sbin/init"
	mkdir -p "$tree/usr/bin"
	ln -s ../sbin/init "$tree/etc/init"
}

make_set() {
	local name=$1
	shift
	bcachectl format -q -L "$name" "$@" --replicas=2 --foreground-target=ssd --background-target=hdd \
		--label=ssd.a --size 96M "$WORK/$name.0" --label=ssd.b --size 96M "$WORK/$name.1" \
		--label=hdd.a --size 96M "$WORK/$name.2" <<<sesame &&
		(cd "$WORK/tree" && bcachectl put -r "$WORK/$name.0:$WORK/$name.1:$WORK/$name.2" * / <<<sesame)
}

uuid() {
	set_uuid "$WORK/$1.0"
}

# ---- booting ----

# boot INITRAMFS ARGUMENTS IMAGE...: console in $WORK/console
boot() {
	local initrd=$WORK/root/initrd.$1 arguments=$2 image disks=() deadline typed=
	shift 2
	for image; do
		disks+=(-drive "if=virtio,format=raw,file=$WORK/$image")
	done
	: >"$WORK/console"
	rm -f "$WORK/keys"
	mkfifo "$WORK/keys"
	exec 7<>"$WORK/keys"
	qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -m 768 -nodefaults -no-reboot \
		-display none -serial stdio -kernel "$DEBIAN/vmlinuz" -initrd "$initrd" \
		-append "console=ttyS0 panic=-1 net.ifnames=0 no_timer_check mitigations=off rd.shell=0 rd.timeout=120 $arguments" \
		"${disks[@]}" <&7 >"$WORK/console" 2>&1 &
	QEMU=$!
	deadline=$((SECONDS + BOOT_SECONDS))
	while kill -0 $QEMU 2>/dev/null && [ $SECONDS -lt $deadline ]; do
		if [ -z "$typed" ] && grep -aq 'Passphrase' "$WORK/console"; then
			sleep 2
			echo sesame >&7
			typed=1
		fi
		# somebody is asked what to do: nobody is there
		! grep -aqE 'Dropping to a shell|Kernel panic' "$WORK/console" || break
		sleep 0.5
	done
	kill -KILL $QEMU 2>/dev/null
	wait $QEMU 2>/dev/null
	QEMU=
	exec 7>&-
}

console_says() {
	tr -d '\r' <"$WORK/console" | grep -aqE -- "$1" && return
	tr -d '\r' <"$WORK/console" | grep -avE '^\[ *[0-9.]+\] ([^bd]|Code)' | tail -n 40 | sed 's/^/# /'
	return 1
}

is_up() {
	console_says '^ROOT /dev/.* / bcachefs ' && console_says '^FILES right'
}

DEBIAN=$("$VM_DIR/make-debian" --kernel "$KERNEL")
RELEASE=$(cat "$DEBIAN/release")
BOOT_ROOT=$("$VM_DIR/make-boot-root" $CODENAME)
mkdir "$WORK/root"
try "a system ($CODENAME) with our files" in_namespace bash -c "$(declare -f install_into); $(declare -p TOP O DEBIAN RELEASE BOOT_ROOT); install_into '$WORK/root'"
try "initramfs-tools makes an initramfs" make_initramfs
try "dracut makes one" make_dracut
make_tree
try "a tiered set with two copies" make_set root
try "the same encrypted" make_set secret --encrypted

boot initramfs-tools "root=UUID=$(uuid root) rootfstype=bcachefs ro" root.2 root.0 root.1
try "initramfs-tools, UUID=: the root is mounted" is_up
try "  what was noted in the initramfs is still there" console_says '^RECORDS 1'
boot initramfs-tools "root=LABEL=root ro bcachefs.timeout=5" root.2 root.0
try "initramfs-tools, LABEL=, a member missing: the root is mounted" is_up
try "  after waiting" console_says 'startable: its members have been waited for'
try "  the console says what is missing" console_says '2 of 3 members are here; missing: 1|startable: waiting 5 s'
if [ -n "${LONG:-}" ]; then
	boot initramfs-tools "root=UUID=$(uuid secret) ro" secret.0 secret.1 secret.2
	try "initramfs-tools, encrypted: asked for, mounted" is_up
	boot initramfs-tools "root=UUID=$(uuid root) ro bcachefs.timeout=5" root.2
	try "initramfs-tools, data missing: not mounted" console_says 'ALERT!.*does not exist'
	try "  the console says what is missing" console_says '1 of 3 members are here; missing: 0'
	boot dracut "root=UUID=$(uuid secret) rootfstype=bcachefs ro" secret.2 secret.0 secret.1
	try "dracut, encrypted: asked for, mounted" is_up
	boot dracut "root=UUID=$(uuid root) rootfstype=bcachefs ro rd.timeout=20 rd.retry=10" root.2 root.0
	try "dracut, a member missing: the root is mounted" is_up
fi
boot dracut "root=UUID=$(uuid root) rootfstype=bcachefs ro ${DRACUT_WORDS:-}" root.2 root.0 root.1
try "dracut, UUID=: the root is mounted" is_up
finish

# SPDX-License-Identifier: GPL-2.0
#
# Installing. Modules go under updates/, where depmod prefers them to the kernel's own module of the same name. Packages
# take install-tools and install-dkms.

.PHONY: install install-modules install-tools install-dkms docs deb

MAN_PAGES := $(wildcard tools/bcachectl/*.[578])
COMPLETIONS := $(wildcard tools/bcachectl/completion/bcachectl)
UDEV_RULES := $(wildcard udev/*.rules)
UNITS := $(wildcard systemd/*.service systemd/*.timer systemd/*.target systemd/*.socket)

UDEVDIR ?= $(PREFIX)/lib/udev/rules.d
UNITDIR ?= $(PREFIX)/lib/systemd/system
GENERATORDIR ?= $(PREFIX)/lib/systemd/system-generators

install_files = $(if $(2),$(quiet)install -D -m 644 -t '$(DESTDIR)$(1)' $(2))

install: install-modules install-tools
	$(if $(DESTDIR),,$(quiet)depmod -a)

install-modules: modules
	$(quiet)release=$$(mk/build-modules --release $(KDIR)) && \
		install -D -m 644 -t "$(DESTDIR)/lib/modules/$$release/updates" $(O)/modules/$$release/*.ko

install-tools: tools
	$(if $(TOOL_SRCS),$(quiet)install -D -m 755 -t '$(DESTDIR)$(PREFIX)/sbin' '$(O)/bcachectl')
	$(if $(TOOL_SRCS),$(quiet)ln -sf bcachectl '$(DESTDIR)$(PREFIX)/sbin/mount.bcachefs')
	$(if $(TOOL_SRCS),$(quiet)ln -sf bcachectl '$(DESTDIR)$(PREFIX)/sbin/fsck.bcachefs')
	$(call install_files,$(PREFIX)/share/man/man5,$(filter %.5,$(MAN_PAGES)))
	$(call install_files,$(PREFIX)/share/man/man7,$(filter %.7,$(MAN_PAGES)))
	$(call install_files,$(PREFIX)/share/man/man8,$(filter %.8,$(MAN_PAGES)))
	$(call install_files,$(PREFIX)/share/bash-completion/completions,$(COMPLETIONS))
	$(call install_files,$(UDEVDIR),$(UDEV_RULES))
	$(call install_files,$(UNITDIR),$(UNITS))
	$(quiet)install -D -m 755 -t '$(DESTDIR)$(GENERATORDIR)' systemd/bcachefs-generator
	$(quiet)mkdir -p '$(DESTDIR)$(PREFIX)/share/initramfs-tools' '$(DESTDIR)$(PREFIX)/lib/dracut/modules.d'
	$(quiet)cp -r initramfs/initramfs-tools/. '$(DESTDIR)$(PREFIX)/share/initramfs-tools/'
	$(quiet)cp -r initramfs/dracut/. '$(DESTDIR)$(PREFIX)/lib/dracut/modules.d/'

# The modules' sources as kbuild wants them, for DKMS to build on the machine: mk/Kbuild on top of the rooms it names.
DKMS_VERSION ?= $(shell dpkg-parsechangelog -SVersion 2>/dev/null || echo 0)
DKMS_DIR = $(DESTDIR)$(PREFIX)/src/bcachefs-modules-$(DKMS_VERSION)
install-dkms:
	$(quiet)mkdir -p '$(DKMS_DIR)'
	$(quiet)find include lib/kc lib/closures lib/six lib/engine drivers/md/dm-bcache fs/bcachefs -name '*.[ch]' | \
		tar -c -T - | tar -x --no-same-owner -C '$(DKMS_DIR)'
	$(quiet)install -m 644 mk/Kbuild '$(DKMS_DIR)/Kbuild'

# Debian packages, in $(O)/deb/. Built in a copy: debhelper works beside the sources.
deb:
	$(quiet)mk/build-deb

# Manual pages in readable form, and no document may point at a file that is not there.
docs:
	$(quiet)mk/check-links README.md $(shell find docs -name '*.md' | sort)
	$(quiet)mkdir -p '$(O)/docs'
	$(quiet)for page in $(MAN_PAGES); do \
		groff -man -Tutf8 -wall "$$page" >"$(O)/docs/$$(basename $$page).txt" || exit 1; done

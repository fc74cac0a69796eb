# SPDX-License-Identifier: GPL-2.0
#
# Installing. Modules go under updates/, where depmod prefers them to the kernel's own module of the same name.

.PHONY: install docs

MAN_PAGES := $(wildcard tools/bcachectl/*.[78])
COMPLETIONS := $(wildcard tools/bcachectl/completion/bcachectl)
UDEV_RULES := $(wildcard udev/*.rules)
UNITS := $(wildcard systemd/*.service systemd/*.timer systemd/*.target systemd/*.socket)

install_files = $(if $(2),$(quiet)install -D -m 644 -t '$(DESTDIR)$(1)' $(2))

install: all
	$(quiet)release=$$(mk/build-modules --release $(KDIR)) && \
		install -D -m 644 -t "$(DESTDIR)/lib/modules/$$release/updates" $(O)/modules/$$release/*.ko
	$(if $(TOOL_SRCS),$(quiet)install -D -m 755 -t '$(DESTDIR)$(PREFIX)/sbin' '$(O)/bcachectl')
	$(if $(TOOL_SRCS),$(quiet)ln -sf bcachectl '$(DESTDIR)$(PREFIX)/sbin/mount.bcachefs')
	$(call install_files,$(PREFIX)/share/man/man7,$(filter %.7,$(MAN_PAGES)))
	$(call install_files,$(PREFIX)/share/man/man8,$(filter %.8,$(MAN_PAGES)))
	$(call install_files,$(PREFIX)/share/bash-completion/completions,$(COMPLETIONS))
	$(call install_files,$(PREFIX)/lib/udev/rules.d,$(UDEV_RULES))
	$(call install_files,$(PREFIX)/lib/systemd/system,$(UNITS))
	$(quiet)install -D -m 755 -t '$(DESTDIR)$(PREFIX)/lib/systemd/system-generators' systemd/bcachefs-generator
	$(if $(DESTDIR),,$(quiet)depmod -a)

# Manual pages in readable form, and no document may point at a file that is not there.
docs:
	$(quiet)mk/check-links README.md $(shell find docs -name '*.md' | sort)
	$(quiet)mkdir -p '$(O)/docs'
	$(quiet)for page in $(MAN_PAGES); do \
		groff -man -Tutf8 -wall "$$page" >"$(O)/docs/$$(basename $$page).txt" || exit 1; done

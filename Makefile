# SPDX-License-Identifier: GPL-2.0
#
# Builds the three kernel modules, the tool and the tests. "make help" lists the targets.
#
# Sources are found by looking: a .c file placed in its room is built, this file need not be touched.
#
#   lib/closures lib/six lib/engine   the engine: a kernel module, and a library in user space over lib/kapi
#   drivers/md/dm-bcache fs/bcachefs  kernel modules
#   tools/bcachectl                   the tool
#   tests/unit/**/X_test.c            one cmocka program each, with ASan and UBSan (also under tests/model)
#   tests/unit/**/X_tsan.c            one stress program each, with TSan
#   tests/fuzz/X_fuzz.c               one libFuzzer target each, seeds in tests/fuzz/corpus/X/
#   tests/bench/X.c, tests/bench/X.sh one benchmark each
#   tests/golden/*.sh, tests/golden/**/X_test.c, tests/vm/*.sh
#
# The parts: mk/user.mk (programs), mk/modules.mk and mk/Kbuild, mk/tests.mk, mk/deps.mk, mk/install.mk.

TOP := $(CURDIR)
O ?= build
override O := $(abspath $(O))
PREFIX ?= /usr
DESTDIR ?=
T ?=
V ?= 0
JOBS ?= $(shell nproc)

ifeq ($(V),1)
  quiet =
  say = @:
else
  quiet = @
  say = @printf '  %-7s %s\n'
endif

# Recipes and the scripts they call read these.
export TOP O V T

MAKEFLAGS += --no-builtin-rules
# As many compilers as there are processors; -j on the command line wins. Who installs first calls make for the rest.
ifeq ($(MAKELEVEL)$(filter check demo,$(MAKECMDGOALS)),0)
  MAKEFLAGS += -j$(JOBS)
endif
make_rest = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))
.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
SHELL := /bin/bash

.PHONY: all help clean docs

all: modules tools

help:
	@echo 'Building'
	@echo '  deps         install the Debian packages that the rest needs (root or sudo; says what first)'
	@echo '  all          modules and tools (the default)'
	@echo '  modules      the kernel modules, in $(O:$(TOP)/%=%)/modules/<kernel release>/'
	@echo '  tools        the tool, $(O:$(TOP)/%=%)/bcachectl'
	@echo '  docs         manual pages, with a check of the links between the documents'
	@echo '  install      modules, tool, manual, completion, udev rules and units'
	@echo '  deb          Debian packages: the tool, the modules by DKMS, documentation'
	@echo '  clean        remove everything built here (not the cache of kernels and root images)'
	@echo
	@echo 'Checking'
	@echo '  check        all of the following; needs no root once "make deps" has run'
	@echo '  check-unit   unit and model tests in user space (ASan, UBSan, TSan)'
	@echo '  check-golden the golden images, read in user space'
	@echo '  check-vm     the modules in virtual machines'
	@echo '  sparse       sparse over the modules'
	@echo '  demo         assemble, mount and read a tiered set in a virtual machine, saying each step'
	@echo '  check-boot   whole boots: sets that assemble themselves, or do not and say why'
	@echo '  check-debug  check-vm on kernels with lockdep, leak scan and KASAN'
	@echo '  fuzz         each fuzz target for FUZZ_SECONDS (60)'
	@echo '  soak         long runs'
	@echo '  bench        benchmarks, beside other systems'
	@echo
	@echo 'Variables'
	@echo '  O=dir        build there instead of in build/'
	@echo '  T=pattern    only tests whose path matches this shell pattern or contains this text'
	@echo '  V=1          show commands'
	@echo '  VEHICLES=list  only these: uml uml-debug uml-6.1 qemu-6.1 qemu-6.12'
	@echo '  KDIR=dir     build modules for this kernel (default: the running one, else the newest with headers)'
	@echo '  DESTDIR= PREFIX=   where to install'
	@echo '  BCACHEFS_CACHE=dir kernels and root images (default: $$XDG_CACHE_HOME or ~/.cache, bcachefs-dm/)'

include mk/deps.mk
include mk/user.mk
include mk/modules.mk
include mk/tests.mk
include mk/install.mk

clean:
	$(say) CLEAN '$(O:$(TOP)/%=%)'
	$(quiet)rm -rf '$(O)'

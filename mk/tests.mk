# SPDX-License-Identifier: GPL-2.0
#
# Running the tests. Everything goes through tests/run, which counts; "make check" is one run of it, so that one summary
# line closes the whole. T= keeps the tests whose path contains that text.

narrow = $(if $(T),$(foreach test,$(1),$(if $(findstring $(T),$(test)),$(test))),$(1))

UNIT_TESTS := $(call narrow,$(UNIT_PROGRAMS) $(TSAN_PROGRAMS))
GOLDEN_TESTS := $(call narrow,$(GOLDEN_PROGRAMS) $(wildcard tests/golden/*.sh))
VM_TESTS := $(call narrow,$(shell grep -lsE '^. vehicle:' tests/vm/*.sh))
SOAK_TESTS := $(call narrow,$(shell grep -lsE '^. vehicle:' tests/soak/*.sh) tests/soak/model.sh)
SOAK_PROGRAMS := $(if $(filter %/model.sh,$(SOAK_TESTS)),$(filter %/fault_test %/space_test %/set_tsan %/crash_test %/set_test,$(filter $(O)/tests/model/%,$(UNIT_PROGRAMS) $(TSAN_PROGRAMS))))
FUZZ_TESTS := $(call narrow,$(FUZZ_PROGRAMS))
BENCH_TESTS := $(call narrow,$(BENCH_PROGRAMS) $(wildcard tests/bench/*.sh))

FUZZ_SECONDS ?= 60
export FUZZ_SECONDS

# The vehicles that the chosen tests name, or those of VEHICLES= alone.
VEHICLES ?=
export VEHICLES
vehicles_of = $(or $(VEHICLES),$(sort $(shell sed -nE 's/^. vehicle: *//p' $(1) /dev/null)))

.PHONY: check check-all check-unit check-golden check-vm check-debug check-boot fuzz soak bench demo golden vehicles

# From a fresh clone, too: what is missing is installed first.
check: deps
	$(quiet)$(make_rest) check-all

check-all: $(UNIT_TESTS) $(filter $(GOLDEN_PROGRAMS),$(GOLDEN_TESTS)) tools $(VM_PROGRAMS) $(VM_HOST_PROGRAMS) $(if $(GOLDEN_TESTS),golden)
	$(quiet)tests/vm/prepare $(call vehicles_of,$(VM_TESTS))
	$(quiet)tests/run $(UNIT_TESTS) $(GOLDEN_TESTS) $(VM_TESTS)

check-unit: $(UNIT_TESTS)
	$(quiet)tests/run $(UNIT_TESTS)

check-golden: $(filter $(GOLDEN_PROGRAMS),$(GOLDEN_TESTS)) tools golden
	$(quiet)tests/run $(GOLDEN_TESTS)

check-vm: tools $(VM_PROGRAMS) $(VM_HOST_PROGRAMS)
	$(quiet)tests/vm/prepare $(call vehicles_of,$(VM_TESTS))
	$(quiet)tests/run $(VM_TESTS)

# Whole boots, on both kernels and twice. The short form is part of "make check".
BOOT_TESTS := $(call narrow,$(shell grep -lsE '^. vehicle:' tests/vm/boot-*.sh tests/vm/udev*.sh tests/vm/daemon.sh tests/vm/packages.sh))
check-boot: tools
	$(quiet)tests/vm/prepare $(call vehicles_of,$(BOOT_TESTS))
	$(quiet)LONG=1 tests/run --timeout 3600 $(BOOT_TESTS)
	$(quiet)sed -n '/^## Cases/,$$p' docs/boot.md

# The same scripts on kernels that watch locks, sleeping, lists and leaks, and memory. Only UML has them.
DEBUG_VEHICLES := uml-debug uml-kasan
check-debug: tools $(VM_PROGRAMS) $(VM_HOST_PROGRAMS)
	$(quiet)tests/vm/prepare $(DEBUG_VEHICLES)
	$(quiet)VEHICLES='$(DEBUG_VEHICLES)' VEHICLE_TIMEOUT=1500 tests/run --timeout 1800 $(VM_TESTS)

# The golden images, unpacked (sparse) and verified, in $(O)/golden/NAME/.
golden:
	$(quiet)tests/golden/unpack

vehicles:
	$(quiet)tests/vm/prepare $(or $(VEHICLES),uml qemu-6.1 qemu-6.12)

fuzz: $(FUZZ_TESTS)
	$(quiet)tests/run --jobs 1 $(FUZZ_TESTS)

soak: tools $(VM_PROGRAMS) $(VM_HOST_PROGRAMS) $(SOAK_PROGRAMS)
	$(quiet)tests/vm/prepare $(call vehicles_of,$(SOAK_TESTS))
	$(quiet)VEHICLE_TIMEOUT=7200 tests/run --jobs 1 --timeout 14400 $(SOAK_TESTS)

# Scripts run on the host and start the vehicles they compare, ours and the judge.
bench: $(filter $(BENCH_PROGRAMS),$(BENCH_TESTS)) tools
	$(if $(filter %.sh,$(BENCH_TESTS)),$(quiet)tests/vm/prepare uml)
	$(if $(filter %names_bench,$(BENCH_TESTS)),$(quiet)tests/golden/unpack many)
	$(quiet)for benchmark in $(BENCH_TESTS); do \
		echo "== $${benchmark#$(O)/}"; \
		case $$benchmark in *.sh) bash $$benchmark ;; *) $$benchmark ;; esac || exit 1; \
	done

demo: deps
	$(quiet)$(make_rest) tools
	$(quiet)tests/demo/run

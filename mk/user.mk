# SPDX-License-Identifier: GPL-2.0
#
# User-space programs: the engine as a library in several variants, the tool, test programs, fuzzers, benchmarks.
#
# Objects of each variant lie in $(O)/user/VARIANT/, with a dependency file beside each. A target appears by renaming,
# so two makes in one directory disturb each other less.

PKGS := libzstd liblz4 zlib libxxhash libsodium
TOOL_PKGS := devmapper blkid libkeyutils json-c libudev $(PKGS)

WARNINGS := -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Wno-type-limits \
	-Wmissing-prototypes -Wstrict-prototypes
WERROR ?= -Werror

# Flags and libraries that lib/kapi itself asks for: KAPI_CPPFLAGS, KAPI_CFLAGS, KAPI_LIBS.
-include lib/kapi/flags.mk

CPPFLAGS += -D_GNU_SOURCE -I$(TOP)/lib/kapi/include -I$(TOP)/include -I$(TOP)/lib -I$(TOP)/lib/kc -I$(TOP)/tests/lib $(KAPI_CPPFLAGS)
CFLAGS ?= -g
USER_CFLAGS = -std=gnu11 -fno-strict-aliasing -pthread $(WARNINGS) $(WERROR) $(KAPI_CFLAGS) $(CFLAGS)
USER_LIBS = $(KAPI_LIBS) $(shell pkg-config --libs $(PKGS)) -pthread
TOOL_LIBS = $(KAPI_LIBS) $(shell pkg-config --libs $(TOOL_PKGS)) -pthread

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG ?= clang

VARIANTS := plain asan tsan fuzz
CC_plain = $(CC)
CC_asan = $(CC)
CC_tsan = $(CC)
CC_fuzz = $(CLANG)
# Instrumented code makes gcc see uninitialised values that are none; the plain build watches for those.
FLAGS_plain := -O2
FLAGS_asan := -O1 -Wno-maybe-uninitialized -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FLAGS_tsan := -O1 -Wno-maybe-uninitialized -fsanitize=thread -fno-omit-frame-pointer
FLAGS_fuzz := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
	-Wno-unknown-warning-option
COMPILE_ONLY_fuzz := -fsanitize=fuzzer-no-link

find_c = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))

ENGINE_SRCS := $(call find_c,lib/closures lib/six lib/engine lib/kapi)
TOOL_SRCS := $(call find_c,tools/bcachectl)
TEST_LIB_SRCS := $(call find_c,tests/lib)

objects = $(patsubst %.c,$(O)/user/$(1)/%.o,$(2))

# Compiles $< into $@ for variant $(1).
define compile
$(quiet)mkdir -p $(@D)
$(quiet)$(CC_$(1)) $(CPPFLAGS) $(USER_CFLAGS) $(FLAGS_$(1)) $(COMPILE_ONLY_$(1)) \
	-MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@.$$$$ && mv $@.$$$$ $@
endef

# Links $^ into $@ for variant $(1) with libraries $(2).
define link
$(quiet)mkdir -p $(@D)
$(quiet)$(CC_$(1)) $(CFLAGS) $(FLAGS_$(1)) $(LDFLAGS) $^ -Wl,--as-needed $(2) -o $@.$$$$ && mv $@.$$$$ $@
endef

define archive
$(quiet)mkdir -p $(@D)
$(quiet)ar rcs $@.$$$$ $^ && mv $@.$$$$ $@
endef

define variant_rules
$(O)/user/$(1)/%.o: %.c $(wildcard lib/kapi/flags.mk)
	$$(say) 'CC' '$$<  [$(1)]'
	$$(call compile,$(1))

$(O)/user/$(1)/libengine.a: $(call objects,$(1),$(ENGINE_SRCS))
	$$(say) 'AR' '$$(@:$(TOP)/%=%)'
	$$(archive)

$(O)/user/$(1)/libtest.a: $(call objects,$(1),$(TEST_LIB_SRCS))
	$$(say) 'AR' '$$(@:$(TOP)/%=%)'
	$$(archive)

-include $$(shell find $(O)/user/$(1) -name '*.d' 2>/dev/null)
endef
$(foreach variant,$(VARIANTS),$(eval $(call variant_rules,$(variant))))

.PHONY: tools
$(O)/libengine.a: $(O)/user/plain/libengine.a
	$(quiet)ln -sf user/plain/libengine.a $@

$(O)/bcachectl: $(call objects,plain,$(TOOL_SRCS)) $(O)/user/plain/libengine.a
	$(say) LD '$(@:$(TOP)/%=%)'
	$(call link,plain,$(TOOL_LIBS))

# mount(8) runs the helper by this name.
$(O)/mount.bcachefs: $(O)/bcachectl
	$(quiet)ln -sf bcachectl $@

ifneq ($(TOOL_SRCS),)
tools: $(O)/libengine.a $(O)/bcachectl $(O)/mount.bcachefs
else
tools: $(O)/libengine.a
	@echo '  tools: tools/bcachectl holds no source files'
endif

# Test programs, one per source file, at $(O)/tests/... without the ".c".
UNIT_SRCS := $(filter %_test.c,$(call find_c,tests/unit tests/model))
TSAN_SRCS := $(filter %_tsan.c,$(call find_c,tests/unit tests/model))
GOLDEN_SRCS := $(filter %_test.c,$(call find_c,tests/golden))
FUZZ_SRCS := $(filter %_fuzz.c,$(call find_c,tests/fuzz))
BENCH_SRCS := $(call find_c,tests/bench)

UNIT_PROGRAMS := $(UNIT_SRCS:%.c=$(O)/%)
TSAN_PROGRAMS := $(TSAN_SRCS:%.c=$(O)/%)
GOLDEN_PROGRAMS := $(GOLDEN_SRCS:%.c=$(O)/%)
FUZZ_PROGRAMS := $(FUZZ_SRCS:%.c=$(O)/%)
BENCH_PROGRAMS := $(BENCH_SRCS:%.c=$(O)/%)

# Programs that tests in virtual machines run there, whatever libraries the guest has: one per source file, static.
VM_PROGRAMS := $(patsubst %.c,$(O)/%,$(call find_c,tests/vm/prog))
$(VM_PROGRAMS): $(O)/%: %.c
	$(say) CC '$<  [static]'
	$(quiet)mkdir -p $(@D)
	$(quiet)$(CC) -D_GNU_SOURCE -std=gnu11 -O2 -static $(WARNINGS) $(WERROR) $(CFLAGS) $< -o $@.$$$$ && mv $@.$$$$ $@

# Programs that such tests run on the host, over the engine.
VM_HOST_SRCS := $(call find_c,tests/vm/host)
VM_HOST_PROGRAMS := $(VM_HOST_SRCS:%.c=$(O)/%)

# program_rules VARIANT, LIBRARIES: how programs of that variant are linked.
define program_rule
$(O)/$(2:.c=): $(O)/user/$(1)/$(2:.c=.o) $(O)/user/$(1)/libtest.a $(O)/user/$(1)/libengine.a
	$$(say) LD '$$(@:$(TOP)/%=%)'
	$$(call link,$(1),$(3) $$(USER_LIBS))
endef
$(foreach src,$(UNIT_SRCS) $(GOLDEN_SRCS),$(eval $(call program_rule,asan,$(src),-lcmocka)))
$(foreach src,$(TSAN_SRCS),$(eval $(call program_rule,tsan,$(src),-lcmocka)))
$(foreach src,$(FUZZ_SRCS),$(eval $(call program_rule,fuzz,$(src),-fsanitize=fuzzer)))
$(foreach src,$(VM_HOST_SRCS),$(eval $(call program_rule,plain,$(src))))
$(foreach src,$(BENCH_SRCS),$(eval $(call program_rule,plain,$(src),-llmdb -lsqlite3)))

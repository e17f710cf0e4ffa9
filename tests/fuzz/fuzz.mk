# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzz targets, for clang's libFuzzer.  Every tests/fuzz/NAME.c is one.
#
#   make fuzz          builds them: build/fuzz/NAME -max_total_time=60
#   make fuzz-run      runs each for FUZZ_SECONDS; ends at the first failure, whose input
#                      is then in tests/fuzz/NAME.  What is new stays in the build folder.
#
# Inputs stand in tests/fuzz/NAME: scripts (.txt, see tests/lib/build_dat.h) and files as
# they are (.bin), among them all that ever failed.  `make test` runs them without
# libFuzzer, by build/tests/fuzz/NAME.

FUZZ_SECONDS ?= 60
FUZZ_SOURCES := $(wildcard tests/fuzz/*.c)
FUZZ_NAMES   := $(FUZZ_SOURCES:tests/fuzz/%.c=%)
FUZZ_TARGETS := $(FUZZ_NAMES:%=$(O)/fuzz/%)
FUZZ_OBJECTS := $(LIB_SOURCES:%.c=$(O)/fuzz/obj/%.o)
FUZZ_FLAGS   := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_REPLAYS := $(FUZZ_NAMES:%=$(O)/tests/fuzz/%)
FUZZ_SCRIPTS := $(wildcard tests/fuzz/*/*.txt)
FUZZ_INPUTS  := $(FUZZ_SCRIPTS:tests/fuzz/%.txt=$(O)/fuzz/inputs/%.bin)

.PHONY: fuzz fuzz-run
fuzz: $(FUZZ_TARGETS)

# The library once more: it must carry the fuzzer's counters.
$(O)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	clang $(filter-out -O2,$(ALL_CFLAGS)) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

$(O)/fuzz/lib.a: $(FUZZ_OBJECTS)
	$(RM) $@
	$(AR) rcs $@ $^

$(FUZZ_TARGETS): $(O)/fuzz/%: $(O)/fuzz/obj/tests/fuzz/%.o $(O)/fuzz/lib.a
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LIBS)

$(O)/fuzz/inputs/%.bin: tests/fuzz/%.txt $(O)/tests/lib/build_dat
	@mkdir -p $(@D)
	$(O)/tests/lib/build_dat <$< >$@

fuzz-run: fuzz $(FUZZ_INPUTS)
	set -e; for name in $(FUZZ_NAMES); do \
		mkdir -p $(O)/fuzz/corpus/$$name $(O)/fuzz/inputs/$$name tests/fuzz/$$name; \
		$(O)/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -timeout=30 -rss_limit_mb=3000 \
			-max_len=65536 -artifact_prefix=tests/fuzz/$$name/ $(O)/fuzz/corpus/$$name \
			$(O)/fuzz/inputs/$$name tests/fuzz/$$name; \
	done

$(FUZZ_REPLAYS): $(O)/tests/fuzz/%: $(O)/obj/tests/fuzz/%.o $(O)/obj/tests/lib/replay.o $(O)/libp2ptrace.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

unit-tests: $(FUZZ_REPLAYS) $(FUZZ_INPUTS)

-include $(FUZZ_OBJECTS:.o=.d) $(FUZZ_SOURCES:%.c=$(O)/fuzz/obj/%.d)
-include $(FUZZ_NAMES:%=$(O)/obj/tests/fuzz/%.d) $(O)/obj/tests/lib/replay.d

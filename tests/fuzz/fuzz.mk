# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzz targets, for clang's libFuzzer: make fuzz O=build-fuzz, then
# build-fuzz/fuzz/NAME -max_total_time=60.  Every tests/fuzz/NAME.c is one.

FUZZ_SOURCES := $(wildcard tests/fuzz/*.c)
FUZZ_TARGETS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(O)/fuzz/%)
FUZZ_FLAGS   := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -O1

.PHONY: fuzz
fuzz: $(FUZZ_TARGETS)

# The library's sources once more: they must carry the fuzzer's counters.
$(O)/fuzz/%: tests/fuzz/%.c $(LIB_SOURCES)
	@mkdir -p $(@D)
	clang $(filter-out -O2,$(ALL_CFLAGS)) $(FUZZ_FLAGS) -o $@ $< $(LIB_SOURCES) $(ALL_LIBS)

# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzz targets, for clang's libFuzzer: make fuzz, then build/fuzz/NAME -max_total_time=60.
# Every tests/fuzz/NAME.c is one.

FUZZ_SOURCES := $(wildcard tests/fuzz/*.c)
FUZZ_TARGETS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(O)/fuzz/%)
FUZZ_OBJECTS := $(LIB_SOURCES:%.c=$(O)/fuzz/obj/%.o)
FUZZ_FLAGS   := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

.PHONY: fuzz
fuzz: $(FUZZ_TARGETS)

# The library once more: it must carry the fuzzer's counters.
$(O)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	clang $(filter-out -O2,$(ALL_CFLAGS)) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

$(O)/fuzz/lib.a: $(FUZZ_OBJECTS)
	$(RM) $@
	$(AR) rcs $@ $^

$(O)/fuzz/%: $(O)/fuzz/obj/tests/fuzz/%.o $(O)/fuzz/lib.a
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LIBS)

-include $(FUZZ_OBJECTS:.o=.d) $(FUZZ_SOURCES:%.c=$(O)/fuzz/obj/%.d)

# SPDX-License-Identifier: GPL-2.0-or-later
# The generator of recordings, and the benchmark that reads them.

BENCH_SOURCES := $(wildcard bench/*.c)
BENCH_OBJECTS := $(BENCH_SOURCES:%.c=$(O)/obj/%.o)

.PHONY: generator bench
generator: $(O)/bench/p2pgen

$(O)/bench/p2pgen: $(BENCH_OBJECTS) $(O)/libp2ptrace.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

# BENCH=--short: a smaller recording, in a minute.
bench: all generator
	bench/run -b $(O) $(BENCH)

-include $(BENCH_OBJECTS:.o=.d)

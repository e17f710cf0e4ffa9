# SPDX-License-Identifier: GPL-2.0-or-later
# The uprobe rig: a program of its own that shares only the option tables and
# texts with p2ptrace.

RIG_SOURCES := $(wildcard tests/rig/*.c src/base/*.c)
RIG_OBJECTS := $(RIG_SOURCES:%.c=$(O)/obj/%.o)

.PHONY: rig
rig: $(O)/rig/p2prig

$(O)/rig/p2prig: $(RIG_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -pthread -lm

-include $(RIG_OBJECTS:.o=.d)

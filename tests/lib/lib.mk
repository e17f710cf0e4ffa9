# SPDX-License-Identifier: GPL-2.0-or-later
# What the unit tests share, and commands for the others: one makes trace.dat files, one
# what a recording keeps of a system.

TESTLIB_OBJECTS := $(addprefix $(O)/obj/tests/lib/,build_dat.o analyse.o)

$(O)/tests/lib/libtest.a: $(TESTLIB_OBJECTS)
	@mkdir -p $(@D)
	$(RM) $@
	$(AR) rcs $@ $^

$(O)/tests/lib/build_dat: $(addprefix $(O)/obj/tests/lib/,dat_main.o build_dat.o)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(O)/tests/lib/capture: $(O)/obj/tests/lib/capture_main.o $(O)/libp2ptrace.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(O)/tests/lib/show_probes: $(O)/obj/tests/lib/probes_main.o $(O)/libp2ptrace.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

unit-tests: $(O)/tests/lib/build_dat $(O)/tests/lib/capture $(O)/tests/lib/show_probes

-include $(TESTLIB_OBJECTS:.o=.d) $(O)/obj/tests/lib/dat_main.d $(O)/obj/tests/lib/capture_main.d $(O)/obj/tests/lib/probes_main.d

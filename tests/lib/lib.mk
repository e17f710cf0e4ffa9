# SPDX-License-Identifier: GPL-2.0-or-later
# What the unit tests share, and a command that makes trace.dat files for the others.

TESTLIB_OBJECTS := $(addprefix $(O)/obj/tests/lib/,build_dat.o analyse.o)

$(O)/tests/lib/libtest.a: $(TESTLIB_OBJECTS)
	@mkdir -p $(@D)
	$(RM) $@
	$(AR) rcs $@ $^

$(O)/tests/lib/build_dat: $(addprefix $(O)/obj/tests/lib/,dat_main.o build_dat.o)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

unit-tests: $(O)/tests/lib/build_dat

-include $(TESTLIB_OBJECTS:.o=.d) $(O)/obj/tests/lib/dat_main.d

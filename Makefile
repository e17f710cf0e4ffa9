# SPDX-License-Identifier: GPL-2.0-or-later
#
# make                 builds build/p2ptrace and build/libp2ptrace.a
# make demo            installs what is missing, records, reports
# make test            installs what is missing, builds, runs every test but the VM lab's
# make fuzz            fuzz targets, with clang: build/fuzz/NAME -max_total_time=60
# make fuzz-run        runs each of them for FUZZ_SECONDS (60)
# make install         DESTDIR= PREFIX=/usr/local SYSTEMDUNITDIR=PREFIX/lib/systemd/system;
#                      make uninstall takes it away again
# make format lint     clang-format; clang-format check, cppcheck, shellcheck, man pages
# make test-asan valgrind check-install test-vm     more tests; .ci/run runs them all
#
# O=DIR builds elsewhere; DEBUG=1, ASAN=1, COVERAGE=1, CC=clang as wished; V=1 shows commands.

O      ?= build
PREFIX ?= /usr/local
VERSION := $(shell cat VERSION)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wwrite-strings -Wvla -Wundef
OPTIMISE := -O2 -g
ifdef DEBUG
OPTIMISE := -O0 -g3
endif
ifdef ASAN
OPTIMISE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ifdef COVERAGE
OPTIMISE := -O0 -g --coverage
endif

include tools/dependencies.mk

ALL_CFLAGS := -std=gnu11 $(WARNINGS) $(OPTIMISE) -pthread -Iinclude -D_GNU_SOURCE \
              -DP2PTRACE_VERSION='"$(VERSION)"' $(DEP_CFLAGS) $(CPPFLAGS) $(CFLAGS)
ALL_LIBS   := $(DEP_LIBS) -pthread -lm

LIB_SOURCES := $(wildcard $(addsuffix /*.c,$(addprefix src/,base probe session trace event analysis pci doctor live output ui)))
CMD_SOURCES := $(wildcard src/cmd/*.c) src/p2ptrace.c
UNIT_SOURCES := $(wildcard tests/unit/*.c)
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(O)/obj/%.o)
CMD_OBJECTS := $(CMD_SOURCES:%.c=$(O)/obj/%.o)
UNIT_TESTS  := $(UNIT_SOURCES:tests/unit/%.c=$(O)/tests/unit/%)
FORMATTED   := $(wildcard include/p2ptrace/*.h src/*.[ch] src/*/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch] \
                         kernel/*.[ch] bench/*.[ch])

# Where systemd looks for units, /usr/local included.
SYSTEMDUNITDIR ?= $(PREFIX)/lib/systemd/system

# All that `make install` puts anywhere, for `make uninstall`.
SHARE := $(DESTDIR)$(PREFIX)/share
PAGES1 := $(wildcard man/*.1)
PAGES5 := $(wildcard man/*.5)
INSTALLED := $(DESTDIR)$(PREFIX)/bin/p2ptrace \
             $(PAGES1:man/%=$(SHARE)/man/man1/%) $(PAGES5:man/%=$(SHARE)/man/man5/%) \
             $(SHARE)/bash-completion/completions/p2ptrace \
             $(SHARE)/zsh/site-functions/_p2ptrace \
             $(SHARE)/fish/vendor_completions.d/p2ptrace.fish \
             $(DESTDIR)$(SYSTEMDUNITDIR)/p2ptrace.service

.PHONY: all deps demo test test-asan test-vm valgrind check-install unit-tests test-programs \
        install uninstall format lint clean
.DELETE_ON_ERROR:
.SECONDARY:
ifndef V
.SILENT:
MAKEFLAGS += --no-print-directory
endif

all: $(O)/p2ptrace $(O)/libp2ptrace.a

$(O)/p2ptrace: $(CMD_OBJECTS) $(O)/libp2ptrace.a
	@echo "  LINK    $@"
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(O)/libp2ptrace.a: $(LIB_OBJECTS)
	$(RM) $@
	$(AR) rcs $@ $^

# Objects are made anew when the flags differ from the last build's.
FLAGS_STAMP := $(O)/obj/flags
FLAGS_NOW   := $(CC) $(ALL_CFLAGS)
$(shell mkdir -p $(O)/obj; [ "$$(cat $(FLAGS_STAMP) 2>/dev/null)" = '$(subst ','"'"',$(FLAGS_NOW))' ] || \
        printf '%s\n' '$(subst ','"'"',$(FLAGS_NOW))' > $(FLAGS_STAMP))

$(O)/obj/src/doctor/check_tools.o: OWN_CFLAGS = -DP2PTRACE_LIBRARIES='"$(DEP_VERSIONS)"'
$(O)/obj/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(CC) $(ALL_CFLAGS) $(OWN_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/tests/unit/%: $(O)/obj/tests/unit/%.o $(O)/tests/lib/libtest.a $(O)/libp2ptrace.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS) -lcmocka

unit-tests: $(UNIT_TESTS)
# All that the tests run.
test-programs: all unit-tests rig generator

-include tests/lib/lib.mk
-include tests/rig/rig.mk
-include bench/bench.mk
-include tests/fuzz/fuzz.mk

install: all
	install -d $(sort $(dir $(INSTALLED)))
	install -m 755 $(O)/p2ptrace $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(PAGES1) $(SHARE)/man/man1/
	install -m 644 $(PAGES5) $(SHARE)/man/man5/
	install -m 644 contrib/completions/p2ptrace.bash $(SHARE)/bash-completion/completions/p2ptrace
	install -m 644 contrib/completions/_p2ptrace $(SHARE)/zsh/site-functions/
	install -m 644 contrib/completions/p2ptrace.fish $(SHARE)/fish/vendor_completions.d/
	sed 's|/usr/bin/p2ptrace|$(PREFIX)/bin/p2ptrace|' contrib/p2ptrace.service >$(O)/p2ptrace.service
	install -m 644 $(O)/p2ptrace.service $(DESTDIR)$(SYSTEMDUNITDIR)/

uninstall:
	$(RM) $(INSTALLED)

deps:
	tools/install-dependencies

# A second make each: it finds what was just installed.
demo: deps
	$(MAKE) all rig
	tools/demo $(O)

test: deps
	$(MAKE) test-programs
	tests/run.py -b $(O)

# Everything again under ASan and UBSan, in a build folder of its own.
# Left out is what mostly waits for the recorder, takes three times as long under the
# sanitizers and shows them little beyond the rest: all of CI is to end within half an hour.
ASAN_WITHOUT := test_recover test_live_rig test_live_screen test_pieces test_record_robust \
                test_service test_truth test_rig
test-asan: deps
	$(MAKE) O=$(O)-asan ASAN=1 test-programs
	P2PTRACE_SEEDS=80 tests/run.py -b $(O)-asan -t 900 $(addprefix --without ,$(ASAN_WITHOUT))

# The reading commands under memcheck.
valgrind: all unit-tests
	tools/valgrind $(O)

check-install: all
	tools/check-install $(O)

# Real P2PDMA in emulated machines: tests/vm/README.md.
test-vm: all
	tests/vm/lab run --p2ptrace $(O)/p2ptrace --output $(O)/vm

format:
	clang-format -i $(FORMATTED)

lint:
	@tools/lint $(FORMATTED)

clean:
	$(RM) -r $(O)

-include $(LIB_OBJECTS:.o=.d) $(CMD_OBJECTS:.o=.d) $(UNIT_SOURCES:%.c=$(O)/obj/%.d)

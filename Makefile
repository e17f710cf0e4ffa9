# SPDX-License-Identifier: GPL-2.0-or-later
#
# make                 builds build/p2ptrace and build/libp2ptrace.a
# make demo            installs what is missing, records, reports
# make test            installs what is missing, builds, runs every test but the VM lab's
# make install         DESTDIR= PREFIX=/usr/local
# make format lint     clang-format; clang-format check, cppcheck, shellcheck, man pages
#
# O=DIR builds elsewhere; DEBUG=1, ASAN=1, COVERAGE=1, CC=clang as wished.

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

LIB_SOURCES := $(wildcard $(addsuffix /*.c,$(addprefix src/,base session trace event analysis pci output ui)))
CMD_SOURCES := $(wildcard src/cmd/*.c) src/p2ptrace.c
UNIT_SOURCES := $(wildcard tests/unit/*.c)
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(O)/obj/%.o)
CMD_OBJECTS := $(CMD_SOURCES:%.c=$(O)/obj/%.o)
UNIT_TESTS  := $(UNIT_SOURCES:tests/unit/%.c=$(O)/tests/unit/%)
FORMATTED   := $(wildcard include/p2ptrace/*.h src/*.[ch] src/*/*.[ch] tests/*/*.[ch] bench/*.[ch])

.PHONY: all deps demo test test-asan test-vm unit-tests install uninstall format lint clean
.DELETE_ON_ERROR:

all: $(O)/p2ptrace $(O)/libp2ptrace.a

$(O)/p2ptrace: $(CMD_OBJECTS) $(O)/libp2ptrace.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(O)/libp2ptrace.a: $(LIB_OBJECTS)
	$(RM) $@
	$(AR) rcs $@ $^

# Objects are made anew when the flags differ from the last build's.
FLAGS_STAMP := $(O)/obj/flags
FLAGS_NOW   := $(CC) $(ALL_CFLAGS)
$(shell mkdir -p $(O)/obj; [ "$$(cat $(FLAGS_STAMP) 2>/dev/null)" = '$(subst ','"'"',$(FLAGS_NOW))' ] || \
        printf '%s\n' '$(subst ','"'"',$(FLAGS_NOW))' > $(FLAGS_STAMP))

$(O)/obj/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/tests/unit/%: $(O)/obj/tests/unit/%.o $(O)/tests/lib/libtest.a $(O)/libp2ptrace.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS) -lcmocka

unit-tests: $(UNIT_TESTS)

-include tests/lib/lib.mk
-include tests/rig/rig.mk
-include bench/bench.mk

install: all
	install -D -m 755 $(O)/p2ptrace $(DESTDIR)$(PREFIX)/bin/p2ptrace
	for page in man/*.1 man/*.5; do \
		[ ! -e "$$page" ] || \
		install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}"; \
	done

uninstall:
	$(RM) $(DESTDIR)$(PREFIX)/bin/p2ptrace $(patsubst man/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard man/*.1))

deps:
	tools/install-dependencies

# A second make each: it finds what was just installed.
demo: deps
	$(MAKE) all rig
	tools/demo $(O)

test: deps
	$(MAKE) all unit-tests rig
	tests/run.py -b $(O)

# Everything again under ASan and UBSan, in a build folder of its own.
test-asan: deps
	$(MAKE) O=$(O)-asan ASAN=1 all unit-tests rig
	tests/run.py -b $(O)-asan -t 900

format:
	clang-format -i $(FORMATTED)

lint:
	tools/lint $(FORMATTED)

clean:
	$(RM) -r $(O)

-include $(LIB_OBJECTS:.o=.d) $(CMD_OBJECTS:.o=.d) $(UNIT_SOURCES:%.c=$(O)/obj/%.d)

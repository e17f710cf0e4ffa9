# What p2ptrace is built on, found by pkg-config.
#
# A row: pkg-config name, and the packages of Debian, Fedora and Arch that hold it.

REQUIRED := libtracefs libtraceevent libpci
PACKAGE_libtracefs    := Debian libtracefs-dev, Fedora libtracefs-devel, Arch libtracefs
PACKAGE_libtraceevent := Debian libtraceevent-dev, Fedora libtraceevent-devel, Arch libtraceevent
PACKAGE_libpci        := Debian libpci-dev, Fedora pciutils-devel, Arch pciutils

# Found: used.  Not found: the program says what it cannot read.
OPTIONAL := libzstd zlib ncursesw libbpf
DEFINE_libzstd := -DHAVE_ZSTD
DEFINE_zlib    := -DHAVE_ZLIB
DEFINE_ncursesw := -DHAVE_NCURSES
DEFINE_libbpf   := -DHAVE_LIBBPF

PKG_CONFIG ?= pkg-config

ifeq ($(filter deps demo test test-asan clean format lint,$(MAKECMDGOALS)),)
ifeq ($(shell command -v $(PKG_CONFIG)),)
$(error pkg-config is missing (package pkg-config or pkgconf); 'make deps' installs everything on Debian)
endif
$(foreach lib,$(REQUIRED),$(if $(shell $(PKG_CONFIG) --exists $(lib) && echo yes),,\
  $(error $(lib) is missing: $(PACKAGE_$(lib)); 'make deps' installs everything on Debian)))
endif

FOUND_OPTIONAL := $(foreach lib,$(OPTIONAL),$(shell $(PKG_CONFIG) --exists $(lib) 2>/dev/null && echo $(lib)))
DEP_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(REQUIRED) $(FOUND_OPTIONAL) 2>/dev/null) \
              $(foreach lib,$(FOUND_OPTIONAL),$(DEFINE_$(lib)))
DEP_LIBS   := $(shell $(PKG_CONFIG) --libs $(REQUIRED) $(FOUND_OPTIONAL) 2>/dev/null)
# "libtracefs 1.6.4, libpci 3.9.0", for `p2ptrace doctor`.
DEP_VERSIONS = $(shell for lib in $(REQUIRED) $(FOUND_OPTIONAL); do \
		printf '%s %s, ' "$$lib" "$$($(PKG_CONFIG) --modversion "$$lib")"; done 2>/dev/null | sed 's/, $$//')

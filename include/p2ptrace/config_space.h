/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_space: what the P2PDMA rule needs from a device's PCI configuration space.
 *
 * Only the capability lists are walked and only the registers wanted are read: some
 * devices do not survive a read of all 4096 bytes.  Nothing read is trusted: lists
 * may loop or point anywhere, files may end early, a dead device reads all ones.
 * What could not be read is "not known", never "not there".
 *
 * Source: src/pci/config_space.c
 */
#ifndef P2PTRACE_CONFIG_SPACE_H
#define P2PTRACE_CONFIG_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/sysroot.h"

#define CONFIG_SPACE_BYTES 4096

/* What was read of one. */
struct config_seen {
	uint8_t bytes[CONFIG_SPACE_BYTES];
	bool known[CONFIG_SPACE_BYTES];
};

/* Where the bytes come from: a file, or memory. */
struct config_space {
	const struct sysroot_file *file; /* NULL: `bytes` */
	const uint8_t *bytes;
	size_t length; /* of `bytes` */
	/* As sysfs states it (the file's size): 256 or 4096; 0: not to be relied on. */
	size_t stated;
	struct config_seen *seen; /* NULL: nobody wants to know */
};

enum acs_state {
	ACS_UNKNOWN = 0, /* could not be read */
	ACS_ABSENT, /* no such capability: nothing is redirected */
	ACS_PRESENT, /* acs_control is valid */
};

/* Bits of the ACS control register. */
enum acs_bit {
	ACS_SOURCE_VALIDATION = 0x01,
	ACS_TRANSLATION_BLOCKING = 0x02,
	ACS_REQUEST_REDIRECT = 0x04,
	ACS_COMPLETION_REDIRECT = 0x08,
	ACS_UPSTREAM_FORWARDING = 0x10,
	ACS_EGRESS_CONTROL = 0x20,
	ACS_DIRECT_TRANSLATED = 0x40,
	/* Any of these sends peer traffic up to the root complex. */
	ACS_REDIRECT = ACS_REQUEST_REDIRECT | ACS_COMPLETION_REDIRECT | ACS_EGRESS_CONTROL,
};

/* PCIe device/port types, as the PCI Express capability numbers them. */
enum port_type {
	PORT_UNKNOWN = -2, /* could not be read */
	PORT_CONVENTIONAL = -1, /* not a PCI Express device */
	PORT_ENDPOINT = 0,
	PORT_LEGACY_ENDPOINT = 1,
	PORT_ROOT = 4,
	PORT_UPSTREAM = 5, /* of a switch */
	PORT_DOWNSTREAM = 6, /* of a switch */
	PORT_TO_PCI = 7, /* PCI Express to PCI bridge */
	PORT_FROM_PCI = 8,
	PORT_INTEGRATED_ENDPOINT = 9, /* in the root complex */
	PORT_EVENT_COLLECTOR = 10,
};

struct config_facts {
	enum acs_state acs;
	const char *acs_why; /* ACS_UNKNOWN: what stood in the way; a constant text */
	uint16_t acs_offset, acs_control;
	enum port_type port;
	bool has_slot; /* PCI Express slot behind this port */
	uint16_t slot; /* its physical number; 0 when none was given */
};

/* Fills `facts` from what can be read. */
void config_read(const struct config_space *config, struct config_facts *facts);

/* "root port", "switch downstream port", ... */
const char *port_type_name(enum port_type port);

/* "SV RR CR UF", the bits that are set; "none". */
char *acs_bits(char *to, size_t room, uint16_t control);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "p2ptrace/config_space.h"

enum {
	HEADER_BYTES = 64,
	CONVENTIONAL_BYTES = 256,
	STATUS = 0x06,
	STATUS_CAPABILITIES = 0x10,
	HEADER_TYPE = 0x0e,
	HEADER_CARDBUS = 2,
	CAPABILITY_POINTER = 0x34,
	CAPABILITY_POINTER_CARDBUS = 0x14,
	CAPABILITY_PCIE = 0x10,
	CAPABILITIES_MAX = 48, /* the kernel's own limit */
	PCIE_FLAGS = 0x02,
	PCIE_FLAGS_SLOT = 0x0100,
	PCIE_SLOT_CAPABILITIES = 0x14,
	EXTENDED = 0x100,
	EXTENDED_ACS = 0x000d,
	EXTENDED_MAX = (4096 - 256) / 8, /* the kernel's own limit */
	ACS_CONTROL = 0x06,
};

static const char all_ones[] = "its config space reads all ones: it does not answer";
static const char header_only[] = "only the first 64 bytes of its config space can be read "
				  "(root reads all)";
static const char ends_early[] = "its config space was not captured in full (4096 bytes)";
static const char zeros[] = "its config space reads zeros past the first 64 bytes, as when a "
			    "capture was padded";
static const char not_readable[] = "its config space cannot be read";

static bool fetch(const struct config_space *config, size_t at, void *to, size_t count)
{
	if (config->file)
		return sysroot_file_read(config->file, at, to, count);
	if (at > config->length || count > config->length - at)
		return false;
	memcpy(to, config->bytes + at, count);
	return true;
}

static bool read_bytes(const struct config_space *config, size_t at, void *to, size_t count)
{
	struct config_seen *seen = config->seen;

	if (!fetch(config, at, to, count))
		return false;
	if (seen && at <= CONFIG_SPACE_BYTES && count <= CONFIG_SPACE_BYTES - at) {
		memcpy(seen->bytes + at, to, count);
		memset(seen->known + at, true, count);
	}
	return true;
}

/* Registers are little-endian. */
static bool read_u16(const struct config_space *config, size_t at, uint16_t *value)
{
	uint8_t bytes[2];

	if (!read_bytes(config, at, bytes, sizeof(bytes)))
		return false;
	*value = (uint16_t)(bytes[0] | bytes[1] << 8);
	return true;
}

static bool read_u32(const struct config_space *config, size_t at, uint32_t *value)
{
	uint16_t low, high;

	if (!read_u16(config, at, &low) || !read_u16(config, at + 2, &high))
		return false;
	*value = low | (uint32_t)high << 16;
	return true;
}

static bool reads_all_ones(const uint8_t *header)
{
	for (int i = 0; i < HEADER_BYTES; i++)
		if (header[i] != 0xff)
			return false;
	return true;
}

enum { LIST_UNREADABLE = -1, LIST_OF_ZEROS = -2 };

/* The offset of the PCI Express capability, 0 if there is none, or what is wrong with
 * the list. */
static int find_pcie(const struct config_space *config, const uint8_t *header)
{
	bool cardbus = (header[HEADER_TYPE] & 0x7f) == HEADER_CARDBUS;
	uint8_t at = header[cardbus ? CAPABILITY_POINTER_CARDBUS : CAPABILITY_POINTER];

	if (!(header[STATUS] & STATUS_CAPABILITIES))
		return 0;
	for (int i = 0; i < CAPABILITIES_MAX; i++) {
		uint8_t entry[2];

		at &= 0xfc;
		if (at < HEADER_BYTES)
			return 0;
		if (!read_bytes(config, at, entry, sizeof(entry)))
			return LIST_UNREADABLE;
		/* No device begins its list with an empty entry. */
		if (i == 0 && !entry[0] && !entry[1])
			return LIST_OF_ZEROS;
		if (entry[0] == 0xff)
			return 0;
		if (entry[0] == CAPABILITY_PCIE)
			return at;
		at = entry[1];
	}
	return 0;
}

static void read_pcie(const struct config_space *config, int at, struct config_facts *facts)
{
	uint32_t slot;
	uint16_t flags;

	if (at < 0 || (at && !read_u16(config, (size_t)at + PCIE_FLAGS, &flags)))
		return;
	facts->port = at ? (enum port_type)(flags >> 4 & 0xf) : PORT_CONVENTIONAL;
	facts->has_slot = at && flags & PCIE_FLAGS_SLOT;
	if (facts->has_slot && read_u32(config, (size_t)at + PCIE_SLOT_CAPABILITIES, &slot))
		facts->slot = (uint16_t)(slot >> 19);
}

static void acs_unknown(struct config_facts *facts, const char *why)
{
	facts->acs = ACS_UNKNOWN;
	facts->acs_why = why;
}

static void read_acs_control(const struct config_space *config, size_t at,
			     struct config_facts *facts)
{
	uint16_t control;

	if (!read_u16(config, at + ACS_CONTROL, &control)) {
		acs_unknown(facts, ends_early);
		return;
	}
	if (control == 0xffff) {
		acs_unknown(facts, all_ones);
		return;
	}
	facts->acs = ACS_PRESENT;
	facts->acs_offset = (uint16_t)at;
	facts->acs_control = control;
}

/* A list that loops holds no ACS capability for the kernel either, once it gives up. */
static void walk_extended(const struct config_space *config, struct config_facts *facts)
{
	size_t at = EXTENDED;

	facts->acs = ACS_ABSENT;
	for (int i = 0; i < EXTENDED_MAX && at >= EXTENDED; i++) {
		uint32_t header;

		if (!read_u32(config, at, &header)) {
			acs_unknown(facts, ends_early);
			return;
		}
		if (header == UINT32_MAX) {
			acs_unknown(facts, all_ones);
			return;
		}
		if (!header && at == EXTENDED)
			return;
		if ((header & 0xffff) == EXTENDED_ACS) {
			read_acs_control(config, at, facts);
			return;
		}
		at = header >> 20 & 0xffc;
	}
}

void config_read(const struct config_space *config, struct config_facts *facts)
{
	uint8_t header[HEADER_BYTES];
	uint32_t word;
	int pcie;

	*facts = (struct config_facts){ .port = PORT_UNKNOWN, .acs_why = not_readable };
	if (!read_bytes(config, 0, header, sizeof(header)))
		return;
	if (reads_all_ones(header)) {
		facts->acs_why = all_ones;
		return;
	}
	pcie = find_pcie(config, header);
	read_pcie(config, pcie, facts);
	if (pcie >= 0 && read_u32(config, EXTENDED, &word))
		walk_extended(config, facts);
	else if (pcie == 0 || (config->stated && config->stated <= CONVENTIONAL_BYTES))
		/* Conventional PCI, or the kernel itself found no extended space. */
		facts->acs = ACS_ABSENT;
	else if (!read_bytes(config, HEADER_BYTES, &word, sizeof(word)))
		acs_unknown(facts, header_only);
	else
		acs_unknown(facts, pcie == LIST_OF_ZEROS ? zeros : ends_early);
}

const char *port_type_name(enum port_type port)
{
	static const char *const names[] = {
		[PORT_ENDPOINT] = "endpoint",
		[PORT_LEGACY_ENDPOINT] = "legacy endpoint",
		[PORT_ROOT] = "root port",
		[PORT_UPSTREAM] = "switch upstream port",
		[PORT_DOWNSTREAM] = "switch downstream port",
		[PORT_TO_PCI] = "PCIe-to-PCI bridge",
		[PORT_FROM_PCI] = "PCI-to-PCIe bridge",
		[PORT_INTEGRATED_ENDPOINT] = "integrated endpoint",
		[PORT_EVENT_COLLECTOR] = "event collector",
	};

	if (port == PORT_CONVENTIONAL)
		return "conventional PCI device";
	if (port < 0 || (size_t)port >= sizeof(names) / sizeof(names[0]) || !names[port])
		return "device";
	return names[port];
}

char *acs_bits(char *to, size_t room, uint16_t control)
{
	static const char *const names[] = { "SV", "TB", "RR", "CR", "UF", "EC", "DT" };
	size_t used = 0;

	snprintf(to, room, "none");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && used < room; i++)
		if (control & 1u << i)
			used += (size_t)snprintf(to + used, room - used, "%s%s", used ? " " : "",
						 names[i]);
	return to;
}

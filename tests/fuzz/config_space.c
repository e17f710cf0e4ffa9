// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzz target: a configuration space of any bytes and any length.  The first byte tells
 * whether the kernel stated a size.
 */
#include <stdlib.h>

#include "p2ptrace/config_space.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t stated[] = { 0, 256, 4096, 64 };
	struct config_space config = { 0 };
	struct config_facts facts;
	char bits[32];

	if (!size)
		return 0;
	config.bytes = data + 1;
	config.length = size - 1;
	config.stated = stated[data[0] & 3];
	config_read(&config, &facts);
	/* What is said must have been read. */
	if (facts.acs > ACS_PRESENT || (facts.acs == ACS_UNKNOWN && !facts.acs_why) ||
	    (facts.acs == ACS_PRESENT && facts.acs_offset + 8u > config.length))
		abort();
	acs_bits(bits, sizeof(bits), facts.acs_control);
	return port_type_name(facts.port) ? 0 : 1;
}

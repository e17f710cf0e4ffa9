// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The P2PDMA rule on machines made of structs, the kernel's list by version, and
 * configuration spaces that no device has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2ptrace/rule.h"

/* ---- configuration spaces ---- */

static void put16(uint8_t *space, size_t at, uint16_t value)
{
	space[at] = (uint8_t)value;
	space[at + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *space, size_t at, uint32_t value)
{
	put16(space, at, (uint16_t)value);
	put16(space, at + 2, (uint16_t)(value >> 16));
}

/* A root port whose ACS capability stands second in the extended list. */
static void make_port(uint8_t space[4096], uint16_t control)
{
	memset(space, 0, 4096);
	put32(space, 0, 0x352a8086);
	put16(space, 6, 0x0010);
	space[0x0e] = 1;
	space[0x34] = 0x40;
	put16(space, 0x40, 0x5001); /* power management, next 0x50 */
	put16(space, 0x50, 0x0010); /* PCI Express, last */
	put16(space, 0x52, 2 | PORT_ROOT << 4 | 0x100);
	put32(space, 0x64, 7u << 19);
	put32(space, 0x100, 0x14820001);
	put32(space, 0x148, 0x0001000d);
	put16(space, 0x14c, 0x7f);
	put16(space, 0x14e, control);
}

static struct config_facts parse(const uint8_t *space, size_t length, size_t stated)
{
	const struct config_space config = { .bytes = space, .length = length, .stated = stated };
	struct config_facts facts;

	config_read(&config, &facts);
	return facts;
}

static void test_config_of_a_port(void **state)
{
	uint8_t space[4096];
	struct config_facts facts;

	(void)state;
	make_port(space, 0x1d);
	facts = parse(space, sizeof(space), 0);
	assert_int_equal(facts.acs, ACS_PRESENT);
	assert_int_equal(facts.acs_control, 0x1d);
	assert_int_equal(facts.acs_offset, 0x148);
	assert_int_equal(facts.port, PORT_ROOT);
	assert_true(facts.has_slot);
	assert_int_equal(facts.slot, 7);
}

static void test_config_cut_short(void **state)
{
	uint8_t space[4096];
	struct config_facts facts;

	(void)state;
	make_port(space, 0x1d);
	/* Without root: 64 bytes. */
	facts = parse(space, 64, 4096);
	assert_int_equal(facts.acs, ACS_UNKNOWN);
	assert_int_equal(facts.port, PORT_UNKNOWN);
	assert_non_null(strstr(facts.acs_why, "64 bytes"));
	/* The kernel itself found no extended space. */
	assert_int_equal(parse(space, 256, 256).acs, ACS_ABSENT);
	/* A capture of 256 bytes does not tell. */
	assert_int_equal(parse(space, 256, 0).acs, ACS_UNKNOWN);
	assert_int_equal(parse(space, 256, 0).port, PORT_ROOT);
	/* Every other length: never "no redirect". */
	for (size_t length = 0; length < 0x150; length++)
		assert_int_equal(parse(space, length, 0).acs, ACS_UNKNOWN);
	assert_int_equal(parse(space, 0x150, 0).acs, ACS_PRESENT);
}

static void test_config_all_ones(void **state)
{
	uint8_t space[4096];

	(void)state;
	memset(space, 0xff, sizeof(space));
	assert_int_equal(parse(space, 4096, 4096).acs, ACS_UNKNOWN);
	make_port(space, 0xffff);
	assert_int_equal(parse(space, 4096, 4096).acs, ACS_UNKNOWN);
	make_port(space, 0);
	memset(space + 0x100, 0xff, 4096 - 0x100);
	assert_int_equal(parse(space, 4096, 4096).acs, ACS_UNKNOWN);
	/* A virtual function's ids read as ones, the rest does not. */
	make_port(space, 0x04);
	put32(space, 0, 0xffffffff);
	assert_int_equal(parse(space, 4096, 4096).acs, ACS_PRESENT);
}

static void test_config_padded_with_zeros(void **state)
{
	uint8_t space[4096];

	(void)state;
	make_port(space, 0x1d);
	memset(space + 64, 0, sizeof(space) - 64);
	assert_int_equal(parse(space, 4096, 0).acs, ACS_UNKNOWN);
	assert_int_equal(parse(space, 4096, 0).port, PORT_UNKNOWN);
}

static void test_config_conventional(void **state)
{
	uint8_t space[256] = { 0 };

	(void)state;
	put32(space, 0, 0x12348086);
	assert_int_equal(parse(space, 256, 256).acs, ACS_ABSENT);
	assert_int_equal(parse(space, 256, 256).port, PORT_CONVENTIONAL);
	/* No list of capabilities: so none beyond the header either. */
	assert_int_equal(parse(space, 64, 256).acs, ACS_ABSENT);
	put16(space, 6, 0x0010);
	space[0x34] = 0x40;
	assert_int_equal(parse(space, 64, 0).acs, ACS_UNKNOWN);
}

static void test_config_lists_that_loop(void **state)
{
	uint8_t space[4096];

	(void)state;
	make_port(space, 0x1d);
	put16(space, 0x50, 0x4005); /* 0x50 -> 0x40 -> 0x50 */
	put32(space, 0x100, 0x20010001);
	put32(space, 0x200, 0x10010003);
	assert_int_equal(parse(space, 4096, 4096).port, PORT_CONVENTIONAL);
	assert_int_equal(parse(space, 4096, 4096).acs, ACS_ABSENT);
	/* To itself; below the extended space; to its very end. */
	put32(space, 0x100, 0x10010001);
	assert_int_equal(parse(space, 4096, 4096).acs, ACS_ABSENT);
	put32(space, 0x100, 0x0c010001);
	assert_int_equal(parse(space, 4096, 4096).acs, ACS_ABSENT);
	put32(space, 0x100, 0xffc10001);
	put32(space, 0xffc, 0x0001000d);
	assert_int_equal(parse(space, 4096, 4096).acs, ACS_UNKNOWN);
}

/* Whatever the bytes: an end, and nothing that contradicts itself. */
static void test_config_at_random(void **state)
{
	static uint8_t space[4096];

	(void)state;
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		struct config_facts facts;
		size_t length = (size_t)random() % (sizeof(space) + 1);

		make_port(space, (uint16_t)random());
		for (int change = (int)(random() % 64); change > 0; change--)
			space[(size_t)random() % (random() % 4 ? 0x160 : sizeof(space))] =
				(uint8_t)random();
		facts = parse(space, length, random() % 2 ? 4096 : 0);
		assert_true(facts.acs <= ACS_PRESENT);
		assert_true(facts.acs == ACS_PRESENT || !facts.acs_control);
		assert_true(facts.acs != ACS_PRESENT || facts.acs_offset >= 0x100);
		assert_true(facts.acs != ACS_UNKNOWN || facts.acs_why);
	}
}

/* ---- the kernel's list ---- */

static enum allow_answer ask(uint32_t version, uint16_t vendor, uint16_t device, bool same)
{
	return allow_list_check(NULL, version, vendor, device, same, NULL);
}

static void test_list_by_version(void **state)
{
	(void)state;
	assert_int_equal(ask(KERNEL(6, 1), 0x8086, 0x09a2, false), ALLOW_YES);
	assert_int_equal(ask(KERNEL(6, 12), 0x8086, 0x2f00, true), ALLOW_YES);
	assert_int_equal(ask(KERNEL(6, 12), 0x8086, 0x2f00, false), ALLOW_SAME_ONLY);
	assert_int_equal(ask(KERNEL(6, 12), 0x8086, 0x4c43, true), ALLOW_NO);
	assert_int_equal(ask(KERNEL(6, 12), 0x1ae0, 0x0042, true), ALLOW_NO);
	assert_int_equal(ask(KERNEL(7, 1), 0x1ae0, 0x0042, true), ALLOW_YES);
	assert_int_equal(ask(KERNEL(6, 18), 0x8086, 0x0b25, true), ALLOW_NO);
	assert_int_equal(ask(KERNEL(7, 1), 0x8086, 0x0b25, true), ALLOW_UNSURE);
	assert_int_equal(ask(KERNEL(7, 2), 0x8086, 0x0b25, true), ALLOW_YES);
	assert_int_equal(ask(KERNEL(7, 2), 0x1d17, 0x1003, true), ALLOW_UNSURE);
	assert_int_equal(ask(KERNEL_NOT_KNOWN, 0x8086, 0x2020, true), ALLOW_YES);
	assert_int_equal(ask(KERNEL_NOT_KNOWN, 0x1ae0, 0x0042, true), ALLOW_UNSURE);
}

static void add_text(struct allow_list *list, const char *text, int expected)
{
	char path[] = "/tmp/p2ptrace-allow-XXXXXX";
	int fd = mkstemp(path);
	struct p2p_error err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(allow_list_add_file(list, path, &err), expected);
	unlink(path);
}

static void test_list_of_a_user(void **state)
{
	struct allow_list list = { NULL, 0 };
	const struct allow_entry *entry;

	(void)state;
	add_text(&list, "# mine\n\n8086:4c43 same # a desktop\n  1234:* \n", 0);
	assert_int_equal(list.added_count, 2);
	assert_int_equal(allow_list_check(&list, KERNEL(6, 1), 0x8086, 0x4c43, true, &entry),
			 ALLOW_YES);
	assert_non_null(entry);
	assert_int_equal(allow_list_check(&list, KERNEL(6, 1), 0x8086, 0x4c43, false, NULL),
			 ALLOW_SAME_ONLY);
	assert_int_equal(allow_list_check(&list, KERNEL_NOT_KNOWN, 0x1234, 0xffff, false, NULL),
			 ALLOW_YES);
	add_text(&list, "8086\n", -1);
	add_text(&list, "8086:4c43 always\n", -1);
	add_text(&list, "8086:xyz\n", -1);
	allow_list_free(&list);
}

static void test_versions(void **state)
{
	(void)state;
	assert_int_equal(kernel_version_parse("6.12.117-1-deb12u1"), KERNEL(6, 12));
	assert_int_equal(kernel_version_parse("7.1.0-rc3"), KERNEL(7, 1));
	assert_true(KERNEL(6, 9) < KERNEL(6, 12));
	assert_int_equal(kernel_version_parse(""), KERNEL_NOT_KNOWN);
	assert_int_equal(kernel_version_parse("linux"), KERNEL_NOT_KNOWN);
	assert_int_equal(kernel_version_parse("6"), KERNEL_NOT_KNOWN);
}

static void test_addresses(void **state)
{
	static const char *const wrong[] = {
		"",	    "nvme0",	"03:00",	 "03:20.0", "03:00.8",		"0000:03:0",
		"03:00.0 ", " 03:00.0", "0000:03:00.0x", "-3:00.0", "123456789:00:00.0"
	};
	struct pci_address address;

	(void)state;
	assert_true(pci_address_parse("10000:e0:06.1", &address));
	assert_int_equal(address.domain, 0x10000);
	assert_int_equal(address.bus, 0xe0);
	assert_int_equal(address.slot, 6);
	assert_int_equal(address.function, 1);
	assert_true(pci_address_parse("03:1f.7", &address));
	assert_int_equal(address.domain, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(pci_address_parse(wrong[i], &address));
}

/* ---- the rule ---- */

/* Two switches below one root port, one more port beside it, a second root bus. */
enum {
	BRIDGE,
	PORT,
	UP1,
	DOWN1,
	DOWN2,
	UP2,
	DOWN3,
	DOWN4, /* UP2 is below DOWN2 */
	DEV_A,
	DEV_B,
	DEV_C,
	DEV_D,
	PORT2,
	DEV_E,
	VF_E,
	BRIDGE2,
	PORT3,
	DEV_F,
	COUNT
};

struct machine {
	struct pci_device devices[COUNT];
	struct host_bridge hosts[2];
	struct topology topology;
	struct rule rule;
};

static void hang(struct machine *machine, int device, int above, int host, enum port_type port)
{
	struct pci_device *added = &machine->devices[device];

	added->above = above < 0 ? NULL : &machine->devices[above];
	added->host = &machine->hosts[host];
	added->config.acs = ACS_ABSENT;
	added->config.port = port;
	added->vendor = 0x8086;
	added->address.slot = (uint8_t)device;
	snprintf(added->name, sizeof(added->name), "0000:00:%02x.0", (unsigned int)device);
}

static void make_machine(struct machine *machine, uint16_t first_host, uint16_t second_host)
{
	static const struct {
		int device, above, host;
		enum port_type port;
	} layout[] = {
		{ BRIDGE, -1, 0, PORT_CONVENTIONAL }, { PORT, -1, 0, PORT_ROOT },
		{ UP1, PORT, 0, PORT_UPSTREAM },      { DOWN1, UP1, 0, PORT_DOWNSTREAM },
		{ DOWN2, UP1, 0, PORT_DOWNSTREAM },   { UP2, DOWN2, 0, PORT_UPSTREAM },
		{ DOWN3, UP2, 0, PORT_DOWNSTREAM },   { DOWN4, UP2, 0, PORT_DOWNSTREAM },
		{ DEV_A, DOWN1, 0, PORT_ENDPOINT },   { DEV_B, DOWN3, 0, PORT_ENDPOINT },
		{ DEV_C, DOWN4, 0, PORT_ENDPOINT },   { DEV_D, DOWN4, 0, PORT_ENDPOINT },
		{ PORT2, -1, 0, PORT_ROOT },	      { DEV_E, PORT2, 0, PORT_ENDPOINT },
		{ VF_E, PORT2, 0, PORT_ENDPOINT },    { BRIDGE2, -1, 1, PORT_CONVENTIONAL },
		{ PORT3, -1, 1, PORT_ROOT },	      { DEV_F, PORT3, 1, PORT_ENDPOINT },
	};

	*machine = (struct machine){ .topology.zen = ANSWER_NO };
	for (size_t i = 0; i < sizeof(layout) / sizeof(layout[0]); i++)
		hang(machine, layout[i].device, layout[i].above, layout[i].host, layout[i].port);
	/* The parent of a virtual function is not asked, its physical function's is. */
	machine->devices[VF_E].above = NULL;
	machine->devices[VF_E].physfn = &machine->devices[DEV_E];
	machine->devices[BRIDGE].address.slot = machine->devices[BRIDGE2].address.slot = 0;
	machine->devices[BRIDGE].device = first_host;
	machine->devices[BRIDGE2].device = second_host;
	machine->hosts[0].first = &machine->devices[BRIDGE];
	machine->hosts[1].first = &machine->devices[BRIDGE2];
	machine->rule = (struct rule){ &machine->topology, NULL, KERNEL(6, 12) };
}

static void set_acs(struct machine *machine, int device, uint16_t control)
{
	machine->devices[device].config.acs = ACS_PRESENT;
	machine->devices[device].config.acs_control = control;
}

/* The rule holds both ways. */
static void expect(const struct machine *machine, int a, int b, enum p2p_type type, int distance)
{
	struct verdict verdict;

	rule_decide(&machine->rule, &machine->devices[a], &machine->devices[b], &verdict);
	assert_string_equal(p2p_type_names[verdict.type], p2p_type_names[type]);
	assert_int_equal(verdict.distance, distance);
	rule_decide(&machine->rule, &machine->devices[b], &machine->devices[a], &verdict);
	assert_string_equal(p2p_type_names[verdict.type], p2p_type_names[type]);
	assert_int_equal(verdict.distance, distance);
}

static void test_rule_distances(void **state)
{
	struct machine machine;

	(void)state;
	make_machine(&machine, 0x4c43, 0x4c43);
	expect(&machine, DEV_A, DEV_A, P2P_TYPE_BUS_ADDR, 0);
	expect(&machine, DEV_C, DEV_D, P2P_TYPE_BUS_ADDR, 2);
	expect(&machine, DEV_B, DEV_C, P2P_TYPE_BUS_ADDR, 4);
	expect(&machine, DEV_A, DEV_B, P2P_TYPE_BUS_ADDR, 6);
	/* Both chains whole: A DOWN1 UP1 PORT, E PORT2. */
	expect(&machine, DEV_A, DEV_E, P2P_TYPE_NOT_SUPPORTED, 6);
	expect(&machine, DEV_A, DEV_F, P2P_TYPE_NOT_SUPPORTED, 6);
	expect(&machine, DEV_B, DEV_E, P2P_TYPE_NOT_SUPPORTED, 8);
	/* A bridge and what is below it. */
	expect(&machine, DEV_A, UP1, P2P_TYPE_BUS_ADDR, 2);
	expect(&machine, DEV_E, VF_E, P2P_TYPE_BUS_ADDR, 2);
}

static void test_rule_redirect(void **state)
{
	static const int on_way[] = { DEV_B, DOWN3, UP2, DOWN4, DEV_C };
	static const uint16_t bits[] = { ACS_REQUEST_REDIRECT, ACS_COMPLETION_REDIRECT,
					 ACS_EGRESS_CONTROL, 0x7f };
	struct machine machine;

	(void)state;
	for (size_t i = 0; i < sizeof(on_way) / sizeof(on_way[0]); i++)
		for (size_t bit = 0; bit < sizeof(bits) / sizeof(bits[0]); bit++) {
			make_machine(&machine, 0x4c43, 0x4c43);
			set_acs(&machine, on_way[i], bits[bit]);
			expect(&machine, DEV_B, DEV_C, P2P_TYPE_NOT_SUPPORTED, 4);
			make_machine(&machine, 0x2f00, 0x4c43);
			set_acs(&machine, on_way[i], bits[bit]);
			expect(&machine, DEV_B, DEV_C, P2P_TYPE_THRU_HOST_BRIDGE, 4);
		}
	/* Above the common bridge, or without a redirecting bit, it does not matter. */
	make_machine(&machine, 0x4c43, 0x4c43);
	set_acs(&machine, DOWN2, 0x7f);
	set_acs(&machine, PORT, 0x7f);
	set_acs(&machine, DOWN3, 0x7f & ~ACS_REDIRECT);
	expect(&machine, DEV_B, DEV_C, P2P_TYPE_BUS_ADDR, 4);
	/* A device's own counts even towards itself. */
	set_acs(&machine, DEV_A, ACS_REQUEST_REDIRECT);
	expect(&machine, DEV_A, DEV_A, P2P_TYPE_NOT_SUPPORTED, 0);
}

static void test_rule_host_bridges(void **state)
{
	struct machine machine;

	(void)state;
	make_machine(&machine, 0x09a2, 0x2020);
	expect(&machine, DEV_A, DEV_F, P2P_TYPE_THRU_HOST_BRIDGE, 6);
	make_machine(&machine, 0x09a2, 0x4c43);
	expect(&machine, DEV_A, DEV_F, P2P_TYPE_NOT_SUPPORTED, 6);
	expect(&machine, DEV_A, DEV_E, P2P_TYPE_THRU_HOST_BRIDGE, 6);
	make_machine(&machine, 0x2f00, 0x2f00);
	expect(&machine, DEV_A, DEV_E, P2P_TYPE_THRU_HOST_BRIDGE, 6);
	expect(&machine, DEV_A, DEV_F, P2P_TYPE_NOT_SUPPORTED, 6);
	make_machine(&machine, 0x4c43, 0x4c43);
	machine.topology.zen = ANSWER_YES;
	expect(&machine, DEV_A, DEV_F, P2P_TYPE_THRU_HOST_BRIDGE, 6);
}

/* The first device on the root bus counts if it is 00.0 or a root port. */
static void test_rule_first_device(void **state)
{
	struct machine machine;

	(void)state;
	make_machine(&machine, 0x2030, 0x2030);
	machine.devices[BRIDGE].address.slot = 2;
	expect(&machine, DEV_A, DEV_E, P2P_TYPE_NOT_SUPPORTED, 6);
	machine.devices[BRIDGE].config.port = PORT_ROOT;
	expect(&machine, DEV_A, DEV_E, P2P_TYPE_THRU_HOST_BRIDGE, 6);
	machine.devices[BRIDGE].config.port = PORT_UNKNOWN;
	expect(&machine, DEV_A, DEV_E, P2P_TYPE_UNKNOWN, 6);
	machine.devices[BRIDGE].device = 0x4c43;
	expect(&machine, DEV_A, DEV_E, P2P_TYPE_NOT_SUPPORTED, 6);
	machine.hosts[0].first = NULL;
	expect(&machine, DEV_A, DEV_E, P2P_TYPE_UNKNOWN, 6);
}

/* Unknown, unless what is not known cannot change the answer. */
static void test_rule_not_known(void **state)
{
	struct machine machine;

	(void)state;
	make_machine(&machine, 0x4c43, 0x4c43);
	machine.devices[DOWN3].config.acs = ACS_UNKNOWN;
	expect(&machine, DEV_B, DEV_C, P2P_TYPE_UNKNOWN, 4);
	set_acs(&machine, DOWN4, ACS_REQUEST_REDIRECT);
	expect(&machine, DEV_B, DEV_C, P2P_TYPE_NOT_SUPPORTED, 4);
	expect(&machine, DEV_B, DEV_F, P2P_TYPE_NOT_SUPPORTED, 8);
	machine.topology.zen = ANSWER_UNKNOWN;
	expect(&machine, DEV_B, DEV_F, P2P_TYPE_UNKNOWN, 8);
	machine.devices[DEV_F].host = NULL;
	expect(&machine, DEV_B, DEV_F, P2P_TYPE_UNKNOWN, -1);
	expect(&machine, DEV_F, DEV_F, P2P_TYPE_BUS_ADDR, 0);
	make_machine(&machine, 0x09a2, 0x09a2);
	machine.topology.zen = ANSWER_UNKNOWN;
	expect(&machine, DEV_A, DEV_F, P2P_TYPE_THRU_HOST_BRIDGE, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_of_a_port),
		cmocka_unit_test(test_config_cut_short),
		cmocka_unit_test(test_config_all_ones),
		cmocka_unit_test(test_config_padded_with_zeros),
		cmocka_unit_test(test_config_conventional),
		cmocka_unit_test(test_config_lists_that_loop),
		cmocka_unit_test(test_config_at_random),
		cmocka_unit_test(test_list_by_version),
		cmocka_unit_test(test_list_of_a_user),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_rule_distances),
		cmocka_unit_test(test_rule_redirect),
		cmocka_unit_test(test_rule_host_bridges),
		cmocka_unit_test(test_rule_first_device),
		cmocka_unit_test(test_rule_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/boot_args.h"
#include "p2ptrace/rows.h"
#include "p2ptrace/rule.h"

#define DISABLE_ACS_REDIR "disable_acs_redir="
#define CONFIG_ACS "config_acs="

struct notes {
	const struct topology *topology;
	const struct pci_device *const *path;
	size_t path_count;
	struct boot_note *rows;
	size_t count;
	bool failed; /* out of memory */
	char *disable; /* the last disable_acs_redir= */
};

__attribute__((format(printf, 2, 3))) static void note(struct notes *notes, const char *format, ...)
{
	struct boot_note *row = ROWS_ADD(notes->rows, notes->count);
	va_list args;

	if (!row) {
		notes->failed = true;
		return;
	}
	va_start(args, format);
	vsnprintf(row->text, sizeof(row->text), format, args);
	va_end(args);
}

/* ---- devices as the kernel lets them be named ---- */

static struct pci_device *child_at(const struct topology *topology, const struct pci_device *bridge,
				   unsigned int slot, unsigned int function)
{
	for (size_t i = 0; i < topology->count; i++) {
		struct pci_device *device = &topology->devices[i];

		if (device->above == bridge && device->address.slot == slot &&
		    device->address.function == function)
			return device;
	}
	return NULL;
}

/* "0000:02:00.0", or from there down by "/00.0/01.0". */
static const struct pci_device *device_named(const struct topology *topology, const char *spec)
{
	char text[64], *rest, *word;
	struct pci_address address;
	struct pci_device *device;
	unsigned int slot, function;

	if ((size_t)snprintf(text, sizeof(text), "%s", spec) >= sizeof(text))
		return NULL;
	word = strtok_r(text, "/", &rest);
	if (!word || !pci_address_parse(word, &address))
		return NULL;
	device = topology_at(topology, &address);
	while (device && (word = strtok_r(NULL, "/", &rest)))
		device = sscanf(word, "%2x.%1x", &slot, &function) == 2
				 ? child_at(topology, device, slot, function)
				 : NULL;
	return device;
}

static bool has_ids(const struct pci_device *device, const char *spec)
{
	unsigned int vendor, id;

	return sscanf(spec, "pci:%4x:%4x", &vendor, &id) == 2 && device->vendor == (int)vendor &&
	       device->device == (int)id;
}

static bool is_on_path(const struct notes *notes, const struct pci_device *device)
{
	for (size_t i = 0; i < notes->path_count; i++)
		if (notes->path[i] == device)
			return true;
	return false;
}

/* ---- one parameter ---- */

static void check_disabled(struct notes *notes, const char *spec, const struct pci_device *device)
{
	if (device->config.acs == ACS_ABSENT)
		note(notes,
		     "pci=disable_acs_redir names %s, which has no ACS capability: it changes "
		     "nothing there",
		     spec);
	else if (pci_redirects(device) == ANSWER_YES)
		note(notes,
		     "pci=disable_acs_redir names %s, yet ACS redirect is on there: set since "
		     "boot, or this kernel did not take the parameter",
		     spec);
	else if (notes->path && !is_on_path(notes, device))
		note(notes,
		     "pci=disable_acs_redir names %s, which is not between these two devices",
		     spec);
}

static void check_spec(struct notes *notes, const char *parameter, const char *spec)
{
	const struct pci_device *device;
	bool by_ids = !strncmp(spec, "pci:", 4);

	for (size_t i = 0; by_ids && i < notes->topology->count; i++)
		if (has_ids(&notes->topology->devices[i], spec))
			return;
	device = by_ids ? NULL : device_named(notes->topology, spec);
	if (!device)
		note(notes, "pci=%s names %s, and no such device is present", parameter, spec);
	else if (!strcmp(parameter, "disable_acs_redir"))
		check_disabled(notes, spec, device);
}

static void check_disable_list(struct notes *notes)
{
	char *copy = notes->disable ? strdup(notes->disable) : NULL, *rest;

	if (notes->disable && !copy)
		notes->failed = true;
	for (char *spec = copy ? strtok_r(copy, ";", &rest) : NULL; spec;
	     spec = strtok_r(NULL, ";", &rest))
		check_spec(notes, "disable_acs_redir", spec);
	free(copy);
}

static void check_config_acs(struct notes *notes, char *value)
{
	char *rest;

	for (char *item = strtok_r(value, ";", &rest); item; item = strtok_r(NULL, ";", &rest)) {
		char *at = strchr(item, '@');

		if (!at)
			note(notes,
			     "pci=config_acs=%.64s lacks \"FLAGS@\" before the device: the "
			     "kernel ignores it",
			     item);
		else
			check_spec(notes, "config_acs", at + 1);
	}
}

static void take_disable(struct notes *notes, const char *value)
{
	if (notes->disable)
		note(notes, "pci=disable_acs_redir stands on the command line more than once: only "
			    "the last one counts; join the devices with ';'");
	free(notes->disable);
	notes->disable = strdup(value);
	if (!notes->disable)
		notes->failed = true;
}

static void check_pci_option(struct notes *notes, char *option)
{
	struct pci_address address;

	if (!strcmp(option, "noacs"))
		note(notes,
		     "pci=noacs is no parameter of any kernel, though forums advise it: it is "
		     "ignored");
	else if (!strncmp(option, DISABLE_ACS_REDIR, strlen(DISABLE_ACS_REDIR)))
		take_disable(notes, option + strlen(DISABLE_ACS_REDIR));
	else if (!strncmp(option, CONFIG_ACS, strlen(CONFIG_ACS)))
		check_config_acs(notes, option + strlen(CONFIG_ACS));
	else if (pci_address_parse(option, &address))
		note(notes,
		     "%s stands behind a comma in pci=: a list of devices is joined with ';' "
		     "(quoted in GRUB's files), so the kernel ignores it",
		     option);
}

static void check_word(struct notes *notes, char *word)
{
	char *rest;

	if (!strncmp(word, "pcie_acs_override=", 18))
		note(notes, "pcie_acs_override= belongs to a patch outside the kernel: it divides "
			    "IOMMU groups and turns no ACS redirect off");
	if (strncmp(word, "pci=", 4) != 0)
		return;
	for (char *option = strtok_r(word + 4, ",", &rest); option;
	     option = strtok_r(NULL, ",", &rest))
		check_pci_option(notes, option);
}

/* Words are divided by white space outside quotes; the quotes go. */
static void check_words(struct notes *notes, char *cmdline)
{
	char *to = cmdline, *word = cmdline;
	bool quoted = false, end = false;

	for (char *from = cmdline; !end; from++) {
		end = !*from;
		if (*from == '"') {
			quoted = !quoted;
		} else if (end || (!quoted && strchr(" \t\n", *from))) {
			*to++ = '\0';
			check_word(notes, word);
			word = to = from + 1;
		} else {
			*to++ = *from;
		}
	}
}

static void read_cmdline(struct notes *notes)
{
	char *copy = notes->topology->cmdline ? strdup(notes->topology->cmdline) : NULL;

	if (copy)
		check_words(notes, copy);
	else if (notes->topology->cmdline)
		notes->failed = true;
	free(copy);
}

int boot_notes(const struct topology *topology, const struct pci_device *const *path,
	       size_t path_count, struct boot_note **rows, size_t *count)
{
	struct notes notes = { .topology = topology, .path = path, .path_count = path_count };

	read_cmdline(&notes);
	check_disable_list(&notes);
	free(notes.disable);
	*rows = notes.rows;
	*count = notes.count;
	if (!notes.failed)
		return 0;
	free(notes.rows);
	*rows = NULL;
	*count = 0;
	return -1;
}

static bool is_useful(const struct topology *topology, const char *spec)
{
	const struct pci_device *device = device_named(topology, spec);

	return device ? device->config.acs != ACS_ABSENT : !strncmp(spec, "pci:", 4);
}

char *boot_disable_acs_redir(const struct topology *topology, char *to, size_t room)
{
	struct notes notes = { .topology = topology };
	size_t used = 0;
	char *rest;

	read_cmdline(&notes);
	*to = '\0';
	for (char *spec = notes.disable ? strtok_r(notes.disable, ";", &rest) : NULL;
	     spec && used < room; spec = strtok_r(NULL, ";", &rest))
		if (is_useful(topology, spec))
			used += (size_t)snprintf(to + used, room - used, "%s%s", used ? ";" : "",
						 spec);
	free(notes.disable);
	free(notes.rows);
	return to;
}

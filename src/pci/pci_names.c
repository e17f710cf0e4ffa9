// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <pci/pci.h>

#include "p2ptrace/pci_names.h"
#include "p2ptrace/text.h"

/* libpci is used for its names alone: the devices may be another machine's, or not
 * readable, and nothing on this one is scanned. */
struct pci_names {
	struct pci_access *access;
};

/* Without pci_init(), which looks for a bus, its messages need a place to go. */
static jmp_buf failed;

__attribute__((noreturn, format(printf, 1, 2))) static void on_error(char *format, ...)
{
	(void)format;
	/* It must not return, and the program does not end for a name. */
	longjmp(failed, 1);
}

__attribute__((format(printf, 1, 2))) static void on_message(char *format, ...)
{
	(void)format;
}

struct pci_names *pci_names_open(void)
{
	struct pci_names *names = malloc(sizeof(*names));

	if (!names)
		return NULL;
	names->access = pci_alloc();
	if (!names->access) {
		free(names);
		return NULL;
	}
	names->access->error = on_error;
	names->access->warning = on_message;
	names->access->debug = on_message;
	return names;
}

void pci_names_close(struct pci_names *names)
{
	if (!names)
		return;
	if (!setjmp(failed))
		pci_cleanup(names->access);
	free(names);
}

/* Whether a name was found. */
static bool look_up(struct pci_names *names, const struct pci_device *device, char *to, int room)
{
	if (setjmp(failed))
		return false;
	return pci_lookup_name(names->access, to, room,
			       PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS |
				       PCI_LOOKUP_NO_HWDB,
			       device->vendor, device->device);
}

char *pci_names_device(struct pci_names *names, const struct pci_device *device, char *to,
		       size_t room)
{
	char found[256];

	if (device->vendor < 0 || device->device < 0) {
		snprintf(to, room, "(ids not known)");
		return to;
	}
	if (names && look_up(names, device, found, sizeof(found)))
		return text_safe(to, room, found);
	snprintf(to, room, "%04x:%04x", (unsigned int)device->vendor, (unsigned int)device->device);
	return to;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * topo_print: a topology for people and for programs.
 *
 * Source: src/output/topo_matrix.c, topo_tree.c, topo_json.c, topo_words.c
 */
#ifndef P2PTRACE_TOPO_PRINT_H
#define P2PTRACE_TOPO_PRINT_H

#include "p2ptrace/boot_args.h"
#include "p2ptrace/json.h"
#include "p2ptrace/rule.h"
#include "p2ptrace/pci_system.h"

struct topo_view {
	const struct pci_system *system;
	/* Rows and columns; their details are filled. */
	struct pci_device **providers, **clients;
	size_t provider_count, client_count;
	const struct boot_note *notes;
	size_t note_count;
	bool nobody_provides; /* so that the rows are all devices */
	bool everything; /* --all: the tree shows every device */
	bool colour, utf8;
	size_t width; /* columns to fit in; 0: any */
};

/* 0, or -1 with `err`; there must be rows and columns. */
int topo_print_matrix(const struct topo_view *view, FILE *out, struct p2p_error *err);
int topo_print_tree(const struct topo_view *view, FILE *out, struct p2p_error *err);
/* 0, or -1 with `err`. */
int topo_print_json(const struct topo_view *view, FILE *out, struct p2p_error *err);

/* ---- words that several outputs share ---- */

/* The text, coloured for its type when `colour`, and the colour off again. */
const char *type_colour(enum p2p_type type, bool colour);
const char *colour_off(bool colour);

/* "nvme0", else "03:00.0" (of domain 0), else the full address. */
char *device_label(const struct pci_device *device, char *to, size_t room);
/* "16 GT/s x8", behind it " < 32 GT/s x16" where the device can do more; "" without. */
char *link_words(const struct pci_link *link, char *to, size_t room);
/* "64.0 MiB, 62.0 MiB available"; "" without a pool. */
char *pool_words(const struct pci_device *device, char *to, size_t room);
/* "no ACS capability", "ACS on, no redirect (SV UF)", "ACS redirect on (RR CR)",
 * "ACS not known: ...". */
char *acs_words(const struct pci_device *device, char *to, size_t room);
/* "host bridge 8086:2020, on the list", ... */
char *host_words(const struct rule *rule, const struct host_bridge *host, char *to, size_t room);

/* An object that describes a device. */
void json_device(struct json *json, const char *key, const struct pci_system *system,
		 const struct pci_device *device);
void json_answer(struct json *json, const char *key, enum answer answer);
/* "kernel", "cpu", "iommu" and "notes" of the document. */
void json_system(struct json *json, const struct pci_system *system);
void json_notes(struct json *json, const struct boot_note *notes, size_t count);
/* "type", "dist", "why" and "blockers" of a pair: 0, or -1 without memory. */
int json_verdict(struct json *json, const struct rule *rule, const struct pci_device *provider,
		 const struct pci_device *client, const struct verdict *verdict);

#endif

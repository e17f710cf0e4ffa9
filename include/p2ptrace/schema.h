/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema: which events of a file are P2PDMA's, and where their fields stand.
 *
 * Events are found by name in whatever system holds them, fields by name with
 * aliases (one table in src/event/schema.c), never by fixed offsets.  A field the
 * event lacks is *absent*, which is not zero.
 */
#ifndef P2PTRACE_SCHEMA_H
#define P2PTRACE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/event_format.h"
#include "p2ptrace/page_walk.h"
#include "p2ptrace/paths.h"
#include "p2ptrace/trace_read.h"

/* The canonical fields. */
enum p2p_field {
	P2P_PROVIDER,
	P2P_CLIENT,
	P2P_TYPE,
	P2P_OLD_TYPE,
	P2P_DIST,
	P2P_ADDR, /* the key: an allocation's address, a mapping's dma_addr */
	P2P_PHYS_ADDR,
	P2P_BUS_ADDR,
	P2P_SIZE,
	P2P_DIR,
	P2P_PID,
	P2P_COMM,
	P2P_RET, /* negative: failed */
	P2P_FIELDS,
};

/* The canonical name of a field for this kind of event ("addr" or "dma_addr"). */
const char *p2p_field_name(enum p2p_field field, enum event_kind kind);

/* All the names it is known by, that one first, NULL behind the last; NULL when events of
 * this kind have no such field. */
const char *const *p2p_field_aliases(enum p2p_field field, enum event_kind kind);

/* A number in a record, loaded without branches: absent ones have mask 0. */
struct number_place {
	uint64_t mask, sign;
	uint32_t offset;
	bool present;
};

/* A text in a record.  The usual form is a short __data_loc; an absent one has mask 0
 * and reads as nothing; others go the slow way. */
struct text_place {
	const struct event_field *field; /* NULL: absent */
	uint32_t offset;
	uint32_t mask; /* of the location word */
	uint32_t room; /* bytes, the NUL included; 0: of another form */
	bool whole; /* 16 bytes of the record itself, as names of threads are */
	/* From so many bytes on, and up to `span` more, its first and last 8 tell it. */
	uint32_t ends, span;
};

#define TYPE_SYMBOLS 16

/*
 * What dynamic probes (see recipes.h) tell instead of the canonical fields; NULL: absent.
 *   page, base, offset: a struct page's address (the lowest two bits are flags), that of
 *     the first one, and bytes into the page: together the key, a physical address when
 *     there is a base
 *   map: where the kernel's map of memory begins: addr becomes a physical one by it
 *   list: a free of what one that follows may tell again (pci_p2pmem_free_sgl)
 *   vm_addr, vm_start, vm_end: a page's place in a program's area: the first page stands
 *     for all of it, the others are left out
 *   nents, seen: of so many segments only the first so many are looked at: others are lost
 *   provider_end: the provider, where `provider` is no device's name
 */
struct probe_fields {
	const struct event_field *page, *base, *offset, *vm_addr, *vm_start, *vm_end, *nents, *seen,
		*map, *list, *provider_end;
};

struct derived {
	uint64_t addr, size;
	bool has_addr, has_size;
	bool is_physical; /* addr is; else it only tells pages apart */
	bool left_out; /* stands for nothing of its own */
	uint64_t unseen; /* segments behind it that were not looked at: lost */
};

struct event_layout {
	enum event_kind kind;
	uint32_t index; /* in schema->layouts */
	uint32_t min_length; /* records shorter than this are damaged */
	uint32_t p2p_length; /* the same; no record is as long when it is none of the five */
	const struct event_format *format;
	struct text_place client, provider, comm;
	/* pid is the event's own, else common_pid */
	struct number_place type, dist, common_flags, addr, size, pid, common_pid;
	/* The call failed when addr + fail_bias > fail_limit. */
	uint64_t fail_bias, fail_limit;
	uint8_t flags; /* enum record_flag: what all its records have */
	bool short_errors; /* an allocation's address of 32 bits, whose errno are so too */
	bool extras; /* that, or one of the following is there */
	bool type_is_text;
	struct text_place type_text;
	struct number_place old_type, ret;
	const struct event_field *fields[P2P_FIELDS]; /* NULL: absent */
	/* Numbers below TYPE_SYMBOLS to map types; others by type_of_number(). */
	uint8_t symbols[TYPE_SYMBOLS], old_symbols[TYPE_SYMBOLS];
	bool guessed_types; /* the file does not say what the numbers mean */
	struct probe_fields probe;
	bool derives; /* any of them is there */
	uint32_t page_struct, page_bytes; /* of the kernel's struct page and pages */
	/* KIND_RENAME, KIND_EXIT: whom and the name; KIND_STACK: the addresses */
	const struct event_field *subject_pid, *subject_comm, *stack;
};

#define SCHEMA_IDS 65536

struct schema {
	struct event_format **formats; /* all of the file that could be parsed */
	size_t format_count;
	struct event_layout *layouts;
	size_t layout_count;
	struct event_layout *by_id[SCHEMA_IDS]; /* NULL: none of ours */
	struct event_format *format_by_id[SCHEMA_IDS];
	const char *system; /* of the P2P events, NULL when the file has none */
	uint32_t kinds; /* bit per enum event_kind that the file describes */
	bool own_pid; /* some P2P event carries a pid of its own */
};

/* `numbering` names map types by number as the recording's kernel had them, or
 * NULL: used where an event's print format has no symbols. */
struct schema *schema_new(const struct trace_file *file, const char *const *numbering,
			  size_t numbering_count);
void schema_free(struct schema *schema);

/* The kernel's struct page has so many bytes, a page so many: as the recording says. */
void schema_set_pages(struct schema *schema, const char *text);

/* Whether a text is the address of a PCI device: "0000:03:00.0". */
bool schema_is_device(const char *text, size_t length);

/* What a layout that derives makes of a record of at least its min_length. */
void schema_derive(const struct event_layout *layout, const unsigned char *record, uint32_t length,
		   bool swapped, struct derived *derived);

/* A number of a record as its bits; up to 8 bytes behind the field are read as well. */
static inline __attribute__((always_inline)) uint64_t
schema_number(struct page_form form, const struct number_place *place, const unsigned char *record)
{
	uint64_t value;

	memcpy(&value, record + place->offset, 8);
	if (form.swapped)
		value = __builtin_bswap64(value);
	/* The field's bytes are the first of the eight: in a big-endian file the upper ones. */
	if (form.big_endian)
		value >>= place->mask ? __builtin_clzll(place->mask) : 0;
	return value & place->mask;
}

/* The same with its sign. */
static inline __attribute__((always_inline)) int64_t
schema_signed(struct page_form form, const struct number_place *place, const unsigned char *record)
{
	return (int64_t)((schema_number(form, place, record) ^ place->sign) - place->sign);
}

/* A map type's number in a record to p2ptrace's own. */
uint8_t schema_type_of_number(const uint8_t symbols[TYPE_SYMBOLS], uint64_t number);

#endif

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# What guest scripts use.  Drives go by the serial numbers machine.py gives them.

TRACING=/sys/kernel/tracing
COUNTERS=/sys/kernel/debug/pci-p2pdma
MODULE=/sys/module/p2ptrace_events

# Waits until a command succeeds, a minute at most.
await() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		if [ $tries -gt 600 ]; then
			echo "waited in vain: $*"
			return 1
		fi
		usleep 100000
	done
}

# The PCI address of a drive.
bdf() {
	for controller in /sys/class/nvme/nvme*; do
		if [ "$(tr -d ' ' <"$controller/serial")" = "$1" ]; then
			basename "$(readlink -f "$controller/device")"
			return
		fi
	done
	return 1
}

# The block device of a drive.
drive() {
	for controller in /sys/class/nvme/nvme*; do
		if [ "$(tr -d ' ' <"$controller/serial")" = "$1" ]; then
			for disk in "$controller"/nvme*n1; do
				echo "/dev/${disk##*/}" | sed 's/c[0-9]*n/n/'
			done
			return
		fi
	done
	return 1
}

# The port a device hangs at.
port_of() {
	basename "$(dirname "$(readlink -f "/sys/bus/pci/devices/$1")")"
}

stats() { # DRIVE VALUE
	cat "/sys/bus/pci/devices/$(bdf "$1")/p2pmem/stats/$2"
}

counter() {
	cat "$COUNTERS/$1"
}

missed() {
	cat $MODULE/parameters/missed_hits
}

module_load() {
	insmod /lib/p2ptrace_events.ko "$@"
}

# Counters and statistics as they stand now, as a JSON file NAME.json for the host.
counters_json() {
	{
		echo '{"missed":'"$(missed)"',"counters":{'
		comma=
		for file in "$COUNTERS"/*; do
			echo "$comma\"${file##*/}\":$(cat "$file")"
			comma=,
		done
		echo '},"stats":{'
		comma=
		for folder in /sys/bus/pci/devices/*/p2pmem/stats; do
			[ -d "$folder" ] || continue
			device=${folder%/p2pmem/stats}
			echo "$comma\"${device##*/}\":{"
			comma=
			for file in "$folder"/*; do
				echo "$comma\"${file##*/}\":$(cat "$file")"
				comma=,
			done
			echo '}'
		done
		echo '}}'
	} >"/results/$1.json"
}

# Names of the drives, for the host.
drives_json() {
	comma=
	for controller in /sys/class/nvme/nvme*; do
		serial=$(tr -d ' ' <"$controller/serial")
		echo "$comma\"$serial\":\"$(bdf "$serial")\""
		comma=,
	done | { echo '{'; cat; echo '}'; } >/results/drives.json
}

# Records with p2ptrace and, into an instance of its own, with the kernel's plain
# `trace`: NAME.dat and NAME.txt.  The files go to tmpfs first: the share is slow.
observe_start() { # NAME [record's options]
	observed=$1
	shift
	mkdir $TRACING/instances/oracle
	echo 32768 >$TRACING/instances/oracle/buffer_size_kb
	echo 1 >$TRACING/instances/oracle/events/p2pdma/enable
	record_start "$observed.dat" "$@"
}

observe_stop() {
	record_stop
	echo 0 >$TRACING/instances/oracle/events/p2pdma/enable
	cat $TRACING/instances/oracle/trace >"/results/$observed.txt"
	rmdir $TRACING/instances/oracle
}

record_start() { # FILE [options]
	recording=$1
	shift
	p2ptrace record -o "/tmp/$recording" "$@" 2>"/results/$recording.log" &
	recorder=$!
	await recorder_ready
}

# Events are enabled first, then tracing is turned on; without the recorder nothing will
# follow.
recorder_ready() {
	kill -0 "$recorder" 2>/dev/null || return 0
	for enable in "$TRACING"/instances/p2ptrace-*/events/p2pdma/enable \
		"$TRACING"/instances/p2ptrace-*/events/p2ptrace_*/enable; do
		grep -qs 1 "$enable" && grep -qs 1 "${enable%/events/*}/tracing_on" && return 0
	done
	return 1
}

record_stop() {
	kill -INT "$recorder"
	wait "$recorder"
	cp "/tmp/$recording" "/results/$recording"
}

# What recorders left behind, for the host: left.txt.
nothing_left() {
	{
		grep p2ptrace_ $TRACING/dynamic_events
		ls $TRACING/instances
	} >/results/left.txt || true
}

# What the kernel shows of its PCI devices, for offline commands (--root DIR).
snapshot() {
	mkdir -p /results/root/sys/bus/pci/devices /results/root/proc
	cp /proc/cpuinfo /results/root/proc/
	for device in /sys/bus/pci/devices/*; do
		target=$(readlink -f "$device")
		mkdir -p "/results/root$target"
		for file in vendor device class config; do
			cp "$target/$file" "/results/root$target/"
		done
		snapshot_pool "$target"
		ln -s "../../../${target#/sys/}" "/results/root$device"
	done
}

snapshot_pool() {
	[ -d "$1/p2pmem" ] || return 0
	for file in size available published stats/alloc_count stats/free_count stats/mapped_bytes \
		stats/peak_mapped_bytes; do
		[ -e "$1/p2pmem/$file" ] || continue
		mkdir -p "$(dirname "/results/root$1/p2pmem/$file")"
		cat "$1/p2pmem/$file" >"/results/root$1/p2pmem/$file"
	done
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# bash completion for p2ptrace: commands and options come from the program itself.

_p2ptrace() {
	local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-} words
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="$(p2ptrace --list-commands 2>/dev/null) help --version --help"
	elif [ "$command" = help ]; then
		words=$(p2ptrace --list-commands 2>/dev/null)
	elif [[ $word == -* ]]; then
		words="$(p2ptrace --list-options "$command" 2>/dev/null) --help"
	elif [ "$command" = explain ]; then
		# Names of devices; addresses hold colons, at which bash divides words.
		words=$(find -L /sys/class/{nvme,net,drm,infiniband,accel} -mindepth 2 -maxdepth 2 \
			-name device 2>/dev/null | cut -d/ -f5 | grep -v -- '-')
	else
		# A file, or a value that only the user knows.
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -o filenames -F _p2ptrace p2ptrace

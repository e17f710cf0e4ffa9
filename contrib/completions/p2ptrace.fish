# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for p2ptrace: commands and options come from the program itself.

function __p2ptrace_command
    set -l words (commandline -opc)
    test (count $words) -gt 1; and echo $words[2]
end

function __p2ptrace_options
    set -l command (__p2ptrace_command)
    p2ptrace --list-options $command 2>/dev/null
    echo --help
end

function __p2ptrace_wants_command
    set -l command (__p2ptrace_command)
    test -z "$command" -o "$command" = help
end

function __p2ptrace_wants_option
    not __p2ptrace_wants_command; and string match -q -- '-*' (commandline -ct)
end

complete -c p2ptrace -n __p2ptrace_wants_command -f -a '(p2ptrace --list-commands 2>/dev/null)'
complete -c p2ptrace -n 'test (count (commandline -opc)) -eq 1' -f -a 'help --version --help'
complete -c p2ptrace -n __p2ptrace_wants_option -f -a '(__p2ptrace_options)'

function __p2ptrace_devices
    for path in /sys/class/{nvme,net,drm,infiniband,accel}/*/device
        basename (dirname $path)
    end
    for path in /sys/bus/pci/devices/*
        basename $path
    end
end

complete -c p2ptrace -n 'test "$(__p2ptrace_command)" = explain' -f -a '(__p2ptrace_devices)'

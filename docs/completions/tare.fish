# fish completion for tare(8). Made from the tables in crates/runc-cli by `cargo xtask dist --docs`.

# Whether flag $argv[2] of command $argv[1] (empty: a global flag) takes a value.
function __tare_takes_value
    switch "$argv[1] "(string replace -r '^--?' '' -- $argv[2])
        case ' log' ' log-format' ' root' ' rootless'
            return 0
        case 'check format' 'check f' 'check bundle' 'check b'
            return 0
        case 'checkpoint image-path' 'checkpoint work-path' 'checkpoint parent-path' 'checkpoint status-fd' 'checkpoint page-server' 'checkpoint manage-cgroups-mode' 'checkpoint empty-ns'
            return 0
        case 'create bundle' 'create b' 'create console-socket' 'create pidfd-socket' 'create pid-file' 'create preserve-fds' 'create timings'
            return 0
        case 'delete timings'
            return 0
        case 'events interval'
            return 0
        case 'exec console-socket' 'exec pidfd-socket' 'exec cwd' 'exec env' 'exec e' 'exec user' 'exec u' 'exec additional-gids' 'exec g' 'exec process' 'exec p' 'exec pid-file' 'exec process-label' 'exec apparmor' 'exec cap' 'exec c' 'exec preserve-fds' 'exec cgroup' 'exec timings'
            return 0
        case 'gc format' 'gc f'
            return 0
        case 'info format' 'info f'
            return 0
        case 'list format' 'list f'
            return 0
        case 'plan bundle' 'plan b'
            return 0
        case 'ps format' 'ps f'
            return 0
        case 'restore console-socket' 'restore image-path' 'restore work-path' 'restore manage-cgroups-mode' 'restore bundle' 'restore b' 'restore pid-file' 'restore empty-ns' 'restore lsm-profile' 'restore lsm-mount-context'
            return 0
        case 'run bundle' 'run b' 'run console-socket' 'run pidfd-socket' 'run pid-file' 'run preserve-fds' 'run timings'
            return 0
        case 'seccomp bundle' 'seccomp b'
            return 0
        case 'spec bundle' 'spec b'
            return 0
        case 'start timings'
            return 0
        case 'update resources' 'update r' 'update blkio-weight' 'update cpu-period' 'update cpu-quota' 'update cpu-burst' 'update cpu-share' 'update cpu-rt-period' 'update cpu-rt-runtime' 'update cpuset-cpus' 'update cpuset-mems' 'update cpu-idle' 'update memory' 'update memory-reservation' 'update memory-swap' 'update pids-limit' 'update l3-cache-schema' 'update mem-bw-schema'
            return 0
    end
    return 1
end

# The command of the line, then its arguments up to the cursor.
function __tare_words
    set -l command ''
    set -l words
    set -l value no
    for word in (commandline -opc)[2..-1]
        if test $value = yes
            set value no
        else if string match -q -- '-*' $word
            if not string match -q -- '*=*' $word; and __tare_takes_value "$command" $word
                set value yes
            end
        else if test -z "$command"
            set command $word
        else
            set -a words $word
        end
    end
    printf '%s\n' $command $words
end

# Whether flags of this command (empty: global flags) may come now.
function __tare_in
    set -l words (__tare_words)
    # What follows the id in exec belongs to the container's program.
    test "$words[1]" = "$argv[1]"; and not test "$words[1]" = exec -a (count $words) -gt 1
end

# Whether argument number $argv[2] of this command comes now; without a command, whether that itself does.
function __tare_at
    set -l words (__tare_words)
    test "$words[1]" = "$argv[1]" -a (count $words) -eq (math $argv[2] + 1)
end

# The containers of the directory that the line names by --root.
function __tare_containers
    set -l root
    set -l words (commandline -opc)
    for index in (seq (count $words))
        switch $words[$index]
            case --root -root
                set root --root $words[(math $index + 1)]
            case '--root=*' '-root=*'
                set root --root (string replace -r '^--?root=' '' -- $words[$index])
        end
    end
    command tare $root list --quiet 2>/dev/null
end

complete -c tare -f
complete -c tare -n '__tare_in ""' -l debug -d 'log more'
complete -c tare -n '__tare_in ""' -l log -r -F -d 'file to append the log to (default: standard error)'
complete -c tare -n '__tare_in ""' -l log-format -x -a 'text json' -d 'form of the log: text or json (default: text)'
complete -c tare -n '__tare_in ""' -l root -x -a '(__fish_complete_directories)' -d 'directory for the state of containers, best on a tmpfs (default: /run/tare, or $XDG_RUNTIME_DIR/tare for ordinary users)'
complete -c tare -n '__tare_in ""' -l systemd-cgroup -d 'let systemd make cgroups; cgroupsPath is then slice:prefix:name'
complete -c tare -n '__tare_in ""' -l rootless -x -a 'true false auto' -d 'tolerate cgroups without permission: true, false or auto (default: auto)'
complete -c tare -n '__tare_in ""' -l version -s v -d 'print the version'
complete -c tare -n '__tare_in ""' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "check"' -l format -s f -x -a 'text json' -d 'text or json (default: text)'
complete -c tare -n '__tare_in "check"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'directory that holds config.json (default: the current directory)'
complete -c tare -n '__tare_in "check"' -l no-pivot -d 'enter the root file system without pivot_root, for roots on a ramdisk'
complete -c tare -n '__tare_in "check"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "checkpoint"' -l check -d 'only say what would make it fail'
complete -c tare -n '__tare_in "checkpoint"' -l image-path -x -a '(__fish_complete_directories)' -d 'directory of the image files (default: checkpoint)'
complete -c tare -n '__tare_in "checkpoint"' -l work-path -x -a '(__fish_complete_directories)' -d 'directory of CRIU'\''s logs and statistics'
complete -c tare -n '__tare_in "checkpoint"' -l parent-path -x -d 'directory of an earlier pre-dump, relative to the images'
complete -c tare -n '__tare_in "checkpoint"' -l leave-running -d 'do not end the container'
complete -c tare -n '__tare_in "checkpoint"' -l tcp-established -d 'allow open TCP connections'
complete -c tare -n '__tare_in "checkpoint"' -l tcp-skip-in-flight -d 'skip TCP connections that are being made'
complete -c tare -n '__tare_in "checkpoint"' -l link-remap -d 'allow open files without a name'
complete -c tare -n '__tare_in "checkpoint"' -l ext-unix-sk -d 'allow unix sockets to the outside'
complete -c tare -n '__tare_in "checkpoint"' -l shell-job -d 'allow jobs of a shell'
complete -c tare -n '__tare_in "checkpoint"' -l lazy-pages -d 'move memory when it is asked for, with userfaultfd'
complete -c tare -n '__tare_in "checkpoint"' -l status-fd -x -d 'descriptor to write to when lazy-pages is ready'
complete -c tare -n '__tare_in "checkpoint"' -l page-server -x -d 'send memory to this page server'
complete -c tare -n '__tare_in "checkpoint"' -l file-locks -d 'allow locks on files'
complete -c tare -n '__tare_in "checkpoint"' -l pre-dump -d 'write memory only and go on'
complete -c tare -n '__tare_in "checkpoint"' -l manage-cgroups-mode -x -a 'soft full strict ignore' -d 'treatment of cgroups: soft, full, strict or ignore (default: soft)'
complete -c tare -n '__tare_in "checkpoint"' -l empty-ns -x -d 'make this namespace anew, without its content'
complete -c tare -n '__tare_in "checkpoint"' -l auto-dedup -d 'punch holes where an earlier image is superseded'
complete -c tare -n '__tare_in "checkpoint"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "create"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'directory that holds config.json (default: the current directory)'
complete -c tare -n '__tare_in "create"' -l console-socket -r -F -d 'unix socket that receives the descriptor of the terminal'\''s master end'
complete -c tare -n '__tare_in "create"' -l pidfd-socket -r -F -d 'unix socket that receives a pidfd of the started process'
complete -c tare -n '__tare_in "create"' -l pid-file -r -F -d 'file to write the process id to'
complete -c tare -n '__tare_in "create"' -l no-pivot -d 'enter the root file system without pivot_root, for roots on a ramdisk'
complete -c tare -n '__tare_in "create"' -l no-new-keyring -d 'stay in the caller'\''s session keyring instead of making one'
complete -c tare -n '__tare_in "create"' -l preserve-fds -x -d 'pass N more descriptors on, after standard input, output, error and $LISTEN_FDS (default: 0)'
complete -c tare -n '__tare_in "create"' -l timings -x -a 'table json trace' -d 'print to standard error where the time goes: table, json, or trace (trace events, which Perfetto and browsers open)'
complete -c tare -n '__tare_in "create"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "delete"' -l force -s f -d 'kill the container first when it runs; say nothing when there is none'
complete -c tare -n '__tare_in "delete"' -l timings -x -a 'table json trace' -d 'print to standard error where the time goes: table, json, or trace (trace events, which Perfetto and browsers open)'
complete -c tare -n '__tare_in "delete"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "events"' -l interval -x -d 'time between statistics (default: 5s)'
complete -c tare -n '__tare_in "events"' -l stats -d 'print statistics once and end'
complete -c tare -n '__tare_in "events"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "exec"' -l console-socket -r -F -d 'unix socket that receives the descriptor of the terminal'\''s master end'
complete -c tare -n '__tare_in "exec"' -l pidfd-socket -r -F -d 'unix socket that receives a pidfd of the started process'
complete -c tare -n '__tare_in "exec"' -l cwd -x -d 'current directory of the process'
complete -c tare -n '__tare_in "exec"' -l env -s e -x -d 'set an environment variable'
complete -c tare -n '__tare_in "exec"' -l tty -s t -d 'give the process a terminal'
complete -c tare -n '__tare_in "exec"' -l user -s u -x -d 'user and group, by number'
complete -c tare -n '__tare_in "exec"' -l additional-gids -s g -x -d 'add a group, by number'
complete -c tare -n '__tare_in "exec"' -l process -s p -r -F -d 'read the whole process from FILE, which is like `process` in config.json'
complete -c tare -n '__tare_in "exec"' -l detach -s d -d 'return when the process runs, without waiting for its end'
complete -c tare -n '__tare_in "exec"' -l pid-file -r -F -d 'file to write the process id to'
complete -c tare -n '__tare_in "exec"' -l process-label -x -d 'SELinux label of the process'
complete -c tare -n '__tare_in "exec"' -l apparmor -x -d 'AppArmor profile of the process'
complete -c tare -n '__tare_in "exec"' -l no-new-privs -d 'forbid the process to gain privileges'
complete -c tare -n '__tare_in "exec"' -l cap -s c -x -d 'add a capability'
complete -c tare -n '__tare_in "exec"' -l preserve-fds -x -d 'pass N more descriptors on, after standard input, output, error and $LISTEN_FDS (default: 0)'
complete -c tare -n '__tare_in "exec"' -l cgroup -x -d 'start in this existing cgroup below the container'\''s'
complete -c tare -n '__tare_in "exec"' -l ignore-paused -d 'allow it in a paused container, where it and signals for it wait for resume'
complete -c tare -n '__tare_in "exec"' -l timings -x -a 'table json trace' -d 'print to standard error where the time goes: table, json, or trace (trace events, which Perfetto and browsers open)'
complete -c tare -n '__tare_in "exec"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "features"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "gc"' -l dry-run -d 'only say what would be removed'
complete -c tare -n '__tare_in "gc"' -l stopped -d 'also remove containers that have stopped in good order and were not deleted'
complete -c tare -n '__tare_in "gc"' -l format -s f -x -a 'text json' -d 'text or json (default: text)'
complete -c tare -n '__tare_in "gc"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "help"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "info"' -l format -s f -x -a 'table json' -d 'table or json (default: table)'
complete -c tare -n '__tare_in "info"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "kill"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "list"' -l format -s f -x -a 'table json' -d 'table or json (default: table)'
complete -c tare -n '__tare_in "list"' -l quiet -s q -d 'print ids only'
complete -c tare -n '__tare_in "list"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "pause"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "plan"' -l json -d 'print JSON'
complete -c tare -n '__tare_in "plan"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'directory that holds config.json (default: the current directory)'
complete -c tare -n '__tare_in "plan"' -l no-pivot -d 'enter the root file system without pivot_root, for roots on a ramdisk'
complete -c tare -n '__tare_in "plan"' -l no-new-keyring -d 'stay in the caller'\''s session keyring instead of making one'
complete -c tare -n '__tare_in "plan"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "ps"' -l format -s f -x -a 'table json' -d 'table or json (default: table)'
complete -c tare -n '__tare_in "ps"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "restore"' -l console-socket -r -F -d 'unix socket that receives the descriptor of the terminal'\''s master end'
complete -c tare -n '__tare_in "restore"' -l image-path -x -a '(__fish_complete_directories)' -d 'directory of the image files (default: checkpoint)'
complete -c tare -n '__tare_in "restore"' -l work-path -x -a '(__fish_complete_directories)' -d 'directory of CRIU'\''s logs and statistics'
complete -c tare -n '__tare_in "restore"' -l tcp-established -d 'allow open TCP connections'
complete -c tare -n '__tare_in "restore"' -l ext-unix-sk -d 'allow unix sockets to the outside'
complete -c tare -n '__tare_in "restore"' -l shell-job -d 'allow jobs of a shell'
complete -c tare -n '__tare_in "restore"' -l file-locks -d 'allow locks on files'
complete -c tare -n '__tare_in "restore"' -l manage-cgroups-mode -x -a 'soft full strict ignore' -d 'treatment of cgroups: soft, full, strict or ignore (default: soft)'
complete -c tare -n '__tare_in "restore"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'directory that holds config.json (default: the current directory)'
complete -c tare -n '__tare_in "restore"' -l detach -s d -d 'return when the process runs, without waiting for its end'
complete -c tare -n '__tare_in "restore"' -l pid-file -r -F -d 'file to write the process id to'
complete -c tare -n '__tare_in "restore"' -l no-subreaper -d 'do not become the parent of the container'\''s orphaned processes'
complete -c tare -n '__tare_in "restore"' -l no-pivot -d 'enter the root file system without pivot_root, for roots on a ramdisk'
complete -c tare -n '__tare_in "restore"' -l empty-ns -x -d 'make this namespace anew, without its content'
complete -c tare -n '__tare_in "restore"' -l auto-dedup -d 'punch holes where an earlier image is superseded'
complete -c tare -n '__tare_in "restore"' -l lazy-pages -d 'move memory when it is asked for, with userfaultfd'
complete -c tare -n '__tare_in "restore"' -l lsm-profile -x -d 'restore with this profile'
complete -c tare -n '__tare_in "restore"' -l lsm-mount-context -x -d 'restore mounts with this context'
complete -c tare -n '__tare_in "restore"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "resume"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "run"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'directory that holds config.json (default: the current directory)'
complete -c tare -n '__tare_in "run"' -l console-socket -r -F -d 'unix socket that receives the descriptor of the terminal'\''s master end'
complete -c tare -n '__tare_in "run"' -l pidfd-socket -r -F -d 'unix socket that receives a pidfd of the started process'
complete -c tare -n '__tare_in "run"' -l pid-file -r -F -d 'file to write the process id to'
complete -c tare -n '__tare_in "run"' -l detach -s d -d 'return when the process runs, without waiting for its end'
complete -c tare -n '__tare_in "run"' -l keep -d 'do not delete the container when its process has ended'
complete -c tare -n '__tare_in "run"' -l no-subreaper -d 'do not become the parent of the container'\''s orphaned processes'
complete -c tare -n '__tare_in "run"' -l no-pivot -d 'enter the root file system without pivot_root, for roots on a ramdisk'
complete -c tare -n '__tare_in "run"' -l no-new-keyring -d 'stay in the caller'\''s session keyring instead of making one'
complete -c tare -n '__tare_in "run"' -l preserve-fds -x -d 'pass N more descriptors on, after standard input, output, error and $LISTEN_FDS (default: 0)'
complete -c tare -n '__tare_in "run"' -l timings -x -a 'table json trace' -d 'print to standard error where the time goes: table, json, or trace (trace events, which Perfetto and browsers open)'
complete -c tare -n '__tare_in "run"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "seccomp"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'directory that holds config.json (default: the current directory)'
complete -c tare -n '__tare_in "seccomp"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "spec"' -l bundle -s b -x -a '(__fish_complete_directories)' -d 'directory that holds config.json (default: the current directory)'
complete -c tare -n '__tare_in "spec"' -l rootless -d 'write a config for ordinary users: a user namespace, no limits, the host'\''s network'
complete -c tare -n '__tare_in "spec"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "start"' -l timings -x -a 'table json trace' -d 'print to standard error where the time goes: table, json, or trace (trace events, which Perfetto and browsers open)'
complete -c tare -n '__tare_in "start"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "state"' -l help -s h -d 'show help'
complete -c tare -n '__tare_in "update"' -l resources -s r -r -F -d 'read JSON like `linux.resources` in config.json from FILE (- is standard input); other flags are then ignored'
complete -c tare -n '__tare_in "update"' -l blkio-weight -x -d 'weight of the container'\''s disk accesses, 10 to 1000'
complete -c tare -n '__tare_in "update"' -l cpu-period -x -d 'length of the period that cpu-quota counts in, in microseconds'
complete -c tare -n '__tare_in "update"' -l cpu-quota -x -d 'processor time in each period, in microseconds; -1 is unlimited'
complete -c tare -n '__tare_in "update"' -l cpu-burst -x -d 'unused time that may be spent in a later period, in microseconds'
complete -c tare -n '__tare_in "update"' -l cpu-share -x -d 'weight of the container'\''s processor time, 2 to 262144'
complete -c tare -n '__tare_in "update"' -l cpu-rt-period -x -d 'length of the period that cpu-rt-runtime counts in, in microseconds'
complete -c tare -n '__tare_in "update"' -l cpu-rt-runtime -x -d 'real-time processor time in each period, in microseconds'
complete -c tare -n '__tare_in "update"' -l cpuset-cpus -x -d 'processors to run on, as 0-3,7'
complete -c tare -n '__tare_in "update"' -l cpuset-mems -x -d 'memory nodes to use'
complete -c tare -n '__tare_in "update"' -l cpu-idle -x -a '0 1' -d '1: run only when nothing else wants to; 0: as others do'
complete -c tare -n '__tare_in "update"' -l memory -x -d 'limit of memory, in bytes or with k, m, g or t behind it; -1 is unlimited'
complete -c tare -n '__tare_in "update"' -l memory-reservation -x -d 'memory to keep when memory runs short'
complete -c tare -n '__tare_in "update"' -l memory-swap -x -d 'limit of memory and swap together; -1 is unlimited'
complete -c tare -n '__tare_in "update"' -l pids-limit -x -d 'most tasks; -1 is unlimited'
complete -c tare -n '__tare_in "update"' -l l3-cache-schema -x -d 'Intel RDT: share of the L3 cache, such as L3:0=7f0;1=1f'
complete -c tare -n '__tare_in "update"' -l mem-bw-schema -x -d 'Intel RDT: share of memory bandwidth, such as MB:0=20;1=70'
complete -c tare -n '__tare_in "update"' -l help -s h -d 'show help'
complete -c tare -n '__tare_at "" 0' -a check -d 'say whether a bundle would run here, and what is unwise about it'
complete -c tare -n '__tare_at check 0' -a '(__fish_complete_directories)'
complete -c tare -n '__tare_at "" 0' -a checkpoint -d 'write a running container to disk'
complete -c tare -n '__tare_at checkpoint 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a create -d 'create a container'
complete -c tare -n '__tare_at create 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a delete -d 'remove a container that is not running'
complete -c tare -n '__tare_at delete 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a events -d 'print statistics and events of a container'
complete -c tare -n '__tare_at events 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a exec -d 'start a process in a running container'
complete -c tare -n '__tare_at exec 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a features -d 'print the supported features'
complete -c tare -n '__tare_at "" 0' -a gc -d 'remove what crashes of the runtime or the machine have left'
complete -c tare -n '__tare_at "" 0' -a help -d 'show all commands, or help for one'
complete -c tare -n '__tare_at help 0' -a 'check checkpoint create delete events exec features gc help info kill list pause plan ps restore resume run seccomp spec start state update'
complete -c tare -n '__tare_at "" 0' -a info -d 'print what kernel, host and caller offer, with reasons'
complete -c tare -n '__tare_at "" 0' -a kill -d 'send a signal to a container'\''s first process'
complete -c tare -n '__tare_at kill 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at kill 1' -a 'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'
complete -c tare -n '__tare_at "" 0' -a list -d 'list containers'
complete -c tare -n '__tare_at "" 0' -a pause -d 'suspend all processes of a container'
complete -c tare -n '__tare_at pause 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a plan -d 'print the steps that create would take'
complete -c tare -n '__tare_at plan 0' -a '(__fish_complete_directories)'
complete -c tare -n '__tare_at "" 0' -a ps -d 'list the processes of a container'
complete -c tare -n '__tare_at ps 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a restore -d 'bring a container back from disk'
complete -c tare -n '__tare_at restore 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a resume -d 'resume all processes of a paused container'
complete -c tare -n '__tare_at resume 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a run -d 'create and run a container'
complete -c tare -n '__tare_at run 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a seccomp -d 'print what the bundle'\''s system call filter does'
complete -c tare -n '__tare_at seccomp 0' -a '(__fish_complete_directories)'
complete -c tare -n '__tare_at "" 0' -a spec -d 'write an example config.json'
complete -c tare -n '__tare_at "" 0' -a start -d 'start a created container'
complete -c tare -n '__tare_at start 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a state -d 'print the state of a container'
complete -c tare -n '__tare_at state 0' -a '(__tare_containers)'
complete -c tare -n '__tare_at "" 0' -a update -d 'change resource limits of a container'
complete -c tare -n '__tare_at update 0' -a '(__tare_containers)'

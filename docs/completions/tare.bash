# bash completion for tare(8). Made from the tables in crates/runc-cli by `cargo xtask dist --docs`.

# The containers of the directory that the line names by --root.
_tare_containers() {
    local root=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == --root || ${COMP_WORDS[i]} == -root ]]; then
            [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
            root=(--root "${COMP_WORDS[i + 1]}")
        fi
    done
    "${COMP_WORDS[0]}" "${root[@]}" list --quiet 2>/dev/null
}

# What flag $2 of command $1 (empty: a global flag) takes, in $value: nothing, directory, file, any, or words.
_tare_value() {
    local name=${2#-}
    value=
    case "$1 ${name#-}" in
    " log") value="file" ;;
    " log-format") value="text json" ;;
    " root") value="directory" ;;
    " rootless") value="true false auto" ;;
    "check format" | "check f") value="text json" ;;
    "check bundle" | "check b") value="directory" ;;
    "checkpoint image-path") value="directory" ;;
    "checkpoint work-path") value="directory" ;;
    "checkpoint parent-path") value="any" ;;
    "checkpoint status-fd") value="any" ;;
    "checkpoint page-server") value="any" ;;
    "checkpoint manage-cgroups-mode") value="soft full strict ignore" ;;
    "checkpoint empty-ns") value="any" ;;
    "create bundle" | "create b") value="directory" ;;
    "create console-socket") value="file" ;;
    "create pidfd-socket") value="file" ;;
    "create pid-file") value="file" ;;
    "create preserve-fds") value="any" ;;
    "create timings") value="table json trace" ;;
    "delete timings") value="table json trace" ;;
    "events interval") value="any" ;;
    "exec console-socket") value="file" ;;
    "exec pidfd-socket") value="file" ;;
    "exec cwd") value="any" ;;
    "exec env" | "exec e") value="any" ;;
    "exec user" | "exec u") value="any" ;;
    "exec additional-gids" | "exec g") value="any" ;;
    "exec process" | "exec p") value="file" ;;
    "exec pid-file") value="file" ;;
    "exec process-label") value="any" ;;
    "exec apparmor") value="any" ;;
    "exec cap" | "exec c") value="any" ;;
    "exec preserve-fds") value="any" ;;
    "exec cgroup") value="any" ;;
    "exec timings") value="table json trace" ;;
    "gc format" | "gc f") value="text json" ;;
    "info format" | "info f") value="table json" ;;
    "list format" | "list f") value="table json" ;;
    "plan bundle" | "plan b") value="directory" ;;
    "ps format" | "ps f") value="table json" ;;
    "restore console-socket") value="file" ;;
    "restore image-path") value="directory" ;;
    "restore work-path") value="directory" ;;
    "restore manage-cgroups-mode") value="soft full strict ignore" ;;
    "restore bundle" | "restore b") value="directory" ;;
    "restore pid-file") value="file" ;;
    "restore empty-ns") value="any" ;;
    "restore lsm-profile") value="any" ;;
    "restore lsm-mount-context") value="any" ;;
    "run bundle" | "run b") value="directory" ;;
    "run console-socket") value="file" ;;
    "run pidfd-socket") value="file" ;;
    "run pid-file") value="file" ;;
    "run preserve-fds") value="any" ;;
    "run timings") value="table json trace" ;;
    "seccomp bundle" | "seccomp b") value="directory" ;;
    "spec bundle" | "spec b") value="directory" ;;
    "start timings") value="table json trace" ;;
    "update resources" | "update r") value="file" ;;
    "update blkio-weight") value="any" ;;
    "update cpu-period") value="any" ;;
    "update cpu-quota") value="any" ;;
    "update cpu-burst") value="any" ;;
    "update cpu-share") value="any" ;;
    "update cpu-rt-period") value="any" ;;
    "update cpu-rt-runtime") value="any" ;;
    "update cpuset-cpus") value="any" ;;
    "update cpuset-mems") value="any" ;;
    "update cpu-idle") value="0 1" ;;
    "update memory") value="any" ;;
    "update memory-reservation") value="any" ;;
    "update memory-swap") value="any" ;;
    "update pids-limit") value="any" ;;
    "update l3-cache-schema") value="any" ;;
    "update mem-bw-schema") value="any" ;;
    esac
}

_tare() {
    local commands="check checkpoint create delete events exec features gc help info kill list pause plan ps restore resume run seccomp spec start state update"
    local signals="HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
    local current=${COMP_WORDS[COMP_CWORD]} command= place=0 flag= value= words= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        # To bash, the = of --name=value is a word of its own.
        [[ ${COMP_WORDS[i]} == = ]] && continue
        if [[ -n $flag ]]; then
            flag=
        elif [[ ${COMP_WORDS[i]} == -* ]]; then
            _tare_value "$command" "${COMP_WORDS[i]}"
            [[ -n $value ]] && flag=${COMP_WORDS[i]}
        elif [[ -z $command ]]; then
            command=${COMP_WORDS[i]}
        else
            ((place++))
        fi
    done
    [[ $current == = ]] && current=
    value=
    if [[ -n $flag ]]; then
        _tare_value "$command" "$flag"
    elif [[ $command == exec && $place -gt 0 ]]; then
        # The rest of the line belongs to the container's program.
        return
    elif [[ $current == -* ]]; then
        case $command in
    "") words="--debug --log --log-format --root --systemd-cgroup --rootless --version --help" ;;
    "check") words="--format --bundle --no-pivot --help" ;;
    "checkpoint") words="--check --image-path --work-path --parent-path --leave-running --tcp-established --tcp-skip-in-flight --link-remap --ext-unix-sk --shell-job --lazy-pages --status-fd --page-server --file-locks --pre-dump --manage-cgroups-mode --empty-ns --auto-dedup --help" ;;
    "create") words="--bundle --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --timings --help" ;;
    "delete") words="--force --timings --help" ;;
    "events") words="--interval --stats --help" ;;
    "exec") words="--console-socket --pidfd-socket --cwd --env --tty --user --additional-gids --process --detach --pid-file --process-label --apparmor --no-new-privs --cap --preserve-fds --cgroup --ignore-paused --timings --help" ;;
    "features") words="--help" ;;
    "gc") words="--dry-run --stopped --format --help" ;;
    "help") words="--help" ;;
    "info") words="--format --help" ;;
    "kill") words="--help" ;;
    "list") words="--format --quiet --help" ;;
    "pause") words="--help" ;;
    "plan") words="--json --bundle --no-pivot --no-new-keyring --help" ;;
    "ps") words="--format --help" ;;
    "restore") words="--console-socket --image-path --work-path --tcp-established --ext-unix-sk --shell-job --file-locks --manage-cgroups-mode --bundle --detach --pid-file --no-subreaper --no-pivot --empty-ns --auto-dedup --lazy-pages --lsm-profile --lsm-mount-context --help" ;;
    "resume") words="--help" ;;
    "run") words="--bundle --console-socket --pidfd-socket --pid-file --detach --keep --no-subreaper --no-pivot --no-new-keyring --preserve-fds --timings --help" ;;
    "seccomp") words="--bundle --help" ;;
    "spec") words="--bundle --rootless --help" ;;
    "start") words="--timings --help" ;;
    "state") words="--help" ;;
    "update") words="--resources --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period --cpu-rt-runtime --cpuset-cpus --cpuset-mems --cpu-idle --memory --memory-reservation --memory-swap --pids-limit --l3-cache-schema --mem-bw-schema --help" ;;
        esac
    else
        case "$command $place" in
    " 0") words=$commands ;;
    "check 0") value=directory ;;
    "checkpoint 0") words=$(_tare_containers) ;;
    "create 0") words=$(_tare_containers) ;;
    "delete 0") words=$(_tare_containers) ;;
    "events 0") words=$(_tare_containers) ;;
    "exec 0") words=$(_tare_containers) ;;
    "help 0") words=$commands ;;
    "kill 0") words=$(_tare_containers) ;;
    "kill 1") words=$signals ;;
    "pause 0") words=$(_tare_containers) ;;
    "plan 0") value=directory ;;
    "ps 0") words=$(_tare_containers) ;;
    "restore 0") words=$(_tare_containers) ;;
    "resume 0") words=$(_tare_containers) ;;
    "run 0") words=$(_tare_containers) ;;
    "seccomp 0") value=directory ;;
    "start 0") words=$(_tare_containers) ;;
    "state 0") words=$(_tare_containers) ;;
    "update 0") words=$(_tare_containers) ;;
        esac
    fi
    case $value in
    directory | file)
        local how=-f
        [[ $value == directory ]] && how=-d
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen $how -- "$current")
        ;;
    any) ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$words $value" -- "$current") ;;
    esac
}

complete -F _tare tare

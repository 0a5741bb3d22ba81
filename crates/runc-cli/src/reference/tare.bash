# bash completion for tare(8). @MADE@

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
@VALUES@
    esac
}

_tare() {
    local commands="@COMMANDS@"
    local signals="@SIGNALS@"
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
@OPTIONS@
        esac
    else
        case "$command $place" in
@PLACES@
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

#compdef tare
# zsh completion for tare(8). @MADE@

# The containers of the directory that the line names by --root.
_tare_containers() {
    local -a containers
    containers=(${(f)"$(_call_program containers tare ${root:+--root} ${(q)root} list --quiet 2>/dev/null)"})
    _describe container containers
}

_tare() {
    local curcontext=$curcontext state line root
    local signals="@SIGNALS@"
    local -a commands
    typeset -A opt_args
    _arguments -C \
@GLOBAL@
        '1: :->command' \
        '*:: :->rest'
    root=${opt_args[--root]}
    root=${root//\\}
    commands=(
@SUMMARIES@
    )
    case $state in
        command)
            _describe command commands
            ;;
        rest)
            commands=(${commands%%:*})
            curcontext=${curcontext%:*}-$words[1]:
            case $words[1] in
@CASES@
            esac
            ;;
    esac
}

_tare "$@"

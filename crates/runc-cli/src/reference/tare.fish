# fish completion for tare(8). @MADE@

# Whether flag $argv[2] of command $argv[1] (empty: a global flag) takes a value.
function __tare_takes_value
    switch "$argv[1] "(string replace -r '^--?' '' -- $argv[2])
@WITH_VALUE@
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
@ROWS@

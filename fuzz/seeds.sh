#!/bin/sh
# Fills the corpus with the configs of the golden plans.
cd "$(dirname "$0")" || exit 1
mkdir -p corpus/plan corpus/resources corpus/seccomp corpus/bus
for folder in ../tests/plan/*/; do
    name=$(basename "$folder")
    cp "$folder/config.json" "corpus/plan/$name"
    case $name in
        resources*) python3 -c 'import json,sys; print(json.dumps(json.load(open(sys.argv[1]))["linux"].get("resources", {})))' \
            "$folder/config.json" >"corpus/resources/$name" ;;
        seccomp*) python3 -c 'import json,sys; print(json.dumps(json.load(open(sys.argv[1]))["linux"].get("seccomp", {})))' \
            "$folder/config.json" >"corpus/seccomp/$name" ;;
    esac
done
printf 'l\002\001\001\014\000\000\000\001\000\000\000\017\000\000\000\005\001u\000\007\000\000\000\010\001g\000\001o\000\000\003\000\000\000/ab\000' \
    >corpus/bus/answer
printf "['a', 'b']" >corpus/bus/list
printf 'uint64 18446744073709551615' >corpus/bus/number

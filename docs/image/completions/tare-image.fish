# fish completion for tare-image(1). Made of the tables in crates/image-cli.
complete -c tare-image -n __fish_use_subcommand -a pull -d 'Bring an image into the store, ready to run'
complete -c tare-image -n __fish_use_subcommand -a push -d 'Send an image to a registry'
complete -c tare-image -n __fish_use_subcommand -a copy -d 'Copy an image from any place to any other, byte by byte or in another form'
complete -c tare-image -n __fish_use_subcommand -a sync -d 'Copy all images of a repository, or of a list, with all their platforms'
complete -c tare-image -n __fish_use_subcommand -a unpack -d 'Put an image\'s files into a new directory'
complete -c tare-image -n __fish_use_subcommand -a bundle -d 'Make a bundle of an image: root file system and config.json'
complete -c tare-image -n __fish_use_subcommand -a run -d 'Run an image: pull if missing, unpack, write config.json, call the runtime'
complete -c tare-image -n __fish_use_subcommand -a mount -d 'Show an image\'s files in a directory; what is written there can be committed'
complete -c tare-image -n __fish_use_subcommand -a umount -d 'Take away what mount has shown, with all changes'
complete -c tare-image -n __fish_use_subcommand -a list -d 'List images'
complete -c tare-image -n __fish_use_subcommand -a inspect -d 'Show an image\'s manifest and configuration as JSON'
complete -c tare-image -n __fish_use_subcommand -a history -d 'Show the steps that an image was made in, newest first'
complete -c tare-image -n __fish_use_subcommand -a diff -d 'List the files that the second image adds (A), changes (C) and has not (D)'
complete -c tare-image -n __fish_use_subcommand -a tag -d 'Give an image of the store another name'
complete -c tare-image -n __fish_use_subcommand -a remove -d 'Remove images from the store, or one from a registry'
complete -c tare-image -n __fish_use_subcommand -a save -d 'Write images to a file, as docker save does or as a layout'
complete -c tare-image -n __fish_use_subcommand -a load -d 'Read images from a file that save, docker save or podman save wrote'
complete -c tare-image -n __fish_use_subcommand -a import -d 'Make an image of a tar archive with a root file system'
complete -c tare-image -n __fish_use_subcommand -a export -d 'Write an image\'s files as one tar archive'
complete -c tare-image -n __fish_use_subcommand -a commit -d 'Make an image of another one and the changes in a container'
complete -c tare-image -n __fish_use_subcommand -a squash -d 'Make an image of one layer with the files of another, and its configuration'
complete -c tare-image -n __fish_use_subcommand -a index -d 'Put images for several platforms together under one name of the store, and push them'
complete -c tare-image -n __fish_use_subcommand -a tags -d 'List the tags of a repository in its registry'
complete -c tare-image -n __fish_use_subcommand -a attach -d 'Store files about an image in its registry, as something that refers to it'
complete -c tare-image -n __fish_use_subcommand -a referrers -d 'List what refers to an image in its registry: digest, size and kind'
complete -c tare-image -n __fish_use_subcommand -a sign -d 'Sign an image in its registry, as cosign and podman do with a key'
complete -c tare-image -n __fish_use_subcommand -a gc -d 'Remove content that no name and no container leads to, and half-fetched layers'
complete -c tare-image -n __fish_use_subcommand -a prune -d 'Remove images that no container needs and nobody used for some time'
complete -c tare-image -n __fish_use_subcommand -a check -d 'Look for damaged blobs and unpacked layers in the store'
complete -c tare-image -n __fish_use_subcommand -a login -d 'Keep credentials for a registry'
complete -c tare-image -n __fish_use_subcommand -a logout -d 'Forget the credentials for a registry'
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l no-unpack
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from pull' -s q
complete -c tare-image -n '__fish_seen_subcommand_from pull' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from pull' -s v
complete -c tare-image -n '__fish_seen_subcommand_from push' -l all
complete -c tare-image -n '__fish_seen_subcommand_from push' -l also -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l format -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l compression -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l level -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l push-chunk -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from push' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from push' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from push' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from push' -s q
complete -c tare-image -n '__fish_seen_subcommand_from push' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from push' -s v
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l all
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l also -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l format -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l compression -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l level -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l push-chunk -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from copy' -s q
complete -c tare-image -n '__fish_seen_subcommand_from copy' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from copy' -s v
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l only -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from sync' -s q
complete -c tare-image -n '__fish_seen_subcommand_from sync' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from sync' -s v
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -s q
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from unpack' -s v
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l overlay
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l flat
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l env -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -s e -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l env-file -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l user -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -s u -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l workdir -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -s w -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l entrypoint -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l tty
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -s t
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l hostname -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -s h -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l network -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l net -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l read-only
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l volume -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -s v -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l mount -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l tmpfs -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l memory -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -s m -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l memory-swap -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l cpus -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l cpu-shares -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l cpuset-cpus -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l pids-limit -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l cap-add -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l cap-drop -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l security-opt -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -s q
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from bundle' -s v
complete -c tare-image -n '__fish_seen_subcommand_from run' -l name -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l keep
complete -c tare-image -n '__fish_seen_subcommand_from run' -l interactive
complete -c tare-image -n '__fish_seen_subcommand_from run' -s i
complete -c tare-image -n '__fish_seen_subcommand_from run' -l detach
complete -c tare-image -n '__fish_seen_subcommand_from run' -s d
complete -c tare-image -n '__fish_seen_subcommand_from run' -l rm
complete -c tare-image -n '__fish_seen_subcommand_from run' -l pull -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l flat
complete -c tare-image -n '__fish_seen_subcommand_from run' -l env -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -s e -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l env-file -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l user -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -s u -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l workdir -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -s w -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l entrypoint -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l tty
complete -c tare-image -n '__fish_seen_subcommand_from run' -s t
complete -c tare-image -n '__fish_seen_subcommand_from run' -l hostname -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -s h -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l network -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l net -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l read-only
complete -c tare-image -n '__fish_seen_subcommand_from run' -l volume -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -s v -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l mount -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l tmpfs -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l memory -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -s m -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l memory-swap -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l cpus -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l cpu-shares -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l cpuset-cpus -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l pids-limit -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l cap-add -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l cap-drop -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l security-opt -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from run' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from run' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from run' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from run' -s q
complete -c tare-image -n '__fish_seen_subcommand_from run' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from run' -s v
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from mount' -s q
complete -c tare-image -n '__fish_seen_subcommand_from mount' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from mount' -s v
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from umount' -s q
complete -c tare-image -n '__fish_seen_subcommand_from umount' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from umount' -s v
complete -c tare-image -n '__fish_seen_subcommand_from list' -l json
complete -c tare-image -n '__fish_seen_subcommand_from list' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from list' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from list' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from list' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from list' -s q
complete -c tare-image -n '__fish_seen_subcommand_from list' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from list' -s v
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l format -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l raw
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l referrers
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l artifact-type -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -s q
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from inspect' -s v
complete -c tare-image -n '__fish_seen_subcommand_from history' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from history' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from history' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from history' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from history' -s q
complete -c tare-image -n '__fish_seen_subcommand_from history' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from history' -s v
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l stat
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from diff' -s q
complete -c tare-image -n '__fish_seen_subcommand_from diff' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from diff' -s v
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from tag' -s q
complete -c tare-image -n '__fish_seen_subcommand_from tag' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from tag' -s v
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l container
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l no-gc
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from remove' -s q
complete -c tare-image -n '__fish_seen_subcommand_from remove' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from remove' -s v
complete -c tare-image -n '__fish_seen_subcommand_from save' -l format -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from save' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from save' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from save' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from save' -s q
complete -c tare-image -n '__fish_seen_subcommand_from save' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from save' -s v
complete -c tare-image -n '__fish_seen_subcommand_from load' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from load' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from load' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from load' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from load' -s q
complete -c tare-image -n '__fish_seen_subcommand_from load' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from load' -s v
complete -c tare-image -n '__fish_seen_subcommand_from import' -l author -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l message -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -s m -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l compression -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l created -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l cmd -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l entrypoint -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l env -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -s e -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l user -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -s u -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l workdir -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -s w -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l label -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from import' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from import' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from import' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from import' -s q
complete -c tare-image -n '__fish_seen_subcommand_from import' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from import' -s v
complete -c tare-image -n '__fish_seen_subcommand_from export' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from export' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from export' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from export' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from export' -s q
complete -c tare-image -n '__fish_seen_subcommand_from export' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from export' -s v
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l author -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l message -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -s m -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l compression -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l created -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l cmd -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l entrypoint -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l env -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -s e -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l user -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -s u -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l workdir -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -s w -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l label -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from commit' -s q
complete -c tare-image -n '__fish_seen_subcommand_from commit' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from commit' -s v
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l author -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l message -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -s m -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l compression -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l created -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l cmd -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l entrypoint -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l env -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -s e -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l user -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -s u -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l workdir -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -s w -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l label -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from squash' -s q
complete -c tare-image -n '__fish_seen_subcommand_from squash' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from squash' -s v
complete -c tare-image -n '__fish_seen_subcommand_from index' -l os -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l arch -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l variant -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l annotation -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l also -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from index' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from index' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from index' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from index' -s q
complete -c tare-image -n '__fish_seen_subcommand_from index' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from index' -s v
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from tags' -s q
complete -c tare-image -n '__fish_seen_subcommand_from tags' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from tags' -s v
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l artifact-type -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l annotation -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from attach' -s q
complete -c tare-image -n '__fish_seen_subcommand_from attach' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from attach' -s v
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l artifact-type -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -s q
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from referrers' -s v
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l key -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from sign' -s q
complete -c tare-image -n '__fish_seen_subcommand_from sign' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from sign' -s v
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from gc' -s q
complete -c tare-image -n '__fish_seen_subcommand_from gc' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from gc' -s v
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l unused-for -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l all
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l dry-run
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from prune' -s q
complete -c tare-image -n '__fish_seen_subcommand_from prune' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from prune' -s v
complete -c tare-image -n '__fish_seen_subcommand_from check' -l repair
complete -c tare-image -n '__fish_seen_subcommand_from check' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from check' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from check' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from check' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from check' -s q
complete -c tare-image -n '__fish_seen_subcommand_from check' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from check' -s v
complete -c tare-image -n '__fish_seen_subcommand_from login' -l username -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -s u -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l password-stdin
complete -c tare-image -n '__fish_seen_subcommand_from login' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from login' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from login' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from login' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from login' -s q
complete -c tare-image -n '__fish_seen_subcommand_from login' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from login' -s v
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l root -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l platform -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l plain-http
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l ca-file -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l client-cert -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l client-key -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l auth-file -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l hosts-dir -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l registries-conf -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l policy -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l parallel -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l connections -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l timeout -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l min-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l retries -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l max-layer-bytes -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l max-ratio -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l max-entries -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l foreign-urls
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l progress -r
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l quiet
complete -c tare-image -n '__fish_seen_subcommand_from logout' -s q
complete -c tare-image -n '__fish_seen_subcommand_from logout' -l verbose
complete -c tare-image -n '__fish_seen_subcommand_from logout' -s v

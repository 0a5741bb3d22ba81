"""The archive that the kernel unpacks as its first root: Documentation/driver-api/early-userspace/buffer-format.rst."""


def archive(files, directories=()):
    """`files` are (path, mode, content); the directories that they are in are made, too."""
    entries = {}
    for path, mode, content in [*((path, None, b"") for path in directories), *files]:
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            entries.setdefault("/".join(parts[:depth]), (0o40755, b""))
        entries["/".join(parts)] = (0o40755, b"") if mode is None else (0o100000 | mode, content)
    out = [entry(number, name, *rest) for number, (name, rest) in enumerate(entries.items(), 1)]
    return b"".join(out) + entry(0, "TRAILER!!!", 0, b"")


def entry(number, name, mode, content):
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name.encode()) + 1, 0)
    head = ("070701" + "%08x" * 13 % fields + name).encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)

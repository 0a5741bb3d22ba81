//! Overlays: their options one at a time by fsconfig(2), and their directories by descriptors.

use kernel::Fd;
use kernel::file::{self, open};
use kernel::mount::{self, flags};

use super::{c_string, path_of};

/// Longest value of fsconfig(2).
const LONGEST_VALUE: usize = 255;

/// The flags of mount(2) that are a file system's, as fsconfig(2) knows them.
const FLAGS: [(u64, &str); 5] = [
    (flags::RDONLY, "ro"),
    (flags::SYNCHRONOUS, "sync"),
    (flags::DIRSYNC, "dirsync"),
    (flags::MANDLOCK, "mand"),
    (flags::LAZYTIME, "lazytime"),
];

pub(super) fn open_directory(path: &str) -> kernel::Result<Fd> {
    file::open_at(
        file::HERE,
        &c_string(path)?,
        open::PATH | open::DIRECTORY,
        0,
    )
}

/// The directories that an option of an overlay names, each with the key by which fsconfig(2) takes it alone. Between layers
/// stands a colon, before those of which only the data are used two; a backslash makes the next character an ordinary one
/// (Documentation/filesystems/overlayfs.rst).
pub(super) fn directories_of(option: &str) -> Vec<(&'static str, String)> {
    let layers = match option.split_once('=') {
        Some(("lowerdir", layers)) => layers,
        Some(("upperdir", path)) => return vec![("upperdir", path.to_owned())],
        Some(("workdir", path)) => return vec![("workdir", path.to_owned())],
        _ => return Vec::new(),
    };
    let mut found = vec![("lowerdir+", String::new())];
    let mut characters = layers.chars();
    while let Some(character) = characters.next() {
        let last = found.len() - 1;
        match character {
            ':' if found[last].1.is_empty() => found[last].0 = "datadir+",
            ':' => found.push(("lowerdir+", String::new())),
            '\\' => found[last].1.extend(characters.next()),
            character => found[last].1.push(character),
        }
    }
    found
}

/// Whether an option names one layer by itself, as fsconfig(2) takes it.
pub(super) fn is_single_layer(option: &str) -> bool {
    option.starts_with("lowerdir+=") || option.starts_with("datadir+=")
}

/// An overlay that is mounted nowhere yet: an option, and a layer, at a time.
pub(super) fn configure(source: &str, flags: u64, data: &[String]) -> kernel::Result<Fd> {
    let context = mount::open_filesystem(c"overlay")?;
    let configure = |key: &str, value: Option<&str>| {
        let value = value.map(c_string).transpose()?;
        mount::configure(context.borrow(), &c_string(key)?, value.as_deref())
    };
    configure("source", Some(source))?;
    for (flag, name) in FLAGS {
        if flags & flag != 0 {
            configure(name, None)?;
        }
    }
    for option in data {
        let directories = directories_of(option);
        for (key, directory) in &directories {
            if directory.len() <= LONGEST_VALUE {
                configure(key, Some(directory))?;
            } else {
                let directory = open_directory(directory)?;
                configure(key, Some(&path_of(directory.borrow())))?;
            }
        }
        match option.split_once('=') {
            _ if !directories.is_empty() => {}
            Some((key, value)) => configure(key, Some(value))?,
            None => configure(option, None)?,
        }
    }
    mount::create_mount(context.borrow(), mount::attributes::of(flags))
}

/// The options with short names for all directories, which are good as long as the descriptors are open.
pub(super) fn shortened(data: &[String]) -> kernel::Result<(Vec<Fd>, Vec<String>)> {
    let (mut all, mut short) = (Vec::new(), Vec::new());
    for option in data {
        let directories = directories_of(option);
        let opened = directories.iter().map(|(_, path)| open_directory(path));
        let opened: Vec<Fd> = opened.collect::<Result<_, _>>()?;
        short.push(by_descriptors(option, &directories, &opened));
        all.extend(opened);
    }
    Ok((all, short))
}

/// An option that names these directories by their descriptors; one without directories as it is.
pub(super) fn by_descriptors(
    option: &str,
    directories: &[(&'static str, String)],
    opened: &[Fd],
) -> String {
    let mut text = String::new();
    for ((key, _), directory) in directories.iter().zip(opened) {
        text += match *key {
            key if text.is_empty() && key.ends_with('+') => "lowerdir=",
            "lowerdir+" => ":",
            "datadir+" => "::",
            "upperdir" => "upperdir=",
            _ => "workdir=",
        };
        text += &path_of(directory.borrow());
    }
    if text.is_empty() {
        text += option;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_named_one_by_one() {
        let layers = |text: &str| {
            let found = directories_of(&format!("lowerdir={text}"));
            let found: Vec<String> = found
                .iter()
                .map(|(key, path)| format!("{key}{path}"))
                .collect();
            found.join(" ")
        };
        assert_eq!(layers("/a"), "lowerdir+/a");
        assert_eq!(
            layers("/a:/b::/c::/d"),
            "lowerdir+/a lowerdir+/b datadir+/c datadir+/d"
        );
        assert_eq!(
            layers(r"/a\:b:/c\\:/d\,"),
            r"lowerdir+/a:b lowerdir+/c\ lowerdir+/d,"
        );
        assert!(directories_of("volatile").is_empty() && directories_of("index=off").is_empty());
    }
}

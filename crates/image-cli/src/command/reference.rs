//! What is written down about the command line, made of the tables of verbs and options: `docs/image/cli.md`, manual pages,
//! completions for shells. `cargo xtask dist --docs` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::line::names;
use super::{COMMANDS, Command, options, rows};

/// What the environment variable that has the files written is called.
const UPDATE: &str = "TARE_UPDATE_DOCS";
const FOLDER: &str = "docs/image";
const ABOUT: &str = "images from registries to bundles and back, without a daemon";

/// The options that only this verb has.
fn own(command: &Command) -> Vec<(&'static str, &'static str)> {
    let common: Vec<_> = rows(options::COMMON).collect();
    let mut shown = command.shown_options();
    shown.truncate(shown.len() - common.len());
    shown
}

fn page() -> String {
    let mut page = String::from(
        "# The command line of tare-image\n\n\
         <!-- Made of the tables in crates/image-cli; `cargo xtask dist --docs` writes it anew. -->\n\n\
         `tare-image VERB [OPTIONS] ARGUMENTS`\n\n\
         What images are, where they are and how they are named, is in [images.md](../images.md).\n\n\
         ## Options of all verbs\n\n",
    );
    let table = |page: &mut String, rows: &[(&str, &str)]| {
        page.push_str("| option | |\n|---|---|\n");
        for (option, about) in rows {
            let cell = |text: &str| text.replace('|', "\\|");
            let _ = writeln!(page, "| `{}` | {} |", cell(option), cell(about));
        }
    };
    table(&mut page, &rows(options::COMMON).collect::<Vec<_>>());
    for command in COMMANDS {
        let (name, usage, about) = (command.name(), command.usage(), command.about());
        let call = format!("tare-image {name} {usage}");
        let _ = write!(page, "\n## {name}\n\n{about}.\n\n`{}`\n", call.trim_end());
        let own = own(command);
        if !own.is_empty() {
            page.push('\n');
            table(&mut page, &own);
        }
    }
    page
}

/// Text as manual pages have it.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

fn head(name: &str, about: &str) -> String {
    let title = name.to_uppercase();
    let (name, about) = (roff(name), roff(about));
    format!(".TH {title} 1 \"\" \"tare\" \"User Commands\"\n.SH NAME\n{name} \\- {about}\n")
}

fn list(page: &mut String, title: &str, rows: &[(&str, &str)]) {
    if !rows.is_empty() {
        let _ = writeln!(page, ".SH {title}");
    }
    for (option, about) in rows {
        let _ = write!(page, ".TP\n.B {}\n{}\n", roff(option), roff(about));
    }
}

fn manual() -> String {
    let mut page = head("tare-image", ABOUT);
    page.push_str(
        ".SH SYNOPSIS\n.B tare\\-image\n.I verb\n[\\fIoptions\\fR] [\\fIarguments\\fR]\n",
    );
    let verbs: Vec<_> = COMMANDS
        .iter()
        .map(|c| (format!("tare-image-{}(1)", c.name()), c.about()))
        .collect();
    let verbs: Vec<_> = verbs
        .iter()
        .map(|(name, about)| (name.as_str(), *about))
        .collect();
    list(&mut page, "VERBS", &verbs);
    list(
        &mut page,
        "PLACES",
        &[
            ("docker://REFERENCE", "An image in a registry."),
            (
                "oci:PATH[:NAME]",
                "An image layout in a directory, or in an archive of one.",
            ),
            (
                "docker-archive:FILE[:REFERENCE]",
                "What docker save and podman save write.",
            ),
            ("REFERENCE", "The store; for pull, the registry."),
        ],
    );
    list(
        &mut page,
        "OPTIONS OF ALL VERBS",
        &rows(options::COMMON).collect::<Vec<_>>(),
    );
    list(
        &mut page,
        "ENVIRONMENT",
        &[
            ("TARE_IMAGE_ROOT", "Where the store is."),
            ("TARE", "The runtime that run starts."),
            ("REGISTRY_AUTH_FILE", "Where credentials are."),
        ],
    );
    page.push_str(".SH SEE ALSO\n.BR tare (8),\n.BR skopeo (1),\n.BR podman (1)\n");
    page
}

fn manual_of(command: &Command) -> String {
    let mut page = head(&format!("tare-image-{}", command.name()), command.about());
    let (name, usage) = (roff(command.name()), roff(command.usage()));
    let _ = write!(
        page,
        ".SH SYNOPSIS\n.B tare\\-image {name}\n[\\fIoptions\\fR] {usage}\n"
    );
    list(&mut page, "OPTIONS", &own(command));
    page.push_str(".SH SEE ALSO\n.BR tare\\-image (1),\nwhich has the options of all verbs\n");
    page
}

/// All names of options of a verb, with whether they take a value.
fn flags(command: &Command) -> Vec<(&'static str, bool)> {
    let shown = command.shown_options();
    let all = shown.into_iter().flat_map(|(option, _)| {
        let (names, kind) = names(option);
        names.into_iter().map(move |name| (name, !kind.is_empty()))
    });
    all.filter(|(name, _)| *name != "--max-LIMIT").collect()
}

fn bash() -> String {
    let verbs: Vec<_> = COMMANDS.iter().map(|c| c.name()).collect();
    let mut words = String::new();
    for command in COMMANDS {
        let names: Vec<_> = flags(command).into_iter().map(|(name, _)| name).collect();
        let _ = writeln!(
            words,
            "        {}) words=\"{}\" ;;",
            command.name(),
            names.join(" ")
        );
    }
    format!(
        "# bash completion for tare-image(1). Made of the tables in crates/image-cli.\n\
         _tare_image() {{\n    local current=${{COMP_WORDS[COMP_CWORD]}} words=\n    COMPREPLY=()\n    \
         if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W \"{}\" -- \"$current\"))\n        return\n    fi\n    \
         case \"${{COMP_WORDS[1]}}\" in\n{words}    esac\n    \
         if [[ $current == -* ]]; then\n        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n    \
         else\n        COMPREPLY=($(compgen -W \"$(tare-image list 2>/dev/null | cut -d' ' -f1)\" -- \"$current\") $(compgen -f -- \"$current\"))\n    fi\n}}\n\
         complete -o filenames -F _tare_image tare-image\n",
        verbs.join(" ")
    )
}

fn fish() -> String {
    let mut script = String::from(
        "# fish completion for tare-image(1). Made of the tables in crates/image-cli.\n",
    );
    for command in COMMANDS {
        let (name, about) = (command.name(), command.about());
        let about = about.replace('\'', "\\'");
        let _ = writeln!(
            script,
            "complete -c tare-image -n __fish_use_subcommand -a {name} -d '{about}'"
        );
    }
    for command in COMMANDS {
        for (option, value) in flags(command) {
            let shape = match option.strip_prefix("--") {
                Some(long) => format!("-l {long}"),
                None => format!("-s {}", option.trim_start_matches('-')),
            };
            let more = if value { " -r" } else { "" };
            let name = command.name();
            let _ = writeln!(
                script,
                "complete -c tare-image -n '__fish_seen_subcommand_from {name}' {shape}{more}"
            );
        }
    }
    script
}

fn zsh() -> String {
    let quote = |text: &str| text.replace('\'', "'\\''").replace(':', "\\:");
    let mut script = String::from(
        "#compdef tare-image\n# zsh completion for tare-image(1). Made of the tables in crates/image-cli.\n\
         local -a verbs\nverbs=(\n",
    );
    for command in COMMANDS {
        let (name, about) = (command.name(), command.about());
        let _ = writeln!(script, "  '{name}:{}'", quote(about));
    }
    script.push_str(")\nif ((CURRENT == 2)); then\n  _describe verb verbs\n  return\nfi\n");
    script.push_str("if [[ $PREFIX != -* ]]; then\n  _files\n  return\nfi\ncase ${words[2]} in\n");
    for command in COMMANDS {
        let all: Vec<_> = flags(command).into_iter().map(|(name, _)| name).collect();
        let _ = writeln!(
            script,
            "  {}) compadd -- {} ;;",
            command.name(),
            all.join(" ")
        );
    }
    script.push_str("esac\n");
    script
}

fn files() -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut add = |path: String, text: String| files.insert(Path::new(FOLDER).join(path), text);
    add("cli.md".into(), page());
    add("man/tare-image.1".into(), manual());
    for command in COMMANDS {
        add(
            format!("man/tare-image-{}.1", command.name()),
            manual_of(command),
        );
    }
    add("completions/tare-image.bash".into(), bash());
    add("completions/_tare-image".into(), zsh());
    add("completions/tare-image.fish".into(), fish());
    files
}

#[test]
fn the_files_are_current() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = files();
    if std::env::var_os(UPDATE).is_some() {
        let _ = std::fs::remove_dir_all(workspace.join(FOLDER));
        for (path, text) in &files {
            let path = workspace.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    for (path, text) in &files {
        let written = std::fs::read_to_string(workspace.join(path)).unwrap_or_default();
        assert!(
            written == *text,
            "{} is out of date: cargo xtask dist --docs",
            path.display()
        );
    }
    for folder in ["man", "completions"] {
        for entry in std::fs::read_dir(workspace.join(FOLDER).join(folder)).unwrap() {
            let path = Path::new(FOLDER)
                .join(folder)
                .join(entry.unwrap().file_name());
            assert!(files.contains_key(&path), "{} is of no use", path.display());
        }
    }
}

#[test]
fn rows_are_whole_and_names_are_unique() {
    for command in COMMANDS {
        for table in command.0 {
            let lines = table.lines().filter(|line| !line.is_empty());
            assert_eq!(lines.count(), rows(table).count(), "{table}");
        }
        assert!(!command.name().is_empty());
        let mut seen = std::collections::BTreeSet::new();
        for (option, about) in command.all_options() {
            let (names, kind) = names(option);
            assert!(
                !names.is_empty() && !about.is_empty() && !about.ends_with('.'),
                "{option}"
            );
            assert!(kind.is_empty() || option.ends_with(kind), "{option}");
            for name in names {
                // A short name of the verb's own comes before one of all verbs.
                assert!(
                    seen.insert(name) || name.len() == 2,
                    "{} has {name} twice",
                    command.name()
                );
            }
        }
    }
}

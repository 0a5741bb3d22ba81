//! The completions, in the shells that they are for.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers fail, and are skipped, as the test does"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A line up to the cursor; what must be proposed, and what must not.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    ("tare cr", &["create"], &["run", "--root"]),
    ("tare ", &["check", "create", "update"], &["web"]),
    (
        "tare --lo",
        &["--log", "--log-format"],
        &["--root", "create"],
    ),
    ("tare --log-format ", &["text", "json"], &["create"]),
    ("tare --log fi", &["file1"], &["folder1"]),
    (
        "tare --debug create --bu",
        &["--bundle"],
        &["--pid-file", "--root"],
    ),
    ("tare create --bundle f", &["folder1"], &["file1"]),
    ("tare list --format ", &["table", "json"], &["text"]),
    ("tare list --format=j", &["json"], &["table"]),
    ("tare --root store state ", &["db", "web"], &["create"]),
    ("tare --root store start w", &["web"], &["db"]),
    ("tare --root store state web ", &[], &["db", "web"]),
    ("tare --root store kill web TE", &["TERM"], &["web", "KILL"]),
    ("tare --root store delete --force w", &["web"], &["db"]),
    (
        "tare --root store exec --user 0 ",
        &["db", "web"],
        &["create"],
    ),
    (
        "tare --root store exec --user 0 web --",
        &[],
        &["--user", "--root"],
    ),
    (
        "tare update --memory 1g --cpu-i",
        &["--cpu-idle"],
        &["--memory"],
    ),
    ("tare help up", &["update"], &["run"]),
    ("tare check f", &["folder1"], &["file1"]),
    ("tare --root store update ", &["db", "web"], &["file1"]),
];

/// A directory with things to propose, and the program in the path.
struct Scene(PathBuf);

impl Scene {
    fn new(shell: &str) -> Option<Scene> {
        if Command::new(shell).arg("--version").output().is_err() {
            eprintln!("skipped: {shell} is not installed");
            return None;
        }
        let name = format!("tare-completion-{shell}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        for folder in ["store/web", "store/db", "folder1"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        // A folder with a record is a container.
        for file in ["store/web/state.json", "store/db/state.json", "file1"] {
            fs::write(path.join(file), "").unwrap();
        }
        Some(Scene(path))
    }

    /// What the shell, called with these arguments, prints about a line: words, one on each line.
    fn ask(&self, shell: &str, arguments: &[&str], line: &str) -> Vec<String> {
        let own = Path::new(env!("CARGO_BIN_EXE_tare")).parent().unwrap();
        let output = Command::new(shell)
            .args(arguments)
            .current_dir(&self.0)
            .env("PATH", format!("{}:/usr/bin:/bin", own.display()))
            .env("HOME", &self.0)
            .env("TERM", "dumb")
            .env("LINE", line)
            .env("FOLDER", folder())
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.is_empty(), "{shell}: {line}: {said}");
        let text = String::from_utf8(output.stdout).unwrap();
        let word = |line: &str| {
            let word = line.split('\t').next().unwrap_or_default();
            word.trim_end_matches(['/', '=', ' ']).to_owned()
        };
        text.lines()
            .map(word)
            .filter(|word| !word.is_empty())
            .collect()
    }

    fn check(&self, shell: &str, arguments: &[&str]) {
        for (line, wanted, unwanted) in CASES {
            let found = self.ask(shell, arguments, line);
            // With --name=value, a shell may propose the whole word.
            let has = |word: &&str| {
                found
                    .iter()
                    .any(|one| one == word || one.ends_with(&format!("={word}")))
            };
            let missing: Vec<_> = wanted.iter().filter(|word| !has(word)).collect();
            let wrong: Vec<_> = unwanted.iter().filter(|word| has(word)).collect();
            assert!(
                missing.is_empty() && wrong.is_empty(),
                "{shell}: {line:?}: missing {missing:?}, wrong {wrong:?} in {found:?}"
            );
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/completions")
}

/// Splits the line as bash does for completion (COMP_WORDBREAKS): at spaces, and at `=`.
const BASH: &str = r#"
source "$FOLDER/tare.bash"
[[ $(complete -p tare) == "complete -F _tare tare" ]] || exit
spaced=${LINE//=/ = }
read -ra COMP_WORDS <<<"$spaced"
[[ $LINE == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_tare
printf '%s\n' "${COMPREPLY[@]}"
"#;

#[test]
fn bash() {
    if let Some(scene) = Scene::new("bash") {
        scene.check("bash", &["--norc", "-c", BASH]);
    }
}

#[test]
fn fish() {
    if let Some(scene) = Scene::new("fish") {
        let script = "source $FOLDER/tare.fish; complete -C $LINE";
        scene.check("fish", &["--no-config", "-c", script]);
    }
}

/// An interactive shell on a terminal of its own, to which the line and a tab are sent; what would be proposed is written to
/// a file.
const ZSH: &str = r#"
zmodload zsh/zpty
rm -f ready answer
cat >inner.zsh <<'END'
PS1= PS2=
fpath=($FOLDER $fpath)
autoload -Uz compinit
compinit -u -d ./dump
compadd() {
    local -a found
    # With one of these it only looks.
    if [[ " $* " != *' -'[OAD]' '* && $1 != -[OAD]* ]]; then
        builtin compadd -A found "$@"
        print -rl -- $found >>answer
    fi
    builtin compadd "$@"
}
finish() { print -r -- '#' >>answer }
comppostfuncs=(finish)
: >ready
END
zpty shell zsh -f -i
zpty -w shell 'source ./inner.zsh'
for i in {1..1000}; do [[ -e ready ]] && break; sleep 0.02; done
zpty -n -w shell "$LINE"$'\t'
for i in {1..1000}; do [[ -e answer && $(<answer) == *'#' ]] && break; sleep 0.02; done
zpty -d shell
grep -v '^#' answer
"#;

#[test]
fn zsh() {
    if let Some(scene) = Scene::new("zsh") {
        scene.check("zsh", &["-f", "-c", ZSH]);
    }
}

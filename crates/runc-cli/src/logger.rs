//! Where warnings and errors go, and in which form: the text lines or JSON lines that engines read.
//!
//! Both forms are those of Go's logrus package, because containerd, dockerd, podman and conmon parse them: `level` and
//! `msg` in lower case, one record a line, written by one call so that records of several processes do not mix.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::failure::Failure;
use crate::time::rfc3339;

/// The shape of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// `time="…" level=error msg="…"`
    #[default]
    Text,
    /// `{"level":"error","msg":"…","time":"…"}`
    Json,
}

/// What the global flags say about the log.
#[derive(Debug, Default)]
struct Settings {
    /// `None`: standard error.
    file: Option<File>,
    format: Format,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

struct Logger;

/// Until [`set_up`] is called, records go to standard error as text.
fn settings() -> &'static Settings {
    static DEFAULT: Settings = Settings {
        file: None,
        format: Format::Text,
    };
    SETTINGS.get().unwrap_or(&DEFAULT)
}

/// Takes over the log. Called once, when the global flags are known.
pub(crate) fn set_up(file: Option<&Path>, format: Format, debug: bool) -> Result<(), Failure> {
    let opened = file.map(|path| {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        // Whatever the caller's umask is, others must not write what engines read.
        let opened = options.mode(0o644).open(path);
        opened.map_err(|error| {
            let mut failure = Failure::io(&format!("open {}", path.display()), &error);
            failure.message += " (--log)";
            failure
        })
    });
    // Also for the message that the file could not be opened.
    let (file, failed) = match opened.transpose() {
        Ok(file) => (file, None),
        Err(failure) => (None, Some(failure)),
    };
    let _ = SETTINGS.set(Settings { file, format });
    if let Some(failure) = failed {
        return Err(failure);
    }
    let _ = log::set_logger(&Logger);
    log::set_max_level(if debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    });
    Ok(())
}

/// Writes the failure that ends the program to the log and, when that is a file, to standard error too.
pub(crate) fn fatal(failure: &Failure) {
    let format = settings().format;
    // In text the message names them all already; JSON gives them names.
    let fields = match format {
        Format::Text => &[],
        Format::Json => failure.fields.as_slice(),
    };
    let now = SystemTime::now();
    write_line(&line(format, Level::Error, &failure.message, now, fields));
    if settings().file.is_some() {
        to_standard_error(&format!("{}\n", failure.message));
    }
}

/// Says that there is no memory, without any, and ends the program.
pub(crate) fn out_of_memory() -> ! {
    const TEXT: &str = "level=error msg=\"out of memory\"\n";
    const JSON: &str = "{\"level\":\"error\",\"msg\":\"out of memory\"}\n";
    write_line(match settings().format {
        Format::Text => TEXT,
        Format::Json => JSON,
    });
    if settings().file.is_some() {
        to_standard_error("out of memory\n");
    }
    kernel::process::exit(1)
}

/// Writes to standard error; there is nobody left to tell when that fails.
pub(crate) fn to_standard_error(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut fields = Vec::new();
        if log::max_level() >= LevelFilter::Debug {
            fields.push(("func", record.module_path().unwrap_or_default().to_owned()));
            if let (Some(file), Some(line)) = (record.file(), record.line()) {
                let name = file.rsplit('/').next().unwrap_or(file);
                fields.push(("file", format!("{name}:{line}")));
            }
        }
        let message = record.args().to_string();
        write_line(&line(
            settings().format,
            record.level(),
            &message,
            SystemTime::now(),
            &fields,
        ));
    }

    fn flush(&self) {}
}

fn write_line(line: &str) {
    match &settings().file {
        Some(file) => {
            if let Err(error) = (&mut &*file).write_all(line.as_bytes()) {
                let why = Failure::io("write the log (--log)", &error).message;
                to_standard_error(&format!("{why}: {line}"));
            }
        }
        None => to_standard_error(line),
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// One record with its newline.
fn line(
    format: Format,
    level: Level,
    message: &str,
    time: SystemTime,
    fields: &[(&'static str, String)],
) -> String {
    let mut line = String::with_capacity(128 + message.len());
    let (level_name, time) = (level_name(level), rfc3339(time));
    match format {
        Format::Text => {
            let _ = write!(line, "time=\"{time}\" level={level_name} msg=");
            push_word(&mut line, message);
            for (name, value) in fields {
                let _ = write!(line, " {name}=");
                push_word(&mut line, value);
            }
        }
        Format::Json => {
            let _ = write!(line, "{{\"level\":\"{level_name}\",\"msg\":");
            push_quoted(&mut line, message);
            let _ = write!(line, ",\"time\":\"{time}\"");
            for (name, value) in fields {
                let _ = write!(line, ",\"{name}\":");
                push_quoted(&mut line, value);
            }
            line.push('}');
        }
    }
    line.push('\n');
    line
}

/// A value of a text line: bare when nothing in it could be mistaken for the next key.
fn push_word(line: &mut String, text: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if text.chars().all(plain) {
        line.push_str(text);
    } else {
        push_quoted(line, text);
    }
}

/// A quoted string with the escapes that JSON and Go's `%q` have in common.
pub(crate) fn push_quoted(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(line, "\\u{:04x}", c as u32);
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn sample(format: Format, message: &str, fields: &[(&'static str, String)]) -> String {
        let time = UNIX_EPOCH + Duration::from_secs(1_795_255_294);
        line(format, Level::Error, message, time, fields)
    }

    #[test]
    fn text_quotes_what_needs_it() {
        let file = [("file", "create.rs:7".to_owned())];
        for (message, fields, expected) in [
            ("a \"b\"\n", &[][..], r#"msg="a \"b\"\n""#),
            ("plain", &[], "msg=plain"),
            ("", &[], "msg="),
            ("a=b", &file, r#"msg="a=b" file="create.rs:7""#),
        ] {
            let line = sample(Format::Text, message, fields);
            let start = "time=\"2026-11-21T10:01:34Z\" level=error ";
            assert_eq!(line, format!("{start}{expected}\n"));
        }
    }

    #[test]
    fn json_puts_what_engines_read_first() {
        let fields = [("call", "mount".to_owned()), ("errno", "EPERM".to_owned())];
        let line = sample(Format::Json, "tab\tnul\0 ü", &fields);
        assert_eq!(
            line,
            "{\"level\":\"error\",\"msg\":\"tab\\tnul\\u0000 ü\",\"time\":\"2026-11-21T10:01:34Z\",\
             \"call\":\"mount\",\"errno\":\"EPERM\"}\n"
        );
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["msg"], "tab\tnul\0 ü");
    }
}

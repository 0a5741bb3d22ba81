//! Writing settings.

use std::path::PathBuf;

use kernel::Errno;

use super::{Group, make};
use crate::dir::{number, read_path};
use crate::setting::{Missing, Old, Setting, When};
use crate::{Error, Settings};

/// What a file held before it was written, in the form in which it is put back.
pub(crate) struct Before {
    location: usize,
    file: String,
    /// Which line of it; empty when it has one value.
    key: String,
    value: String,
    /// Whether it has been overwritten.
    written: bool,
}

impl Before {
    /// Whether a write of this setting to this file overwrites it.
    fn is_of(&self, setting: &Setting, file: &str) -> bool {
        (self.location, &*self.file, &*self.key) == (setting.location, file, setting.old.key())
    }
}

impl Group {
    /// What has to be in place before anything enters.
    pub(crate) fn apply_early(&mut self, settings: &Settings) -> Result<(), Error> {
        self.write_all(settings, |setting| setting.when == When::Early, None)?;
        match self.devices_are_early {
            true => self.limit_devices(settings),
            false => Ok(()),
        }
    }

    /// Applies the settings that were held back: limits that the runtime itself might not fit in. Called at the last
    /// moment before the user's program.
    ///
    /// # Errors
    /// Whatever the kernel refuses, with the property that asked for it.
    pub fn restrict(&self, settings: &Settings) -> Result<(), Error> {
        self.write_all(settings, |setting| setting.when == When::Late, None)
    }

    /// Changes what the settings ask for and nothing else; see [`Group::complete`] for what to do before. When the kernel
    /// refuses one of them, those written before get their old values back.
    ///
    /// # Errors
    /// What was refused; [`Error::HalfUpdated`] if the old values were refused as well.
    pub fn update(&self, settings: &Settings) -> Result<(), Error> {
        if self.is_none() && !settings.is_empty() {
            return Err(Error::None("change its limits"));
        }
        self.check_usage(settings)?;
        let mut before = self.note_all(settings)?;
        let written = self
            .write_all(settings, |_| true, Some(&mut before))
            .and_then(|()| match settings.devices.given {
                true => self.update_devices(&settings.devices),
                false => Ok(()),
            })
            .and_then(|()| self.update_unit(settings));
        let Err(error) = written else {
            return Ok(());
        };
        match self.put_back(before) {
            Ok(()) => Err(error),
            Err(restoring) => Err(Error::HalfUpdated {
                source: Box::new(error),
                restoring: restoring.to_string(),
            }),
        }
    }

    pub(crate) fn write_all(
        &self,
        settings: &Settings,
        which: impl Fn(&Setting) -> bool,
        mut before: Option<&mut Vec<Before>>,
    ) -> Result<(), Error> {
        let mut again = Vec::new();
        for setting in settings.list.iter().filter(|setting| which(setting)) {
            match self.write_one(setting, before.as_deref_mut()) {
                Err(error) if setting.again && error.is(Errno::EINVAL) => again.push(setting),
                result => result.map_err(|error| self.explain(setting, error))?,
            }
        }
        // In reverse: what was refused because of a later one may itself be needed by an earlier one.
        for setting in again.into_iter().rev() {
            self.write_one(setting, before.as_deref_mut())
                .map_err(|error| self.explain(setting, error))?;
        }
        Ok(())
    }

    fn write_one(
        &self,
        setting: &Setting,
        mut before: Option<&mut Vec<Before>>,
    ) -> Result<(), Error> {
        let Some(dir) = &self.dirs[setting.location] else {
            return Err(Error::None("apply a limit"));
        };
        let value = if setting.keep_first {
            let present = dir.read(&setting.file)?;
            let (first, rest) = (
                present.split_whitespace().next(),
                setting.value.split_once(' '),
            );
            match (first, rest) {
                (Some(first), Some((_, rest))) => format!("{first} {rest}"),
                _ => setting.value.clone(),
            }
        } else {
            setting.value.clone()
        };
        match self.write_noted(setting, &setting.file, &value, before.as_deref_mut()) {
            Err(error) if error.is(Errno::ENOENT) => {}
            // A file of v1 that is there for the sake of old programs only.
            Err(error)
                if error.is(Errno::EOPNOTSUPP)
                    && matches!(setting.missing, Missing::Fine | Missing::Warn) => {}
            result => return result,
        }
        match &setting.missing {
            Missing::Fine => Ok(()),
            Missing::Warn => {
                let why = "this kernel has no such limit any more; it is left out";
                self.warn(&setting.at, why);
                Ok(())
            }
            Missing::Else(file, value) => {
                match self.write_noted(setting, file, value, before.as_deref_mut()) {
                    Err(error) if error.is(Errno::ENOENT) => {
                        self.enable_and_write(setting, file, value, before)
                    }
                    result => result,
                }
            }
            Missing::Fail => self.enable_and_write(setting, &setting.file, &value, before),
        }
    }

    /// What all files hold that are going to be written. It is read before anything is written, because some values
    /// reset others: a new general weight those of single devices.
    fn note_all(&self, settings: &Settings) -> Result<Vec<Before>, Error> {
        let mut before: Vec<Before> = Vec::new();
        for setting in &settings.list {
            let other = match &setting.missing {
                Missing::Else(file, _) => Some(*file),
                _ => None,
            };
            for file in std::iter::once(&*setting.file).chain(other) {
                if !before.iter().any(|known| known.is_of(setting, file)) {
                    before.extend(self.note(setting, file)?);
                }
            }
        }
        Ok(before)
    }

    /// `None` for a file that is not there, or can only be written.
    fn note(&self, setting: &Setting, file: &str) -> Result<Option<Before>, Error> {
        let Some(dir) = self.dirs[setting.location].as_ref() else {
            return Ok(None);
        };
        let content = match dir.read_if_there(file) {
            Err(error) if error.is(Errno::EINVAL) => None,
            content => content?,
        };
        let value = content.and_then(|content| old_value(&setting.old, &content));
        Ok(value.map(|value| Before {
            location: setting.location,
            file: file.to_owned(),
            key: setting.old.key().to_owned(),
            value,
            written: false,
        }))
    }

    /// Writes, and remembers it in the notes.
    fn write_noted(
        &self,
        setting: &Setting,
        file: &str,
        value: &str,
        before: Option<&mut Vec<Before>>,
    ) -> Result<(), Error> {
        let Some(dir) = &self.dirs[setting.location] else {
            return Ok(());
        };
        dir.write(file, value)?;
        let mut notes = before.into_iter().flatten();
        if let Some(note) = notes.find(|note| note.is_of(setting, file)) {
            note.written = true;
        }
        Ok(())
    }

    /// The file is missing: on v2 the controller may only need to be enabled.
    fn enable_and_write(
        &self,
        setting: &Setting,
        file: &str,
        value: &str,
        mut before: Option<&mut Vec<Before>>,
    ) -> Result<(), Error> {
        let location = &self.place.locations[setting.location];
        let Some(dir) = &self.dirs[setting.location] else {
            return Ok(());
        };
        if location.is_unified() && setting.controller != "cgroup" {
            make::enable_one(location, dir)?;
            if let Some(before) = &mut before {
                before.extend(self.note(setting, file)?);
            }
            match self.write_noted(setting, file, value, before) {
                Err(error) if error.is(Errno::ENOENT) => {}
                result => return result,
            }
        }
        Err(self.no_controller(setting, dir.path().to_owned()))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "words of a message, which go without what cannot be seen"
    )]
    fn no_controller(&self, setting: &Setting, path: PathBuf) -> Error {
        let location = &self.place.locations[setting.location];
        let list = |path: &std::path::Path| {
            let list = crate::dir::read_path(&path.join("cgroup.controllers")).unwrap_or_default();
            list.split_whitespace()
                .any(|name| name == setting.controller)
        };
        let why = if !location.is_unified() || list(&path) {
            format!("this kernel has no {}", setting.file)
        } else if !list(&location.mount) {
            "the host does not have it".to_owned()
        } else {
            "it cannot be enabled here: a cgroup above holds processes, is threaded, or was not delegated".to_owned()
        };
        Error::Controller {
            controller: setting.controller.to_string(),
            path,
            why,
        }
    }

    /// Adds what the kernel's error number does not say.
    #[expect(
        clippy::disallowed_methods,
        reason = "words of a message, which go without what cannot be seen"
    )]
    fn explain(&self, setting: &Setting, error: Error) -> Error {
        let error = match &*setting.file {
            "cpuset.cpus" | "cpuset.mems" => self.with_present(setting, error),
            _ => error,
        };
        let usage = match (&*setting.file, &self.dirs[setting.location]) {
            ("memory.limit_in_bytes", Some(dir)) if error.is(Errno::EBUSY) => {
                let number = |file| dir.read(file).map(|text| text.trim().to_owned());
                let current = number("memory.usage_in_bytes").ok();
                current.zip(number("memory.max_usage_in_bytes").ok())
            }
            _ => None,
        };
        match (error, usage) {
            (Error::File { doing, path, fault }, Some((current, peak))) => Error::File {
                doing: format!(
                    "unable to set memory limit to {} (current usage: {current}, peak usage: {peak}): {doing}",
                    setting.value
                ),
                path,
                fault,
            },
            (error, _) => error,
        }
        .at(&setting.at)
    }

    /// A list of processors or memory nodes that was refused, with those that there are for this cgroup: the effective ones
    /// of the directory above.
    fn with_present(&self, setting: &Setting, error: Error) -> Error {
        let Error::File { doing, path, fault } = error else {
            return error;
        };
        let kind = setting.file.trim_start_matches("cpuset.");
        let above = path.parent().and_then(std::path::Path::parent);
        let names = [
            format!("cpuset.{kind}.effective"),
            format!("cpuset.effective_{kind}"),
        ];
        let present = above.and_then(|above| {
            // A hint that cannot be read is left out: the error is there already.
            names
                .iter()
                .find_map(|name| match read_path(&above.join(name)) {
                    Ok(text) => Some(text.trim().to_owned()),
                    Err(_) => None,
                })
        });
        let doing = match present {
            Some(present) => format!("of {:?} only {present} can be used: {doing}", setting.value),
            None => doing,
        };
        Error::File { doing, path, fault }
    }

    /// In the order in which they were written: a general weight resets those of single devices.
    fn put_back(&self, before: Vec<Before>) -> Result<(), Error> {
        let mut failed = Ok(());
        let mut again = Vec::new();
        for old in before.into_iter().filter(|old| old.written) {
            let Some(dir) = &self.dirs[old.location] else {
                continue;
            };
            // As on the way there, one may have to wait for another.
            if let Err(error) = dir.write(&old.file, &old.value) {
                log::debug!("again later: {error}");
                again.push(old);
            }
        }
        for old in again {
            if let Some(dir) = &self.dirs[old.location] {
                failed = dir.write(&old.file, &old.value).and(failed);
            }
        }
        failed
    }

    /// `checkBeforeUpdate`: the kernel would not refuse a limit below the use but kill to reach it.
    fn check_usage(&self, settings: &Settings) -> Result<(), Error> {
        let Some(check) = &settings.check else {
            return Ok(());
        };
        let Some(dir) = &self.dirs[check.location] else {
            return Ok(());
        };
        // Without the file nothing is counted, as for swap where there is none.
        let number = |file: &str| match dir.read_if_there(file)? {
            Some(text) => number::<u64>(&dir.path().join(file), &text),
            None => Ok(0),
        };
        let unified = self.place.locations[check.location].is_unified();
        let (memory, total) = if unified {
            let memory = number("memory.current")?;
            let swap = number("memory.swap.current")?;
            (memory, memory.saturating_add(swap))
        } else {
            let total = number("memory.memsw.usage_in_bytes")?;
            (number("memory.usage_in_bytes")?, total)
        };
        for (what, limit, usage) in [
            ("memory", check.memory, memory),
            ("memory+swap", check.total, total),
        ] {
            if let Some(limit) = limit.filter(|&limit| limit < usage) {
                return Err(Error::BelowUsage { what, limit, usage }.at(&check.at));
            }
        }
        Ok(())
    }
}

fn old_value(old: &Old, content: &str) -> Option<String> {
    let content = content.trim_end();
    match old {
        Old::Content => Some(content.to_owned()),
        Old::Line { key, absent } => {
            let line = content
                .lines()
                .find(|line| line.split_whitespace().next() == Some(key));
            Some(line.unwrap_or(absent).to_owned())
        }
        Old::Word(name) => {
            let mut words = content.split_whitespace();
            words.find(|word| word == name)?;
            words.next().map(str::to_owned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_values_are_taken_from_the_form_of_the_file() {
        let line = Old::Line {
            key: "8:0".into(),
            absent: "8:0 max".into(),
        };
        assert_eq!(
            old_value(&line, "7:0 a=1\n8:0 a=2 b=3\n").unwrap(),
            "8:0 a=2 b=3"
        );
        assert_eq!(old_value(&line, "").unwrap(), "8:0 max");
        assert_eq!(
            old_value(&Old::Content, "max 100000\n").unwrap(),
            "max 100000"
        );
        let word = Old::Word("oom_kill_disable");
        assert_eq!(
            old_value(&word, "oom_kill_disable 0\nunder_oom 1\n").unwrap(),
            "0"
        );
        assert_eq!(old_value(&word, "x"), None);
    }
}

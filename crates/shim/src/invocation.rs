//! How containerd calls the shim: flags as Go's programs have them, then an action; and variables of the environment.

use std::ffi::OsString;

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) namespace: String,
    pub(crate) id: String,
    /// containerd's socket for gRPC.
    pub(crate) address: String,
    pub(crate) bundle: String,
    /// The daemon's own socket.
    pub(crate) socket: String,
    pub(crate) version: bool,
    pub(crate) info: bool,
    /// `start`, `delete`; none for the daemon.
    pub(crate) action: String,
}

impl Invocation {
    /// Reads `-flag value`, `-flag=value`, with one dash or two.
    ///
    /// # Errors
    /// A flag that is not known, or one without its value.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, String> {
        let mut invocation = Invocation::default();
        let mut words = words
            .into_iter()
            .map(|word| word.to_string_lossy().into_owned());
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                invocation.action = word;
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let switch = || value.as_deref().is_none_or(|value| value == "true");
            match name {
                "v" => invocation.version = switch(),
                "info" => invocation.info = switch(),
                "debug" => drop(switch()),
                _ => {
                    let place = invocation.place(name)?;
                    let missing = || format!("-{name} needs a value");
                    let value = value.or_else(|| words.next()).ok_or_else(missing)?;
                    if let Some(place) = place {
                        *place = value;
                    }
                }
            }
        }
        Ok(invocation)
    }

    fn place(&mut self, name: &str) -> Result<Option<&mut String>, String> {
        Ok(Some(match name {
            "namespace" => &mut self.namespace,
            "id" => &mut self.id,
            "address" => &mut self.address,
            "bundle" => &mut self.bundle,
            "socket" => &mut self.socket,
            // Events go by the socket.
            "publish-binary" => return Ok(None),
            _ => return Err(format!("flag -{name} is not known")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Invocation, String> {
        Invocation::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn as_containerd_calls() {
        let invocation = parse("-namespace default -address /run/c.sock -publish-binary /usr/bin/containerd -id one -debug start")
            .expect("an invocation");
        assert_eq!(
            (&*invocation.namespace, &*invocation.id, &*invocation.action),
            ("default", "one", "start")
        );
        assert!(parse("-v").expect("an invocation").version);
        assert_eq!(parse("--id=x -info=false").expect("an invocation").id, "x");
        assert_eq!(parse("-id"), Err("-id needs a value".to_owned()));
        assert_eq!(
            parse("-speed 9"),
            Err("flag -speed is not known".to_owned())
        );
    }
}

//! A connection to a manager: systemd's private socket where we may use it, else the bus.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::message::{Call, Malformed, Message, Reader, Writer, kind};
use crate::patience::Patience;

/// How long systemd may take for one answer or one job.
const PATIENCE: Duration = Duration::from_secs(30);

/// What of it counts at most between two looks.
const STEP: Duration = Duration::from_millis(100);

pub(super) const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// What went wrong between us and systemd.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// There is no socket that can be connected.
    #[error(
        "cannot connect to systemd: {0} (where systemd does not run, make cgroups without it: leave out --systemd-cgroup)"
    )]
    Connect(String),
    /// The connection broke.
    #[error("the connection to systemd broke: {0}")]
    Broken(String),
    /// systemd did not answer in time.
    #[error("systemd did not {doing} within {} s", PATIENCE.as_secs())]
    TimeOut {
        /// What was waited for.
        doing: String,
    },
    /// systemd refused.
    #[error("systemd refused to {doing}: {text} ({name})")]
    Refused {
        /// What was asked for.
        doing: String,
        /// The error's name, such as `org.freedesktop.systemd1.UnitExists`.
        name: String,
        /// In systemd's words.
        text: String,
    },
    /// A job did not end well.
    #[error("systemd could not {doing}: the job's result is {result}")]
    Job {
        /// What was asked for.
        doing: String,
        /// `failed`, `timeout`, `canceled`, ….
        result: String,
    },
}

impl From<std::io::Error> for BusError {
    fn from(error: std::io::Error) -> Self {
        BusError::Broken(error.to_string())
    }
}

impl From<Malformed> for BusError {
    fn from(_: Malformed) -> Self {
        BusError::Broken("a message is malformed".to_owned())
    }
}

/// One connection, used by one thread for one operation.
pub(crate) struct Bus {
    stream: UnixStream,
    received: Vec<u8>,
    serial: u32,
    /// Signals that came while an answer was waited for.
    signals: Vec<Message>,
    /// There is a bus in between: calls need a destination, and signals have to be asked for.
    routed: bool,
}

impl Bus {
    /// Connects to the system's manager, or to the calling user's in a session.
    pub(crate) fn connect(session: Option<&Session>) -> Result<Bus, BusError> {
        let mut failed = String::new();
        for (path, routed) in sockets(session) {
            match Bus::connect_to(&path, routed) {
                Ok(bus) => return Ok(bus),
                Err(error) => {
                    let comma = if failed.is_empty() { "" } else { ", " };
                    failed += &format!("{comma}{}: {error}", path.display());
                }
            }
        }
        if failed.is_empty() {
            failed = "neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS is set".to_owned();
        }
        Err(BusError::Connect(failed))
    }

    fn connect_to(path: &std::path::Path, routed: bool) -> Result<Bus, BusError> {
        Bus::greet(UnixStream::connect(path)?, routed)
    }

    fn greet(mut stream: UnixStream, routed: bool) -> Result<Bus, BusError> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Without naming a user id: the peer looks at the socket's credentials, which are right in user namespaces, too.
        stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        let mut bus = Bus {
            stream,
            received: Vec::new(),
            serial: 0,
            signals: Vec::new(),
            routed,
        };
        bus.authenticated()?;
        if routed {
            let own = |member, signature| Call {
                destination: "org.freedesktop.DBus",
                path: "/org/freedesktop/DBus",
                interface: "org.freedesktop.DBus",
                member,
                signature,
            };
            bus.call(&own("Hello", ""), &Writer::default(), "greet")?;
            let mut rule = Writer::default();
            rule.text(
                "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'",
            );
            bus.call(&own("AddMatch", "s"), &rule, "tell about jobs")?;
            bus.manager("Subscribe", "", &Writer::default(), "tell about jobs")?;
        }
        Ok(bus)
    }

    /// The server's lines: `DATA` and `OK`.
    fn authenticated(&mut self) -> Result<(), BusError> {
        let mut line = Vec::new();
        for _ in 0..4096 {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            if byte[0] != b'\n' {
                line.push(byte[0]);
                continue;
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            match text.split(' ').next() {
                Some("OK") => return Ok(()),
                Some("DATA") => line.clear(),
                _ => {
                    return Err(BusError::Broken(format!(
                        "authentication was answered with {text:?}"
                    )));
                }
            }
        }
        Err(BusError::Broken("authentication does not end".to_owned()))
    }

    /// Calls a method of the manager.
    pub(crate) fn manager(
        &mut self,
        member: &str,
        signature: &str,
        body: &Writer,
        doing: &str,
    ) -> Result<Message, BusError> {
        let call = Call {
            destination: self.destination(),
            path: "/org/freedesktop/systemd1",
            interface: MANAGER,
            member,
            signature,
        };
        self.call(&call, body, doing)
    }

    fn destination(&self) -> &'static str {
        if self.routed {
            "org.freedesktop.systemd1"
        } else {
            ""
        }
    }

    /// A property of the manager that is a text.
    pub(crate) fn manager_text(&mut self, property: &str) -> Result<String, BusError> {
        self.text_of("/org/freedesktop/systemd1", MANAGER, property)
    }

    /// `active`, `inactive` and so on; `None` when there is no such unit.
    pub(crate) fn unit_state(&mut self, name: &str) -> Result<Option<String>, BusError> {
        let mut body = Writer::default();
        body.text(name);
        let unit = match self.manager("GetUnit", "s", &body, &format!("find unit {name}")) {
            Err(BusError::Refused { name, .. }) if name == NO_SUCH_UNIT => return Ok(None),
            answer => answer?,
        };
        let path = unit.body().text()?;
        let interface = "org.freedesktop.systemd1.Unit";
        self.text_of(path, interface, "ActiveState").map(Some)
    }

    fn text_of(&mut self, path: &str, interface: &str, property: &str) -> Result<String, BusError> {
        let mut body = Writer::default();
        body.text(interface);
        body.text(property);
        let call = Call {
            destination: self.destination(),
            path,
            interface: "org.freedesktop.DBus.Properties",
            member: "Get",
            signature: "ss",
        };
        let answer = self.call(&call, &body, &format!("tell its {property}"))?;
        Ok(answer.body().text_variant()?.to_owned())
    }

    /// Calls a method that starts a job, and waits for the job's end.
    pub(crate) fn job(
        &mut self,
        member: &str,
        signature: &str,
        body: &Writer,
        doing: &str,
    ) -> Result<(), BusError> {
        let answer = self.manager(member, signature, body, doing)?;
        let job = answer.body().text()?.to_owned();
        let mut patience = Patience::of(PATIENCE);
        loop {
            let signal = match self.signals.pop() {
                Some(signal) => signal,
                None => self.next(&mut patience, doing)?,
            };
            if signal.kind != kind::SIGNAL || signal.member != "JobRemoved" {
                continue;
            }
            let (path, result) = job_removed(&mut signal.body())?;
            if path == job {
                return match result {
                    "done" | "skipped" => Ok(()),
                    result => Err(BusError::Job {
                        doing: doing.to_owned(),
                        result: result.to_owned(),
                    }),
                };
            }
        }
    }

    fn call(&mut self, call: &Call<'_>, body: &Writer, doing: &str) -> Result<Message, BusError> {
        self.serial += 1;
        let serial = self.serial;
        self.stream.write_all(&call.message(serial, body))?;
        let mut patience = Patience::of(PATIENCE);
        loop {
            let message = self.next(&mut patience, doing)?;
            match message.kind {
                kind::ANSWER if message.reply_to == serial => return Ok(message),
                kind::ERROR if message.reply_to == serial => {
                    let text = match message.signature.starts_with('s') {
                        true => message.body().text()?.to_owned(),
                        false => String::new(),
                    };
                    return Err(BusError::Refused {
                        doing: doing.to_owned(),
                        name: message.error,
                        text,
                    });
                }
                // systemd sends signals about everything that happens on the machine; most are not ours.
                kind::SIGNAL if message.member == "JobRemoved" => self.signals.push(message),
                _ => {}
            }
        }
    }

    fn next(&mut self, patience: &mut Patience, doing: &str) -> Result<Message, BusError> {
        loop {
            if let Some((message, length)) = Message::take(&self.received)? {
                self.received.drain(..length);
                return Ok(message);
            }
            let time_out = || BusError::TimeOut {
                doing: doing.to_owned(),
            };
            let step = patience.step(STEP);
            if step.is_zero() {
                return Err(time_out());
            }
            let begin = Instant::now();
            self.stream.set_read_timeout(Some(step))?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(BusError::Broken("systemd closed it".to_owned())),
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error.into()),
            }
            patience.waited(begin, step);
        }
    }
}

/// The body of `JobRemoved`: number, path, unit, result.
fn job_removed<'a>(body: &mut Reader<'a>) -> Result<(&'a str, &'a str), Malformed> {
    body.number()?;
    let path = body.text()?;
    body.text()?;
    Ok((path, body.text()?))
}

/// Where the calling user's systemd is reached, for the driver `Systemd { user: true }`: what the environment of a login session
/// says. Without it, it is looked for in `/run/user/UID`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// `XDG_RUNTIME_DIR`.
    pub runtime_directory: Option<PathBuf>,
    /// `DBUS_SESSION_BUS_ADDRESS`.
    pub bus_address: Option<String>,
}

/// Sockets to try, and whether a bus is behind them. The private one saves the way through the bus, and works when there
/// is none.
fn sockets(session: Option<&Session>) -> Vec<(PathBuf, bool)> {
    let Some(session) = session else {
        return vec![
            ("/run/systemd/private".into(), false),
            ("/run/dbus/system_bus_socket".into(), true),
        ];
    };
    let mut found = Vec::new();
    let runtime = session.runtime_directory.clone();
    let runtime = runtime
        .filter(|directory| !directory.as_os_str().is_empty())
        .unwrap_or_else(|| format!("/run/user/{}", kernel::identity::user()).into());
    found.push((runtime.join("systemd/private"), false));
    if let Some(addresses) = &session.bus_address {
        for address in addresses.split(';') {
            let keys = address.strip_prefix("unix:").unwrap_or_default();
            let path = keys.split(',').find_map(|pair| pair.strip_prefix("path="));
            found.extend(path.map(|path| (PathBuf::from(path), true)));
        }
    }
    found.push((runtime.join("bus"), true));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that says this and nothing else, whatever it is asked.
    fn says(bytes: Vec<u8>) -> UnixStream {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let _ = theirs.write_all(&bytes);
            // Until the other side is closed, as a living peer does.
            let _ = std::io::copy(&mut theirs, &mut std::io::sink());
        });
        ours
    }

    const WELCOME: &[u8] = b"DATA\r\nOK 0123456789abcdef\r\n";

    /// A message of one kind with a body of numbers and texts.
    fn message(
        kind: u8,
        member: &str,
        reply_to: u32,
        error: &str,
        signature: &str,
        body: &[Part<'_>],
    ) -> Vec<u8> {
        let mut content = Writer::default();
        for part in body {
            match part {
                Part::Number(number) => content.number(*number),
                Part::Text(text) => content.text(text),
            }
        }
        super::super::message::tests::message(kind, member, reply_to, error, signature, &content)
    }

    enum Part<'a> {
        Number(u32),
        Text(&'a str),
    }
    use Part::{Number, Text};

    fn removed(path: &str, result: &str) -> Vec<u8> {
        message(
            kind::SIGNAL,
            "JobRemoved",
            0,
            "",
            "uoss",
            &[Number(7), Text(path), Text("x.scope"), Text(result)],
        )
    }

    fn job(parts: &[&[u8]]) -> Result<(), BusError> {
        let stream = says([WELCOME, &parts.concat()].concat());
        Bus::greet(stream, false)?.job("StopUnit", "", &Writer::default(), "stop unit x.scope")
    }

    #[test]
    fn a_job_ends_with_its_signal_whenever_that_comes() {
        let answer = message(kind::ANSWER, "", 1, "", "o", &[Text("/job/7")]);
        let other = removed("/job/6", "failed");
        job(&[&answer, &other, &removed("/job/7", "done")]).unwrap();
        // Before the answer, too: then it is remembered.
        job(&[&removed("/job/7", "done"), &other, &answer]).unwrap();
        let error = job(&[&answer, &removed("/job/7", "timeout")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "systemd could not stop unit x.scope: the job's result is timeout"
        );
    }

    #[test]
    fn a_refusal_has_systemds_words() {
        let name = "org.freedesktop.systemd1.NoSuchUnit";
        let error = message(
            kind::ERROR,
            "",
            1,
            name,
            "s",
            &[Text("Unit x.scope not loaded.")],
        );
        let text = job(&[&error]).unwrap_err().to_string();
        assert_eq!(
            text,
            format!("systemd refused to stop unit x.scope: Unit x.scope not loaded. ({name})")
        );
    }

    #[test]
    fn broken_peers_are_errors() {
        for bytes in [
            &b"REJECTED EXTERNAL\r\n"[..],
            b"",
            b"OK\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(bytes).unwrap();
            theirs.shutdown(std::net::Shutdown::Write).unwrap();
            let result = Bus::greet(ours, false).and_then(|mut bus| {
                bus.manager("GetUnit", "", &Writer::default(), "find it")
                    .map(drop)
            });
            assert!(matches!(result, Err(BusError::Broken(_))), "{result:?}");
        }
        // An error whose body is not what its signature says.
        let mut error = message(kind::ERROR, "", 1, "a.b", "s", &[Number(u32::MAX)]);
        error.truncate(error.len());
        assert!(matches!(job(&[&error]), Err(BusError::Broken(_))));
    }
}

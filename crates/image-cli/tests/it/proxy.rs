//! An HTTP proxy that does to a registry's answers what networks do, when told to.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection ends after so many bytes of the answer's body.
    Cut(usize),
    /// One byte of the body is another.
    WrongByte(usize),
    /// Nothing comes after so many bytes, for a long time.
    Stall(usize),
    /// After so many bytes, single ones with pauses.
    Trickle(usize),
    /// A pause after every 64 KiB.
    Slow(Duration),
    /// Another status with these headers, without asking upstream.
    Answer(u16, String),
    /// The request's Range is not passed on.
    IgnoreRange,
    /// This status for requests with a Range.
    RefuseRange(u16),
    /// The same, and the connection stays open until the next request comes over it, which gets no answer.
    RefuseRangeThenClose(u16),
    /// A page for people, as login pages and proxies send it.
    Page,
    /// The answer lacks a header.
    Without(&'static str),
    /// The answer has another header.
    Header(&'static str, String),
    /// The connection ends after so many bytes of the request's body.
    CutUpload(usize),
}

/// When it goes wrong.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) times: usize,
    pub(crate) fault: Fault,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
}

/// Listens until the process ends.
pub(crate) struct Proxy {
    pub(crate) address: String,
    rules: Arc<Mutex<Vec<Rule>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Proxy {
    pub(crate) fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let rules = Arc::new(Mutex::new(Vec::<Rule>::new()));
        let seen = Arc::new(Mutex::new(Vec::<Seen>::new()));
        let (upstream, all_rules, all_seen) = (upstream.to_string(), rules.clone(), seen.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (upstream, rules, seen) =
                    (upstream.clone(), all_rules.clone(), all_seen.clone());
                std::thread::spawn(move || {
                    // A client that goes away is what some tests are about.
                    let _ = serve(client, &upstream, &rules, &seen);
                });
            }
        });
        Proxy {
            address,
            rules,
            seen,
        }
    }

    pub(crate) fn rule(&self, method: &'static str, path: &str, times: usize, fault: Fault) {
        self.rules.lock().unwrap().push(Rule {
            method,
            path: path.into(),
            times,
            fault,
        });
    }

    pub(crate) fn clear(&self) {
        self.rules.lock().unwrap().clear();
        self.seen.lock().unwrap().clear();
    }

    /// Requests whose line contains `part`.
    pub(crate) fn seen(&self, part: &str) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|s| s.line.contains(part))
            .cloned()
            .collect()
    }

    /// Values of a header in requests whose line contains `part`.
    pub(crate) fn headers(&self, part: &str, name: &str) -> Vec<String> {
        self.seen(part)
            .iter()
            .filter_map(|s| s.headers.get(name).cloned())
            .collect()
    }
}

fn serve(
    client: TcpStream,
    upstream: &str,
    rules: &Mutex<Vec<Rule>>,
    seen: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut out = client;
    let (line, headers) = head(&mut reader)?;
    if line.is_empty() {
        return Ok(());
    }
    let fault = {
        let mut rules = rules.lock().unwrap();
        let found = rules.iter_mut().find(|r| {
            let wanted = line.starts_with(r.method) && line.contains(&r.path) && r.times > 0;
            // An upload is only cut where there is something to cut.
            wanted
                && (!matches!(r.fault, Fault::CutUpload(_))
                    || headers.get("content-length").is_some_and(|l| l != "0"))
        });
        found.map(|r| {
            r.times -= 1;
            r.fault.clone()
        })
    };
    seen.lock().unwrap().push(Seen {
        line: line.clone(),
        headers: headers.clone(),
    });
    let length: usize = headers
        .get("content-length")
        .and_then(|l| l.parse().ok())
        .unwrap_or(0);
    if let Some(Fault::Answer(status, more)) = &fault {
        write!(
            out,
            "HTTP/1.1 {status} Injected\r\nContent-Length: 0\r\nConnection: close\r\n{more}\r\n"
        )?;
        std::io::copy(&mut (&mut reader).take(length as u64), &mut std::io::sink())?;
        return out.shutdown(Shutdown::Both);
    }
    let refused = match &fault {
        Some(Fault::RefuseRange(status) | Fault::RefuseRangeThenClose(status))
            if headers.contains_key("range") =>
        {
            Some(format!("{status} No\r\nContent-Length: 0\r\n\r\n"))
        }
        Some(Fault::Page) => {
            let page = "<html>Please log in.</html>";
            let length = page.len();
            let fields = format!("Content-Type: text/html\r\nContent-Length: {length}");
            Some(format!("200 OK\r\n{fields}\r\n\r\n{page}"))
        }
        _ => None,
    };
    if let Some(answer) = refused {
        write!(out, "HTTP/1.1 {answer}")?;
        if matches!(fault, Some(Fault::RefuseRangeThenClose(_))) {
            reader.fill_buf()?;
        }
        return out.shutdown(Shutdown::Both);
    }
    let mut server = TcpStream::connect(upstream)?;
    write!(server, "{line}\r\n")?;
    for (name, value) in &headers {
        let dropped =
            name == "connection" || (name == "range" && matches!(fault, Some(Fault::IgnoreRange)));
        if !dropped {
            write!(server, "{name}: {value}\r\n")?;
        }
    }
    write!(server, "connection: close\r\n\r\n")?;
    let take = if let Some(Fault::CutUpload(n)) = fault {
        n.min(length)
    } else {
        length
    };
    std::io::copy(&mut (&mut reader).take(take as u64), &mut server)?;
    if take < length {
        // Give the registry time to note what has come.
        std::thread::sleep(Duration::from_millis(50));
        return out.shutdown(Shutdown::Both);
    }
    let mut answer = BufReader::new(server);
    let (status, mut headers) = head(&mut answer)?;
    headers.insert("connection".into(), "close".into());
    if let Some(Fault::Header(name, value)) = &fault {
        headers.insert((*name).into(), value.clone());
    }
    if let Some(Fault::Without(name)) = &fault {
        headers.remove(*name);
    }
    write!(out, "{status}\r\n")?;
    for (name, value) in &headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    write!(out, "\r\n")?;
    body(&mut answer, &mut out, fault.as_ref())?;
    out.shutdown(Shutdown::Both)
}

fn body(from: &mut impl Read, to: &mut TcpStream, fault: Option<&Fault>) -> std::io::Result<()> {
    let mut position = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        let mut piece = buffer[..n].to_vec();
        match fault {
            Some(Fault::Cut(at)) if position + n > *at => {
                to.write_all(&piece[..at - position])?;
                return to.flush();
            }
            Some(Fault::Stall(at)) if position + n > *at => {
                to.write_all(&piece[..at - position])?;
                to.flush()?;
                std::thread::sleep(Duration::from_secs(20));
                return Ok(());
            }
            Some(Fault::Trickle(at)) if position + n > *at => {
                to.write_all(&piece[..at - position])?;
                for byte in &piece[at - position..] {
                    std::thread::sleep(Duration::from_millis(200));
                    to.write_all(&[*byte])?;
                }
                return to.flush();
            }
            Some(Fault::WrongByte(at)) if (position..position + n).contains(at) => {
                piece[at - position] ^= 0x20
            }
            Some(Fault::Slow(pause)) => std::thread::sleep(*pause),
            _ => {}
        }
        to.write_all(&piece)?;
        position += n;
    }
}

pub(crate) fn head(
    reader: &mut impl BufRead,
) -> std::io::Result<(String, HashMap<String, String>)> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok((first.trim_end().to_string(), headers));
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.trim().to_lowercase(), value.trim().to_string());
        }
    }
}

/// A token service and a registry behind it: tokens are good for a number of requests.
pub(crate) fn token_gate(upstream: &str, uses: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked: Arc<Mutex<Vec<String>>> = Default::default();
    let (own, upstream, log) = (address.clone(), upstream.to_string(), asked.clone());
    let left: Arc<Mutex<HashMap<String, usize>>> = Default::default();
    std::thread::spawn(move || {
        for (n, client) in listener.incoming().flatten().enumerate() {
            let (own, upstream, log, left) =
                (own.clone(), upstream.clone(), log.clone(), left.clone());
            std::thread::spawn(move || gate(client, &own, &upstream, n, uses, &log, &left));
        }
    });
    (address, asked)
}

fn gate(
    mut client: TcpStream,
    own: &str,
    upstream: &str,
    n: usize,
    uses: usize,
    log: &Mutex<Vec<String>>,
    left: &Mutex<HashMap<String, usize>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (line, headers) = head(&mut reader)?;
    let authorization = headers.get("authorization").cloned().unwrap_or_default();
    if line.contains("/token") {
        let mut allowed = authorization == "Basic dXNlcjpzZWNyZXQ=";
        if line.starts_with("POST") {
            // OAuth 2: the refresh token is in the form, and nothing in the headers.
            let length: usize = headers["content-length"].parse().unwrap();
            let mut form = vec![0; length];
            reader.read_exact(&mut form)?;
            let form = String::from_utf8_lossy(&form).to_string();
            let fields: Vec<_> = form.split('&').collect();
            allowed = authorization.is_empty()
                && fields.contains(&"grant_type=refresh_token")
                && fields.contains(&"refresh_token=re%2Bfresh")
                && fields.contains(&"service=test");
        }
        log.lock().unwrap().push(line);
        if !allowed {
            return write!(
                client,
                "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        let token = format!("token{n}");
        left.lock().unwrap().insert(format!("Bearer {token}"), uses);
        let answer = format!("{{\"token\":\"{token}\",\"expires_in\":300}}");
        return write!(
            client,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        );
    }
    let good = match left.lock().unwrap().get_mut(&authorization) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    };
    if !good {
        let length: u64 = headers
            .get("content-length")
            .and_then(|l| l.parse().ok())
            .unwrap_or(0);
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
        let challenge = format!(
            "Bearer realm=\"http://{own}/token\",service=\"test\",scope=\"repository:app:pull\""
        );
        return write!(
            client,
            "HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let mut server = TcpStream::connect(upstream)?;
    write!(server, "{line}\r\n")?;
    for (name, value) in headers
        .iter()
        .filter(|(n, _)| *n != "connection" && *n != "authorization")
    {
        write!(server, "{name}: {value}\r\n")?;
    }
    write!(server, "connection: close\r\n\r\n")?;
    let length: u64 = headers
        .get("content-length")
        .and_then(|l| l.parse().ok())
        .unwrap_or(0);
    std::io::copy(&mut (&mut reader).take(length), &mut server)?;
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

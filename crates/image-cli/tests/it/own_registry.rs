//! A registry of ours, in memory: what the specification has and Debian's registry does not.
//!
//! It lists referrers, wants pieces of a certain length, keeps what came of an upload that broke off, and gives addresses
//! without a host. It answers by the letter of distribution-spec 1.1, and refuses what that forbids clients.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::proxy::{Seen, head};

/// What this registry is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// It has the API for referrers.
    pub(crate) referrers: bool,
    /// It does the filtering that it is asked for.
    pub(crate) filters: bool,
    /// Entries of one page, of referrers and of tags.
    pub(crate) page: usize,
    /// `OCI-Chunk-Min-Length`.
    pub(crate) smallest_piece: usize,
    /// Every answer has another ETag, as behind a row of servers.
    pub(crate) changing_etags: bool,
    /// Accepted pieces are answered without `Location`.
    pub(crate) forgets_locations: bool,
    /// Bytes of the largest body that is taken, of a piece and of the whole, and what is answered to larger ones.
    pub(crate) largest: (usize, usize, u16),
    /// Several tags in one request.
    pub(crate) tags: Tags,
}

/// What becomes of the tags in a request's query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// Registries of distribution-spec 1.1 do not look at them.
    Ignored,
    /// They are made, and there is a header for each.
    Each,
    /// They are made, and there is one header for all.
    Joined,
    /// Only the first ones are made.
    Some(usize),
    /// Such an address is refused.
    Refused,
}

impl Default for Manner {
    fn default() -> Self {
        Manner {
            referrers: true,
            filters: true,
            page: 100,
            smallest_piece: 0,
            changing_etags: false,
            forgets_locations: false,
            largest: (usize::MAX, usize::MAX, 413),
            tags: Tags::Ignored,
        }
    }
}

/// What happens to a request's or an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The connection ends after so many bytes of a piece, which are kept.
    PieceBreaks(usize),
    /// The connection ends after so many bytes of a blob.
    BlobBreaks(usize),
    /// The content is taken, but nobody hears of it.
    AnswerLost,
    /// The registry does not like to be asked for content of another repository.
    MountDenied,
    /// The session is forgotten at the next piece.
    SessionEnds,
}

#[derive(Default)]
struct State {
    /// By repository and digest.
    blobs: HashMap<(String, String), Vec<u8>>,
    /// By repository and digest: media type and bytes.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    tags: BTreeMap<(String, String), String>,
    sessions: HashMap<usize, Session>,
    started: usize,
    mishaps: Vec<Mishap>,
    seen: Vec<Seen>,
    answers: usize,
    /// What a client did that the specification forbids.
    violations: Vec<String>,
}

#[derive(Default)]
struct Session {
    content: Vec<u8>,
    /// A piece was shorter than allowed: it must have been the last one.
    short: bool,
}

/// Listens until the process ends.
pub(crate) struct OwnRegistry {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl OwnRegistry {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state: Arc<Mutex<State>> = Default::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || {
                    // A client that goes away is what some tests are about.
                    let _ = serve(client, manner, &state);
                });
            }
        });
        OwnRegistry { address, state }
    }

    /// The next request that it can happen to meets this.
    pub(crate) fn mishap(&self, mishap: Mishap) {
        self.state.lock().unwrap().mishaps.push(mishap);
    }

    /// Requests whose line contains `part`, since the last call of [`OwnRegistry::forget`].
    pub(crate) fn seen(&self, part: &str) -> Vec<Seen> {
        let state = self.state.lock().unwrap();
        let found = state.seen.iter().filter(|s| s.line.contains(part));
        found.cloned().collect()
    }

    pub(crate) fn forget(&self) {
        self.state.lock().unwrap().seen.clear();
    }

    /// Open sessions.
    pub(crate) fn sessions(&self) -> usize {
        self.state.lock().unwrap().sessions.len()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.state.lock().unwrap().violations.clone()
    }
}

struct Request {
    method: String,
    /// Below `/v2/`, without the query.
    path: String,
    query: HashMap<String, String>,
    /// All values of `tag`, which may be there several times.
    tags: Vec<String>,
    headers: HashMap<String, String>,
    body: Vec<u8>,
    /// The body broke off.
    broken: bool,
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Break off after so many bytes of the body.
    cut: Option<usize>,
}

fn answer(status: u16) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body: Vec::new(),
        cut: None,
    }
}

impl Answer {
    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn body(mut self, media_type: &str, body: Vec<u8>) -> Self {
        self.headers.push(("Content-Type", media_type.to_string()));
        self.body = body;
        self
    }
}

fn serve(mut client: TcpStream, manner: Manner, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (line, headers) = head(&mut reader)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_string(), unescape(value)))
        .collect();
    let tags = query.iter().filter(|q| q.0 == "tag");
    let tags = tags.map(|q| q.1.clone()).collect();
    let length: usize = headers
        .get("content-length")
        .and_then(|l| l.parse().ok())
        .unwrap_or(0);
    let mut take = length;
    {
        let mut state = state.lock().unwrap();
        state.seen.push(Seen {
            line: line.clone(),
            headers: headers.clone(),
        });
        let piece = method == "PATCH";
        if let (true, Some(Mishap::PieceBreaks(at))) = (piece, state.mishaps.first().copied())
            && at < length
        {
            state.mishaps.remove(0);
            take = at;
        }
    }
    let mut body = vec![0; take];
    reader.read_exact(&mut body)?;
    let request = Request {
        method: method.into(),
        path: path.strip_prefix("/v2/").unwrap_or("").into(),
        query: query.into_iter().collect(),
        tags,
        headers,
        body,
        broken: take < length,
    };
    let given = state.lock().unwrap().answer(&request, manner);
    let Some(given) = given else {
        return client.shutdown(Shutdown::Both);
    };
    write!(
        client,
        "HTTP/1.1 {} Said\r\nConnection: close\r\n",
        given.status
    )?;
    for (name, value) in &given.headers {
        write!(client, "{name}: {value}\r\n")?;
    }
    write!(client, "Content-Length: {}\r\n\r\n", given.body.len())?;
    if method != "HEAD" {
        client.write_all(&given.body[..given.cut.unwrap_or(given.body.len())])?;
    }
    client.shutdown(Shutdown::Both)
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next().unwrap()).to_digit(16).unwrap() as u8;
            bytes.push(digit() * 16 + digit());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

impl State {
    /// None when the client is to hear nothing.
    fn answer(&mut self, request: &Request, manner: Manner) -> Option<Answer> {
        self.answers += 1;
        let path = request.path.clone();
        let parts: Vec<&str> = path.split('/').collect();
        let split = |word: &str| {
            let at = parts.iter().rposition(|p| *p == word)?;
            Some((parts[..at].join("/"), parts[at + 1..].join("/")))
        };
        if path.is_empty() {
            return Some(answer(200));
        }
        if let Some((repository, id)) = split("uploads") {
            let repository = repository.trim_end_matches("/blobs").to_string();
            return self.upload(request, &repository, &id, manner);
        }
        Some(if let Some((repository, digest)) = split("blobs") {
            self.blob(request, (repository, digest), manner)
        } else if let Some((repository, target)) = split("manifests") {
            self.manifest(request, &repository, &target, manner)
        } else if let Some((repository, digest)) = split("referrers") {
            self.referrers(request, &repository, &digest, manner)
        } else if let Some((repository, _)) = split("tags") {
            let all = self.tags.keys().filter(|k| k.0 == repository);
            let all: Vec<Value> = all.map(|k| json!(k.1)).collect();
            let (page, next) = page(request, &all, manner.page);
            let list = json!({"name": repository, "tags": page}).to_string();
            next.into_iter()
                .fold(answer(200), |a, link| a.with("Link", link))
                .body("application/json", list.into())
        } else {
            answer(404)
        })
    }

    fn upload(
        &mut self,
        request: &Request,
        repository: &str,
        id: &str,
        manner: Manner,
    ) -> Option<Answer> {
        // Without a host, and with a query of its own: both are allowed.
        let location = |id: usize| format!("/v2/{repository}/blobs/uploads/{id}?state=x");
        if request.method == "POST" {
            let mount = request.query.contains_key("mount");
            if mount && self.mishaps.first() == Some(&Mishap::MountDenied) {
                self.mishaps.remove(0);
                return Some(answer(403));
            }
            if let (Some(digest), Some(from)) =
                (request.query.get("mount"), request.query.get("from"))
                && let Some(content) = self.blobs.get(&(from.clone(), digest.clone())).cloned()
            {
                self.blobs
                    .insert((repository.into(), digest.clone()), content);
                return Some(answer(201).with("Location", "/v2/x"));
            }
            self.started += 1;
            self.sessions.insert(self.started, Session::default());
            let mut given = answer(202)
                .with("Location", location(self.started))
                .with("Docker-Upload-UUID", format!("uuid-{}", self.started))
                .with("Range", "0-0");
            if manner.smallest_piece > 0 {
                given = given.with("OCI-Chunk-Min-Length", manner.smallest_piece);
            }
            return Some(given);
        }
        let (piece, whole, status) = manner.largest;
        let limit = if request.method == "PATCH" {
            piece
        } else {
            whole
        };
        let number: usize = id.parse().unwrap_or(0);
        if request.body.len() > limit {
            let have = (self.sessions.get(&number)).map_or(0, |s| s.content.len());
            let given = answer(status).with("Range", format!("0-{}", have.saturating_sub(1)));
            return Some(given.with("Location", location(number)));
        }
        if request.query.get("state").is_none_or(|s| s != "x") {
            self.violations
                .push(format!("{}: built by hand", request.path));
        }
        if request.method == "PATCH" && self.mishaps.first() == Some(&Mishap::SessionEnds) {
            self.mishaps.remove(0);
            self.sessions.remove(&number);
        }
        let Some(session) = self.sessions.get_mut(&number) else {
            return Some(answer(404));
        };
        let have = |session: &Session| format!("0-{}", session.content.len().saturating_sub(1));
        match request.method.as_str() {
            "GET" => {
                let range = have(session);
                Some(
                    answer(204)
                        .with("Location", location(number))
                        .with("Range", range),
                )
            }
            "DELETE" => {
                self.sessions.remove(&number);
                Some(answer(204))
            }
            "PATCH" => {
                let range = request
                    .headers
                    .get("content-range")
                    .cloned()
                    .unwrap_or_default();
                let start = range.split('-').next().unwrap_or("").parse::<usize>();
                if start != Ok(session.content.len()) {
                    let range = have(session);
                    let given = answer(416).with("Location", location(number));
                    return Some(given.with("Range", range));
                }
                if session.short {
                    self.violations
                        .push("a piece after one that was too short".into());
                }
                session.content.extend_from_slice(&request.body);
                if request.broken {
                    return None;
                }
                session.short = request.body.len() < manner.smallest_piece;
                let given = answer(202).with("Range", have(session));
                if self.mishaps.first() == Some(&Mishap::AnswerLost) {
                    self.mishaps.remove(0);
                    return None;
                }
                Some(if manner.forgets_locations {
                    given
                } else {
                    given.with("Location", location(number))
                })
            }
            "PUT" => {
                session.content.extend_from_slice(&request.body);
                if request.broken {
                    return None;
                }
                let digest = request.query.get("digest").cloned().unwrap_or_default();
                let content = self.sessions.remove(&number).unwrap_or_default().content;
                if tare_image::digest::of(&content).to_string() != digest {
                    return Some(answer(400));
                }
                self.blobs.insert((repository.into(), digest), content);
                if self.mishaps.first() == Some(&Mishap::AnswerLost) {
                    self.mishaps.remove(0);
                    return None;
                }
                Some(answer(201).with("Location", "/v2/x"))
            }
            _ => Some(answer(405)),
        }
    }

    fn blob(&mut self, request: &Request, key: (String, String), manner: Manner) -> Answer {
        let Some(content) = self.blobs.get(&key).cloned() else {
            return answer(404);
        };
        let etag = if manner.changing_etags {
            format!("\"server-{}\"", self.answers)
        } else {
            format!("\"{}\"", key.1)
        };
        let range = request.headers.get("range").and_then(|r| {
            let (start, end) = r.strip_prefix("bytes=")?.split_once('-')?;
            let end = end.parse().map_or(content.len(), |e: usize| e + 1);
            Some((start.parse::<usize>().ok()?, end.min(content.len())))
        });
        // RFC 9110, section 13.1.5: another validator means another content, and all of it.
        let same = request.headers.get("if-range").is_none_or(|v| *v == etag);
        let mut given = match range {
            Some((start, end)) if same && start < end => answer(206)
                .with(
                    "Content-Range",
                    format!("bytes {start}-{}/{}", end - 1, content.len()),
                )
                .body("application/octet-stream", content[start..end].to_vec()),
            Some((start, end)) if same && start >= end => answer(416),
            _ => answer(200).body("application/octet-stream", content),
        };
        given = given.with("ETag", etag);
        if let (Some(Mishap::BlobBreaks(at)), "GET") =
            (self.mishaps.first(), request.method.as_str())
            && *at < given.body.len()
        {
            given.cut = Some(*at);
            self.mishaps.remove(0);
        }
        given
    }

    fn manifest(
        &mut self,
        request: &Request,
        repository: &str,
        target: &str,
        manner: Manner,
    ) -> Answer {
        let key = |digest: &str| (repository.to_string(), digest.to_string());
        let digest = match self.tags.get(&key(target)) {
            Some(digest) => digest.clone(),
            None => target.to_string(),
        };
        match request.method.as_str() {
            "PUT" => {
                let digest = match tare_image::digest::parse(target) {
                    Ok(given) => {
                        let mut hasher = tare_image::digest::Hasher::like(&given).unwrap();
                        hasher.update(&request.body);
                        if hasher.finish() != given {
                            return answer(400);
                        }
                        target.to_string()
                    }
                    Err(_) => tare_image::digest::of(&request.body).to_string(),
                };
                if request.tags.len() > 10 || (!request.tags.is_empty() && !target.contains(':')) {
                    self.violations.push(format!("tags {:?}", request.tags));
                }
                let mut made = request.tags.clone();
                match manner.tags {
                    Tags::Refused if !made.is_empty() => return answer(414),
                    Tags::Ignored => made.clear(),
                    Tags::Some(count) => made.truncate(count),
                    _ => {}
                }
                let value: Value = serde_json::from_slice(&request.body).unwrap();
                let media_type = request
                    .headers
                    .get("content-type")
                    .cloned()
                    .unwrap_or_default();
                if value["mediaType"].as_str().is_some_and(|t| t != media_type) {
                    self.violations
                        .push(format!("manifest sent as {media_type}"));
                    return answer(400);
                }
                self.manifests
                    .insert(key(&digest), (media_type, request.body.clone()));
                if !target.contains(':') {
                    self.tags.insert(key(target), digest.clone());
                }
                let mut given = answer(201).with("Location", "/v2/x");
                for tag in &made {
                    self.tags.insert(key(tag), digest.clone());
                    if manner.tags != Tags::Joined {
                        given = given.with("OCI-Tag", tag);
                    }
                }
                if manner.tags == Tags::Joined && !made.is_empty() {
                    given = given.with("OCI-Tag", made.join(", "));
                }
                match value["subject"]["digest"].as_str() {
                    Some(subject) if manner.referrers => given.with("OCI-Subject", subject),
                    _ => given,
                }
            }
            "DELETE" => {
                self.tags.retain(|_, d| *d != digest);
                answer(if self.manifests.remove(&key(&digest)).is_some() {
                    202
                } else {
                    404
                })
            }
            _ => match self.manifests.get(&key(&digest)) {
                Some((media_type, bytes)) => answer(200)
                    .with("Docker-Content-Digest", &digest)
                    .body(&format!("{media_type}; charset=utf-8"), bytes.clone()),
                None => answer(404),
            },
        }
    }

    fn referrers(
        &self,
        request: &Request,
        repository: &str,
        digest: &str,
        manner: Manner,
    ) -> Answer {
        if !manner.referrers {
            return answer(404);
        }
        let wanted = request.query.get("artifactType").filter(|_| manner.filters);
        let mut found = Vec::new();
        for ((owner, own), (media_type, bytes)) in &self.manifests {
            let value: Value = serde_json::from_slice(bytes).unwrap();
            let kind = value["artifactType"].as_str().unwrap_or_default();
            if owner == repository
                && value["subject"]["digest"] == digest
                && wanted.is_none_or(|w| w == kind)
            {
                found.push(json!({
                    "mediaType": media_type, "digest": own, "size": bytes.len(),
                    "artifactType": kind, "annotations": value["annotations"],
                }));
            }
        }
        let (entries, next) = page(request, &found, manner.page);
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
        let mut given = answer(200).body(media_type, index.to_string().into());
        if wanted.is_some() {
            given = given.with("OCI-Filters-Applied", "artifactType");
        }
        next.into_iter().fold(given, |a, link| a.with("Link", link))
    }
}

/// A page of a list, and the header that leads to the next one: an address without a host.
fn page(request: &Request, all: &[Value], size: usize) -> (Vec<Value>, Option<String>) {
    let start: usize = (request.query.get("from")).map_or(0, |f| f.parse().unwrap());
    let end = (start + size).min(all.len());
    let mut more = format!("from={end}");
    if let Some(kind) = request.query.get("artifactType") {
        more += &format!("&artifactType={}", kind.replace('/', "%2F"));
    }
    let next = (end < all.len()).then(|| {
        // Several links in one header (RFC 8288, section 3).
        format!(
            "</v2/first>; rel=\"first\", </v2/{}?{more}>; rel=\"next\"",
            request.path
        )
    });
    (all[start..end].to_vec(), next)
}

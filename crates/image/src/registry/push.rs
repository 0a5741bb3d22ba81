//! Writing: upload sessions, mounts and manifests.

use std::io::Read;

use oci_spec::image::{Descriptor, Digest};

use super::exchange::{Call, Payload, header};
use super::{Endpoint, Repository, url};
use crate::digest;
use crate::error::{Error, Kind, Result, Retry};
use crate::manifest::Document;
use crate::retry::{Attempts, Patience};

/// As many tags in one request as every registry takes that takes several at all.
const TAGS: usize = 10;

/// Opens content at a position.
type Open<'a> = &'a dyn Fn(u64) -> Result<Box<dyn Read + Send>>;

impl Repository<'_> {
    /// The registry itself: mirrors are not written to unless they say so.
    fn writable(&self) -> Result<&Endpoint> {
        self.endpoints
            .iter()
            .find(|e| e.abilities.push && !e.mirror)
            .or_else(|| self.endpoints.iter().find(|e| e.abilities.push))
            .ok_or_else(|| Error::new(Kind::Usage, "no address allows pushing; see hosts.toml"))
    }

    pub(super) fn main(&self) -> Result<&Endpoint> {
        self.endpoints
            .last()
            .ok_or_else(|| Error::new(Kind::Usage, "no address for this registry"))
    }

    /// True if the repository has the blob.
    ///
    /// # Errors
    /// [`Kind::Denied`], [`Kind::Network`].
    pub fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        let endpoint = self.writable()?;
        let call = Call {
            method: "HEAD",
            url: self.url(endpoint, &format!("blobs/{}", descriptor.digest())),
            headers: Vec::new(),
            payload: Payload::None,
            scopes: self.scope("pull,push"),
            accept: &[200, 404],
        };
        Ok(self.send(endpoint, &call)?.status() == 200)
    }

    /// Uploads a blob: mounted from `from` if the registry can do that, else in one request, or in pieces that continue
    /// where a broken one stopped.
    ///
    /// # Errors
    /// [`Kind::Denied`], [`Kind::Network`], [`Kind::Protocol`].
    pub fn push_blob(
        &self,
        descriptor: &Descriptor,
        from: Option<&str>,
        open: Open<'_>,
    ) -> Result<()> {
        let endpoint = self.writable()?;
        let mut attempts = Attempts::new(self.registry.options.patience);
        let mut from = from;
        loop {
            let mount = from.take();
            let started = match self.start(endpoint, descriptor, mount) {
                // Not from there, then: whether anything may be sent at all, the next question tells.
                Err(e) if mount.is_some() && e.kind() != Kind::Network => {
                    log::debug!("mount {}: {e}", descriptor.digest());
                    continue;
                }
                other => other?,
            };
            let Some(mut session) = started else {
                return Ok(());
            };
            match self.upload(endpoint, descriptor, &mut session, open) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.abort(endpoint, session.location);
                    // Perhaps only the last answer was lost.
                    if self.has_blob(descriptor).unwrap_or(false) {
                        return Ok(());
                    }
                    attempts.pause(error)?;
                }
            }
        }
    }

    /// Starts a session; none when the blob was mounted.
    fn start(
        &self,
        endpoint: &Endpoint,
        descriptor: &Descriptor,
        from: Option<&str>,
    ) -> Result<Option<Session>> {
        let mut address = self.url(endpoint, "blobs/uploads/");
        let mut scopes = self.scope("pull,push");
        if let Some(from) = from.filter(|f| *f != self.reference.repository()) {
            address = url::with_query(&address, "mount", descriptor.digest().as_ref());
            address = url::with_query(&address, "from", from);
            scopes.push(format!("repository:{from}:pull"));
        }
        let call = Call {
            method: "POST",
            url: address.clone(),
            headers: vec![("Content-Length", "0".into())],
            payload: Payload::Bytes(&[]),
            scopes,
            accept: &[201, 202],
        };
        let response = self.send(endpoint, &call)?;
        if response.status() == 201 {
            return Ok(None);
        }
        let smallest = header(&response, "oci-chunk-min-length")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        if header(&response, "location").is_none() {
            return Err(Error::new(
                Kind::Protocol,
                format!("{} gave no address for the upload", endpoint.host),
            ));
        }
        Ok(Some(Session {
            location: location_or(&response, &address)?,
            chunk: self.registry.options.push_chunk.max(smallest).max(1),
        }))
    }

    /// Fills a session, whose address changes on the way.
    fn upload(
        &self,
        endpoint: &Endpoint,
        descriptor: &Descriptor,
        session: &mut Session,
        open: Open<'_>,
    ) -> Result<()> {
        let size = descriptor.size();
        let once = Patience {
            attempts: 1,
            ..self.registry.options.patience
        };
        if size <= session.chunk {
            let stream = || open(0);
            let call = self.finish_call(
                &session.location,
                descriptor,
                Payload::Stream {
                    length: size,
                    open: &stream,
                },
            );
            return self
                .send_with(endpoint, &call, once)
                .map(drop)
                .map_err(gone);
        }
        let mut position = 0;
        let mut attempts = Attempts::new(self.registry.options.patience);
        while position < size {
            let end = (position + session.chunk).min(size);
            let piece = self.patch(endpoint, &session.location, position, end, open, once);
            match &piece {
                Ok(Some(next)) => {
                    (session.location, position) = (next.clone(), end);
                    attempts.progress();
                    continue;
                }
                Err(e) if e.kind() == Kind::NotFound => return piece.map(drop).map_err(gone),
                _ => {}
            }
            // Out of order, or broken off: the registry knows how much it has.
            let refused = piece.is_ok();
            attempts.pause(piece.err().unwrap_or_else(|| {
                let what = format!("{} did not take bytes {position} to {end}", endpoint.host);
                Error::network(what, Retry::Later)
            }))?;
            let (next, have) = self.status(endpoint, &session.location).map_err(gone)?;
            if have > position {
                attempts.progress();
            }
            session.location = next;
            // One byte is also what many registries call nothing at all. When they want another start than 0, it is one.
            position = match have {
                1 if !(refused && position == 0) => 0,
                have => have,
            };
        }
        let call = self.finish_call(&session.location, descriptor, Payload::Bytes(&[]));
        self.send(endpoint, &call).map(drop).map_err(gone)
    }

    fn finish_call<'a>(&self, at: &str, descriptor: &Descriptor, payload: Payload<'a>) -> Call<'a> {
        Call {
            method: "PUT",
            url: url::with_query(at, "digest", descriptor.digest().as_ref()),
            headers: vec![("Content-Type", "application/octet-stream".into())],
            payload,
            scopes: self.scope("pull,push"),
            accept: &[201, 204],
        }
    }

    /// Sends one piece; none when the registry wants another range.
    fn patch(
        &self,
        endpoint: &Endpoint,
        at: &str,
        start: u64,
        end: u64,
        open: Open<'_>,
        patience: Patience,
    ) -> Result<Option<String>> {
        let stream = || open(start);
        let call = Call {
            method: "PATCH",
            url: at.to_string(),
            headers: vec![
                ("Content-Type", "application/octet-stream".into()),
                ("Content-Range", format!("{start}-{}", end - 1)),
            ],
            payload: Payload::Stream {
                length: end - start,
                open: &stream,
            },
            scopes: self.scope("pull,push"),
            accept: &[202, 204, 416],
        };
        let response = self.send_with(endpoint, &call, patience)?;
        if response.status() == 416 {
            return Ok(None);
        }
        location_or(&response, at).map(Some)
    }

    /// Address and number of bytes of a session.
    fn status(&self, endpoint: &Endpoint, at: &str) -> Result<(String, u64)> {
        let call = Call {
            method: "GET",
            url: at.to_string(),
            headers: Vec::new(),
            payload: Payload::None,
            scopes: self.scope("pull,push"),
            accept: &[204, 202, 200],
        };
        let response = self.send(endpoint, &call)?;
        let range = header(&response, "range").unwrap_or_default();
        let last = range
            .trim_start_matches("bytes=")
            .split_once('-')
            .and_then(|(_, last)| last.parse::<u64>().ok());
        Ok((
            location_or(&response, at)?,
            last.map_or(0, |l| l.saturating_add(1)),
        ))
    }

    fn abort(&self, endpoint: &Endpoint, at: String) {
        let call = Call {
            method: "DELETE",
            url: at,
            headers: Vec::new(),
            payload: Payload::None,
            scopes: self.scope("pull,push"),
            accept: &[204, 200, 202],
        };
        let once = Patience {
            attempts: 1,
            ..self.registry.options.patience
        };
        // A courtesy: sessions end by themselves as well.
        if let Err(e) = self.send_with(endpoint, &call, once) {
            log::debug!("end upload session: {e}");
        }
    }

    /// Stores a manifest under `target`, a tag or its digest. For one with a `subject` the list of referrers is kept up to
    /// date, by the registry or, when that cannot, by the fallback tag.
    ///
    /// # Errors
    /// [`Kind::Denied`], [`Kind::Network`], [`Kind::Protocol`].
    pub fn push_manifest(&self, document: &Document, target: &str) -> Result<()> {
        let stored = self.store_manifest(document, target, &[])?;
        self.list_referrer(document, &stored)
    }

    /// Stores a manifest under `digest`, which is its own, and under each of `tags`: in one request where the registry knows
    /// how (distribution-spec after 1.1, "Pushing Manifests"), else in one for each tag that it did not acknowledge.
    ///
    /// # Errors
    /// As [`Repository::push_manifest`]; tags that came before the one that is named stay.
    pub fn push_manifest_tagged(
        &self,
        document: &Document,
        digest: &Digest,
        tags: &[&str],
    ) -> Result<()> {
        let mut stored = Stored::default();
        for some in tags.chunks(TAGS) {
            match self.store_manifest(document, digest.as_ref(), some) {
                Ok(more) => stored.add(more),
                Err(e) if e.kind() == Kind::Network => return Err(e),
                // Not that way, then. What really is in the way, the requests for single tags tell.
                Err(e) => log::debug!("several tags at once: {e}"),
            }
            // A registry that took none of them does not look at the query, now or later.
            if stored.tags.is_empty() {
                break;
            }
        }
        for tag in tags {
            if !stored.tags.iter().any(|t| t == tag) {
                let more = self
                    .store_manifest(document, tag, &[])
                    .map_err(|e| e.during(format!("tag {tag}")))?;
                stored.add(more);
            }
        }
        self.list_referrer(document, &stored)
    }

    /// One request. With `tags`, `target` must be the digest.
    fn store_manifest(&self, document: &Document, target: &str, tags: &[&str]) -> Result<Stored> {
        let endpoint = self.writable()?;
        let address = self.url(endpoint, &format!("manifests/{target}"));
        let call = Call {
            method: "PUT",
            url: tags
                .iter()
                .fold(address, |url, tag| url::with_query(&url, "tag", tag)),
            headers: vec![("Content-Type", document.descriptor.media_type().to_string())],
            payload: Payload::Bytes(&document.bytes),
            scopes: self.scope("pull,push"),
            accept: &[201, 200, 202],
        };
        let response = self.send(endpoint, &call)?;
        if let Some(stored) =
            header(&response, "docker-content-digest").and_then(|d| digest::parse(&d).ok())
            && stored.algorithm() == document.descriptor.digest().algorithm()
        {
            digest::expect(&stored, document.descriptor.digest())
                .map_err(|e| e.during("stored manifest"))?;
        }
        // One header for each tag, or one for all: HTTP lets servers and proxies join them (RFC 9110, section 5.3).
        let acknowledged = response.headers().get_all("oci-tag").iter();
        Ok(Stored {
            tags: acknowledged
                .filter_map(|v| v.to_str().ok())
                .flat_map(|v| v.split(','))
                .map(|t| t.trim().to_string())
                .collect(),
            subject: header(&response, "oci-subject").is_some(),
        })
    }

    /// Keeps the list of what refers to the subject, when the registry did not say that it does.
    fn list_referrer(&self, document: &Document, stored: &Stored) -> Result<()> {
        match document.subject() {
            Some(subject) if !stored.subject => self.add_referrer(subject.digest(), document),
            _ => Ok(()),
        }
    }

    pub(super) fn push_endpoint(&self) -> Result<&Endpoint> {
        self.writable()
    }
}

/// What a registry said when it stored a manifest.
#[derive(Default)]
struct Stored {
    /// The tags of the query that it took (`OCI-Tag`).
    tags: Vec<String>,
    /// It keeps the list of referrers (`OCI-Subject`).
    subject: bool,
}

impl Stored {
    fn add(&mut self, more: Stored) {
        self.tags.extend(more.tags);
        self.subject |= more.subject;
    }
}

struct Session {
    location: String,
    chunk: u64,
}

/// Where the session goes on. An upload cannot start without an address; later, the one that was used stays good when the
/// registry forgets to give another.
fn location_or(response: &ureq::http::Response<ureq::Body>, base: &str) -> Result<String> {
    match header(response, "location") {
        Some(location) => url::join(base, &location),
        None => Ok(base.to_string()),
    }
}

/// A session that the registry does not know any more is no reason to give up: the upload starts over.
fn gone(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound => {
            Error::network(format!("the upload session is gone: {error}"), Retry::Later)
        }
        _ => error,
    }
}

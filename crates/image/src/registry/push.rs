//! Writing: upload sessions, mounts and manifests.

use std::io::{self, Read};
use std::sync::atomic::Ordering;

use oci_spec::image::{Descriptor, Digest};

use super::exchange::{Call, Payload, header};
use super::hosts::Purpose;
use super::{Endpoint, Repository, url};
use crate::digest;
use crate::error::{Error, Kind, Result, Retry};
use crate::manifest::Document;
use crate::retry::{Attempts, ONCE, Patience};

/// As many tags in one request as every registry takes that takes several at all.
const TAGS: usize = 10;

/// Pieces are not made smaller than this.
const SMALLEST: u64 = 1 << 20;

/// Opens content at a position.
type Open<'a> = &'a dyn Fn(u64) -> Result<Box<dyn Read + Send>>;

impl Repository<'_> {
    /// The registry itself: mirrors are not written to unless they say so.
    pub(super) fn writable(&self) -> Result<&Endpoint> {
        let able = |e: &&Endpoint| e.may(Purpose::Push);
        let all: Vec<&Endpoint> = self.endpoints.iter().filter(able).collect();
        let own = all.iter().find(|e| !e.settings.mirror).or(all.first());
        let nobody = || failure!(Usage: "no address allows pushing; see hosts.toml");
        own.copied().ok_or_else(nobody)
    }

    /// Where to ask what only the registry itself knows.
    pub(super) fn main(&self) -> Result<&Endpoint> {
        let resolves = |e: &&Endpoint| e.may(Purpose::Resolve);
        let reading = self.endpoints.iter().rfind(resolves);
        let nobody = || failure!(Usage: "no address for this registry");
        reading.or(self.endpoints.last()).ok_or_else(nobody)
    }

    /// True if the repository has the blob.
    pub fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        let endpoint = self.writable()?;
        let path = format!("blobs/{}", descriptor.digest());
        let call = self.call(endpoint, "HEAD", &path, "pull,push", &[200, 404]);
        Ok(self.send(endpoint, &call)?.status() == 200)
    }

    /// Uploads a blob: mounted from `from` if the registry can do that, else in one request, or in pieces that continue
    /// where a broken one stopped. A registry that takes no pieces of that size is offered smaller ones, and at last the whole.
    pub fn push_blob(
        &self,
        descriptor: &Descriptor,
        mut from: Option<&str>,
        open: Open<'_>,
    ) -> Result<()> {
        let endpoint = self.writable()?;
        let (digest, size) = (descriptor.digest(), descriptor.size());
        let mut upload = Upload {
            repository: self,
            endpoint,
            descriptor,
            open,
            location: String::new(),
            chunk: 0,
            smallest: 0,
        };
        let mut attempts = Attempts::new(self.registry.options.patience);
        // The ways that were refused.
        let (mut no_pieces, mut no_whole) = (false, false);
        while !(no_pieces && no_whole) {
            let mount = from.take();
            match upload.start(mount) {
                // Not from there, then: whether anything may be sent at all, the next question tells.
                Err(e) if mount.is_some() && e.kind() != Kind::Network => {
                    log::debug!("mount {digest}: {e}");
                    continue;
                }
                Ok(false) => return Ok(()),
                other => other?,
            };
            let in_pieces = no_whole || (size > upload.chunk && !no_pieces);
            let done = match in_pieces {
                true => upload.pieces(),
                false => upload.whole(),
            };
            if let Ok(Done::Stored) = done {
                return Ok(());
            }
            upload.abort();
            // Perhaps only the last answer was lost.
            if self.has_blob(descriptor).unwrap_or(false) {
                return Ok(());
            }
            match done {
                Err(error) => attempts.pause(error)?,
                Ok(_) if in_pieces => no_pieces = true,
                Ok(_) => {
                    no_whole = true;
                    let piece = (size / 4).max(SMALLEST);
                    endpoint.largest_piece.fetch_min(piece, Ordering::Relaxed);
                }
            }
        }
        let host = &endpoint.host;
        Err(failure!(
            Unsupported: "{host} takes {digest} in no form: neither {size} bytes at once nor pieces of them (status 413 or 416)"
            => "It, or a proxy before it, limits the size of requests"))
    }

    /// Uploads what is in memory, unless it is there.
    pub fn push_bytes(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
        let rest = |start| bytes.get(start as usize..).unwrap_or_default().to_vec();
        match self.has_blob(descriptor)? {
            true => Ok(()),
            false => self.push_blob(descriptor, None, &|start| {
                Ok(Box::new(io::Cursor::new(rest(start))))
            }),
        }
    }

    /// Stores a manifest under `target`, a tag or its digest. For one with a `subject` the list of referrers is kept up to
    /// date, by the registry or, when that cannot, by the fallback tag.
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
        let address = tags
            .iter()
            .fold(address, |url, tag| url::with_query(&url, "tag", tag));
        let call = self
            .call_at(endpoint, "PUT", address, "pull,push", &[201, 200, 202])
            .header("Content-Type", document.descriptor.media_type())
            .payload(Payload::Bytes(&document.bytes));
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

/// A blob on its way into a repository.
struct Upload<'a> {
    repository: &'a Repository<'a>,
    endpoint: &'a Endpoint,
    descriptor: &'a Descriptor,
    open: Open<'a>,
    /// Where the session is; changes on the way.
    location: String,
    /// Bytes of a piece.
    chunk: u64,
    /// Bytes that each piece but the last must have.
    smallest: u64,
}

/// What became of an upload.
enum Done {
    Stored,
    /// Not in requests of this size.
    Refused,
}

/// What became of a piece.
enum Piece {
    Taken,
    /// 413 and 416: too large, or from another place on than the registry wants.
    Refused,
    Broken(Error),
}

impl Upload<'_> {
    /// Starts a session; false when the blob was mounted.
    fn start(&mut self, from: Option<&str>) -> Result<bool> {
        let (repository, endpoint) = (self.repository, self.endpoint);
        let mut address = repository.url(endpoint, "blobs/uploads/");
        let mut more = None;
        if let Some(from) = from.filter(|f| *f != repository.name(endpoint)) {
            address = url::with_query(&address, "mount", self.descriptor.digest().as_ref());
            address = url::with_query(&address, "from", from);
            more = Some(format!("repository:{from}:pull"));
        }
        let mut call = self
            .call("POST", address.clone(), &[201, 202])
            .payload(Payload::Bytes(&[]));
        call.scopes.extend(more);
        let response = repository.send(endpoint, &call)?;
        if response.status() == 201 {
            return Ok(false);
        }
        if header(&response, "location").is_none() {
            fail!(Protocol: "{} gave no address for the upload", endpoint.host);
        }
        let smallest = header(&response, "oci-chunk-min-length").and_then(|v| v.parse().ok());
        self.smallest = smallest.unwrap_or(0);
        self.location = location_or(&response, &address)?;
        let chunk = repository.registry.options.push_chunk;
        let chunk = chunk.min(endpoint.largest_piece.load(Ordering::Relaxed));
        self.chunk = chunk.max(self.smallest).max(1);
        Ok(true)
    }

    fn call<'c>(&self, method: &'static str, url: String, accept: &'c [u16]) -> Call<'c> {
        let (repository, endpoint) = (self.repository, self.endpoint);
        repository.call_at(endpoint, method, url, "pull,push", accept)
    }

    /// Fills a session with one request.
    fn whole(&self) -> Result<Done> {
        let payload = Payload::Stream {
            length: self.descriptor.size(),
            open: &|| (self.open)(0),
        };
        self.finish(payload, ONCE)
    }

    fn finish(&self, payload: Payload<'_>, patience: Patience) -> Result<Done> {
        let digest = self.descriptor.digest().as_ref();
        let address = url::with_query(&self.location, "digest", digest);
        let call = self
            .call("PUT", address, &[201, 204, 404, 413])
            .header("Content-Type", "application/octet-stream")
            .payload(payload);
        let response = (self.repository).send_with(self.endpoint, &call, patience)?;
        match response.status().as_u16() {
            404 => Err(gone()),
            413 => Ok(Done::Refused),
            _ => Ok(Done::Stored),
        }
    }

    /// Fills a session piece by piece.
    fn pieces(&mut self) -> Result<Done> {
        let (size, patience) = (
            self.descriptor.size(),
            self.repository.registry.options.patience,
        );
        // `furthest` only grows: a registry that goes back and forth is not followed for ever.
        let (mut position, mut furthest, mut in_vain) = (0, 0, 0);
        let mut attempts = Attempts::new(patience);
        while position < size {
            let end = (position + self.chunk).min(size);
            let error = match self.patch(position, end)? {
                Piece::Taken => {
                    position = end;
                    None
                }
                failure => {
                    // The registry knows how much it has.
                    let have = self.status()?;
                    let moved = have != position;
                    position = have.min(size);
                    in_vain += u32::from(position <= furthest);
                    let refused = matches!(failure, Piece::Refused);
                    // Right place, wrong size. What breaks again and again may be cut for being too large, too.
                    let too_large = !moved && (refused || in_vain > 1);
                    let shrinks = too_large && self.shrink();
                    if too_large && !shrinks && refused {
                        return Ok(Done::Refused);
                    }
                    let what = format!("{} wants other bytes than {position}", self.endpoint.host);
                    match failure {
                        Piece::Broken(error) => Some(error),
                        _ => moved.then(|| Error::network(what, Retry::Later)),
                    }
                }
            };
            error.map_or(Ok(()), |error| attempts.pause(error))?;
            if position > furthest {
                (furthest, in_vain) = (position, 0);
                attempts.progress();
            }
        }
        self.finish(Payload::Bytes(&[]), patience)
    }

    /// Makes pieces smaller; false when they are small already.
    fn shrink(&mut self) -> bool {
        let smaller = (self.chunk / 4).max(self.smallest).max(SMALLEST);
        let shrinks = smaller < self.chunk;
        if shrinks {
            self.chunk = smaller;
            let largest = &self.endpoint.largest_piece;
            largest.fetch_min(smaller, Ordering::Relaxed);
        }
        shrinks
    }

    /// Sends one piece.
    fn patch(&mut self, start: u64, end: u64) -> Result<Piece> {
        let payload = Payload::Stream {
            length: end - start,
            open: &|| (self.open)(start),
        };
        let call = self
            .call("PATCH", self.location.clone(), &[202, 204, 404, 413, 416])
            .header("Content-Type", "application/octet-stream")
            .header("Content-Range", format!("{start}-{}", end - 1))
            .payload(payload);
        let response = match self.repository.send_with(self.endpoint, &call, ONCE) {
            Err(e) if e.retry() != Retry::Never => return Ok(Piece::Broken(e)),
            other => other?,
        };
        match response.status().as_u16() {
            404 => Err(gone()),
            413 | 416 => Ok(Piece::Refused),
            _ => {
                self.location = location_or(&response, &self.location)?;
                Ok(Piece::Taken)
            }
        }
    }

    /// Asks where the session goes on, and how many bytes it has.
    fn status(&mut self) -> Result<u64> {
        let call = self.call("GET", self.location.clone(), &[204, 202, 200, 404]);
        let response = self.repository.send(self.endpoint, &call)?;
        if response.status() == 404 {
            return Err(gone());
        }
        self.location = location_or(&response, &self.location)?;
        let range = header(&response, "range").unwrap_or_default();
        let last = range.trim_start_matches("bytes=").split_once('-');
        // "0-0" is one byte by the letter, and what registries say that have none.
        Ok(match last.and_then(|(_, last)| last.parse::<u64>().ok()) {
            None | Some(0) => 0,
            Some(last) => last.saturating_add(1),
        })
    }

    /// A courtesy: sessions end by themselves as well.
    fn abort(&self) {
        let call = self.call("DELETE", self.location.clone(), &[204, 200, 202]);
        if let Err(e) = self.repository.send_with(self.endpoint, &call, ONCE) {
            log::debug!("end upload session: {e}");
        }
    }
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
fn gone() -> Error {
    Error::network("the upload session is gone", Retry::Later)
}

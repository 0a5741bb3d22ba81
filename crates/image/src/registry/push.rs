//! Writing: upload sessions, mounts and manifests.

use std::io::Read;
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
        let able = |e: &&Endpoint| e.purposes.contains(&Purpose::Push);
        let all: Vec<&Endpoint> = self.endpoints.iter().filter(able).collect();
        let own = all.iter().find(|e| !e.mirror).or(all.first());
        let nobody = || failure!(Usage: "no address allows pushing; see hosts.toml");
        own.copied().ok_or_else(nobody)
    }

    /// Where to ask what only the registry itself knows.
    pub(super) fn main(&self) -> Result<&Endpoint> {
        let resolves = |e: &&Endpoint| e.purposes.contains(&Purpose::Resolve);
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
        from: Option<&str>,
        open: Open<'_>,
    ) -> Result<()> {
        let endpoint = self.writable()?;
        let mut attempts = Attempts::new(self.registry.options.patience);
        let mut from = from;
        // The ways that were refused.
        let (mut no_pieces, mut no_whole) = (false, false);
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
            let size = descriptor.size();
            let in_pieces = no_whole || (size > session.chunk && !no_pieces);
            let done = match in_pieces {
                true => self.pieces(endpoint, descriptor, &mut session, open),
                false => self.whole(endpoint, descriptor, &session, open),
            };
            if let Ok(Done::Stored) = done {
                return Ok(());
            }
            self.abort(endpoint, session.location);
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
            if no_pieces && no_whole {
                fail!(Unsupported: "{} takes {} in no form: neither {size} bytes at once nor pieces of them (status 413 or 416)", endpoint.host, descriptor.digest()
                    => "It, or a proxy before it, limits the size of requests");
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
        let mut more = None;
        if let Some(from) = from.filter(|f| *f != self.name(endpoint)) {
            address = url::with_query(&address, "mount", descriptor.digest().as_ref());
            address = url::with_query(&address, "from", from);
            more = Some(format!("repository:{from}:pull"));
        }
        let mut call = self
            .call_at(endpoint, "POST", address.clone(), "pull,push", &[201, 202])
            .header("Content-Length", 0)
            .payload(Payload::Bytes(&[]));
        call.scopes.extend(more);
        let response = self.send(endpoint, &call)?;
        if response.status() == 201 {
            return Ok(None);
        }
        let smallest = header(&response, "oci-chunk-min-length")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        if header(&response, "location").is_none() {
            fail!(Protocol: "{} gave no address for the upload", endpoint.host);
        }
        Ok(Some(Session {
            location: location_or(&response, &address)?,
            chunk: (self.registry.options.push_chunk)
                .min(endpoint.largest_piece.load(Ordering::Relaxed))
                .max(smallest)
                .max(1),
            smallest,
        }))
    }

    /// Fills a session with one request.
    fn whole(
        &self,
        endpoint: &Endpoint,
        descriptor: &Descriptor,
        session: &Session,
        open: Open<'_>,
    ) -> Result<Done> {
        let payload = Payload::Stream {
            length: descriptor.size(),
            open: &|| open(0),
        };
        let call = self.finish_call(endpoint, &session.location, descriptor, payload);
        self.finish(endpoint, &call, ONCE)
    }

    fn finish(&self, endpoint: &Endpoint, call: &Call<'_>, patience: Patience) -> Result<Done> {
        match self.send_with(endpoint, call, patience)?.status().as_u16() {
            404 => Err(gone()),
            413 => Ok(Done::Refused),
            _ => Ok(Done::Stored),
        }
    }

    /// Fills a session piece by piece. Its address changes on the way.
    fn pieces(
        &self,
        endpoint: &Endpoint,
        descriptor: &Descriptor,
        session: &mut Session,
        open: Open<'_>,
    ) -> Result<Done> {
        let size = descriptor.size();
        // `furthest` only grows: a registry that goes back and forth is not followed for ever.
        let (mut position, mut furthest) = (0, 0);
        let mut attempts = Attempts::new(self.registry.options.patience);
        let mut in_vain = 0;
        while position < size {
            let end = (position + session.chunk).min(size);
            let failure = match self.patch(endpoint, &session.location, position, end, open)? {
                Piece::Taken(next) => {
                    (session.location, position) = (next, end);
                    None
                }
                Piece::Refused(status) => Some((Some(status), None)),
                Piece::Broken(error) => Some((None, Some(error))),
            };
            if let Some((status, error)) = failure {
                // The registry knows how much it has.
                let (next, have) = self.status(endpoint, &session.location)?;
                let moved = have != position;
                (session.location, position) = (next, have.min(size));
                if position <= furthest {
                    in_vain += 1;
                }
                // Right place, wrong size. What breaks again and again may be cut for being too large, too.
                if !moved && (status.is_some() || in_vain > 1) {
                    let smaller = (session.chunk / 4).max(session.smallest).max(SMALLEST);
                    if smaller < session.chunk {
                        session.chunk = smaller;
                        endpoint.largest_piece.fetch_min(smaller, Ordering::Relaxed);
                    } else if status.is_some() {
                        return Ok(Done::Refused);
                    }
                }
                match (error, status) {
                    (Some(error), _) => attempts.pause(error)?,
                    (None, _) if moved => attempts.pause(Error::network(
                        format!("{} wants other bytes than {position}", endpoint.host),
                        Retry::Later,
                    ))?,
                    _ => {}
                }
            }
            if position > furthest {
                (furthest, in_vain) = (position, 0);
                attempts.progress();
            }
        }
        let nothing = Payload::Bytes(&[]);
        let call = self.finish_call(endpoint, &session.location, descriptor, nothing);
        self.finish(endpoint, &call, self.registry.options.patience)
    }

    fn finish_call<'a>(
        &self,
        endpoint: &Endpoint,
        at: &str,
        descriptor: &Descriptor,
        payload: Payload<'a>,
    ) -> Call<'a> {
        let address = url::with_query(at, "digest", descriptor.digest().as_ref());
        self.call_at(endpoint, "PUT", address, "pull,push", &[201, 204, 404, 413])
            .header("Content-Type", "application/octet-stream")
            .payload(payload)
    }

    /// Sends one piece.
    fn patch(
        &self,
        endpoint: &Endpoint,
        at: &str,
        start: u64,
        end: u64,
        open: Open<'_>,
    ) -> Result<Piece> {
        let stream = || open(start);
        let payload = Payload::Stream {
            length: end - start,
            open: &stream,
        };
        let accept = [202, 204, 404, 413, 416];
        let call = self
            .call_at(endpoint, "PATCH", at.to_string(), "pull,push", &accept)
            .header("Content-Type", "application/octet-stream")
            .header("Content-Range", format!("{start}-{}", end - 1))
            .payload(payload);
        let response = match self.send_with(endpoint, &call, ONCE) {
            Err(e) if e.retry() != Retry::Never => return Ok(Piece::Broken(e)),
            other => other?,
        };
        match response.status().as_u16() {
            404 => Err(gone()),
            status @ (413 | 416) => Ok(Piece::Refused(status)),
            _ => location_or(&response, at).map(Piece::Taken),
        }
    }

    /// Address and number of bytes of a session.
    fn status(&self, endpoint: &Endpoint, at: &str) -> Result<(String, u64)> {
        let accept = [204, 202, 200, 404];
        let call = self.call_at(endpoint, "GET", at.to_string(), "pull,push", &accept);
        let response = self.send(endpoint, &call)?;
        if response.status() == 404 {
            return Err(gone());
        }
        let range = header(&response, "range").unwrap_or_default();
        let last = range
            .trim_start_matches("bytes=")
            .split_once('-')
            .and_then(|(_, last)| last.parse::<u64>().ok());
        // "0-0" is one byte by the letter, and what registries say that have none.
        let have = match last {
            None | Some(0) => 0,
            Some(last) => last.saturating_add(1),
        };
        Ok((location_or(&response, at)?, have))
    }

    fn abort(&self, endpoint: &Endpoint, at: String) {
        let call = self.call_at(endpoint, "DELETE", at, "pull,push", &[204, 200, 202]);
        // A courtesy: sessions end by themselves as well.
        if let Err(e) = self.send_with(endpoint, &call, ONCE) {
            log::debug!("end upload session: {e}");
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

/// What became of an upload.
enum Done {
    Stored,
    /// Not in requests of this size.
    Refused,
}

/// What became of a piece.
enum Piece {
    /// The address for the next one.
    Taken(String),
    /// 413 and 416: too large, or from another place on than the registry wants.
    Refused(u16),
    Broken(Error),
}

struct Session {
    location: String,
    /// Bytes of a piece.
    chunk: u64,
    /// Bytes that each but the last must have.
    smallest: u64,
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

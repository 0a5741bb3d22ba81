//! Reading: manifests and blobs.

use std::collections::HashMap;

use oci_spec::image::{Descriptor, Digest};
use ureq::Body;
use ureq::http::Response;

use super::exchange::header;
use super::hosts::Purpose;
use super::{Endpoint, Repository, lock, network_error, read_body, url};
use crate::digest;
use crate::error::{Error, Kind, Result, Retry};
use crate::manifest::{ACCEPT, Document};
use crate::pace::Paced;
use crate::retry::{ONCE, Patience};
use crate::source::{Content, Source};

impl Repository<'_> {
    /// Fetches the manifest or index behind `target`, a tag or a digest.
    pub fn manifest(&self, target: &str) -> Result<Document> {
        let purpose = match target.contains(':') {
            true => Purpose::Pull,
            false => Purpose::Resolve,
        };
        self.try_each(purpose, None, |endpoint, patience| {
            patience.run(|| self.manifest_from(endpoint, target))
        })
    }

    /// The digest that the repository's reference stands for.
    pub fn resolve(&self) -> Result<Digest> {
        match self.reference.digest() {
            Some(digest) => Ok(digest),
            None => {
                let document = self.manifest(self.reference.target())?;
                Ok(document.descriptor.digest().clone())
            }
        }
    }

    fn manifest_from(&self, endpoint: &Endpoint, target: &str) -> Result<Document> {
        let path = format!("manifests/{target}");
        let call = self
            .call(endpoint, "GET", &path, "pull", &[200])
            .header("Accept", ACCEPT);
        let mut response = self.send_with(endpoint, &call, ONCE)?;
        let media_type = header(&response, "content-type");
        let claimed = header(&response, "docker-content-digest");
        let bytes = self.body(endpoint, &mut response)?;
        if let Some(claimed) = claimed {
            let Ok(claimed) = digest::parse(&claimed) else {
                fail!(Protocol: "{} sent the digest {claimed:?}", endpoint.host);
            };
            // The header is optional; when it is there and can be checked, it must be right.
            match digest::check(&bytes, &claimed) {
                Err(e) if e.kind() == Kind::Unsupported => {}
                other => other?,
            }
        }
        let wanted = match target.contains(':') {
            true => Some(digest::parse(target)?),
            false => None,
        };
        if let Some(wanted) = &wanted {
            digest::check(&bytes, wanted)?;
        }
        let mut document = Document::parse(bytes, media_type.as_deref())?;
        if let Some(wanted) = wanted {
            document.descriptor.set_digest(wanted);
        }
        Ok(document)
    }

    /// Reads a document with a limit.
    pub(super) fn body(
        &self,
        endpoint: &Endpoint,
        response: &mut Response<Body>,
    ) -> Result<Vec<u8>> {
        let options = &self.registry.options;
        let limit = options.limits.manifest_bytes;
        let bytes = read_body(response, limit, options.pace)
            .map_err(|e| Error::network(format!("{}: {e}", endpoint.host), Retry::Later))?;
        if bytes.len() as u64 > limit {
            fail!(Limit: "{} sends more than {limit} bytes for a document", endpoint.host);
        }
        Ok(bytes)
    }

    /// Opens a blob at byte `start`, without trying again: whoever reads it has to, when it breaks off, too. A registry may ignore the range and start at the beginning.
    pub fn blob(&self, descriptor: &Descriptor, start: u64, end: Option<u64>) -> Result<Content> {
        let result = self.try_each(Purpose::Pull, Some(descriptor), |endpoint, _| {
            self.content(endpoint, descriptor, (start, end))
        });
        match result {
            Err(e) if e.kind() == Kind::NotFound && self.registry.options.foreign_urls => {
                self.foreign(descriptor, (start, end)).unwrap_or(Err(e))
            }
            Err(e) if e.kind() == Kind::NotFound && descriptor.urls().is_some() => {
                Err(e.hint("The image says where else it is; --foreign-urls allows to go there"))
            }
            other => other,
        }
    }

    /// From byte `range.0` on, or from the start where the address cannot do that.
    fn content(
        &self,
        endpoint: &Endpoint,
        descriptor: &Descriptor,
        range: (u64, Option<u64>),
    ) -> Result<Content> {
        let path = format!("blobs/{}", descriptor.digest());
        let ask = |range: Option<String>| {
            let mut call = self
                .call(endpoint, "GET", &path, "pull", &[200, 206])
                .header("Accept", "*/*");
            call.headers.extend(range.map(|range| ("Range", range)));
            self.send_with(endpoint, &call, ONCE)
        };
        let mut found = None;
        if range.0 > 0 || range.1.is_some() {
            let last = range.1.map_or(String::new(), |e| (e - 1).to_string());
            found = match ask(Some(format!("bytes={}-{last}", range.0))) {
                Ok(response) => begins(&response, range.0, descriptor)?.map(|at| (response, at)),
                Err(e) if e.retry() == Retry::Never && e.kind() != Kind::NotFound => {
                    log::debug!("{e}; asking for the whole");
                    None
                }
                Err(e) => return Err(e),
            };
        }
        let (response, start) = match found {
            Some(found) => found,
            None => {
                let response = ask(None)?;
                begins(&response, 0, descriptor)
                    .map_err(|e| e.hint(format!("That is what {} sends", endpoint.host)))?;
                (response, 0)
            }
        };
        Ok(self.paced(response, start))
    }

    fn paced(&self, response: Response<Body>, start: u64) -> Content {
        let body = response.into_body().into_with_config().limit(u64::MAX);
        Content {
            reader: Box::new(Paced::new(body.reader(), self.registry.options.pace)),
            start,
        }
    }

    /// The layer's own address, without any credentials (CVE-2020-15157).
    fn foreign(
        &self,
        descriptor: &Descriptor,
        range: (u64, Option<u64>),
    ) -> Option<Result<Content>> {
        let address = descriptor
            .urls()
            .as_ref()?
            .iter()
            .find(|u| u.starts_with("https://"))?;
        let options = &self.registry.options;
        let run = || {
            // Whom to trust is the caller's decision for all hosts; who the caller is, is nobody's business there.
            let tls = super::Tls {
                authorities: options.tls.authorities.clone(),
                ..super::Tls::default()
            };
            let agent = self.registry.agent(&tls, &url::origin(address)?)?;
            let response = agent
                .get(address)
                .header("Range", format!("bytes={}-", range.0))
                .call()
                .map_err(|e| network_error(&e, address))?;
            match response.status().as_u16() {
                206 => Ok((response, range.0)),
                200 => Ok((response, 0)),
                status => Err(failure!(NotFound: "{address} answered {status}")),
            }
        };
        Some(run().map(|(response, start)| self.paced(response, start)))
    }

    /// Tries the addresses in order until one has it: what is wrong or broken there is no better than missing. Only the
    /// last is waited for. Which one gave `content` is remembered.
    pub(super) fn try_each<T>(
        &self,
        purpose: Purpose,
        content: Option<&Descriptor>,
        mut run: impl FnMut(&Endpoint, Patience) -> Result<T>,
    ) -> Result<T> {
        let key = content.map_or(String::new(), |c| c.digest().to_string());
        // What was wrong at each before.
        let mut failures = match lock(&self.given).get(&key) {
            Some(given) if content.is_some() => given.refused.clone(),
            _ => HashMap::new(),
        };
        let able: Vec<(usize, &Endpoint)> = (self.endpoints.iter().enumerate())
            .filter(|(_, e)| e.may(purpose))
            .collect();
        let patience = self.registry.options.patience;
        for (place, (n, endpoint)) in able.iter().enumerate() {
            let is_last = place + 1 == able.len();
            if failures.contains_key(n) && !is_last {
                continue;
            }
            match run(endpoint, if is_last { patience } else { ONCE }) {
                Ok(found) => {
                    if content.is_some() {
                        let mut given = lock(&self.given);
                        given.entry(key).or_default().by.insert(*n);
                    }
                    return Ok(found);
                }
                Err(e) if !is_last => {
                    log::info!("{}: {e}", endpoint.host);
                    failures.insert(*n, e.to_string());
                }
                Err(e) => {
                    let mut before: Vec<_> = failures.into_iter().collect();
                    before.sort();
                    return Err(before.into_iter().fold(e, |e, (n, failure)| {
                        e.and(&format!(
                            "Before that, {}: {failure}",
                            self.endpoints[n].host
                        ))
                    }));
                }
            }
        }
        Err(failure!(Usage: "no address is allowed for this; see hosts.toml"))
    }

    /// The addresses that gave `descriptor`'s content are not asked for it again; false when there are no others.
    fn distrust(&self, descriptor: &Descriptor, error: &Error) -> bool {
        let last = self.endpoints.iter().rposition(|e| e.may(Purpose::Pull));
        let mut given = lock(&self.given);
        let given = given.entry(descriptor.digest().to_string()).or_default();
        let guilty: Vec<usize> = given.by.drain().filter(|n| Some(*n) != last).collect();
        let refused = guilty.iter().map(|n| (*n, error.to_string()));
        given.refused.extend(refused);
        !guilty.is_empty()
    }

    /// Address of something in this repository.
    pub(super) fn url(&self, endpoint: &Endpoint, rest: &str) -> String {
        let address = format!("{}/{}/{rest}", endpoint.base, self.name(endpoint));
        if endpoint.settings.mirror && endpoint.settings.repository.is_none() {
            // distribution-spec, "Registry proxying": the mirror learns whose repository is meant.
            return url::with_query(&address, "ns", self.reference.host());
        }
        address
    }
}

/// Where an answer to a request from byte `start` on begins; none when it does not say, or somewhere else.
///
/// # Errors
/// [`Kind::Integrity`] when it is about content of another size: a page for people, for example.
fn begins(response: &Response<Body>, start: u64, descriptor: &Descriptor) -> Result<Option<u64>> {
    let range = header(response, "content-range").unwrap_or_default();
    let (begins, whole) = match response.status().as_u16() {
        200 => (Some(0), header(response, "content-length")),
        _ => {
            let range = range.strip_prefix("bytes ").and_then(|r| r.split_once('/'));
            let (range, whole) = range.unwrap_or_default();
            let first = range.split('-').next().and_then(|first| first.parse().ok());
            (
                first.filter(|first| *first <= start),
                Some(whole.to_string()),
            )
        }
    };
    match whole.and_then(|w| w.parse().ok()) {
        Some(sent) if sent != descriptor.size() => Err(digest::wrong_size(descriptor, sent)),
        _ => Ok(begins),
    }
}

/// An image in a registry.
pub struct RegistrySource<'a> {
    repository: Repository<'a>,
}

impl<'a> RegistrySource<'a> {
    /// The image that the repository's reference stands for.
    pub fn new(repository: Repository<'a>) -> Self {
        RegistrySource { repository }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository<'a> {
        &self.repository
    }
}

impl Source for RegistrySource<'_> {
    fn root(&self) -> Result<Document> {
        self.repository.manifest(self.repository.reference.target())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        if let Some(bytes) = crate::manifest::embedded(descriptor) {
            return Document::of(bytes, descriptor);
        }
        let document = self.repository.manifest(descriptor.digest().as_ref())?;
        digest::verify(&document.bytes, descriptor)?;
        // The descriptor and the answer may each call it something else.
        Document::of(document.bytes, descriptor)
    }

    fn open(&self, descriptor: &Descriptor, start: u64, end: Option<u64>) -> Result<Content> {
        self.repository.blob(descriptor, start, end)
    }

    fn distrust(&self, descriptor: &Descriptor, error: &Error) -> bool {
        self.repository.distrust(descriptor, error)
    }

    fn patience(&self) -> Patience {
        self.repository.registry.options.patience
    }

    fn is_remote(&self) -> bool {
        true
    }
}

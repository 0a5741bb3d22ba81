//! Reading: manifests and blobs.

use std::io::Read;
use std::time::Duration;

use oci_spec::image::{Descriptor, Digest};
use ureq::Body;
use ureq::http::Response;

use super::exchange::{Call, Payload, header};
use super::{Endpoint, Repository, network_error, url};
use crate::digest::{self, Hasher};
use crate::error::{Error, Kind, Result, Retry};
use crate::manifest::{ACCEPT, Document};
use crate::retry::{Attempts, Patience};
use crate::source::{Content, Source};

/// For requests that are repeated together with what follows them.
const ONCE: Patience = Patience {
    attempts: 1,
    first: Duration::ZERO,
    longest: Duration::MAX,
};

/// What an address is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Resolve,
    Pull,
}

impl Repository<'_> {
    /// Fetches the manifest or index behind `target`, a tag or a digest.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Denied`], [`Kind::Network`], [`Kind::Integrity`], [`Kind::Malformed`], [`Kind::Limit`].
    pub fn manifest(&self, target: &str) -> Result<Document> {
        let by_digest = target.contains(':');
        let purpose = if by_digest {
            Purpose::Pull
        } else {
            Purpose::Resolve
        };
        self.try_each(purpose, |endpoint, patience| {
            let mut attempts = Attempts::new(patience);
            loop {
                match self.manifest_from(endpoint, target) {
                    Ok(document) => return Ok(document),
                    Err(e) => attempts.pause(e)?,
                }
            }
        })
    }

    fn manifest_from(&self, endpoint: &Endpoint, target: &str) -> Result<Document> {
        let call = Call {
            method: "GET",
            url: self.url(endpoint, &format!("manifests/{target}")),
            headers: vec![("Accept", ACCEPT.into())],
            payload: Payload::None,
            scopes: self.scope("pull"),
            accept: &[200],
        };
        let mut response = self.send_with(endpoint, &call, ONCE)?;
        let media_type = header(&response, "content-type");
        let claimed = header(&response, "docker-content-digest");
        let bytes = self.body(endpoint, &mut response)?;
        let check = |wanted: &Digest| {
            let mut hasher = Hasher::like(wanted)?;
            hasher.update(&bytes);
            digest::expect(&hasher.finish(), wanted)
        };
        if let Some(claimed) = claimed {
            let Ok(claimed) = digest::parse(&claimed) else {
                return Err(Error::new(
                    Kind::Protocol,
                    format!("{} sent the digest {claimed:?}", endpoint.host),
                ));
            };
            // The header is optional; when it is there and can be checked, it must be right.
            match check(&claimed) {
                Err(e) if e.kind() == Kind::Unsupported => {}
                other => other?,
            }
        }
        let wanted = match target.contains(':') {
            true => Some(digest::parse(target)?),
            false => None,
        };
        if let Some(wanted) = &wanted {
            check(wanted)?;
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
        let limit = self.registry.options.limits.manifest_bytes;
        let mut bytes = Vec::new();
        response
            .body_mut()
            .as_reader()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::network(format!("{}: {e}", endpoint.host), Retry::Later))?;
        if bytes.len() as u64 > limit {
            return Err(Error::new(
                Kind::Limit,
                format!(
                    "{} sends more than {limit} bytes for a document",
                    endpoint.host
                ),
            ));
        }
        Ok(bytes)
    }

    /// Opens a blob at byte `start`, without trying again: whoever reads it has to, when it breaks off, too. A registry may ignore the range and start at the beginning.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Denied`], [`Kind::Network`], [`Kind::Protocol`].
    pub fn blob(&self, descriptor: &Descriptor, start: u64, end: Option<u64>) -> Result<Content> {
        let result = self.try_each(Purpose::Pull, |endpoint, _| {
            let address = self.url(endpoint, &format!("blobs/{}", descriptor.digest()));
            self.content(endpoint, address, (start, end))
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

    fn content(
        &self,
        endpoint: &Endpoint,
        address: String,
        range: (u64, Option<u64>),
    ) -> Result<Content> {
        let (start, end) = range;
        let mut headers = vec![("Accept", "*/*".to_string())];
        if start > 0 || end.is_some() {
            let last = end
                .map(|e| (e.saturating_sub(1)).to_string())
                .unwrap_or_default();
            headers.push(("Range", format!("bytes={start}-{last}")));
        }
        let call = Call {
            method: "GET",
            url: address,
            headers,
            payload: Payload::None,
            scopes: self.scope("pull"),
            accept: &[200, 206],
        };
        let response = self.send_with(endpoint, &call, ONCE)?;
        let begins = match response.status().as_u16() {
            206 => {
                let range = header(&response, "content-range").unwrap_or_default();
                let begins = range
                    .strip_prefix("bytes ")
                    .and_then(|r| r.split('-').next()?.parse::<u64>().ok());
                match begins {
                    Some(begins) if begins <= start => begins,
                    _ => {
                        return Err(Error::new(
                            Kind::Protocol,
                            format!(
                                "{} answers a range from {start} with {range:?}",
                                endpoint.host
                            ),
                        ));
                    }
                }
            }
            _ => 0,
        };
        let reader = response
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .reader();
        Ok(Content {
            reader: Box::new(reader),
            start: begins,
        })
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
            let agent =
                super::tls::agent(&tls, true, options.connect_timeout, options.stall_timeout)?;
            let response = agent
                .get(address)
                .header("Range", format!("bytes={}-", range.0))
                .call()
                .map_err(|e| network_error(&e, address))?;
            match response.status().as_u16() {
                206 => Ok((response, range.0)),
                200 => Ok((response, 0)),
                status => Err(Error::new(
                    Kind::NotFound,
                    format!("{address} answered {status}"),
                )),
            }
        };
        Some(run().map(|(response, start)| {
            Content {
                reader: Box::new(
                    response
                        .into_body()
                        .into_with_config()
                        .limit(u64::MAX)
                        .reader(),
                ),
                start,
            }
        }))
    }

    /// Tries the addresses in order until one has it. Only the last is waited for.
    pub(super) fn try_each<T>(
        &self,
        purpose: Purpose,
        mut run: impl FnMut(&Endpoint, Patience) -> Result<T>,
    ) -> Result<T> {
        let able: Vec<&Endpoint> = self
            .endpoints
            .iter()
            .filter(|e| match purpose {
                Purpose::Resolve => e.abilities.resolve,
                Purpose::Pull => e.abilities.pull,
            })
            .collect();
        let patience = self.registry.options.patience;
        let mut last = None;
        for (n, endpoint) in able.iter().enumerate() {
            let is_last = n + 1 == able.len();
            let patience = if is_last {
                patience
            } else {
                Patience {
                    attempts: 1,
                    ..patience
                }
            };
            match run(endpoint, patience) {
                Ok(found) => return Ok(found),
                Err(e) if !is_last => {
                    log::info!("mirror {}: {e}", endpoint.host);
                    last = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        Err(last.unwrap_or_else(|| {
            Error::new(
                Kind::Usage,
                "no address is allowed for this; see hosts.toml",
            )
        }))
    }

    /// Address of something in this repository.
    pub(super) fn url(&self, endpoint: &Endpoint, rest: &str) -> String {
        let address = format!("{}/{}/{rest}", endpoint.base, self.reference.repository());
        if endpoint.mirror {
            // distribution-spec, "Registry proxying": the mirror learns whose repository is meant.
            return url::with_query(&address, "ns", self.reference.host());
        }
        address
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

    fn patience(&self) -> Patience {
        self.repository.registry.options.patience
    }

    fn is_remote(&self) -> bool {
        true
    }
}

//! What refers to an image: signatures, bills of materials (distribution-spec, "Listing Referrers").

use oci_spec::image::{Descriptor, Digest, ImageIndex, MediaType};
use serde_json::{Value, json};

use super::exchange::header;
use super::{Repository, url};
use crate::error::{Kind, Result};
use crate::index;
use crate::json::parse_document;
use crate::manifest::{Content, Document};

impl Repository<'_> {
    /// Descriptors of the manifests whose `subject` is `digest`, only those of `artifact_type` if given.
    pub fn referrers(
        &self,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let mut found = match self.referrers_by_api(digest, artifact_type)? {
            Some(found) => found,
            None => match self.manifest(&fallback_tag(digest)) {
                Ok(Document {
                    content: Content::Index(index),
                    ..
                }) => index.manifests().clone(),
                // No such tag, or something else under it: nothing refers to the image.
                Ok(_) => Vec::new(),
                Err(e) if e.kind() == Kind::NotFound => Vec::new(),
                Err(e) => return Err(e),
            },
        };
        if let Some(wanted) = artifact_type {
            // A registry may have filtered, or not; doing it again changes nothing.
            found.retain(|d| {
                d.artifact_type()
                    .as_ref()
                    .is_some_and(|t| t.as_ref() == wanted)
            });
        }
        Ok(found)
    }

    /// None when the registry has no such API.
    fn referrers_by_api(
        &self,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>> {
        let endpoint = self.main()?;
        let mut address = self.url(endpoint, &format!("referrers/{digest}"));
        if let Some(wanted) = artifact_type {
            address = url::with_query(&address, "artifactType", wanted);
        }
        let mut found = Some(Vec::new());
        let media_type = MediaType::ImageIndex.to_string();
        let accept = [200, 404, 405, 400];
        self.pages(endpoint, address, &media_type, &accept, |response, body| {
            // Registries without the API answer some paths with pages for people.
            let html = header(response, "content-type").is_some_and(|t| t.contains("html"));
            if response.status() != 200 || html {
                found = None;
                return Ok(false);
            }
            let index: ImageIndex = parse_document(&body, "list of referrers")?;
            let more = index.manifests().iter().cloned();
            found.get_or_insert_default().extend(more);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Adds `document` to the fallback tag of `subject`.
    pub(super) fn add_referrer(&self, subject: &Digest, document: &Document) -> Result<()> {
        self.edit_fallback(subject, |entries| {
            if entries
                .iter()
                .any(|d| index::is_of(d, document.descriptor.digest()))
            {
                return false;
            }
            let mut entry = document.descriptor.clone();
            let (artifact_type, annotations) = match &document.content {
                Content::Manifest(m) => {
                    let own = m
                        .artifact_type()
                        .clone()
                        .or_else(|| Some(m.config().media_type().clone()));
                    (own, m.annotations().clone())
                }
                Content::Index(i) => (i.artifact_type().clone(), i.annotations().clone()),
            };
            entry.set_artifact_type(artifact_type);
            entry.set_annotations(annotations);
            entries.push(json!(entry));
            true
        })
    }

    /// Takes a deleted manifest out of the fallback tag of its subject.
    pub(super) fn remove_referrer(&self, subject: &Digest, deleted: &Digest) -> Result<()> {
        self.edit_fallback(subject, |entries| {
            let before = entries.len();
            entries.retain(|d| !index::is_of(d, deleted));
            entries.len() != before
        })
    }

    fn edit_fallback(
        &self,
        subject: &Digest,
        change: impl FnOnce(&mut Vec<Value>) -> bool,
    ) -> Result<()> {
        let tag = fallback_tag(subject);
        let old = match self.manifest(&tag) {
            Ok(Document {
                content: Content::Index(_),
                bytes,
                ..
            }) => bytes,
            Ok(_) => {
                fail!(Protocol: "the tag {tag} is needed for referrers, but is no index"
                    => "Delete or rename that tag");
            }
            Err(e) if e.kind() == Kind::NotFound => index::EMPTY.to_vec(),
            Err(e) => return Err(e),
        };
        let (new, changed) = index::change(&old, &tag, |entries| Ok(change(entries)))?;
        match changed {
            true => self.push_manifest(&Document::made(&new)?, &tag),
            false => Ok(()),
        }
    }
}

/// distribution-spec, "Referrers Tag Schema".
pub(super) fn fallback_tag(digest: &Digest) -> String {
    let (algorithm, encoded) = (digest.algorithm().as_ref(), digest.digest());
    format!("{algorithm:.32}-{encoded:.64}").replace(['+', '='], "-")
}

/// `Link: <address>; rel="next"` (RFC 8288).
pub(super) fn next_page(
    response: &ureq::http::Response<ureq::Body>,
    base: &str,
) -> Result<Option<String>> {
    let values = response.headers().get_all("link").iter();
    // One header may have several.
    let links = values.flat_map(|v| v.to_str().unwrap_or_default().split('<').skip(1));
    for (address, parameters) in links.filter_map(|link| link.split_once('>')) {
        let parameters = parameters.to_ascii_lowercase().replace('"', "");
        if !parameters.contains("rel=next") {
            continue;
        }
        let next = url::join(base, address)?;
        // The next page of one registry's list is at that registry.
        if url::origin(&next)? != url::origin(base)? {
            fail!(Protocol: "the list goes on at another host: {next}");
        }
        return Ok(Some(next));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    #[test]
    fn tags() {
        let digest = digest::of(b"");
        assert_eq!(fallback_tag(&digest), digest.to_string().replace(':', "-"));
        let odd = digest::parse(&format!("multihash+base58:{}", "Q=".repeat(60))).unwrap();
        assert_eq!(
            fallback_tag(&odd),
            format!("multihash-base58-{}", "Q-".repeat(32))
        );
    }
}

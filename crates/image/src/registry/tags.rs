//! Listing tags and deleting.

use oci_spec::image::Digest;

use super::referrers::{next_page, page_fits};
use super::{Repository, url};
#[cfg(doc)]
use crate::error::Kind;
use crate::error::{Result, failure};
use crate::json::parse_json;
use crate::manifest::Document;

/// Pages of a list, at most.
const PAGES: usize = 10_000;

impl Repository<'_> {
    /// All tags.
    pub fn tags(&self) -> Result<Vec<String>> {
        let endpoint = self.main()?;
        let mut address = url::with_query(&self.url(endpoint, "tags/list"), "n", "1000");
        let mut all = Vec::new();
        let mut left = self.list_bytes();
        for _ in 0..PAGES {
            let call = self
                .call_at(endpoint, "GET", address.clone(), "pull", &[200])
                .header("Accept", "application/json");
            let mut response = self.send(endpoint, &call)?;
            let body = self.body(endpoint, &mut response)?;
            left = page_fits(left, &body)?;
            // The list is null in a repository whose last tag was deleted.
            let list: serde_json::Value = parse_json(&body, "list of tags")?;
            all.extend(
                list["tags"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|t| t.as_str().map(String::from))
                    .filter(|tag| {
                        let good = crate::reference::is_tag(tag);
                        if !good {
                            log::warn!("{} lists {tag:?}, which is no tag", endpoint.host);
                        }
                        good
                    }),
            );
            match next_page(&response, &address)? {
                Some(next) => address = next,
                None => return Ok(all),
            }
        }
        Err(failure!(Limit, "more than {PAGES} pages of tags"))
    }

    /// Deletes the manifest `digest`, and with it all its tags.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] when the registry does not allow it; [`Kind::NotFound`], [`Kind::Denied`], [`Kind::Network`].
    pub fn delete_manifest(&self, digest: &Digest) -> Result<()> {
        // What it refers to must be known before it is gone.
        let subject = self
            .manifest(digest.as_ref())
            .ok()
            .and_then(|d: Document| d.subject().map(|s| s.digest().clone()));
        let endpoint = self.writable()?;
        let (path, accept) = (format!("manifests/{digest}"), [202, 200, 204]);
        let call = self.call(endpoint, "DELETE", &path, "delete,pull,push", &accept);
        self.send(endpoint, &call)?;
        if let Some(subject) = subject {
            // With the API the registry does it; the tag then does not exist.
            if let Err(e) = self.remove_referrer(&subject, digest) {
                log::warn!(
                    "the list of referrers of {subject} could not be brought up to date: {e}"
                );
            }
        }
        Ok(())
    }
}

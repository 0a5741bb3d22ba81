//! Listing tags and deleting.

use oci_spec::image::Digest;

use super::referrers::next_page;
use super::{Endpoint, Repository, url};
use crate::error::Result;
use crate::json::parse_json;
use crate::manifest::Document;
use ureq::Body;
use ureq::http::Response;

/// Pages of a list, at most.
const PAGES: usize = 10_000;

impl Repository<'_> {
    /// All tags.
    pub fn tags(&self) -> Result<Vec<String>> {
        let endpoint = self.main()?;
        let address = url::with_query(&self.url(endpoint, "tags/list"), "n", "1000");
        let mut all = Vec::new();
        self.pages(endpoint, address, "application/json", &[200], |_, body| {
            // The list is null in a repository whose last tag was deleted.
            let list: serde_json::Value = parse_json(&body, "list of tags")?;
            let tags = list["tags"].as_array().into_iter().flatten();
            for tag in tags.filter_map(|t| t.as_str()) {
                match crate::reference::is_tag(tag) {
                    true => all.push(tag.to_string()),
                    false => log::warn!("{} lists {tag:?}, which is no tag", endpoint.host),
                }
            }
            Ok(true)
        })?;
        Ok(all)
    }

    /// Reads a list page by page, until `each` says that it is none, or has enough.
    pub(super) fn pages(
        &self,
        endpoint: &Endpoint,
        mut address: String,
        media_type: &str,
        accept: &[u16],
        mut each: impl FnMut(&Response<Body>, Vec<u8>) -> Result<bool>,
    ) -> Result<()> {
        let limit = self.registry.options.limits.manifest_bytes;
        let mut left = limit.saturating_mul(8);
        for _ in 0..PAGES {
            let call = self
                .call_at(endpoint, "GET", address.clone(), "pull", accept)
                .header("Accept", media_type);
            let mut response = self.send(endpoint, &call)?;
            let body = self.body(endpoint, &mut response)?;
            left = (left.checked_sub(body.len() as u64))
                .ok_or_else(|| failure!(Limit: "the registry's list does not end"))?;
            if !each(&response, body)? {
                return Ok(());
            }
            match next_page(&response, &address)? {
                Some(next) => address = next,
                None => return Ok(()),
            }
        }
        Err(failure!(Limit: "a list of more than {PAGES} pages"))
    }

    /// Deletes the manifest `digest`, and with it all its tags.
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

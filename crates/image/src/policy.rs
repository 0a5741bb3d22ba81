//! Which images are accepted from where (containers-policy.json(5)).
//!
//! What is not understood refuses everything that it is about, never nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::env;
use crate::error::{During, Result};
use crate::json::{parse_document, read_limited};
use crate::manifest::Document;
use crate::reference::Reference;
use crate::registry::RegistrySource;
use crate::sigstore::{self, PublicKey};
use crate::source::Source;

/// Bytes of a policy, and of a key, at most.
const LARGEST: u64 = 1 << 20;

type Scopes = BTreeMap<String, Vec<Requirement>>;

/// What must hold of an image before it is taken.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    default: Vec<Requirement>,
    #[serde(default)]
    transports: BTreeMap<String, Scopes>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Requirement {
    InsecureAcceptAnything,
    Reject,
    SigstoreSigned(Box<Signed>),
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    key_path: Option<PathBuf>,
    key_data: Option<String>,
    signed_identity: Option<Identity>,
    /// Everything else asks for more than is checked here.
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Identity {
    MatchExact,
    MatchRepoDigestOrExact,
    MatchRepository,
    #[serde(rename_all = "camelCase")]
    ExactReference {
        docker_reference: String,
    },
    #[serde(rename_all = "camelCase")]
    ExactRepository {
        docker_repository: String,
    },
    #[serde(other)]
    Other,
}

impl Policy {
    /// Where the policy is: the user's file, else the system's; none where there is none, and then everything is accepted.
    pub fn default_file() -> Option<PathBuf> {
        let user = env::config().map(|c| c.join("containers/policy.json"));
        let places = user
            .into_iter()
            .chain(["/etc/containers/policy.json".into()]);
        places.into_iter().find(|p| p.exists())
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// For every file that is not understood in full.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || {
            let policy: Policy = parse_document(&read_limited(path, LARGEST)?, "policy")?;
            let scopes = policy.transports.values().flat_map(BTreeMap::values);
            if scopes.chain([&policy.default]).any(Vec::is_empty) {
                fail!(Malformed: "a list of requirements is empty");
            }
            Ok(policy)
        };
        read().during(|| path.display().to_string())
    }

    /// The requirements for a scope of a transport; scopes from the most specific one on.
    fn find(&self, transport: &str, scopes: &[String]) -> &[Requirement] {
        let Some(known) = self.transports.get(transport) else {
            return &self.default;
        };
        let mut scopes = scopes.iter().map(String::as_str).chain([""]);
        let found = scopes.find_map(|scope| known.get(scope));
        found.unwrap_or(&self.default)
    }

    /// Judges an image that comes from a file or folder, which has no signatures.
    pub fn allow(&self, transport: &str, path: &Path) -> Result<()> {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let scopes: Vec<_> = path.ancestors().map(|p| p.display().to_string()).collect();
        for requirement in self.find(transport, &scopes) {
            match requirement {
                Requirement::InsecureAcceptAnything => {}
                Requirement::Reject => fail!(Denied: "the policy rejects {}", path.display()),
                _ => {
                    fail!(Denied: "the policy asks for signatures, which {} has not", path.display())
                }
            }
        }
        Ok(())
    }

    /// Fetches what the source's name stands for, and judges it. The source that is returned has no other.
    pub fn approve<'a>(
        &self,
        source: RegistrySource<'a>,
        reference: &Reference,
    ) -> Result<Approved<'a>> {
        let requirements = self.find("docker", &scopes(reference));
        let rejected = |r: &Requirement| matches!(r, Requirement::Reject);
        if requirements.iter().any(rejected) {
            fail!(Denied: "the policy rejects {reference}");
        }
        let root = source.root()?;
        for requirement in requirements {
            match requirement {
                Requirement::InsecureAcceptAnything => {}
                Requirement::SigstoreSigned(signed) => {
                    let keys = signed.keys()?;
                    let named = |name: &str| signed.accepts(name, reference);
                    sigstore::verify(&source, root.descriptor.digest(), &keys, &named)
                        .during(|| format!("the policy for {reference}"))?;
                }
                Requirement::Reject | Requirement::Other => {
                    let what = "the policy asks for something that is not understood here";
                    fail!(Denied: "{what}, for {reference}"
                        => "insecureAcceptAnything, reject and sigstoreSigned with a key are");
                }
            }
        }
        Ok(Approved { source, root })
    }
}

/// From the whole reference to the host, and the domains it is in.
fn scopes(reference: &Reference) -> Vec<String> {
    let mut all = vec![reference.to_string()];
    let mut name = reference.name();
    loop {
        all.push(name.clone());
        match name.rfind('/') {
            Some(slash) => name.truncate(slash),
            None => break,
        }
    }
    let mut domain = reference.host();
    while let Some((_, rest)) = domain.split_once('.') {
        all.push(format!("*.{rest}"));
        domain = rest;
    }
    all
}

impl Signed {
    fn keys(&self) -> Result<Vec<PublicKey>> {
        if let Some(more) = self.more.keys().next() {
            fail!(Denied: "the policy asks for {more}, which cannot be checked here");
        }
        let text = match (&self.key_path, &self.key_data) {
            (Some(path), None) => read_limited(path, LARGEST)?,
            (None, Some(data)) => STANDARD
                .decode(data)
                .map_err(|e| failure!(Usage: "keyData of the policy: {e}"))?,
            _ => fail!(Usage: "the policy needs one of keyPath and keyData"),
        };
        Ok(vec![PublicKey::from_pem(&text)?])
    }

    fn accepts(&self, name: &str, wanted: &Reference) -> bool {
        // A name that was completed is another one than was signed.
        let Ok(signed) = name.parse::<Reference>() else {
            return false;
        };
        let exact = |wanted: &Reference| signed == *wanted && signed.short().is_none();
        let same_repository = |wanted: &str| signed.name() == wanted;
        match &self.signed_identity {
            Some(Identity::MatchExact) => exact(wanted),
            None | Some(Identity::MatchRepoDigestOrExact) => match wanted.digest() {
                Some(_) => same_repository(&wanted.name()),
                None => exact(wanted),
            },
            Some(Identity::MatchRepository) => same_repository(&wanted.name()),
            Some(Identity::ExactReference { docker_reference }) => {
                docker_reference.parse().is_ok_and(|r| exact(&r))
            }
            Some(Identity::ExactRepository { docker_repository }) => {
                let wanted = docker_repository.parse::<Reference>();
                wanted.is_ok_and(|r| same_repository(&r.name()))
            }
            Some(Identity::Other) => false,
        }
    }
}

/// A source whose image was judged.
pub struct Approved<'a> {
    source: RegistrySource<'a>,
    root: Document,
}

impl Source for Approved<'_> {
    fn root(&self) -> Result<Document> {
        Ok(self.root.clone())
    }

    fn behind(&self) -> Option<&dyn Source> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Result<Policy> {
        let temporary = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(temporary.path(), text).unwrap();
        Policy::read(temporary.path())
    }

    #[test]
    fn the_most_specific_scope_counts() {
        let reject = r#"[{"type":"reject"}]"#;
        let accept = r#"[{"type":"insecureAcceptAnything"}]"#;
        let text = format!(
            r#"{{"default":{reject},"transports":{{"docker":{{"h.x.test":{accept},"h.x.test/a/b":{reject},
               "h.x.test/a/b:t":{accept},"*.y.test":{accept}}},"oci":{{"/tmp":{accept}}},"docker-archive":{{"":{accept}}}}}}}"#
        );
        let policy = policy(&text).unwrap();
        for (name, accepted) in [
            ("h.x.test/a", true),
            ("h.x.test/a/b", false),
            ("h.x.test/a/b/c", false),
            ("h.x.test/a/b:t", true),
            ("z.y.test/a", true),
            ("y.test/a", false),
            ("other/a", false),
        ] {
            let found = policy.find("docker", &scopes(&name.parse().unwrap()));
            let accepts = matches!(found, [Requirement::InsecureAcceptAnything]);
            assert_eq!(accepts, accepted, "{name}");
        }
        assert!(policy.allow("oci", Path::new("/tmp/x")).is_ok());
        assert!(policy.allow("oci", Path::new("/etc")).is_err());
        assert!(policy.allow("docker-archive", Path::new("/etc")).is_ok());
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "",
            "{",
            "{}",
            r#"{"default":[]}"#,
            r#"{"default":[{"type":"reject"}],"more":1}"#,
            r#"{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}"#,
            r#"{"default":[{"type":"reject"}],"transports":{"docker":{"x":[]}}}"#,
            r#"{"default":[{}]}"#,
        ] {
            assert!(policy(text).is_err(), "{text}");
        }
        // Signatures by GnuPG are known and not checked: they refuse.
        let other = policy(r#"{"default":[{"type":"signedBy","keyType":"GPGKeys"}]}"#).unwrap();
        assert!(other.allow("oci", Path::new("/tmp")).is_err());
    }

    #[test]
    fn identities() {
        let digest = format!("r.test/a@sha256:{}", "0".repeat(64));
        for (identity, name, wanted, accepted) in [
            ("", "r.test/a:1", "r.test/a:1", true),
            ("", "r.test/a:2", "r.test/a:1", false),
            ("", "r.test/a", "r.test/a:1", false),
            ("", "r.test/a:2", &digest, true),
            ("", "r.test/b:2", &digest, false),
            (
                r#","signedIdentity":{"type":"matchRepository"}"#,
                "r.test/a",
                "r.test/a:1",
                true,
            ),
            (
                r#","signedIdentity":{"type":"matchExact"}"#,
                "r.test/a:1",
                &digest,
                false,
            ),
            (
                r#","signedIdentity":{"type":"exactReference","dockerReference":"q.test/b:1"}"#,
                "q.test/b:1",
                "r.test/a:1",
                true,
            ),
            (
                r#","signedIdentity":{"type":"exactRepository","dockerRepository":"q.test/b"}"#,
                "q.test/b:7",
                "r.test/a:1",
                true,
            ),
            (
                r#","signedIdentity":{"type":"remapIdentity"}"#,
                "r.test/a:1",
                "r.test/a:1",
                false,
            ),
        ] {
            let text = format!(r#"{{"keyPath":"/k"{identity}}}"#);
            let signed: Signed = serde_json::from_str(&text).unwrap();
            assert_eq!(
                signed.accepts(name, &wanted.parse().unwrap()),
                accepted,
                "{identity} {name} {wanted}"
            );
        }
        let more: Signed = serde_json::from_str(r#"{"keyPath":"/k","fulcio":{}}"#).unwrap();
        assert!(more.keys().unwrap_err().to_string().contains("fulcio"));
    }
}

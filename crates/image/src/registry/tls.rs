//! HTTP agents: certificates, client keys, time-outs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::url::Origin;
use crate::error::{Error, Result};
use crate::json::read_limited;

/// Certificates of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Files with further certificate authorities.
    pub authorities: Vec<PathBuf>,
    /// Certificate chain and key to present.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Trust whoever answers. Only a `hosts.toml` can ask for it.
    pub skip_verify: bool,
}

/// Where systems keep the authorities they trust; the first that exists is used.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// An agent that never follows redirects by itself and never waits longer than `stall` for the next byte.
pub(super) fn agent(
    tls: &Tls,
    origin: &Origin,
    connect: Duration,
    stall: Duration,
) -> Result<ureq::Agent> {
    let mut builder = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("tare-image/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(connect))
        .timeout_per_read(Some(stall))
        .timeout_per_write(Some(stall))
        .timeout_recv_response(Some(stall.max(Duration::from_secs(60))))
        .max_idle_connections_per_host(16)
        .input_buffer_size(crate::chunks::PIECE)
        .no_delay(true);
    if origin.is_loopback() {
        // What the caller's own machine says is not asked of another one.
        builder = builder.proxy(None);
    }
    if origin.secure {
        builder = builder.tls_config(tls_config(tls)?);
    }
    Ok(builder.build().new_agent())
}

fn tls_config(tls: &Tls) -> Result<TlsConfig> {
    let system = std::env::var_os("SSL_CERT_FILE")
        .map(PathBuf::from)
        .or_else(|| SYSTEM.iter().map(PathBuf::from).find(|p| p.exists()));
    let mut authorities = Vec::new();
    for file in system.iter().chain(&tls.authorities) {
        authorities.extend(certificates(file)?);
    }
    let mut builder = TlsConfig::builder().disable_verification(tls.skip_verify);
    if !authorities.is_empty() {
        builder = builder.root_certs(RootCerts::new_with_certs(&authorities));
    }
    if let Some((certificate, key)) = &tls.client {
        let chain = certificates(certificate)?;
        let pem = read_limited(key, 1 << 20)?;
        let key = PrivateKey::from_pem(&pem).map_err(|e| bad(key, &e.to_string()))?;
        builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(builder.build())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let pem = read_limited(path, 16 << 20)?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| bad(path, &e.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(bad(path, "no certificate in it"));
    }
    Ok(found)
}

fn bad(path: &Path, why: &str) -> Error {
    failure!(Usage: "{}: {why}", path.display() => "PEM is expected")
}

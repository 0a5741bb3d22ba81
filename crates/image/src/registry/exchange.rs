//! One request and its answer: authentication, redirects, retries, and errors that say what the registry said.

use std::io::{Cursor, Read};
use std::time::{Duration, SystemTime};

use ureq::http::{Request, Response};
use ureq::{Body, SendBody};

use super::challenge::{self, Challenge};
use super::{Auth, Endpoint, Repository, lock, read_body, url};
use crate::credentials::Credential;
use crate::error::{Error, Kind, Result, Retry};
use crate::retry::{self, Patience};

/// What is sent along. Everything can be sent again.
pub(super) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    /// A stretch of content, opened anew for each attempt.
    Stream {
        length: u64,
        open: &'a dyn Fn() -> Result<Box<dyn Read + Send>>,
    },
}

impl Payload<'_> {
    /// Number of bytes, and these.
    fn open(&self) -> Result<Option<(u64, Box<dyn Read>)>> {
        Ok(Some(match self {
            Payload::None => return Ok(None),
            Payload::Bytes(bytes) => (bytes.len() as u64, Box::new(Cursor::new(bytes.to_vec()))),
            Payload::Stream { length, open } => (*length, Box::new(open()?.take(*length))),
        }))
    }
}

/// A request.
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) payload: Payload<'a>,
    /// What the token must allow.
    pub(super) scopes: Vec<String>,
    /// Statuses that the caller handles; all others become errors.
    pub(super) accept: &'a [u16],
}

impl<'a> Call<'a> {
    pub(super) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(super) fn payload(mut self, payload: Payload<'a>) -> Self {
        self.payload = payload;
        self
    }
}

const REDIRECTS: usize = 10;
const PLAIN: &str = "If the registry speaks plain HTTP, allow it with --plain-http; a private authority is named with --ca-file";
const AUTHORITY: &str = "It shows an authority's own certificate: a server needs one that is not for signing (CA:FALSE)";

impl Repository<'_> {
    /// A request about something in this repository, for which a token must allow `actions`.
    pub(super) fn call<'a>(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        path: &str,
        actions: &str,
        accept: &'a [u16],
    ) -> Call<'a> {
        let address = self.url(endpoint, path);
        self.call_at(endpoint, method, address, actions, accept)
    }

    /// The same for an address that the registry gave.
    pub(super) fn call_at<'a>(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        url: String,
        actions: &str,
        accept: &'a [u16],
    ) -> Call<'a> {
        let name = self.name(endpoint);
        Call {
            method,
            url,
            headers: Vec::new(),
            payload: Payload::None,
            scopes: vec![format!("repository:{name}:{actions}")],
            accept,
        }
    }

    /// The repository's name there.
    pub(super) fn name<'a>(&'a self, endpoint: &'a Endpoint) -> &'a str {
        let own = self.reference.repository();
        endpoint.settings.repository.as_deref().unwrap_or(own)
    }

    /// Sends until there is an answer that trying again would not change.
    pub(super) fn send(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<Response<Body>> {
        self.send_with(endpoint, call, self.registry.options.patience)
    }

    pub(super) fn send_with(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        patience: Patience,
    ) -> Result<Response<Body>> {
        patience.run(|| self.try_send(endpoint, call))
    }

    fn try_send(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<Response<Body>> {
        let offered = self.authorization(endpoint, call);
        let mut response = self.follow(endpoint, call, offered.as_deref())?;
        if response.status() == 401 {
            let better = self.authenticate(endpoint, call, &response, offered)?;
            if let Some(better) = better {
                response = self.follow(endpoint, call, Some(&better))?;
            }
        }
        let status = response.status().as_u16();
        if call.accept.contains(&status) {
            return Ok(response);
        }
        Err(self.refused(endpoint, response))
    }

    /// Follows redirects. Credentials stay with the origin they are for (distribution-spec, "Redirects").
    fn follow(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        authorization: Option<&str>,
    ) -> Result<Response<Body>> {
        let home = url::origin(&endpoint.base)?;
        let mut address = call.url.clone();
        for _ in 0..=REDIRECTS {
            let target = url::origin(&address)?;
            let mut own = Vec::new();
            if target == home {
                own.clone_from(&endpoint.settings.headers);
                own.extend(authorization.map(|a| ("Authorization".to_string(), a.to_string())));
            }
            let response = self.once(endpoint, call, &address, own)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = header(&response, "location")
                .ok_or_else(|| failure!(Protocol: "{} redirects to nowhere", target.authority))?;
            let next = url::join(&address, &location)?;
            let next_origin = url::origin(&next)?;
            if target.secure && !next_origin.secure {
                fail!(Protocol: "{} redirects to an unencrypted address", target.authority
                    => "That would let others read and change the content; it is never followed");
            }
            log::debug!(
                "{} redirects to {}",
                target.authority,
                next_origin.authority
            );
            address = next;
        }
        Err(failure!(Protocol: "more than {REDIRECTS} redirects"))
    }

    fn once(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        address: &str,
        own: Vec<(String, String)>,
    ) -> Result<Response<Body>> {
        let mut result = request(endpoint, call, address, &own, false)?;
        if ["GET", "HEAD"].contains(&call.method) && result.as_ref().is_err_and(is_closed) {
            // A server may close a kept connection at any moment: then this is no failed attempt (RFC 9112, section 9.3.1).
            result = request(endpoint, call, address, &own, true)?;
        }
        let response = result.map_err(|e| {
            let error = network_error(&e, &endpoint.host);
            // What a server does that is spoken to in a language it does not know.
            match is_closed(&e) && address.starts_with("https:") {
                true => error.hint(PLAIN),
                false => error,
            }
        })?;
        for value in response.headers().get_all("warning") {
            // Only code 299 is meant for people.
            if let Some(text) = value.to_str().ok().and_then(|v| v.strip_prefix("299 - ")) {
                self.registry
                    .warn(&endpoint.host, &printable(text.trim_matches('"'), 1000));
            }
        }
        Ok(response)
    }

    /// What to send along, as far as is known.
    fn authorization(&self, endpoint: &Endpoint, call: &Call<'_>) -> Option<String> {
        let mut auth = lock(&endpoint.auth);
        auth.challenge.as_ref()?;
        let credential = self.credential(endpoint, &mut auth).ok()?;
        auth.header(credential.as_ref(), call)
    }

    /// What answers a challenge, when that is anything else than what was `refused`.
    fn authenticate(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        response: &Response<Body>,
        refused: Option<String>,
    ) -> Result<Option<String>> {
        let values = response.headers().get_all("www-authenticate").iter();
        let Some(challenge) = Challenge::parse(values.filter_map(|v| v.to_str().ok())) else {
            return Ok(None);
        };
        // Whoever else waits for a token gets this one.
        let mut auth = lock(&endpoint.auth);
        let credential = self.credential(endpoint, &mut auth)?;
        auth.challenge = Some(challenge.clone());
        let known = auth.header(credential.as_ref(), call);
        match (challenge, &credential) {
            _ if known.is_some() && known != refused => Ok(known),
            (Challenge::Basic, _) | (_, Some(Credential::RegistryToken(_))) => Ok(None),
            (Challenge::Bearer(service), credential) => {
                let pace = self.registry.options.pace;
                let token = service.token(endpoint, &call.scopes, credential.as_ref(), pace)?;
                auth.tokens.insert(call.scopes.join(" "), token);
                Ok(auth.header(credential.as_ref(), call))
            }
        }
    }

    fn credential(&self, endpoint: &Endpoint, auth: &mut Auth) -> Result<Option<Credential>> {
        let name = self.name(endpoint);
        if let Some(known) = auth.credentials.get(name) {
            return Ok(known.clone());
        }
        // A mirror is another host with other credentials.
        let host = if endpoint.settings.mirror {
            endpoint.host.as_str()
        } else {
            self.reference.host()
        };
        let found = self.registry.options.credentials.find(host, name)?;
        auth.credentials.insert(name.to_string(), found.clone());
        Ok(found)
    }

    fn refused(&self, endpoint: &Endpoint, mut response: Response<Body>) -> Error {
        let status = response.status().as_u16();
        let after = header(&response, "retry-after")
            .and_then(|v| retry::retry_after(&v, SystemTime::now()));
        let body = read_body(&mut response, 64 << 10, self.registry.options.pace);
        let said = explain(&body.unwrap_or_default());
        let message = format!("{} answered {status}{said}", endpoint.host);
        let retry = match (status, after) {
            (429 | 503, Some(seconds)) => Retry::After(seconds),
            (408 | 429 | 500 | 502 | 503 | 504, _) => Retry::Later,
            _ => Retry::Never,
        };
        match status {
            401 | 403 => Error::new(Kind::Denied, message).hint(format!(
                "Give credentials with: tare-image login {}",
                self.reference.host()
            )),
            404 => Error::new(Kind::NotFound, message),
            405 => Error::new(Kind::Unsupported, message).hint("The registry does not allow this"),
            // A registry that understood the request says what it did not like.
            400 if endpoint.plain_allowed && said.is_empty() => Error::new(Kind::Protocol, message)
                .hint("If the registry wants encryption, leave --plain-http out"),
            _ if retry != Retry::Never => Error::network(message, retry),
            _ => Error::new(Kind::Protocol, message),
        }
    }
}

impl Auth {
    fn header(&self, credential: Option<&Credential>, call: &Call<'_>) -> Option<String> {
        match (self.challenge.as_ref()?, credential) {
            // What a user has in a file comes before what a service gives out.
            (_, Some(Credential::RegistryToken(token))) => Some(format!("Bearer {token}")),
            (Challenge::Bearer(_), _) => {
                let token = self.tokens.get(&call.scopes.join(" "));
                token.filter(|t| t.is_good()).map(|t| t.header.clone())
            }
            (Challenge::Basic, Some(Credential::Basic { user, password })) => {
                Some(challenge::basic(user, password))
            }
            (Challenge::Basic, _) => None,
        }
    }
}

/// Sends a request over a connection that was kept, or over a `fresh` one.
fn request(
    endpoint: &Endpoint,
    call: &Call<'_>,
    address: &str,
    own: &[(String, String)],
    fresh: bool,
) -> Result<Result<Response<Body>, ureq::Error>> {
    let mut request = Request::builder().method(call.method).uri(address);
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    for (name, value) in own {
        request = request.header(name, value);
    }
    let body = match call.payload.open()? {
        None => SendBody::none(),
        Some((length, content)) => {
            request = request.header("Content-Length", length.to_string());
            SendBody::from_owned_reader(content)
        }
    };
    let request = request.body(body);
    let request = request.map_err(|e| failure!(Protocol: "request to {address}: {e}"))?;
    Ok(match fresh {
        true => {
            let request = endpoint.agent.configure_request(request);
            endpoint
                .agent
                .run(request.max_idle_age(Duration::ZERO).build())
        }
        false => endpoint.agent.run(request),
    })
}

/// True if the connection ended before there was an answer.
fn is_closed(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let ended = [
        UnexpectedEof,
        ConnectionReset,
        ConnectionAborted,
        BrokenPipe,
    ];
    matches!(error, ureq::Error::Io(e) if ended.contains(&e.kind()))
}

pub(super) fn header(response: &Response<Body>, name: &str) -> Option<String> {
    response
        .headers()
        .get(name)?
        .to_str()
        .ok()
        .map(String::from)
}

/// The registry's own words, without what could confuse a terminal.
fn explain(body: &[u8]) -> String {
    // Not by the specification's type, which knows only its own codes: registries have more.
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let texts: Vec<String> = answer["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .take(3)
        .map(|e| {
            let text = |key: &str| e[key].as_str().unwrap_or_default().to_string();
            printable(format!("{} {}", text("code"), text("message")).trim(), 300)
        })
        .collect();
    if texts.is_empty() {
        String::new()
    } else {
        format!(" ({})", texts.join("; "))
    }
}

fn printable(text: &str, longest: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(longest)
        .collect()
}

/// A failed exchange in our words, with whether it makes sense to try again.
pub fn network_error(error: &ureq::Error, host: &str) -> Error {
    use std::io::ErrorKind::{ConnectionRefused, InvalidData};
    let text = match error {
        ureq::Error::Io(e) => e.to_string(),
        other => other.to_string(),
    };
    // The resolver and the TLS library report through the I/O error, in words only.
    let unknown = matches!(error, ureq::Error::HostNotFound)
        || (text.starts_with("failed to lookup") && !text.contains("Temporary"));
    let certificate = matches!(error, ureq::Error::Tls(_) | ureq::Error::Rustls(_))
        || text.contains("certificate");
    let (retry, hint) = match error {
        // What a caller's callback returned.
        ureq::Error::Io(e) if e.get_ref().is_some_and(|e| e.is::<Error>()) => (Retry::Never, ""),
        _ if unknown => (Retry::Never, "The host name is unknown"),
        _ if text.contains("CaUsedAsEndEntity") => (Retry::Never, AUTHORITY),
        _ if certificate => (Retry::Never, "A private authority is named with --ca-file"),
        ureq::Error::Io(e) if e.kind() == InvalidData => (Retry::Never, PLAIN),
        // Names without a registry are usually written like this; waiting for one makes no sense.
        ureq::Error::Io(e) if e.kind() == ConnectionRefused && host == "localhost" => (
            Retry::Never,
            "No registry listens there: such names are of images made here",
        ),
        ureq::Error::Io(e) if e.kind() == ConnectionRefused => {
            (Retry::Later, "Nothing listens there")
        }
        ureq::Error::Timeout(_) => (Retry::Later, "The connection stalled"),
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::Protocol(_) => {
            (Retry::Later, "")
        }
        _ => (Retry::Never, ""),
    };
    let made = Error::network(format!("{host}: {text}"), retry);
    match hint {
        "" => made,
        hint => made.hint(hint),
    }
}

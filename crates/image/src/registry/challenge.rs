//! `WWW-Authenticate` (RFC 9110, section 11.6.1) and the tokens of the distribution project's token protocol.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::url;
use crate::credentials::Credential;
use crate::error::{Error, Kind, Result};
use crate::json::parse_json;
use crate::pace::Pace;

/// What a registry wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// The strongest challenge of all header values that can be answered.
    pub(super) fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for value in values {
            for (scheme, parameters) in split(value) {
                let get = |key: &str| {
                    parameters
                        .iter()
                        .find(|(k, _)| k.eq_ignore_ascii_case(key))
                        .map(|(_, v)| v.clone())
                };
                if scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = get("realm")
                {
                    return Some(Challenge::Bearer {
                        realm,
                        service: get("service"),
                        scope: get("scope"),
                    });
                }
                if scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Challenge::Basic);
                }
            }
        }
        basic
    }
}

type Parameters = Vec<(String, String)>;

fn split(value: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() {
        let word_end = rest
            .find(|c: char| c == '=' || c == ',' || c.is_whitespace())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        let after_space = after.trim_start();
        if let Some(value) = after_space.strip_prefix('=') {
            let (value, after) = quoted(value.trim_start());
            if let Some((_, parameters)) = found.last_mut() {
                parameters.push((word.to_string(), value));
            }
            rest = after;
        } else {
            if !word.is_empty() {
                found.push((word.to_string(), Vec::new()));
            }
            rest = after;
        }
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        if word.is_empty() && rest.starts_with('=') {
            rest = &rest[1..];
        }
    }
    found
}

fn quoted(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text
            .find(|c: char| c == ',' || c.is_whitespace())
            .unwrap_or(text.len());
        return (text[..end].to_string(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = inner.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &inner[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

/// `Authorization` for name and password.
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A token and until when it is good.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) header: String,
    until: Instant,
}

impl Token {
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Fetches a token for `scopes` (`repository:NAME:pull,push`, and so on).
pub(super) fn fetch(
    agent: &ureq::Agent,
    realm: &str,
    service: Option<&str>,
    scopes: &[String],
    credential: Option<&Credential>,
    plain_allowed: bool,
    pace: Pace,
) -> Result<Token> {
    let origin = url::origin(realm)?;
    if !origin.secure && !plain_allowed && credential.is_some() {
        fail!(Denied: "the registry wants credentials sent unencrypted to {realm}"
            => "Allow plain HTTP for this registry if that is meant");
    }
    let network =
        |e: ureq::Error| super::network_error(&e, &format!("token service {}", origin.authority));
    let mut response = match credential {
        Some(Credential::IdentityToken(token)) => {
            let mut form = format!(
                "grant_type=refresh_token&client_id=tare-image&refresh_token={}",
                url::escape(token)
            );
            if let Some(service) = service {
                form.push_str(&format!("&service={}", url::escape(service)));
            }
            form.push_str(&format!("&scope={}", url::escape(&scopes.join(" "))));
            agent
                .post(realm)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .send(form.as_bytes())
                .map_err(network)?
        }
        _ => {
            let mut address = realm.to_string();
            if let Some(service) = service {
                address = url::with_query(&address, "service", service);
            }
            for scope in scopes {
                address = url::with_query(&address, "scope", scope);
            }
            let mut request = agent.get(&address);
            if let Some(Credential::Basic { user, password }) = credential {
                request = request.header("Authorization", basic(user, password));
            }
            request.call().map_err(network)?
        }
    };
    let status = response.status().as_u16();
    let body = super::read_body(&mut response, 1 << 20, pace).map_err(|e| network(e.into()))?;
    if status != 200 {
        let kind = if status == 401 || status == 403 {
            Kind::Denied
        } else {
            Kind::Protocol
        };
        return Err(Error::new(
            kind,
            format!("token service {} answered {status}", origin.authority),
        )
        .hint("Check the credentials with: tare-image login HOST"));
    }
    let answer: TokenAnswer = parse_json(&body, "answer of the token service")?;
    let token = answer
        .token
        .or(answer.access_token)
        .filter(|t| !t.is_empty() && t.bytes().all(|b| b > b' ' && b < 0x7f));
    let token = token.ok_or_else(|| failure!(Protocol: "the token service sent no token"))?;
    // A little early, so that it does not end on the way. The protocol's default is 60 s.
    let seconds = answer.expires_in.unwrap_or(60).clamp(10, 86_400);
    Ok(Token {
        header: format!("Bearer {token}"),
        until: Instant::now() + Duration::from_secs(seconds * 9 / 10),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Option<Challenge> {
        Challenge::parse(std::iter::once(value))
    }

    #[test]
    fn challenges() {
        let bearer = parse(r#"Bearer realm="https://a/t?x=1,2",service="s \"q\"", scope="repository:a/b:pull,push""#).unwrap();
        assert_eq!(
            bearer,
            Challenge::Bearer {
                realm: "https://a/t?x=1,2".into(),
                service: Some("s \"q\"".into()),
                scope: Some("repository:a/b:pull,push".into())
            }
        );
        assert_eq!(parse("Basic realm=x"), Some(Challenge::Basic));
        assert_eq!(
            parse(r#"basic realm="x", bearer realm="https://t""#).map(|c| c != Challenge::Basic),
            Some(true)
        );
        assert_eq!(parse("Negotiate"), None);
        for noise in [
            "",
            ",",
            "=",
            "\"",
            "Bearer",
            "Bearer realm",
            "Bearer realm=\"",
            "==,,=",
            "a=b=c",
        ] {
            let _ = parse(noise);
        }
    }

    #[test]
    fn basic_is_encoded() {
        assert_eq!(
            basic("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }
}

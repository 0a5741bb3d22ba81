//! `WWW-Authenticate` (RFC 9110, section 11.6.1) and the tokens of the distribution project's token protocol.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Endpoint, url};
use crate::credentials::Credential;
use crate::error::{Error, Kind, Result};
use crate::json::parse_json;
use crate::pace::Pace;

/// What a registry wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer(Service),
}

/// Who gives out tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

impl Challenge {
    /// The strongest challenge of all header values that can be answered.
    pub(super) fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for value in values {
            for (scheme, parameters) in split(value) {
                let get = |key: &str| {
                    let mut all = parameters.iter();
                    Some(all.find(|(k, _)| k.eq_ignore_ascii_case(key))?.1.clone())
                };
                if scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = get("realm")
                {
                    let (service, scope) = (get("service"), get("scope"));
                    return Some(Challenge::Bearer(Service {
                        realm,
                        service,
                        scope,
                    }));
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

impl Service {
    /// Fetches a token for `scopes` (`repository:NAME:pull,push`, and so on).
    pub(super) fn token(
        &self,
        endpoint: &Endpoint,
        scopes: &[String],
        credential: Option<&Credential>,
        pace: Pace,
    ) -> Result<Token> {
        let realm = self.realm.as_str();
        let origin = url::origin(realm)?;
        if !origin.secure && !endpoint.plain_allowed && credential.is_some() {
            fail!(Denied: "the registry wants credentials sent unencrypted to {realm}"
                => "Allow plain HTTP for this registry if that is meant");
        }
        let who = format!("token service {}", origin.authority);
        let network = |e: ureq::Error| super::network_error(&e, &who);
        // The registry may want more than was thought, never less.
        let more = self.scope.iter().flat_map(|s| s.split(' '));
        let more = more.filter(|s| !s.is_empty()).map(String::from);
        let scopes: BTreeSet<String> = scopes.iter().cloned().chain(more).collect();
        let service = self.service.iter().map(|s| ("service", s.clone()));
        let agent = &endpoint.agent;
        let mut response = match credential {
            Some(Credential::IdentityToken(token)) => {
                let scopes: Vec<String> = scopes.into_iter().collect();
                let form = [
                    ("grant_type", "refresh_token".to_string()),
                    ("client_id", "tare-image".into()),
                    ("refresh_token", token.clone()),
                    ("scope", scopes.join(" ")),
                ];
                let form = form.into_iter().chain(service);
                agent.post(realm).send_form(form).map_err(network)?
            }
            _ => {
                let scopes = scopes.into_iter().map(|s| ("scope", s));
                let address = (service.chain(scopes)).fold(realm.to_string(), |url, (k, v)| {
                    url::with_query(&url, k, &v)
                });
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
            let kind = match status {
                401 | 403 => Kind::Denied,
                _ => Kind::Protocol,
            };
            let error = Error::new(kind, format!("{who} answered {status}"));
            return Err(error.hint("Check the credentials with: tare-image login HOST"));
        }
        let answer: TokenAnswer = parse_json(&body, "answer of the token service")?;
        let good = |t: &String| !t.is_empty() && t.bytes().all(|b| b > b' ' && b < 0x7f);
        let token = answer.token.or(answer.access_token).filter(good);
        let token = token.ok_or_else(|| failure!(Protocol: "the token service sent no token"))?;
        // A little early, so that it does not end on the way. The protocol's default is 60 s.
        let seconds = answer.expires_in.unwrap_or(60).clamp(10, 86_400);
        Ok(Token {
            header: format!("Bearer {token}"),
            until: Instant::now() + Duration::from_secs(seconds * 9 / 10),
        })
    }
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
            Challenge::Bearer(Service {
                realm: "https://a/t?x=1,2".into(),
                service: Some("s \"q\"".into()),
                scope: Some("repository:a/b:pull,push".into())
            })
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

//! Tokens of OAuth 2: client credentials (RFC 6749, section 4.4) and signed assertions (RFC 7523).

use crate::client::{self, Outgoing, Payload, Times, header_value};
use crate::config::OAuth2;
use crate::net::resolve;
use crate::url::{Url, escape};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use ring::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// An answer may have so many bytes.
const LARGEST: usize = 1 << 20;
/// How long an assertion is good, in seconds.
const LIFETIME: u64 = 600;

/// Asks for a token; the value is what `Authorization` says. The error holds nothing of the answer.
pub async fn authorization(oauth: &OAuth2, user_agent: &HeaderValue) -> Result<String, String> {
    let url = Url::parse(&oauth.token_url).map_err(|e| format!("oauth2 token_url: {e}"))?;
    let (status, body) = match oauth.is_jwt {
        true => ask(oauth, &url, user_agent, &assertion_form(oauth)?, None).await?,
        false => client_credentials(oauth, &url, user_agent).await?,
    };
    if !is_success(status) {
        return Err(format!(
            "oauth2: the token endpoint answered with status {status}"
        ));
    }
    let answer: Value = serde_json::from_slice(&body)
        .map_err(|_| "oauth2: the token endpoint did not answer with JSON".to_owned())?;
    let token = answer["access_token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err("oauth2: the answer of the token endpoint has no access_token".to_owned());
    }
    let kind = match answer["token_type"].as_str().unwrap_or_default() {
        "" => "Bearer",
        kind if kind.eq_ignore_ascii_case("bearer") => "Bearer",
        kind if kind.eq_ignore_ascii_case("basic") => "Basic",
        kind if kind.eq_ignore_ascii_case("mac") => "MAC",
        kind => kind,
    };
    Ok(format!("{kind} {token}"))
}

type Form = Vec<(String, String)>;

/// First with the client in a header, and where that is refused with it in the form.
async fn client_credentials(
    oauth: &OAuth2,
    url: &Url,
    user_agent: &HeaderValue,
) -> Result<(u16, Vec<u8>), String> {
    let secret = oauth.client_secret.resolve()?;
    let mut form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
    if !oauth.scopes.is_empty() {
        form.push(("scope".to_owned(), oauth.scopes.join(" ")));
    }
    for (name, value) in &oauth.endpoint_params {
        form.retain(|f| f.0 != *name);
        form.push((name.clone(), value.clone()));
    }
    let pair = format!("{}:{}", form_encode(&oauth.client_id), form_encode(&secret));
    let basic = format!("Basic {}", STANDARD.encode(pair));
    let (status, body) = ask(oauth, url, user_agent, &form, Some(&basic)).await?;
    if is_success(status) {
        return Ok((status, body));
    }
    form.push(("client_id".to_owned(), oauth.client_id.clone()));
    if !secret.is_empty() {
        form.push(("client_secret".to_owned(), secret));
    }
    ask(oauth, url, user_agent, &form, None).await
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

async fn ask(
    oauth: &OAuth2,
    url: &Url,
    user_agent: &HeaderValue,
    form: &Form,
    basic: Option<&str>,
) -> Result<(u16, Vec<u8>), String> {
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::USER_AGENT, user_agent.clone());
    if let Some(basic) = basic {
        headers.insert(header::AUTHORIZATION, header_value("Authorization", basic)?);
    }
    let body = Payload {
        bytes: Bytes::from(encode(form)),
        chunked: false,
    };
    let outgoing = Outgoing {
        source: None,
        url,
        address: None,
        server_name: url.hostname(),
        tls: &oauth.tls,
        http2: true,
        proxy: &oauth.proxy,
        method: &Method::POST,
        host: "",
        headers: &headers,
        body: &body,
    };
    let mut answer = client::send(outgoing, &mut Times::default())
        .await
        .map_err(|trouble| format!("oauth2: {}", trouble.why))?;
    let mut bytes = Vec::new();
    while let Some(piece) = answer.data().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > LARGEST {
            return Err("oauth2: the answer of the token endpoint is too large".to_owned());
        }
    }
    Ok((answer.head.status, bytes))
}

/// `application/x-www-form-urlencoded`, sorted by name as the original sends it.
fn encode(form: &Form) -> String {
    let mut sorted: Vec<_> = form.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let pairs = sorted
        .iter()
        .map(|(n, v)| format!("{}={}", form_encode(n), form_encode(v)));
    pairs.collect::<Vec<_>>().join("&")
}

fn form_encode(text: &str) -> String {
    escape(text, b"!#$%&'()*+,/:;=?@[]").replace("%20", "+")
}

fn assertion_form(oauth: &OAuth2) -> Result<Form, String> {
    let pem = oauth.key.resolve()?;
    let mut form = vec![
        (
            "grant_type".to_owned(),
            "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
        ),
        ("assertion".to_owned(), assertion(oauth, &pem)?),
    ];
    if !oauth.scopes.is_empty() {
        form.push(("scope".to_owned(), oauth.scopes.join(" ")));
    }
    form.extend(oauth.endpoint_params.iter().cloned());
    Ok(form)
}

fn assertion(oauth: &OAuth2, pem: &str) -> Result<String, String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |t| t.as_secs());
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    let mut claims = json!({
        "iss": or(&oauth.iss, &oauth.client_id),
        "sub": oauth.client_id,
        "aud": or(&oauth.audience, &oauth.token_url),
        "jti": unique(),
        "iat": now,
        "exp": now + LIFETIME,
    });
    if !oauth.scopes.is_empty() {
        claims["scope"] = oauth.scopes.join(" ").into();
    }
    for (name, value) in &oauth.claims {
        claims[name] = value.clone();
    }
    let algorithm = or(&oauth.signature_algorithm, "RS256");
    let mut head = json!({"alg": algorithm, "typ": "JWT"});
    if !oauth.key_id.is_empty() {
        head["kid"] = oauth.key_id.clone().into();
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&head), part(&claims));
    let signature = sign(&algorithm, pem, signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A number that no other assertion has.
fn unique() -> String {
    let parts = std::iter::repeat_with(|| format!("{:04x}", resolve::random_id()));
    parts.take(8).collect()
}

fn sign(algorithm: &str, pem: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    let bad = |_| "oauth2 client_certificate_key: expected an RSA key in PEM".to_owned();
    let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs1(key)) => {
            RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(|_| bad(()))
        }
        Ok(PrivateKeyDer::Pkcs8(key)) => {
            RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| bad(()))
        }
        _ => Err(bad(())),
    }?;
    let encoding: &'static dyn RsaEncoding = match algorithm {
        "RS384" => &RSA_PKCS1_SHA384,
        "RS512" => &RSA_PKCS1_SHA512,
        _ => &RSA_PKCS1_SHA256,
    };
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(encoding, &random, message, &mut signature)
        .map_err(|_| "oauth2: the assertion could not be signed".to_owned())?;
    Ok(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let form = vec![
            ("scope".to_owned(), "a b&c".to_owned()),
            ("grant_type".to_owned(), "x:y".to_owned()),
        ];
        assert_eq!(encode(&form), "grant_type=x%3Ay&scope=a+b%26c");
    }

    #[test]
    fn keys_that_are_none() {
        assert!(
            sign("RS256", "nonsense", b"x")
                .unwrap_err()
                .contains("RSA key")
        );
    }
}

//! Tokens of OAuth 2: client credentials (RFC 6749, section 4.4) and signed assertions (RFC 7523).

use crate::client::{self, Outgoing, Payload, Times, header_value};
use crate::config::OAuth2;
use crate::net::resolve;
use crate::url::{Url, escape, unescape};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use ring::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// An answer may have so many bytes.
const LARGEST: usize = 1 << 20;
/// How long an assertion is good, in seconds.
const LIFETIME: u64 = 600;

/// Asks for a token; the value is what `Authorization` says. The error holds nothing of the answer.
pub async fn authorization(oauth: &OAuth2, user_agent: &HeaderValue) -> Result<String, String> {
    let url = Url::parse(&oauth.token_url).map_err(|e| format!("oauth2 token_url: {e}"))?;
    match oauth.is_jwt {
        true => token(ask(oauth, &url, user_agent, &assertion_form(oauth)?, None).await?),
        false => client_credentials(oauth, &url, user_agent).await,
    }
}

/// What `Authorization` says, from the answer of the token endpoint.
fn token(answer: Reply) -> Result<String, String> {
    if !(200..300).contains(&answer.status) {
        let status = answer.status;
        return Err(format!(
            "oauth2: the token endpoint answered with status {status}"
        ));
    }
    let fields = match answer.is_form {
        true => form_fields(&answer.body),
        false => serde_json::from_slice(&answer.body)
            .map_err(|_| "oauth2: the token endpoint did not answer with JSON".to_owned())?,
    };
    let text = |name: &str| fields[name].as_str().unwrap_or_default();
    if !text("error").is_empty() {
        return Err("oauth2: the answer of the token endpoint tells an error".to_owned());
    }
    let token = text("access_token");
    if token.is_empty() {
        return Err("oauth2: the answer of the token endpoint has no access_token".to_owned());
    }
    let kind = match text("token_type") {
        "" => "Bearer",
        kind if kind.eq_ignore_ascii_case("bearer") => "Bearer",
        kind if kind.eq_ignore_ascii_case("basic") => "Basic",
        kind if kind.eq_ignore_ascii_case("mac") => "MAC",
        kind => kind,
    };
    Ok(format!("{kind} {token}"))
}

/// Fields of a form, which some token endpoints answer with.
fn form_fields(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let decoded = |text: &str| unescape(&text.replace('+', " "));
    pairs
        .map(|(name, value)| (decoded(name), Value::String(decoded(value))))
        .collect::<Map<_, _>>()
        .into()
}

type Form = Vec<(String, String)>;

/// An answer of the token endpoint.
struct Reply {
    status: u16,
    is_form: bool,
    body: Vec<u8>,
}

/// First with the client in a header, and where that gives no token with it in the form.
async fn client_credentials(
    oauth: &OAuth2,
    url: &Url,
    user_agent: &HeaderValue,
) -> Result<String, String> {
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
    let first = ask(oauth, url, user_agent, &form, Some(&basic)).await;
    if let Ok(found) = first.and_then(token) {
        return Ok(found);
    }
    form.push(("client_id".to_owned(), oauth.client_id.clone()));
    if !secret.is_empty() {
        form.push(("client_secret".to_owned(), secret));
    }
    token(ask(oauth, url, user_agent, &form, None).await?)
}

async fn ask(
    oauth: &OAuth2,
    url: &Url,
    user_agent: &HeaderValue,
    form: &Form,
    basic: Option<&str>,
) -> Result<Reply, String> {
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
    let mut body = Vec::new();
    while let Some(piece) = answer.data().await? {
        body.extend_from_slice(&piece);
        if body.len() > LARGEST {
            return Err("oauth2: the answer of the token endpoint is too large".to_owned());
        }
    }
    let kind = answer.head.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|v| v.to_str().ok()?.split(';').next());
    let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
    Ok(Reply {
        status: answer.head.status,
        is_form: matches!(
            kind.as_str(),
            "application/x-www-form-urlencoded" | "text/plain"
        ),
        body,
    })
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
    fn tokens() {
        let of = |status, is_form, body: &str| {
            let body = body.as_bytes().to_vec();
            token(Reply {
                status,
                is_form,
                body,
            })
            .ok()
        };
        for (body, value) in [
            (r#"{"access_token":"t"}"#, Some("Bearer t")),
            (
                r#"{"access_token":"t","token_type":"BEARER","expires_in":"5"}"#,
                Some("Bearer t"),
            ),
            (
                r#"{"access_token":"t","token_type":"DPoP"}"#,
                Some("DPoP t"),
            ),
            (r#"{"access_token":"t","error":"e"}"#, None),
            ("{}", None),
            ("<html>", None),
        ] {
            assert_eq!(of(200, false, body).as_deref(), value, "{body}");
        }
        let form = "access_token=a%2Bb+c&token_type=basic";
        assert_eq!(of(201, true, form).as_deref(), Some("Basic a+b c"));
        assert_eq!(of(302, true, form), None);
    }

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

//! Options of HTTP clients: credentials, TLS, proxy and further headers.

use super::Notes;
use super::script::tls_config;
use super::tls::TlsOptions;
use super::values::{HIDDEN, Secret, Section, free_map, secret, string_map, strings};
use crate::url::Url;
use exporter_core::dialect::yaml::{Fields, Node, Place, Problems, Tree, scalar};

/// A text that may stand in the file, in a file of its own, or in a secret manager that there is
/// none of.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The text itself.
    pub inline: Secret,
    /// Path of a file that holds it.
    pub file: String,
    /// Name of a secret of a manager.
    pub reference: String,
}

impl Source {
    fn read(
        fields: &mut Fields<'_>,
        problems: &mut Problems,
        keys: [&'static str; 3],
        what: &str,
    ) -> Self {
        let mut text = |key| {
            fields
                .get(key, problems, scalar::string)
                .unwrap_or_default()
        };
        let source = Source {
            inline: Secret(text(keys[0])),
            file: text(keys[1]),
            reference: text(keys[2]),
        };
        let given = [&source.inline.0, &source.file, &source.reference];
        if given.iter().filter(|s| !s.is_empty()).count() > 1 {
            let [a, b, c] = keys;
            problems.push(
                fields.place(),
                format!("{what} takes at most one of {a}, {b} and {c}"),
            );
        }
        source
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.inline.0.is_empty() && self.file.is_empty() && self.reference.is_empty()
    }

    /// The text, from the file as it is now. The error is a sentence without it.
    pub fn resolve(&self) -> Result<String, String> {
        if !self.reference.is_empty() {
            return Err(format!(
                "there is no secret manager to ask for {:?}",
                self.reference
            ));
        }
        match self.file.as_str() {
            "" => Ok(self.inline.0.clone()),
            path => read_secret(path),
        }
    }

    fn put(&self, section: &mut Section, keys: [&str; 3], hidden: bool) {
        match hidden {
            true => section.secret(keys[0], &self.inline),
            false => section.text(keys[0], &self.inline.0),
        }
        section.text(keys[1], &self.file);
        section.text(keys[2], &self.reference);
    }
}

/// A file's text without white space at its ends. Such files are small and local; a thread would cost
/// more than reading them does.
pub fn read_secret(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    Ok(text.trim().to_owned())
}

/// User and password.
#[derive(Clone, Debug, Default)]
pub struct BasicAuth {
    /// User.
    pub username: Source,
    /// Password.
    pub password: Source,
}

const USER_KEYS: [&str; 3] = ["username", "username_file", "username_ref"];
const PASSWORD_KEYS: [&str; 3] = ["password", "password_file", "password_ref"];
const CREDENTIAL_KEYS: [&str; 3] = ["credentials", "credentials_file", "credentials_ref"];

impl BasicAuth {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "basic_auth", problems);
        let auth = BasicAuth {
            username: Source::read(&mut fields, problems, USER_KEYS, "basic_auth"),
            password: Source::read(&mut fields, problems, PASSWORD_KEYS, "basic_auth"),
        };
        fields.finish(problems);
        Some(auth)
    }

    fn tree(&self) -> Tree {
        let mut section = Section::default();
        self.username.put(&mut section, USER_KEYS, false);
        self.password.put(&mut section, PASSWORD_KEYS, true);
        section.into_tree()
    }
}

/// A scheme and its credentials.
#[derive(Clone, Debug, Default)]
pub struct Authorization {
    /// Scheme, such as `Bearer`.
    pub kind: String,
    /// What follows it.
    pub credentials: Source,
}

impl Authorization {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "authorization", problems);
        let kind = fields
            .get("type", problems, scalar::string)
            .unwrap_or_default();
        let mut authorization = Authorization {
            kind: kind.trim().to_owned(),
            credentials: Source::read(&mut fields, problems, CREDENTIAL_KEYS, "authorization"),
        };
        if authorization.kind.eq_ignore_ascii_case("basic") {
            let what = "authorization type cannot be \"basic\", use basic_auth instead";
            problems.push(fields.place_of("type"), what);
        }
        if authorization.kind.is_empty() {
            authorization.kind = "Bearer".to_owned();
        }
        fields.finish(problems);
        Some(authorization)
    }

    fn tree(&self) -> Tree {
        let mut section = Section::default();
        section.text("type", &self.kind);
        self.credentials.put(&mut section, CREDENTIAL_KEYS, true);
        section.into_tree()
    }
}

/// Where a proxy comes from.
#[derive(Clone, Debug, Default)]
pub struct ProxyOptions {
    /// The proxy.
    pub url: Option<Url>,
    /// Hosts that are reached without it.
    pub no_proxy: String,
    /// Whether the environment tells it.
    pub from_environment: bool,
    /// Headers for the proxy alone, at CONNECT.
    pub connect_header: Vec<(String, Vec<Secret>)>,
}

impl ProxyOptions {
    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
        let proxy = ProxyOptions {
            url: fields.get("proxy_url", problems, read_url),
            no_proxy: fields
                .get("no_proxy", problems, scalar::string)
                .unwrap_or_default(),
            from_environment: fields
                .get("proxy_from_environment", problems, scalar::boolean)
                .unwrap_or(false),
            connect_header: fields
                .get("proxy_connect_header", problems, |n, p| {
                    free_map(n, p, |n, p| {
                        exporter_core::dialect::yaml::list(n, p, secret)
                    })
                })
                .unwrap_or_default(),
        };
        let mut mistake = |key, what: &str| problems.push(fields.place_of(key), what);
        if proxy.from_environment && proxy.url.is_some() {
            mistake(
                "proxy_url",
                "proxy_from_environment and proxy_url exclude each other",
            );
        }
        if proxy.from_environment && !proxy.no_proxy.is_empty() {
            mistake(
                "no_proxy",
                "proxy_from_environment and no_proxy exclude each other",
            );
        }
        if proxy.url.is_none() && !proxy.from_environment {
            if !proxy.no_proxy.is_empty() {
                mistake("no_proxy", "no_proxy needs a proxy_url");
            }
            if !proxy.connect_header.is_empty() {
                mistake("proxy_connect_header", "proxy_connect_header needs a proxy");
            }
        }
        proxy
    }

    /// Whether requests may go through a proxy.
    pub fn is_configured(&self) -> bool {
        self.from_environment || self.url.is_some()
    }

    fn put(&self, section: &mut Section) {
        if let Some(url) = &self.url {
            section.text("proxy_url", &url.redacted());
        }
        section.text("no_proxy", &self.no_proxy);
        section.flag("proxy_from_environment", self.from_environment);
        let hidden = |(name, values): &(String, Vec<Secret>)| {
            let values = values
                .iter()
                .map(|_| Tree::Text(HIDDEN.to_owned()))
                .collect();
            (name.clone(), Tree::List(values))
        };
        let header = self.connect_header.iter().map(hidden).collect();
        section.section("proxy_connect_header", Tree::Map(header));
    }
}

fn read_url(node: &Node, problems: &mut Problems) -> Option<Url> {
    let text = scalar::string(node, problems)?;
    if text.is_empty() {
        return None;
    }
    match Url::parse(&text) {
        Ok(url) => Some(url),
        Err(error) => {
            problems.push(node.place, format!("expected a URL: {error}"));
            None
        }
    }
}

/// How a token is asked for.
#[derive(Clone, Debug, Default)]
pub struct OAuth2 {
    /// Client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Source,
    /// Id of its key, for assertions.
    pub key_id: String,
    /// Its RSA key, PEM, for assertions.
    pub key: Source,
    /// Whether the grant is a signed assertion.
    pub is_jwt: bool,
    grant_type: String,
    /// `RS256`, `RS384`, `RS512`, or empty for the first.
    pub signature_algorithm: String,
    /// Issuer, the client where empty.
    pub iss: String,
    /// Audience, the token URL where empty.
    pub audience: String,
    /// Further claims.
    pub claims: Vec<(String, serde_json::Value)>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Where tokens are.
    pub token_url: String,
    /// Further fields of the form.
    pub endpoint_params: Vec<(String, String)>,
    /// How TLS is spoken with it.
    pub tls: TlsOptions,
    /// The proxy to it.
    pub proxy: ProxyOptions,
}

const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SECRET_KEYS: [&str; 3] = ["client_secret", "client_secret_file", "client_secret_ref"];
const KEY_KEYS: [&str; 3] = [
    "client_certificate_key",
    "client_certificate_key_file",
    "client_certificate_key_ref",
];

impl OAuth2 {
    fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let mut fields = Fields::of(node, "oauth2", notes.problems);
        let tls = tls_config(&mut fields, notes);
        let problems = &mut *notes.problems;
        let mut text = |key| {
            fields
                .get(key, problems, scalar::string)
                .unwrap_or_default()
        };
        let mut oauth = OAuth2 {
            client_id: text("client_id"),
            key_id: text("client_certificate_key_id"),
            grant_type: text("grant_type"),
            signature_algorithm: text("signature_algorithm"),
            iss: text("iss"),
            audience: text("audience"),
            token_url: text("token_url"),
            tls,
            ..OAuth2::default()
        };
        oauth.is_jwt = oauth.grant_type == JWT_GRANT;
        oauth.client_secret = read_unchecked(&mut fields, problems, SECRET_KEYS, !oauth.is_jwt);
        oauth.key = read_unchecked(&mut fields, problems, KEY_KEYS, oauth.is_jwt);
        oauth.claims = fields
            .get("claims", problems, |n, p| {
                free_map(n, p, |n, _| Some(json(n)))
            })
            .unwrap_or_default();
        oauth.scopes = fields.get("scopes", problems, strings).unwrap_or_default();
        oauth.endpoint_params = fields
            .get("endpoint_params", problems, string_map)
            .unwrap_or_default();
        oauth.proxy = ProxyOptions::read(&mut fields, problems);
        oauth.check(&fields, problems);
        fields.finish(problems);
        oauth
    }

    fn check(&self, fields: &Fields<'_>, problems: &mut Problems) {
        for (key, value) in [
            ("client_id", &self.client_id),
            ("token_url", &self.token_url),
        ] {
            if value.is_empty() {
                problems.push(fields.place(), format!("oauth2 {key} must be configured"));
            }
        }
        let known = ["", "RS256", "RS384", "RS512"];
        if self.is_jwt && !known.contains(&self.signature_algorithm.as_str()) {
            problems.push(
                fields.place_of("signature_algorithm"),
                "oauth2 signature_algorithm: expected RS256, RS384 or RS512",
            );
        }
    }

    fn tree(&self) -> Tree {
        let mut section = Section::default();
        section.text("client_id", &self.client_id);
        self.client_secret.put(&mut section, SECRET_KEYS, true);
        section.text("client_certificate_key_id", &self.key_id);
        self.key.put(&mut section, KEY_KEYS, true);
        section.text("grant_type", &self.grant_type);
        section.text("signature_algorithm", &self.signature_algorithm);
        section.text("iss", &self.iss);
        section.text("audience", &self.audience);
        let claims = self.claims.iter().map(|(name, value)| {
            let value = match value {
                serde_json::Value::String(text) => Tree::Text(text.clone()),
                other => Tree::Bare(other.to_string()),
            };
            (name.clone(), value)
        });
        section.section("claims", Tree::Map(claims.collect()));
        section.texts("scopes", self.scopes.iter().map(String::as_str));
        section.text("token_url", &self.token_url);
        section.headers("endpoint_params", &self.endpoint_params);
        section.section("tls_config", self.tls.tree());
        self.proxy.put(&mut section);
        section.into_tree()
    }
}

/// Like [`Source::read`]; that there is more than one is a mistake only where the grant uses it.
fn read_unchecked(
    fields: &mut Fields<'_>,
    problems: &mut Problems,
    keys: [&'static str; 3],
    checked: bool,
) -> Source {
    match checked {
        true => Source::read(fields, problems, keys, "oauth2"),
        false => Source::read(fields, &mut Problems::default(), keys, "oauth2"),
    }
}

/// A claim as JSON.
fn json(node: &Node) -> serde_json::Value {
    use exporter_core::dialect::yaml::Value;
    match &node.value {
        Value::Sequence(items) => items.iter().map(json).collect(),
        Value::Mapping(entries) => {
            let pair = |e: &(Node, Node)| (e.0.text().unwrap_or_default().to_owned(), json(&e.1));
            serde_json::Value::Object(entries.iter().map(pair).collect())
        }
        Value::Scalar {
            text, plain: true, ..
        } if !node.is_null() => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
        Value::Scalar { plain: true, .. } => serde_json::Value::Null,
        Value::Scalar { text, .. } => text.clone().into(),
    }
}

/// Values of one header: as they are, secret, and from files.
#[derive(Clone, Debug, Default)]
pub struct HeaderSources {
    /// As they are.
    pub values: Vec<String>,
    /// Secret.
    pub secrets: Vec<Secret>,
    /// Paths of files that hold one each.
    pub files: Vec<String>,
}

impl HeaderSources {
    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        if node.is_null() {
            return Some(HeaderSources::default());
        }
        let mut fields = Fields::of(node, "the header", problems);
        let header = HeaderSources {
            values: fields.get("values", problems, strings).unwrap_or_default(),
            secrets: fields
                .get("secrets", problems, |n, p| {
                    exporter_core::dialect::yaml::list(n, p, secret)
                })
                .unwrap_or_default(),
            files: fields.get("files", problems, strings).unwrap_or_default(),
        };
        fields.finish(problems);
        Some(header)
    }

    pub(crate) fn tree(&self) -> Tree {
        let mut section = Section::default();
        section.texts("values", self.values.iter().map(String::as_str));
        section.texts("secrets", self.secrets.iter().map(|_| HIDDEN));
        section.texts("files", self.files.iter().map(String::as_str));
        section.into_tree()
    }

    /// Prints a mapping of headers.
    pub(crate) fn print(headers: &[(String, HeaderSources)]) -> Tree {
        Tree::Map(
            headers
                .iter()
                .map(|(name, h)| (name.clone(), h.tree()))
                .collect(),
        )
    }
}

/// Header names that only the client itself sets.
const RESERVED: [&str; 18] = [
    "Authorization",
    "Host",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "User-Agent",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Www-Authenticate",
    "Accept-Encoding",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

/// Options of a client.
#[derive(Clone, Debug)]
pub struct Client {
    /// User and password.
    pub basic_auth: Option<BasicAuth>,
    /// Other credentials.
    pub authorization: Option<Authorization>,
    /// Credentials from a token endpoint.
    pub oauth2: Option<OAuth2>,
    /// How TLS is spoken.
    pub tls: TlsOptions,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered.
    pub enable_http2: bool,
    /// The proxy.
    pub proxy: ProxyOptions,
    /// Headers added to every request.
    pub http_headers: Vec<(String, HeaderSources)>,
    is_given: bool,
}

impl Default for Client {
    fn default() -> Self {
        Client {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls: TlsOptions::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: ProxyOptions::default(),
            http_headers: Vec::new(),
            is_given: false,
        }
    }
}

impl Client {
    /// Takes the keys out of a mapping that may have others.
    pub(crate) fn read(fields: &mut Fields<'_>, notes: &mut Notes<'_>) -> Self {
        let mut client = Client {
            tls: tls_config(fields, notes),
            oauth2: fields.node("oauth2").map(|node| OAuth2::read(node, notes)),
            is_given: true,
            ..Client::default()
        };
        let problems = &mut *notes.problems;
        client.basic_auth = fields.get("basic_auth", problems, BasicAuth::read);
        client.authorization = fields.get("authorization", problems, Authorization::read);
        client.read_bearer(fields, problems);
        client.check_credentials(fields.place(), problems);
        client.follow_redirects = fields
            .get("follow_redirects", problems, scalar::boolean)
            .unwrap_or(true);
        client.enable_http2 = fields
            .get("enable_http2", problems, scalar::boolean)
            .unwrap_or(true);
        client.proxy = ProxyOptions::read(fields, problems);
        client.http_headers = fields
            .get("http_headers", problems, |n, p| {
                free_map(n, p, HeaderSources::read)
            })
            .unwrap_or_default();
        for (name, _) in &client.http_headers {
            if RESERVED.iter().any(|r| r.eq_ignore_ascii_case(name)) {
                let what = format!("setting header {name:?} is not allowed here");
                problems.push(fields.place_of("http_headers"), what);
            }
        }
        client
    }

    /// `bearer_token` and `bearer_token_file` are older spellings of `authorization`.
    fn read_bearer(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        let token = fields
            .get("bearer_token", problems, secret)
            .unwrap_or_default();
        let file = fields
            .get("bearer_token_file", problems, scalar::string)
            .unwrap_or_default();
        if token.0.is_empty() && file.is_empty() {
            return;
        }
        let place = fields.place_of("bearer_token");
        if !token.0.is_empty() && !file.is_empty() {
            problems.push(
                place,
                "at most one of bearer_token and bearer_token_file is allowed",
            );
        }
        if self.authorization.is_some() {
            problems.push(
                place,
                "authorization excludes bearer_token and bearer_token_file",
            );
        }
        if self.basic_auth.is_some() || self.oauth2.is_some() {
            problems.push(
                place,
                "at most one of basic_auth, oauth2, bearer_token and bearer_token_file is allowed",
            );
        }
        self.authorization = Some(Authorization {
            kind: "Bearer".to_owned(),
            credentials: Source {
                inline: token,
                file,
                reference: String::new(),
            },
        });
    }

    fn check_credentials(&self, place: Place, problems: &mut Problems) {
        let given = [
            self.basic_auth.is_some(),
            self.authorization.is_some(),
            self.oauth2.is_some(),
        ];
        if given.iter().filter(|g| **g).count() > 1 {
            problems.push(
                place,
                "at most one of basic_auth, oauth2 and authorization is allowed",
            );
        }
    }

    /// Prints the keys.
    pub(crate) fn put(&self, section: &mut Section) {
        if let Some(auth) = &self.basic_auth {
            section.put("basic_auth", auth.tree());
        }
        if let Some(authorization) = &self.authorization {
            section.put("authorization", authorization.tree());
        }
        if let Some(oauth2) = &self.oauth2 {
            section.put("oauth2", oauth2.tree());
        }
        section.section("tls_config", self.tls.tree());
        section.bare("follow_redirects", self.follow_redirects);
        section.bare("enable_http2", self.enable_http2);
        self.proxy.put(section);
        section.section("http_headers", HeaderSources::print(&self.http_headers));
    }

    /// Whether the mapping was there.
    pub(crate) fn is_given(&self) -> bool {
        self.is_given
    }
}

//! Chains of certificates, verified as Go's `crypto/x509` does it: every path from the leaf over
//! what the peer presented to a root, not only the first.

use super::certificate::{PublicKey, Signed};
use super::legacy;
use crate::url::Url;
use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use std::collections::HashMap;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

/// Signatures checked for one leaf; beyond that somebody is making work.
const MOST_CHECKS: usize = 100;

type Algorithms<'a> = &'a [&'static dyn SignatureVerificationAlgorithm];

/// Trusted certificates.
#[derive(Debug, Default)]
pub struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    /// Subject → indices.
    by_subject: HashMap<Vec<u8>, Vec<usize>>,
}

impl Roots {
    /// Takes all that can be parsed.
    pub fn new(all: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = Roots::default();
        for der in all {
            let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
                continue;
            };
            let subject = certificate.subject().as_raw().to_vec();
            let index = roots.certificates.len();
            roots.by_subject.entry(subject).or_default().push(index);
            roots.certificates.push(der);
        }
        roots
    }

    fn of_subject(&self, subject: &[u8]) -> impl Iterator<Item = &CertificateDer<'static>> {
        let indices = self.by_subject.get(subject).into_iter().flatten();
        indices.map(|i| &self.certificates[*i])
    }
}

/// A leaf that at least one chain leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// End of the chain that lasts longest.
    pub last_chain: i64,
}

/// Why there is no chain.
#[derive(Debug)]
pub struct Rejected {
    /// For the alert to the peer.
    pub error: CertificateError,
    /// For the log.
    pub why: String,
}

fn rejected(error: CertificateError, why: impl Into<String>) -> Rejected {
    Rejected {
        error,
        why: why.into(),
    }
}

/// Verifies what a peer presented for a name, the leaf first. `now` is in seconds since the epoch.
pub fn verify(
    presented: &[CertificateDer<'_>],
    name: &str,
    roots: &Roots,
    now: i64,
    algorithms: Algorithms<'_>,
) -> Result<Verified, Rejected> {
    let parse = |der| X509Certificate::from_der(der).ok().map(|parsed| parsed.1);
    let malformed = || rejected(CertificateError::BadEncoding, "malformed certificate");
    let leaf_der = presented.first().ok_or_else(malformed)?;
    let leaf = parse(leaf_der).ok_or_else(malformed)?;
    check_time(&leaf, now)?;
    check_critical(&leaf)?;
    check_name(&leaf, name)?;
    let mut search = Search {
        intermediates: presented[1..]
            .iter()
            .filter_map(|der| parse(der).map(|c| (der.as_ref(), c)))
            .collect(),
        roots,
        now,
        algorithms,
        checks: 0,
        best: None,
        trouble: None,
    };
    if roots
        .of_subject(leaf.subject().as_raw())
        .any(|r| r.as_ref() == leaf_der.as_ref())
    {
        search.found(&[&leaf]);
    } else {
        search.extend(&mut vec![&leaf], leaf_der);
    }
    match (search.best, search.trouble) {
        (Some(last_chain), _) => Ok(Verified { last_chain }),
        (None, Some(trouble)) => Err(trouble),
        (None, None) => Err(rejected(
            CertificateError::UnknownIssuer,
            "certificate signed by unknown authority",
        )),
    }
}

struct Search<'a> {
    intermediates: Vec<(&'a [u8], X509Certificate<'a>)>,
    roots: &'a Roots,
    now: i64,
    algorithms: Algorithms<'a>,
    checks: usize,
    /// End of the longest chain so far.
    best: Option<i64>,
    /// The last reason why a chain was not one.
    trouble: Option<Rejected>,
}

impl Search<'_> {
    /// A chain from leaf to root.
    fn found(&mut self, chain: &[&X509Certificate<'_>]) {
        if !serves_servers(chain) {
            let why = "certificate specifies an incompatible key usage";
            self.trouble = Some(rejected(CertificateError::InvalidPurpose, why));
            return;
        }
        let ends = chain.iter().map(|c| c.validity().not_after.timestamp());
        self.best = self.best.max(ends.min());
    }

    /// Looks for issuers of the last certificate of a chain.
    fn extend(&mut self, chain: &mut Vec<&X509Certificate<'_>>, der: &[u8]) {
        let Some(last) = chain.last().copied() else {
            return;
        };
        let issuer = last.issuer().as_raw();
        let roots = self.roots;
        for root in roots.of_subject(issuer) {
            if let Ok((_, candidate)) = X509Certificate::from_der(root)
                && self.admits(chain, der, &candidate, true)
            {
                let mut whole = chain.clone();
                whole.push(&candidate);
                self.found(&whole);
            }
        }
        let fitting: Vec<usize> = (0..self.intermediates.len())
            .filter(|at| self.intermediates[*at].1.subject().as_raw() == issuer)
            .collect();
        for at in fitting {
            let (candidate_der, candidate) = self.intermediates[at].clone();
            if self.admits(chain, der, &candidate, false) {
                let mut longer: Vec<&X509Certificate<'_>> = chain.clone();
                longer.push(&candidate);
                self.extend(&mut longer, candidate_der);
            }
        }
    }

    fn admits(
        &mut self,
        chain: &[&X509Certificate<'_>],
        der: &[u8],
        candidate: &X509Certificate<'_>,
        is_root: bool,
    ) -> bool {
        let same = |c: &&X509Certificate<'_>| {
            c.subject().as_raw() == candidate.subject().as_raw()
                && c.public_key().raw == candidate.public_key().raw
        };
        if chain.iter().any(same) || self.checks >= MOST_CHECKS {
            return false;
        }
        self.checks += 1;
        let result = check_issuer(candidate, chain, is_root)
            .and_then(|()| check_signature(der, candidate, self.algorithms))
            .and_then(|()| check_time(candidate, self.now))
            .and_then(|()| check_critical(candidate))
            .and_then(|()| check_constraints(candidate, chain));
        match result {
            Ok(()) => true,
            Err(trouble) => {
                self.trouble = Some(trouble);
                false
            }
        }
    }
}

fn check_time(certificate: &X509Certificate<'_>, now: i64) -> Result<(), Rejected> {
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        let why = "certificate has expired or is not yet valid: it begins later";
        return Err(rejected(CertificateError::NotValidYet, why));
    }
    if now > validity.not_after.timestamp() {
        let why = "certificate has expired or is not yet valid: it has ended";
        return Err(rejected(CertificateError::Expired, why));
    }
    Ok(())
}

/// Critical extensions that are not understood forbid the use of a certificate.
fn check_critical(certificate: &X509Certificate<'_>) -> Result<(), Rejected> {
    let understood = |extension: &ParsedExtension<'_>| {
        if let ParsedExtension::NameConstraints(constraints) = extension {
            let subtrees = [
                &constraints.permitted_subtrees,
                &constraints.excluded_subtrees,
            ];
            return subtrees
                .into_iter()
                .flatten()
                .flatten()
                .all(|t| is_checked(&t.base));
        }
        matches!(
            extension,
            ParsedExtension::KeyUsage(_)
                | ParsedExtension::BasicConstraints(_)
                | ParsedExtension::SubjectAlternativeName(_)
                | ParsedExtension::ExtendedKeyUsage(_)
                | ParsedExtension::CertificatePolicies(_)
                | ParsedExtension::PolicyMappings(_)
                | ParsedExtension::PolicyConstraints(_)
                | ParsedExtension::InhibitAnyPolicy(_)
                | ParsedExtension::CRLDistributionPoints(_)
        )
    };
    let mut critical = certificate.extensions().iter().filter(|e| e.critical);
    match critical.all(|e| understood(e.parsed_extension())) {
        true => Ok(()),
        false => Err(rejected(
            CertificateError::UnhandledCriticalExtension,
            "unhandled critical extension",
        )),
    }
}

/// Whether a certificate may sign the chain below it.
fn check_issuer(
    issuer: &X509Certificate<'_>,
    chain: &[&X509Certificate<'_>],
    is_root: bool,
) -> Result<(), Rejected> {
    let no = |why| Err(rejected(CertificateError::InvalidPurpose, why));
    let constraints = issuer.basic_constraints().ok().flatten();
    let is_v3 = issuer.version().0 == 2;
    match &constraints {
        Some(c) if !c.value.ca => {
            return no("certificate is not authorized to sign other certificates");
        }
        None if is_v3 || !is_root => {
            return no("certificate is not authorized to sign other certificates");
        }
        _ => {}
    }
    if let Ok(Some(usage)) = issuer.key_usage()
        && !usage.value.key_cert_sign()
    {
        return no("certificate is not authorized to sign other certificates");
    }
    let limit = constraints.and_then(|c| c.value.path_len_constraint);
    let between = (chain.len() - 1) as u32;
    match limit.is_some_and(|limit| between > limit) {
        true => no("too many intermediates for path length constraint"),
        false => Ok(()),
    }
}

fn check_signature(
    der: &[u8],
    issuer: &X509Certificate<'_>,
    algorithms: Algorithms<'_>,
) -> Result<(), Rejected> {
    let bad = |why| rejected(CertificateError::BadSignature, why);
    let malformed = || bad("malformed certificate");
    let signed = Signed::parse(der).ok_or_else(malformed)?;
    let key = PublicKey::parse(issuer.public_key().raw).ok_or_else(malformed)?;
    let mut fitting = algorithms.iter().chain(legacy::ALL).filter(|a| {
        a.signature_alg_id().as_ref() == signed.algorithm
            && a.public_key_alg_id().as_ref() == key.algorithm
    });
    let valid = |a: &&dyn SignatureVerificationAlgorithm| {
        a.verify_signature(key.bits, signed.message, signed.signature)
            .is_ok()
    };
    match fitting.clone().next() {
        None => Err(bad("cannot verify signature: algorithm unimplemented")),
        Some(_) if fitting.any(valid) => Ok(()),
        Some(_) => Err(rejected(
            CertificateError::UnknownIssuer,
            "certificate signed by unknown authority",
        )),
    }
}

/// Whether every certificate of a chain that limits its use may be used by servers.
fn serves_servers(chain: &[&X509Certificate<'_>]) -> bool {
    chain
        .iter()
        .all(|certificate| match certificate.extended_key_usage() {
            Ok(Some(usage)) => usage.value.any || usage.value.server_auth,
            _ => true,
        })
}

/// Names of the leaf against the name constraints of an issuer.
fn check_constraints(
    issuer: &X509Certificate<'_>,
    chain: &[&X509Certificate<'_>],
) -> Result<(), Rejected> {
    let Ok(Some(constraints)) = issuer.name_constraints() else {
        return Ok(());
    };
    let violated = |why: &str| Err(rejected(CertificateError::NotValidForName, why));
    for certificate in chain {
        for name in names(certificate) {
            let excluded = constraints.value.excluded_subtrees.iter().flatten();
            if excluded
                .filter_map(|t| covers(&t.base, &name))
                .any(|covered| covered)
            {
                return violated("a name is excluded by a name constraint");
            }
            let permitted = constraints.value.permitted_subtrees.iter().flatten();
            let mut verdicts = permitted.filter_map(|t| covers(&t.base, &name)).peekable();
            if verdicts.peek().is_some() && !verdicts.any(|covered| covered) {
                return violated("a name is not permitted by any name constraint");
            }
        }
    }
    Ok(())
}

/// Whether constraints on such names are looked at.
fn is_checked(name: &GeneralName<'_>) -> bool {
    matches!(
        name,
        GeneralName::DNSName(_)
            | GeneralName::IPAddress(_)
            | GeneralName::RFC822Name(_)
            | GeneralName::URI(_)
    )
}

/// A name that certificates are for.
enum Name<'c> {
    Dns(&'c str),
    Ip(&'c [u8]),
    Mail(&'c str),
    Uri(&'c str),
}

fn names<'c>(certificate: &'c X509Certificate<'_>) -> Vec<Name<'c>> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = alternative.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Name::Dns(name)),
            GeneralName::IPAddress(bytes) => Some(Name::Ip(bytes)),
            GeneralName::RFC822Name(address) => Some(Name::Mail(address)),
            GeneralName::URI(uri) => Some(Name::Uri(uri)),
            _ => None,
        })
        .collect()
}

/// Whether a constraint covers a name; `None` where it is about another kind.
fn covers(constraint: &GeneralName<'_>, name: &Name<'_>) -> Option<bool> {
    match (constraint, name) {
        (GeneralName::DNSName(domain), Name::Dns(name)) => Some(is_within(name, domain)),
        (GeneralName::RFC822Name(wanted), Name::Mail(address)) => {
            let (_, host) = address.rsplit_once('@').unwrap_or(("", ""));
            Some(match wanted.rsplit_once('@') {
                Some((_, domain)) => {
                    let user = |a: &str, host: &str| a[..a.len() - host.len()].to_owned();
                    host.eq_ignore_ascii_case(domain) && user(address, host) == user(wanted, domain)
                }
                None => is_within(host, wanted),
            })
        }
        (GeneralName::URI(domain), Name::Uri(uri)) => {
            let host = Url::parse(uri).unwrap_or_default();
            Some(is_within(host.hostname(), domain))
        }
        (GeneralName::IPAddress(net), Name::Ip(ip)) if net.len() == 2 * ip.len() => {
            let (base, mask) = net.split_at(ip.len());
            let mut bytes = ip.iter().zip(base).zip(mask);
            Some(bytes.all(|((ip, base), mask)| ip & mask == base & mask))
        }
        (GeneralName::IPAddress(_), Name::Ip(_)) => Some(false),
        _ => None,
    }
}

/// Whether a name is a domain or below it; below only where the domain begins with a dot.
fn is_within(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    match name.strip_suffix(&domain) {
        Some(below) if domain.is_empty() || domain.starts_with('.') => !below.is_empty(),
        Some(below) => below.is_empty() || below.ends_with('.'),
        None => false,
    }
}

/// Whether a leaf is for a name or an address. The common name does not count.
fn check_name(leaf: &X509Certificate<'_>, name: &str) -> Result<(), Rejected> {
    let names = names(leaf);
    let bare = name
        .strip_prefix('[')
        .and_then(|n| n.strip_suffix(']'))
        .unwrap_or(name);
    let found = match bare.split('%').next().unwrap_or_default().parse::<IpAddr>() {
        Ok(ip) => {
            let octets = match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                    Some(ip) => ip.octets().to_vec(),
                    None => ip.octets().to_vec(),
                },
            };
            names
                .iter()
                .any(|n| matches!(n, Name::Ip(bytes) if *bytes == octets))
        }
        Err(_) => names
            .iter()
            .any(|n| matches!(n, Name::Dns(pattern) if matches_host(pattern, name))),
    };
    match found {
        true => Ok(()),
        false => Err(rejected(
            CertificateError::NotValidForName,
            format!("certificate is not valid for {name}"),
        )),
    }
}

/// A pattern whose first label may be an asterisk.
fn matches_host(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let pattern = pattern.to_ascii_lowercase();
    if host.is_empty() {
        return false;
    }
    match pattern.strip_prefix("*.") {
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(first, rest)| !first.is_empty() && rest == parent),
        None => pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa,
        KeyPair, NameConstraints, date_time_ymd,
    };

    use std::slice::from_ref;

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn params(name: &str, end: i32) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(end, 1, 1);
        params
    }

    fn ca(name: &str, end: i32) -> CertificateParams {
        let mut params = params(name, end);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn root(params: CertificateParams, key: KeyPair) -> Issuer {
        CertifiedIssuer::self_signed(params, key).unwrap()
    }

    fn leaf(params: CertificateParams, issuer: &Issuer) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, issuer).unwrap().der().clone()
    }

    fn year(year: i32) -> i64 {
        date_time_ymd(year, 1, 1).unix_timestamp()
    }

    fn check(
        presented: &[CertificateDer<'_>],
        name: &str,
        roots: &[&Issuer],
    ) -> Result<i64, String> {
        let roots = Roots::new(roots.iter().map(|r| r.der().clone()).collect());
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        verify(presented, name, &roots, year(2025), algorithms.all)
            .map(|v| v.last_chain)
            .map_err(|r| r.why)
    }

    #[test]
    fn the_longest_of_all_chains_counts() {
        let key = || KeyPair::generate().unwrap();
        let one = root(ca("root", 2030), key());
        let again = KeyPair::from_pem(&one.key().serialize_pem()).unwrap();
        let two = root(ca("root", 2040), again);
        let certificate = leaf(params("a.test", 2050), &one);
        assert_eq!(
            check(from_ref(&certificate), "a.test", &[&one]),
            Ok(year(2030))
        );
        assert_eq!(
            check(from_ref(&certificate), "A.test.", &[&one, &two]),
            Ok(year(2040))
        );
        assert!(
            check(from_ref(&certificate), "b.test", &[&one])
                .unwrap_err()
                .contains("b.test")
        );
        assert!(
            check(&[certificate], "a.test", &[])
                .unwrap_err()
                .contains("unknown authority")
        );
    }

    #[test]
    fn over_an_intermediate() {
        let key = || KeyPair::generate().unwrap();
        let top = root(ca("root", 2040), key());
        let middle = CertifiedIssuer::signed_by(ca("middle", 2035), key(), &top).unwrap();
        let certificate = leaf(params("a.test", 2050), &middle);
        let chain = [certificate.clone(), middle.der().clone()];
        assert_eq!(check(&chain, "a.test", &[&top]), Ok(year(2035)));
        assert!(check(&[certificate], "a.test", &[&top]).is_err());
        let plain = CertifiedIssuer::signed_by(params("plain", 2035), key(), &top).unwrap();
        let below = leaf(params("a.test", 2050), &plain);
        let error = check(&[below, plain.der().clone()], "a.test", &[&top]).unwrap_err();
        assert!(error.contains("not authorized"), "{error}");
    }

    #[test]
    fn times_purposes_and_constraints() {
        let key = || KeyPair::generate().unwrap();
        let top = root(ca("root", 2040), key());
        let expired = leaf(params("a.test", 2024), &top);
        assert!(
            check(&[expired], "a.test", &[&top])
                .unwrap_err()
                .contains("expired")
        );
        let mut client = params("a.test", 2050);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = leaf(client, &top);
        assert!(
            check(&[client], "a.test", &[&top])
                .unwrap_err()
                .contains("key usage")
        );
        let mut limited = ca("limited", 2040);
        limited.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("good.test".to_owned())],
            excluded_subtrees: Vec::new(),
        });
        let limited = root(limited, key());
        let good = leaf(params("x.good.test", 2050), &limited);
        let bad = leaf(params("x.bad.test", 2050), &limited);
        assert_eq!(check(&[good], "x.good.test", &[&limited]), Ok(year(2040)));
        assert!(check(&[bad], "x.bad.test", &[&limited]).is_err());
    }

    #[test]
    fn a_trusted_leaf_is_its_own_chain() {
        let own = root(ca("self.test", 2030), KeyPair::generate().unwrap());
        assert_eq!(
            check(&[own.der().clone()], "self.test", &[&own]),
            Ok(year(2030))
        );
    }

    #[test]
    fn constraints_by_kind() {
        let mail = |wanted| covers(&GeneralName::RFC822Name(wanted), &Name::Mail("A@b.test"));
        let uri = |wanted| {
            covers(
                &GeneralName::URI(wanted),
                &Name::Uri("https://a.b.test:1/x"),
            )
        };
        let dns = |wanted| covers(&GeneralName::DNSName(wanted), &Name::Dns("b.test"));
        for (verdict, covered) in [
            (mail("A@B.test"), true),
            (mail("a@b.test"), false),
            (mail("b.test"), true),
            (mail(".test"), true),
            (mail("a.test"), false),
            (uri("b.test"), true),
            (uri(".a.b.test"), false),
            (uri("other.test"), false),
            (dns("test"), true),
            (dns(".test"), true),
            (dns(".b.test"), false),
            (dns("est"), false),
            (dns(""), true),
        ] {
            assert_eq!(verdict, Some(covered));
        }
        let other = covers(&GeneralName::DNSName("test"), &Name::Mail("a@test"));
        assert_eq!(other, None);
    }

    #[test]
    fn patterns() {
        for (pattern, host, matched) in [
            ("*.a.test", "x.a.test", true),
            ("*.a.test", "x.y.a.test", false),
            ("*.a.test", "a.test", false),
            ("a.test", "A.TEST", true),
            ("", "", false),
        ] {
            assert_eq!(matches_host(pattern, host), matched, "{pattern} {host}");
        }
    }
}

//! Certificate signing requests: <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/certificate-signing-request-v1/>.

use super::{Base, Families, Object};
use crate::object::{Condition, Lax, List, Metadata, Text};
use crate::series::Family;
use crate::series::Stability::{Alpha, Stable};
use serde::Deserialize;

/// A certificate signing request.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CertificateSigningRequest {
    metadata: Metadata,
    spec: Lax<Spec>,
    status: Lax<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    signer_name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    certificate: Text,
    conditions: List<Condition>,
}

impl Object for CertificateSigningRequest {
    const PLURAL: &'static str = "certificatesigningrequests";
    const GROUP: &'static str = "certificates.k8s.io";
    const KIND: &'static str = "CertificateSigningRequest";
    const NAMESPACED: bool = false;
    const BASE: Base<Self> = &[
        ("certificatesigningrequest", |request| &request.metadata.name),
        ("signer_name", |request| &request.spec.signer_name),
    ];
    const FAMILIES: Families<Self> = &[
        Family::annotations(Alpha, "kube_certificatesigningrequest_annotations"),
        Family::labels(Stable, "kube_certificatesigningrequest_labels"),
        Family::created(Stable, "kube_certificatesigningrequest_created"),
        Family::gauge(Stable, "kube_certificatesigningrequest_condition", &["condition"],
            "Times that a request was approved, denied or has failed.",
            |request, out| {
                for (kind, label) in [("Approved", "approved"), ("Denied", "denied"), ("Failed", "failed")] {
                    let conditions = request.status.conditions.iter();
                    out.put(&[label], conditions.filter(|c| c.r#type.as_str() == kind).count());
                }
            }),
        Family::gauge(Stable, "kube_certificatesigningrequest_cert_length", &[],
            "Length of the certificate that was issued, in bytes.",
            |request, out| out.value(decoded_length(&request.status.certificate))),
    ];

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// How many bytes base64 text stands for. Line ends within it do not count.
fn decoded_length(base64: &str) -> usize {
    let digits = base64.bytes().filter(|byte| !b"\r\n=".contains(byte)).count();
    digits * 3 / 4
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn counts_conditions_and_certificate_bytes() {
        testing::expect::<CertificateSigningRequest>(
            r#"{"metadata": {"name": "csr", "creationTimestamp": "2026-01-02T03:04:05Z"},
                "spec": {"signerName": "example.com/signer"},
                "status": {"certificate": "aGVsbG8=",
                "conditions": [{"type": "Approved",
                "status": "False"}, {"type": "Approved",
                "status": "True"}]}}"#,
            &[],
            &[
                r#"kube_certificatesigningrequest_created{certificatesigningrequest="csr",signer_name="example.com/signer"} 1.767323045e+09"#,
                r#"kube_certificatesigningrequest_condition{certificatesigningrequest="csr",signer_name="example.com/signer",condition="approved"} 2"#,
                r#"kube_certificatesigningrequest_condition{certificatesigningrequest="csr",signer_name="example.com/signer",condition="denied"} 0"#,
                r#"kube_certificatesigningrequest_condition{certificatesigningrequest="csr",signer_name="example.com/signer",condition="failed"} 0"#,
                r#"kube_certificatesigningrequest_cert_length{certificatesigningrequest="csr",signer_name="example.com/signer"} 5"#,
            ],
        );
    }
}

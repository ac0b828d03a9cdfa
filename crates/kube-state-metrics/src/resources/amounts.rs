//! Amounts of resources that containers ask for and nodes have.

use crate::quantity::Quantity;
use crate::series::names::sanitise;
use std::borrow::Cow;

/// The value of an amount and its unit; `None` for resources that are not exposed of containers.
pub fn of_container(resource: &str, amount: Quantity) -> Option<(&'static str, f64)> {
    match unit(resource)? {
        "core" => Some(("core", amount.milli())),
        unit => Some((unit, amount.value())),
    }
}

/// The same of nodes, which may have fractions of anything, and pods.
pub fn of_node(resource: &str, amount: Quantity) -> Option<(&'static str, f64)> {
    let unit = if resource == "pods" {
        "integer"
    } else {
        unit(resource)?
    };
    Some((unit, amount.milli()))
}

/// A resource's name as the value of the label `resource`.
pub fn label(resource: &str) -> Cow<'_, str> {
    match resource {
        "cpu" | "memory" | "pods" => Cow::Borrowed(resource),
        _ => Cow::Owned(sanitise(resource)),
    }
}

fn unit(resource: &str) -> Option<&'static str> {
    match resource {
        "cpu" => Some("core"),
        "memory" | "storage" | "ephemeral-storage" => Some("byte"),
        _ if resource.starts_with("hugepages-") => Some("byte"),
        _ if resource.starts_with("attachable-volumes-") => Some("byte"),
        _ if is_extended(resource) => Some("integer"),
        _ => None,
    }
}

/// Whether a resource is one that nodes advertise beside those of Kubernetes. With `requests.` in
/// front its name must still be a qualified one.
fn is_extended(resource: &str) -> bool {
    let Some((prefix, name)) = resource.split_once('/') else {
        return false;
    };
    !resource.contains("kubernetes.io/")
        && !resource.starts_with("requests.")
        && is_subdomain(&format!("requests.{prefix}"))
        && is_name(name)
}

fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let edge =
            |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (resource, expected) in [
            ("cpu", Some("core")),
            ("memory", Some("byte")),
            ("hugepages-2Mi", Some("byte")),
            ("attachable-volumes-aws-ebs", Some("byte")),
            ("example.com/gpu", Some("integer")),
            ("example.com/a/b", None),
            ("Example.com/gpu", None),
            ("example.com/-gpu", None),
            ("kubernetes.io/batch-cpu", None),
            ("scheduling.kubernetes.io/foo", None),
            ("requests.example.com/gpu", None),
            ("pods", None),
            ("gpu", None),
        ] {
            assert_eq!(unit(resource), expected, "{resource}");
        }
        let amount = Quantity::parse("1500m").unwrap();
        assert_eq!(of_container("cpu", amount), Some(("core", 1.5)));
        assert_eq!(of_container("memory", amount), Some(("byte", 2.0)));
        assert_eq!(of_node("memory", amount), Some(("byte", 1.5)));
        assert_eq!(of_node("pods", amount), Some(("integer", 1.5)));
        assert_eq!(label("example.com/GPU"), "example_com_GPU");
    }
}

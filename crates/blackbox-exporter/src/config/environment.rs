//! Variables of the environment in the values of a module file, where a flag lets them be there.

use exporter_core::dialect::yaml::{Node, Problems, Value};

/// Finds a variable by its name; `None` where values name none.
pub type Variables<'v> = Option<&'v dyn Fn(&str) -> Option<String>>;

const OPENING: &str = "${env:";

/// Replaces `${env:NAME}` in every value below a node. A name that is not set is a mistake.
pub fn expand(node: &mut Node, lookup: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) {
    let place = node.place;
    match &mut node.value {
        Value::Scalar { text, .. } if text.contains(OPENING) => match replaced(text, lookup) {
            Ok(found) => *text = found,
            Err(why) => problems.push(place, why),
        },
        Value::Scalar { .. } => {}
        Value::Sequence(items) => items
            .iter_mut()
            .for_each(|item| expand(item, lookup, problems)),
        Value::Mapping(entries) => entries
            .iter_mut()
            .for_each(|entry| expand(&mut entry.1, lookup, problems)),
    }
}

fn replaced(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPENING) {
        let (name, tail) = after
            .split_once('}')
            .ok_or_else(|| format!("expected a closing brace after {OPENING}"))?;
        let value =
            lookup(name).ok_or_else(|| format!("the environment has no variable {name:?}"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn values_of_the_environment() {
        let lookup = |name: &str| (name == "TTL").then(|| "7".to_owned());
        let load = |text: &str| Config::parse("f", text.as_bytes(), Some(&lookup));
        let config = load("modules: {a: {prober: icmp, icmp: {ttl: '${env:TTL}'}}}").unwrap();
        assert_eq!(config.modules["a"].icmp.ttl, 7);
        let error = load("modules:\n  a:\n    prober: '${env:NONE}'").unwrap_err();
        assert!(
            error.contains("f:3:13: the environment has no variable \"NONE\""),
            "{error}"
        );
        assert!(load("modules: {a: {prober: '${env:TTL'}}").is_err());
        let text = "modules: {a: {prober: icmp, icmp: {source_ip_address: '${env:TTL}'}}}";
        let plain = Config::parse("f", text.as_bytes(), None).unwrap();
        assert_eq!(plain.modules["a"].icmp.source_ip_address, "${env:TTL}");
    }
}

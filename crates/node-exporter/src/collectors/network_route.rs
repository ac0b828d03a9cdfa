//! Routes, over rtnetlink (`RTM_GETROUTE`, rtnetlink(7)).

use crate::host::Host;
use crate::kernel::netlink::{self, DUMP, Netlink, attributes, text_of, u32_of};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Add the number of the routing table to routes, so that the same route may be in several.
        "collector.network_route.table-label" table_label: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static INFO: Family = Family::gauge(
    "node_network_route_info",
    &["dest", "device", "gw", "priority", "proto", "src", "weight"],
    "A unicast route or one of its next hops, constant 1.",
);
/// The same with the table.
static INFO_OF_TABLE: Family = Family::gauge(
    INFO.name,
    &[
        "dest", "device", "gw", "priority", "proto", "src", "table", "weight",
    ],
    INFO.help,
);
static ROUTES: Family = Family::gauge(
    "node_network_routes",
    &["device"],
    "Unicast routes over a device.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&INFO, &ROUTES]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let Flags { table_label } = Flags::read(&host.matches)?;
    let mut netlink = Netlink::new(netlink::Family::Route);
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let names = link_names(&mut netlink)?;
        let routes = RefCell::new(Vec::new());
        let restart = || routes.borrow_mut().clear();
        const RTM_GETROUTE: u16 = 26;
        netlink.request(RTM_GETROUTE, DUMP, &[0; 12], restart, |message| {
            routes.borrow_mut().extend(parse(message.payload));
        })?;
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for route in routes.borrow().iter() {
            for hop in &route.hops {
                let device = hop
                    .index
                    .and_then(|i| names.get(&i))
                    .map_or("", String::as_str);
                route.put(out, hop, device, table_label);
                *counts.entry(device).or_default() += 1;
            }
        }
        for (device, count) in counts {
            out.put(&ROUTES, &[device], f64::from(count));
        }
        Ok::<(), Error>(())
    }))
}

/// Names of links by index.
pub(super) fn link_names(netlink: &mut Netlink) -> Result<HashMap<u32, String>, Error> {
    let names = RefCell::new(HashMap::new());
    let restart = || names.borrow_mut().clear();
    netlink.request(netlink::RTM_GETLINK, DUMP, &[0; 16], restart, |message| {
        let index = message.payload.get(4..).and_then(u32_of);
        let mut attributes = attributes(message.payload.get(16..).unwrap_or_default());
        let name = attributes
            .find(|a| a.0 == 3)
            .map(|a| text_of(a.1).into_owned());
        names.borrow_mut().extend(index.zip(name));
    })?;
    Ok(names.into_inner())
}

#[derive(Debug)]
struct Route {
    dest: String,
    table: u32,
    source: String,
    priority: String,
    protocol: &'static str,
    hops: Vec<Hop>,
}

impl Route {
    fn put(&self, out: &mut Arena, hop: &Hop, device: &str, table_label: bool) {
        let [dest, gateway, priority] = [&self.dest, &hop.gateway, &self.priority];
        let [protocol, source, weight] = [self.protocol, &self.source, &hop.weight];
        if table_label {
            let table = &self.table.to_string();
            let labels = [
                dest, device, gateway, priority, protocol, source, table, weight,
            ];
            out.put(&INFO_OF_TABLE, &labels, 1.0);
        } else {
            let labels = [dest, device, gateway, priority, protocol, source, weight];
            out.put(&INFO, &labels, 1.0);
        }
    }
}

#[derive(Debug, Default)]
struct Hop {
    index: Option<u32>,
    gateway: String,
    weight: String,
}

fn address(value: &[u8]) -> String {
    let ip = match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    };
    ip.map_or(String::new(), |ip| ip.to_string())
}

/// `struct rtmsg`: length of the destination at 1, table at 4 unless an attribute has a
/// larger number, protocol at 5, type at 7.
fn parse(payload: &[u8]) -> Option<Route> {
    const UNICAST: u8 = 1;
    const RTNH: usize = 8;
    let (length, protocol, kind) = (*payload.get(1)?, *payload.get(5)?, *payload.get(7)?);
    if kind != UNICAST {
        return None;
    }
    let mut route = Route {
        dest: String::new(),
        table: u32::from(*payload.get(4)?),
        source: String::new(),
        priority: "0".to_owned(),
        protocol: protocol_name(protocol),
        hops: Vec::new(),
    };
    let mut hop = Hop::default();
    for (kind, value) in attributes(payload.get(12..)?) {
        match kind {
            1 => route.dest = format!("{}/{length}", address(value)),
            4 => hop.index = u32_of(value),
            5 => hop.gateway = address(value),
            6 => route.priority = u32_of(value)?.to_string(),
            7 => route.source = address(value),
            15 => route.table = u32_of(value)?,
            9 => {
                // struct rtnexthop: length, flags, hops, index; attributes behind it.
                let mut rest = value;
                while let Some(size) = netlink::u16_of(rest)
                    .map(usize::from)
                    .filter(|s| *s >= RTNH)
                {
                    let Some(entry) = rest.get(..size) else { break };
                    let mut gateways = attributes(&entry[RTNH..]);
                    route.hops.push(Hop {
                        index: u32_of(&entry[4..]),
                        gateway: gateways
                            .find(|a| a.0 == 5)
                            .map_or(String::new(), |a| address(a.1)),
                        weight: (u32::from(entry[3]) + 1).to_string(),
                    });
                    rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    if length == 0 {
        route.dest = "default".to_owned();
    }
    if route.hops.is_empty() {
        route.hops.push(hop);
    }
    Some(route)
}

fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_multipath_route() {
        let mut payload = vec![2, 24, 0, 0, 254, 16, 0, 1, 0, 0, 0, 0];
        netlink::push_attribute(&mut payload, 1, &[10, 0, 0, 0]);
        let mut hop = vec![16, 0, 0, 4, 7, 0, 0, 0];
        netlink::push_attribute(&mut hop, 5, &[10, 0, 0, 1]);
        netlink::push_attribute(&mut payload, 9, &hop);
        let route = parse(&payload).unwrap();
        assert_eq!(
            (route.dest.as_str(), route.protocol),
            ("10.0.0.0/24", "dhcp")
        );
        let hop = &route.hops[0];
        assert_eq!(
            (hop.index, hop.gateway.as_str(), hop.weight.as_str()),
            (Some(7), "10.0.0.1", "5")
        );
        let labels = "dest=\"10.0.0.0/24\",device=\"eth0\",gw=\"10.0.0.1\",priority=\"0\",proto=\"dhcp\",src=\"\"";
        let shown = |route: &Route, table_label: bool| {
            let mut arena = Arena::new();
            route.put(&mut arena, hop, "eth0", table_label);
            crate::testing::text(&mut arena)
        };
        let line = format!("node_network_route_info{{{labels},weight=\"5\"}} 1\n");
        assert_eq!(shown(&route, false), line);
        let line = format!("node_network_route_info{{{labels},table=\"254\",weight=\"5\"}} 1\n");
        assert_eq!(shown(&route, true), line);
        netlink::push_attribute(&mut payload, 15, &1000u32.to_ne_bytes());
        assert_eq!(parse(&payload).unwrap().table, 1000);
    }

    #[test]
    fn asks_this_kernel() {
        let tree = crate::testing::Tree::new();
        tree.collect("network_route", &[]).result.unwrap();
        let flags = [("collector.network_route.table-label", "true")];
        let text = tree.collect("network_route", &flags).text;
        let mut routes = text
            .lines()
            .filter(|l| l.starts_with("node_network_route_info"));
        assert!(routes.all(|l| l.contains(",table=\"")), "{text}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}

//! Credentials files, addresses, versions and values of the MySQL exporter.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mysqld_exporter::collectors::status_value;
use mysqld_exporter::config::{Config, Defaults};
use mysqld_exporter::server::{Address, Version};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let Ok(address) = Address::parse("localhost:3306") else {
        return;
    };
    let defaults = Defaults {
        path: "my.cnf".into(),
        address,
        user: "user".to_owned(),
        password: None,
        password_file: None,
        skip_verify: false,
    };
    let variable = |name: &str| (name.len() == 1).then(|| "%(user)s$A".to_owned());
    let _ = Config::parse(bytes, &defaults, None, variable);
    let _ = (Address::parse(&text), Version::parse(&text));
    let _ = status_value::parse(&text);
});

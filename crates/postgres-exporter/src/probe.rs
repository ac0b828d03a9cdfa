//! `/probe`: the same for a server that the request names.

use crate::config::{AuthModule, Config};
use crate::dsn::Dsn;
use crate::dsn::environment::{DataSource, Environment};
use crate::exporter::{Exporter, bad_request};
use crate::legacy::Named;
use crate::target::Target;
use exporter_core::probe::Targets;
use exporter_core::web::source::{Query, Refusal, ScrapeRequest, Scraped, Scraping, Source};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Servers that something is remembered of.
const REMEMBERED: usize = 1024;
/// How long it is.
const MEMORY: Duration = Duration::from_secs(600);

/// The source of `/probe`.
pub struct Probe {
    exporter: Arc<Exporter>,
    config: Arc<RwLock<Config>>,
    env: Environment,
    connections: usize,
    targets: Targets<Arc<Named>>,
}

impl Probe {
    /// Answers with these modules. The password of the environment is for the servers that the
    /// environment names, not for those that a request does.
    pub fn new(
        exporter: Arc<Exporter>,
        config: Arc<RwLock<Config>>,
        env: &Environment,
        connections: usize,
    ) -> Self {
        Probe {
            exporter,
            config,
            env: env.without(&["PGPASSWORD"]),
            connections,
            targets: Targets::new(REMEMBERED, MEMORY),
        }
    }

    fn dsn(&self, query: &Query) -> Result<Dsn, Refusal> {
        let target = query.first("target").filter(|t| !t.is_empty());
        let target = target.ok_or_else(|| bad_request("target is required"))?;
        let name = query.first("auth_module").filter(|n| !n.is_empty());
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        let module = match name {
            None => None,
            Some(name) => {
                let module = config.auth_modules.get(name);
                Some(module.ok_or_else(|| bad_request(format!("there is no auth_module {name}")))?)
            }
        };
        resolve(target, module).map_err(bad_request)
    }
}

/// The target of a request with what a module adds.
///
/// # Errors
/// What is wrong with either, without repeating any of it.
pub fn resolve(target: &str, module: Option<&AuthModule>) -> Result<Dsn, String> {
    let mut dsn = Dsn::of_request(target).map_err(|why| format!("target: {why}"))?;
    let Some(module) = module else {
        return Ok(dsn);
    };
    let username = module.userpass.username.as_str();
    let password = module.userpass.password.as_ref();
    let (false, Some(password)) = (username.is_empty(), password) else {
        return Err("auth_module: expected a username and a password in userpass".to_owned());
    };
    if module.kind == "userpass" {
        dsn.set("user", username);
        dsn.set("password", &password.0);
    }
    for (key, value) in &module.options {
        dsn.set(key, value.as_deref().unwrap_or_default());
    }
    Ok(dsn)
}

impl Source for Probe {
    fn scrape<'a>(&'a self, request: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let dsn = self.dsn(&request.query)?;
            let named = self.targets.get(&dsn.key(), || {
                let source = DataSource::Fixed(dsn.clone());
                Arc::new(Named::new(Target::new(
                    source,
                    self.env.clone(),
                    self.connections,
                )))
            });
            let named = Arc::clone(&named);
            let servers = std::slice::from_ref(&*named);
            let arena = self.exporter.scrape(servers, 1, request).await;
            // Nothing stays open on servers that are not ours.
            named.target.pool().keep(0);
            arena.map(Scraped::Arena)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsn::settings::Secret;

    fn module(kind: &str, username: &str, password: &str) -> AuthModule {
        let mut module = AuthModule {
            kind: kind.to_owned(),
            ..AuthModule::default()
        };
        module.userpass.username = username.to_owned();
        module.userpass.password = Some(Secret(password.to_owned())).filter(|p| !p.0.is_empty());
        module
            .options
            .insert("sslmode".to_owned(), Some("disable".to_owned()));
        module
    }

    #[test]
    fn modules_override_targets() {
        let target = "postgresql://a:b@h:1/d?sslmode=require&x=y";
        let get = |dsn: &Dsn, key: &str| dsn.get(key).map(str::to_owned);
        let dsn = resolve(target, Some(&module("userpass", "u", "p"))).unwrap();
        assert_eq!(get(&dsn, "user").as_deref(), Some("u"));
        assert_eq!(get(&dsn, "password").as_deref(), Some("p"));
        assert_eq!(get(&dsn, "sslmode").as_deref(), Some("disable"));
        assert_eq!(get(&dsn, "x").as_deref(), Some("y"));
        assert_eq!(dsn.server(), "h:1");
        let dsn = resolve(target, Some(&module("other", "u", "p"))).unwrap();
        assert_eq!(get(&dsn, "user").as_deref(), Some("a"));
        let dsn = resolve(target, None).unwrap();
        assert_eq!(get(&dsn, "sslmode").as_deref(), Some("require"));
        for incomplete in [module("userpass", "", "p"), module("other", "u", "")] {
            assert!(resolve(target, Some(&incomplete)).is_err());
        }
    }
}

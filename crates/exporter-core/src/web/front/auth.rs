//! Passwords of users, hashed with bcrypt.

use super::lock;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Answers that are remembered.
const REMEMBERED: usize = 100;
/// Hashes computed at a time: bcrypt is made to be slow, and must not take all processors.
const AT_A_TIME: usize = 1;
/// Stands in for the hash of an unknown user, at the usual cost. Whatever fits it is refused.
const DUMMY: &str = "$2b$10$yn5aGqTn0dZTkcqGUuSp6.vV4pLq0BPl0NnZ1hUbk8wqfXqGMZQ2m";

/// Its cost.
const DUMMY_COST: u32 = 10;

/// Users and their bcrypt hashes.
pub type Users = HashMap<String, String>;

/// Checks credentials, and remembers what it found.
pub struct Authenticator {
    /// Two keyed digests of user, stored hash and password; no password is kept.
    answers: Mutex<HashMap<(u64, u64), bool>>,
    keys: (RandomState, RandomState),
    computing: Arc<Semaphore>,
    /// One place in the queue for each host that asks, so that one which guesses passwords does not
    /// keep the others waiting.
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The turn of a host, and that of all.
type Turn = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Default for Authenticator {
    fn default() -> Self {
        Authenticator {
            answers: Mutex::default(),
            keys: Default::default(),
            computing: Arc::new(Semaphore::new(AT_A_TIME)),
            hosts: Mutex::default(),
        }
    }
}

impl Authenticator {
    /// Whether these credentials, sent by this host, are those of a user; where there are no users
    /// nobody is.
    pub async fn admits(
        &self,
        users: &Users,
        credentials: Option<&HeaderValue>,
        host: &str,
    ) -> bool {
        if users.is_empty() {
            return false;
        }
        let Some((user, password)) = credentials.and_then(parse) else {
            return false;
        };
        let known = users.get(&user);
        // An unknown user takes as long as a known one.
        let hash = known.map_or(DUMMY, String::as_str).to_owned();
        let triple = (&user, &hash, &password);
        let key = (self.keys.0.hash_one(triple), self.keys.1.hash_one(triple));
        if let Some(answer) = self.remembered(key) {
            return answer;
        }
        let Some(turn) = self.turn(host).await else {
            return false;
        };
        // It may have been found out in the meantime.
        if let Some(answer) = self.remembered(key) {
            return answer;
        }
        // The turn ends with the work, even where the client has gone before.
        let checking = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            verify(&password, &hash)
        });
        let matches = checking.await.unwrap_or(false);
        let answer = matches && known.is_some();
        let mut answers = lock(&self.answers);
        if answers.len() >= REMEMBERED {
            make_room(&mut answers);
        }
        answers.insert(key, answer);
        answer
    }
}

impl Authenticator {
    fn remembered(&self, key: (u64, u64)) -> Option<bool> {
        lock(&self.answers).get(&key).copied()
    }

    async fn turn(&self, host: &str) -> Option<Turn> {
        let queue = {
            let mut hosts = lock(&self.hosts);
            hosts.retain(|_, queue| Arc::strong_count(queue) > 1);
            let queue = hosts.entry(host.to_owned());
            queue.or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
        };
        let of_host = queue.acquire_owned().await.ok()?;
        let of_all = self.computing.clone().acquire_owned().await.ok()?;
        Some((of_host, of_all))
    }
}

/// Forgets a tenth, refusals first: whoever guesses passwords must not make the scraper's be computed
/// again and again. The order of a keyed map is as good as random.
fn make_room(answers: &mut HashMap<(u64, u64), bool>) {
    let refusals = answers.iter().filter(|(_, admitted)| !**admitted);
    let others = answers.iter().filter(|(_, admitted)| **admitted);
    let some = refusals.chain(others).take(REMEMBERED / 10);
    let some: Vec<_> = some.map(|(key, _)| *key).collect();
    for key in some {
        answers.remove(&key);
    }
}

/// User and password; the first colon separates them.
fn parse(credentials: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let bytes = credentials.as_bytes();
    let (scheme, encoded) = bytes.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let plain = BASE64.decode(encoded.trim_ascii()).ok()?;
    let colon = memchr::memchr(b':', &plain)?;
    let user = String::from_utf8(plain[..colon].to_vec()).ok()?;
    Some((user, plain[colon + 1..].to_vec()))
}

/// Only the first 72 bytes of a password count.
fn verify(password: &[u8], hash: &str) -> bool {
    let password = &password[..password.len().min(72)];
    normalise(hash).is_some_and(|hash| bcrypt::verify(password, &hash).unwrap_or(false))
}

/// `$2$`, `$2a$` and any other minor letter mean the same algorithm.
fn normalise(hash: &str) -> Option<String> {
    let rest = hash.strip_prefix("$2")?;
    let (minor, rest) = rest.split_once('$')?;
    (minor.len() <= 1).then(|| format!("$2b${rest}"))
}

/// A hash of a password that is given in clear, as expensive to check as that of an unknown user.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn hash(password: &str) -> Result<String, String> {
    bcrypt::hash(password, DUMMY_COST).map_err(|e| format!("could not hash a password: {e}"))
}

/// Checks the form of a hash: prefix, cost from 4 to 31, and 53 characters of salt and digest.
pub fn check_hash(hash: &str) -> Result<(), &'static str> {
    let normal = normalise(hash).ok_or("it does not start with $2")?;
    let (cost, digest) = normal[4..].split_once('$').ok_or("it has no cost")?;
    let cost: u32 = cost.parse().map_err(|_| "its cost is no number")?;
    if !(4..=31).contains(&cost) {
        return Err("its cost is not between 4 and 31");
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'/';
    match digest.len() == 53 && digest.bytes().all(legal) {
        true => Ok(()),
        false => Err("it is too short or too long"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn users() -> Users {
        Users::from([("alice".to_owned(), bcrypt::hash("se:cret", 4).unwrap())])
    }

    fn header(user: &str, password: &str) -> HeaderValue {
        let encoded = BASE64.encode(format!("{user}:{password}"));
        HeaderValue::try_from(format!("bAsIc {encoded}")).unwrap()
    }

    #[tokio::test]
    async fn who_is_let_in() {
        let authenticator = Authenticator::default();
        let users = users();
        for _ in 0..2 {
            for (user, password, admitted) in [
                ("alice", "se:cret", true),
                ("alice", "secret", false),
                ("bob", "se:cret", false),
                ("", "", false),
            ] {
                let header = header(user, password);
                let answer = authenticator.admits(&users, Some(&header), "a").await;
                assert_eq!(answer, admitted, "{user}:{password}");
            }
        }
        assert!(!authenticator.admits(&users, None, "a").await);
        let other = HeaderValue::from_static("Bearer x");
        assert!(!authenticator.admits(&users, Some(&other), "a").await);
        assert!(!authenticator.admits(&Users::new(), None, "a").await);
    }

    #[tokio::test]
    async fn answers_are_remembered_and_bounded() {
        let authenticator = Authenticator::default();
        let users = Users::from([("a".to_owned(), bcrypt::hash("b", 8).unwrap())]);
        let header = header("a", "b");
        assert!(authenticator.admits(&users, Some(&header), "a").await);
        let started = Instant::now();
        for _ in 0..1000 {
            assert!(authenticator.admits(&users, Some(&header), "a").await);
        }
        assert!(started.elapsed().as_secs() < 5);
        lock(&authenticator.answers).extend((0..99).map(|n| ((n, n), false)));
        let wrong = self::header("a", "c");
        assert!(!authenticator.admits(&users, Some(&wrong), "a").await);
        let answers = lock(&authenticator.answers);
        assert!(answers.len() <= REMEMBERED);
        assert!(answers.values().any(|admitted| *admitted));
    }

    #[tokio::test]
    async fn one_host_that_guesses_keeps_no_other_waiting() {
        let authenticator = Arc::new(Authenticator::default());
        let users = Arc::new(users());
        let refused = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let guesses: Vec<_> = (0..50)
            .map(|n| {
                let (authenticator, users) = (authenticator.clone(), users.clone());
                let refused = refused.clone();
                tokio::spawn(async move {
                    let guess = header("alice", &n.to_string());
                    assert!(!authenticator.admits(&users, Some(&guess), "b").await);
                    refused.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let right = header("alice", "se:cret");
        assert!(authenticator.admits(&users, Some(&right), "a").await);
        let before = refused.load(std::sync::atomic::Ordering::Acquire);
        assert!(before < 10, "{before} guesses went first");
        for guess in guesses {
            guess.await.unwrap();
        }
        let last = header("alice", "last");
        assert!(!authenticator.admits(&users, Some(&last), "c").await);
        assert_eq!(lock(&authenticator.hosts).len(), 1);
    }

    #[tokio::test]
    async fn a_client_that_goes_frees_no_turn_before_its_work_is_done() {
        let authenticator = Authenticator::default();
        let users = Users::from([("a".to_owned(), bcrypt::hash("b", 10).unwrap())]);
        for n in 0..5 {
            let guess = header("a", &n.to_string());
            let asking = authenticator.admits(&users, Some(&guess), "a");
            let _gone = tokio::time::timeout(std::time::Duration::from_millis(1), asking).await;
        }
        assert_eq!(authenticator.computing.available_permits(), 0);
    }

    #[test]
    fn unknown_users_cost_a_whole_comparison() {
        assert_eq!(check_hash(DUMMY), Ok(()));
        assert!(matches!(bcrypt::verify("x", DUMMY), Ok(false)));
    }

    #[test]
    fn long_passwords_and_other_letters() {
        let long = "x".repeat(100);
        let hash = bcrypt::hash(&long[..72], 4).unwrap();
        assert!(verify(long.as_bytes(), &hash.replacen("$2b$", "$2y$", 1)));
        assert!(check_hash(&hash).is_ok());
        for bad in ["secret", "$2b$04$short", "$2b$99$", "$3b$04$x", "$2b$xx$"] {
            assert!(check_hash(bad).is_err(), "{bad}");
        }
    }
}

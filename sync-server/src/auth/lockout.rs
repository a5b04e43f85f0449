//! Slows down guessing of passwords: after a few failures a login, and after some more an address, has to wait, longer
//! each time. Kept in memory: a restart forgives.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fieldledger_core::model::Timestamp;

/// Failures that a login has free.
const FREE_FOR_LOGIN: u32 = 5;
/// Failures that an address has free; an office shares one.
const FREE_FOR_ADDRESS: u32 = 20;
/// Longest wait, in ms.
const LONGEST_WAIT: i64 = 15 * 60 * 1000;
/// Failures are forgotten when none followed for so long, in ms.
const FORGET_AFTER: i64 = 60 * 60 * 1000;
/// Most logins and most addresses kept in mind.
const MOST_KEPT: usize = 10_000;

/// Counts failed sign-ins.
#[derive(Debug, Default)]
pub struct Lockout {
    logins: Mutex<Failures<String>>,
    addresses: Mutex<Failures<IpAddr>>,
}

#[derive(Debug)]
struct Failures<K>(HashMap<K, Failed>);

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    count: u32,
    last: Timestamp,
}

impl<K: Eq + Hash + Clone> Failures<K> {
    fn wait(&self, key: &K, free: u32, now: Timestamp) -> i64 {
        let Some(failed) = self.0.get(key) else { return 0 };
        if failed.count < free {
            return 0;
        }
        let wait = 1_000i64
            .checked_shl((failed.count - free).min(20))
            .map_or(LONGEST_WAIT, |it| it.min(LONGEST_WAIT));
        // A clock set back must not lock anybody out for longer than the wait itself.
        let since = now.millis_since(failed.last).max(0);
        (wait - since).max(0)
    }

    fn count(&mut self, key: &K, now: Timestamp) {
        if self.0.len() >= MOST_KEPT && !self.0.contains_key(key) {
            self.0.retain(|_, failed| now.millis_since(failed.last) < FORGET_AFTER);
            if self.0.len() >= MOST_KEPT
                && let Some(oldest) = self
                    .0
                    .iter()
                    .min_by_key(|(_, failed)| failed.last)
                    .map(|(key, _)| key.clone())
            {
                self.0.remove(&oldest);
            }
        }
        let failed = self.0.entry(key.clone()).or_insert(Failed { count: 0, last: now });
        if now.millis_since(failed.last) >= FORGET_AFTER {
            failed.count = 0;
        }
        failed.count = failed.count.saturating_add(1);
        failed.last = now;
    }
}

impl Lockout {
    /// Whether a sign-in may be tried now. It is counted as failed until [`Self::succeeded`] says otherwise, so that
    /// many tries at once count as many.
    ///
    /// # Errors
    /// How long to wait.
    pub fn begin(&self, login: &str, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let login = key(login);
        let address = network(address);
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = logins
            .wait(&login, FREE_FOR_LOGIN, now)
            .max(addresses.wait(&address, FREE_FOR_ADDRESS, now));
        if wait > 0 {
            return Err(Duration::from_millis(wait.unsigned_abs()));
        }
        logins.count(&login, now);
        addresses.count(&address, now);
        Ok(())
    }

    /// The password was right.
    pub fn succeeded(&self, login: &str, address: IpAddr) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.0.remove(&key(login));
        drop(logins);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        // One right password does not wash away the guesses at other accounts from the same address.
        if let Some(failed) = addresses.0.get_mut(&network(address)) {
            failed.count = failed.count.saturating_sub(1);
        }
    }
}

/// What is typed as a login may be long; what is kept of it is not.
fn key(login: &str) -> String {
    login.trim().to_lowercase().chars().take(100).collect()
}

/// One household or host is given a whole /64 of IPv6 addresses, so those count as one.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    #[test]
    fn the_wait_grows_with_each_failure_and_ends() {
        let lockout = Lockout::default();
        for _ in 0..5 {
            lockout.begin("anna", HERE, at(0)).unwrap();
        }
        assert_eq!(lockout.begin("Anna ", HERE, at(0)), Err(Duration::from_secs(1)));
        assert_eq!(lockout.begin("anna", HERE, at(400)), Err(Duration::from_millis(600)));
        lockout.begin("anna", HERE, at(1_000)).unwrap();
        assert_eq!(lockout.begin("anna", HERE, at(1_000)), Err(Duration::from_secs(2)));
        lockout.begin("bert", HERE, at(1_000)).unwrap();
        for second in 0..100 {
            let _ = lockout.begin("anna", HERE, at(4_000_000 * (second + 1)));
        }
    }

    #[test]
    fn the_wait_never_exceeds_a_quarter_of_an_hour_even_when_the_clock_goes_back() {
        let lockout = Lockout::default();
        let mut now = 0;
        for _ in 0..40 {
            if let Err(wait) = lockout.begin("anna", HERE, at(now)) {
                now += i64::try_from(wait.as_millis()).unwrap();
                lockout.begin("anna", HERE, at(now)).unwrap();
            }
        }
        let wait = lockout.begin("anna", HERE, at(now - 1_000_000_000)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(15 * 60));
    }

    #[test]
    fn a_right_password_clears_the_login_and_an_hour_of_peace_forgets() {
        let lockout = Lockout::default();
        for _ in 0..5 {
            lockout.begin("anna", HERE, at(0)).unwrap();
        }
        lockout.succeeded("anna", HERE);
        lockout.begin("anna", HERE, at(0)).unwrap();
        for _ in 0..4 {
            lockout.begin("anna", HERE, at(0)).unwrap();
        }
        assert!(lockout.begin("anna", HERE, at(0)).is_err());
        lockout.begin("anna", HERE, at(FORGET_AFTER)).unwrap();
        lockout.begin("anna", HERE, at(FORGET_AFTER)).unwrap();
    }

    #[test]
    fn guessing_at_many_logins_from_one_network_slows_the_network_down() {
        let lockout = Lockout::default();
        for n in 0..20u16 {
            let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, n, 0, 0, n).into();
            lockout.begin(&format!("user{n}"), address, at(0)).unwrap();
        }
        let neighbour = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, 9).into();
        assert!(lockout.begin("somebody", neighbour, at(0)).is_err());
        let elsewhere = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 9, 9, 9, 9).into();
        lockout.begin("somebody", elsewhere, at(0)).unwrap();
    }

    #[test]
    fn a_flood_of_made_up_logins_does_not_fill_the_memory() {
        let lockout = Lockout::default();
        for n in 0..(MOST_KEPT as u32 + 50) {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
            lockout
                .begin(&format!("{n}{}", "x".repeat(1000)), address, at(i64::from(n)))
                .unwrap();
        }
        assert!(lockout.logins.lock().unwrap().0.len() <= MOST_KEPT);
        assert!(lockout.logins.lock().unwrap().0.keys().all(|key| key.len() <= 400));
        assert!(lockout.addresses.lock().unwrap().0.len() <= MOST_KEPT);
    }
}

//! How often somebody may ask. Kept in memory and bounded; each node of several counts for itself.

use std::{hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

use fieldledger_core::model::DeviceId;
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::keyed::HashMapStateStore,
};

use super::lockout::network;
use crate::{config::ServerConfig, error::ApiError};

/// Most keys one limiter remembers before it drops those that are rested.
const MOST_KEPT: usize = 20_000;

/// The limiters of the server.
#[derive(Debug)]
pub struct Limits {
    sync: Limiter<DeviceId>,
    evidence: Limiter<DeviceId>,
    enrol: Limiter<IpAddr>,
    sign_in: Limiter<IpAddr>,
    software: Limiter<[u8; 16]>,
}

impl Limits {
    /// Limiters as configured.
    pub fn new(config: &ServerConfig) -> Self {
        Self {
            sync: Limiter::per_minute(config.sync_per_minute),
            evidence: Limiter::per_minute(config.evidence_per_minute),
            enrol: Limiter::per_minute(config.enrol_per_minute),
            sign_in: Limiter::per_minute(config.sign_in_per_minute),
            software: Limiter::per_minute(config.api_per_minute),
        }
    }
    /// One exchange of a device.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn exchange(&self, device: DeviceId) -> Result<(), ApiError> {
        self.sync.check(device)
    }
    /// One request of a device about a file of evidence.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn evidence(&self, device: DeviceId) -> Result<(), ApiError> {
        self.evidence.check(device)
    }
    /// One enrolment, or one request with a wrong token.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn stranger(&self, address: IpAddr) -> Result<(), ApiError> {
        self.enrol.check(network(address))
    }
    /// One request with the API token of this id.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn software(&self, token: [u8; 16]) -> Result<(), ApiError> {
        self.software.check(token)
    }
    /// One sign-in.
    ///
    /// # Errors
    /// 429 with the time to wait.
    pub fn sign_in(&self, address: IpAddr) -> Result<(), ApiError> {
        self.sign_in.check(network(address))
    }
}

struct Limiter<K: Hash + Eq + Clone>(Option<RateLimiter<K, HashMapStateStore<K>, DefaultClock>>);

impl<K: Hash + Eq + Clone> std::fmt::Debug for Limiter<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Limiter" } else { "Limiter(off)" })
    }
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn per_minute(count: u32) -> Self {
        Self(NonZeroU32::new(count).map(|count| RateLimiter::hashmap(Quota::per_minute(count))))
    }

    fn check(&self, key: K) -> Result<(), ApiError> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        if limiter.len() > MOST_KEPT {
            limiter.retain_recent();
            // Still full: so many strangers at once are an attack, and a wait does a person no harm.
            if limiter.len() > 2 * MOST_KEPT {
                return Err(ApiError::too_many_requests(Duration::from_secs(30)));
            }
        }
        limiter
            .check_key(&key)
            .map_err(|early| ApiError::too_many_requests(early.wait_time_from(limiter.clock().now())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_device_that_asks_too_often_does_not_hold_up_another() {
        let limits = Limits::new(&ServerConfig {
            sync_per_minute: 3,
            ..ServerConfig::default()
        });
        let (one, two) = (DeviceId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        for _ in 0..3 {
            limits.exchange(one).unwrap();
        }
        let error = limits.exchange(one).unwrap_err();
        assert_eq!(error.code, "too_many_requests");
        assert!(error.retry_after.unwrap() <= Duration::from_secs(20));
        limits.exchange(two).unwrap();
    }

    #[test]
    fn zero_means_no_limit() {
        let limits = Limits::new(&ServerConfig {
            enrol_per_minute: 0,
            ..ServerConfig::default()
        });
        for _ in 0..1_000 {
            limits.stranger(IpAddr::from([10, 0, 0, 1])).unwrap();
        }
    }
}

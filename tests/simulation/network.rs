//! A network that loses, delays, doubles, reorders and cuts what is sent over it, by the seed.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;

/// How bad the network is. Shares are out of 1,000.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Lost on the way.
    pub lost: u32,
    /// Arrives twice.
    pub doubled: u32,
    /// Arrives cut short.
    pub cut: u32,
    /// A captive portal answers instead.
    pub portal: u32,
    /// Longest delay, in milliseconds; different delays are what reorders.
    pub delay: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const FINE: Self = Self {
        lost: 0,
        doubled: 0,
        cut: 0,
        portal: 0,
        delay: 50,
    };
}

/// What travels.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// A phone's request.
    Request {
        /// Which phone.
        from: usize,
        /// The run of the app that sent it.
        run: u64,
        /// The request it belongs to.
        request_id: u64,
        /// The body.
        body: Vec<u8>,
    },
    /// The server's reply, or what a phone sees instead of one.
    Reply {
        /// Which phone.
        to: usize,
        /// The run of the app that asked.
        run: u64,
        /// The request it answers.
        request_id: u64,
        /// The body; `None` when the connection broke.
        body: Option<Vec<u8>>,
    },
}

/// Packets on their way, by the moment they arrive.
#[derive(Default)]
pub(crate) struct Network {
    on_their_way: BTreeMap<(u64, u64), Packet>,
    sent: u64,
    /// What became of packets, for the trace and the summary.
    pub lost: u64,
}

impl Network {
    /// Sends a packet in this weather.
    pub(crate) fn send(&mut self, now: u64, packet: Packet, weather: Weather, rng: &mut ChaCha12Rng) {
        let chance = |rng: &mut ChaCha12Rng, share: u32| rng.random_range(0..1_000) < share;
        if chance(rng, weather.lost) {
            self.lost += 1;
            // The phone notices after its time-out that no reply came.
            let (Packet::Request {
                from, run, request_id, ..
            }
            | Packet::Reply {
                to: from,
                run,
                request_id,
                ..
            }) = packet;
            self.put(
                now + 30_000,
                Packet::Reply {
                    to: from,
                    run,
                    request_id,
                    body: None,
                },
            );
            return;
        }
        if chance(rng, weather.portal)
            && let Packet::Request {
                from, run, request_id, ..
            } = packet
        {
            let page = b"<!DOCTYPE html><title>Welcome to Hotel WiFi</title>".to_vec();
            self.put(
                now + 20,
                Packet::Reply {
                    to: from,
                    run,
                    request_id,
                    body: Some(page),
                },
            );
            return;
        }
        if chance(rng, weather.doubled) {
            self.put(now + rng.random_range(1..=weather.delay * 3), packet.clone());
        }
        let mut packet = packet;
        if chance(rng, weather.cut)
            && let Packet::Request { body, .. } | Packet::Reply { body: Some(body), .. } = &mut packet
        {
            let keep = rng.random_range(0..=body.len());
            body.truncate(keep);
        }
        self.put(now + rng.random_range(1..=weather.delay), packet);
    }

    fn put(&mut self, at: u64, packet: Packet) {
        self.sent += 1;
        self.on_their_way.insert((at, self.sent), packet);
    }

    /// When the next packet arrives.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.on_their_way.keys().next().map(|key| key.0)
    }

    /// Takes the packet that arrives first.
    pub(crate) fn take(&mut self) -> Option<Packet> {
        self.on_their_way.pop_first().map(|(_, packet)| packet)
    }
}

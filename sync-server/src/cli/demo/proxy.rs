//! A bad network: a TCP proxy between a phone and the server that refuses, cuts, delays and duplicates connections, by
//! a printed seed.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Everything gets through.
    Good = 0,
    /// Some of it, late, in part, or twice.
    Bad = 1,
    /// Nothing.
    None = 2,
}

/// What has gone through, and what has gone wrong.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
    pub(super) cut: AtomicU64,
    pub(super) delayed: AtomicU64,
    pub(super) duplicated: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// The network of one phone.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) traffic: Arc<Traffic>,
    weather: Arc<AtomicU8>,
    task: JoinHandle<()>,
}

/// What happens to one connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Through,
    Refused,
    /// Cut when so many bytes have gone up.
    CutUp(u64),
    /// Cut when so many bytes have come down.
    CutDown(u64),
    /// Everything comes after so long.
    Delayed(Duration),
    /// What goes up reaches the server twice.
    Duplicated,
}

impl Proxy {
    /// Opens a network to `server`.
    pub(super) async fn open(server: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let weather = Arc::new(AtomicU8::new(Weather::Good as u8));
        let traffic = Arc::new(Traffic::default());
        let rng = Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed)));
        let (sky, counted) = (Arc::clone(&weather), Arc::clone(&traffic));
        let task = tokio::spawn(async move {
            while let Ok((phone, _)) = listener.accept().await {
                let fate = match sky.load(Ordering::Relaxed) {
                    0 => Fate::Through,
                    1 => fate(&mut rng.lock().unwrap_or_else(PoisonError::into_inner)),
                    _ => Fate::Refused,
                };
                let (sky, counted) = (Arc::clone(&sky), Arc::clone(&counted));
                tokio::spawn(async move {
                    // A connection that breaks is what this is for.
                    let _ = carry(phone, server, fate, &counted, &sky).await;
                });
            }
        });
        Ok(Self {
            address,
            traffic,
            weather,
            task,
        })
    }

    /// Changes the weather, also for connections that are open.
    pub(super) fn set(&self, weather: Weather) {
        self.weather.store(weather as u8, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn fate(rng: &mut ChaCha8Rng) -> Fate {
    match rng.random_range(0..10) {
        0 => Fate::Refused,
        1 | 2 => Fate::CutUp(rng.random_range(0..2_000)),
        // Most often after the server has done what was asked: the phone cannot know.
        3..=5 => Fate::CutDown(rng.random_range(0..400)),
        6 => Fate::Delayed(Duration::from_millis(rng.random_range(50..400))),
        7 | 8 => Fate::Duplicated,
        _ => Fate::Through,
    }
}

async fn carry(
    mut phone: TcpStream,
    server: SocketAddr,
    fate: Fate,
    traffic: &Traffic,
    weather: &AtomicU8,
) -> io::Result<()> {
    match fate {
        Fate::Refused => {
            traffic.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        Fate::Delayed(_) => drop(traffic.delayed.fetch_add(1, Ordering::Relaxed)),
        _ => {}
    }
    let opened_under = weather.load(Ordering::Relaxed);
    let mut upstream = TcpStream::connect(server).await?;
    let mut sent = Vec::new();
    let (mut up, mut down) = (0_u64, 0_u64);
    let (mut from_phone, mut from_server) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        tokio::select! {
            read = phone.read(&mut from_phone) => {
                let count = read?;
                let sky = weather.load(Ordering::Relaxed);
                // A connection does not outlive its weather, and a bad one carries a single exchange: each has its fate.
                if count == 0 || sky != opened_under || (sky == Weather::Bad as u8 && down > 0) { break; }
                let mut bytes = &from_phone[..count];
                if let Fate::CutUp(most) = fate {
                    bytes = &bytes[..bytes.len().min(usize::try_from(most - up.min(most)).unwrap_or(usize::MAX))];
                }
                if let Fate::Delayed(late) = fate { tokio::time::sleep(late).await; }
                if matches!(fate, Fate::Duplicated) { sent.extend_from_slice(bytes); }
                upstream.write_all(bytes).await?;
                up += bytes.len() as u64;
                traffic.up.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if bytes.len() < count {
                    traffic.cut.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
            read = upstream.read(&mut from_server) => {
                let count = read?;
                if count == 0 { break; }
                let mut bytes = &from_server[..count];
                if let Fate::CutDown(most) = fate {
                    bytes = &bytes[..bytes.len().min(usize::try_from(most - down.min(most)).unwrap_or(usize::MAX))];
                }
                // The server has answered, so it has read all that was sent: now it gets all of it again.
                if matches!(fate, Fate::Duplicated) && !sent.is_empty() {
                    traffic.duplicated.fetch_add(1, Ordering::Relaxed);
                    again(server, &std::mem::take(&mut sent)).await;
                }
                if let Fate::Delayed(late) = fate { tokio::time::sleep(late).await; }
                phone.write_all(bytes).await?;
                down += bytes.len() as u64;
                traffic.down.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if bytes.len() < count {
                    traffic.cut.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Sends the same bytes on a connection of their own and throws the answer away.
async fn again(server: SocketAddr, bytes: &[u8]) {
    let Ok(mut copy) = TcpStream::connect(server).await else {
        return;
    };
    if copy.write_all(bytes).await.is_err() {
        return;
    }
    let mut answer = vec![0; 16 << 10];
    let _ = tokio::time::timeout(Duration::from_secs(5), copy.read(&mut answer)).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A server that repeats what it is told and remembers how often it was told something.
    async fn echo() -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                        count.fetch_add(1, Ordering::Relaxed);
                        if stream.write_all(&bytes[..n]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        (address, heard)
    }

    async fn ask(address: SocketAddr) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&[7; 900]).await?;
        let mut answer = vec![0; 900];
        tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await??;
        Ok(answer)
    }

    #[tokio::test]
    async fn a_good_network_carries_everything_and_none_carries_nothing() {
        let (server, _) = echo().await;
        let proxy = Proxy::open(server, 1).await.unwrap();
        assert_eq!(ask(proxy.address).await.unwrap(), [7; 900]);
        proxy.set(Weather::None);
        assert!(ask(proxy.address).await.is_err());
        assert!(proxy.traffic.refused.load(Ordering::Relaxed) > 0);
    }

    #[tokio::test]
    async fn a_bad_network_cuts_delays_and_duplicates_the_same_way_for_the_same_seed() {
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let (server, heard) = echo().await;
            let proxy = Proxy::open(server, 5).await.unwrap();
            proxy.set(Weather::Bad);
            let mut answered = Vec::new();
            for _ in 0..40 {
                answered.push(ask(proxy.address).await.is_ok());
            }
            let traffic = &proxy.traffic;
            let counts = [&traffic.cut, &traffic.delayed, &traffic.duplicated, &traffic.refused];
            let counts = counts.map(|it| it.load(Ordering::Relaxed));
            assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
            assert!(heard.load(Ordering::Relaxed) as usize > answered.iter().filter(|it| **it).count());
            outcomes.push((answered, counts));
        }
        assert_eq!(outcomes[0], outcomes[1]);
    }
}

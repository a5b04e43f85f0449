#![allow(clippy::unwrap_used, clippy::expect_used)]

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::model::Timestamp;

struct Bench {
    engine: Engine,
    rng: ChaCha12Rng,
    now: u64,
}

impl Bench {
    fn new() -> Self {
        Self {
            engine: Engine::new(Config::new("1.0.0", [7; 16])),
            rng: ChaCha12Rng::seed_from_u64(5),
            now: 1_000,
        }
    }

    fn feed(&mut self, event: Event) -> Vec<Effect> {
        self.engine.handle(event, self.now, &mut self.rng)
    }

    fn load(&mut self) -> SyncRequest {
        let effects = self.feed(Event::Loaded(Box::new(Outgoing {
            push: Vec::new(),
            sent: Sent::default(),
            waiting: 0,
            words: Vec::new(),
            device_time: Timestamp::default(),
            since_contact_millis: None,
        })));
        match effects.into_iter().next() {
            Some(Effect::Send(request)) => *request,
            other => panic!("expected a request, got {other:?}"),
        }
    }

    fn begin(&mut self) -> SyncRequest {
        let effects = self.feed(Event::SyncRequested);
        assert!(loads(&effects), "{effects:?}");
        self.load()
    }

    fn fail(&mut self, id: u64, fault: TransportFault) -> Vec<Effect> {
        self.feed(Event::ReplyArrived {
            request_id: id,
            result: Err(fault),
        })
    }

    fn reply(&mut self, id: u64) -> Vec<Effect> {
        let response = SyncResponse {
            protocol: PROTOCOL,
            request_id: id,
            server_time: Timestamp::default(),
            verdicts: Vec::new(),
            streams: Vec::new(),
            withdrawn: Vec::new(),
            backed_up: Vec::new(),
            new_token: None,
        };
        self.feed(Event::ReplyArrived {
            request_id: id,
            result: Ok(Box::new(response)),
        })
    }
}

fn loads(effects: &[Effect]) -> bool {
    effects.iter().any(|it| matches!(it, Effect::Load(_)))
}

fn timer(effects: &[Effect]) -> u64 {
    let at = effects.iter().rev().find_map(|it| match it {
        Effect::SetTimer(at) => Some(*at),
        _ => None,
    });
    at.expect("a timer is set")
}

fn status(effects: &[Effect]) -> &Status {
    let status = effects.iter().rev().find_map(|it| match it {
        Effect::Report(status) => Some(status),
        _ => None,
    });
    status.expect("a status is told")
}

fn applied(more: bool, waiting: usize, progress: bool) -> Event {
    Event::Applied(Box::new(Applied {
        more,
        waiting,
        progress,
        ..Applied::default()
    }))
}

#[test]
fn only_one_request_is_under_way_and_what_happens_meanwhile_is_not_forgotten() {
    let mut bench = Bench::new();
    let request = bench.begin();
    for event in [
        Event::LocalChange,
        Event::SyncRequested,
        Event::Online,
        Event::LocalChange,
    ] {
        assert!(bench.feed(event).is_empty());
    }
    assert!(matches!(bench.reply(request.request_id)[..], [Effect::Apply { .. }]));
    let effects = bench.feed(applied(false, 0, true));
    assert!(loads(&effects), "the change made meanwhile is pushed now");
    let request = bench.load();
    bench.reply(request.request_id);
    assert_eq!(status(&bench.feed(applied(false, 0, false))), &Status::UpToDate);
}

#[test]
fn late_and_repeated_replies_are_ignored() {
    let mut bench = Bench::new();
    let first = bench.begin();
    assert!(bench.reply(first.request_id ^ 1).is_empty());
    assert_eq!(bench.reply(first.request_id).len(), 1);
    assert!(bench.reply(first.request_id).is_empty(), "repeated while it is stored");
    bench.feed(applied(true, 0, true));
    let second = bench.load();
    assert_ne!(first.request_id, second.request_id);
    assert!(bench.reply(first.request_id).is_empty(), "late");
    assert!(
        bench.fail(first.request_id, TransportFault::Revoked).is_empty(),
        "late bad news too"
    );
    assert_eq!(bench.reply(second.request_id).len(), 1);
}

#[test]
fn it_goes_on_while_anything_is_left_on_either_side() {
    for (more, waiting, goes_on) in [(true, 0, true), (false, 3, true), (false, 0, false)] {
        let mut bench = Bench::new();
        let request = bench.begin();
        bench.reply(request.request_id);
        assert_eq!(loads(&bench.feed(applied(more, waiting, true))), goes_on);
    }
}

#[test]
fn a_server_that_announces_more_but_moves_nothing_is_not_asked_at_once() {
    let mut bench = Bench::new();
    let request = bench.begin();
    bench.reply(request.request_id);
    let effects = bench.feed(applied(true, 2, false));
    assert_eq!(status(&effects), &Status::Stalled);
    assert!(!loads(&effects));
    bench.now = timer(&effects);
    assert!(loads(&bench.feed(Event::TimerFired)));
}

#[test]
fn what_was_recorded_while_the_reply_was_awaited_goes_at_once() {
    let mut bench = Bench::new();
    let request = bench.begin();
    bench.reply(request.request_id);
    let Event::Applied(mut nothing_moved) = applied(false, 1, false) else {
        panic!("an applied reply")
    };
    nothing_moved.recorded_meanwhile = true;
    assert!(loads(&bench.feed(Event::Applied(nothing_moved))));
}

#[test]
fn pauses_grow_with_jitter_up_to_the_ceiling_and_success_forgives() {
    let mut bench = Bench::new();
    let mut request = bench.begin();
    let mut pauses = Vec::new();
    for _ in 0..14 {
        let effects = bench.fail(request.request_id, TransportFault::Offline);
        let at = timer(&effects);
        pauses.push(at - bench.now);
        assert!(!loads(&bench.feed(Event::LocalChange)), "not before its time");
        assert!(!loads(&bench.feed(Event::TimerFired)), "an early timer does no harm");
        bench.now = at;
        assert!(loads(&bench.feed(Event::TimerFired)));
        request = bench.load();
    }
    assert!(
        pauses.iter().all(|pause| (1_000..=300_000).contains(pause)),
        "{pauses:?}"
    );
    assert!(pauses[0] <= 2_000 && pauses.iter().max() > Some(&60_000), "{pauses:?}");
    bench.reply(request.request_id);
    bench.feed(applied(false, 0, true));
    let request = bench.begin();
    let effects = bench.fail(request.request_id, TransportFault::Offline);
    assert!(timer(&effects) - bench.now <= 2_000);
}

#[test]
fn a_person_and_a_new_network_shorten_a_pause_but_not_the_one_the_server_asked_for() {
    let mut bench = Bench::new();
    let request = bench.begin();
    bench.fail(request.request_id, TransportFault::CaptivePortal);
    assert!(loads(&bench.feed(Event::SyncRequested)));
    let request = bench.load();
    let effects = bench.fail(request.request_id, TransportFault::RetryAfter(50_000));
    assert!(timer(&effects) >= bench.now + 50_000);
    for event in [Event::SyncRequested, Event::Online, Event::LocalChange] {
        assert!(!loads(&bench.feed(event)));
    }
    bench.now = timer(&effects);
    assert!(loads(&bench.feed(Event::TimerFired)));
}

#[test]
fn what_only_a_person_can_mend_stops_it_until_the_phone_is_enrolled_anew() {
    for fault in [
        TransportFault::SignInAgain,
        TransportFault::Revoked,
        TransportFault::NeedsNewerApp,
    ] {
        let mut bench = Bench::new();
        let request = bench.begin();
        let effects = bench.fail(request.request_id, fault.clone());
        assert_eq!(status(&effects), &Status::Stopped(Failure::Transport(fault)));
        for event in [
            Event::LocalChange,
            Event::SyncRequested,
            Event::Online,
            Event::TimerFired,
        ] {
            assert!(bench.feed(event).is_empty());
        }
        assert!(loads(&bench.feed(Event::TokenChanged)));
    }
}

#[test]
fn batches_shrink_after_a_timeout_or_a_body_too_large_and_grow_back() {
    for fault in [TransportFault::Timeout, TransportFault::TooLarge] {
        let mut bench = Bench::new();
        let full = bench.begin();
        bench.fail(full.request_id, fault);
        let effects = bench.feed(Event::SyncRequested);
        let Some(Effect::Load(limits)) = effects.iter().find(|it| matches!(it, Effect::Load(_))) else {
            panic!("{effects:?}");
        };
        assert_eq!((limits.entries, limits.bytes), (PUSH_ENTRIES / 4, PUSH_BYTES / 4));
        let small = bench.load();
        assert_eq!(small.budget_bytes, PULL_BUDGET_BYTES / 4);
        bench.reply(small.request_id);
        bench.feed(applied(true, 0, true));
        assert_eq!(bench.load().budget_bytes, PULL_BUDGET_BYTES / 2);
    }
}

#[test]
fn a_reply_that_never_comes_is_given_up() {
    let mut bench = Bench::new();
    let request = bench.begin();
    bench.now += 119_999;
    assert_eq!(timer(&bench.feed(Event::TimerFired)), 121_000);
    bench.now = 121_000;
    let effects = bench.feed(Event::TimerFired);
    assert_eq!(
        status(&effects),
        &Status::Failed(Failure::Transport(TransportFault::Timeout))
    );
    assert!(bench.reply(request.request_id).is_empty(), "it comes after all");
}

#[test]
fn only_a_notice_that_says_something_new_starts_an_exchange() {
    let mut bench = Bench::new();
    let request = bench.begin();
    bench.reply(request.request_id);
    bench.feed(Event::Applied(Box::new(Applied {
        places: vec![(StreamId::Catalogue, 7)],
        progress: true,
        ..Applied::default()
    })));
    let mark = |seq| {
        Event::LiveNotice(vec![StreamMark {
            stream: StreamId::Catalogue,
            seq,
        }])
    };
    assert!(bench.feed(mark(7)).is_empty());
    assert!(loads(&bench.feed(mark(8))));
}

#[test]
fn a_full_disk_pauses_and_a_quiet_phone_asks_from_time_to_time() {
    let mut bench = Bench::new();
    bench.feed(Event::SyncRequested);
    let effects = bench.feed(Event::StorageFailed(FieldError::StorageFull));
    assert_eq!(
        status(&effects),
        &Status::Failed(Failure::Storage(FieldError::StorageFull))
    );
    bench.now = timer(&effects);
    assert!(loads(&bench.feed(Event::TimerFired)));
    let request = bench.load();
    bench.reply(request.request_id);
    let effects = bench.feed(applied(false, 0, false));
    assert!(timer(&effects) >= bench.now + 900_000);
    bench.now = timer(&effects);
    assert!(loads(&bench.feed(Event::TimerFired)));
}

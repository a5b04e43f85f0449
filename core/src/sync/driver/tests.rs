#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Mutex as StdMutex;

use super::*;
use crate::sync::{
    fake::{FakeServer, Phone},
    protocol::{SyncRequest, pack},
    transport::{Exchanged, LiveNotices, read_message},
};

/// What goes wrong with the next exchange.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// The request never arrives.
    Lost,
    /// The server works, its reply is cut here.
    CutAt(usize),
    /// The reply to the exchange before comes again.
    Repeated,
}

#[derive(Default)]
struct Wire {
    server: StdMutex<FakeServer>,
    troubles: StdMutex<Vec<Trouble>>,
    last: StdMutex<Option<Vec<u8>>>,
    heads: StdMutex<Vec<Vec<StreamMark>>>,
    fault: StdMutex<Option<TransportFault>>,
}

impl Transport for Wire {
    async fn exchange(&self, request: &SyncRequest) -> Result<Exchanged, TransportFault> {
        if let Some(fault) = self.fault.lock().unwrap().clone() {
            return Err(fault);
        }
        let trouble = self.troubles.lock().unwrap().pop();
        if matches!(trouble, Some(Trouble::Lost)) {
            return Err(TransportFault::Offline);
        }
        let up = pack(request).unwrap();
        let request: SyncRequest = read_message(&up)?;
        let mut body = pack(&self.server.lock().unwrap().answer(&request)).unwrap();
        let before = self.last.lock().unwrap().replace(body.clone());
        match trouble {
            Some(Trouble::CutAt(end)) => body.truncate(end.min(body.len() - 1)),
            Some(Trouble::Repeated) => body = before.unwrap_or(body),
            Some(Trouble::Lost) | None => {}
        }
        Ok(Exchanged {
            response: read_message(&body)?,
            bytes_up: up.len() as u64,
            bytes_down: body.len() as u64,
        })
    }

    async fn live(&self) -> Result<LiveNotices, TransportFault> {
        let marks = std::mem::take(&mut *self.heads.lock().unwrap());
        Ok(futures::stream::iter(marks.into_iter().map(Ok))
            .chain(futures::stream::pending())
            .boxed())
    }

    fn set_token(&self, _: &str) {}
}

fn driver(phone: &Phone, wire: &Arc<Wire>) -> SyncDriver<Arc<Wire>> {
    SyncDriver::new(phone.store.clone(), Arc::clone(wire))
}

#[tokio::test]
async fn one_sync_pushes_and_pulls_until_nothing_is_left() {
    let (ann, ben, wire) = (Phone::new(1), Phone::new(2), Arc::new(Wire::default()));
    wire.server.lock().unwrap().page = 3;
    for day in 0..10 {
        ann.plan(day);
    }
    let report = driver(&ann, &wire).sync_once().await.unwrap();
    // The replies end early: each change is asked about once more, by its name.
    assert_eq!((report.pushed, report.accepted, report.left), (20, 10, 0));
    let report = driver(&ben, &wire).sync_once().await.unwrap();
    assert_eq!((report.rounds, report.pulled), (4, 10));
    assert!(report.bytes_up > 0 && report.bytes_down > 0);
    let idle = driver(&ben, &wire).sync_once().await.unwrap();
    assert_eq!((idle.rounds, idle.pulled, idle.pushed), (1, 0, 0));
    driver(&ann, &wire).sync_once().await.unwrap();
    assert_eq!(ann.content(), ben.content());
}

#[tokio::test]
async fn a_reply_cut_at_any_byte_applies_nothing_and_the_next_sync_brings_everything() {
    let wire = Arc::new(Wire::default());
    let (ann, ben) = (Phone::new(1), Phone::new(2));
    let visit = ann.plan(1);
    driver(&ann, &wire).sync_once().await.unwrap();
    let mine = ben.plan(2);
    let before = ben.content();
    let sync = driver(&ben, &wire);
    let length = {
        let request = ben.request(10).0;
        pack(&FakeServer::default().answer(&request)).unwrap().len() + 200
    };
    for end in 0..length {
        wire.troubles.lock().unwrap().push(Trouble::CutAt(end));
        let cut = sync.sync_once().await;
        assert_eq!(
            cut,
            Err(SyncError::Transport(TransportFault::CaptivePortal)),
            "cut at {end}"
        );
    }
    assert_eq!(ben.content(), before, "nothing was half stored");
    sync.sync_once().await.unwrap();
    assert!(ben.store.visit(visit).unwrap().is_some());
    driver(&ann, &wire).sync_once().await.unwrap();
    assert!(ann.store.visit(mine).unwrap().is_some());
}

#[tokio::test]
async fn a_repeated_reply_is_not_taken_for_the_awaited_one() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    let sync = driver(&ann, &wire);
    ann.plan(1);
    sync.sync_once().await.unwrap();
    ann.plan(2);
    wire.troubles.lock().unwrap().push(Trouble::Repeated);
    assert!(sync.sync_once().await.is_err());
    assert_eq!(ann.waiting(), 1, "not acknowledged by a reply to something else");
    let report = sync.sync_once().await.unwrap();
    assert_eq!((report.duplicate, ann.waiting()), (1, 0));
}

#[tokio::test]
async fn a_lost_request_changes_nothing_and_says_offline() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    ann.plan(1);
    wire.troubles.lock().unwrap().push(Trouble::Lost);
    let error = driver(&ann, &wire).sync_once().await.unwrap_err();
    assert_eq!(FieldError::from(error), FieldError::Offline);
    assert_eq!(ann.waiting(), 1);
}

#[tokio::test]
async fn a_revoked_device_is_remembered_and_its_work_stays() {
    let (ann, wire) = (Phone::new(1), Arc::new(Wire::default()));
    ann.plan(1);
    *wire.fault.lock().unwrap() = Some(TransportFault::Revoked);
    let error = driver(&ann, &wire).sync_once().await.unwrap_err();
    assert_eq!(FieldError::from(error), FieldError::Revoked);
    let status = ann.store.status().unwrap();
    assert_eq!((status.device, status.waiting), (DeviceState::Revoked, 1));
}

#[tokio::test]
async fn in_the_background_local_changes_and_live_notices_are_followed() {
    let (ann, ben, wire) = (Phone::new(1), Phone::new(2), Arc::new(Wire::default()));
    let sync = driver(&ann, &wire);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        let cancel = async {
            let _ = stopped.await;
        };
        sync.run(cancel, |_, _| {}).await
    });
    let until = |what: Box<dyn Fn() -> bool>| async move {
        for _ in 0..500 {
            if what() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not happen");
    };
    let visit = ann.plan(1);
    let server = Arc::clone(&wire);
    until(Box::new(move || server.server.lock().unwrap().known.len() == 1)).await;
    driver(&ben, &wire).sync_once().await.unwrap();
    assert!(ben.store.visit(visit).unwrap().is_some());
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));

    let theirs = ben.plan(3);
    driver(&ben, &wire).sync_once().await.unwrap();
    wire.heads.lock().unwrap().push(vec![StreamMark {
        stream: crate::sync::fake::TERRITORY,
        seq: 2,
    }]);
    let (store, sync) = (ann.store.clone(), driver(&ann, &wire));
    let seen = async {
        while store.visit(theirs).unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert_eq!(sync.run(seen, |_, _| {}).await, Ok(()));
}

#[test]
fn too_many_attempts_to_enrol_are_not_taken_for_a_missing_network() {
    let error = FieldError::from(EnrolError::Transport(TransportFault::RetryAfter(1_500)));
    assert!(
        matches!(&error, FieldError::Invalid(it) if it.field == "code" && it.message.contains("in 2 s")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_notice_of_what_is_here_already_does_not_make_a_retry_forgotten() {
    let (ann, ben, wire) = (Phone::new(1), Phone::new(2), Arc::new(Wire::default()));
    ann.plan(1);
    driver(&ann, &wire).sync_once().await.unwrap();
    let theirs = ben.plan(2);
    driver(&ben, &wire).sync_once().await.unwrap();
    *wire.fault.lock().unwrap() = Some(TransportFault::Offline);
    wire.heads.lock().unwrap().push(vec![StreamMark {
        stream: crate::sync::fake::TERRITORY,
        seq: 1,
    }]);
    let (store, sync) = (ann.store.clone(), driver(&ann, &wire));
    let seen = async {
        while store.visit(theirs).unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let running = sync.run(seen, |status, _| {
        if matches!(status, Status::Failed(_)) {
            *wire.fault.lock().unwrap() = None;
            let clock = Arc::clone(&ann.clock);
            // After the notice was read, and before the retry is due.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                clock.forward(400_000);
            });
        }
    });
    let ended = tokio::time::timeout(Duration::from_secs(60), running).await;
    assert_eq!(ended.expect("it was tried again"), Ok(()));
}

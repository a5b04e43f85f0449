//! The pool of worker processes, with the real program as worker: harmful changes end workers and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "../src/ingest/testing.rs"]
#[allow(unreachable_pub)]
mod testing;

use std::time::{Duration, Instant};

use fieldledger_core::sync::protocol::RejectionCode;
use fieldledger_server::ingest::{InProcess, Job, Judgement, Validator, WorkerCommand, WorkerLimits, WorkerPool};
use serde_json::json;
use testing::{edited, nested, predecessor_bomb, rep, run_length_bomb, visit};

fn pool(count: usize, limits: WorkerLimits) -> WorkerPool {
    let command = WorkerCommand {
        program: env!("CARGO_BIN_EXE_fieldledger").into(),
        arguments: vec!["decode-worker".into()],
    };
    WorkerPool::new(command, count, limits)
}

fn impatient() -> WorkerLimits {
    WorkerLimits {
        memory_bytes: 256 << 20,
        patience: Duration::from_millis(500),
        cpu_seconds: 1,
    }
}

fn alone(bytes: Vec<u8>) -> Job {
    Job {
        existing: Vec::new(),
        changes: vec![bytes],
    }
}

fn is_harmful(judgement: &Judgement) -> bool {
    matches!(judgement, Judgement::Refused(refusal)
        if refusal.code == RejectionCode::Undecodable && refusal.message.contains("harm"))
}

#[tokio::test]
async fn workers_judge_like_the_process_itself() {
    let first = visit(1, "hello");
    let edit = edited(std::slice::from_ref(&first.bytes), 9, &rep(), |tree| {
        tree["note"] = json!("你好");
    });
    let mut jobs: Vec<Job> = (10..400).map(|number| alone(visit(number, "x").bytes)).collect();
    jobs.push(Job {
        existing: vec![first.bytes.clone()],
        changes: vec![edit.bytes.clone(), b"rubbish".to_vec()],
    });
    jobs.push(Job {
        existing: Vec::new(),
        changes: vec![edit.bytes, first.bytes],
    });
    jobs.push(alone(nested([7; 16], 2_000)));
    let workers = pool(2, WorkerLimits::default());
    let judged = workers.validate(jobs.clone()).await;
    assert_eq!(judged, InProcess.validate(jobs.clone()).await);
    let before = workers.idle_workers();
    assert_eq!(before.len(), 2);
    assert_eq!(workers.validate(jobs).await, judged);
    assert_eq!(workers.restarts(), 0);
    workers.shutdown().await;
    assert_eq!(
        workers.validate(vec![alone(visit(1, "late").bytes)]).await,
        vec![vec![Judgement::Waiting(Vec::new())]]
    );
}

/// Changes of 200 bytes: one takes for ever, another wants 32 GB.
#[tokio::test]
async fn a_change_that_ends_its_reader_is_refused_and_takes_nothing_with_it() {
    let endless = run_length_bomb(3, u32::MAX);
    assert!(endless.len() < 200);
    let huge = predecessor_bomb(4, 1 << 31);
    assert!(huge.len() < 200);
    let base = visit(500, "base");
    let edit = |note: &str, actor| {
        edited(std::slice::from_ref(&base.bytes), actor, &rep(), |tree| {
            tree["note"] = json!(note);
        })
        .bytes
    };
    let mut jobs: Vec<Job> = (0..40).map(|number| alone(visit(number, "honest").bytes)).collect();
    jobs.insert(7, alone(endless));
    jobs.insert(13, alone(huge));
    jobs.insert(
        20,
        Job {
            existing: vec![base.bytes.clone()],
            changes: vec![edit("before", 11), run_length_bomb(5, u32::MAX), edit("after", 12)],
        },
    );
    let workers = pool(1, impatient());
    let started = Instant::now();
    let judged = workers.validate(jobs).await;
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert!(workers.restarts() >= 3);
    for (index, judged) in judged.iter().enumerate() {
        match index {
            7 | 13 => assert!(is_harmful(&judged[0]), "{judged:?}"),
            20 => {
                assert!(matches!(judged[0], Judgement::Sound(_)), "{judged:?}");
                assert!(is_harmful(&judged[1]), "{:?}", judged[1]);
                assert!(matches!(judged[2], Judgement::Sound(_)), "{judged:?}");
            }
            _ => assert!(matches!(judged[..], [Judgement::Sound(_)]), "{index}: {judged:?}"),
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_worker_killed_from_outside_is_replaced() {
    let workers = pool(1, WorkerLimits::default());
    let job = || vec![alone(visit(1, "x").bytes)];
    let before = workers.validate(job()).await;
    for pid in workers.idle_workers() {
        let killed = std::process::Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status();
        assert!(killed.unwrap().success());
    }
    assert_eq!(workers.validate(job()).await, before);
    assert_eq!(workers.restarts(), 1);
}

#[tokio::test]
async fn a_worker_that_cannot_be_started_puts_changes_off() {
    let workers = WorkerPool::new(
        WorkerCommand {
            program: "/nowhere/fieldledger".into(),
            arguments: Vec::new(),
        },
        1,
        WorkerLimits::default(),
    );
    let judged = workers.validate(vec![alone(visit(1, "x").bytes)]).await;
    assert_eq!(judged, vec![vec![Judgement::Waiting(Vec::new())]]);
}

#[test]
fn a_worker_ends_with_its_input() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_fieldledger"))
        .arg("decode-worker")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// Prints how many new visits a worker judges in a second. Run with `--ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure_how_fast_new_visits_are_judged() {
    let note = "The owner was in; two of the four freezers hold our goods, the others a competitor's. ".repeat(5);
    let jobs: Vec<Job> = (0..10_000).map(|number| alone(visit(number, &note).bytes)).collect();
    let bytes: usize = jobs.iter().map(|job| job.changes[0].len()).sum();
    let workers = pool(1, WorkerLimits::default());
    workers.validate(jobs[..10].to_vec()).await;
    let started = Instant::now();
    for chunk in jobs.chunks(1_000) {
        let judged = workers.validate(chunk.to_vec()).await;
        assert!(judged.iter().all(|it| matches!(it[..], [Judgement::Sound(_)])));
    }
    let through_workers = started.elapsed();
    let started = Instant::now();
    for chunk in jobs.chunks(1_000) {
        InProcess.validate(chunk.to_vec()).await;
    }
    println!(
        "10,000 new visits of {} bytes: {through_workers:?} through one worker, {:?} in the process",
        bytes / 10_000,
        started.elapsed(),
    );
}

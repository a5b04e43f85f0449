//! The log as apps get it. A process has one log, so this test has a process of its own.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use fieldledger_ffi::{CallbackFailed, LogLevel, LogLine, LogSink, set_log_sink};

struct Sink(Mutex<Sender<LogLine>>);

impl LogSink for Sink {
    fn write(&self, lines: Vec<LogLine>) -> Result<(), CallbackFailed> {
        for line in lines {
            let _ = self.0.lock().unwrap().send(line);
        }
        Ok(())
    }
}

fn say_everything(word: &str) {
    tracing::debug!(target: "fieldledger::test", "{word}");
    tracing::info!(target: "fieldledger::test", "{word}");
    tracing::error!(target: "another_crate", "{word}");
    tracing::warn!(target: "fieldledger::test", "{word}");
    tracing::error!(target: "fieldledger::test", "{word}");
}

#[test]
fn each_call_brings_its_own_sink_and_level() {
    assert!(set_log_sink(None, LogLevel::Debug));
    say_everything("before anybody listens");
    // Up and down, silence in between, and the least first, which is what a filter of the first call would keep.
    for (round, level, expected) in [
        (1, Some(LogLevel::Error), vec![LogLevel::Error]),
        (
            2,
            Some(LogLevel::Debug),
            vec![LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error],
        ),
        (3, None, vec![]),
        (
            4,
            Some(LogLevel::Info),
            vec![LogLevel::Info, LogLevel::Warn, LogLevel::Error],
        ),
        (5, Some(LogLevel::Warn), vec![LogLevel::Warn, LogLevel::Error]),
    ] {
        let (sender, receiver) = channel();
        let sink: Option<Arc<dyn LogSink>> = level.map(|_| Arc::new(Sink(Mutex::new(sender))) as _);
        assert!(set_log_sink(sink, level.unwrap_or(LogLevel::Debug)));
        say_everything(&format!("round {round}"));
        let mut heard = Vec::new();
        while heard.len() < expected.len() {
            let line = receiver.recv_timeout(Duration::from_secs(30)).unwrap();
            assert_eq!(line.message, format!("round {round}"));
            heard.push(line.level);
        }
        assert_eq!(heard, expected, "round {round}");
        // A call later, and nothing more came.
        std::thread::sleep(Duration::from_millis(700));
        assert!(receiver.try_recv().is_err(), "round {round}");
    }
}

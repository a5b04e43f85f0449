//! Tells of documents and files together, while they are sent beside each other.

use super::{super::SyncReport, EvidenceReport};
use crate::sync::engine::Status;

/// How things stand, and who is told of it.
pub(super) struct Telling<W> {
    watch: W,
    /// What was told of the documents last.
    documents: Option<(Status, SyncReport)>,
    /// What has become of the files so far.
    files: EvidenceReport,
}

impl<W: FnMut(&Status, &SyncReport)> Telling<W> {
    pub(super) fn new(watch: W) -> Self {
        Self {
            watch,
            documents: None,
            files: EvidenceReport::default(),
        }
    }

    /// Documents were exchanged, or could not be.
    pub(super) fn documents(&mut self, status: &Status, report: &SyncReport) {
        let mut report = report.clone();
        report.evidence = self.files.clone();
        (self.watch)(status, &report);
        self.documents = Some((status.clone(), report));
    }

    /// A pass over the files has ended. What was said of the documents is said again when this is news, unless they could
    /// not be exchanged: then the files are not what is the matter.
    pub(super) fn files(&mut self, passed: &EvidenceReport) {
        let EvidenceReport {
            stored, lost, bytes_up, ..
        } = self.files;
        let files = EvidenceReport {
            stored: stored + passed.stored,
            lost: lost + passed.lost,
            bytes_up: bytes_up + passed.bytes_up,
            ..passed.clone()
        };
        if files == self.files {
            return;
        }
        self.files = files;
        if let Some((status @ (Status::UpToDate | Status::Stalled), report)) = &mut self.documents {
            report.evidence = self.files.clone();
            (self.watch)(status, report);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sync::{engine::Failure, transport::TransportFault};

    #[test]
    fn what_became_of_the_files_adds_up_and_is_told_when_it_is_news() {
        let mut told: Vec<(Status, usize, EvidenceReport)> = Vec::new();
        let mut telling = Telling::new(|status: &Status, report: &SyncReport| {
            told.push((status.clone(), report.pushed, report.evidence.clone()));
        });
        let passed = |stored, left, problem: Option<&str>| EvidenceReport {
            stored,
            left,
            lost: 0,
            bytes_up: stored as u64 * 100,
            problem: problem.map(str::to_owned),
        };
        let offline = Status::Failed(Failure::Transport(TransportFault::Offline));
        let exchanged = SyncReport {
            pushed: 3,
            ..SyncReport::default()
        };
        // Nobody has heard of the documents yet.
        telling.files(&passed(0, 2, None));
        telling.documents(&Status::UpToDate, &exchanged);
        telling.files(&passed(1, 1, Some("it broke off")));
        telling.files(&passed(0, 1, Some("it broke off")));
        telling.files(&passed(1, 0, None));
        telling.documents(&offline, &SyncReport::default());
        telling.files(&passed(0, 1, None));
        telling.documents(&Status::Stalled, &SyncReport::default());
        telling.files(&passed(1, 0, None));
        assert_eq!(
            told,
            [
                (Status::UpToDate, 3, passed(0, 2, None)),
                (Status::UpToDate, 3, passed(1, 1, Some("it broke off"))),
                (Status::UpToDate, 3, passed(2, 0, None)),
                (offline, 0, passed(2, 0, None)),
                (Status::Stalled, 0, passed(2, 1, None)),
                (Status::Stalled, 0, passed(3, 0, None)),
            ]
        );
    }
}

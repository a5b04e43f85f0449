//! A pool of [worker processes](super::worker) that judge pushed changes.
//!
//! A worker that dies or hangs takes nothing with it: its batch is judged again by a fresh one that answers change by
//! change; the job at which that one dies is judged alone, and only a change that kills a worker of its own is refused.

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::Stdio,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Semaphore,
    time::timeout,
};

use super::{
    validator::{Job, Judgement, Refusal, Validator},
    worker::{Batch, Greeting, frame, length_of_frame, read_message},
};

/// Most changes in one batch.
const BATCH_CHANGES: usize = 256;
/// Fewest changes that are worth another worker.
const SMALL_BATCH: usize = 32;
/// A batch is closed when it holds more bytes than this.
const BATCH_BYTES: usize = 4 << 20;

/// How a worker is started.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl WorkerCommand {
    /// This very program, with its hidden subcommand `decode-worker`.
    ///
    /// # Errors
    /// When the system does not say where this program lies.
    pub fn this_program() -> io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            arguments: vec!["decode-worker".into()],
        })
    }
}

/// What a worker may use.
#[derive(Clone, Copy, Debug)]
pub struct WorkerLimits {
    /// Address space of one worker.
    pub memory_bytes: u64,
    /// How long a batch may take before it is judged change by change, and how long one change may take then.
    pub patience: Duration,
    /// Processor seconds that a suspected change may use in a worker of its own. Not wall time: a busy machine must not
    /// make an honest change look harmful.
    pub cpu_seconds: u64,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            patience: Duration::from_secs(5),
            cpu_seconds: 3,
        }
    }
}

/// How long a worker on its own may take by the wall clock, for each processor second it may use.
const WALL_PER_CPU_SECOND: u32 = 10;

/// Judges in child processes.
pub struct WorkerPool {
    command: WorkerCommand,
    limits: WorkerLimits,
    count: usize,
    turns: Semaphore,
    idle: Mutex<Vec<Worker>>,
    lost: AtomicU64,
}

impl WorkerPool {
    /// A pool of up to `count` workers, which are started when they are needed.
    pub fn new(command: WorkerCommand, count: usize, limits: WorkerLimits) -> Self {
        let count = count.max(1);
        Self {
            command,
            limits,
            count,
            turns: Semaphore::new(count),
            idle: Mutex::default(),
            lost: AtomicU64::new(0),
        }
    }

    /// Ends every worker. What is being judged is answered with "later", and so is everything after.
    pub async fn shutdown(&self) {
        self.turns.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        join_all(idle.into_iter().map(Worker::end)).await;
    }

    /// The process ids of the workers that wait for work.
    pub fn idle_workers(&self) -> Vec<u32> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().filter_map(|worker| worker.child.id()).collect()
    }

    fn start(&self, cpu_seconds: Option<u64>) -> io::Result<Worker> {
        Worker::start(
            &self.command,
            Greeting {
                memory_bytes: self.limits.memory_bytes,
                cpu_seconds,
            },
        )
    }

    async fn judge_batch(&self, jobs: Vec<Job>) -> Vec<Vec<Judgement>> {
        let Ok(_turn) = self.turns.acquire().await else {
            return later(&jobs);
        };
        let worker = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let worker = match worker.map_or_else(|| self.start(None), Ok) {
            Ok(worker) => worker,
            Err(error) => {
                tracing::error!(%error, program = %self.command.program.display(), "a decode worker cannot be started");
                return later(&jobs);
            }
        };
        match self.ask(worker, &jobs).await {
            Ok(judged) => judged,
            Err(error) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, jobs = jobs.len(), "a decode worker died or hung; judging its batch change by change");
                self.judge_carefully(&jobs).await
            }
        }
    }

    /// Asks a worker for a whole batch, and keeps it for the next one.
    async fn ask(&self, mut worker: Worker, jobs: &[Job]) -> io::Result<Vec<Vec<Judgement>>> {
        let judged: Vec<Vec<Judgement>> = within(self.limits.patience, async {
            worker.tell(jobs, false).await?;
            worker.hear().await
        })
        .await?;
        let complete = judged.len() == jobs.len()
            && judged
                .iter()
                .zip(jobs)
                .all(|(judged, job)| judged.len() == job.changes.len());
        if !complete {
            return Err(io::Error::other("the worker left out an answer"));
        }
        if !self.turns.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        }
        Ok(judged)
    }

    /// Judges a batch change by change in fresh workers, and what kills one in a worker of its own.
    async fn judge_carefully(&self, jobs: &[Job]) -> Vec<Vec<Judgement>> {
        let mut judged: Vec<Vec<Judgement>> = Vec::with_capacity(jobs.len());
        while judged.len() < jobs.len() && !self.turns.is_closed() {
            let rest = &jobs[judged.len()..];
            let Ok(mut worker) = self.start(None) else { break };
            if within(self.limits.patience, worker.tell(rest, true)).await.is_err() {
                // Died before it could have looked at anything: the first job of the rest is looked at alone.
                judged.push(self.judge_alone(&rest[0]).await);
                continue;
            }
            for job in rest {
                match worker.hear_changes(job.changes.len(), self.limits.patience).await {
                    (answers, Ok(())) => judged.push(answers),
                    (_, Err(_)) => {
                        self.lost.fetch_add(1, Ordering::Relaxed);
                        worker.end().await;
                        judged.push(self.judge_alone(job).await);
                        break;
                    }
                }
            }
        }
        judged.extend(later(&jobs[judged.len()..]));
        judged
    }

    /// Judges one job in workers of its own, and refuses the changes that kill them.
    async fn judge_alone(&self, job: &Job) -> Vec<Judgement> {
        let mut harmful: Vec<usize> = Vec::new();
        loop {
            let kept: Vec<usize> = (0..job.changes.len()).filter(|it| !harmful.contains(it)).collect();
            let reduced = Job {
                existing: job.existing.clone(),
                changes: kept.iter().map(|&index| job.changes[index].clone()).collect(),
            };
            let wall = Duration::from_secs(self.limits.cpu_seconds) * WALL_PER_CPU_SECOND;
            let Ok(mut worker) = self.start(Some(self.limits.cpu_seconds)) else {
                return job.changes.iter().map(|_| Judgement::Waiting(Vec::new())).collect();
            };
            let told = within(wall, worker.tell(std::slice::from_ref(&reduced), true)).await;
            let (answers, ended) = match told {
                Ok(()) => worker.hear_changes(kept.len(), wall).await,
                Err(error) => (Vec::new(), Err(error)),
            };
            worker.end().await;
            if ended.is_ok() {
                let mut judged =
                    vec![Judgement::Refused(Refusal::harmful("it ends whoever reads it")); job.changes.len()];
                for (index, answer) in kept.into_iter().zip(answers) {
                    judged[index] = answer;
                }
                return judged;
            }
            let Some(&culprit) = kept.get(answers.len()) else {
                return job.changes.iter().map(|_| Judgement::Waiting(Vec::new())).collect();
            };
            tracing::warn!(
                bytes = job.changes[culprit].len(),
                "a pushed change ends the worker that reads it; it is refused"
            );
            self.lost.fetch_add(1, Ordering::Relaxed);
            harmful.push(culprit);
        }
    }
}

#[async_trait]
impl Validator for WorkerPool {
    async fn validate(&self, jobs: Vec<Job>) -> Vec<Vec<Judgement>> {
        let batches = batches(jobs, self.count);
        let judged = join_all(batches.into_iter().map(|batch| self.judge_batch(batch))).await;
        judged.into_iter().flatten().collect()
    }

    fn restarts(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Cuts jobs into batches, so that every worker gets some.
fn batches(jobs: Vec<Job>, workers: usize) -> Vec<Vec<Job>> {
    let total: usize = jobs.iter().map(|job| job.changes.len()).sum();
    let most = total.div_ceil(workers).clamp(SMALL_BATCH, BATCH_CHANGES);
    let mut batches: Vec<Vec<Job>> = Vec::new();
    let (mut changes, mut bytes) = (usize::MAX, 0);
    for job in jobs {
        if changes >= most || bytes >= BATCH_BYTES {
            batches.push(Vec::new());
            (changes, bytes) = (0, 0);
        }
        changes += job.changes.len();
        bytes += job.existing.iter().chain(&job.changes).map(Vec::len).sum::<usize>();
        if let Some(batch) = batches.last_mut() {
            batch.push(job);
        }
    }
    batches
}

fn later(jobs: &[Job]) -> Vec<Vec<Judgement>> {
    jobs.iter()
        .map(|job| job.changes.iter().map(|_| Judgement::Waiting(Vec::new())).collect())
        .collect()
}

async fn within<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the worker took too long")))
}

/// One child process. It is killed when this is dropped.
struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    greeting: Option<Greeting>,
}

impl Worker {
    fn start(command: &WorkerCommand, greeting: Greeting) -> io::Result<Self> {
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            // It needs nothing of the environment, and secrets may be in there.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("the worker has no pipe");
        Ok(Self {
            input: child.stdin.take().ok_or_else(missing)?,
            output: child.stdout.take().ok_or_else(missing)?,
            child,
            greeting: Some(greeting),
        })
    }

    async fn tell(&mut self, jobs: &[Job], careful: bool) -> io::Result<()> {
        if let Some(greeting) = self.greeting.take() {
            self.input.write_all(&frame(&greeting)?).await?;
        }
        let batch = Batch {
            careful,
            jobs: jobs.to_vec(),
        };
        self.input.write_all(&frame(&batch)?).await?;
        self.input.flush().await
    }

    async fn hear<T: for<'b> minicbor::Decode<'b, ()>>(&mut self) -> io::Result<T> {
        let mut prefix = [0; 4];
        self.output.read_exact(&mut prefix).await?;
        let mut bytes = vec![0; length_of_frame(prefix)?];
        self.output.read_exact(&mut bytes).await?;
        read_message(&bytes)
    }

    /// Hears up to `count` answers; fewer when the worker dies or one takes too long.
    async fn hear_changes(&mut self, count: usize, patience: Duration) -> (Vec<Judgement>, io::Result<()>) {
        let mut answers = Vec::with_capacity(count);
        while answers.len() < count {
            match within(patience, self.hear()).await {
                Ok(answer) => answers.push(answer),
                Err(error) => return (answers, Err(error)),
            }
        }
        (answers, Ok(()))
    }

    async fn end(mut self) {
        // It may be dead already.
        let _ = self.child.kill().await;
    }
}

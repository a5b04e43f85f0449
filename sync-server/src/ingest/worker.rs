//! The child process that decodes what phones push: it reads batches from its standard input, writes judgements to its
//! standard output, and ends when the input ends. It may die at any time; [`WorkerPool`](super::WorkerPool) copes.

use std::io::{self, BufReader, BufWriter, Read, Write};

use minicbor::{Decode, Encode};

use super::validator::{Job, Judgement, judge_each};

/// Largest frame from the parent: a request of the largest size with the documents it is about.
const MAX_FRAME_BYTES: u32 = 256 << 20;

/// What a worker is told once, before anything else.
#[derive(Clone, Copy, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct Greeting {
    /// Address space it may use.
    #[n(0)]
    pub(super) memory_bytes: u64,
    /// Processor seconds it may use in its whole life; `None` for no limit.
    #[n(1)]
    pub(super) cpu_seconds: Option<u64>,
}

/// What a worker is asked.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct Batch {
    /// Answer each change as soon as it is judged, in a frame of its own: should the worker die, its parent knows of
    /// which change.
    #[n(0)]
    pub(super) careful: bool,
    #[n(1)]
    pub(super) jobs: Vec<Job>,
}

/// Runs a worker until its input ends.
///
/// # Errors
/// When input or output fails, or the parent says something that is no message; the worker ends then.
pub fn run() -> io::Result<()> {
    // What panics is told to the parent as a refusal; nobody reads a worker's error output.
    std::panic::set_hook(Box::new(|_| {}));
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    let Some(greeting) = read_frame::<Greeting>(&mut input)? else {
        return Ok(());
    };
    limit(greeting)?;
    while let Some(batch) = read_frame::<Batch>(&mut input)? {
        if batch.careful {
            for job in &batch.jobs {
                let mut failed = Ok(());
                judge_each(job, |judgement| {
                    failed = write_frame(&mut output, &judgement);
                    failed.is_ok()
                });
                failed?;
            }
        } else {
            let judged: Vec<Vec<Judgement>> = batch.jobs.iter().map(super::validator::judge).collect();
            write_frame(&mut output, &judged)?;
        }
    }
    Ok(())
}

fn limit(greeting: Greeting) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rlimit::{Resource, setrlimit};
        // macOS knows the limit on address space and ignores it; there the wall clock of the parent has to do.
        setrlimit(Resource::AS, greeting.memory_bytes, greeting.memory_bytes)?;
        setrlimit(Resource::CORE, 0, 0)?;
        if let Some(seconds) = greeting.cpu_seconds {
            setrlimit(Resource::CPU, seconds, seconds)?;
        }
    }
    #[cfg(not(unix))]
    let _ = greeting;
    Ok(())
}

/// A message with its length before it.
pub(super) fn frame<T: Encode<()>>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    minicbor::encode(message, &mut bytes).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - 4)
        .ok()
        .filter(|it| *it <= MAX_FRAME_BYTES)
        .ok_or_else(|| io::Error::other("the message is too large for a frame"))?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// How many bytes follow the length.
pub(super) fn length_of_frame(prefix: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(prefix);
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::other("the frame is too large"));
    }
    usize::try_from(length).map_err(io::Error::other)
}

/// Reads the message in a frame.
pub(super) fn read_message<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> io::Result<T> {
    minicbor::decode(bytes).map_err(io::Error::other)
}

fn read_frame<T: for<'b> Decode<'b, ()>>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut prefix = [0; 4];
    match input.read_exact(&mut prefix) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = vec![0; length_of_frame(prefix)?];
    input.read_exact(&mut bytes)?;
    read_message(&bytes).map(Some)
}

fn write_frame<T: Encode<()>>(output: &mut impl Write, message: &T) -> io::Result<()> {
    output.write_all(&frame(message)?)?;
    output.flush()
}

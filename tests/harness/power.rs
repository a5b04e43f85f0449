//! A disk that loses power.
//!
//! A program runs under `strace`, which writes down every write, truncation, unlinking and sync of the files in one
//! folder, and every line the program prints. From that recording the folder is rebuilt as a power cut at any moment
//! could have left it: what was synced is there; of what was not, any part is lost, down to single sectors of 512 bytes.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rand::{Rng, RngExt as _};

/// The smallest unit that a disk writes wholly or not at all.
const SECTOR: usize = 512;

/// Calls that change what is on the disk, or promise that it is there. One that the recording cannot express is traced
/// too, so that it is refused rather than overlooked.
const TRACED: &str = "pwrite64,pwritev,pwritev2,write,writev,fsync,fdatasync,ftruncate,truncate,fallocate,unlink,\
    unlinkat,rename,renameat,renameat2,link,linkat,sync_file_range,copy_file_range";

/// One thing that happened to the disk, or a line that was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Write {
        file: PathBuf,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: PathBuf,
        length: usize,
    },
    Unlink {
        file: PathBuf,
    },
    /// The sync that was asked for at `since` (an index of events) has returned: what came before is on the disk.
    Synced {
        file: PathBuf,
        since: usize,
    },
    Printed(Vec<u8>),
}

/// What a program did to a folder, from an empty folder on.
pub struct Recording {
    events: Vec<Event>,
}

/// What a power cut leaves: a folder's files, and what the program had printed by then.
pub struct Wreck {
    /// Contents of each file by name.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Whole lines printed before the cut.
    pub printed: Vec<String>,
}

/// Whether this machine can record.
pub fn can_record() -> bool {
    Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Recording {
    /// Runs `command` to its end and records what it does to the files in `folder`, which must be empty.
    ///
    /// # Errors
    /// When the program cannot be run, fails, or does something to the folder that the recording cannot express.
    pub fn of(command: &[&str], folder: &Path) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        let scratch = tempfile::tempdir()?;
        let log = scratch.path().join("trace");
        let status = Command::new("strace")
            .args(["-f", "-y", "-xx", "-s", "8000000", "-o"])
            .arg(&log)
            .args(["-e", &format!("trace={TRACED}")])
            .args(["-e", "signal=none", "--"])
            .args(command)
            .stdout(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{command:?} ended with {status}")));
        }
        Self::parse(&fs::read_to_string(&log)?, &folder)
    }

    fn parse(log: &str, folder: &Path) -> io::Result<Self> {
        let mut events = Vec::new();
        // Calls that had not returned when another thread's were written down.
        let mut unfinished: HashMap<&str, Option<(PathBuf, usize)>> = HashMap::new();
        for line in log.lines() {
            let Some((process, call)) = line.split_once(char::is_whitespace) else {
                continue;
            };
            let call = call.trim_start();
            if call.starts_with("<... ") {
                if let Some(Some((file, since))) = unfinished.remove(process)
                    && call.ends_with("= 0")
                {
                    events.push(Event::Synced { file, since });
                }
                continue;
            }
            let Some((name, arguments)) = call.split_once('(') else {
                continue;
            };
            let returned = !call.ends_with("<unfinished ...>");
            if returned
                && call
                    .rsplit_once(" = ")
                    .is_some_and(|(_, result)| result.starts_with('-'))
            {
                continue;
            }
            let since = events.len();
            let mut sync = None;
            match name {
                "write" if arguments.starts_with("1<") => events.push(Event::Printed(quoted(arguments)?)),
                _ => match path_of(name, arguments).filter(|path| path.starts_with(folder)) {
                    None => {}
                    Some(file) => match name {
                        // The index of the log is shared memory; nobody expects it to survive.
                        _ if file
                            .extension()
                            .is_some_and(|it| it.to_string_lossy().ends_with("-shm")) => {}
                        "pwrite64" => events.push(Event::Write {
                            offset: nth_from_end(arguments, 0)?,
                            bytes: quoted(arguments)?,
                            file,
                        }),
                        "ftruncate" => events.push(Event::Truncate {
                            length: nth_from_end(arguments, 0)?,
                            file,
                        }),
                        "unlink" => events.push(Event::Unlink { file }),
                        "fsync" | "fdatasync" if returned => events.push(Event::Synced { file, since }),
                        "fsync" | "fdatasync" => sync = Some((file, since)),
                        other => return Err(io::Error::other(format!("{other} is not expected here: {call:.200}"))),
                    },
                },
            }
            if !returned {
                unfinished.insert(process, sync);
            }
        }
        Ok(Self { events })
    }

    /// How many moments there are at which the power may go.
    pub fn moments(&self) -> usize {
        self.events.len() + 1
    }

    /// Everything that was printed, in lines.
    pub fn printed(&self) -> Vec<String> {
        self.printed_before(self.events.len())
    }

    fn printed_before(&self, moment: usize) -> Vec<String> {
        let bytes: Vec<u8> = self.events[..moment]
            .iter()
            .filter_map(|event| match event {
                Event::Printed(bytes) => Some(bytes.as_slice()),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// The folder after the power went at `moment`. Of what was not synced `rng` loses any part.
    pub fn cut(&self, moment: usize, rng: &mut impl Rng) -> Wreck {
        let past = &self.events[..moment];
        // Per file the number of its first events that are known to be on the disk.
        let mut durable: HashMap<&Path, usize> = HashMap::new();
        for event in past {
            if let Event::Synced { file, since } = event {
                durable.insert(file, *since);
                // A synced folder remembers which files were taken out of it.
                for other in past[..*since].iter().enumerate().filter_map(|(index, it)| match it {
                    Event::Unlink { file: gone } if gone.parent() == Some(file) => Some((gone, index + 1)),
                    _ => None,
                }) {
                    let known = durable.entry(other.0).or_default();
                    *known = (*known).max(other.1);
                }
            }
        }
        // Each cut treats the unsynced part in one manner: all lost, all kept, or sector by sector.
        let kept_in_16: u8 = [0, 16, 2, 8, 14][rng.random_range(0..5)];
        let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        let mut lost_names: Vec<&Path> = Vec::new();
        for (index, event) in past.iter().enumerate() {
            let (Event::Write { file, .. } | Event::Truncate { file, .. } | Event::Unlink { file }) = event else {
                continue;
            };
            let synced = durable.get(file.as_path()).is_some_and(|until| index < *until);
            // A file made anew under a name whose removal was lost is not to be found under that name.
            if lost_names.contains(&file.as_path()) {
                continue;
            }
            let mut kept = || synced || rng.random_ratio(u32::from(kept_in_16), 16);
            match event {
                Event::Write { offset, bytes, .. } => {
                    for (sector, part) in sectors(*offset, bytes) {
                        if kept() {
                            let content = files.entry(file.clone()).or_default();
                            content.resize(content.len().max(sector + part.len()), 0);
                            content[sector..sector + part.len()].copy_from_slice(part);
                        }
                    }
                }
                Event::Truncate { length, .. } => {
                    if kept() {
                        files.entry(file.clone()).or_default().resize(*length, 0);
                    }
                }
                Event::Unlink { .. } => {
                    if kept() {
                        files.remove(file);
                    } else {
                        lost_names.push(file);
                    }
                }
                Event::Synced { .. } | Event::Printed(_) => {}
            }
        }
        Wreck {
            files,
            printed: self.printed_before(moment),
        }
    }
}

impl Wreck {
    /// Writes the files into `folder`, which must exist.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn restore_into(&self, folder: &Path) -> io::Result<()> {
        for (name, content) in &self.files {
            let name = name
                .file_name()
                .ok_or_else(|| io::Error::other("a file without a name"))?;
            fs::write(folder.join(name), content)?;
        }
        Ok(())
    }
}

fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let first = (SECTOR - offset % SECTOR).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    std::iter::once((offset, head)).chain(
        rest.chunks(SECTOR)
            .enumerate()
            .map(move |(index, part)| (offset + first + index * SECTOR, part)),
    )
}

/// The file a call is about: behind the descriptor for most, by name for `unlink`.
fn path_of(name: &str, arguments: &str) -> Option<PathBuf> {
    let bytes = match name {
        "unlink" | "rename" | "link" | "truncate" => quoted(arguments).ok()?,
        "unlinkat" | "renameat" | "renameat2" | "linkat" => quoted(arguments).ok()?,
        _ => {
            let (_, after) = arguments.split_once('<')?;
            unescaped(after.split_once('>')?.0).ok()?
        }
    };
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// The bytes of the first quoted argument.
fn quoted(arguments: &str) -> io::Result<Vec<u8>> {
    let malformed = || io::Error::other(format!("no quoted argument in {arguments:.200}"));
    let (_, after) = arguments.split_once('"').ok_or_else(malformed)?;
    let (text, rest) = after.split_once('"').ok_or_else(malformed)?;
    if rest.starts_with("...") {
        return Err(io::Error::other("the recording was cut short"));
    }
    unescaped(text)
}

fn unescaped(text: &str) -> io::Result<Vec<u8>> {
    if !text.starts_with("\\x") {
        return Ok(text.as_bytes().to_vec());
    }
    text.split("\\x")
        .skip(1)
        .map(|digits| u8::from_str_radix(digits, 16).map_err(io::Error::other))
        .collect()
}

/// A number among the arguments, counted from the last.
fn nth_from_end(arguments: &str, nth: usize) -> io::Result<usize> {
    let inside = arguments.rfind(')').map_or(arguments, |end| &arguments[..end]);
    let inside = inside.trim_end_matches(" <unfinished ...>");
    inside
        .rsplit(", ")
        .nth(nth)
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("no number in {arguments:.200}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    /// One file, a write of three sectors that is synced while a second write is under way.
    const LOG: &str = concat!(
        "10 pwrite64(3</d/a>, \"\\x61\\x62\", 2, 510) = 2\n",
        "10 fsync(3</d/a> <unfinished ...>\n",
        "11 pwrite64(3</d/a>, \"\\x63\", 1, 512) = 1\n",
        "10 <... fsync resumed>)             = 0\n",
        "10 write(1<\\x70>, \"\\x6f\\x6b\\x0a\", 3) = 3\n",
        "10 pwrite64(4</elsewhere/b>, \"\\x61\", 1, 0) = 1\n",
        "10 unlink(\"\\x2f\\x64\\x2f\\x61\") = 0\n",
    );

    #[test]
    fn what_was_synced_stays_and_what_was_not_may_be_lost_by_the_sector() {
        let recording = Recording::parse(LOG, Path::new("/d")).unwrap();
        assert_eq!(recording.moments(), 6);
        assert_eq!(recording.printed(), ["ok"]);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..60 {
            let wreck = recording.cut(4, &mut ChaCha8Rng::seed_from_u64(seed));
            let content = &wreck.files[Path::new("/d/a")];
            assert_eq!(&content[510..512], b"ab", "synced before the cut");
            assert_eq!(wreck.printed, ["ok"]);
            seen.insert(content.len());
        }
        assert_eq!(
            seen.into_iter().collect::<Vec<_>>(),
            [512, 513],
            "the second write began after the sync"
        );
        let gone = (0..60).filter(|seed| {
            let wreck = recording.cut(5, &mut ChaCha8Rng::seed_from_u64(*seed));
            wreck.files.is_empty()
        });
        assert!(
            (5..55).contains(&gone.count()),
            "an unlinking that was not synced may come back"
        );
    }

    #[test]
    fn a_write_is_torn_at_the_borders_of_sectors() {
        let bytes = [1; 1200];
        let parts: Vec<_> = sectors(500, &bytes).map(|(at, part)| (at, part.len())).collect();
        assert_eq!(parts, [(500, 12), (512, 512), (1024, 512), (1536, 164)]);
    }
}

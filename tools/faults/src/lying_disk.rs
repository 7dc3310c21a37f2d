//! A disk that lies: the log's data lies on a file system in user space that passes everything on to a folder, but for a few reads and
//! writes that are torn, misdirected, corrupted or fail. Then the log is started on the folder itself, and judged.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use fuser::{BackgroundSession, Config, MountOption};

use crate::campaign::{Copy, Fixture};
use crate::damage::Draw;
use crate::log;
use crate::outcome::{Outcome, Verdict};
use crate::program::{Server, Started};
use crate::promised::Promised;
use crate::subject::State;

mod faults;
mod passthrough;

use faults::Faults;
pub use faults::Lie;
use passthrough::Passthrough;

/// Where the data really is, below a copy of a fixture.
const BACKING: &str = "backing";
/// Requests of each gateway at each of two starts under faults, and the statements of each.
const REQUESTS: usize = 15;
const STATEMENTS: usize = 7;

/// How a disk lies.
#[derive(Clone, Copy, Debug)]
pub struct Lying {
    /// What happens.
    pub lie: Lie,
    /// One of this many reads or writes is hit.
    pub one_in: u64,
    /// At most this many are.
    pub most: usize,
    /// Decides which.
    pub seed: u64,
}

/// Fails unless this machine can do it.
pub fn check() -> Result<()> {
    let device = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    device.map(drop).context("/dev/fuse cannot be opened: run as root on a kernel with FUSE")
}

struct Mounted(Option<BackgroundSession>);

impl Mounted {
    fn new(backing: PathBuf, at: &Path, faults: Arc<Faults>) -> Result<Self> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("vouchlog-faults".to_owned())];
        config.n_threads = Some(2);
        let session = fuser::spawn_mount(Passthrough::new(backing, faults), at, &config);
        Ok(Self(Some(session.with_context(|| format!("nothing can be mounted at {}", at.display()))?)))
    }

    async fn unmount(mut self) -> Result<()> {
        let Some(session) = self.0.take() else { return Ok(()) };
        tokio::task::spawn_blocking(move || session.umount_and_join())
            .await?
            .context("it cannot be unmounted")
    }
}

/// One trial: what was hit, and the verdict.
pub async fn trial(fixture: &Fixture, lying: Lying) -> Result<(Vec<String>, Verdict)> {
    let copy = fixture.copy().await?;
    let (data, backing) = (copy.0.join(log::DATA), copy.0.join(BACKING));
    fs::rename(&data, &backing)?;
    fs::create_dir(&data)?;
    let faults = Arc::new(Faults::new(lying));
    let mounted = Mounted::new(backing.clone(), &data, faults.clone())?;
    let ran = under_faults(fixture, &copy).await;
    mounted.unmount().await?;
    fs::remove_dir(&data)?;
    fs::rename(&backing, &data)?;
    let hit = faults.hit();
    if let Some((outcome, words)) = ran? {
        return Ok((hit, Verdict::new(outcome, words)));
    }
    Ok((hit, judge(fixture, &copy, &faults).await?))
}

/// Two starts with some load, each ended by kill -9. A log may refuse to start or to write; it must not break.
async fn under_faults(fixture: &Fixture, copy: &Copy) -> Result<Option<(Outcome, String)>> {
    for _ in 0..2 {
        let server = match log::serve(fixture.program(), &copy.0, &[], &[]).await? {
            Started::Serving(server) => server,
            Started::Hung(said) => return Ok(Some((Outcome::Hang, said))),
            Started::Ended(ended) if ended.is_crash() => {
                return Ok(Some((Outcome::Crash, format!("{}: {}", ended.status, ended.errors))));
            }
            Started::Ended(_) => continue,
        };
        let sent = send(&server, &copy.0).await;
        let said = server.errors();
        server.kill().await?;
        sent?;
        if said.contains("panicked at") {
            return Ok(Some((Outcome::Crash, said)));
        }
    }
    Ok(None)
}

async fn send(server: &Server, folder: &Path) -> Result<()> {
    let (connection, mut promised) = (log::connect(server)?, Promised::load(folder)?);
    for _ in 0..REQUESTS {
        if !promised.send_once(&connection, STATEMENTS).await {
            break;
        }
    }
    promised.save(folder)
}

/// Starts the log on the folder itself. What was written wrongly stays wrong; the log repairs it or names it.
async fn judge(fixture: &Fixture, copy: &Copy, faults: &Faults) -> Result<Verdict> {
    ensure!(Promised::load(&copy.0)?.heads().is_ok(), "two roots of one size were acknowledged");
    let mut reported = BTreeSet::new();
    for start in ["first", "second"] {
        let report = fixture.subject.work(fixture.program(), &copy.0).await?;
        match &report.state {
            State::Whole => reported.extend(report.warnings()),
            State::Broken(outcome, words) => {
                return Ok(Verdict::new(*outcome, format!("{start} start: {words}")));
            }
            State::Refused(words) => {
                let damaged = faults.damaged();
                let named = damaged
                    .iter()
                    .map(|file| final_name(file))
                    .any(|file| report.said.contains(&file) || words.contains(&file));
                let outcome = match (damaged.is_empty(), named) {
                    // Only reads were hit: the disk is sound, so refusing is for what the log did to it.
                    (true, _) => Outcome::Destroyed,
                    (false, true) => Outcome::Refused,
                    (false, false) => Outcome::Unnamed,
                };
                return Ok(Verdict::new(outcome, format!("{start} start: {words}")));
            }
        }
    }
    Ok(fixture.whole_or_repaired(&reported))
}

/// The name under which a log keeps what it writes under another name first, such as `ledger/00000001.new` or `live.new/db`.
fn final_name(written: &str) -> String {
    written.replace(".new", "")
}

/// Trials that differ in the seed and in the lie.
pub fn lies(seed: u64, trials: usize, (one_in, most): (u64, usize)) -> Vec<Lying> {
    let mut draw = Draw::new(seed);
    let lies = Lie::ALL.into_iter().cycle().take(trials);
    lies.map(|lie| Lying { lie, one_in, most, seed: draw.number() }).collect()
}

//! A sync that lies: the log lies on ext4 on a loop device over a tmpfs that becomes full, as a thin volume does. One fdatasync fails; the
//! kernel then takes the lost pages for written, and the next fdatasync succeeds. There is room again, the log is started again and
//! acknowledges more; then the power is cut.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::Instant;

use crate::damage::Draw;
use crate::log;
use crate::outcome::{Outcome, Verdict};
use crate::program::{Program, Started};
use crate::promised::{Promised, Stream};
use crate::subject::{Report, State};

/// The tmpfs, and the image in it that claims to be larger.
const POOL: &str = "size=112m";
const IMAGE_BYTES: u64 = 512 << 20;
/// Syncs that go once through a journal of 4 MiB: each takes several blocks of it.
const JOURNAL_COMMITS: usize = 700;
/// What is left of the pool when the load begins: up to this much.
const LEFT_BYTES: u64 = 3 << 20;
/// Requests before the pool is full, and after it has room again; and the statements of each.
const REQUESTS: usize = 20;
const STATEMENTS: usize = 100;
/// How long the load goes on until a sync fails.
const FILLING: Duration = Duration::from_secs(40);
const GATEWAYS: u8 = 2;
const FIRST_GATEWAY: u8 = 10;

/// What a round showed.
#[derive(Clone, Debug)]
pub struct Round {
    /// Whether a sync failed while the pool was full.
    pub failed: bool,
    /// What the log did at the restart that its documentation asks for.
    pub restart: String,
    /// What was left after the power cut.
    pub verdict: Verdict,
}

/// Fails unless this machine can do it.
pub async fn check_tools() -> Result<()> {
    for (tool, arguments, package) in [
        ("mkfs.ext4", ["-V"], "e2fsprogs"),
        ("xfs_io", ["-V"], "xfsprogs"),
        ("losetup", ["-V"], "mount"),
        ("mount", ["-V"], "mount"),
    ] {
        let ran =
            Command::new(tool).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        let ran = ran.with_context(|| format!("{tool} cannot be run: apt-get install {package}"))?;
        ensure!(ran.success(), "{tool} does not work here");
    }
    let id = Command::new("id").arg("-u").output().await?;
    ensure!(id.stdout.trim_ascii() == b"0", "mounting takes root: run this campaign as root");
    ensure!(Path::new("/dev/loop-control").exists(), "this machine has no loop devices");
    Ok(())
}

/// A mounted ext4 over a small tmpfs. Everything is unmounted and detached when it is dropped.
struct Pool {
    folder: PathBuf,
    device: Option<String>,
}

impl Pool {
    async fn new(folder: PathBuf) -> Result<Self> {
        let mut pool = Self { folder, device: None };
        fs::create_dir_all(pool.disk())?;
        fs::create_dir_all(pool.memory())?;
        run("mount", &["-t", "tmpfs", "-o", POOL, "tmpfs", &shown(&pool.memory())]).await?;
        let image = pool.memory().join("image");
        File::create(&image)?.set_len(IMAGE_BYTES)?;
        let now = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
        run("mkfs.ext4", &["-q", "-F", "-E", now, "-J", "size=4", "-N", "4096", &shown(&image)]).await?;
        let device = run("losetup", &["--find", "--show", &shown(&image)]).await?;
        pool.device = Some(device.trim().to_owned());
        pool.mount().await?;
        pool.use_journal()?;
        Ok(pool)
    }

    /// Writes the file system's whole journal once, so that it has its room in the pool: what is lost later is data, and ext4 goes on.
    fn use_journal(&self) -> Result<()> {
        let path = self.disk().join("warm");
        for number in 0..JOURNAL_COMMITS {
            let mut file = File::create(path.with_extension(number.to_string()))?;
            file.write_all(&[1])?;
            file.sync_all()?;
        }
        for number in 0..JOURNAL_COMMITS {
            fs::remove_file(path.with_extension(number.to_string()))?;
        }
        File::open(self.disk())?.sync_all().context("the new disk cannot be synced")
    }

    fn memory(&self) -> PathBuf {
        self.folder.join("pool")
    }

    fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    async fn mount(&self) -> Result<()> {
        let device = self.device.as_deref().context("there is no device")?;
        run("mount", &[device, &shown(&self.disk())]).await.map(drop)
    }

    async fn cut_power(&self) -> Result<()> {
        run("xfs_io", &["-x", "-c", "shutdown", &shown(&self.disk())]).await.map(drop)
    }

    /// Takes up the pool but for `left` bytes.
    fn fill(&self, left: u64) -> Result<()> {
        let mut ballast = File::create(self.memory().join("ballast"))?;
        while ballast.write_all(&[1; 1 << 16]).is_ok() {}
        let length = ballast.metadata()?.len();
        ballast.set_len(length.saturating_sub(left)).context("the ballast cannot be cut")
    }

    fn make_room(&self) -> Result<()> {
        fs::remove_file(self.memory().join("ballast")).context("the ballast cannot be removed")
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let quietly = |program: &str, arguments: &[&str]| {
            let mut command = std::process::Command::new(program);
            command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        // A process that was just killed may hold on for a moment.
        for _ in 0..50 {
            if quietly("umount", &[&shown(&self.disk())]) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if let Some(device) = &self.device {
            quietly("losetup", &["--detach", device]);
        }
        quietly("umount", &[&shown(&self.memory())]);
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

async fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let done = Command::new(program).args(arguments).output().await;
    let done = done.with_context(|| format!("{program} cannot be run"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{program} {}: {said}", arguments.join(" "));
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// One round. `folder` is empty.
pub async fn round(program: &Program, folder: &Path, draw: &mut Draw) -> Result<Round> {
    let pool = Pool::new(folder.to_owned()).await?;
    // What the campaign keeps must not lie on the disk that lies.
    fs::create_dir(pool.disk().join(log::DATA))?;
    symlink(pool.disk().join(log::DATA), folder.join(log::DATA))?;
    log::write_keys(&folder.join(log::DATA))?;

    let failed = fail(program, folder, &pool, draw).await?;
    pool.make_room()?;
    let restart = go_on(program, folder, &pool).await?;

    run("umount", &[&shown(&pool.disk())]).await?;
    pool.mount().await?;
    let mut verdict = Verdict::new(Outcome::Whole, "");
    for start in ["first", "second"] {
        let Report { state, .. } = log::work(program, folder).await?;
        match state {
            State::Whole => {}
            State::Refused(words) => {
                verdict = Verdict::new(Outcome::Destroyed, format!("{start} start: {words}"));
            }
            State::Broken(outcome, words) => {
                verdict = Verdict::new(outcome, format!("{start} start: {words}"));
            }
        }
        if verdict.outcome.is_violation() {
            break;
        }
    }
    Ok(Round { failed, restart, verdict })
}

/// Puts load on a log while its disk becomes full, until it takes no more. Whether that happened.
async fn fail(program: &Program, folder: &Path, pool: &Pool, draw: &mut Draw) -> Result<bool> {
    let mut server = log::must_serve(program, folder, &[]).await?;
    let connection = log::connect(&server)?;
    let mut promised = Promised::default();
    for seed in FIRST_GATEWAY..FIRST_GATEWAY + GATEWAYS {
        promised.streams.push(Stream::open(&connection, seed).await.context("a stream cannot be opened")?);
    }
    for _ in 0..REQUESTS {
        ensure!(promised.send_once(&connection, STATEMENTS).await, "the log takes nothing on an empty disk");
    }
    pool.fill(draw.below(LEFT_BYTES))?;
    let begun = Instant::now();
    let mut taken = true;
    while taken && begun.elapsed() < FILLING {
        taken = promised.send_once(&connection, STATEMENTS).await;
    }
    promised.save(folder)?;
    if server.ended().is_none() {
        server.stop().await?;
    }
    Ok(!taken)
}

/// Starts the log again, has it take more, and cuts the power. What the log did.
async fn go_on(program: &Program, folder: &Path, pool: &Pool) -> Result<String> {
    let restart = match log::serve(program, folder, &[], &[]).await? {
        Started::Ended(ended) => format!("it did not start: {}", ended.errors),
        Started::Hung(said) => format!("it hung: {said}"),
        Started::Serving(server) => {
            let (connection, mut promised) = (log::connect(&server)?, Promised::load(folder)?);
            let mut taken = 0;
            while taken < REQUESTS && promised.send_once(&connection, STATEMENTS).await {
                taken += 1;
            }
            promised.save(folder)?;
            pool.cut_power().await?;
            server.kill().await?;
            return Ok(format!(
                "it started and acknowledged {} statements",
                taken * STATEMENTS * usize::from(GATEWAYS)
            ));
        }
    };
    pool.cut_power().await?;
    Ok(restart)
}

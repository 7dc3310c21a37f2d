//! Damage to one place of one file, and where a campaign puts it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail, ensure};

/// Bytes of a disk sector: what a disk loses as one.
pub const SECTOR: u64 = 512;
pub(crate) const SECTOR_BYTES: usize = 512;
/// Trials of each kind that every file gets, however small it is.
const LEAST_PER_FILE: usize = 20;
/// Of this many places in a file, one lies anywhere; the others lie in sectors that hold data.
const ANYWHERE: u64 = 4;

/// What happens to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One bit, 0 to 7, of the byte at the offset is inverted.
    Flip(u8),
    /// The file ends at the offset.
    Cut,
    /// The 512 bytes from the offset on are zero.
    Zero,
    /// The file is deleted.
    Gone,
}

/// One damage: written `FILE:OFFSET:KIND`, as in `live/db:149553:flip3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DamageSite {
    /// The file, relative to the data directory.
    pub file: PathBuf,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What happens there.
    pub kind: Kind,
}

impl fmt::Display for DamageSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.file.display(), self.offset)?;
        match self.kind {
            Kind::Flip(bit) => write!(f, "flip{bit}"),
            Kind::Cut => f.write_str("cut"),
            Kind::Zero => f.write_str("zero"),
            Kind::Gone => f.write_str("gone"),
        }
    }
}

impl FromStr for DamageSite {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let form = || anyhow!("`{text}` is not FILE:OFFSET:KIND with KIND flip0 to flip7, cut, zero or gone");
        let mut parts = text.rsplitn(3, ':');
        let (Some(kind), Some(offset), Some(file)) = (parts.next(), parts.next(), parts.next()) else {
            bail!(form());
        };
        let kind = match kind {
            "cut" => Kind::Cut,
            "zero" => Kind::Zero,
            "gone" => Kind::Gone,
            flip => {
                let bit = flip.strip_prefix("flip").and_then(|bit| bit.parse().ok()).filter(|bit| *bit < 8);
                Kind::Flip(bit.ok_or_else(form)?)
            }
        };
        Ok(Self { file: file.into(), offset: offset.parse().map_err(|_| form())?, kind })
    }
}

impl DamageSite {
    /// Damages the file below `root`.
    pub fn damage(&self, root: &Path) -> Result<()> {
        let path = root.join(&self.file);
        let outcome = match self.kind {
            Kind::Gone => fs::remove_file(&path),
            Kind::Cut => {
                OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(self.offset))
            }
            Kind::Zero => self.zero(&path),
            Kind::Flip(bit) => self.flip(&path, bit),
        };
        outcome.with_context(|| format!("{} could not be damaged", path.display()))
    }

    /// Takes the damage back: what the file lost comes from the `original` data directory, what was written to it since stays.
    pub fn undo(&self, root: &Path, original: &Path) -> Result<()> {
        let (path, whole) = (root.join(&self.file), original.join(&self.file));
        let outcome =
            if path.exists() { self.put_back(&path, &whole) } else { fs::copy(&whole, &path).map(drop) };
        outcome.with_context(|| format!("{} could not be put back", path.display()))
    }

    fn put_back(&self, path: &Path, original: &Path) -> std::io::Result<()> {
        let (file, whole) = (OpenOptions::new().write(true).open(path)?, File::open(original)?);
        let (now, end) = (file.metadata()?.len(), whole.metadata()?.len());
        let (begin, end) = match self.kind {
            Kind::Flip(_) => (self.offset, self.offset + 1),
            Kind::Zero => (self.offset, end.min(self.offset + SECTOR)),
            // What was written behind the cut is the program's.
            Kind::Cut => (now.max(self.offset), end),
            // The program may have made an empty one.
            Kind::Gone => return fs::copy(original, path).map(drop),
        };
        let mut lost = vec![0; usize::try_from(end.saturating_sub(begin)).unwrap_or_default()];
        whole.read_exact_at(&mut lost, begin)?;
        file.write_all_at(&lost, begin)
    }

    fn flip(&self, path: &Path, bit: u8) -> std::io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, self.offset)?;
        file.write_all_at(&[byte[0] ^ (1 << bit)], self.offset)
    }

    fn zero(&self, path: &Path) -> std::io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        let end = file.metadata()?.len().min(self.offset + SECTOR);
        let length = usize::try_from(end.saturating_sub(self.offset)).unwrap_or_default();
        file.write_all_at(&vec![0; length], self.offset)
    }

    /// Whether a text names the damaged file: by its path below the data directory. Of a key it is enough that it speaks of a key.
    pub fn is_named_in(&self, text: &str) -> bool {
        let is_key = self.file.extension().is_some_and(|extension| extension == "key");
        text.contains(&*self.file.to_string_lossy()) || (is_key && text.contains("key"))
    }
}

/// Numbers that follow from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0 if `end` is.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }
}

/// A file that can be damaged.
struct Target {
    file: PathBuf,
    length: u64,
    /// Numbers of the sectors that hold a byte other than zero.
    used: Vec<u64>,
}

/// How many trials of each kind a campaign makes in one data directory.
#[derive(Clone, Copy, Debug)]
pub struct Amounts {
    /// Single-bit flips.
    pub flips: usize,
    /// Truncations.
    pub cuts: usize,
    /// Zeroed sectors.
    pub zeroes: usize,
    /// Whether each file is also deleted once.
    pub gone: bool,
}

/// Spreads trials over all files below `root`. Every file gets 20 of each kind (fewer if there are fewer trials than that); the rest
/// is spread in proportion to the sectors a file uses. Three of four offsets lie in sectors that hold data, one lies anywhere.
pub fn plan(root: &Path, amounts: Amounts, seed: u64) -> Result<Vec<DamageSite>> {
    let mut targets = Vec::new();
    list(root, Path::new(""), &mut targets)?;
    targets.sort_by(|a, b| a.file.cmp(&b.file));
    ensure!(!targets.is_empty(), "{} holds no file", root.display());
    let mut draw = Draw::new(seed);
    let mut places = Vec::new();
    for (kind, total) in
        [(Kind::Flip(0), amounts.flips), (Kind::Cut, amounts.cuts), (Kind::Zero, amounts.zeroes)]
    {
        for (target, count) in targets.iter().zip(shares(&targets, total)) {
            places.extend((0..count).map(|_| target.place(kind, &mut draw)));
        }
    }
    if amounts.gone {
        let gone = |target: &Target| DamageSite { file: target.file.clone(), offset: 0, kind: Kind::Gone };
        places.extend(targets.iter().map(gone));
    }
    places.sort();
    places.dedup();
    Ok(places)
}

fn shares(targets: &[Target], total: usize) -> Vec<usize> {
    let least = if total == 0 { 0 } else { (total / targets.len()).clamp(1, LEAST_PER_FILE) };
    let rest = total.saturating_sub(least * targets.len());
    let all: usize = targets.iter().map(|target| target.used.len()).sum();
    let share = |target: &Target| {
        if target.length == 0 { 0 } else { least + rest * target.used.len() / all.max(1) }
    };
    targets.iter().map(share).collect()
}

impl Target {
    fn place(&self, kind: Kind, draw: &mut Draw) -> DamageSite {
        let anywhere = self.used.is_empty() || (draw.below(ANYWHERE) == 0 && kind != Kind::Zero);
        let sector = if anywhere {
            draw.below(self.length.div_ceil(SECTOR))
        } else {
            self.used[draw.index(self.used.len())]
        };
        let begin = sector * SECTOR;
        let within = draw.below((self.length - begin).min(SECTOR));
        let bit = u8::try_from(draw.below(8)).unwrap_or_default();
        let (offset, kind) = match kind {
            Kind::Zero => (begin, kind),
            Kind::Flip(_) => (begin + within, Kind::Flip(bit)),
            Kind::Cut | Kind::Gone => (begin + within, kind),
        };
        DamageSite { file: self.file.clone(), offset, kind }
    }
}

fn list(root: &Path, below: &Path, targets: &mut Vec<Target>) -> Result<()> {
    for entry in fs::read_dir(root.join(below)).with_context(|| root.join(below).display().to_string())? {
        let entry = entry?;
        let (file, kind) = (below.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            list(root, &file, targets)?;
        } else if kind.is_file() {
            let opened = File::open(entry.path())?;
            let length = opened.metadata()?.len();
            targets.push(Target { file, length, used: used_sectors(&opened, length)? });
        }
    }
    Ok(())
}

fn used_sectors(file: &File, length: u64) -> Result<Vec<u64>> {
    const CHUNK: usize = 1 << 20;
    let (mut used, mut chunk, mut at) = (Vec::new(), vec![0; CHUNK], 0);
    while at < length {
        let want = usize::try_from((length - at).min(CHUNK as u64))?;
        file.read_exact_at(&mut chunk[..want], at)?;
        for (number, sector) in (at / SECTOR..).zip(chunk[..want].chunks(SECTOR_BYTES)) {
            if sector.iter().any(|byte| *byte != 0) {
                used.push(number);
            }
        }
        at += want as u64;
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["live/db:149553:flip3", "FORMAT:0:gone", "a:b/c:7:zero", "x:1:cut"] {
            assert_eq!(text.parse::<DamageSite>().unwrap().to_string(), text);
        }
        for wrong in ["", "live/db", "live/db:x:cut", "live/db:1:flip8", "live/db:1:burn"] {
            assert!(wrong.parse::<DamageSite>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn damage_does_what_its_name_says() {
        let folder = tempfile::tempdir().unwrap();
        let original = tempfile::tempdir().unwrap();
        fs::write(original.path().join("f"), vec![0xff; 1_100]).unwrap();
        let path = folder.path().join("f");
        let damaged = |text: &str| {
            fs::write(&path, vec![0xff; 1_100]).unwrap();
            text.parse::<DamageSite>().unwrap().damage(folder.path()).unwrap();
            let damaged = fs::read(&path).ok();
            text.parse::<DamageSite>().unwrap().undo(folder.path(), original.path()).unwrap();
            assert_eq!(fs::read(&path).unwrap(), vec![0xff; 1_100], "{text} is taken back");
            damaged
        };
        assert_eq!(damaged("f:3:flip1").unwrap()[3], 0xfd);
        assert_eq!(damaged("f:700:cut").unwrap().len(), 700);
        let zeroed = damaged("f:1024:zero").unwrap();
        assert_eq!((zeroed.len(), zeroed[1023], zeroed[1024], zeroed[1099]), (1_100, 0xff, 0, 0));
        assert_eq!(damaged("f:0:gone"), None);
    }

    #[test]
    fn every_file_gets_its_share() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), [7; 60]).unwrap();
        fs::create_dir(folder.path().join("live")).unwrap();
        fs::write(folder.path().join("live/db"), vec![7; 100_000]).unwrap();
        let amounts = Amounts { flips: 1_000, cuts: 200, zeroes: 0, gone: true };
        let places = plan(folder.path(), amounts, 1).unwrap();
        assert_eq!(places, plan(folder.path(), amounts, 1).unwrap(), "the seed decides");
        let of = |file: &str, flip: bool| {
            places
                .iter()
                .filter(|p| p.file == Path::new(file) && matches!(p.kind, Kind::Flip(_)) == flip)
                .count()
        };
        assert!(
            of("key", true) >= 15 && of("live/db", true) > 900,
            "{} {}",
            of("key", true),
            of("live/db", true)
        );
    }
}

//! Whatever happens to a file, a journal is whole, or refused by its name; never shorter than what was acknowledged.

use std::path::Path;

use proptest::prelude::*;

use super::*;

const UNBOUNDED: Settings = Settings { limit: u64::MAX, ..SETTINGS };

/// What is in a journal, as its pipeline sees it.
#[derive(Debug, PartialEq)]
struct Whole {
    entries: Vec<(u64, JournalEntry)>,
    settled: u64,
    kept: Pairs,
    lost: Option<(u64, u64)>,
}

/// A journal as a process that was killed leaves it.
fn sample(runtime: &tokio::runtime::Runtime) -> TempDir {
    runtime.block_on(async {
        let dir = TempDir::new().unwrap();
        let journal = Journal::open(dir.path(), UNBOUNDED).unwrap();
        for n in 0..40_u64 {
            journal.append(body(vec![7; 1 + usize::try_from(n).unwrap() * 29].leak())).await.unwrap();
            let changes = put(&[b'k', 0, (n % 5).to_le_bytes()[0]], &n.to_be_bytes());
            journal.settle(n, n / 2, changes).await.unwrap();
        }
        journal.lost(11).await.unwrap();
        journal.lost(2).await.unwrap();
        dir
    })
}

async fn whole(journal: &Journal) -> Whole {
    let (settled, kept) = (journal.settled(), journal.remembered(b""));
    let from = journal.first().unwrap_or(settled);
    let entries = journal.read(from, usize::MAX).unwrap();
    journal.declare_losses().await.unwrap();
    let end = *journal.end().borrow();
    let declared = journal.read(end - 1, 1).unwrap().remove(0).1;
    let lost = serde_json::from_slice::<Losses>(&declared.body).ok();
    Whole { entries, settled, kept, lost: lost.map(|lost| (lost.items, lost.attempts)) }
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join("journal")).unwrap();
    fs::copy(from.join("FORMAT"), to.path().join("FORMAT")).unwrap();
    for entry in fs::read_dir(from.join("journal")).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.path().join("journal").join(entry.file_name())).unwrap();
    }
    to
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(u8),
    Cut,
    Zero,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![4 => (0..8_u8).prop_map(Damage::Flip), 1 => Just(Damage::Cut), 1 => Just(Damage::Zero)]
}

/// Damages a byte that was written; space allocated in advance is of no account.
fn damaged(mut bytes: Vec<u8>, at: f64, damage: &Damage) -> Vec<u8> {
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let at = ((written as f64 * at) as usize).min(written - 1);
    match damage {
        Damage::Flip(bit) => bytes[at] ^= 1 << bit,
        Damage::Cut => bytes.truncate(at),
        Damage::Zero => bytes[at..].iter_mut().take(512).for_each(|byte| *byte = 0),
    }
    bytes
}

const FILES: [&str; 5] = ["journal/00000001", "journal/MARK", "journal/LOSSES", "journal/KEYS", "FORMAT"];

#[test]
fn damage_to_any_file_is_refused_by_its_name_or_harmless() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = sample(&runtime);
    let opened = |dir: &TempDir| {
        runtime.block_on(async {
            let journal = open_again(dir, UNBOUNDED).await?;
            Ok::<_, JournalError>(whole(&journal).await)
        })
    };
    let expected = opened(&copy(dir.path())).unwrap();
    assert_eq!((expected.entries.len(), expected.settled, expected.lost), (21, 39, Some((13, 2))));
    let outcome = std::cell::Cell::new((0, 0));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(160));
    let cases = (0..FILES.len(), 0.0..1.0_f64, damage());
    let tried = runner.run(&cases, |(file, at, damage)| {
        let copied = copy(dir.path());
        let path = copied.path().join(FILES[file]);
        fs::write(&path, damaged(fs::read(&path).unwrap(), at, &damage)).unwrap();
        match opened(&copied) {
            Ok(found) => {
                prop_assert_eq!(&found, &expected);
                let (whole, refused) = outcome.get();
                outcome.set((whole + 1, refused));
            }
            Err(error) => {
                prop_assert!(matches!(error, JournalError::Damaged(_)), "{}", error);
                prop_assert!(
                    error.to_string().contains(FILES[file]),
                    "{} does not name {}",
                    error,
                    FILES[file]
                );
                let (whole, refused) = outcome.get();
                outcome.set((whole, refused + 1));
            }
        }
        Ok(())
    });
    tried.unwrap();
    let (whole, refused) = outcome.get();
    eprintln!("of {} damaged journals {whole} were whole and {refused} refused", whole + refused);
    assert!(whole > 0 && refused > 0);
}

#[tokio::test]
async fn a_file_that_is_gone_is_missed_by_its_name() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(dir.path(), UNBOUNDED).unwrap();
    let large: &'static [u8] = vec![9; 1 << 20].leak();
    for _ in 0..40 {
        journal.append(body(large)).await.unwrap();
    }
    drop(journal);
    for gone in ["journal/00000001", "journal/00000002", "journal/LOSSES", "journal/KEYS", "journal"] {
        let copied = copy(dir.path());
        let path = copied.path().join(gone);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let error = Journal::open(copied.path(), UNBOUNDED).map(drop).unwrap_err();
        assert!(matches!(&error, JournalError::Damaged(why) if why.contains(gone)), "{gone}: {error}");
        assert_eq!(copied.path().join("journal").exists(), gone != "journal", "nothing is made in its place");
    }
    // These say what the others must be, and can be made again from them.
    for gone in ["journal/MARK", "FORMAT"] {
        let copied = copy(dir.path());
        fs::remove_file(copied.path().join(gone)).unwrap();
        let journal = open_again(&copied, UNBOUNDED).await.unwrap();
        assert_eq!(places(&journal, 0).len(), 40);
        assert!(copied.path().join(gone).exists());
    }
    // The journal of another collector.
    let other = TempDir::new().unwrap();
    drop(Journal::open(other.path(), Settings { randomness: || [4; 16], ..UNBOUNDED }).unwrap());
    fs::copy(other.path().join("FORMAT"), dir.path().join("FORMAT")).unwrap();
    let error = open_again(&dir, UNBOUNDED).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("FORMAT"), "{error}");
}

/// With another secret, what is recorded again after a crash would be recorded a second time under another name.
#[tokio::test]
async fn the_secret_of_another_collector_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(Journal::open(dir.path(), UNBOUNDED).unwrap());
    let other = Settings { secret_check: [6; 8], ..UNBOUNDED };
    let error = open_again(&dir, other).await.map(drop).unwrap_err();
    assert!(matches!(&error, JournalError::Damaged(why) if why.contains("collector.key")), "{error}");
    drop(open_again(&dir, UNBOUNDED).await.unwrap());
    // A stamp of an earlier version gets the check.
    let stamp = fs::read_to_string(dir.path().join("FORMAT")).unwrap();
    let (earlier, _) = stamp.split_once("secret ").unwrap();
    fs::write(dir.path().join("FORMAT"), earlier).unwrap();
    drop(open_again(&dir, UNBOUNDED).await.unwrap());
    assert_eq!(fs::read_to_string(dir.path().join("FORMAT")).unwrap(), stamp);
}

#[tokio::test]
async fn the_journal_of_an_earlier_version_is_refused_in_words() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("journal")).unwrap();
    fs::write(dir.path().join("journal/0.jnl"), b"FJL").unwrap();
    let error = Journal::open(dir.path(), UNBOUNDED).map(drop).unwrap_err();
    assert_eq!(error, JournalError::OldLayout("0.jnl"));
    assert!(error.to_string().contains("run that version"), "{error}");
    assert_eq!(files(&dir), ["0.jnl"], "nothing is touched");
}

//! How fast entries are committed and sealed, and full bundles are read back: on segments, or on the object store at a URL.
//!
//! ```text
//! cargo run --release -p vouchlog-storage-object --features s3 --example sealing_speed -- DIR 500000 4096 [URL]
//! ```

#![allow(clippy::unwrap_used, reason = "a measurement that fails has no result")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use vouchlog_outbound::ConnectionSecurity;
use vouchlog_storage::{Sealed, Store};
use vouchlog_storage_object::{Bucket, Committed, ObjectSealed};
use vouchlog_storage_sled::{Options, SledStore};

#[path = "../../vouchlog-storage-sled/tests/store/synthetic.rs"]
#[allow(dead_code, reason = "of the log in tests, only the batches are needed")]
mod synthetic;

fn open(dir: &std::path::Path, url: Option<&str>) -> SledStore {
    let (origin, options) = (synthetic::ORIGIN, Options::default());
    let Some(url) = url else { return SledStore::open(dir, origin, options).unwrap() };
    let bucket = Bucket::open(&url.parse().unwrap(), &ConnectionSecurity::default()).unwrap();
    SledStore::open_with_objects(dir, origin, options, url, |size, sealed| {
        let sealed = ObjectSealed::open(bucket.clone(), origin, Committed { size, sealed })?;
        Ok(Arc::new(sealed) as Arc<dyn Sealed>)
    })
    .unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (dir, entries, batch) =
        (PathBuf::from(&args[0]), args[1].parse::<u64>().unwrap(), args[2].parse::<u64>().unwrap());
    let url = args.get(3).map(String::as_str);
    // Made before the clock starts: hashing is the engine's work.
    let batches: Vec<_> =
        (0..entries / batch).map(|n| synthetic::batch(n * batch, (n + 1) * batch)).collect();
    let size = entries / batch * batch;
    let began = Instant::now();
    let store = open(&dir, url);
    println!("opened in {:.2} s", began.elapsed().as_secs_f64());
    let (began, mut expected) = (Instant::now(), None);
    for next in batches {
        let reached = next.head.size.get();
        store.commit(expected, next).unwrap();
        expected = Some(reached);
    }
    let committed = began.elapsed().as_secs_f64();
    store.close().unwrap();
    let sealed = began.elapsed().as_secs_f64();
    let rate = |seconds: f64| size as f64 / seconds;
    println!("committed {size} entries in batches of {batch}: {:.0} a second", rate(committed));
    println!("committed and sealed: {:.0} a second", rate(sealed));
    drop(store);
    // What was sealed by another process is in no cache of this one.
    let store = open(&dir, url);
    let began = Instant::now();
    for bundle in 0..size / 256 {
        assert!(store.entry_bundle(bundle).unwrap().is_some());
    }
    let read = began.elapsed().as_secs_f64();
    println!(
        "read one by one and verified: {:.0} entries a second, {:.2} ms a bundle",
        rate(read),
        read * 256_000.0 / size as f64
    );
}

//! A bucket as the place of a vault's sealed content.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use object_store::memory::InMemory;
use vouchlog_storage::{ContentStore, StoreError};
use vouchlog_storage_object::{Bucket, BucketContents};

use crate::faulty::{Fault, Faulty, Operation};
use crate::pair::{Place, folder, over, s3};

/// What every place of content does.
async fn keeps_its_promises(bucket: Bucket) {
    let url = bucket.url().to_owned();
    let contents = BucketContents::new(bucket);
    assert_eq!(contents.url(), url);
    contents.check().await.unwrap();
    let names = ["content/0a/01", "content/0a/02", "content/0a0b/03", "vault"];
    assert_eq!(contents.list("content/0a", 10).await.unwrap(), Vec::<String>::new());
    for name in names {
        let sealed = Bytes::from(format!("sealed as {name}"));
        contents.create(name, sealed.clone()).await.unwrap();
        // An attempt whose answer was lost is simply made again; other bytes replace nothing.
        contents.create(name, sealed.clone()).await.unwrap();
        let other = contents.create(name, Bytes::from_static(b"something else")).await;
        assert!(matches!(other, Err(StoreError::Conflict(_))), "{url}: {other:?}");
        assert_eq!(contents.read(name, sealed.len()).await.unwrap(), Some(sealed.clone()), "{url}");
        let longer = contents.read(name, sealed.len() - 1).await;
        assert!(matches!(longer, Err(StoreError::Damaged(_))), "{url}: {longer:?}");
    }
    let listed = |found: Vec<String>| found.into_iter().collect::<BTreeSet<_>>();
    let both = listed(contents.list("content/0a", 10).await.unwrap());
    assert_eq!(both, BTreeSet::from(["content/0a/01".to_owned(), "content/0a/02".to_owned()]), "{url}");
    assert_eq!(contents.list("content/0a", 1).await.unwrap().len(), 1, "{url}");
    contents.delete("content/0a/01").await.unwrap();
    contents.delete("content/0a/01").await.unwrap();
    contents.delete("content/ff/never").await.unwrap();
    assert_eq!(contents.read("content/0a/01", 100).await.unwrap(), None, "{url}");
    assert_eq!(contents.list("content/0a", 10).await.unwrap(), ["content/0a/02"], "{url}");
    for name in &names[1..] {
        contents.delete(name).await.unwrap();
    }
    assert_eq!(contents.list("content", 10).await.unwrap(), Vec::<String>::new(), "{url}");
}

#[tokio::test]
async fn memory_and_folders_keep_content() {
    keeps_its_promises(over(Arc::new(InMemory::new()))).await;
    let dir = tempfile::tempdir().unwrap();
    keeps_its_promises(folder(dir.path())).await;
}

#[tokio::test]
async fn an_s3_server_keeps_content() {
    let Some(server) = s3() else { return };
    keeps_its_promises(Place::new(&server).bucket()).await;
}

#[tokio::test]
async fn requests_that_fail_are_repeated_and_a_bucket_without_conditions_is_refused() {
    // Each first attempt fails in one of the ways that pass.
    let faults = [Fault::Busy, Fault::InProgress, Fault::LostAnswer, Fault::Hang];
    let creates = AtomicUsize::new(0);
    let plan = move |_: u64, operation: Operation| match operation {
        Operation::Create => {
            let create = creates.fetch_add(1, Ordering::Relaxed);
            create.is_multiple_of(2).then(|| faults[create / 2 % 4])
        }
        Operation::Swap | Operation::Read | Operation::Delete => None,
    };
    let contents = BucketContents::new(over(Faulty::new(plan)));
    for number in 0..8 {
        let (name, sealed) = (format!("content/00/{number}"), Bytes::from(vec![number; 100]));
        contents.create(&name, sealed.clone()).await.unwrap();
        assert_eq!(contents.read(&name, 100).await.unwrap(), Some(sealed));
    }
    let unconditional = Faulty::new(|_, operation| match operation {
        Operation::Create | Operation::Swap => Some(Fault::Unconditional),
        Operation::Read | Operation::Delete => None,
    });
    let refused = BucketContents::new(over(unconditional)).check().await.unwrap_err();
    assert!(matches!(refused, StoreError::ForeignObjects(_)), "{refused:?}");
}

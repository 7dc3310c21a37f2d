//! Goal: a gateway goes on by itself when a full disk has room again, and after a failed sync nothing is lost and nothing more is
//! written until it is opened again.
//! Method: a real log and server; the spool's ledger in a real folder behind a disk that reports no room, and whose syncs fail, when told.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vouchlog_client::{Gateway, GatewayError, SpoolError};
use vouchlog_ledger::{Disk, DiskFile, Folder, LockGuard};

use crate::world::{World, in_time, statements, stopped};

#[derive(Debug, Default)]
struct Faults {
    is_full: AtomicBool,
    fails_syncs: AtomicBool,
}

#[derive(Debug)]
struct Unreliable {
    folder: Folder,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct UnreliableFile(Arc<dyn DiskFile>, Arc<Faults>);

impl Unreliable {
    fn new(dir: &Path) -> (Arc<Self>, Arc<Faults>) {
        let folder = dir.join("ledger");
        std::fs::create_dir_all(&folder).unwrap();
        let faults = Arc::new(Faults::default());
        (Arc::new(Self { folder: Folder::new(folder), faults: faults.clone() }), faults)
    }

    fn wrap(&self, file: io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(UnreliableFile(file?, self.faults.clone())))
    }
}

impl Disk for Unreliable {
    fn list(&self) -> io::Result<Vec<String>> {
        self.folder.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.wrap(self.folder.open(name))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.wrap(self.folder.create(name))
    }

    fn open_for_writing(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.wrap(self.folder.open_for_writing(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.folder.sync()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(if self.faults.is_full.load(Ordering::Relaxed) { 0 } else { u64::MAX })
    }

    fn lock(&self) -> io::Result<Option<LockGuard>> {
        self.folder.lock()
    }
}

impl DiskFile for UnreliableFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.1.fails_syncs.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.sync_data()
    }
}

async fn trouble(gateway: &Gateway) -> String {
    in_time(async {
        loop {
            if let Some(trouble) = gateway.status().trouble {
                return trouble;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_on_a_full_disk_goes_on_by_itself_when_there_is_room() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (disk, faults) = Unreliable::new(dir.path());
    let gateway = Gateway::open_on(world.config(dir.path()), disk.clone()).await.unwrap();
    in_time(gateway.submit(statements(0..3)).await.unwrap()).await.unwrap();
    world.proxy.lead_to(None);
    drop(gateway.submit(statements(3..20)).await.unwrap());
    assert_eq!(gateway.readiness(), Ok(()));

    faults.is_full.store(true, Ordering::Relaxed);
    let refused = gateway.submit(statements(20..23)).await.unwrap_err();
    assert!(
        matches!(&refused, GatewayError::Spool(SpoolError::Refused(why)) if why.contains("the disk is full")),
        "{refused}"
    );
    assert!(gateway.readiness().unwrap_err().contains("the disk is full"));
    // The log takes what waits, and the receipts cannot be noted.
    let mut world = world;
    world.kill_and_restart().await;
    in_time(async {
        while !trouble(&gateway).await.contains("the disk is full") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert_eq!((gateway.waiting(), gateway.status().stopped), (17, None));

    faults.is_full.store(false, Ordering::Relaxed);
    assert_eq!(gateway.readiness(), Ok(()));
    in_time(gateway.submit(statements(20..23)).await.unwrap()).await.unwrap();
    world.check_exactly(&statements(0..23)).await;
    gateway.stop().await;
    faults.is_full.store(true, Ordering::Relaxed);
    let gateway = Gateway::open_on(world.config(dir.path()), disk).await.unwrap();
    // The room is looked at by the thread that writes, which has only begun.
    in_time(async {
        while gateway.readiness().is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert_eq!(gateway.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_final_until_the_spool_is_opened_again() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (disk, faults) = Unreliable::new(dir.path());
    let gateway = Gateway::open_on(world.config(dir.path()), disk.clone()).await.unwrap();
    in_time(gateway.submit(statements(0..3)).await.unwrap()).await.unwrap();
    world.proxy.lead_to(None);
    drop(gateway.submit(statements(3..20)).await.unwrap());

    faults.fails_syncs.store(true, Ordering::Relaxed);
    let failed = gateway.submit(statements(20..23)).await.unwrap_err();
    assert!(matches!(failed, GatewayError::Spool(SpoolError::Io(_))), "{failed}");
    faults.fails_syncs.store(false, Ordering::Relaxed);
    // The disk works again, and is not trusted.
    let failed = gateway.submit(statements(23..26)).await.unwrap_err();
    assert!(matches!(failed, GatewayError::Spool(SpoolError::Io(_))), "{failed}");
    assert!(gateway.readiness().unwrap_err().contains("restart"), "{:?}", gateway.readiness());
    let mut world = world;
    world.kill_and_restart().await;
    assert!(matches!(stopped(&gateway).await, GatewayError::Spool(SpoolError::Io(_))));
    gateway.stop().await;

    let gateway = Gateway::open_on(world.config(dir.path()), disk).await.unwrap();
    in_time(gateway.flush()).await.unwrap();
    // What failed may be there or not; whoever submitted it was told so.
    let logged = world.logged().await.len() as u64;
    assert!(logged == 20 || logged == 23, "{logged}");
    world.check_exactly(&statements(0..logged)).await;
    assert_eq!(gateway.readiness(), Ok(()));
}

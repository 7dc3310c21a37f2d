//! Rules about a vault beside its own retention, a provider's list, and canaries: `vouchlog reconcile` and `vouchlog canary`.

use sqlx::{AnyConnection, Connection};

use super::{Codes, Proof, codes, rule};
use crate::evidence::world::{World, exchange, owed, record_of};
use crate::process::Server;

/// Exit code of a comparison, and the rules that it finds broken.
pub(in crate::evidence) fn reconciled(world: &World, args: &[&str]) -> (i32, Codes) {
    let (code, said) = world.ask(&[&["reconcile"], args].concat());
    assert_eq!(said["clean"], code == 0, "{said}");
    (code, codes(&said["findings"]))
}

/// Changes a vault behind its back.
pub(in crate::evidence) async fn damage(world: &World, sql: &'static str) {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", world.path("vault/vault.db"));
    let mut database = AnyConnection::connect(&url).await.unwrap();
    assert_eq!(sqlx::query(sql).execute(&mut database).await.unwrap().rows_affected(), 1, "{sql}");
    database.close().await.unwrap();
}

pub(super) fn proofs(world: &World) -> Vec<Proof> {
    vec![lost(), unrecorded(world), canaries(world)]
}

/// R50: a record is gone that has to be kept; one whose time is over may be gone.
fn lost() -> Proof {
    let world = World::start();
    world.record(&serde_json::json!([owed("r-owed", "P100Y"), owed("r-over", "P0D")]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(damage(
        &world,
        "DELETE FROM sealed WHERE record = (SELECT n FROM record WHERE id = 'r-over')",
    ));
    let (_, spares) = reconciled(&world, &[]);
    runtime.block_on(damage(
        &world,
        "DELETE FROM sealed WHERE record = (SELECT n FROM record WHERE id = 'r-owed')",
    ));
    Proof { rule: rule("R50"), fires: reconciled(&world, &[]).1, spares }
}

/// R77: the provider answered once more than the vault knows.
fn unrecorded(world: &World) -> Proof {
    let exchange = exchange("tool-result");
    world.record(&record_of("r-usage", &exchange));
    let known = exchange["response_body"]["id"].as_str().unwrap();
    let compared = |name: &str, ids: String| {
        let file = world.path(name);
        std::fs::write(&file, ids).unwrap();
        reconciled(world, &["--usage", &format!("openai={file}")]).1
    };
    Proof {
        rule: rule("R77"),
        fires: compared("more.txt", format!("{known}\nchatcmpl-past-the-gateway\n")),
        spares: compared("all.txt", format!("{known}\n")),
    }
}

/// R79: a canary that its log acknowledged is not in the log that answers.
fn canaries(world: &World) -> Proof {
    let (file, unchecked, spool) =
        (world.path("canaries"), world.path("unchecked"), world.path("canary-spool"));
    world.ask(&["canary", "plant", "--file", &file, "--state", &spool]);
    std::fs::copy(&file, &unchecked).unwrap();
    let report = world.path("canary.json");
    let check = |args: &[&str]| {
        let output = world.run(&[&["canary", "check", "--json"], args].concat());
        std::fs::write(&report, &output.stdout).unwrap();
        reconciled(world, &["--audit", &report]).1
    };
    let spares = check(&["--file", &file]);
    let other = Server::start(&world.folder.path().join("other"), 0, &[]);
    // Older than the age at which it has to be there; ages count in seconds.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    let fires = check(&["--log", &other.url, "--max-age", "1s", "--file", &unchecked]);
    Proof { rule: rule("R79"), fires, spares }
}

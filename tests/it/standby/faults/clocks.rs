//! Clocks that are wrong: those of a node's machine, which its own tenure is measured by, run a million seconds ahead.

use super::{Fault, World, inflict};
use crate::process::rounds;
use crate::standby::campaign::Campaign;
use crate::standby::cluster::Node;
use crate::standby::namespaces;

/// In the short and the long form, of two faults for each node.
const ROUNDS: (u64, u64) = (1, 10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clocks_of_nodes_do_not_matter_to_the_lease() {
    if !namespaces::available() {
        return;
    }
    let ahead = ["unshare", "--time", "--boottime", "1000000", "--monotonic", "1000000"];
    let world = tokio::task::block_in_place(|| {
        World::with(|[first, _]| first.within = ahead.map(str::to_owned).to_vec())
    });
    let Some(mut world) = world else { return };
    let mut campaign = Campaign::start(&world.cluster).await;
    for fault in (0..2 * rounds(ROUNDS)).flat_map(|_| [Fault::Paused, Fault::Killed]) {
        let World { cluster, postgres, .. } = &mut world;
        let inflict = |leader: &Node, other: &Node| inflict(fault, postgres, leader, other);
        let name = format!("{fault}, one node's clocks 1,000,000 s ahead");
        campaign.round(cluster, &name, fault.successor(), inflict).await;
    }
    campaign.end(&world.cluster).await;
}

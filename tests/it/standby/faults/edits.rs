//! Rows of the lease and of the head that are edited by hand while a leader works, and two nodes with one holder's id: the fence holds.

use super::World;
use crate::database::Postgres;
use crate::process::rounds;
use crate::standby::campaign::{Campaign, Successor};
use crate::standby::cluster::{Node, wait};

/// In the short and the long form, for each edit.
const ROUNDS: (u64, u64) = (1, 10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    /// The lease gets a holder that does not exist.
    OtherHolder,
    /// The lease gets the id of a deposed leader, which wakes up: two nodes take it for theirs.
    FormerHolder,
    LeaseEpoch,
    HeadEpochAhead,
    HeadEpochBack,
    /// The lease lasts for a millisecond.
    Ttl,
    /// The lease is given up.
    GivenUp,
}

impl Edit {
    const ALL: [Self; 7] = [
        Self::OtherHolder,
        Self::FormerHolder,
        Self::LeaseEpoch,
        Self::HeadEpochAhead,
        Self::HeadEpochBack,
        Self::Ttl,
        Self::GivenUp,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::OtherHolder => "lease given to a process that does not exist",
            Self::FormerHolder => "lease given back to a paused leader beside its successor",
            Self::LeaseEpoch => "epoch of the lease set to 0",
            Self::HeadEpochAhead => "epoch of the head raised",
            Self::HeadEpochBack => "epoch of the head set to 0",
            Self::Ttl => "lease shortened to 1 ms",
            Self::GivenUp => "lease given up for its holder",
        }
    }

    /// Returns once the nodes have come to know of it.
    fn inflict(self, postgres: &Postgres, leader: &Node, other: &Node) {
        let pid = leader.pid();
        let ends = || wait("the leader is fenced", || leader.pid() != pid);
        match self {
            Self::OtherHolder => {
                postgres.sql("UPDATE vouchlog_lease SET holder = decode(md5(random()::text), 'hex')");
                ends();
            }
            Self::FormerHolder => {
                let successor = other.pid();
                let holder = postgres.value("SELECT encode(holder, 'hex') FROM vouchlog_lease");
                leader.signal("STOP");
                wait("the other node takes over", || other.leads());
                postgres.sql(&format!("UPDATE vouchlog_lease SET holder = decode('{holder}', 'hex')"));
                leader.signal("CONT");
                ends();
                wait("the successor learns that the lease is not its own", || other.pid() != successor);
            }
            Self::LeaseEpoch => postgres.sql("UPDATE vouchlog_lease SET epoch = 0"),
            Self::HeadEpochAhead => {
                postgres.sql("UPDATE vouchlog_head SET epoch = epoch + 1");
                ends();
            }
            Self::HeadEpochBack => {
                postgres.sql("UPDATE vouchlog_head SET epoch = 0");
                ends();
            }
            Self::Ttl => {
                postgres.sql("UPDATE vouchlog_lease SET ttl_ms = 1");
                wait("the log is claimed", || postgres.value("SELECT ttl_ms FROM vouchlog_lease") != "1");
                ends();
            }
            Self::GivenUp => {
                postgres.sql("UPDATE vouchlog_lease SET renewed = NULL");
                ends();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_edited_by_hand_make_no_second_history() {
    let Some(world) = tokio::task::block_in_place(World::new) else { return };
    let mut campaign = Campaign::start(&world.cluster).await;
    for edit in (0..rounds(ROUNDS)).flat_map(|_| Edit::ALL) {
        let inflict = |leader: &Node, other: &Node| edit.inflict(&world.postgres, leader, other);
        campaign.round(&world.cluster, edit.name(), Successor::Either, inflict).await;
    }
    campaign.end(&world.cluster).await;
}

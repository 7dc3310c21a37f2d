//! The classes of attacks.

pub(crate) mod commands;
mod doors;
mod files;
mod floods;
mod frames;
mod grpc;
pub(crate) mod holds;
mod http1;
mod json;
mod logs;
mod rebinding;
mod vault;
mod vault_grpc;
mod zipped;

use crate::attack::Attack;

/// Every attack, the quick ones first.
pub(crate) fn all() -> Vec<Attack> {
    [
        http1::attacks(),
        json::attacks(),
        rebinding::attacks(),
        grpc::attacks(),
        frames::attacks(),
        doors::attacks(),
        vault::attacks(),
        vault_grpc::attacks(),
        zipped::attacks(),
        floods::attacks(),
        holds::attacks(),
        files::attacks(),
        logs::attacks(),
    ]
    .concat()
}

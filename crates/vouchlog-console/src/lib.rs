//! The console of a vault: its pages for investigators, auditors and compliance officers, in a browser; and the papers that are made of
//! a vault's records wherever they are made: a drawn session ([`drawn`]), and the [`Letter`] after an erasure.
//!
//! ```text
//! browser ─► cookie ─► visit ─► token, account or certificate ─► caller ─┬─ GET:  Service::ask ─► page
//!                                                                        └─ POST: form token ─► Service::ask ─► redirect to what was done
//! ```
//!
//! Pages are made by the server and work without a script; there is none. In scope: signing in, pages, forms. Out of scope: what a
//! caller may do (`vouchlog-vault` decides each [`Ask`](vouchlog_desk::Ask)), who a caller is (`vouchlog-access`), how pages look
//! (`vouchlog-pages`).
//!
//! *Invariant: the console does nothing that its principal could not do over the interface for programs, and no URL names a person.*
//! Start with `routes.rs`.

mod attempts;
mod console;
pub mod drawn;
mod form;
mod frame;
mod handles;
mod letter;
pub mod limits;
mod names;
mod pages;
mod parts;
mod respond;
mod returns;
mod routes;
mod visitor;
mod visits;

pub use console::ConsoleConfig;
pub use letter::Letter;
pub use routes::router;

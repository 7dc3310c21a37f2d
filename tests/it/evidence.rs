//! Goal: the five things that were asked of this product hold end to end, on exchanges that really happened.
//! Method: the real program, a log and a vault; each question is answered from what was disclosed, verified by a stranger who has
//! the file and the log's vkey and nothing else.

mod court;
mod forged_log;
mod names;
mod objects;
mod ocsf;
mod operator;
mod pages;
mod receipts;
mod reconcile;
mod rules;
mod served;
mod sessions;
mod systems;
mod vault;
mod world;

//! The integration tests, one binary: linking one is quicker than linking ten.

mod end_to_end;
mod kill;
mod layers;
mod power_cut;
mod process;
mod program;
mod readme;

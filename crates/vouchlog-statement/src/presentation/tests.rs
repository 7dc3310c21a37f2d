//! Presentations, over a small log in memory.

use crate::statement::tests::{claims, record};

mod damage;
mod holds;
mod property;

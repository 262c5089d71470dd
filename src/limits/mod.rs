//! How much there may be of anything at a time, and who has to wait, to leave or to come back.

pub mod admission;
pub mod capacity;
pub mod crowd;
pub mod memory;
pub mod shortage;
pub mod turns;

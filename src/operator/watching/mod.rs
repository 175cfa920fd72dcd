//! What is watched and what follows from it: the streams of events, who needs what, who is to be looked at, and what we
//! wrote before the watch has shown it.

pub mod index;
mod refs;
pub mod slim;
pub mod streams;
pub mod wake;
pub mod written;

//! What leaves the library: no secret by any channel, and no value by the log. A process of its own, because a logger
//! is for a whole process.
#![allow(
    clippy::unwrap_used,
    reason = "a test that fails by `unwrap` says where and why, in its helpers too"
)]

#[path = "process/capture.rs"]
mod capture;
#[path = "it/common.rs"]
#[allow(dead_code, reason = "this process needs some of the helpers")]
mod common;
#[path = "process/flows.rs"]
mod flows;
#[path = "process/leaks.rs"]
mod leaks;
#[path = "process/needles.rs"]
mod needles;
#[path = "process/notices.rs"]
mod notices;
#[path = "process/parrot.rs"]
mod parrot;
#[path = "process/permissions.rs"]
mod permissions;
#[path = "faults/tds.rs"]
#[allow(dead_code, reason = "this process needs some of its answers")]
mod tds;

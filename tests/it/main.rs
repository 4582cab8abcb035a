//! The tests of the whole, in one binary.
#![allow(
    clippy::unwrap_used,
    reason = "a test that fails by `unwrap` says where and why, in its helpers too"
)]

mod tidy;

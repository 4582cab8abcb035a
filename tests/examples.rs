//! Runs every example as a program of its own, on a real PostgreSQL server and on SQLite through its ODBC driver, and
//! holds what it says against figures that are computed here.

#![allow(clippy::unwrap_used, reason = "a test that fails by `unwrap` says where and why")]

#[path = "../examples/shared/survey.rs"]
mod survey;
#[path = "../examples/shared/survey_hub.rs"]
mod survey_hub;

#[path = "examples/answers.rs"]
mod answers;
#[path = "examples/world.rs"]
mod world;

#[path = "examples/demo.rs"]
mod demo;
#[path = "examples/flows.rs"]
mod flows;
#[path = "examples/job.rs"]
mod job;
#[path = "examples/replicas.rs"]
mod replicas;

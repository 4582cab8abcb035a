//! Planted violations: each rule catches what it is for, in every way of writing it, and lets pass what is right.

use super::rules::{self, Rule};

/// The rule finds something, and the finding holds `word`.
#[track_caller]
fn caught(rule: Rule, path: &str, text: &str, word: &str) {
    let findings = rule(path, text);
    assert!(
        findings.iter().any(|finding| finding.contains(word)),
        "not caught in {path}: {text}\n{findings:?}"
    );
}

#[track_caller]
fn passes(rule: Rule, path: &str, text: &str) {
    assert_eq!(rule(path, text), Vec::<String>::new(), "in {path}: {text}");
}

#[test]
fn a_foreign_crate_outside_its_room() {
    for text in [
        "use r2d2::Pool;",
        "use ::r2d2::Pool;",
        "use r2d2;",
        "pub use r2d2::Pool;",
        "pub(crate) use r2d2::*;",
        "use {std::fmt, r2d2::{Pool, Error as PoolError}};",
        "use r2d2 as slots; fn f(_: slots::Pool) {}",
        "extern crate r2d2 as slots;",
        "fn f() -> r2d2::Pool { todo() }",
        "fn f() { let p = ::r2d2::Pool::new(); }",
        "fn f() { let v = vec![r2d2::Pool::new()]; }",
        "fn f() { log::info!(\"{}\", ::r2d2::VERSION); }",
        "#[derive(r2d2::Slot)] struct S;",
        "impl r2d2::ManageConnection for S {}",
        "struct S<T: r2d2::ManageConnection>(T);",
        "mod inner { fn f(e: Box<dyn r2d2::HandleError>) {} }",
        "fn f() { use r2d2::Pool; }",
    ] {
        caught(rules::rooms, "src/session.rs", text, "`r2d2");
        passes(rules::rooms, "src/pool.rs", text);
        passes(rules::rooms, "src/pool/gate.rs", text);
    }
    caught(rules::rooms, "src/pooling.rs", "use r2d2::Pool;", "r2d2");
    caught(rules::rooms, "src/bin/batchdb/main.rs", "use postgres::Client;", "postgres");
    caught(rules::rooms, "src/backend/odbc/worker.rs", "use postgres::Client;", "postgres");
}

#[test]
fn what_only_looks_like_a_foreign_crate() {
    passes(
        rules::rooms,
        "src/backend.rs",
        "mod postgres; fn f() { postgres::connect(); self::postgres::connect(); }",
    );
    caught(rules::rooms, "src/backend.rs", "mod postgres; fn f() { ::postgres::connect(); }", "postgres");
    passes(
        rules::rooms,
        "src/session.rs",
        "/// Unlike `r2d2::Pool`, see [r2d2::Pool].\nfn f() { g(\"r2d2::Pool\"); }",
    );
    passes(rules::rooms, "src/session.rs", "#[cfg(test)] mod tests { use r2d2::Pool; }");
    passes(rules::rooms, "src/session/tests.rs", "use r2d2::Pool;");
    caught(rules::rooms, "src/session.rs", "#[cfg(not(test))] mod real { use r2d2::Pool; }", "r2d2");
    passes(
        rules::rooms,
        "src/session.rs",
        "fn f(url: &str, rayon: u8) { let url = Url { url, rayon }; url.url; }",
    );
}

#[test]
fn an_import_from_a_higher_rank() {
    for text in [
        "use crate::manager::DatabaseManager;",
        "use crate::manager;",
        "use crate::{error::Error, manager::{self, DatabaseManager}};",
        "use crate::manager::*;",
        "use crate::manager as m;",
        "pub use crate::manager::DatabaseManager;",
        "use super::manager::DatabaseManager;",
        "fn f(_: &crate::manager::DatabaseManager) {}",
        "fn f() { super::manager::open(); }",
        "fn f() { assert!(crate::manager::is_open()); }",
        "mod inner { fn f() { super::super::manager::open(); } }",
        "mod inner { use super::super::manager::open; }",
        "macro_rules! m { () => { $crate::manager::open() } }",
        "#[derive(crate::manager::Magic)] struct S;",
    ] {
        caught(rules::ranks, "src/sql.rs", text, "manager");
        passes(rules::ranks, "src/tasks.rs", text);
    }
    caught(rules::ranks, "src/sql/lexer.rs", "use super::super::manager::open;", "manager");
    caught(rules::ranks, "src/session.rs", "use crate::transaction::Transaction;", "transaction");
}

#[test]
fn equal_ranks_and_rooms() {
    caught(rules::ranks, "src/retry.rs", "use crate::metrics::Counter;", "metrics");
    passes(
        rules::ranks,
        "src/params.rs",
        "use crate::value::Value; use self::bind::Bind; use crate::params::bind;",
    );
    passes(
        rules::ranks,
        "src/value/json.rs",
        "use super::Value; use super::convert; use crate::value::Kind;",
    );
    caught(rules::ranks, "src/backend/odbc/worker.rs", "use crate::backend::postgres::socket;", "postgres");
    caught(rules::ranks, "src/backend/postgres.rs", "use super::odbc::worker;", "odbc");
    passes(
        rules::ranks,
        "src/backend.rs",
        "mod odbc; mod postgres; fn f() { postgres::open(); odbc::open(); }",
    );
    passes(rules::ranks, "src/backend/odbc.rs", "use super::Connection; use crate::backend::Rows;");
    passes(rules::ranks, "src/migrate/plan.rs", "use super::files::Script; use crate::migrate::Options;");
    caught(
        rules::ranks,
        "src/migrate/plan.rs",
        "use super::adapter::History; use crate::session::Session;",
        "session",
    );
    caught(rules::ranks, "src/testing/mock.rs", "use crate::pool::Pool;", "pool");
    passes(
        rules::ranks,
        "src/testing/mock.rs",
        "use crate::error::Error; use crate::manager::DatabaseManager;",
    );
}

#[test]
fn names_from_the_root_and_modules_without_a_rank() {
    caught(rules::ranks, "src/pool.rs", "use crate::Error;", "name the module");
    caught(rules::ranks, "src/pool.rs", "use crate::*;", "name the module");
    caught(rules::ranks, "src/pool.rs", "use crate::nowhere::Error;", "name the module");
    passes(rules::ranks, "src/params.rs", "macro_rules! params { () => { $crate::Params::new() } }");
    passes(rules::ranks, "src/pool.rs", "pub(in crate::pool) struct Slot;");
    passes(
        rules::ranks,
        "src/lib.rs",
        "mod pool; pub use crate::{error::Error, manager::DatabaseManager}; use pool::Pool;",
    );
    caught(rules::ranks, "src/nowhere.rs", "fn f() {}", "tests/it/tidy/house.rs");
    passes(rules::ranks, "src/bin/batchdb/main.rs", "use batchdb::DatabaseManager;");
    passes(rules::ranks, "src/sql.rs", "#[cfg(test)] mod tests { use crate::manager::DatabaseManager; }");
}

#[test]
fn unsafe_outside_its_room() {
    for text in [
        "fn f() { unsafe { g() } }",
        "unsafe fn f() {}",
        "unsafe impl Send for S {}",
        "unsafe trait T {}",
        "fn f() { m!(unsafe { g() }) }",
        "#[unsafe(no_mangle)] fn f() {}",
        "#[cfg(test)] mod tests { fn f() { unsafe { g() } } }",
    ] {
        caught(rules::unsafe_code, "src/backend/postgres.rs", text, "unsafe");
        caught(rules::unsafe_code, "tests/it/main.rs", text, "unsafe");
        passes(rules::unsafe_code, "src/backend/odbc/handle.rs", text);
    }
    passes(
        rules::unsafe_code,
        "src/lib.rs",
        "#![deny(unsafe_code)] // no unsafe here\nconst S: &str = \"unsafe\";",
    );
}

#[test]
fn files_that_are_too_big_or_misnamed() {
    caught(rules::size, "src/pool.rs", &"\n".repeat(501), "501 lines");
    passes(rules::size, "src/pool.rs", &"\n".repeat(500));
    caught(rules::size, "src/pool.rs", &" ".repeat(24 * 1024 + 1), "bytes");
    caught(rules::size, "src/pool/mod.rs", "", "mod.rs");
}

#[test]
fn loose_ends() {
    for (text, word) in [
        ("fn f() { todo!() }", "todo!"),
        ("fn f() { todo! { \"later\" } }", "todo!"),
        ("fn f() { vec![unimplemented!()] }", "unimplemented!"),
        ("#[test] #[ignore] fn f() {}", "ignore"),
        ("#[test] #[ignore = \"slow\"] fn f() {}", "ignore"),
        ("/// ```ignore\n/// f()\n/// ```\nfn f() {}", "compiled"),
        ("//! ```rust,ignore\n//! f()\n//! ```\nfn f() {}", "compiled"),
    ] {
        caught(rules::unfinished, "src/pool.rs", text, word);
        caught(rules::unfinished, "tests/it/main.rs", text, word);
    }
    passes(
        rules::unfinished,
        "src/pool.rs",
        "fn todo() { let ignore = Rows::Ignore; g(ignore, \"todo!()\"); todo(); }",
    );
}

#[test]
fn a_module_that_decides_and_looks_at_the_world() {
    for text in [
        "use std::env;",
        "use std::{env::var, fmt};",
        "fn f() { std::env::var(\"X\").ok(); }",
        "fn f() { std::fs::read(\"x\").ok(); }",
        "use std::time::Instant; fn f() { Instant::now(); }",
        "use std::time::Instant as Clock; fn f() { Clock::now(); }",
        "use std::time; fn f() { time::SystemTime::now(); }",
        "use std::time::Instant; fn f() { g!(Instant::now()); }",
        "fn f(i: std::time::Instant) { i.elapsed(); }",
        "use std::thread; fn f() { thread::sleep(d()); }",
        "use std::thread::sleep as pause;",
        "fn f() { chrono::Utc::now(); }",
        "fn f() { fastrand::u32(..); }",
    ] {
        caught(rules::pure, "src/sql.rs", text, "only decides");
        caught(rules::pure, "src/migrate/plan.rs", text, "only decides");
        passes(rules::pure, "src/pool.rs", text);
    }
    passes(
        rules::pure,
        "src/deadline.rs",
        "use std::time::{Duration, Instant}; fn f(now: Instant) { left(now); }",
    );
    passes(
        rules::pure,
        "src/deadline.rs",
        "#[cfg(test)] mod tests { fn f() { std::time::Instant::now(); } }",
    );
    passes(rules::pure, "src/deadline.rs", "#[test] fn f() { std::time::Instant::now(); }");
}

#[test]
fn a_test_module_that_is_always_compiled() {
    caught(rules::test_modules, "src/pool.rs", "mod tests;", "cfg(test)");
    caught(rules::test_modules, "src/pool.rs", "mod inner { mod tests { use x::y; } }", "cfg(test)");
    passes(
        rules::test_modules,
        "src/pool.rs",
        "#[cfg(test)] mod tests; #[cfg(all(test, unix))] mod inner { }",
    );
}

#[test]
fn a_public_face_that_shows_what_is_behind_it() {
    for text in [
        "pub async fn f() {}",
        "impl S { pub async fn f(&self) {} }",
        "pub trait T { async fn f(&self); }",
        "pub fn f() -> impl std::future::Future<Output = ()> { g() }",
        "pub fn f(c: postgres::Client) {}",
        "use postgres::Client; pub fn f(c: &mut Client) {}",
        "use postgres::Client as C; impl S { pub fn f(&self) -> Option<Vec<C>> { None } }",
        "pub fn f<T>(t: T) where T: Into<r2d2::Pool<M>> {}",
        "pub fn f(t: &dyn Fn(&rayon::ThreadPool)) {}",
        "pub struct S { pub inner: odbc_api::Connection }",
        "pub struct S(pub tokio::runtime::Runtime);",
        "pub struct S<T: rayon::Scope>(T);",
        "pub enum E { Driver(postgres::Error) }",
        "pub type Driver = postgres::Error;",
        "pub const C: r2d2::Config = g();",
        "pub trait T: postgres::types::ToSql {}",
        "pub trait T { type Driver: postgres::GenericClient; fn f(&self, e: postgres::Error); }",
        "pub use postgres::Error;",
        "pub use {std::fmt, r2d2 as pool};",
        "mod inner { pub fn f(e: schemamama::Error) {} }",
        "use crate::error::Error; impl From<postgres::Error> for Error {}",
        "use crate::value::Value; impl postgres::types::ToSql for Value {}",
    ] {
        let findings = rules::public_face("src/backend/postgres.rs", text);
        assert!(!findings.is_empty(), "not caught: {text}");
    }
}

#[test]
fn a_public_face_that_is_right() {
    for text in [
        "pub fn f(id: uuid::Uuid, at: chrono::NaiveDate, v: serde_json::Value) {}",
        "pub(crate) fn f(c: postgres::Client) {}",
        "fn f(c: postgres::Client) {}",
        "pub struct S { inner: postgres::Client, pub(crate) pool: r2d2::Pool }",
        "pub(crate) struct S(pub(crate) postgres::Client);",
        "pub fn f() { let c: postgres::Client = g(); }",
        "struct Wrapper(u8); impl postgres::types::ToSql for Wrapper {}",
        "impl std::fmt::Debug for crate::value::Value {}",
        "mod postgres; pub fn f(_: postgres::Target) {}",
        "#[cfg(test)] mod tests { pub fn f(c: postgres::Client) {} }",
    ] {
        passes(rules::public_face, "src/backend/postgres.rs", text);
    }
}

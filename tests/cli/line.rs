//! The command line itself: errors, exit codes, help.

use crate::world::*;

#[test]
fn errors_tell_the_whole_chain_and_end_in_their_own_code() {
    let world = World::new();
    let port = server().port();
    world.settings(&[
        &format!(
            "DEVELOPMENT_GLOBAL_LOCKED_CONNECTION_STRING=postgresql://postgres:S3cr@127.0.0.1:{port}/postgres"
        ),
        &format!("DEVELOPMENT_GLOBAL_GONE_CONNECTION_STRING=postgresql://u@127.0.0.1:{}/x", closed_port()),
    ]);
    let ran = world.expect(1, &["query", "locked", "SELECT 1"]);
    assert!(ran.err.contains("password authentication failed for user \"postgres\""), "{}", ran.err);
    assert!(world.expect(75, &["query", "gone", "SELECT 1"]).err.contains("nothing listens there"));
    assert!(world.expect(78, &["query", "nothing", "SELECT 1"]).err.contains("_NOTHING_CONNECTION_STRING"));
    assert!(world.expect(64, &["qeury"]).err.contains("query"));
    assert!(world.expect(64, &[]).err.contains("Usage: batchdb"));

    let logged = run(&["query", "rpa_db", "SELECT :p::text", "-p", "p=hunter2"], |command| {
        command.env("BATCHDB_HOME", world.home.path()).env("RUST_LOG", "trace")
    });
    assert!(
        logged.err.contains("batchdb: done database=rpa_db") && !logged.err.contains("hunter2"),
        "{}",
        logged.err
    );
}

#[test]
fn help_teaches() {
    let help = run(&["--help"], |command| command);
    assert_eq!(help.code, 0);
    for expected in ["check", "health", "migrate", "query", "Exit codes:", "Examples:", "BATCHDB_HOME"] {
        assert!(help.out.contains(expected), "{expected}\n{}", help.out);
    }
    assert!(run(&["help", "query"], |command| command).out.contains("read-only unless --write"));
    assert!(run(&["--version"], |command| command).out.starts_with("batchdb "));
}

/// The names of all commands, as `--help` lists them.
fn commands() -> Vec<String> {
    let help = run(&["-h"], |command| command).out;
    let (_, behind) = help.split_once("Commands:\n").unwrap();
    let lines = behind.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

#[test]
fn each_command_teaches_by_an_example_that_is_read() {
    let all = commands();
    assert!(all.len() >= 13, "{all:?}");
    for name in all.iter().filter(|name| *name != "help") {
        let help = run(&["help", name], |command| command);
        assert_eq!(help.code, 0);
        let (_, examples) =
            help.out.split_once("Examples:\n").unwrap_or_else(|| panic!("{name} has no example"));
        assert!(
            examples.contains(&format!("batchdb {name}")) || examples.contains("production check"),
            "{examples}"
        );
    }
}

#[test]
fn the_readme_has_every_command() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, behind) = readme.split_once("\n## Command line\n").unwrap();
    let table = behind.split_once("\n## ").unwrap().0;
    for name in commands().iter().filter(|name| *name != "help") {
        assert!(table.contains(&format!("`{name} ")) || table.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_words_of_the_command_line_stay() {
    insta::assert_snapshot!("help", run(&["-h"], |command| command).out);
    for name in ["wait", "query", "export", "import"] {
        insta::assert_snapshot!(format!("help_{name}"), run(&[name, "-h"], |command| command).out);
    }
}

#[test]
fn shells_and_man_are_told_of_every_command() {
    let all = commands();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completions", shell], |command| command);
        assert_eq!(script.code, 0);
        for name in &all {
            assert!(script.out.contains(name.as_str()), "{shell}: {name}");
        }
    }
    assert_eq!(run(&["completions", "tcl"], |command| command).code, 64);
    let page = run(&["man"], |command| command);
    assert!(page.code == 0 && page.out.contains(".TH batchdb"), "{}", page.out);
    for name in &all {
        assert!(page.out.contains(name.as_str()), "{name}");
    }
    let page = run(&["man", "query"], |command| command);
    assert!(
        page.out.contains(".TH batchdb\\-query") || page.out.contains(".TH batchdb-query"),
        "{}",
        page.out
    );
    assert!(page.out.contains("read\\-only unless"), "{}", page.out);
    assert_eq!(run(&["man", "qeury"], |command| command).code, 64);
}

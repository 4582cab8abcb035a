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
fn a_server_cannot_speak_to_the_terminal() {
    let world = World::new();
    let evil = "SELECT * FROM \"\u{1b}[2Jx\u{9b}31m\"";
    let ran = world.expect(1, &["query", "rpa_db", evil]);
    assert!(ran.err.contains("\\u{1b}[2Jx\\u{9b}31m"), "{}", ran.err);
    assert!(!ran.err.contains(['\u{1b}', '\u{9b}']), "{:?}", ran.err);
}

#[test]
fn who_closes_standard_error_changes_no_exit_code() {
    let world = World::new();
    world.settings(&[&format!(
        "DEVELOPMENT_GLOBAL_GONE_CONNECTION_STRING=postgresql://u@127.0.0.1:{}/x",
        closed_port()
    )]);
    let jobs: [(i32, &[&str]); 6] = [
        (75, &["query", "gone", "SELECT 1"]),
        (78, &["query", "nothing", "SELECT 1"]),
        (78, &["doctor", "nothing"]),
        (75, &["wait", "gone", "--for", "700ms"]),
        (64, &["qeury"]),
        (0, &["export", "rpa_db", "SELECT 1 AS one"]),
    ];
    for (code, arguments) in jobs {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status =
            world.command(arguments).stdout(std::process::Stdio::null()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
#[cfg(unix)]
fn an_argument_that_is_no_unicode_is_a_wrong_call() {
    use std::os::unix::ffi::OsStrExt;

    for (code, command) in [(64, "query"), (2, "migrate")] {
        let wrong = std::ffi::OsStr::from_bytes(b"\xff");
        let ran = run(&[command], |command| command.arg(wrong).arg(wrong));
        assert_eq!(ran.code, code, "{}", ran.err);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
    }
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

/// The lines of a file that call the command, without what a shell does around it: those of its blocks of shell, or
/// those of the examples in the command's own help.
fn calls(text: &str) -> Vec<String> {
    let (mut lines, mut is_shell) = (Vec::new(), false);
    for line in text.lines() {
        let bare = line.trim_start_matches("//!").trim();
        is_shell = if bare.starts_with("```") { bare == "```sh" } else { is_shell };
        if bare.starts_with("batchdb ") && (is_shell || line.starts_with("  batchdb ")) {
            // The last line of a text in the code ends with that text.
            lines.push(bare.trim_end_matches("\";"));
        }
    }
    let ends = [" | ", " > ", " #", "  "];
    let alone = |call: &str| ends.iter().fold(call, |call, end| call.split(end).next().unwrap()).to_owned();
    let calls = lines.into_iter().flat_map(|line| line.split(" && "));
    calls.filter(|call| call.starts_with("batchdb ")).map(alone).collect()
}

#[test]
fn every_call_that_is_written_down_is_one_that_is_read() {
    let project = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![project.join("README.md"), project.join("src/guide.rs")];
    for folder in ["src/guide", "src/bin/batchdb", "src/bin/batchdb/migrate"] {
        let entries = std::fs::read_dir(project.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.is_file()));
    }
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_batchdb")).parent().unwrap().to_owned();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for file in files {
        for call in calls(&std::fs::read_to_string(&file).unwrap()) {
            // `--help` is met last, behind every word that could be wrong.
            let line = format!("{call} --help");
            let output =
                std::process::Command::new("sh").args(["-c", &line]).env("PATH", &path).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {call}\n{error}", file.display());
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
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

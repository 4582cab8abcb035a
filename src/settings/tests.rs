use std::collections::HashMap;

use super::resolve::resolve;
use super::sources::File;
use super::*;
use crate::error::ErrorKind;

const PATH: &str = "/jobs/envs/.env.development";

/// The sources of `development`, in `/jobs`. `file` is its text, `process` has one `KEY=value` a line.
fn sources(overrides: &Overrides, process: &str, file: Option<&str>) -> Sources {
    let pairs = process.lines().filter_map(|line| line.trim().split_once('='));
    let process = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<HashMap<_, _>>();
    let mut sources = Sources::new(overrides, process, || PathBuf::from("/jobs"));
    if let Some(text) = file {
        sources.file = File::parse(text.as_bytes(), &sources.path, &sources.environment);
    }
    sources
}

fn flow(name: &str) -> Overrides {
    Overrides { flow: Some(name.to_owned()), ..Overrides::default() }
}

/// `key=value` lines with `G_` for the keys of `rpa_db` in `GLOBAL`, and `F_` for those in the flow `rpa1`.
fn keys_of(text: &str) -> String {
    let line = |line: &str| {
        let line = line.trim();
        let long = [
            ("G_", "DEVELOPMENT_GLOBAL_RPA_DB_"),
            ("F_", "DEVELOPMENT_RPA1_RPA_DB_"),
            ("A_", "DEVELOPMENT_GLOBAL_"),
        ];
        let found =
            long.iter().find_map(|(short, long)| Some(format!("{long}{}\n", line.strip_prefix(short)?)));
        found.unwrap_or_else(|| format!("{line}\n"))
    };
    text.lines().map(line).collect()
}

const URL: &str = "G_CONNECTION_STRING=postgresql://u:p@h/d\n";

fn read(overrides: &Overrides, process: &str, file: &str) -> Result<Settings> {
    resolve(
        "rpa_db",
        overrides,
        &sources(overrides, &keys_of(process), Some(&keys_of(&format!("{URL}{file}")))),
    )
}

/// The lines of the error, without its head and the indent.
#[track_caller]
fn problems(result: Result<Settings>) -> Vec<String> {
    let error = result.map(|settings| settings.describe()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.database(), Some("rpa_db"));
    error.to_string().lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn defaults_are_those_of_the_table() {
    let settings = read(&Overrides::default(), "", "").unwrap();
    assert_eq!((settings.pool_size, settings.max_overflow, settings.statement_cache), (5, 10, 256));
    let times = [
        settings.pool_timeout,
        settings.pool_recycle,
        settings.ping_after_idle,
        settings.leak_after,
        settings.timeout,
        settings.connect_timeout,
        settings.migration_timeout,
    ];
    assert_eq!(times.map(|time| time.as_millis()), [30_000, 3_600_000, 500, 0, 30_000, 10_000, 3_600_000]);
    assert_eq!(settings.retry, RetryPolicy::default());
    assert!(!settings.read_only);
    assert_eq!(settings.migrate_on_start, MigrateOnStart::default());
    assert_eq!(settings.migrations_dir, Path::new("/jobs/migrations/rpa_db"));
    assert_eq!(
        (settings.environment(), settings.flow(), settings.database()),
        ("development", None, "rpa_db")
    );
}

#[test]
fn the_first_that_speaks_wins() {
    // From the weakest to the strongest; each stage adds one line to those before it.
    let stages = [
        ("file", "A_CONNECTION_POOL_SIZE=11", 11),
        ("process", "A_CONNECTION_POOL_SIZE=12", 12),
        ("file", "G_POOL_SIZE=13", 13),
        ("process", "G_POOL_SIZE=14", 14),
        ("file", "F_POOL_SIZE=15", 15),
        ("process", "F_POOL_SIZE=16", 16),
    ];
    let (mut file, mut process) = (String::new(), String::new());
    for (source, line, expected) in stages {
        if source == "file" { &mut file } else { &mut process }.push_str(&format!("{line}\n"));
        assert_eq!(read(&flow("rpa1"), &process, &file).unwrap().pool_size, expected, "{source}: {line}");
    }
    let overrides = Overrides { pool_size: Some(17), ..flow("rpa1") };
    assert_eq!(read(&overrides, &process, &file).unwrap().pool_size, 17);
    assert_eq!(read(&Overrides::default(), &process, &file).unwrap().pool_size, 14);
    assert_eq!(read(&flow("global"), &process, &file).unwrap().pool_size, 14);
}

#[test]
fn every_key_is_read() {
    let process = "G_MAX_OVERFLOW=0\nG_POOL_TIMEOUT=1.5\nG_POOL_RECYCLE=0\nG_PING_AFTER_IDLE=0\nG_LEAK_AFTER=90\nG_TIMEOUT=2m\n\
                   G_CONNECT_TIMEOUT=700ms\nG_STATEMENT_CACHE=0\nG_READ_ONLY=yes\nG_MIGRATIONS_DIR=sql/${NAME}\nG_TEXT_PARAMETERS=NVarchar\n\
                   G_MIGRATION_TIMEOUT=2h\nG_RETRY_ATTEMPTS=5\nG_RETRY_BUDGET=2m\nG_MIGRATE_ON_START=OFF\nG_TYPE=postgresql\nG_POOL_SIZE=\nNAME=rpa";
    let settings = read(&Overrides::default(), process, "").unwrap();
    assert_eq!((settings.pool_size, settings.max_overflow, settings.statement_cache), (5, 0, 0));
    let times =
        [settings.pool_timeout, settings.timeout, settings.connect_timeout, settings.migration_timeout];
    assert_eq!(times.map(|time| time.as_millis()), [1500, 120_000, 700, 7_200_000]);
    assert_eq!([settings.pool_recycle, settings.ping_after_idle], [Duration::ZERO; 2]);
    let policy = RetryPolicy::default().attempts(5).budget(Duration::from_secs(120));
    assert_eq!(settings.retry_policy(), &policy);
    assert_eq!(settings.leak_after.as_secs(), 90);
    assert!(settings.read_only && settings.text_parameters == TextParameters::Nvarchar);
    assert_eq!(settings.migrate_on_start, MigrateOnStart::Off);
    assert_eq!(settings.migrations_dir, Path::new("/jobs/sql/rpa"));
    assert_eq!(read(&Overrides::default(), "A_DATABASE_TIMEOUT=45", "").unwrap().timeout.as_secs(), 45);
}

#[test]
fn the_strings_own_limit_on_connecting_is_weaker_than_a_key() {
    let url = "G_CONNECTION_STRING=postgresql://h/d?connect_timeout=3";
    let seconds = |process: &str, overrides: &Overrides| {
        read(overrides, &format!("{url}\n{process}"), "").unwrap().connect_timeout.as_secs()
    };
    assert_eq!(seconds("", &Overrides::default()), 3);
    assert_eq!(seconds("G_CONNECT_TIMEOUT=4", &Overrides::default()), 4);
    let overrides = Overrides { connect_timeout: Some(Duration::from_secs(5)), ..Overrides::default() };
    assert_eq!(seconds("G_CONNECT_TIMEOUT=4", &overrides), 5);
}

#[test]
fn all_problems_are_told_at_once_each_with_its_place() {
    let overrides = Overrides { statement_cache: Some(20_000), ..flow("rpa1") };
    let file = "G_POOL_SIZE=0\nG_POOL_TIMEOUT=0\nG_READ_ONLY=hunter\nG_POOLSIZE=5\nG_TIMEOUT=a b\n\
                G_MIGRATE_ON_START=run\nG_MIGRATE_ON_START=run\n";
    let found = problems(read(&overrides, "F_MAX_OVERFLOW=-1\nG_TYPE=sqlserver", file));
    for expected in [
        format!("{PATH}, line 6: is not `KEY=value`"),
        format!(
            "DEVELOPMENT_GLOBAL_RPA_DB_POOLSIZE ({PATH}, line 5): is not a key of a database; the nearest is `POOL_SIZE`"
        ),
        "DEVELOPMENT_RPA1_RPA_DB_MAX_OVERFLOW (process environment): must be a whole number from 0 to 10000"
            .into(),
        format!("DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE ({PATH}, line 2): must be a whole number from 1"),
        format!("DEVELOPMENT_GLOBAL_RPA_DB_POOL_TIMEOUT ({PATH}, line 3): must be a time of more than 0"),
        format!("DEVELOPMENT_GLOBAL_RPA_DB_READ_ONLY ({PATH}, line 4): must be `true` or `false`"),
        format!("DEVELOPMENT_GLOBAL_RPA_DB_CONNECTION_STRING ({PATH}, line 1): `TYPE` is `sqlserver`, but"),
        format!("DEVELOPMENT_GLOBAL_RPA_DB_MIGRATE_ON_START ({PATH}, line 7): is set again on line 8"),
        "`statement_cache` of the builder: must be a whole number from 0 to 10000".into(),
    ] {
        assert_eq!(
            found.iter().filter(|line| line.starts_with(&expected)).count(),
            1,
            "{expected}\n{found:#?}"
        );
    }
    assert_eq!(found.len(), 9, "{found:#?}");
    assert!(!found.join("").contains("hunter"));
}

#[test]
fn a_missing_database_names_keys_file_and_what_was_meant() {
    let look = |overrides: &Overrides, process: &str, file: Option<&str>| {
        resolve("rpa_db", overrides, &sources(overrides, &keys_of(process), file))
            .map(|s| s.describe())
            .unwrap_err()
    };
    let error = look(&flow("rpa1"), "", None);
    let text = error.to_string();
    assert!(is_not_configured(&error), "{text}");
    assert!(text.contains(
        "DEVELOPMENT_RPA1_RPA_DB_CONNECTION_STRING or DEVELOPMENT_GLOBAL_RPA_DB_CONNECTION_STRING"
    ));
    assert!(text.contains(&format!("in {PATH}, which does not exist")), "{text}");

    let error = look(&Overrides::default(), "DEVELOPMENT_GLOBAL_RPADB_TYPE=odbc", Some("A=1"));
    assert!(is_not_configured(&error));
    assert!(error.to_string().contains("a database `RPADB` is configured"), "{error}");
    assert!(!error.to_string().contains("does not exist"), "{error}");

    assert!(!is_not_configured(&look(&Overrides::default(), "G_POOL_SIZE=5", None)));
    assert!(!is_not_configured(&look(&Overrides::default(), "G_CONNECTION_STRING=x", None)));
    assert!(!is_not_configured(&look(&Overrides::default(), "", Some("DEVELOPMENT_X=a b"))));

    let hub = "DEVELOPMENT_GLOBAL_SURVEYHUB_CONNECTION_STRING=Driver=SQLite3;Database=x";
    let found = sources(&Overrides::default(), hub, None);
    assert!(resolve("SurveyHub", &Overrides::default(), &found).is_ok());
    let error = resolve("survey_hub", &Overrides::default(), &found).map(|s| s.describe()).unwrap_err();
    assert!(error.to_string().contains("`SURVEYHUB`"), "{error}");
}

#[test]
fn names_that_begin_alike_are_told_apart() {
    let process = "DEVELOPMENT_GLOBAL_RPA_CONNECTION_STRING=postgresql://h/rpa
        DEVELOPMENT_GLOBAL_RPA_DB_TYPE=postgresql
        DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE=7
        DEVELOPMENT_GLOBAL_RPA_DB_POOLSIZES=7
        DEVELOPMENT_GLOBAL_RPA_DB_CONNECTION_STRING=postgresql://h/rpa_db
        DEVELOPMENT_GLOBAL_DB_CONNECTION_STRING=postgresql://h/db
        DEVELOPMENT_RPA_DB_POOL_SIZE=3
        DEVELOPMENT_RPA_DB_LOADER_RPA_DB_POOL_SIZE=4
        DEVELOPMENT_GLOBAL_RPA1_API_URL=x
        DEVELOPMENT_RPA1_DB_OF_FLOW_CONNECTION_STRING=postgresql://h/d
        DEVELOPMENT_GLOBAL_DB_OF_FLOW_POOL_SIZE=2
        STAGING_GLOBAL_RPA_NONSENSE=1";
    let look = |database: &str, overrides: &Overrides| {
        resolve(database, overrides, &sources(overrides, process, None)).map(|s| s.pool_size)
    };
    assert_eq!(look("rpa", &Overrides::default()).unwrap(), 5);
    assert_eq!(look("db", &flow("rpa")).unwrap(), 3);
    assert_eq!(look("db", &Overrides::default()).unwrap(), 5);
    let error = look("rpa_db", &Overrides::default()).unwrap_err().to_string();
    assert!(error.contains("RPA_DB_POOLSIZES (process environment): is not a key"), "{error}");
    assert_eq!(error.lines().count(), 2, "{error}");

    let found = problems(read(&Overrides::default(), "G_BIG_POOL_SIZE=1", ""));
    assert!(
        found[0].contains("`POOL_SIZE` (if there is a database `RPA_DB_BIG`, set its `TYPE` too)"),
        "{found:?}"
    );
}

#[test]
fn a_slip_in_a_key_for_all_databases_is_told() {
    let found = problems(read(&Overrides::default(), "A_DATABASE_TIMOUT=3\nA_DATABASE_URL=x", ""));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("GLOBAL_DATABASE_TIMOUT") && found[0].contains("`DATABASE_TIMEOUT`"),
        "{found:?}"
    );
}

#[test]
fn names_that_cannot_be_keys_are_refused() {
    for (database, overrides) in [
        ("", Overrides::default()),
        ("../etc", Overrides::default()),
        ("ümlaut", Overrides::default()),
        ("database", Overrides::default()),
        ("Connection", Overrides::default()),
        ("rpa_db", flow("")),
        ("rpa_db", Overrides { environment: Some("../x".into()), ..Overrides::default() }),
    ] {
        let error =
            resolve(database, &overrides, &sources(&overrides, "", None)).map(|s| s.describe()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{database}");
        assert!(!is_not_configured(&error), "{database}");
    }
}

#[test]
fn the_builders_string_is_taken_as_it_is() {
    let string = |text: &str| Some(Secret::new(text));
    let overrides =
        Overrides { connection_string: string("postgresql://u:a${X}$b@h/d"), ..Overrides::default() };
    // The type in the environment is that of the string in the environment.
    let settings = read(&overrides, "G_TYPE=odbc\nX=no", "").unwrap();
    let Target::Postgres(target) = settings.target() else { panic!("not PostgreSQL") };
    assert_eq!(target.password, string("a${X}$b"));
    let overrides = Overrides { database_type: Some("odbc".into()), ..overrides };
    let found = problems(read(&overrides, "", ""));
    assert!(found[0].starts_with("`connection_string` of the builder: `TYPE` is `odbc`"), "{found:?}");
}

#[test]
fn no_spelling_of_a_secret_is_shown() {
    const RAW: &str = "S3cr}t;p@ss/w%rd";
    let spellings =
        [RAW, "S3cr%7Dt%3Bp%40ss%2Fw%25rd", "S3cr%7dt%3bp%40ss%2fw%25rd", "S3cr}}t;p@ss/w%rd", "S3cr"];
    let clean = |text: &str| {
        assert!(!spellings.iter().any(|spelling| text.contains(spelling)), "{text}");
    };
    for string in [
        "postgresql://u:${PW}@h/d",
        "postgresql://u:S3cr%7Dt%3Bp%40ss%2Fw%25rd@h/d",
        "mssql://u:${PW}@h:1/d?driver=SQL+Server",
        "mssql://u:S3cr%7Dt%3Bp%40ss%2Fw%25rd@h/d",
        "Driver=Own;Server=h;PWD={S3cr}}t;p@ss/w%rd}",
        "Driver=Own;Server=h;AccessToken=${PW}",
    ] {
        let process = format!("G_CONNECTION_STRING={string}\nPW={RAW}");
        let settings = read(&Overrides::default(), &process, "").unwrap();
        for text in [
            format!("{settings:?}"),
            format!("{settings:#?}"),
            format!("{:?}", settings.target()),
            format!("{:?}", settings.fingerprint()),
            settings.describe(),
            settings.scrub(&format!(
                "cannot log in with {} or {}",
                spellings[..4].join(", "),
                string.replace("${PW}", RAW)
            )),
        ] {
            clean(&text);
        }
        assert_eq!(settings.scrub("a plain text"), "a plain text");
        let error = read(&Overrides::default(), &format!("{process}\nG_POOL_SIZE={RAW}\nG_TYPE={RAW}"), "");
        let error = error.map(|s| s.describe()).unwrap_err();
        clean(&error.to_string());
        clean(&error.report());
        clean(&format!("{error:?}"));
    }
}

#[test]
fn a_pool_is_shared_by_what_makes_it_the_same() {
    let print = |process: &str, overrides: &Overrides| read(overrides, process, "").unwrap().fingerprint();
    let plain = print("", &Overrides::default());
    assert_eq!(plain, print("", &Overrides::default()));
    assert_eq!(plain, print("G_TIMEOUT=7\nG_MIGRATION_TIMEOUT=7", &flow("rpa1")));
    for other in [
        "G_CONNECTION_STRING=postgresql://u:q@h/d",
        "G_POOL_SIZE=6",
        "G_MAX_OVERFLOW=6",
        "G_POOL_TIMEOUT=6",
        "G_CONNECT_TIMEOUT=6",
        "G_STATEMENT_CACHE=6",
        "G_READ_ONLY=true",
        "G_TEXT_PARAMETERS=varchar",
        "G_MIGRATE_ON_START=off",
    ] {
        assert_ne!(plain, print(other, &Overrides::default()), "{other}");
    }
}

#[test]
fn the_examples_are_right_and_hold_no_secret() {
    let read = |environment: &str, text: &str, database: &str| {
        let overrides = Overrides { environment: Some(environment.to_owned()), ..Overrides::default() };
        resolve(
            database,
            &overrides,
            &sources(&overrides, "POSTGRES_PASSWORD=p@1\nSQL_PASSWORD=p;2", Some(text)),
        )
    };
    for (environment, text, hub) in [
        ("development", include_str!("../../envs/.env.development"), Dialect::Sqlite),
        ("staging", include_str!("../../envs/.env.staging"), Dialect::SqlServer),
        ("production", include_str!("../../envs/.env.production"), Dialect::SqlServer),
    ] {
        let rpa_db = read(environment, text, "rpa_db").unwrap();
        assert_eq!(rpa_db.dialect(), Dialect::Postgres);
        let survey_hub = read(environment, text, "SurveyHub").unwrap();
        assert_eq!((survey_hub.dialect(), survey_hub.is_read_only()), (hub, true));
        // What is shown as a comment works too: without its mark it replaces the line above.
        for line in text
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.contains("_GLOBAL_") && line.contains('='))
        {
            let key = line.split('=').next().unwrap_or_default();
            let others = text
                .lines()
                .filter(|other| !other.starts_with(&format!("{key}=")) && !other.contains("SURVEYHUB_TYPE"));
            let text = others.chain([line]).collect::<Vec<_>>().join("\n");
            let database = if key.contains("SURVEYHUB") { "SurveyHub" } else { "rpa_db" };
            if !key.ends_with("_TYPE") {
                assert!(read(environment, &text, database).is_ok(), "{line}");
            }
        }
        let login = text.lines().filter(|line| line.contains("://") && line.contains('@'));
        assert!(login.into_iter().all(|line| line.contains(":${")), "a password is written out");
    }
}

#[test]
fn a_folder_is_read_and_its_databases_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "envs/.env.ghost",
        "GHOST_GLOBAL_SURVEYHUB_CONNECTION_STRING=Driver=SQLite3;Database=x;PWD=hunter2\n\
                             GHOST_GLOBAL_OTHER_CONNECTION_STRING=postgresql://h/d\n\
                             GHOST_RPA1_OWN_CONNECTION_STRING=postgresql://h/d\n",
    );
    write("migrations/SurveyHub/V1__x.sql", "");
    let overrides = Overrides {
        environment: Some("ghost".into()),
        home: Some(folder.path().to_owned()),
        ..Overrides::default()
    };
    assert_eq!(configured_databases(&overrides).unwrap(), ["other", "SurveyHub"]);
    let of_flow = Overrides { flow: Some("rpa1".into()), ..overrides.clone() };
    assert_eq!(configured_databases(&of_flow).unwrap(), ["other", "own", "SurveyHub"]);

    let settings = Settings::load("SurveyHub", &overrides).unwrap();
    assert_eq!(settings.migrations_dir(), folder.path().join("migrations/SurveyHub"));
    assert!(Sources::read(&overrides).file_reveals(&settings.secrets));
    assert!(is_not_configured(&Settings::load("nothing", &overrides).unwrap_err()));

    write("envs/.env.ghost", "GHOST_GLOBAL_A_TYPE=hunter two");
    let error = configured_databases(&overrides).unwrap_err();
    assert!(error.to_string().contains("line 1") && !error.to_string().contains("hunter"), "{error}");
    let unreadable = Overrides { envs_dir: Some(folder.path().join("envs/.env.ghost")), ..overrides.clone() };
    assert_eq!(configured_databases(&unreadable).unwrap_err().kind(), ErrorKind::Config);
}

/// What stands outside, for the tests: `/jobs/x` is a file that holds a URL, `get` prints one.
fn outside(outside: &super::outside::Outside, asked: super::outside::Asked) -> Result<Secret, String> {
    use super::outside::Outside;

    let url = |host| Ok(Secret::new(format!("postgresql://u:hunter2@{host}/d")));
    match outside {
        Outside::File { path, .. } if path.ends_with("jobs/x") => url("file"),
        Outside::File { path, .. } if path.ends_with("word") => Ok(Secret::new("p${w}")),
        Outside::Command(line) if line == "get" && asked.afresh => url("fresh"),
        Outside::Command(line) if line == "get" => url("command"),
        _ => Err("cannot be had".to_owned()),
    }
}

fn read_outside(overrides: &Overrides, file: &str) -> Result<Settings> {
    let mut sources = sources(overrides, "", Some(&keys_of(file)));
    sources.outside = outside;
    resolve("rpa_db", overrides, &sources)
}

#[test]
fn a_connection_string_may_stand_in_a_file_or_behind_a_command() {
    let none = Overrides::default();
    let told = |file: &str| read_outside(&none, file).map(|settings| settings.describe()).unwrap();
    assert!(told("G_CONNECTION_STRING_FILE=x\n").contains("server file:5432"));
    assert!(told("G_CONNECTION_STRING_COMMAND=get\n").contains("server command:5432"));
    // The flow's own goes before, whatever its form.
    let flow = flow("rpa1");
    let both =
        read_outside(&flow, "G_CONNECTION_STRING=postgresql://h/d\nF_CONNECTION_STRING_FILE=/jobs/x\n");
    assert!(both.unwrap().describe().contains("server file:5432"));
    let settings = read_outside(&none, "G_CONNECTION_STRING_FILE=x\n").unwrap();
    assert!(settings.may_rotate());
    assert_eq!(settings.scrub("login of hunter2 failed"), "login of *** failed");
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(!read_outside(&none, "G_CONNECTION_STRING=postgresql://h/d\n").unwrap().may_rotate());
    let fresh = Overrides { afresh: Some(Duration::from_secs(1)), ..Overrides::default() };
    let again = read_outside(&fresh, "G_CONNECTION_STRING_COMMAND=get\n").unwrap();
    assert!(again.describe().contains("server fresh:5432"));
}

#[test]
fn what_cannot_be_had_and_what_is_said_twice_is_told() {
    let none = Overrides::default();
    let told = |file: &str| problems(read_outside(&none, file)).join("\n");
    assert!(told("G_CONNECTION_STRING_FILE=y\n").contains("CONNECTION_STRING_FILE"));
    assert!(told("G_CONNECTION_STRING_FILE=y\n").contains("cannot be had"));
    let twice = told("G_CONNECTION_STRING=postgresql://h/d\nG_CONNECTION_STRING_FILE=x\n");
    assert!(twice.contains("is set beside `CONNECTION_STRING`"), "{twice}");
    let twice = told("G_CONNECTION_STRING=postgresql://u:p@h/d\nG_PASSWORD_FILE=word\n");
    assert!(twice.contains("has a password already"), "{twice}");
}

#[test]
fn a_password_of_its_own_file_is_taken_as_it_is() {
    let none = Overrides::default();
    let settings =
        read_outside(&none, "G_CONNECTION_STRING=postgresql://u@h/d\nG_PASSWORD_FILE=word\n").unwrap();
    let Target::Postgres(target) = settings.target() else { panic!("not PostgreSQL") };
    assert_eq!(target.password.as_ref().map(Secret::expose), Some("p${w}"));
    let text = "G_CONNECTION_STRING=Driver=FreeTDS;Server=h;UID=u\nG_PASSWORD_FILE=word\n";
    let settings = read_outside(&none, text).unwrap();
    let Target::Odbc(target) = settings.target() else { panic!("not ODBC") };
    assert!(
        target.connection_string.expose().ends_with("PWD=p${w};"),
        "{}",
        target.connection_string.expose()
    );
    assert_eq!(settings.scrub("p${w}"), "***");
}

#[test]
fn placeholders_are_pairs_whose_values_move_no_boundary() {
    let given = Overrides {
        placeholders: [("owner".to_owned(), Secret::new("theirs"))].into(),
        ..Overrides::default()
    };
    let file = "G_MIGRATION_PLACEHOLDERS=\"schema = rpa, owner=ours,password=${PASS}\"";
    let settings = read(&given, "PASS=a,b=c", file).unwrap();
    let shown = |name: &str| settings.placeholders[name].expose().to_owned();
    assert_eq!(["schema", "owner", "password"].map(shown), ["rpa", "theirs", "a,b=c"]);
    assert_eq!(settings.scrub("it is a,b=c"), "it is ***");
    assert!(!format!("{settings:?}").contains("a,b=c"));
    let wrong =
        problems(read(&Overrides::default(), "", "G_MIGRATION_PLACEHOLDERS=\"schema, b c=1,d=${NO}\""));
    assert!(
        wrong.len() == 2 && wrong[0].contains("name=value") && wrong[1].contains("`NO` is not set"),
        "{wrong:?}"
    );
}

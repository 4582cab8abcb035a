mod sqlserver;

use std::collections::HashMap;

use super::*;
use crate::settings::secret::{reveals, scrub};
use crate::settings::{Driver, OdbcPlace};

/// A password that is awkward in every syntax.
const PASSWORD: &str = "p@ss:w/o;r%d#{}'\\ é";

const WISHES: Wishes<'_> = Wishes { application: "batchdb", read_only: false };

/// Reads a string with `${PW}`, `${HOST}` and `${PORT}` in the environment. The problems, when there are any.
fn read_as(text: &str, kind: Option<Kind>) -> Result<Parsed, String> {
    let process =
        [("PW", PASSWORD), ("HOST", "db.example"), ("PORT", "6543"), ("URL", "postgresql://u:pw1@h/d")];
    let process: HashMap<_, _> = process.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let mut expander = Expander::new(&process);
    let parsed = read(&template::mark(text), kind, WISHES, &mut expander);
    match parsed {
        Some(parsed) if expander.problems.is_empty() => Ok(parsed),
        _ => Err(expander.problems.join("\n")),
    }
}

/// The target in one line: the safe description, then what it does not show.
fn show(parsed: &Parsed) -> String {
    let secret = match &parsed.target {
        Target::Odbc(target) => {
            assert!(parsed.secrets.iter().all(|secret| !target.description.contains(secret.expose())));
            target.connection_string.expose().to_owned()
        }
        Target::Postgres(target) => target.password.as_ref().map_or("-", Secret::expose).to_owned(),
        #[cfg(feature = "testing")]
        Target::Mock(_) => "-".to_owned(),
    };
    format!("{} | {secret}", parsed.target.describe())
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(read_as(text, None).as_ref().map(show).as_deref(), Ok(expected), "{text}");
}

/// Each case must be refused with a text that holds `part`, and with nothing of the string.
#[track_caller]
fn check_refused(text: &str, kind: Option<Kind>, part: &str) {
    let problems = read_as(text, kind).map(|parsed| show(&parsed)).unwrap_err();
    assert!(problems.contains(part), "{text}: {problems}");
    assert!(!problems.contains("hunter"), "{text}: {problems}");
}

#[test]
fn postgresql_urls() {
    for (text, expected) in [
        ("postgresql://u:p@h:1/d", "server h:1, database d, user u, sslmode prefer | p"),
        ("postgres://u@h/d", "server h:5432, database d, user u, sslmode prefer | -"),
        ("postgresql+psycopg2://u:p@h/d", "server h:5432, database d, user u, sslmode prefer | p"),
        ("POSTGRESQL+asyncpg://u:p@h/d", "server h:5432, database d, user u, sslmode prefer | p"),
        ("postgresql:///d", "server localhost:5432, database d, sslmode prefer | -"),
        (
            "postgresql://u%40x:a%2Fb%25@h/d%20e",
            "server h:5432, database d e, user u@x, sslmode prefer | a/b%",
        ),
        ("postgresql://u:a:b@c@h/d", "server h:5432, database d, user u, sslmode prefer | a:b@c"),
        ("postgresql://h1:1,h2:2,h3/d", "server h1:1,h2:2,h3:5432, database d, sslmode prefer | -"),
        ("postgresql://[::1]:1,[fe80::1]/d", "server [::1]:1,[fe80::1]:5432, database d, sslmode prefer | -"),
        ("postgresql://u@/d?host=/run/pg", "server /run/pg:5432, database d, user u, sslmode prefer | -"),
        ("postgresql://%2Frun%2Fpg/d", "server /run/pg:5432, database d, sslmode prefer | -"),
        ("postgresql://:7/d?host=a,b", "server a:7,b:7, database d, sslmode prefer | -"),
        ("postgresql://h/d?user=u&password=p%26", "server h:5432, database d, user u, sslmode prefer | p&"),
        ("postgresql://h/d?sslmode=allow", "server h:5432, database d, sslmode prefer | -"),
        (
            "postgresql://h/d?sslmode=verify-full&keepalives=1",
            "server h:5432, database d, sslmode verify-full | -",
        ),
        ("${URL}", "server h:5432, database d, user u, sslmode prefer | pw1"),
    ] {
        check(text, &format!("postgresql, {expected}"));
    }
}

#[test]
fn libpq_strings() {
    for (text, expected) in [
        ("host=h user=u password=p dbname=d", "server h:5432, database d, user u, sslmode prefer | p"),
        (
            "host = a,b port=1,2 dbname='d e' password='it\\'s a\\\\b' sslmode=require",
            "server a:1,b:2, database d e, sslmode require | it's a\\b",
        ),
        ("dbname=d host=/run/pg", "server /run/pg:5432, database d, sslmode prefer | -"),
        ("host=h password=a;b dbname=d", "server h:5432, database d, sslmode prefer | a;b"),
    ] {
        check(text, &format!("postgresql, {expected}"));
    }
}

#[test]
fn postgresql_parameters() {
    let text = "postgresql://h/d?sslrootcert=/ca.pem&sslcert=c.pem&sslkey=k.pem&application_name=night+job\
                &options=-c%20geqo%3Doff&connect_timeout=3&sslmode=verify-ca";
    let parsed = read_as(text, None).unwrap();
    assert_eq!(parsed.connect_timeout, Some(Duration::from_secs(3)));
    let Target::Postgres(target) = parsed.target else { panic!("not PostgreSQL") };
    assert_eq!(target.application_name, "night job");
    assert_eq!(target.options.as_deref(), Some("-c geqo=off"));
    assert_eq!(target.ssl_mode, crate::settings::SslMode::VerifyCa);
    let paths = [target.ssl_root_cert, target.ssl_cert, target.ssl_key].map(|path| path.unwrap());
    assert_eq!(paths, ["/ca.pem", "c.pem", "k.pem"].map(std::path::PathBuf::from));

    let parsed = read_as("postgresql://h/d?connect_timeout=0&sslrootcert=system", None).unwrap();
    assert_eq!(parsed.connect_timeout, None);
    let Target::Postgres(target) = parsed.target else { panic!("not PostgreSQL") };
    assert_eq!((target.ssl_root_cert, target.application_name.as_str()), (None, "batchdb"));
}

#[test]
fn the_issuers_of_the_machine_are_trusted_with_the_name_checked_or_not_at_all() {
    use crate::settings::SslMode;
    for (parameters, expected) in [
        ("sslrootcert=system", SslMode::VerifyFull),
        ("sslrootcert=system&sslmode=verify-full", SslMode::VerifyFull),
        ("sslrootcert=/ca.pem", SslMode::Prefer),
        ("sslrootcert=system&sslrootcert=/ca.pem", SslMode::Prefer),
    ] {
        let parsed = read_as(&format!("postgresql://h/d?{parameters}"), None).unwrap();
        let Target::Postgres(target) = parsed.target else { panic!("not PostgreSQL") };
        assert_eq!(target.ssl_mode, expected, "{parameters}");
    }
    for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
        let part = "`sslrootcert=system` goes with no weaker `sslmode` than `verify-full`";
        check_refused(&format!("postgresql://h/d?sslmode={mode}&sslrootcert=system"), None, part);
        check_refused(&format!("host=h dbname=d sslrootcert=system sslmode={mode}"), None, part);
    }
}

#[test]
fn a_password_from_outside_is_in_both_strings_of_a_database_without_a_driver() {
    for (text, password, pair) in [
        ("mssql://u@h:7/d?Encrypt=no", "p", ("PWD=p;", "PWD=p;")),
        ("Server=h;Database=d;User ID=u", "a;b", ("PWD={a;b};", "PWD={a;b};")),
        ("Server=h;Database=d;User ID=u", "a}b", ("PWD={a}}b};", "PWD=a}b;")),
    ] {
        let mut parsed = read_as(text, None).unwrap();
        parsed.set_password(Secret::new(password)).unwrap();
        let Target::Odbc(target) = &parsed.target else { panic!("not ODBC") };
        let Driver::Installed { freetds: Ok(freetds) } = &target.driver else { panic!("FreeTDS is refused") };
        for (string, pair) in [(&target.connection_string, pair.0), (freetds, pair.1)] {
            assert!(string.expose().ends_with(&format!(";{pair}")), "{}", string.expose());
        }
        assert_ne!(freetds.expose(), target.connection_string.expose());
        assert!(parsed.set_password(Secret::new("another")).is_err(), "it has one now");
    }
}

#[test]
fn sql_server_strings() {
    const MS: &str = "Driver=ODBC Driver 17 for SQL Server;";
    for (text, expected) in [
        (
            "mssql+pyodbc://u:p@h:1433/d?driver=ODBC+Driver+17+for+SQL+Server",
            format!("{MS}Server=h,1433;Database=d;UID=u;PWD=p;APP=batchdb;"),
        ),
        (
            "mssql+pyodbc://u:a%3Bb%7D@h/d?driver=ODBC+Driver+17+for+SQL+Server&Encrypt=yes&TrustServerCertificate=yes",
            format!("{MS}Server=h;Database=d;UID=u;PWD={{a;b}}}}}};Encrypt=yes;TrustServerCertificate=yes;APP=batchdb;"),
        ),
        ("mssql+pyodbc://u:p@h:1433/d", "Server=h,1433;Database=d;UID=u;PWD=p;APP=batchdb;".to_owned()),
        ("mssql+pyodbc://u:p@my_dsn", "DSN=my_dsn;UID=u;PWD=p;APP=batchdb;".to_owned()),
        ("sqlserver://u:p@h:1?database=d", "Server=h,1;UID=u;PWD=p;database=d;APP=batchdb;".to_owned()),
        ("mssql+pyodbc://@h/d?trusted_connection=yes", "Server=h;Database=d;trusted_connection=yes;APP=batchdb;".to_owned()),
        (
            "mssql+pyodbc://u:p@h/d?driver=FreeTDS",
            "Driver=FreeTDS;Server=h;Database=d;UID=u;PWD=p;APP=batchdb;Port=1433;TDS_Version=7.4;ClientCharset=UTF-8;".to_owned(),
        ),
        (
            "mssql+pyodbc://u:p@h:7/d?driver=%2Fusr%2Flib%2Flibtdsodbc.so&tds_version=7.3",
            "Driver=/usr/lib/libtdsodbc.so;Server=h;Port=7;Database=d;UID=u;PWD=p;tds_version=7.3;APP=batchdb;ClientCharset=UTF-8;"
                .to_owned(),
        ),
        (
            "mssql+pyodbc:///?odbc_connect=Driver%3D%7BFreeTDS%7D%3BServer%3Dh%3BPWD%3D%7Ba%3Bb%7D",
            "Driver={FreeTDS};Server=h;PWD={a;b};APP=batchdb;Port=1433;TDS_Version=7.4;ClientCharset=UTF-8;".to_owned(),
        ),
        (
            "Server=tcp:h,1433;Initial Catalog=d;User ID=u;Password=True;Encrypt=True;Persist Security Info=False;",
            "Server=tcp:h,1433;Database=d;UID=u;PWD=True;Encrypt=yes;APP=batchdb;".to_owned(),
        ),
    ] {
        let parsed = read_as(text, None).unwrap();
        let Target::Odbc(target) = &parsed.target else { panic!("not ODBC") };
        assert_eq!(target.connection_string.expose(), expected, "{text}");
        assert_eq!(target.dialect.name(), "sqlserver", "{text}");
    }
    let parsed = read_as("Data Source=h;Connect Timeout=7", None).unwrap();
    assert_eq!(parsed.connect_timeout, Some(Duration::from_secs(7)));
    check(
        "mssql+pyodbc://u:p@h:1433/d",
        "sqlserver, server h,1433, database d, user u | Server=h,1433;Database=d;UID=u;PWD=p;APP=batchdb;",
    );
}

#[test]
fn sql_server_strings_of_other_libraries() {
    let plain = "Server=h\\i;Database=d;UID=u;PWD=p;APP=batchdb;";
    for (text, expected) in [
        (
            "jdbc:sqlserver://h:1433;databaseName=d;user=u;password={a}}b;c};encrypt=true",
            "Server=h,1433;Database=d;UID=u;PWD={a}}b;c};Encrypt=yes;APP=batchdb;",
        ),
        ("jdbc:sqlserver://h\\i;databaseName=d;userName=u;password=p", plain),
        (
            "jdbc:sqlserver://;serverName=h;instanceName=i;databaseName=d;user=u;password=p;selectMethod=cursor",
            plain,
        ),
        (
            "sqlserver://h;portNumber=7;integratedSecurity=true;loginTimeout=3",
            "Server=h,7;Trusted_Connection=yes;APP=batchdb;",
        ),
        ("sqlserver://u:p@h/i?database=d", "Server=h\\i;UID=u;PWD=p;database=d;APP=batchdb;"),
        ("mssql+pyodbc://u:p@h%5Ci/d", plain),
        ("mssql+pyodbc://u:p@h\\i/d", plain),
        (
            "Data Source=(local)\\i;Initial Catalog=d;Integrated Security=SSPI",
            "Server=localhost\\i;Database=d;Trusted_Connection=yes;APP=batchdb;",
        ),
        (
            "Server=.,7;UID=u;Application Name=mine;Application Intent=ReadOnly;MultiSubnetFailover=True",
            "Server=localhost,7;UID=u;APP=mine;ApplicationIntent=ReadOnly;MultiSubnetFailover=yes;",
        ),
        (
            "Server=h;Authentication=ActiveDirectoryMsi;HostNameInCertificate=x.y;Encrypt=Strict",
            "Server=h;Authentication=ActiveDirectoryMsi;HostNameInCertificate=x.y;Encrypt=Strict;APP=batchdb;",
        ),
    ] {
        let parsed = read_as(text, None).unwrap();
        let Target::Odbc(target) = &parsed.target else { panic!("not ODBC") };
        assert_eq!(target.connection_string.expose(), expected, "{text}");
    }
    for (text, part) in [
        ("jdbc:sqlserver://h:hunter;databaseName=d", "its port is not a number"),
        ("jdbc:sqlserver://;databaseName=hunter", "it names no server"),
        ("sqlserver://h;colour=hunter2", "`colour` is not a keyword"),
        ("sqlserver://u:hunter2;x@h/d", "is not `keyword=value`"),
    ] {
        check_refused(text, None, part);
    }
}

#[test]
fn a_string_without_a_driver_is_written_for_both() {
    let freetds = |text: &str| {
        let parsed = read_as(text, None).unwrap();
        let Target::Odbc(target) = parsed.target else { panic!("not ODBC") };
        match target.driver {
            Driver::Installed { freetds } => freetds.map(|text| text.expose().to_owned()),
            other => panic!("{text} names a driver: {other:?}"),
        }
    };
    for (text, expected) in [
        (
            "mssql://u:p@h:7/d?Encrypt=yes&TrustServerCertificate=yes",
            "Server=h;Port=7;Database=d;UID=u;PWD=p;Encryption=require;APP=batchdb;TDS_Version=7.4;ClientCharset=UTF-8;",
        ),
        (
            "Server=tcp:h\\i,7;Encrypt=no;MultiSubnetFailover=yes",
            "Server=h;Port=7;Encryption=request;APP=batchdb;TDS_Version=7.4;ClientCharset=UTF-8;",
        ),
        (
            "mssql://u:p@h\\i/d",
            "Server=h\\i;Database=d;UID=u;PWD=p;APP=batchdb;TDS_Version=7.4;ClientCharset=UTF-8;",
        ),
        ("Server=h", "Server=h;APP=batchdb;Port=1433;TDS_Version=7.4;ClientCharset=UTF-8;"),
    ] {
        assert_eq!(freetds(text).as_deref(), Ok(expected), "{text}");
    }
    for (text, part) in [
        ("Server=h;Encrypt=true", "checks no certificate"),
        ("Server=h;Authentication=ActiveDirectoryMsi", "Entra"),
    ] {
        assert!(freetds(text).unwrap_err().contains(part), "{text}");
    }
}

#[test]
fn a_read_only_database_says_so_to_the_server() {
    let none = HashMap::new();
    let wishes = Wishes { application: "batchdb/nightly", read_only: true };
    for (text, expected) in [
        ("Server=h", "Server=h;APP=batchdb/nightly;ApplicationIntent=ReadOnly;"),
        (
            "Driver=SQL Server;Server=h;ApplicationIntent=ReadWrite",
            "Driver=SQL Server;Server=h;ApplicationIntent=ReadWrite;APP=batchdb/nightly;",
        ),
        ("sqlite:///x", "Driver=SQLite3;Database=x;NoCreat=1;"),
    ] {
        let parsed = read(&template::mark(text), None, wishes, &mut Expander::new(&none)).unwrap();
        let Target::Odbc(target) = &parsed.target else { panic!("not ODBC") };
        assert_eq!(target.connection_string.expose(), expected);
    }
}

#[test]
fn odbc_strings() {
    for (text, kind, dialect, expected) in [
        ("Driver={SQL Server};Server=h;UID=u;PWD={a}}b;c}", None, "sqlserver", None),
        ("Driver=SQLite3;Database=a b.db", None, "sqlite", Some("Driver=SQLite3;Database=a b.db;")),
        ("driver=SQLite3 ; ;database = x;", Some(Kind::Odbc), "sqlite", Some("driver=SQLite3;database=x;")),
        ("Driver={PostgreSQL Unicode};Server=h;Pwd=p%2B", None, "odbc", None),
        ("Driver=/opt/own.so;Server=h", None, "odbc", None),
        ("Driver=/opt/own.so;Server=h", Some(Kind::SqlServer), "sqlserver", None),
        ("DSN=hub;UID=u;PWD=p", Some(Kind::SqlServer), "sqlserver", None),
        ("DSN=hub;UID=u;PWD=p", Some(Kind::Odbc), "odbc", None),
        ("sqlite:///rel/x.db", None, "sqlite", Some("Driver=SQLite3;Database=rel/x.db;")),
        ("sqlite:////abs/x%20y.db", None, "sqlite", Some("Driver=SQLite3;Database=/abs/x y.db;")),
        ("sqlite://", None, "sqlite", Some("Driver=SQLite3;Database=:memory:;")),
        ("sqlite:///x?driver=Lite&Timeout=500", None, "sqlite", Some("Driver=Lite;Database=x;Timeout=500;")),
    ] {
        let parsed = read_as(text, kind).unwrap();
        let Target::Odbc(target) = &parsed.target else { panic!("not ODBC") };
        assert_eq!(target.dialect.name(), dialect, "{text}");
        let app = if dialect == "sqlserver" { "APP=batchdb;" } else { "" };
        let expected = expected.map_or_else(|| format!("{text};{app}"), str::to_owned);
        assert_eq!(target.connection_string.expose(), expected, "{text}");
        assert!(!format!("{parsed:?}").contains("PWD"), "{parsed:?}");
    }
}

#[test]
fn a_variable_is_put_in_after_the_split() {
    let braced = format!("{{{}}}", PASSWORD.replace('}', "}}"));
    for text in [
        "postgresql://u:${PW}@${HOST}:${PORT}/d",
        "host=${HOST} port=${PORT} user=u password=${PW} dbname=d",
        "host=${HOST} port=${PORT} user=u password='${PW}' dbname=d",
        "postgresql://h/d?host=${HOST}&port=${PORT}&user=u&password=${PW}",
    ] {
        check(
            text,
            &format!("postgresql, server db.example:6543, database d, user u, sslmode prefer | {PASSWORD}"),
        );
    }
    for (text, expected) in [
        (
            "mssql://u:${PW}@${HOST}:${PORT}/d?driver=MS+SQL+Server",
            "Driver=MS SQL Server;Server=db.example,6543;Database=d;UID=u;PWD=#;APP=batchdb;",
        ),
        (
            "Driver={SQL Server};Server=${HOST};PWD=${PW};X=y",
            "Driver={SQL Server};Server=db.example;PWD=#;X=y;APP=batchdb;",
        ),
        ("Driver={SQL Server};PWD={${PW}};X=y", "Driver={SQL Server};PWD=#;X=y;APP=batchdb;"),
        ("Server=${HOST};Password=${PW}", "Server=db.example;PWD=#;APP=batchdb;"),
        (
            "mssql://?odbc_connect=Driver%3DSQL+Server%3BPWD%3D${PW}%3BX%3Dy",
            "Driver=SQL Server;PWD=#;X=y;APP=batchdb;",
        ),
        ("Driver=Own;Extra=${PW};", "Driver=Own;Extra=#;"),
    ] {
        let parsed = read_as(text, None).unwrap();
        let Target::Odbc(target) = &parsed.target else { panic!("not ODBC") };
        assert_eq!(target.connection_string.expose(), expected.replace('#', &braced), "{text}");
        assert!(reveals(target.connection_string.expose(), &parsed.secrets), "{text}");
        assert!(!scrub(target.connection_string.expose(), &parsed.secrets).contains("w/o"), "{text}");
        assert_eq!(target.secrets.len(), 1, "{text}");
    }
}

#[test]
fn a_wrong_string_is_refused_without_a_word_of_it() {
    for (text, part) in [
        ("", "cannot be told"),
        ("hunter2", "is not `keyword=value`"),
        ("Host=h;Database=hunter", "cannot be told"),
        ("mysql://u:hunter2@h/d", "its scheme is none of"),
        ("postgresql://u:hun/ter2@h/d", "percent-encode"),
        ("postgresql://u:hunter#2@h/d", "percent-encode"),
        ("postgresql://u:hunter/2", "its port is not a number"),
        ("postgresql://u:hunter2@h:0/d", "its port is not a number"),
        ("postgresql://u:hunter2@h:99999/d", "its port is not a number"),
        ("postgresql://u:hunter2@::1/d", "IPv6"),
        ("postgresql://u:hunter2@h", "it names no database"),
        ("postgresql://u:%FF%FEhunter@h/d", "UTF-8"),
        ("postgresql://u:${hunter@h/d", "without a name"),
        ("postgresql://u:${NOWHERE}@h/d", "`NOWHERE` is not set"),
        ("${NOWHERE}", "`NOWHERE` is not set"),
        ("postgresql://h/d?sslmod=require", "`sslmod` is not a parameter"),
        ("postgresql://h/d?hunter;2=x", "a parameter whose name is no word"),
        ("postgresql://h/d?sslmode=hunter", "`sslmode` is none of"),
        ("postgresql://h/d?sslcert=hunter", "`sslcert` and `sslkey` go together"),
        ("postgresql://h/d?target_session_attrs=read-write", "`target_session_attrs` can only be `any`"),
        ("postgresql://h/d?connect_timeout=hunter", "limit on connecting"),
        ("postgresql://h/d?hunter", "has no `=`"),
        ("postgresql://a,b,c:1/d?port=1,2", "as many ports as hosts"),
        ("host=h password='hunter2", "single quote"),
        ("host=h password=x hunter2", "has no `=`"),
        ("Driver=x;hunter2", "is not `keyword=value`"),
        ("Driver={x;PWD=hunter2", "a brace in it"),
        ("Driver={x};PWD={hunter}2}", "a brace in it"),
        ("DSN=hub;PWD=hunter2", "set `TYPE`"),
        ("Server=h;Colour=hunter2", "`Colour` is not a keyword"),
        ("mssql://u:hunter2@/d", "it names no server"),
        ("sqlite://h/hunter", "has no host"),
    ] {
        check_refused(text, None, part);
    }
}

#[test]
fn the_type_must_agree_with_the_string() {
    for (text, kind, part) in [
        ("postgresql://h/hunter", Kind::SqlServer, "`TYPE` is `sqlserver`, but it is a PostgreSQL URL"),
        ("postgresql://h/hunter", Kind::Odbc, "whose type is `postgresql`"),
        ("host=h dbname=hunter", Kind::Odbc, "whose type is `postgresql`"),
        ("mssql://h/hunter", Kind::Postgres, "whose type is `sqlserver` or `odbc`"),
        ("Driver={PostgreSQL Unicode};Database=hunter", Kind::Postgres, "but it is an ODBC string"),
        ("Driver=SQLite3;Database=hunter", Kind::SqlServer, "its driver is one for another database"),
        ("sqlite:///hunter", Kind::SqlServer, "whose type is `odbc`"),
        ("Server=h;Database=hunter", Kind::Postgres, "a SQL Server string"),
    ] {
        check_refused(text, Some(kind), part);
    }
    assert_eq!(Kind::parse(" PostgreSQL "), Some(Kind::Postgres));
    assert_eq!(["mssql", "sqlserver"].map(Kind::parse), [Some(Kind::SqlServer); 2]);
    assert_eq!(Kind::parse("oracle"), None);
}

proptest::proptest! {
    #[test]
    fn any_password_arrives_as_it_is_in_every_syntax(password in "\\PC+") {
        let process = HashMap::from([("PW".to_owned(), password.clone())]);
        let read_all = |text: &str| {
            let mut expander = Expander::new(&process);
            let parsed = read(&template::mark(text), None, WISHES, &mut expander);
            parsed.filter(|_| expander.problems.is_empty()).unwrap()
        };
        for text in ["postgresql://u:${PW}@h/d", "postgresql://h/d?password=${PW}", "host=h password='${PW}' dbname=d"] {
            let Target::Postgres(target) = read_all(text).target else { panic!("not PostgreSQL") };
            assert_eq!(target.password.as_ref().map(Secret::expose), Some(password.as_str()), "{text}");
        }
        for text in ["mssql://u:${PW}@h/d", "Driver=Own;PWD=${PW};X=y", "Server=h;Password={${PW}};Database=d"] {
            let parsed = read_all(text);
            let Target::Odbc(target) = &parsed.target else { panic!("not ODBC") };
            let string = template::literal(target.connection_string.expose());
            let pairs = odbc::split(&string, &mut Expander::new(&process)).unwrap();
            let found = pairs.iter().find(|pair| pair.is_one_of(&["PWD"])).map(|pair| pair.value.as_str());
            assert_eq!(found, Some(password.as_str()), "{text}");
            // What hides a secret is made of asterisks, and so may the secret be.
            let hidden = scrub(target.connection_string.expose(), &parsed.secrets);
            assert!(password.contains('*') || !reveals(&hidden, &parsed.secrets));
        }
    }
}

#[test]
fn the_place_behind_a_driver_is_known_where_the_string_says_it_plainly() {
    let server = |host: &str, port| OdbcPlace::Server(host.to_owned(), port);
    let instance = |host: &str| OdbcPlace::Instance(host.to_owned());
    for (text, place) in [
        ("Driver=FreeTDS;Server=h;Database=d", server("h", 1433)),
        ("Driver=FreeTDS;Server=h;Port=1500", server("h", 1500)),
        ("Driver=ODBC Driver 18 for SQL Server;Server=tcp:h,1444", server("h", 1444)),
        ("Server=h , 1444", server("h", 1444)),
        ("Server=(local)", server("localhost", 1433)),
        ("Server=.\\SQLEXPRESS", instance("localhost")),
        ("Server=h\\X", instance("h")),
        ("Server=h\\X,1500", server("h", 1500)),
        ("Server=np:\\\\.\\pipe\\sql", OdbcPlace::Unknown),
        ("Server=::1,1433", server("::1", 1433)),
        ("Server=h,port", OdbcPlace::Unknown),
        ("mssql+pyodbc://u:p@h:1450/d?driver=FreeTDS", server("h", 1450)),
        ("Driver=SQLite3;Database=/a/b.db", OdbcPlace::File("/a/b.db".into())),
        ("sqlite:///:memory:", OdbcPlace::Unknown),
        ("Driver=PostgreSQL Unicode;Server=h;Port=5433", server("h", 5433)),
        ("Driver=PostgreSQL Unicode;Servername=h", OdbcPlace::Unknown),
        ("Driver=Oracle;DBQ=x", OdbcPlace::Unknown),
    ] {
        let Target::Odbc(target) = read_as(text, None).unwrap().target else { panic!("{text}") };
        assert_eq!(target.place, place, "{text}");
    }
}

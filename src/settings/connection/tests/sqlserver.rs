//! What is SQL Server's own in connection strings: rules of SQLAlchemy and ADO.NET, and the words of two drivers.

use super::*;

fn odbc(text: &str, kind: Option<Kind>) -> crate::settings::OdbcTarget {
    match read_as(text, kind).map(|parsed| parsed.target) {
        Ok(Target::Odbc(target)) => target,
        other => panic!("{text}: {other:?}"),
    }
}

#[track_caller]
fn check_string(text: &str, expected: &str) {
    assert_eq!(odbc(text, Some(Kind::SqlServer)).connection_string.expose(), expected, "{text}");
}

/// The string for FreeTDS, where nobody has named a driver.
fn for_freetds(text: &str) -> Result<String, &'static str> {
    match odbc(text, Some(Kind::SqlServer)).driver {
        Driver::Source { freetds, .. } | Driver::Installed { freetds } => {
            freetds.map(|text| text.expose().to_owned())
        }
        other => panic!("{text}: {other:?}"),
    }
}

const ITS_OWN: &str = "APP=batchdb;Port=1433;TDS_Version=7.4;ClientCharset=UTF-8;";

#[test]
fn freetds_is_told_a_brace_in_the_only_form_that_all_its_versions_read() {
    for (password, told) in [
        ("a}b", "a}b"),
        ("{a}}b}", "a}b"),
        ("{a}}}", "a}"),
        ("{}}}", "}"),
        ("{ a}} }", " a} "),
        // Without a closing brace every version reads braces alike.
        ("{a;b}", "{a;b}"),
        ("{{a}", "{{a}"),
        ("a{b", "a{b"),
        ("{ab}", "{ab}"),
    ] {
        check_string(
            &format!("Driver=FreeTDS;Server=h;PWD={password}"),
            &format!("Driver=FreeTDS;Server=h;PWD={told};{ITS_OWN}"),
        );
        // The others read what was written.
        check_string(
            &format!("Driver=SQL Server;Server=h;PWD={password}"),
            &format!("Driver=SQL Server;Server=h;PWD={password};APP=batchdb;"),
        );
    }
    check_string(
        "mssql://u:a%7Db@h/d?driver=FreeTDS",
        &format!("Driver=FreeTDS;Server=h;Database=d;UID=u;PWD=a}}b;{ITS_OWN}"),
    );
    assert_eq!(for_freetds("Server=h;Password={a}}b}"), Ok(format!("Server=h;PWD=a}}b;{ITS_OWN}")));
}

#[test]
fn what_freetds_cannot_be_told_is_refused() {
    let part = "FreeTDS can be told no value";
    for text in ["Driver=FreeTDS;Server=h;PWD={hunter}};2}", "mssql://u:%7Bhunter%7D@h/d?driver=FreeTDS"] {
        check_refused(text, None, part);
    }
    for text in ["Server=h;Password={hunter}};2}", "DSN=hub;PWD={{hunter}}}"] {
        assert!(for_freetds(text).unwrap_err().contains(part), "{text}");
    }
    // A password from elsewhere goes to whichever driver there is, or is refused in time.
    let mut parsed = read_as("Driver=FreeTDS;Server=h;UID=u", None).unwrap();
    assert!(parsed.set_password(Secret::new("hunter};2")).unwrap_err().contains(part));
    parsed.set_password(Secret::new("hunter}2")).unwrap();
    let Target::Odbc(target) = &parsed.target else { panic!("not ODBC") };
    assert!(target.connection_string.expose().ends_with(";PWD=hunter}2;"));
    for text in ["Server=h;UID=u", "DSN=hub;UID=u"] {
        let mut parsed = read_as(text, Some(Kind::SqlServer)).unwrap();
        parsed.set_password(Secret::new("hunter};2")).unwrap();
        let Target::Odbc(target) = &parsed.target else { panic!("not ODBC") };
        assert!(target.connection_string.expose().ends_with(";PWD={hunter}};2};"));
        let (Driver::Source { freetds, .. } | Driver::Installed { freetds }) = &target.driver else {
            panic!("{:?}", target.driver)
        };
        assert!(freetds.as_ref().unwrap_err().contains(part));
    }
}

#[test]
fn a_data_source_is_written_for_freetds_too() {
    let target = odbc("DSN=hub;UID=u;PWD={a}}b}", Some(Kind::SqlServer));
    assert_eq!(target.connection_string.expose(), "DSN=hub;UID=u;PWD={a}}b};APP=batchdb;");
    let told = "DSN=hub;UID=u;PWD=a}b;APP=batchdb;TDS_Version=7.4;ClientCharset=UTF-8;";
    let freetds = Ok(Secret::new(told));
    assert_eq!(target.driver, Driver::Source { name: "hub".into(), freetds });
    // What the string says itself wins.
    let own = for_freetds("DSN=hub;TDS_Version=7.3").unwrap();
    assert_eq!(own, "DSN=hub;TDS_Version=7.3;APP=batchdb;ClientCharset=UTF-8;");
    assert_eq!(odbc("FileDSN=/x.dsn", Some(Kind::SqlServer)).driver, Driver::Named);
}

#[test]
fn a_lone_name_is_a_data_source_to_sqlalchemy_and_a_host_to_everybody_else() {
    check_string("mssql+pyodbc://u:p@hub", "DSN=hub;UID=u;PWD=p;APP=batchdb;");
    check_string("mssql://u:p@hub", "DSN=hub;UID=u;PWD=p;APP=batchdb;");
    for url in ["sqlserver://u:p@hub", "sqlserver://u:p@hub/", "mssql+pymssql://u:p@hub"] {
        check_string(url, "Server=hub;UID=u;PWD=p;APP=batchdb;");
    }
}

#[test]
fn without_a_user_sqlalchemy_logs_in_by_kerberos() {
    for (url, expected) in [
        ("mssql+pyodbc://h/d?driver=X", "Driver=X;Server=h;Database=d;Trusted_Connection=Yes;APP=batchdb;"),
        ("mssql+pyodbc://h:7/d", "Server=h,7;Database=d;Trusted_Connection=Yes;APP=batchdb;"),
        ("mssql+pyodbc://hub", "DSN=hub;Trusted_Connection=Yes;APP=batchdb;"),
        ("mssql://h/d", "Server=h;Database=d;Trusted_Connection=Yes;APP=batchdb;"),
        (
            "mssql+pyodbc://h/d?Trusted_Connection=no",
            "Server=h;Database=d;Trusted_Connection=no;APP=batchdb;",
        ),
        (
            "mssql+pyodbc://h/d?authentication=ActiveDirectoryMsi",
            "Server=h;Database=d;authentication=ActiveDirectoryMsi;APP=batchdb;",
        ),
        ("mssql+pyodbc://u@h/d", "Server=h;Database=d;UID=u;APP=batchdb;"),
        ("mssql+pyodbc://h/d?UID=u", "Server=h;Database=d;UID=u;APP=batchdb;"),
        ("sqlserver://h/d", "Server=h;Database=d;APP=batchdb;"),
        (
            "mssql+pyodbc:///?odbc_connect=Driver%3DSQL+Server%3BServer%3Dh",
            "Driver=SQL Server;Server=h;APP=batchdb;",
        ),
    ] {
        check_string(url, expected);
    }
}

#[test]
fn quotes_are_ado_nets_where_no_driver_is_named() {
    for (written, password) in [
        ("\"a;b\"", "{a;b}"),
        ("'a;b'", "{a;b}"),
        ("\"a\"\"b\"", "a\"b"),
        ("'it''s'", "it's"),
        ("\"it's\"", "it's"),
        ("'say \"so\"' ", "say \"so\""),
        ("\"\"", ""),
        ("a\"b'c", "a\"b'c"),
        ("\"a;Driver=x\"", "{a;Driver=x}"),
        ("'${PW}'", "{p@ss:w/o;r%d#{}}'\\ é}"),
    ] {
        check_string(
            &format!("Server=h;Password={written};Database=d"),
            &format!("Server=h;PWD={password};Database=d;APP=batchdb;"),
        );
        check_string(
            &format!("Server=h;Password={written}"),
            &format!("Server=h;PWD={password};APP=batchdb;"),
        );
    }
    // To a driver a quote is a letter.
    check_string("Driver=X;Server=h;PWD=\"ab\"", "Driver=X;Server=h;PWD=\"ab\";APP=batchdb;");
    check_string("PWD='a;Driver=X;Server=h", "PWD='a;Driver=X;Server=h;APP=batchdb;");
    check_refused("Server=h;Password=\"hunter", None, "a brace in it, or a quote, is not closed");
    check_refused("Server=h;Password='hunter'2", None, "a brace in it, or a quote, is not closed");
}

#[test]
fn the_ways_into_entra_have_odbcs_words() {
    for (written, told) in [
        ("Active Directory Password", "ActiveDirectoryPassword"),
        ("\"Active Directory Integrated\"", "ActiveDirectoryIntegrated"),
        ("active directory interactive", "ActiveDirectoryInteractive"),
        ("'Active Directory Managed Identity'", "ActiveDirectoryMsi"),
        ("Active Directory MSI", "ActiveDirectoryMsi"),
        ("ActiveDirectoryServicePrincipal", "ActiveDirectoryServicePrincipal"),
        ("Sql Password", "SqlPassword"),
    ] {
        check_string(
            &format!("Server=h;Authentication={written}"),
            &format!("Server=h;Authentication={told};APP=batchdb;"),
        );
    }
    for unknown in ["Active Directory Default", "Active Directory Device Code Flow", "hunter"] {
        check_refused(&format!("Server=h;Authentication={unknown}"), None, "that ODBC drivers do not have");
    }
    // To a driver that is named nothing is explained.
    check_string("Driver=X;Authentication=Later", "Driver=X;Authentication=Later;APP=batchdb;");
}

#[test]
fn a_protocol_is_written_in_any_case() {
    for server in ["tcp:h,7", "TCP:h,7", "Tcp: h , 7"] {
        let target = odbc(&format!("Server={server}"), None);
        assert_eq!(target.place, crate::settings::OdbcPlace::Server("h".into(), 7), "{server}");
        let freetds = for_freetds(&format!("Server={server}")).unwrap();
        assert_eq!(freetds, "Server=h;Port=7;APP=batchdb;TDS_Version=7.4;ClientCharset=UTF-8;", "{server}");
    }
}

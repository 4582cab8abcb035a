//! TLS against real servers, with certificates made for the test.

mod diagnose;
mod middleman;

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use batchdb::testing::EmbeddedPostgres;
use batchdb::{DatabaseManager, DatabaseManagerBuilder, Error, ErrorKind, Phase};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

use self::middleman::Middleman;
use crate::common::{self, backend_pid, eventually, signal, timed, unique};

const GRACE: Duration = Duration::from_millis(500);
/// A refusal is told at once: neither the limit on connecting is waited for, nor is there a second attempt.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Somebody who signs certificates.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `names` and its key, as PEM.
    fn sign(&self, common_name: &str, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// The files of these tests. The server's certificate is for `localhost`; the tests also connect to 127.0.0.1, which
/// is the wrong name.
struct Files {
    folder: TempDir,
    ours: Authority,
    stranger: Authority,
}

static FILES: LazyLock<Files> = LazyLock::new(|| {
    let files = Files {
        folder: tempfile::tempdir().unwrap(),
        ours: Authority::new("the issuer"),
        stranger: Authority::new("a stranger"),
    };
    files.write("ours.pem", &files.ours.certificate.pem());
    files.write("stranger.pem", &files.stranger.certificate.pem());
    files
});

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }
}

fn server() -> &'static EmbeddedPostgres {
    static SERVER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        let (certificate, key) = FILES.ours.sign("the server", &["localhost"]);
        let server = EmbeddedPostgres::builder().tls(certificate, key).start().unwrap();
        // Whoever shows a client certificate must show one of our issuer; `only_by_certificate` must show one. Server
        // and test may be different users, so the file goes where the server reads.
        let trusted = server.folder().join("clients.pem");
        write_for_all(&trusted, &FILES.ours.certificate.pem());
        let rules = server.folder().join("data/pg_hba.conf");
        let rest = std::fs::read_to_string(&rules).unwrap();
        let first = "hostssl all only_by_certificate 127.0.0.1/32 cert\n\
                     hostnossl all no_plain 127.0.0.1/32 reject\n";
        std::fs::write(&rules, format!("{first}{rest}")).unwrap();
        let script = format!(
            "CREATE ROLE only_by_certificate LOGIN;
             CREATE ROLE no_plain LOGIN PASSWORD 'p';
             ALTER SYSTEM SET ssl_ca_file = '{}';
             SELECT pg_reload_conf();",
            trusted.display()
        );
        server.psql("postgres", &script).unwrap();
        eventually("the server takes the certificates of clients", || {
            server.psql("postgres", "SHOW ssl_ca_file").unwrap().contains("clients.pem")
        });
        server
    })
}

fn write_for_all(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;

    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// A handle for the server at `host`, with `options` behind the `?` of its URL.
fn at(host: &str, options: &str) -> DatabaseManagerBuilder {
    at_port(host, server().port(), options)
}

fn at_port(host: &str, port: u16, options: &str) -> DatabaseManagerBuilder {
    let (user, password) = (server().user(), server().password());
    DatabaseManager::builder(&unique("tls"))
        .connection_string(format!("postgresql://{user}:{password}@{host}:{port}/postgres?{options}"))
        .migrate_on_start(batchdb::MigrateOnStart::Off)
}

/// `sslmode=…&sslrootcert=…`
fn trusting(mode: &str, root: &str) -> String {
    format!("sslmode={mode}&sslrootcert={}", FILES.path(root).display())
}

/// Whether the session is encrypted, by the server's word.
fn encrypted(db: &DatabaseManager) -> bool {
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    db.query_one(sql, ()).unwrap().get(0).unwrap()
}

/// The error of the first call, which must be told at once.
#[track_caller]
fn refusal(builder: DatabaseManagerBuilder) -> Error {
    let db = builder.build().unwrap();
    let (outcome, took) = timed(|| db.execute_query("SELECT 1", ()));
    let error = outcome.unwrap_err();
    assert!(took < AT_ONCE, "{took:?}: {}", error.report());
    error
}

#[test]
fn each_mode_encrypts_as_much_as_it_says() {
    for (host, options, expected) in [
        ("127.0.0.1", "sslmode=disable".to_owned(), false),
        ("127.0.0.1", "sslmode=prefer".to_owned(), true),
        ("127.0.0.1", String::new(), true),
        ("127.0.0.1", "sslmode=require".to_owned(), true),
        ("127.0.0.1", trusting("verify-ca", "ours.pem"), true),
        ("localhost", trusting("verify-ca", "ours.pem"), true),
        ("localhost", trusting("verify-full", "ours.pem"), true),
    ] {
        let db = at(host, &options).build().unwrap();
        assert_eq!(encrypted(&db), expected, "{host} {options}");
    }
}

#[test]
fn a_wrong_name_is_refused_by_verify_full() {
    let error = refusal(at("127.0.0.1", &trusting("verify-full", "ours.pem")));
    assert_eq!(error.kind(), ErrorKind::Connect, "{}", error.report());
    assert!(error.to_string().contains("certificate") && error.to_string().contains("name"), "{error}");
    assert!(error.report().contains("127.0.0.1"), "{}", error.report());
    assert!(!error.is_transient(), "the certificate will be the same a moment later");
}

#[test]
fn an_unknown_issuer_is_refused_by_all_that_ask_for_the_issuer() {
    // `require` looks at the issuer when a root is given, as in libpq.
    for mode in ["verify-full", "verify-ca", "require"] {
        let error = refusal(at("localhost", &trusting(mode, "stranger.pem")));
        assert_eq!(error.kind(), ErrorKind::Connect, "{mode}: {}", error.report());
        let text = error.to_string();
        assert!(text.contains("certificate") && text.contains("sslrootcert"), "{mode}: {text}");
        assert!(!error.is_transient(), "{mode}");
    }
    // Without a root of their own they trust the machine's, which have not signed this one either.
    let builder = at("localhost", "sslmode=verify-full");
    match builder.build() {
        Ok(db) => assert_eq!(db.execute_query("SELECT 1", ()).unwrap_err().kind(), ErrorKind::Connect),
        Err(error) => assert!(error.to_string().contains("trusts no root"), "{error}"),
    }
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() {
    let plain = common::server();
    let url = |mode: &str| format!("{}?sslmode={mode}", plain.url());
    let builder = |mode: &str| {
        DatabaseManager::builder(&unique("tls"))
            .connection_string(url(mode))
            .migrate_on_start(batchdb::MigrateOnStart::Off)
    };
    for mode in ["require", "verify-ca", "verify-full"] {
        let root = FILES.path("ours.pem").display().to_string();
        let error = refusal(builder(&format!("{mode}&sslrootcert={root}")));
        assert_eq!(error.kind(), ErrorKind::Connect, "{mode}: {}", error.report());
        assert!(error.to_string().contains("does not offer TLS"), "{mode}: {error}");
        assert!(!error.is_transient(), "{mode}");
    }
    assert!(!encrypted(&builder("prefer").build().unwrap()));
}

#[test]
fn the_files_of_certificates_are_read_when_the_handle_is_made() {
    let missing = refusal_of_build(at("localhost", &trusting("verify-full", "absent.pem")));
    assert!(missing.contains("sslrootcert") && missing.contains("absent.pem"), "{missing}");
    let no_pem = FILES.write("no.pem", "this is no certificate");
    let text =
        refusal_of_build(at("localhost", &format!("sslmode=verify-ca&sslrootcert={}", no_pem.display())));
    assert!(text.contains("no.pem"), "{text}");
    let (certificate, _) = FILES.ours.sign("one", &[]);
    let (_, other_key) = FILES.ours.sign("another", &[]);
    let pair = client_options("mixed", &certificate, &other_key);
    let text = refusal_of_build(at("localhost", &pair));
    assert!(text.contains("do not fit together"), "{text}");
}

fn refusal_of_build(builder: DatabaseManagerBuilder) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{}", error.report());
    error.to_string()
}

fn client_options(name: &str, certificate: &str, key: &str) -> String {
    let certificate = FILES.write(&format!("{name}.crt"), certificate);
    let key = FILES.write(&format!("{name}.key"), key);
    format!(
        "{}&sslcert={}&sslkey={}",
        trusting("verify-full", "ours.pem"),
        certificate.display(),
        key.display()
    )
}

#[test]
fn a_client_may_prove_itself_by_a_certificate() {
    let role = "only_by_certificate";
    let url = |options: &str| {
        DatabaseManager::builder(&unique("tls"))
            .connection_string(format!(
                "postgresql://{role}@localhost:{}/postgres?{options}",
                server().port()
            ))
            .migrate_on_start(batchdb::MigrateOnStart::Off)
    };
    let (certificate, key) = FILES.ours.sign(role, &[]);
    let db = url(&client_options("good", &certificate, &key)).build().unwrap();
    let row = db
        .query_one(
            "SELECT current_user::text AS role, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            (),
        )
        .unwrap();
    assert_eq!(row.get::<String>("role").unwrap(), role);
    assert!(row.get::<String>("client_dn").unwrap().contains(role));
    // Without one, or with one for somebody else, it is the user that is refused.
    let (certificate, key) = FILES.ours.sign("somebody_else", &[]);
    for options in [trusting("verify-full", "ours.pem"), client_options("other", &certificate, &key)] {
        let error = refusal(url(&options));
        assert_eq!(error.kind(), ErrorKind::Auth, "{}", error.report());
        assert!(!error.is_transient());
    }
    // One of an issuer that the server does not know ends the handshake.
    let (certificate, key) = FILES.stranger.sign(role, &[]);
    let error = refusal(url(&client_options("stranger", &certificate, &key)));
    assert_eq!(error.kind(), ErrorKind::Connect, "{}", error.report());
    assert!(error.to_string().contains("sslcert"), "{}", error.report());
    assert!(!error.is_transient());
}

#[test]
fn the_password_proves_that_nobody_sits_between() {
    // Through somebody who only passes bytes on, the login works.
    let honest = Middleman::passing(server().port());
    at_port("localhost", honest.port(), "sslmode=require")
        .build()
        .unwrap()
        .execute_query("SELECT 1", ())
        .unwrap();
    // Who ends TLS with a certificate of his own passes under `require`, which asks for none; but the login is bound
    // to the certificate that the client saw (SCRAM-SHA-256-PLUS), and the server saw another.
    let (certificate, key) = FILES.stranger.sign("localhost", &["localhost"]);
    let evil = Middleman::reading(server().port(), &certificate, &key);
    let error = refusal(at_port("localhost", evil.port(), "sslmode=require"));
    assert!(evil.has_read("SCRAM-SHA-256-PLUS"), "he ended TLS and read the login");
    assert_eq!(error.kind(), ErrorKind::Auth, "{}", error.report());
    assert!(error.report().contains("channel binding"), "{}", error.report());
    assert!(!error.is_transient(), "{}", error.report());
    // And one who checks the certificate does not even begin.
    let before = evil.logins();
    let error = refusal(at_port("localhost", evil.port(), &trusting("verify-full", "ours.pem")));
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(evil.logins(), before);
}

#[test]
fn a_rule_of_the_server_against_plain_sessions_is_met() {
    let url = |mode: &str| {
        DatabaseManager::builder(&unique("tls"))
            .connection_string(format!(
                "postgresql://no_plain:p@127.0.0.1:{}/postgres?sslmode={mode}",
                server().port()
            ))
            .migrate_on_start(batchdb::MigrateOnStart::Off)
    };
    assert!(encrypted(&url("prefer").build().unwrap()));
    let error = refusal(url("disable"));
    assert_eq!(error.kind(), ErrorKind::Auth, "{}", error.report());
}

#[test]
fn a_cancel_goes_over_tls_too() {
    let db = at("localhost", &trusting("verify-full", "ours.pem")).build().unwrap();
    db.execute_query("SELECT 1", ()).unwrap();
    let limit = Duration::from_millis(300);
    let slow = "SELECT pg_sleep(30) AS cancelled_over_tls";
    let (error, took) = timed(|| db.execute_query_with_timeout(slow, (), limit).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{}", error.report());
    // Cancelled, and not cut off: the server's answer came before the stream was cut.
    assert!(took < limit + Duration::from_millis(240), "{took:?}");
    eventually("nothing of ours runs on", || {
        let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS cancelled_over_tls' AND pid <> pg_backend_pid()";
        server().psql("postgres", running).unwrap() == "0"
    });
}

#[test]
fn a_stopped_server_holds_nobody_over_tls() {
    let db = at("localhost", &trusting("verify-full", "ours.pem")).build().unwrap();
    let pid = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
    signal("STOP", pid);
    let limit = Duration::from_millis(400);
    let (outcome, took) = timed(|| db.execute_query_with_timeout("SELECT 1", (), limit));
    signal("CONT", pid);
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Query), "{}", error.report());
    assert!(took < limit + GRACE, "{took:?}");
    // The same for a connection that is only closed.
    let pid = db.session(|session| Ok::<_, Error>(backend_pid(session))).unwrap();
    signal("STOP", pid);
    let ((), took) = timed(|| db.shutdown());
    signal("CONT", pid);
    assert!(took < GRACE, "{took:?}");
}

#[test]
fn a_server_that_falls_silent_in_the_handshake_does_not_hold_a_login() {
    let silent = Middleman::silent_after_the_request();
    let limit = Duration::from_millis(300);
    let db = at_port("localhost", silent.port(), "sslmode=require").connect_timeout(limit).build().unwrap();
    let (error, took) = timed(|| db.execute_query("SELECT 1", ()).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Connect), "{}", error.report());
    assert!(took < limit + GRACE, "{took:?}");
}

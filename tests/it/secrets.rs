//! Passwords that change while a program runs.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use batchdb::{DatabaseManager, ErrorKind, MigrateOnStart, SecretSource};

use crate::common::{server, timed, unique};

/// A user of the shared server, with a database of the same name.
struct User {
    name: String,
}

impl User {
    fn new() -> User {
        let name = unique("rotating");
        server().psql("postgres", &format!("CREATE USER {name}")).unwrap();
        server().create_database(&name).unwrap();
        User { name }
    }

    /// Changes the password, and ends the sessions that are there, so that a new login is needed.
    fn set_password(&self, password: &str) {
        let name = &self.name;
        let change = format!(
            "ALTER USER {name} PASSWORD '{password}';
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"
        );
        server().psql("postgres", &change).unwrap();
    }

    fn url(&self, password: &str) -> String {
        format!("postgresql://{0}:{password}@{1}:{2}/{0}", self.name, server().host(), server().port())
    }
}

struct Changing {
    text: Arc<std::sync::Mutex<String>>,
    asked: Arc<AtomicU32>,
}

impl SecretSource for Changing {
    fn connection_string(&self, _: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.text.lock().unwrap().clone())
    }
}

#[test]
fn a_changed_password_needs_no_restart() {
    let user = User::new();
    user.set_password("first7");
    let (text, asked) = (Arc::new(std::sync::Mutex::new(user.url("first7"))), Arc::new(AtomicU32::new(0)));
    let source = Changing { text: Arc::clone(&text), asked: Arc::clone(&asked) };
    let db = DatabaseManager::builder(&user.name)
        .secret_source(source)
        .migrate_on_start(MigrateOnStart::Off)
        .ping_after_idle(Duration::ZERO)
        .build()
        .unwrap();
    db.execute_query("SELECT 1", ()).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    // The server knows the new one before the vault does: refused, with one look at the vault and no second login.
    user.set_password("second7");
    let error = db.execute_query("SELECT 1", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{}", error.report());
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    // A fresh pool, which does not remember that: the vault is asked when the old secret is refused.
    let late = DatabaseManager::builder(&user.name)
        .secret_source(Changing { text: Arc::clone(&text), asked: Arc::clone(&asked) })
        .migrate_on_start(MigrateOnStart::Off)
        .pool_size(2)
        .build()
        .unwrap();
    *text.lock().unwrap() = user.url("second7");
    late.execute_query("SELECT 1", ()).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    assert!(!format!("{late:?} {:?}", late.settings()).contains("second7"));
}

/// Knows a connection string, and is away from the second time on.
struct Away(AtomicU32, String);

impl SecretSource for Away {
    fn connection_string(&self, _: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            return Ok(self.1.clone());
        }
        Err("the vault is sealed for the token hunter7".into())
    }
}

#[test]
fn a_refused_password_is_offered_once_while_the_vault_is_away() {
    let user = User::new();
    user.set_password("right7");
    let db = DatabaseManager::builder(&user.name)
        .secret_source(Away(AtomicU32::new(0), user.url("wrong7")))
        .migrate_on_start(MigrateOnStart::Off)
        .build()
        .unwrap();
    for _ in 0..5 {
        let error = db.execute_query("SELECT 1", ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        let text = error.to_string();
        assert!(text.contains("its secret cannot be read again"), "{text}");
        assert!(text.contains("gave no connection string"), "{text}");
        // The words of a vault may hold what it was asked with.
        assert!(!format!("{text}{error:?}").contains("hunter7"), "{text}");
        let report = error.report();
        assert!(report.contains("the vault is sealed") && !report.contains("wrong7"), "{report}");
    }
    let log = fs::read_to_string(server().log_path()).unwrap();
    let refused = format!("password authentication failed for user \"{}\"", user.name);
    assert_eq!(log.matches(&refused).count(), 1);
}

#[test]
fn all_who_are_refused_in_a_rotation_wait_for_the_new_secret() {
    struct Slow(Changing);

    impl SecretSource for Slow {
        fn connection_string(&self, name: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
            if self.0.asked.load(Ordering::SeqCst) > 0 {
                std::thread::sleep(Duration::from_millis(300));
            }
            self.0.connection_string(name)
        }
    }

    let user = User::new();
    user.set_password("first6");
    let (text, asked) = (Arc::new(std::sync::Mutex::new(user.url("first6"))), Arc::new(AtomicU32::new(0)));
    let db = DatabaseManager::builder(&user.name)
        .secret_source(Slow(Changing { text: Arc::clone(&text), asked: Arc::clone(&asked) }))
        .migrate_on_start(MigrateOnStart::Off)
        .ping_after_idle(Duration::ZERO)
        .pool_size(8)
        .build()
        .unwrap();
    let all_at_once = || -> Vec<ErrorKind> {
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let call = || {
                barrier.wait();
                db.execute_query("SELECT pg_sleep(0.2)", ()).map_err(|error| error.kind())
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap().err()).collect()
        })
    };
    assert_eq!(all_at_once(), []);
    assert_eq!(db.pool_status().opened, 8);
    *text.lock().unwrap() = user.url("second6");
    user.set_password("second6");
    assert_eq!(all_at_once(), []);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_mounted_file_is_read_when_a_handle_is_made_and_when_it_was_changed() {
    let user = User::new();
    user.set_password("first8");
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("envs")).unwrap();
    let password = home.path().join("password");
    fs::write(&password, "first8\n").unwrap();
    let name = user.name.to_ascii_uppercase();
    let settings = format!(
        "TEST_GLOBAL_{name}_CONNECTION_STRING=postgresql://{0}@{1}:{2}/{0}\nTEST_GLOBAL_{name}_PASSWORD_FILE=password\n",
        user.name,
        server().host(),
        server().port()
    );
    fs::write(home.path().join("envs/.env.test"), settings).unwrap();
    let db = DatabaseManager::builder(&user.name)
        .environment("test")
        .home(home.path())
        .migrate_on_start(MigrateOnStart::Off)
        .ping_after_idle(Duration::ZERO)
        .build()
        .unwrap();
    db.execute_query("SELECT 1", ()).unwrap();
    fs::write(&password, "second8").unwrap();
    user.set_password("second8");
    db.execute_query("SELECT 1", ()).unwrap();
    assert_eq!(db.pool_status().opened, 2);
}

#[test]
fn a_vault_that_hangs_does_not_hold_a_call_beyond_its_limit() {
    let user = User::new();
    user.set_password("right9");
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("envs")).unwrap();
    // The first answer comes at once, and is wrong; the second one takes its time.
    let asked = home.path().join("asked");
    let command =
        format!("[ -e {0} ] && sleep 20; touch {0}; echo '{1}'", asked.display(), user.url("wrong9"));
    let name = user.name.to_ascii_uppercase();
    let settings = format!("TEST_GLOBAL_{name}_CONNECTION_STRING_COMMAND=\"{command}\"\n");
    fs::write(home.path().join("envs/.env.test"), settings).unwrap();
    let db = DatabaseManager::builder(&user.name)
        .environment("test")
        .home(home.path())
        .migrate_on_start(MigrateOnStart::Off)
        .connect_timeout(Duration::from_millis(800))
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let (refused, took) = timed(|| db.execute_query("SELECT 1", ()));
                let kind = refused.unwrap_err().kind();
                assert!(
                    matches!(kind, ErrorKind::Config | ErrorKind::Auth | ErrorKind::Timeout(_)),
                    "{kind}"
                );
                assert!(took < Duration::from_millis(1_300), "{took:?}");
            });
        }
    });
    assert!(asked.exists());
}

#[test]
fn a_source_that_hangs_does_not_hold_a_call_beyond_its_limit() {
    struct Hanging(AtomicU32, String);

    impl SecretSource for Hanging {
        fn connection_string(&self, _: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
            if self.0.fetch_add(1, Ordering::SeqCst) > 0 {
                std::thread::sleep(Duration::from_secs(20));
            }
            Ok(self.1.clone())
        }
    }

    let user = User::new();
    user.set_password("right5");
    let db = DatabaseManager::builder(&user.name)
        .secret_source(Hanging(AtomicU32::new(0), user.url("wrong5")))
        .migrate_on_start(MigrateOnStart::Off)
        .connect_timeout(Duration::from_millis(800))
        .build()
        .unwrap();
    let (refused, took) = timed(|| db.execute_query("SELECT 1", ()));
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.report().contains("it did not answer in"), "{}", error.report());
    assert!(took < Duration::from_millis(1_300), "{took:?}");
}

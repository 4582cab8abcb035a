//! Migration files that are part of the program.

/// A folder of migration files, compiled into the program by [`embed_migrations!`](crate::embed_migrations), so that
/// only one file need be deployed.
///
/// Pass it to [`DatabaseManagerBuilder::migrations`](crate::DatabaseManagerBuilder::migrations), which then uses it
/// instead of the folder.
#[derive(Clone, Copy)]
pub struct EmbeddedMigrations {
    files: &'static [(&'static str, &'static str)],
}

impl EmbeddedMigrations {
    /// Name and text of each file. Made by the macro.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(files: &'static [(&'static str, &'static str)]) -> EmbeddedMigrations {
        EmbeddedMigrations { files }
    }

    /// The names of the files, in their order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.files.iter().map(|(name, _)| *name)
    }

    pub(crate) fn files(self) -> &'static [(&'static str, &'static str)] {
        self.files
    }
}

/// The names alone: the texts are long.
impl std::fmt::Debug for EmbeddedMigrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Compiles the `.sql` files of a folder into the program. The path is relative to the root of the package.
///
/// ```
/// use batchdb::{DatabaseManager, EmbeddedMigrations, embed_migrations};
///
/// static MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/rpa_db");
///
/// let builder = DatabaseManager::builder("rpa_db").migrations(MIGRATIONS);
/// assert!(MIGRATIONS.names().any(|name| name.starts_with("V001__")));
/// ```
///
/// Cargo rebuilds when one of the files changes, but does not notice a new file. To make it do so, add a `build.rs`
/// with `println!("cargo::rerun-if-changed=migrations");`.
#[macro_export]
macro_rules! embed_migrations {
    ($folder:literal) => {
        $crate::EmbeddedMigrations::new($crate::__files_of!($folder))
    };
}

//! Migration files that are part of the program.

/// The files of a folder of migrations, compiled into the program by [`embed_migrations!`](crate::embed_migrations), so
/// that one file is all that is deployed.
///
/// Given to [`DatabaseManagerBuilder::migrations`](crate::DatabaseManagerBuilder::migrations), they take the place of the
/// folder.
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

/// Compiles the `.sql` files of a folder into the program. The folder is named from the root of the package.
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
/// Cargo builds again when a file changes, but does not notice a new one by itself: a `build.rs` with
/// `println!("cargo::rerun-if-changed=migrations");` sees to that.
#[macro_export]
macro_rules! embed_migrations {
    ($folder:literal) => {
        $crate::EmbeddedMigrations::new($crate::__files_of!($folder))
    };
}

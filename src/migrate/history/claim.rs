//! One of two runners gets a migration, where the database has no lock for a whole run: SQLite.

use crate::engine::Engine;
use crate::error::Result;
use crate::migrate::files::Script;
use crate::migrate::history::History;
use crate::migrate::history::tables::SHA256;
use crate::migrate::name::Id;
use crate::migrate::problem::{Problem, refusal};
use crate::params;
use crate::session::Session;

impl History {
    /// Makes sure, inside the transaction of a migration, that nobody else has applied it. `false`: somebody has.
    ///
    /// SQLite has no lock that outlives a transaction. An update of no row makes this transaction the one
    /// writer of the file, and what it reads from then on is the truth.
    ///
    /// # Errors
    ///
    /// `Migration`, when another runner has failed with it, or is in the midst of it: what comes after it may need it.
    pub(crate) fn claim(&self, tx: &mut Session<'_>, script: &Script) -> Result<bool> {
        if self.engine != Engine::Sqlite {
            return Ok(true);
        }
        match self.seize(tx, &script.id)? {
            None => Ok(true),
            Some((false, _)) => Err(refusal(&[Problem::Failed { file: script.file.clone() }])),
            Some((true, sha256)) => {
                Ok(script.id.version().is_none() && sha256.as_deref() != Some(&script.checksum.sha256))
            }
        }
    }

    /// The same for the row of what is to be undone: `false` when somebody has undone it.
    pub(crate) fn claim_undo(&self, tx: &mut Session<'_>, row: &Id) -> Result<bool> {
        if self.engine != Engine::Sqlite {
            return Ok(true);
        }
        match self.seize(tx, row)? {
            None => Ok(false),
            Some((false, _)) => Err(refusal(&[Problem::Failed { file: row.to_string() }])),
            Some((true, _)) => Ok(true),
        }
    }

    /// Becomes the one writer, and reads whether the row counts as applied, and the checksum of its text.
    fn seize(&self, tx: &mut Session<'_>, id: &Id) -> Result<Option<(bool, Option<String>)>> {
        tx.execute(&format!("UPDATE {} SET success = success WHERE 1 = 0", self.table()), ())?;
        let known =
            format!("SELECT success, {SHA256} AS sha256 FROM {} WHERE version = :version", self.table());
        let row = tx.query_opt(&known, params! { version: id.stored() })?;
        row.map(|row| Ok((row.get("success")?, row.get("sha256")?))).transpose()
    }
}

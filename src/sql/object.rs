//! Where the catalogs of SQL Server have an object: its number is one of its own database.

use crate::dialect::Dialect;

/// The name of an object of SQL Server, and the database whose catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectName {
    /// The database with a dot, or nothing for that of the session. Quoted.
    pub(crate) catalog: String,
    /// The name as `OBJECT_ID` takes it. Quoted.
    pub(crate) path: String,
}

impl ObjectName {
    /// Of a path whose parts are quoted, as [`Dialect::quote_path`] and the catalogs do it.
    pub(crate) fn of(quoted: &str) -> ObjectName {
        ObjectName::of_parts(&parts(quoted))
    }

    /// Of the database, the schema and the name, all quoted, of which the first ones may be missing. What is on another
    /// server has no number here, and is not found.
    pub(crate) fn of_parts(parts: &[String]) -> ObjectName {
        let dialect = Dialect::SqlServer;
        match parts {
            // What belongs to a session lives in another database, under no name of that.
            [.., name] if name.starts_with("[#") => {
                let database = dialect.quote("tempdb");
                ObjectName { catalog: format!("{database}."), path: format!("{database}..{name}") }
            }
            [database, _, _] if !database.is_empty() => {
                ObjectName { catalog: format!("{database}."), path: parts.join(".") }
            }
            _ => ObjectName { catalog: String::new(), path: parts.join(".") },
        }
    }

    /// The parts of that which this synonym stands for, by the quoted name that its catalog has. A name without a database
    /// is one of the synonym's.
    pub(crate) fn behind(&self, base: &str) -> Vec<String> {
        let mut parts = parts(base);
        if !self.catalog.is_empty() && parts.len() < 3 {
            parts.splice(0..0, vec![String::new(); 2 - parts.len().min(2)]);
            parts.insert(0, self.catalog.trim_end_matches('.').to_owned());
        }
        parts
    }

    /// Its number, in the words of the server, NULL where there is no such object. The name is a literal: an argument would
    /// be of the type that texts go as, which may lack its letters.
    pub(crate) fn id(&self) -> String {
        format!("OBJECT_ID(N'{}')", self.path.replace('\'', "''"))
    }
}

/// The parts of a path in brackets. A dot in brackets is one of the name; a schema that is left out is empty, as in
/// `[d]..[p]`.
pub(crate) fn parts(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for letter in path.chars() {
        // A bracket that is doubled closes and opens again: outside there is no other.
        inside = if letter == ']' { !inside } else { inside || letter == '[' };
        match parts.last_mut() {
            Some(part) if inside || letter != '.' => part.push(letter),
            _ => parts.push(String::new()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_asked_of_the_catalog_of_its_own_database() {
        for (path, catalog, id) in [
            ("t", "", "OBJECT_ID(N'[t]')"),
            ("dbo.Order#", "", "OBJECT_ID(N'[dbo].[Order#]')"),
            ("Prüfung's", "", "OBJECT_ID(N'[Prüfung''s]')"),
            ("archive.dbo.t", "[archive].", "OBJECT_ID(N'[archive].[dbo].[t]')"),
            ("archive..t", "[archive].", "OBJECT_ID(N'[archive]..[t]')"),
            ("#t", "[tempdb].", "OBJECT_ID(N'[tempdb]..[#t]')"),
            ("dbo.#t", "[tempdb].", "OBJECT_ID(N'[tempdb]..[#t]')"),
            ("far.archive.dbo.t", "", "OBJECT_ID(N'[far].[archive].[dbo].[t]')"),
        ] {
            let name = ObjectName::of(&Dialect::SqlServer.quote_path(path));
            assert_eq!((name.catalog.as_str(), name.id().as_str()), (catalog, id));
        }
        assert_eq!(parts("[d]..[a.b]].c]"), ["[d]", "", "[a.b]].c]"]);
        assert_eq!(parts("[a[.b]]]]].[c]"), ["[a[.b]]]]]", "[c]"]);
    }
}

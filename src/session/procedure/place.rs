//! Where a stored procedure of SQL Server is looked for, and the question for its parameters. Pure.

use crate::dialect::Dialect;
use crate::error::{Error, Result};

/// Where a procedure of SQL Server is looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The database with a dot, or nothing for that of the session. Quoted.
    catalog: String,
    /// The procedure as `OBJECT_ID` takes it.
    pub(super) path: String,
}

impl Place {
    /// # Errors
    ///
    /// `Usage` for a procedure on another server, whose numbers are not those of this one.
    pub(super) fn of(procedure: &str) -> Result<Place> {
        let quote = |name: &str| Dialect::SqlServer.quote(name);
        let parts: Vec<&str> = procedure.split('.').collect();
        match parts.as_slice() {
            // What belongs to a session lives in another database, under no name of that.
            [.., name] if name.starts_with('#') => Ok(Place {
                catalog: format!("{}.", quote("tempdb")),
                path: format!("{}..{}", quote("tempdb"), quote(name)),
            }),
            _ => Place::at(&quoted_parts(&Dialect::SqlServer.quote_path(procedure))),
        }
    }

    /// By the database, the schema and the name, all quoted, of which the first ones may be missing.
    fn at(parts: &[String]) -> Result<Place> {
        let catalog = match parts {
            [_, _, _, _, ..] => {
                return Err(Error::usage("another server is not asked for a procedure's outputs")
                    .with_hint("name them by `Procedure::output`, or say `Procedure::without_outputs`"));
            }
            [database, _, _] if !database.is_empty() => format!("{database}."),
            _ => String::new(),
        };
        Ok(Place { catalog, path: parts.join(".") })
    }

    /// Where else `EXEC` looks for a procedure whose name begins with `sp_`.
    pub(super) fn in_master(procedure: &str) -> Option<Place> {
        let (schema, name) = procedure.rsplit_once('.').unwrap_or(("dbo", procedure));
        let is_special = name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("sp_"));
        let path = format!("{}.{}", Dialect::SqlServer.quote_path(schema), Dialect::SqlServer.quote(name));
        let in_master = Place { catalog: "[master].".into(), path: format!("[master].{path}") };
        (is_special && !schema.contains('.')).then_some(in_master)
    }

    /// Where that is which a synonym in this place stands for, by the quoted name that the catalog has.
    pub(super) fn of_synonym(&self, base: &str) -> Result<Place> {
        let mut parts = quoted_parts(base);
        // A name without a database is one of the synonym's.
        if !self.catalog.is_empty() && parts.len() < 3 {
            parts.splice(0..0, vec![String::new(); 2 - parts.len().min(2)]);
            parts.insert(0, self.catalog.trim_end_matches('.').to_owned());
        }
        Place::at(&parts)
    }

    /// One row for each output parameter; without any, one with the procedure's number or without; and in each what a
    /// synonym stands for. `all_parameters` has those of the system's own procedures, too.
    pub(super) fn question(&self) -> String {
        let catalog = &self.catalog;
        // `system_type_id` is that of the type which a user's own type stands for.
        format!(
            "SELECT o.id, s.base_object_name AS base, p.name, TYPE_NAME(p.system_type_id) AS type, p.max_length, \
             p.precision, p.scale FROM (SELECT OBJECT_ID(:procedure) AS id) AS o \
             LEFT JOIN {catalog}sys.synonyms AS s ON s.object_id = o.id \
             LEFT JOIN {catalog}sys.all_parameters AS p \
             ON p.object_id = o.id AND p.is_output = 1 AND p.parameter_id > 0 ORDER BY p.parameter_id"
        )
    }
}

/// The parts of a path in brackets. A dot in brackets is one of the name; a schema that is left out is empty, as in
/// `[d]..[p]`.
fn quoted_parts(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for letter in path.chars() {
        // A bracket that is doubled closes and opens again.
        inside = (inside || letter == '[') && letter != ']';
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
    use crate::error::ErrorKind;

    #[test]
    fn a_procedure_is_looked_for_where_it_is() {
        let place = |procedure: &str| Place::of(procedure).map(|place| (place.catalog, place.path)).unwrap();
        let pair = |catalog: &str, path: &str| (catalog.to_owned(), path.to_owned());
        assert_eq!(place("p"), pair("", "[p]"));
        assert_eq!(place("dbo.p"), pair("", "[dbo].[p]"));
        assert_eq!(place("d.dbo.p"), pair("[d].", "[d].[dbo].[p]"));
        assert_eq!(place("#p"), pair("[tempdb].", "[tempdb]..[#p]"));
        assert_eq!(Place::of("far.d.dbo.p").unwrap_err().kind(), ErrorKind::Usage);
        let behind = |synonym: &str, base: &str| Place::of(synonym).unwrap().of_synonym(base).unwrap();
        assert_eq!(behind("s", "[dbo].[p]"), Place::of("dbo.p").unwrap());
        assert_eq!(behind("s", "[d].[dbo].[p]"), Place::of("d.dbo.p").unwrap());
        assert_eq!(behind("e.dbo.s", "[d].[dbo].[p]"), Place::of("d.dbo.p").unwrap());
        assert_eq!(behind("e.dbo.s", "[dbo].[p]"), Place::of("e.dbo.p").unwrap());
        assert_eq!(behind("e.dbo.s", "[p]").path, "[e]..[p]");
        assert_eq!(behind("s", "[d]..[p]"), Place::of("d..p").unwrap());
        assert_eq!(behind("s", "[d]..[p]").path, "[d]..[p]");
        assert_eq!(behind("s", "[dbo].[a.b]]].c]").path, "[dbo].[a.b]]].c]");
        let far = Place::of("s").unwrap().of_synonym("[far].[d].[dbo].[p]");
        assert_eq!(far.unwrap_err().kind(), ErrorKind::Usage);
        let master = |procedure: &str| Place::in_master(procedure).map(|place| place.path);
        assert_eq!(master("SP_who").as_deref(), Some("[master].[dbo].[SP_who]"));
        assert_eq!(master("ops.sp_who").as_deref(), Some("[master].[ops].[sp_who]"));
        assert_eq!((master("who"), master("d.dbo.sp_who")), (None, None));
        assert!(Place::of("d.dbo.p").unwrap().question().contains("[d].sys.all_parameters"));
    }
}

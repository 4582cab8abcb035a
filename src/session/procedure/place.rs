//! Where a stored procedure of SQL Server is looked for, and the question for its parameters. Pure.

use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::sql::{ObjectName, object_parts};

/// # Errors
///
/// `Usage` for a procedure on another server, whose numbers are not those of this one.
pub(super) fn of(procedure: &str) -> Result<ObjectName> {
    on_this_server(&object_parts(&Dialect::SqlServer.quote_path(procedure)))
}

fn on_this_server(parts: &[String]) -> Result<ObjectName> {
    if parts.len() > 3 {
        return Err(Error::usage("another server is not asked for a procedure's outputs")
            .with_hint("name them by `Procedure::output`, or say `Procedure::without_outputs`"));
    }
    Ok(ObjectName::of_parts(parts))
}

/// Where else `EXEC` looks for a procedure whose name begins with `sp_`.
pub(super) fn in_master(procedure: &str) -> Option<ObjectName> {
    let (schema, name) = procedure.rsplit_once('.').unwrap_or(("dbo", procedure));
    let is_special = name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("sp_"));
    (is_special && !schema.contains('.'))
        .then(|| ObjectName::of_parts(&["master", schema, name].map(|part| Dialect::SqlServer.quote(part))))
}

/// Where that is which a synonym in this place stands for, by the quoted name that the catalog has.
pub(super) fn of_synonym(synonym: &ObjectName, base: &str) -> Result<ObjectName> {
    on_this_server(&synonym.behind(base))
}

/// One row for each output parameter; without any, one with the procedure's number or without; and in each what a
/// synonym stands for. `all_parameters` has those of the system's own procedures, too.
pub(super) fn question(procedure: &ObjectName) -> String {
    let (catalog, id) = (&procedure.catalog, procedure.id());
    // `system_type_id` is that of the type which a user's own type stands for.
    format!(
        "SELECT o.id, s.base_object_name AS base, p.name, TYPE_NAME(p.system_type_id) AS type, p.max_length, \
         p.precision, p.scale FROM (SELECT {id} AS id) AS o \
         LEFT JOIN {catalog}sys.synonyms AS s ON s.object_id = o.id \
         LEFT JOIN {catalog}sys.all_parameters AS p \
         ON p.object_id = o.id AND p.is_output = 1 AND p.parameter_id > 0 ORDER BY p.parameter_id"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_procedure_is_looked_for_where_it_is() {
        assert_eq!(of("#p").unwrap().path, "[tempdb]..[#p]");
        assert_eq!(of("far.d.dbo.p").unwrap_err().kind(), ErrorKind::Usage);
        let behind = |synonym: &str, base: &str| of_synonym(&of(synonym).unwrap(), base).unwrap();
        assert_eq!(behind("s", "[dbo].[p]"), of("dbo.p").unwrap());
        assert_eq!(behind("s", "[d].[dbo].[p]"), of("d.dbo.p").unwrap());
        assert_eq!(behind("e.dbo.s", "[d].[dbo].[p]"), of("d.dbo.p").unwrap());
        assert_eq!(behind("e.dbo.s", "[dbo].[p]"), of("e.dbo.p").unwrap());
        assert_eq!(behind("e.dbo.s", "[p]").path, "[e]..[p]");
        assert_eq!(behind("s", "[d]..[p]"), of("d..p").unwrap());
        assert_eq!(behind("s", "[d]..[p]").path, "[d]..[p]");
        assert_eq!(behind("s", "[dbo].[a.b]].c]").path, "[dbo].[a.b]].c]");
        let far = of_synonym(&of("s").unwrap(), "[far].[d].[dbo].[p]");
        assert_eq!(far.unwrap_err().kind(), ErrorKind::Usage);
        let master = |procedure: &str| in_master(procedure).map(|place| place.path);
        assert_eq!(master("SP_who").as_deref(), Some("[master].[dbo].[SP_who]"));
        assert_eq!(master("ops.sp_who").as_deref(), Some("[master].[ops].[sp_who]"));
        assert_eq!((master("who"), master("d.dbo.sp_who")), (None, None));
        assert!(question(&of("d.dbo.p").unwrap()).contains("[d].sys.all_parameters"));
    }
}

//! The text of a statement as it goes to its driver. Pure.
//!
//! FreeTDS needs two things said in it. A long argument goes by a type that SQL Server has for old programs only, which
//! can be compared with nothing, so its placeholder says which type it is. And of a statement under a trigger it tells
//! the trigger's count where the text has no parameters, and none where the trigger returns rows, so the batch itself
//! asks.

use std::sync::Arc;

use crate::dialect::Dialect;
use crate::sql::{with_casts, with_count};

use super::bind::{Argument, Forms, Long};
use super::flavor::Flavor;
use super::worker::Wanted;

/// The text for these arguments and results.
pub(super) fn text_for(text: &Arc<str>, arguments: &[Argument], wanted: Wanted, forms: Forms) -> Arc<str> {
    // Of the drivers for SQL Server only Microsoft's need none of it.
    if forms.flavor != Flavor::SqlServer || forms.long != Long::Typed {
        return Arc::clone(text);
    }
    let asks = if wanted == Wanted::Count { with_count(text) } else { None };
    let text = asks.map_or_else(|| Arc::clone(text), Arc::from);
    if arguments.iter().all(|argument| argument.cast().is_none()) {
        return text;
    }
    let types: Vec<_> = arguments.iter().map(Argument::cast).collect();
    with_casts(&text, Dialect::SqlServer, &types).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::odbc::bind::arguments;
    use crate::settings::TextParameters;
    use crate::value::Value;

    fn of(text: &str, flavor: Flavor, long: Long, wanted: Wanted) -> String {
        let forms = Forms { flavor, long, texts: TextParameters::Auto };
        let values = [Value::from("é".repeat(4001)), Value::from("x")];
        text_for(&text.into(), &arguments(&values, forms).unwrap(), wanted, forms).to_string()
    }

    #[test]
    fn freetds_is_told_the_type_of_a_long_argument_and_asked_for_the_count() {
        let text = "UPDATE t SET a = ?, b = ?";
        let cast = "UPDATE t SET a = CAST(? AS nvarchar(max)), b = ?";
        assert_eq!(of(text, Flavor::SqlServer, Long::Typed, Wanted::First), cast);
        let counted = format!("{cast}\n; SELECT CAST(@@ROWCOUNT AS bigint) AS batchdb_changed");
        assert_eq!(of(text, Flavor::SqlServer, Long::Typed, Wanted::Count), counted);
        assert_eq!(of(text, Flavor::SqlServer, Long::Unsized, Wanted::Count), text);
        assert_eq!(of(text, Flavor::Postgres, Long::Typed, Wanted::Count), text);
    }
}

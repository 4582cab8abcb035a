//! The text of a statement as it goes to its driver. Pure.
//!
//! Of a statement under a trigger FreeTDS tells the trigger's count where the text has no parameters, and none of its own
//! where the trigger returns rows. So the batch itself asks.

use std::sync::Arc;

use crate::sql::with_count;

use super::bind::{Forms, Long};
use super::flavor::Flavor;
use super::worker::Wanted;

/// The text for these results.
pub(super) fn text_for(text: &Arc<str>, wanted: Wanted, forms: Forms) -> Arc<str> {
    // Of the drivers for SQL Server only Microsoft's tell every count.
    let asks = forms.flavor == Flavor::SqlServer && forms.long == Long::Typed && wanted == Wanted::Count;
    let asking = if asks { with_count(text) } else { None };
    asking.map_or_else(|| Arc::clone(text), Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TextParameters;

    #[test]
    fn freetds_is_asked_for_the_count_where_a_count_is_wanted() {
        let of = |flavor, long, wanted| {
            let forms = Forms { flavor, long, texts: TextParameters::Auto };
            text_for(&"DELETE FROM t".into(), wanted, forms).contains("@@ROWCOUNT")
        };
        assert!(of(Flavor::SqlServer, Long::Typed, Wanted::Count));
        assert!(!of(Flavor::SqlServer, Long::Typed, Wanted::First));
        assert!(!of(Flavor::SqlServer, Long::Unsized, Wanted::Count));
        assert!(!of(Flavor::Postgres, Long::Typed, Wanted::Count));
    }
}

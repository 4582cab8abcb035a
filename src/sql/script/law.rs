//! What holds of any script, however it looks: for the tests by chance, and for fuzzing.

use super::{newlines, split};
use crate::dialect::Dialect;
use crate::sql::lexer::{Kind, Token, tokens};

/// Whether a text between two pieces says nothing: space, comments, and what divides.
fn says_nothing(gap: &str, dialect: Dialect) -> bool {
    tokens(gap, dialect).filter(Token::is_significant).all(|token| {
        token.is(";")
            || (dialect == Dialect::SqlServer && (token.is_word("GO") || token.kind == Kind::Number))
    })
}

/// The gaps and the pieces together are the script: nothing of it is lost, invented or told at a wrong place.
#[track_caller]
pub(crate) fn nothing_is_lost(script: &str, dialect: Dialect) {
    let Ok(pieces) = split(script, dialect) else { return };
    let mut end = 0;
    for piece in &pieces {
        assert!(piece.at >= end, "a piece begins before the last one ends");
        assert!(says_nothing(&script[end..piece.at], dialect), "lost: {:?}", &script[end..piece.at]);
        assert_eq!(&script[piece.at..piece.at + piece.text.len()], piece.text);
        assert_eq!(piece.line, newlines(&script[..piece.at]) + 1);
        assert!(piece.repeat > 0);
        assert!(
            !says_nothing(piece.text, dialect) || dialect == Dialect::SqlServer,
            "empty: {:?}",
            piece.text
        );
        end = piece.at + piece.text.len();
    }
    assert!(says_nothing(&script[end..], dialect), "lost: {:?}", &script[end..]);
    let words = |text: &str| {
        let significant = tokens(text, dialect).filter(Token::is_significant);
        significant.filter(|token| !token.is(";")).map(|token| token.text.to_owned()).collect::<Vec<_>>()
    };
    if dialect != Dialect::SqlServer {
        let together: Vec<String> = pieces.iter().flat_map(|piece| words(piece.text)).collect();
        assert_eq!(together, words(script));
    }
}

/// What was cut once is one piece when it is cut again.
#[track_caller]
pub(crate) fn pieces_are_whole(script: &str, dialect: Dialect) {
    for piece in split(script, dialect).into_iter().flatten() {
        let again = split(piece.text, dialect);
        assert!(
            again.as_ref().is_ok_and(|again| again.len() == 1 && again[0].text == piece.text),
            "{:?} is cut again: {again:?}",
            piece.text
        );
    }
}

//! The same for T-SQL, whose statements need no `;` between them: its verbs are reserved, so one that stands anywhere
//! without quotes is a statement.

use super::super::lexer::{Kind, Token};
use super::super::statements::statements;
use super::{CHANGES, CONTROL, READS, UNKNOWN, calls, traces_inside, writes_inside};
use crate::sql::Traits;

/// What makes one statement run many times, each time committed by itself.
const LOOPS: &[&str] = &["WHILE", "GOTO"];

/// Functions that hand a text to another server.
const REMOTE: &[&str] = &["openquery", "openrowset", "opendatasource"];

/// Control flow, which neither writes nor leaves anything behind by itself.
const FLOW: &[&str] = &[
    "DECLARE",
    "SET",
    "IF",
    "ELSE",
    "WHILE",
    "BEGIN",
    "END",
    "BREAK",
    "CONTINUE",
    "RETURN",
    "GOTO",
    "PRINT",
    "RAISERROR",
    "THROW",
    "WAITFOR",
];

/// Reserved words that begin a statement of another kind, wherever they stand.
const OTHER_VERBS: &[&str] = &[
    "ALTER",
    "BACKUP",
    "CHECKPOINT",
    "CLOSE",
    "CREATE",
    "DBCC",
    "DEALLOCATE",
    "DENY",
    "DROP",
    "EXEC",
    "EXECUTE",
    "GRANT",
    "KILL",
    "OPEN",
    "RECONFIGURE",
    "RESTORE",
    "REVERT",
    "REVOKE",
    "SETUSER",
    "SHUTDOWN",
    "TRUNCATE",
    "UPDATETEXT",
    "WRITETEXT",
];

/// Options of the session under which the next statement begins a transaction, that nobody would end.
const IMPLICIT: &[&str] = &["IMPLICIT_TRANSACTIONS", "ANSI_DEFAULTS"];

/// What may follow `RECEIVE`, which takes messages off a queue and is no reserved word.
const RECEIVED: &[&str] = &[
    "TOP",
    "CAST",
    "CONVERT",
    "CONVERSATION_GROUP_ID",
    "CONVERSATION_HANDLE",
    "MESSAGE_BODY",
    "MESSAGE_ENQUEUE_TIME",
    "MESSAGE_SEQUENCE_NUMBER",
    "MESSAGE_TYPE_ID",
    "MESSAGE_TYPE_NAME",
    "PRIORITY",
    "QUEUING_ORDER",
    "SERVICE_CONTRACT_ID",
    "SERVICE_CONTRACT_NAME",
    "SERVICE_ID",
    "SERVICE_NAME",
    "STATUS",
    "VALIDATION",
];

/// A head of a statement that nothing is known of, such as a procedure's name, may do anything.
pub(super) fn head(statement: &[Token<'_>]) -> Traits {
    let known = super::head(statement).is_some_and(|place| {
        let head = &statement[place];
        head.is_one_of(READS)
            || head.is_one_of(CHANGES)
            || head.is_one_of(FLOW)
            || head.is_one_of(OTHER_VERBS)
            || head.is_one_of(&["COMMIT", "ROLLBACK", "SAVE", "USE"])
    });
    if known { Traits::default() } else { UNKNOWN }
}

/// The batch as a whole, searched for verbs.
pub(super) fn batch(batch: &[Token<'_>]) -> Traits {
    let writes = writes_inside(batch);
    let mut all = Traits {
        writes,
        // Its functions cannot write, but for those that ask another server.
        acts: writes || batch.iter().any(|token| calls(token, REMOTE)),
        divisible: writes && !is_one_change(batch),
        leaves_traces: traces_inside(batch),
        ..Traits::default()
    };
    if control(batch).is_some() {
        return CONTROL;
    }
    for (index, token) in batch.iter().enumerate().filter(|(_, token)| token.kind == Kind::Word) {
        let following = &batch[index + 1..];
        if token.is_one_of(OTHER_VERBS) || is_of_service_broker(&batch[..index], token, following) {
            all = UNKNOWN;
        }
        // `OPTION (USE HINT …)` is no statement, and a global cursor outlives its batch.
        let switches =
            token.is_word("USE") && !following.first().is_some_and(|next| next.is_one_of(&["HINT", "PLAN"]));
        let sets = token.is_word("SET") && sets_option(following);
        all.leaves_traces |= switches || sets || token.is_word("CURSOR");
    }
    all
}

/// Where a batch begins, divides or ends a transaction, or has every statement begin one: the place of the token.
pub(in crate::sql) fn control(batch: &[Token<'_>]) -> Option<usize> {
    batch.iter().enumerate().position(|(index, token)| {
        let following = &batch[index + 1..];
        let is_followed_by = |words: &[&str]| following.first().is_some_and(|next| next.is_one_of(words));
        token.is_one_of(&["COMMIT", "ROLLBACK"])
            || (token.is_word("BEGIN") && is_followed_by(&["TRAN", "TRANSACTION", "DISTRIBUTED"]))
            || (token.is_word("SAVE") && is_followed_by(&["TRAN", "TRANSACTION"]))
            || (token.is_word("SET") && switches_on(following, IMPLICIT))
    })
}

/// Whether what follows `SET` is a list of options, with one of these in it, and `ON`.
fn switches_on(following: &[Token<'_>], options: &[&str]) -> bool {
    let mut found = false;
    for pair in following.chunks_exact(2) {
        found |= pair[0].is_one_of(options);
        if !pair[1].is(",") {
            return found && pair[1].is_word("ON");
        }
    }
    false
}

/// What a name stands behind that is the column of an expression, and no statement. Not `ON`, which also ends a `SET`, nor
/// what a statement may end with.
const OPERATORS: &[&str] = &[",", ".", "=", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^", "~"];
const BEFORE_COLUMNS: &[&str] =
    &["SELECT", "DISTINCT", "WHERE", "AND", "OR", "NOT", "BY", "HAVING", "WHEN", "BETWEEN", "LIKE"];

/// Statements about conversations and their queues. None of their words is reserved, and some are made of words that
/// also open and close a block, or a `CASE`.
fn is_of_service_broker(before: &[Token<'_>], token: &Token<'_>, following: &[Token<'_>]) -> bool {
    let next_is = |words: &[&str]| following.first().is_some_and(|next| next.is_one_of(words));
    let second = following.get(1);
    let is_handle = |token: &Token<'_>| {
        matches!(token.kind, Kind::Literal | Kind::Name | Kind::Placeholder) || token.text.starts_with('@')
    };
    (token.is_word("WAITFOR") && following.first().is_some_and(|next| next.is("(")))
        || (token.is_word("BEGIN") && next_is(&["DIALOG", "CONVERSATION"]))
        || (token.is_word("END") && next_is(&["CONVERSATION"]) && second.is_some_and(is_handle))
        || (token.is_one_of(&["MOVE", "GET"]) && next_is(&["CONVERSATION"]))
        || (token.is_word("SEND")
            && next_is(&["ON"])
            && second.is_some_and(|second| second.is_word("CONVERSATION")))
        || (token.is_word("RECEIVE")
            && !is_column(before)
            && following
                .first()
                .is_some_and(|next| next.is("*") || next.is_one_of(RECEIVED) || next.text.starts_with('@')))
}

/// Whether what stands behind these is a column by its place. In parentheses only `WAITFOR` has a statement.
fn is_column(before: &[Token<'_>]) -> bool {
    match before {
        [.., outer, open] if open.is("(") => !outer.is_word("WAITFOR"),
        [.., last] => OPERATORS.iter().any(|operator| last.is(operator)) || last.is_one_of(BEFORE_COLUMNS),
        [] => false,
    }
}

/// Whether a batch has one statement that writes, and runs it once.
fn is_one_change(batch: &[Token<'_>]) -> bool {
    if batch.iter().any(|token| token.is_one_of(LOOPS)) {
        return false;
    }
    // The branches of a `MERGE` are no statements of their own, and it ends with a `;`.
    if batch.first().is_some_and(|head| head.is_word("MERGE")) {
        return statements(batch).count() == 1;
    }
    let verbs = |token: &&Token<'_>| token.is_one_of(&["INSERT", "UPDATE", "DELETE", "MERGE"]);
    let into =
        batch.windows(2).filter(|pair| pair[1].is_word("INTO") && !pair[0].is_one_of(&["INSERT", "MERGE"]));
    batch.iter().filter(verbs).count() + into.count() == 1
}

/// Whether what follows `SET` is an option of the session, rather than a variable or the column of an
/// `UPDATE`. The option that every session has anyway does not count; `NOCOUNT` does, for without the counts nobody
/// behind it is told how many rows were changed.
fn sets_option(following: &[Token<'_>]) -> bool {
    let [option, next, ..] = following else { return true };
    if option.kind != Kind::Word || option.text.starts_with('@') {
        return false;
    }
    let assigns = ["=", ".", "+", "-", "*", "/", "%", "&", "|", "^"].iter().any(|symbol| next.is(symbol));
    let is_ours = option.is_word("XACT_ABORT") && next.is_word("ON");
    !assigns && !is_ours
}

/// Whether the batch is `CREATE PROCEDURE` or its like, whose body reaches to the end and does not run now.
pub(in crate::sql) fn defines_module(batch: &[Token<'_>]) -> bool {
    batch.first().is_some_and(|first| first.is_one_of(&["CREATE", "ALTER"]))
        && batch
            .iter()
            .take(4)
            .any(|token| token.is_one_of(&["PROC", "PROCEDURE", "FUNCTION", "TRIGGER", "VIEW"]))
}

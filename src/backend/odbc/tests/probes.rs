//! What drivers say that they can do, and what is true of it: why the room goes by the database and not by their word.
#![allow(unsafe_code, reason = "drivers are asked by calls that no safe layer has")]

use odbc_sys::CDataType;

use super::super::block::Target;
use super::super::link::Link;
use super::super::session::Session;
use super::tds::scripted::{Answer, Server, Then};
use super::*;

/// Runs a probe on a connection of FreeTDS to a server that gives 40 rows.
fn freetds(probe: impl FnOnce(&Session<'_>)) {
    let server = Server::start(|text| match text.contains("ROWS") {
        true => Answer::rows(40, Then::Done),
        false => Answer::nothing(Then::Done),
    });
    let text = format!("Driver=FreeTDS;Server=127.0.0.1;Port={};UID=sa;PWD=x;Encryption=off", server.port());
    let address = connector(Dialect::SqlServer, &text, &[]).address;
    let link = Link::default();
    let session =
        Session::open(&address, LONG, &link).unwrap_or_else(|_| panic!("the server lets everybody in"));
    probe(&session);
}

#[test]
fn freetds_says_that_it_gives_values_of_a_block_again_and_does_not() {
    freetds(|session| {
        assert!(session.rereads_blocks(), "it says so no more: the room could go by its word");
        let mut statement = session.statement().unwrap();
        statement.execute("SELECT ROWS").unwrap();
        assert!(statement.widen(20));
        // Place for one digit and the end mark: the rows from 10 on are cut.
        let (mut units, mut lengths) = (vec![0_u16; 40], vec![0; 20]);
        let target = Target::long(&mut units, 2, CDataType::WChar, &mut lengths);
        assert_eq!(statement.fetch_block(&mut [target], 20).unwrap(), 20);
        let mut room = [0_u16; 8];
        let again = statement
            .position(12)
            .and_then(|()| statement.get_part(1, CDataType::WChar, &mut room).map(|_| room[..2].to_vec()));
        assert!(!again.is_ok_and(|units| String::from_utf16_lossy(&units) == "12"), "it does, now");
    });
}

#[test]
fn freetds_has_no_description_of_parameters() {
    /// `SQL_API_SQLDESCRIBEPARAM`
    const DESCRIBE_PARAM: u16 = 58;
    unsafe extern "system" {
        fn SQLGetFunctions(
            connection: odbc_sys::HDbc,
            function: u16,
            supported: *mut u16,
        ) -> odbc_sys::SqlReturn;
    }
    freetds(|session| {
        let mut supported = 7;
        // SAFETY: the handle is valid and connected, and one function is asked for, whose answer is one number.
        let code = unsafe { SQLGetFunctions(session.handle(), DESCRIBE_PARAM, &mut supported) };
        assert_eq!((code, supported), (odbc_sys::SqlReturn::SUCCESS, 0));
    });
}

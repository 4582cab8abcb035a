//! What `diagnose` tells of a server's certificate.

use batchdb::StepOutcome;

use super::*;

/// The step `tls`: its outcome, and all that was said of it.
#[track_caller]
fn told(host: &str, options: &str) -> (StepOutcome, String) {
    let diagnosis = at(host, options).build().unwrap().diagnose(Duration::from_secs(20), |_| ());
    let step = diagnosis.step("tls").unwrap_or_else(|| panic!("{diagnosis:?}"));
    let all = [&step.facts[..], &step.problems, &step.advice].concat();
    assert_eq!(step.outcome == StepOutcome::Failed, diagnosis.failed().is_some(), "{diagnosis:?}");
    (step.outcome, all.join("\n"))
}

#[track_caller]
fn check(host: &str, options: &str, outcome: StepOutcome, wanted: &[&str]) {
    let (found, text) = told(host, options);
    assert_eq!(found, outcome, "{options}\n{text}");
    for wanted in wanted {
        assert!(text.contains(wanted), "{options}: {wanted}\n{text}");
    }
}

#[test]
fn an_accepted_certificate_is_told_with_who_issued_it_and_until_when() {
    let about =
        ["\"CN=the server\" is issued by \"CN=the issuer\"", "it is for localhost", "it ends on ", "TLSv1_3"];
    let accepted = [&about[..], &["accepted by sslmode=verify-full"]].concat();
    check("localhost", &trusting("verify-full", "ours.pem"), StepOutcome::Passed, &accepted);
    let by_issuer = [&about[..], &["its name is not looked at"]].concat();
    check("127.0.0.1", &trusting("verify-ca", "ours.pem"), StepOutcome::Passed, &by_issuer);
    check("127.0.0.1", "sslmode=require", StepOutcome::Passed, &["checks nothing of it", "the issuer"]);
    check("127.0.0.1", "sslmode=disable", StepOutcome::Passed, &["not used"]);
}

#[test]
fn a_refused_certificate_is_shown_with_what_is_wrong_and_what_to_do() {
    let stranger = trusting("verify-full", "stranger.pem");
    let wanted = ["was not accepted", "issued by \"CN=the issuer\"", "UnknownIssuer", "`sslrootcert`"];
    check("localhost", &stranger, StepOutcome::Failed, &wanted);
    let wrong_name = trusting("verify-full", "ours.pem");
    check(
        "127.0.0.1",
        &wrong_name,
        StepOutcome::Failed,
        &["was not accepted", "it is for localhost", "by a name"],
    );
}

#[test]
fn a_server_without_tls_is_told_from_one_that_must_have_it() {
    let plain = |mode: &str| {
        common::fresh("no_tls")
            .connection_string(format!("{}?sslmode={mode}", common::server().url()))
            .build()
            .unwrap()
            .diagnose(Duration::from_secs(20), |_| ())
    };
    assert_eq!(plain("require").failed().map(|step| step.name), Some("tls"));
    let prefer = plain("prefer");
    assert_eq!(prefer.step("tls").unwrap().outcome, StepOutcome::Passed, "{prefer:?}");
    assert_eq!(prefer.failed(), None);
}

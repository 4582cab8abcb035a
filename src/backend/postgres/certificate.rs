//! The contents of a certificate: for whom, by whom, until when.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::backend::reach::Found;

/// `diagnose` warns about a certificate that expires sooner than this.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) fn describe(certificate: &CertificateDer<'_>, found: &mut Found) {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        found.doubt("its certificate cannot be read", "look at it with `openssl x509`");
        return;
    };
    let about = &certificate.tbs_certificate;
    let (subject, issuer) = (about.subject.to_string(), about.issuer.to_string());
    match subject == issuer {
        true => found.and(format!("the certificate of \"{subject}\" is issued by itself")),
        false => found.and(format!("the certificate of \"{subject}\" is issued by \"{issuer}\"")),
    }
    let names = names(&certificate);
    found.and(match names.is_empty() {
        true => "it names no host (no subjectAltName)".to_owned(),
        false => format!("it is for {}", names.join(", ")),
    });
    let end = about.validity.not_after.to_system_time();
    let day = chrono::DateTime::<chrono::Utc>::from(end).format("%Y-%m-%d %H:%M UTC");
    match end.duration_since(SystemTime::now()) {
        Err(_) => found.doubt(format!("it ended on {day}"), "have it renewed: every check of it fails now"),
        Ok(left) if left < SOON => {
            found.doubt(
                format!("it ends on {day}, in {} days", left.as_secs() / 86_400),
                "have it renewed in time",
            );
        }
        Ok(left) => found.and(format!("it ends on {day}, in {} days", left.as_secs() / 86_400)),
    }
}

fn names(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate.get::<SubjectAltName>() else {
        return Vec::new();
    };
    let spelled = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => match *bytes.as_bytes() {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref long => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(long).ok()?).to_string()),
        },
        _ => None,
    };
    names.iter().filter_map(spelled).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn told(names: &[&str], year: i32) -> Found {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the server");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let mut found = Found::default();
        describe(certificate.der(), &mut found);
        found
    }

    #[test]
    fn names_issuer_and_end_are_told() {
        let found = told(&["db.example", "192.0.2.7", "2001:db8::1"], 2900);
        let facts = found.facts.join("\n");
        for wanted in [
            "\"CN=the server",
            "is issued by itself",
            "it is for db.example, 192.0.2.7, 2001:db8::1",
            "it ends on 2900-01-01",
        ] {
            assert!(facts.contains(wanted), "{wanted}\n{facts}");
        }
        assert!(found.doubts.is_empty());
        assert!(told(&[], 2900).facts.iter().any(|fact| fact.contains("names no host")));
    }

    #[test]
    fn one_that_has_ended_and_one_that_is_none_are_doubts() {
        assert!(told(&["a"], 2001).doubts[0].0.contains("it ended on 2001-01-01"));
        let mut found = Found::default();
        describe(&CertificateDer::from(vec![1, 2, 3]), &mut found);
        assert!(found.doubts[0].0.contains("cannot be read"));
    }
}

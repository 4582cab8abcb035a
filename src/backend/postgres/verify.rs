//! What each `sslmode` requires of the server's certificate, as in libpq.
//!
//! `prefer` and `require` encrypt and check nothing (a `require` with `sslrootcert` checks the issuer, as
//! in libpq), `verify-ca` checks the issuer, `verify-full` the issuer and the name.
//! <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Result};
use crate::settings::{PostgresTarget, SslMode};

/// How much of a certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    Issuer,
    IssuerAndName,
}

/// The TLS settings for one database.
///
/// # Errors
///
/// `Config`, when a certificate or key file cannot be read, or no trusted root is found.
pub(super) fn client_config(target: &PostgresTarget) -> Result<ClientConfig> {
    config(target, Arc::new(Verifier::new(target)?))
}

impl Verifier {
    fn new(target: &PostgresTarget) -> Result<Verifier> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let check = match target.ssl_mode {
            SslMode::VerifyFull => Check::IssuerAndName,
            SslMode::VerifyCa => Check::Issuer,
            SslMode::Require if target.ssl_root_cert.is_some() => Check::Issuer,
            _ => Check::Nothing,
        };
        let issuers = match check {
            Check::Nothing => None,
            _ => Some(
                WebPkiServerVerifier::builder_with_provider(
                    roots(target.ssl_root_cert.as_deref())?,
                    Arc::clone(&provider),
                )
                .build()
                .map_err(|error| {
                    Error::config("the trusted root certificates cannot be used").with_source(error)
                })?,
            ),
        };
        Ok(Verifier { check, issuers, provider })
    }
}

/// The same, with a given verifier.
pub(super) fn config(target: &PostgresTarget, verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::config("TLS cannot be set up").with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match (&target.ssl_cert, &target.ssl_key) {
        (Some(certificate), Some(key)) => {
            let chain = read_certificates(certificate, "sslcert")?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unreadable("sslkey", key).with_source(error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                Error::config("`sslcert` and `sslkey` do not fit together").with_source(error)
            })
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(Error::config("a client certificate needs both `sslcert` and `sslkey`")),
    }
}

fn unreadable(option: &str, path: &Path) -> Error {
    Error::config(format!("the file of `{option}` cannot be read as PEM: {}", path.display()))
}

fn read_certificates(path: &Path, option: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(option, path).with_source(error))?;
    if certificates.is_empty() { Err(unreadable(option, path)) } else { Ok(certificates) }
}

/// The root certificates of `sslrootcert`, or those that the machine trusts when it is not set.
fn roots(path: Option<&Path>) -> Result<Arc<RootCertStore>> {
    let mut store = RootCertStore::empty();
    match path {
        Some(path) => {
            for certificate in read_certificates(path, "sslrootcert")? {
                store.add(certificate).map_err(|error| unreadable("sslrootcert", path).with_source(error))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err(Error::config("this machine trusts no root certificate")
            .with_hint("install ca-certificates, or name the issuer's file with `sslrootcert`"));
    }
    Ok(Arc::new(store))
}

/// Checks as much of a certificate as the `sslmode` requires. The signature of the handshake is always checked.
#[derive(Debug)]
struct Verifier {
    check: Check,
    issuers: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(issuers) = &self.issuers else {
            return Ok(ServerCertVerified::assertion());
        };
        match issuers.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // rustls checks the name last, so the issuer has been accepted by now.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::Issuer => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The results of checking a certificate.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) certificate: CertificateDer<'static>,
    /// By the `sslmode` of the settings.
    pub(super) in_force: Result<(), rustls::Error>,
    /// By `verify-full`.
    pub(super) strict: Result<(), rustls::Error>,
}

/// Accepts every certificate, and records whether it would have been accepted. It is needed because rustls does not
/// return a refused certificate, and `diagnose` must show it. For probes only: no login is ever sent over such a
/// connection.
#[derive(Debug)]
pub(super) struct Recorder {
    in_force: Verifier,
    strict: Result<Verifier>,
    verdict: Mutex<Option<Verdict>>,
}

impl Recorder {
    /// # Errors
    ///
    /// As [`client_config`].
    pub(super) fn new(target: &PostgresTarget) -> Result<Recorder> {
        let strict = PostgresTarget { ssl_mode: SslMode::VerifyFull, ..target.clone() };
        Ok(Recorder {
            in_force: Verifier::new(target)?,
            strict: Verifier::new(&strict),
            verdict: Mutex::new(None),
        })
    }

    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the settings require more than encryption.
    pub(super) fn checks_issuer(&self) -> bool {
        self.in_force.check != Check::Nothing
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let ask = |verifier: &Verifier| {
            verifier.verify_server_cert(certificate, intermediates, name, ocsp, now).map(drop)
        };
        let strict = match &self.strict {
            Ok(verifier) => ask(verifier),
            Err(error) => Err(rustls::Error::General(error.to_string())),
        };
        let verdict =
            Verdict { certificate: certificate.clone().into_owned(), in_force: ask(&self.in_force), strict };
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.in_force.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.in_force.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.in_force.supported_verify_schemes()
    }
}

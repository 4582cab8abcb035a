//! What each `sslmode` asks of the server's certificate, as libpq has it.
//!
//! `prefer` and `require` encrypt and check nothing (a `require` with `sslrootcert` checks the issuer, as
//! in libpq), `verify-ca` checks the issuer, `verify-full` the issuer and the name.
//! <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Result};
use crate::settings::{PostgresTarget, SslMode};

/// How much of a certificate is looked at.
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
    let verifier = Verifier { check, issuers, provider: Arc::clone(&provider) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::config("TLS cannot be set up").with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
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

/// The roots of `sslrootcert`, or those of the machine when it is not given.
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

/// Checks as much of a certificate as the `sslmode` asks; a signature of the handshake is always checked.
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
            // The name is the last thing that rustls looks at, so the issuer has been checked by now.
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

//! Whose certificates we believe.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Trust the machine's certificate authorities, or those of `ca_file` instead.
pub fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, std::io::Error> {
    let invalid = |error: &dyn std::fmt::Display| {
        std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string())
    };
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file).map_err(|error| invalid(&error))?;
            for certificate in certificates {
                roots
                    .add(certificate.map_err(|error| invalid(&error))?)
                    .map_err(|error| invalid(&error))?;
            }
            if roots.is_empty() {
                return Err(invalid(&"it holds no certificate"));
            }
        }
        // A machine without any (a bare container) can still reach plain http upstreams.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config
        .map_err(|error| invalid(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

//! Certificates.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::config::TlsFiles;
use super::error::StartError;

/// Accepts TLS 1.2 and 1.3; `protocol` is what both sides then speak (ALPN).
pub(super) fn acceptor(files: &TlsFiles, protocol: &[u8]) -> Result<TlsAcceptor, StartError> {
    let wrong = |path: &Path, reason: String| StartError::Tls {
        path: path.to_path_buf(),
        reason,
    };
    let path = &files.certificates;
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = certificates.map_err(|e| wrong(path, e.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong(path, "it holds no PEM certificate".to_string()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key);
    let key = key.map_err(|e| wrong(&files.key, e.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(path, e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    let mut config = config.map_err(|e| wrong(path, e.to_string()))?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

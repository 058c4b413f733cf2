//! Mutual TLS: both ends of every connection show a certificate of the cluster's authority.

use crate::runtime::std;

use std::boxed::Box;
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::string::ToString;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    ClientConfig, ClientConnection, CommonState, ConnectionCommon, RootCertStore, ServerConfig,
    ServerConnection, StreamOwned,
};
use thiserror::Error;

use super::breach::Breach;
use super::handshake::{Channel, is_closed};
use super::security::{Socket, Stream};

/// The certificates with which a node takes part in a cluster.
///
/// Each node has a certificate, signed by an authority that signs for this cluster alone, which
/// is valid as a TLS server and as a TLS client, and holds the name by which the node's peers
/// know it, as a subject alternative name: the host (or IP address) that they are told for it,
/// or what [`TcpTransport::peer_name`](super::TcpTransport::peer_name) says. Both ends of each
/// connection prove their names, so a peer without a certificate gets nowhere, and one with its
/// own cannot pass for another server.
#[derive(Clone)]
pub struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Why certificates were refused.
#[derive(Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of the kind it should hold.
    #[error("cannot read a {what} from {}", path.display())]
    File {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The key does not fit the certificate, or one of them is not acceptable.
    #[error("the certificates cannot be used")]
    Certificates(#[source] rustls::Error),
    /// The authority cannot be used.
    #[error("the authority's certificate cannot be used")]
    Authority(#[source] rustls::server::VerifierBuilderError),
}

impl Tls {
    /// Reads PEM files: the certificate of the cluster's authority, this node's certificate
    /// (with intermediate ones behind it, if there are any), and its private key.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub fn from_pem_files(
        authority: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Tls, TlsError> {
        let key = key.as_ref();
        let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::File {
            what: "private key",
            path: key.into(),
            source,
        })?;
        Tls::new(certificates(authority.as_ref())?, certificates(certificate.as_ref())?, key)
    }

    /// The same from memory: the authority's certificates, this node's chain, its private key.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(
        authority: Vec<CertificateDer<'static>>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Tls, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in authority {
            roots.add(certificate).map_err(TlsError::Certificates)?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Certificates)?
            .with_client_cert_verifier(clients.build().map_err(TlsError::Authority)?)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(TlsError::Certificates)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Certificates)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(TlsError::Certificates)?;
        Ok(Tls { client: Arc::new(client), server: Arc::new(server) })
    }

    pub(super) fn connect(&self, socket: Socket, name: &str) -> Result<Box<dyn Stream>, Breach> {
        let name = ServerName::try_from(name.to_string()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(self.client.clone(), name);
        let mut stream = StreamOwned::new(connection.map_err(io::Error::other)?, socket);
        shake_hands(&mut stream.conn, &mut stream.sock)?;
        Ok(Box::new(stream))
    }

    pub(super) fn accept(&self, socket: Socket) -> Result<Box<dyn Stream>, Breach> {
        let connection = ServerConnection::new(self.server.clone()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        shake_hands(&mut stream.conn, &mut stream.sock)?;
        Ok(Box::new(stream))
    }
}

/// The handshake of TLS.
///
/// # Errors
/// When the other end speaks no TLS, as far as can be told, or proves the wrong name.
fn shake_hands<D>(connection: &mut ConnectionCommon<D>, socket: &mut Socket) -> Result<(), Breach> {
    while connection.is_handshaking() {
        connection.complete_io(socket).map_err(no_handshake)?;
    }
    Ok(())
}

fn no_handshake(error: io::Error) -> Breach {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match refusal {
        Some(rustls::Error::InvalidMessage(_)) => Breach::SpeaksNoTls,
        Some(_) => Breach::Io(error),
        None if is_closed(&error) => Breach::TlsCutOff,
        None => Breach::Io(error),
    }
}

impl Stream for StreamOwned<ClientConnection, Socket> {
    fn goes_by(&self, name: &str) -> bool {
        proves(&self.conn, name)
    }

    fn socket(&self) -> Option<&TcpStream> {
        None
    }

    fn settle(&mut self, channel: Channel, dead_after: Duration) -> io::Result<()> {
        self.sock.settle(channel, dead_after)
    }
}

impl Stream for StreamOwned<ServerConnection, Socket> {
    fn goes_by(&self, name: &str) -> bool {
        proves(&self.conn, name)
    }

    fn socket(&self) -> Option<&TcpStream> {
        None
    }

    fn settle(&mut self, channel: Channel, dead_after: Duration) -> io::Result<()> {
        self.sock.settle(channel, dead_after)
    }
}

/// Whether the other end's certificate, which the authority has signed, holds `name`.
fn proves(connection: &CommonState, name: &str) -> bool {
    let certificate = connection.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.and_then(|one| ParsedCertificate::try_from(one).ok());
    let name = ServerName::try_from(name).ok();
    certificate
        .zip(name)
        .is_some_and(|(certificate, name)| verify_server_name(&certificate, &name).is_ok())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |source| TlsError::File { what: "certificate", path: path.into(), source };
    let read = CertificateDer::pem_file_iter(path).map_err(error)?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(error)?;
    match certificates.is_empty() {
        true => Err(error(pem::Error::NoItemsFound)),
        false => Ok(certificates),
    }
}

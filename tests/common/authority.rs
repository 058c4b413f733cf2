//! Certificates, as the owner of a cluster makes them.

#![allow(dead_code, reason = "each suite uses its own share")]

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use veraft::runtime::{Tls, TlsError};

/// Signs certificates, as the owner of a cluster would.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// The authority's own certificate.
    pub fn der(&self) -> rustls::pki_types::CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for `host`, and its key.
    pub fn sign(&self, host: &str) -> (String, String) {
        let params = CertificateParams::new(vec![host.to_string()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// What a node needs whose certificate, for `host`, is from `self` and that trusts `trusted`.
    pub fn tls_for(&self, host: &str, trusted: &Authority) -> Tls {
        let (certificate, key) = self.sign(host);
        from_files(&trusted.pem(), &certificate, &key).unwrap()
    }

    /// The same for the server `id`.
    pub fn tls(&self, id: u64, trusted: &Authority) -> Tls {
        self.tls_for(&name(id), trusted)
    }
}

/// The name of a server: on one host, each needs one of its own.
pub fn name(id: u64) -> String {
    format!("s{id}.cluster.example")
}

pub fn from_files(authority: &str, certificate: &str, key: &str) -> Result<Tls, TlsError> {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (authority, certificate) = (file("ca.pem", authority), file("node.pem", certificate));
    Tls::from_pem_files(authority, certificate, file("node.key", key))
}

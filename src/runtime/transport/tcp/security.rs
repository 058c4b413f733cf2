//! A stream in the clear or under TLS, behind one type.

use crate::runtime::std;

use std::boxed::Box;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// A connection's stream.
pub(super) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// How connections are protected.
#[derive(Clone, Default)]
pub(super) enum Security {
    /// Not at all: anybody who reaches the address can take part.
    #[default]
    Plain,
    /// By mutual TLS.
    #[cfg(feature = "tls")]
    Tls(super::tls::Tls),
}

impl Security {
    /// Protects a connection that this node opened to `host`.
    pub(super) fn connect(&self, stream: TcpStream, host: &str) -> io::Result<Box<dyn Stream>> {
        match self {
            Security::Plain => {
                let _ = host;
                Ok(Box::new(stream))
            }
            #[cfg(feature = "tls")]
            Security::Tls(tls) => tls.connect(stream, host),
        }
    }

    /// Protects a connection that this node accepted.
    pub(super) fn accept(&self, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        match self {
            Security::Plain => Ok(Box::new(stream)),
            #[cfg(feature = "tls")]
            Security::Tls(tls) => tls.accept(stream),
        }
    }
}

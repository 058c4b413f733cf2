//! A stream in the clear or under TLS, behind one type.

use crate::runtime::std;

use std::boxed::Box;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// A connection's stream.
pub(super) trait Stream: Read + Write + Send {
    /// Whether the other end has proved, by now, that it goes by `name`. In the clear, whoever
    /// speaks is believed.
    fn goes_by(&self, name: &str) -> bool;

    /// The socket, if bytes may be written to it as they are.
    fn socket(&self) -> Option<&TcpStream>;
}

impl Stream for TcpStream {
    fn goes_by(&self, _name: &str) -> bool {
        true
    }

    fn socket(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

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
    /// Whether peers prove who they are, by their names.
    pub(super) fn is_by_name(&self) -> bool {
        match self {
            Security::Plain => false,
            #[cfg(feature = "tls")]
            Security::Tls(_) => true,
        }
    }

    /// Protects a connection that this node opened to a peer that goes by `name`.
    pub(super) fn connect(&self, stream: TcpStream, name: &str) -> io::Result<Box<dyn Stream>> {
        match self {
            Security::Plain => {
                let _ = name;
                Ok(Box::new(stream))
            }
            #[cfg(feature = "tls")]
            Security::Tls(tls) => tls.connect(stream, name),
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

//! A client of one connection that sends the same bytes again and again and insists on one status.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::Fallible;

/// The name in the certificate and in `host`.
pub(crate) const HOST: &str = "app.example.test";

/// Valgrind needs a while for a handshake.
const PATIENCE: Duration = Duration::from_mins(5);

trait Line: Read + Write + Send {}
impl<T: Read + Write + Send> Line for T {}

/// One connection.
pub(crate) struct Wire {
    line: Box<dyn Line>,
    answer: Vec<u8>,
    wanted: u16,
}

impl Wire {
    /// Connects, with TLS where a configuration is given.
    pub(crate) fn connect(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Fallible<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let line: Box<dyn Line> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let connection = ClientConnection::new(Arc::clone(config), HOST.try_into()?)?;
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        Ok(Self { line, answer: Vec::with_capacity(4096), wanted: 200 })
    }

    /// Insists on another status than 200.
    pub(crate) fn wanting(self, wanted: u16) -> Self {
        Self { wanted, ..self }
    }

    /// Sends a request and reads its answer to the end.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Fallible<()> {
        let status = self.status(request)?;
        if status == self.wanted {
            Ok(())
        } else {
            Err(format!("not a {}: {}", self.wanted, String::from_utf8_lossy(&self.answer)).into())
        }
    }

    /// The same, whatever the status is.
    pub(crate) fn status(&mut self, request: &[u8]) -> Fallible<u16> {
        self.line.write_all(request)?;
        self.line.flush()?;
        self.answer.clear();
        let mut piece = [0; 4096];
        loop {
            let read = self.line.read(&mut piece)?;
            if read == 0 {
                return Err("the connection ended within an answer".into());
            }
            self.answer.extend(piece.iter().take(read));
            if let Some(status) = complete(&self.answer)? {
                return Ok(status);
            }
        }
    }

    /// A header field of the last answer.
    pub(crate) fn answered(&self, name: &str) -> Option<String> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut fields);
        head.parse(&self.answer).ok()?;
        let field = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        String::from_utf8(field.value.to_vec()).ok()
    }
}

/// The status of an answer that is there to its end.
fn complete(answer: &[u8]) -> Fallible<Option<u16>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(start) = head.parse(answer)? else { return Ok(None) };
    let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let Some(length) = length else {
        return Err(format!("an answer without a length: {}", String::from_utf8_lossy(answer)).into());
    };
    let length: usize = std::str::from_utf8(length.value)?.parse()?;
    Ok(head.code.filter(|_| answer.len() >= start + length))
}
